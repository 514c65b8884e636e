// SPDX-License-Identifier: Apache-2.0
// A TOML document as plain values that remember their lines, and a reader that knows which keys nobody asked for.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/passes/options.h"
#include "edgesmith/refine/recipe.h"

namespace edgesmith::refine {

struct ConfigMember;

/// In an error, in place of a line, for what is in no file.
inline constexpr const char* kAsSet = ", with what is set";

/// A value of a configuration file. Tables keep their keys in order of name.
struct ConfigNode {
  using List = std::vector<ConfigNode>;
  using Table = std::vector<ConfigMember>;

  std::variant<bool, int64_t, double, std::string, List, Table> value;
  int line = 0;        ///< 0: from no file
  std::string folder;  ///< where relative paths in it start; "": where those of the document do

  /// The member `key` of a table, or null (also when this is no table).
  const ConfigNode* find(std::string_view key) const;
  ConfigNode* find(std::string_view key);
  /// Sets the member `key` of a table, adding it when it is not there.
  ConfigNode& set(std::string_view key, ConfigNode node);
};

/// A key of a table and its value. (Clang refuses a std::pair of a type that holds it.)
struct ConfigMember {
  ConfigMember(std::string_view key, ConfigNode node) : first(key), second(std::move(node)) {}
  std::string first;
  ConfigNode second;
};

/// Parses TOML; the result is a table. Errors: usage, with the line.
Result<ConfigNode> parse_toml(const std::string& text, const std::string& origin);
/// `text` as one TOML value, without lines, or nullopt.
std::optional<ConfigNode> parse_toml_value(const std::string& text);
/// One line of TOML that means `node`: inline tables, quoted texts.
std::string toml_text(const ConfigNode& node);
/// A table as a document with one key a line ("preprocess.scale = 0.5"), and the lines of the file that the keys are
/// from.
struct FlatToml {
  std::string text;
  std::vector<int> lines;
};
FlatToml flat_toml(const ConfigNode& table);
/// Data of a role: a path, or a table with the keys of a description (docs/data.md). `place` is what errors call it
/// ("data.eval"); relative paths start at `folder`. Errors: usage.
Result<data::DataSpec> read_data_spec(const ConfigNode& node, const std::string& place, const std::string& origin,
                                      const std::string& folder);
/// A text as TOML: quoted and escaped.
std::string toml_quoted(std::string_view text);
/// A float as TOML: with a point or an exponent.
std::string toml_real(double value);

/// A scalar or list of texts as an option's value; nullopt for anything else.
std::optional<passes::OptionValue> to_option_value(const ConfigNode& node);

/// "key=value" overrides such as "step.quantize.weights=int4" and "gate.max_drop=1", put into a recipe's table. Steps
/// are named by their pass (every step that runs it) or by their number from 1; the value is TOML, or a text when it is
/// not. Errors: usage (no '=', no such step).
Status apply_overrides(ConfigNode& recipe, std::span<const Override> overrides);

/// While it lives, keeps what ConfigReaders on this thread are asked for: reading an empty document gives its schema.
class KeyRecorder {
 public:
  KeyRecorder();
  ~KeyRecorder();
  KeyRecorder(const KeyRecorder&) = delete;
  KeyRecorder& operator=(const KeyRecorder&) = delete;

  const std::vector<RecipeKey>& keys() const { return keys_; }

 private:
  friend class ConfigReader;
  std::vector<RecipeKey> keys_;
};

/// Reads a table key by key; finish() is an error for a key that nobody asked for, naming the nearest known one.
class ConfigReader {
 public:
  /// `what` names the table in errors: "[gate]", "the recipe". Errors of create: usage (`node` is no table).
  static Result<ConfigReader> create(const ConfigNode& node, const std::string& origin, const std::string& what);

  /// The value of `key`, or null; the key counts as known from now on.
  const ConfigNode* get(std::string_view key);

  // Each reads `key` when it is there, and leaves `value` alone when it is not. Errors: usage (wrong kind, too small).
  Status text(std::string_view key, std::string& value);
  Status number(std::string_view key, std::optional<double>& value, double least);
  Status integer(std::string_view key, std::optional<int64_t>& value, int64_t least);
  /// A list of texts.
  Status texts(std::string_view key, std::vector<std::string>& values);
  /// One of `words`.
  /// Bytes and seconds: a number, or a text with a unit ("256 KiB", "10m").
  Status bytes(std::string_view key, std::optional<int64_t>& value);
  Status seconds(std::string_view key, double& value);
  Status word(std::string_view key, std::string& value, const std::vector<std::string>& words);

  /// The keys that were not asked for.
  std::vector<std::string> rest() const;
  Status finish() const;
  /// Where `node` stands: "r.toml: line 8".
  std::string place(const ConfigNode& node) const;
  /// A usage error at `node`.
  Error error(const ConfigNode& node, const std::string& message, const std::string& hint = {}) const;

 private:
  ConfigReader(const ConfigNode& table, std::string origin, std::string what)
      : table_(&table), origin_(std::move(origin)), what_(std::move(what)) {}
  Error wrong_kind(std::string_view key, const ConfigNode& node, const std::string& wanted) const;
  /// get(), when it is known what the key holds.
  const ConfigNode* get(RecipeKey key);

  const ConfigNode* table_;
  std::string origin_, what_;
  std::vector<std::string> known_;
};

/// "did you mean 'x'?", or the list of `names` when none is near.
std::string suggestion(const std::string& word, const std::vector<std::string>& names);

}  // namespace edgesmith::refine
