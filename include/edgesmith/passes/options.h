// SPDX-License-Identifier: Apache-2.0
// Typed options of passes: the schema parses the command line and recipes, and generates --help and the docs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "edgesmith/base/result.h"

namespace edgesmith::passes {

enum class OptionKind {
  flag,
  integer,
  real,
  word,
  path,  ///< a file; in recipes, relative to the recipe
  text_list
};

/// What a pass does with a file that an option names.
enum class FileUse {
  read,
  written,
  gone_on_with,  ///< read, and the same step may write it as well
};

/// One option of a pass.
struct OptionRow {
  std::string_view name;  ///< snake_case in recipes ("max_drop"), kebab-case on the command line (--max-drop)
  OptionKind kind;
  std::string_view fallback;                 ///< default, as text; "" = unset
  std::string_view help;                     ///< one line, with the unit
  double min = 0, max = 0;                   ///< range of numbers; min == max: any
  std::vector<std::string_view> words = {};  ///< allowed words of kind word; empty: any text
  FileUse file_use = FileUse::read;          ///< of kind path
};

/// True for lists of names or operators of nodes, which take globs: only, skip, skip_op, freeze.
bool is_selector(const OptionRow& row);

using OptionSchema = std::vector<OptionRow>;
using OptionValue = std::variant<bool, int64_t, double, std::string, std::vector<std::string>>;

/// The values of one pass invocation; options not given have the schema's defaults.
class Options {
 public:
  explicit Options(const OptionSchema& schema);

  /// Sets from text (command line) or a typed value (recipe). Errors: usage: unknown name (with the nearest known one),
  /// wrong kind, out of range, unknown word.
  Status set_text(std::string_view name, std::string_view text);
  Status set(std::string_view name, OptionValue value);

  bool has(std::string_view name) const;     ///< the schema knows it
  bool is_set(std::string_view name) const;  ///< given, or has a default
  bool given(std::string_view name) const;
  bool flag(std::string_view name) const;
  int64_t integer(std::string_view name) const;
  double real(std::string_view name) const;
  const std::string& word(std::string_view name) const;
  const std::vector<std::string>& list(std::string_view name) const;

  const OptionSchema& schema() const { return *schema_; }
  /// Every option with its effective value, in schema order, for the report.
  std::vector<std::pair<std::string, OptionValue>> effective() const;

 private:
  struct Entry {
    OptionValue value;
    bool has_value = false, given = false;
  };
  const Entry& entry(std::string_view name) const;
  const OptionSchema* schema_;
  std::vector<Entry> entries_;
};

}  // namespace edgesmith::passes
