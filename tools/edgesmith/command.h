// SPDX-License-Identifier: Apache-2.0
// The options of a subcommand. A thin cover over CLI11, whose headers stay in three sources: they would cost every
// command five seconds to compile.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace edgesmith::cli {

/// One option or argument, described by a chain of calls. A value that breaks a rule is a usage error.
class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}
  Option* required();
  /// What --help calls the value: "N", "MODEL".
  Option* type_name(const std::string& name);
  /// The heading that --help lists it under (help.cc knows their order).
  Option* group(const std::string& name);
  Option* positive();
  Option* non_negative();
  Option* between(int least, int most);
  Option* one_of(const std::vector<std::string>& words);
  /// What completion offers, where it is not one_of() that refuses the others.
  Option* suggest(std::vector<std::string> words);

  /// "-o", "--output"; empty for an argument by place.
  std::vector<std::string> names() const;
  std::string type() const;
  std::string help() const;
  bool is_flag() const;
  const std::vector<std::string>& words() const { return words_; }

 private:
  CLI::Option* option_;
  std::vector<std::string> words_;
};

/// A subcommand. Values are written while the command line is parsed and must live that long; a vector takes one value
/// each time that its option is given. Names: "-o,--output", or "model" for an argument by place.
class Command {
 public:
  explicit Command(CLI::App* app) : app_(app) {}
  std::string name() const;
  std::string summary() const;
  const std::deque<Option>& options() const { return options_; }
  Option* add_option(const std::string& names, std::string& value, const std::string& help);
  Option* add_option(const std::string& names, int& value, const std::string& help);
  Option* add_option(const std::string& names, int64_t& value, const std::string& help);
  Option* add_option(const std::string& names, uint64_t& value, const std::string& help);
  Option* add_option(const std::string& names, double& value, const std::string& help);
  Option* add_option(const std::string& names, std::optional<int64_t>& value, const std::string& help);
  Option* add_option(const std::string& names, std::optional<uint64_t>& value, const std::string& help);
  Option* add_option(const std::string& names, std::optional<double>& value, const std::string& help);
  Option* add_option(const std::string& names, std::vector<std::string>& values, const std::string& help);
  /// Other ways to call it, a line each, for the help: "plan MANIFEST.toml [options]".
  void also_called(const std::string& lines);
  Option* add_flag(const std::string& names, bool& value, const std::string& help);
  Option* add_flag_callback(const std::string& names, std::function<void()> given, const std::string& help);

 private:
  Option* keep(CLI::Option* option);
  Option* keep_value(CLI::Option* option);  ///< of an option that takes one, which must not be empty

  CLI::App* app_;
  std::deque<Option> options_;  ///< a deque: their addresses are handed out
};

}  // namespace edgesmith::cli
