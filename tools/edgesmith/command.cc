// SPDX-License-Identifier: Apache-2.0
#include "command.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli.h"
#include "edgesmith/base/text.h"

namespace edgesmith::cli {
namespace {

/// Numbers for which `holds`. (CLI11's own rules name the largest double, with all of its 309 digits.)
CLI::Validator numbers(bool (*holds)(double), const std::string& what) {
  const auto check = [holds, what](const std::string& text) {
    double number = 0;
    const bool fits = CLI::detail::lexical_cast(text, number) && holds(number);
    return fits ? std::string() : "'" + text + "' is no number " + what;
  };
  return CLI::Validator(check, "");
}

/// One of `words`. (CLI11's own rule prints them into the help as well.)
CLI::Validator word_of(const std::vector<std::string>& words) {
  const auto check = [words](const std::string& text) {
    const bool fits = std::find(words.begin(), words.end(), text) != words.end();
    return fits ? std::string() : "'" + text + "' is none of " + join(words, ", ");
  };
  return CLI::Validator(check, "");
}

/// A script's variable that is not set makes '--eval ""': without the data there would be no gate, and no word of it.
CLI::Validator not_empty() {
  return CLI::Validator([](const std::string& text) { return text.empty() ? "'' is empty" : std::string(); }, "");
}

}  // namespace

Option* Option::required() { return option_->required(), this; }
Option* Option::type_name(const std::string& name) { return option_->type_name(name), this; }
Option* Option::group(const std::string& name) { return option_->group(name), this; }
Option* Option::positive() {
  return option_->check(numbers([](double x) { return x > 0; }, "above 0")), this;
}
Option* Option::non_negative() {
  return option_->check(numbers([](double x) { return x >= 0; }, "0 or more")), this;
}
Option* Option::between(int least, int most) {
  const auto check = [least, most](const std::string& text) {
    int number = 0;
    const bool fits = CLI::detail::lexical_cast(text, number) && number >= least && number <= most;
    return fits ? "" : "'" + text + "' is no number from " + std::to_string(least) + " to " + std::to_string(most);
  };
  return option_->check(CLI::Validator(check, "")), this;
}
Option* Option::one_of(const std::vector<std::string>& words) {
  option_->check(word_of(words));
  return suggest(words);
}
Option* Option::suggest(std::vector<std::string> words) {
  words_ = std::move(words);
  return this;
}

std::vector<std::string> Option::names() const {
  std::vector<std::string> names;
  for (const std::string& name : option_->get_snames()) names.push_back("-" + name);
  for (const std::string& name : option_->get_lnames()) names.push_back("--" + name);
  return names;
}
std::string Option::type() const {
  const std::string type = option_->get_type_name();
  return type.substr(0, type.find(':'));
}
std::string Option::help() const { return option_->get_description(); }
bool Option::is_flag() const { return option_->get_expected_max() == 0; }

std::string Command::name() const { return app_->get_name(); }
std::string Command::summary() const { return app_->get_description(); }

void Command::also_called(const std::string& lines) { app_->footer(lines); }

Option* Command::keep(CLI::Option* option) { return &options_.emplace_back(option); }
Option* Command::keep_value(CLI::Option* option) { return keep(option->check(not_empty())); }

Option* Command::add_option(const std::string& names, std::string& value, const std::string& help) {
  return keep_value(app_->add_option(names, value, help));
}
Option* Command::add_option(const std::string& names, int& value, const std::string& help) {
  return keep_value(app_->add_option(names, value, help));
}
Option* Command::add_option(const std::string& names, int64_t& value, const std::string& help) {
  return keep_value(app_->add_option(names, value, help));
}
Option* Command::add_option(const std::string& names, uint64_t& value, const std::string& help) {
  return keep_value(app_->add_option(names, value, help));
}
Option* Command::add_option(const std::string& names, double& value, const std::string& help) {
  return keep_value(app_->add_option(names, value, help));
}
Option* Command::add_option(const std::string& names, std::optional<int64_t>& value, const std::string& help) {
  return keep_value(app_->add_option(names, value, help));
}
Option* Command::add_option(const std::string& names, std::optional<uint64_t>& value, const std::string& help) {
  return keep_value(app_->add_option(names, value, help));
}
Option* Command::add_option(const std::string& names, std::optional<double>& value, const std::string& help) {
  return keep_value(app_->add_option(names, value, help));
}
Option* Command::add_option(const std::string& names, std::vector<std::string>& values, const std::string& help) {
  return keep_value(app_->add_option(names, values, help)->allow_extra_args(false));
}
Option* Command::add_flag(const std::string& names, bool& value, const std::string& help) {
  return keep(app_->add_flag(names, value, help));
}
Option* Command::add_flag_callback(const std::string& names, std::function<void()> given, const std::string& help) {
  return keep(app_->add_flag_callback(names, std::move(given), help));
}

Program::Program(const std::string& summary) : app(std::make_unique<CLI::App>(summary, "edgesmith")) {
  app->require_subcommand(0, 1);  // what follows a command is never another one: `edgesmith passes quantize`
}
Program::~Program() = default;

Command* Program::add_command(const std::string& name, const std::string& summary, Action run) {
  CLI::App* subcommand = app->add_subcommand(name, summary);
  subcommand->allow_extras();  // reported with a suggestion, see arguments.cc
  subcommand->set_help_flag("-h,--help", "print this text")->group("Common");
  subcommand->callback([this, run = std::move(run)] { action = run; });
  Command* command = &commands_.emplace_back(subcommand);
  command->add_flag("--json", common.json, "one JSON document on stdout, and nothing else there")->group("Common");
  command->add_flag("-q,--quiet", common.quiet, "no progress, no messages but warnings and errors")->group("Common");
  command->add_flag("-v,--verbose", common.verbose, "say more")->group("Common");
  command
      ->add_option("--color", common.color,
                   "auto, always or never; also the order of colours in pictures: rgb, bgr or gray")
      ->one_of({"auto", "always", "never", "rgb", "bgr", "gray"})
      ->type_name("WORD")
      ->group("Common");
  return command;
}

}  // namespace edgesmith::cli
