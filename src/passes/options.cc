// SPDX-License-Identifier: Apache-2.0
// Options are parsed against their schema once, at the border: passes read typed values that are known to be in range.
#include "edgesmith/passes/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

#include "edgesmith/base/text.h"

namespace edgesmith::passes {
namespace {

/// Recipes write snake_case, the command line kebab-case; both are one name.
std::string snake(std::string_view name) {
  std::string text(name);
  std::replace(text.begin(), text.end(), '-', '_');
  return text;
}

template <typename T>
bool parse_number(std::string_view text, T& value) {
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && end == text.data() + text.size();
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> parts = split(text, ',');
  std::erase(parts, "");
  return parts;
}

std::string_view kind_text(OptionKind kind) {
  switch (kind) {
    case OptionKind::flag: return "true or false";
    case OptionKind::integer: return "a whole number";
    case OptionKind::real: return "a number";
    case OptionKind::word: return "a word";
    case OptionKind::path: return "a path";
    case OptionKind::text_list: return "a list of texts";
  }
  return "";
}

Error wrong_value(const OptionRow& row, std::string_view text) {
  return usage_error("option '" + std::string(row.name) + "' wants " + std::string(kind_text(row.kind)) + ", not '" +
                     std::string(text) + "'");
}

/// Text to a value of the row's kind; ranges and words are checked by the caller.
Result<OptionValue> parse_value(const OptionRow& row, std::string_view text) {
  switch (row.kind) {
    case OptionKind::flag:
      if (text == "true" || text == "1" || text == "on" || text == "yes") return OptionValue(true);
      if (text == "false" || text == "0" || text == "off" || text == "no") return OptionValue(false);
      return wrong_value(row, text);
    case OptionKind::integer: {
      int64_t value = 0;
      if (!parse_number(text, value)) return wrong_value(row, text);
      return OptionValue(value);
    }
    case OptionKind::real: {
      double value = 0;
      if (!parse_number(text, value)) return wrong_value(row, text);
      return OptionValue(value);
    }
    case OptionKind::word:
    case OptionKind::path: return OptionValue(std::string(text));
    case OptionKind::text_list: return OptionValue(split_list(text));
  }
  return wrong_value(row, text);
}

/// Makes a recipe's value the row's kind where nothing is lost: 1 for 1.0, "x" for ["x"].
Result<OptionValue> convert_value(const OptionRow& row, OptionValue value) {
  static constexpr std::string_view kGiven[] = {"true or false", "a whole number", "a number", "a text",
                                                "a list of texts"};
  const auto* integer = std::get_if<int64_t>(&value);
  const auto* real = std::get_if<double>(&value);
  const auto* text = std::get_if<std::string>(&value);
  switch (row.kind) {
    case OptionKind::flag:
      if (std::holds_alternative<bool>(value)) return value;
      break;
    case OptionKind::integer:
      if (integer != nullptr) return value;
      if (real != nullptr && std::abs(*real) < 0x1p53 && std::trunc(*real) == *real) {
        return OptionValue(static_cast<int64_t>(*real));
      }
      break;
    case OptionKind::real:
      if (real != nullptr) return value;
      if (integer != nullptr) return OptionValue(static_cast<double>(*integer));
      break;
    case OptionKind::word:
    case OptionKind::path:
      if (text != nullptr) return value;
      break;
    case OptionKind::text_list:
      if (std::holds_alternative<std::vector<std::string>>(value)) return value;
      if (text != nullptr) return OptionValue(std::vector<std::string>{*text});
      break;
  }
  return usage_error("option '" + std::string(row.name) + "' wants " + std::string(kind_text(row.kind)) + ", not " +
                     std::string(kGiven[value.index()]));
}

Status check_range(const OptionRow& row, double value) {
  if (std::isnan(value) || (row.min < row.max && (value < row.min || value > row.max))) {
    return usage_error("option '" + std::string(row.name) + "' is " + shortest(value) + ", outside " +
                       shortest(row.min) + " to " + shortest(row.max));
  }
  return {};
}

Status check_word(const OptionRow& row, const std::string& word) {
  if (row.words.empty() || std::find(row.words.begin(), row.words.end(), word) != row.words.end()) return {};
  const std::vector<std::string> words(row.words.begin(), row.words.end());
  const std::string near = nearest(word, words);
  return usage_error(
      "option '" + std::string(row.name) + "' has no value '" + word + "'",
      (near.empty() ? "" : "did you mean '" + near + "'? ") + std::string("known: ") + join(words, ", "));
}

Status check_value(const OptionRow& row, const OptionValue& value) {
  if (const auto* integer = std::get_if<int64_t>(&value)) return check_range(row, static_cast<double>(*integer));
  if (const auto* real = std::get_if<double>(&value)) return check_range(row, *real);
  if (const auto* word = std::get_if<std::string>(&value)) return check_word(row, *word);
  return {};
}

OptionValue empty_value(OptionKind kind) {
  switch (kind) {
    case OptionKind::flag: return false;
    case OptionKind::integer: return int64_t{0};
    case OptionKind::real: return 0.0;
    case OptionKind::word:
    case OptionKind::path: return std::string();
    case OptionKind::text_list: return std::vector<std::string>();
  }
  return false;
}

/// Index of the row called `name`, or -1.
int find_row(const OptionSchema& schema, std::string_view name) {
  const std::string wanted = snake(name);
  for (size_t i = 0; i < schema.size(); ++i) {
    if (snake(schema[i].name) == wanted) return static_cast<int>(i);
  }
  return -1;
}

Error unknown_option(const OptionSchema& schema, std::string_view name) {
  std::vector<std::string> names;
  for (const OptionRow& row : schema) names.emplace_back(row.name);
  const std::string near = nearest(snake(name), names);
  return usage_error("unknown option '" + std::string(name) + "'", !near.empty()   ? "did you mean '" + near + "'?"
                                                                   : names.empty() ? "there are no options here"
                                                                                   : "known: " + join(names, ", "));
}

}  // namespace

bool is_selector(const OptionRow& row) {
  static constexpr std::string_view kSelectors[] = {"only", "skip", "skip_op", "freeze"};
  return row.kind == OptionKind::text_list &&
         std::find(std::begin(kSelectors), std::end(kSelectors), row.name) != std::end(kSelectors);
}

Options::Options(const OptionSchema& schema) : schema_(&schema), entries_(schema.size()) {
  for (size_t i = 0; i < schema.size(); ++i) {
    const OptionRow& row = schema[i];
    entries_[i].value = empty_value(row.kind);
    if (row.fallback.empty()) continue;
    auto value = parse_value(row, row.fallback);
    EDGESMITH_CHECK(value.ok()) << "default of option " << row.name << ": " << value.error().message;
    entries_[i].value = std::move(*value);
    entries_[i].has_value = true;
  }
}

Status Options::set_text(std::string_view name, std::string_view text) {
  const int index = find_row(*schema_, name);
  if (index < 0) return unknown_option(*schema_, name);
  auto value = parse_value((*schema_)[static_cast<size_t>(index)], text);
  if (!value) return value.error();
  Entry& entry = entries_[static_cast<size_t>(index)];
  // A list option may be repeated: --skip a --skip b.
  auto* more = std::get_if<std::vector<std::string>>(&*value);
  if (more != nullptr && entry.given) {
    const auto& before = std::get<std::vector<std::string>>(entry.value);
    more->insert(more->begin(), before.begin(), before.end());
  }
  return set(name, std::move(*value));
}

Status Options::set(std::string_view name, OptionValue value) {
  const int index = find_row(*schema_, name);
  if (index < 0) return unknown_option(*schema_, name);
  const OptionRow& row = (*schema_)[static_cast<size_t>(index)];
  auto converted = convert_value(row, std::move(value));
  if (!converted) return converted.error();
  EDGESMITH_TRY(check_value(row, *converted));
  entries_[static_cast<size_t>(index)] = {std::move(*converted), true, true};
  return {};
}

const Options::Entry& Options::entry(std::string_view name) const {
  const int index = find_row(*schema_, name);
  EDGESMITH_CHECK(index >= 0) << "no option " << name << " in the schema";
  return entries_[static_cast<size_t>(index)];
}

bool Options::has(std::string_view name) const { return find_row(*schema_, name) >= 0; }
bool Options::is_set(std::string_view name) const { return entry(name).has_value; }
bool Options::given(std::string_view name) const { return entry(name).given; }
bool Options::flag(std::string_view name) const { return std::get<bool>(entry(name).value); }
int64_t Options::integer(std::string_view name) const { return std::get<int64_t>(entry(name).value); }
double Options::real(std::string_view name) const { return std::get<double>(entry(name).value); }
const std::string& Options::word(std::string_view name) const { return std::get<std::string>(entry(name).value); }
const std::vector<std::string>& Options::list(std::string_view name) const {
  return std::get<std::vector<std::string>>(entry(name).value);
}

std::vector<std::pair<std::string, OptionValue>> Options::effective() const {
  std::vector<std::pair<std::string, OptionValue>> values;
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].has_value) values.emplace_back((*schema_)[i].name, entries_[i].value);
  }
  return values;
}

}  // namespace edgesmith::passes
