// SPDX-License-Identifier: Apache-2.0
#include "refine/config.h"

#include <algorithm>

#include "edgesmith/base/text.h"

namespace edgesmith::refine {

const ConfigNode* ConfigNode::find(std::string_view key) const {
  const auto* table = std::get_if<Table>(&value);
  if (table == nullptr) return nullptr;
  for (const auto& [name, member] : *table) {
    if (name == key) return &member;
  }
  return nullptr;
}

ConfigNode* ConfigNode::find(std::string_view key) {
  return const_cast<ConfigNode*>(static_cast<const ConfigNode*>(this)->find(key));
}

ConfigNode& ConfigNode::set(std::string_view key, ConfigNode node) {
  if (ConfigNode* member = find(key)) return *member = std::move(node);
  return std::get<Table>(value).emplace_back(key, std::move(node)).second;
}

std::optional<passes::OptionValue> to_option_value(const ConfigNode& node) {
  if (const auto* flag = std::get_if<bool>(&node.value)) return passes::OptionValue(*flag);
  if (const auto* integer = std::get_if<int64_t>(&node.value)) return passes::OptionValue(*integer);
  if (const auto* real = std::get_if<double>(&node.value)) return passes::OptionValue(*real);
  if (const auto* text = std::get_if<std::string>(&node.value)) return passes::OptionValue(*text);
  const auto* list = std::get_if<ConfigNode::List>(&node.value);
  if (list == nullptr) return std::nullopt;
  std::vector<std::string> texts;
  for (const ConfigNode& item : *list) {
    const auto* text = std::get_if<std::string>(&item.value);
    if (text == nullptr) return std::nullopt;
    texts.push_back(*text);
  }
  return passes::OptionValue(std::move(texts));
}

std::string suggestion(const std::string& word, const std::vector<std::string>& names) {
  const std::string near = nearest(word, names);
  return near.empty() ? "known: " + join(names, ", ") : "did you mean '" + near + "'?";
}

Result<ConfigReader> ConfigReader::create(const ConfigNode& node, const std::string& origin, const std::string& what) {
  ConfigReader reader(node, origin, what);
  if (!std::holds_alternative<ConfigNode::Table>(node.value)) return reader.error(node, what + " wants a table");
  return reader;
}

namespace {
thread_local KeyRecorder* recorder = nullptr;
}  // namespace

KeyRecorder::KeyRecorder() { recorder = this; }
KeyRecorder::~KeyRecorder() { recorder = nullptr; }

const ConfigNode* ConfigReader::get(std::string_view key) { return get({what_, std::string(key)}); }

const ConfigNode* ConfigReader::get(RecipeKey key) {
  known_.push_back(key.key);
  const ConfigNode* node = table_->find(key.key);
  if (recorder != nullptr) {
    key.table = what_;
    recorder->keys_.push_back(std::move(key));
  }
  return node;
}

Error ConfigReader::error(const ConfigNode& node, const std::string& message, const std::string& hint) const {
  return usage_error(place(node) + ": " + message, hint);
}

std::string ConfigReader::place(const ConfigNode& node) const {
  return origin_ + (node.line > 0 ? ": line " + std::to_string(node.line) : kAsSet);
}

Error ConfigReader::wrong_kind(std::string_view key, const ConfigNode& node, const std::string& wanted) const {
  const std::string given = std::holds_alternative<ConfigNode::Table>(node.value)  ? "a table"
                            : std::holds_alternative<ConfigNode::List>(node.value) ? "a list"
                                                                                   : toml_text(node);
  return error(node, "key '" + std::string(key) + "' in " + what_ + " wants " + wanted + ", not " + given);
}

Status ConfigReader::text(std::string_view key, std::string& value) {
  const ConfigNode* node = get({{}, std::string(key), RecipeKey::Kind::text});
  if (node == nullptr) return {};
  const auto* text = std::get_if<std::string>(&node->value);
  if (text == nullptr) return wrong_kind(key, *node, "a text");
  value = *text;
  return {};
}

Status ConfigReader::texts(std::string_view key, std::vector<std::string>& values) {
  const ConfigNode* node = get({{}, std::string(key), RecipeKey::Kind::texts});
  if (node == nullptr) return {};
  const auto value = to_option_value(*node);
  const auto* texts = value ? std::get_if<std::vector<std::string>>(&*value) : nullptr;
  if (texts == nullptr) return wrong_kind(key, *node, "a list of texts");
  values = *texts;
  return {};
}

Status ConfigReader::number(std::string_view key, std::optional<double>& value, double least) {
  const ConfigNode* node = get({{}, std::string(key), RecipeKey::Kind::number, least});
  if (node == nullptr) return {};
  std::optional<double> number;
  if (const auto* real = std::get_if<double>(&node->value)) number = *real;
  if (const auto* integer = std::get_if<int64_t>(&node->value)) number = static_cast<double>(*integer);
  if (!number || !(*number >= least)) return wrong_kind(key, *node, "a number of at least " + shortest(least));
  value = number;
  return {};
}

Status ConfigReader::integer(std::string_view key, std::optional<int64_t>& value, int64_t least) {
  const ConfigNode* node = get({{}, std::string(key), RecipeKey::Kind::integer, static_cast<double>(least)});
  if (node == nullptr) return {};
  const auto* integer = std::get_if<int64_t>(&node->value);
  if (integer == nullptr || *integer < least) {
    return wrong_kind(key, *node, "a whole number of at least " + std::to_string(least));
  }
  value = *integer;
  return {};
}

Status ConfigReader::bytes(std::string_view key, std::optional<int64_t>& value) {
  const ConfigNode* node = get({{}, std::string(key), RecipeKey::Kind::bytes, 1});
  if (node == nullptr) return {};
  const auto* text = std::get_if<std::string>(&node->value);
  const auto* integer = std::get_if<int64_t>(&node->value);
  if (text != nullptr) value = parse_bytes(*text);
  if (integer != nullptr && *integer >= 1) value = *integer;
  if ((text != nullptr && value) || (integer != nullptr && *integer >= 1)) return {};
  if (text == nullptr) return wrong_kind(key, *node, "a whole number of at least 1, or a text such as \"256 KiB\"");
  return error(*node, "key '" + std::string(key) + "' in " + what_ + " cannot be '" + *text + "'",
               "write bytes as 262144 or \"256 KiB\"");
}

Status ConfigReader::seconds(std::string_view key, double& value) {
  const ConfigNode* node = get({{}, std::string(key), RecipeKey::Kind::seconds});
  if (node == nullptr) return {};
  std::optional<double> seconds;
  const auto* text = std::get_if<std::string>(&node->value);
  if (text != nullptr) seconds = parse_seconds(*text);
  if (const auto* real = std::get_if<double>(&node->value)) seconds = *real;
  if (const auto* integer = std::get_if<int64_t>(&node->value)) seconds = static_cast<double>(*integer);
  if (!seconds || !(*seconds > 0)) {
    return error(*node,
                 "key '" + std::string(key) + "' in " + what_ + " cannot be " +
                     (text != nullptr ? "'" + *text + "'" : toml_text(*node)),
                 "write a time as 90 or \"10m\"");
  }
  value = *seconds;
  return {};
}

Status ConfigReader::word(std::string_view key, std::string& value, const std::vector<std::string>& words) {
  const ConfigNode* node = get({{}, std::string(key), RecipeKey::Kind::word, 0, words});
  const auto* given = node != nullptr ? std::get_if<std::string>(&node->value) : nullptr;
  if (node != nullptr && given == nullptr) return wrong_kind(key, *node, "a text");
  if (given != nullptr) value = *given;
  if (node == nullptr || std::find(words.begin(), words.end(), value) != words.end()) return {};
  return error(*node, "key '" + std::string(key) + "' in " + what_ + " has no value '" + value + "'",
               suggestion(value, words));
}

std::vector<std::string> ConfigReader::rest() const {
  std::vector<std::string> keys;
  for (const auto& [key, node] : std::get<ConfigNode::Table>(table_->value)) {
    if (std::find(known_.begin(), known_.end(), key) == known_.end()) keys.push_back(key);
  }
  return keys;
}

Status ConfigReader::finish() const {
  const std::vector<std::string> unknown = rest();
  if (unknown.empty()) return {};
  return error(*table_->find(unknown.front()), "unknown key '" + unknown.front() + "' in " + what_,
               suggestion(unknown.front(), known_));
}

}  // namespace edgesmith::refine
