// SPDX-License-Identifier: Apache-2.0
// The one place that knows the TOML library.
#include <toml++/toml.h>

#include <sstream>

#include "edgesmith/base/characters.h"
#include "edgesmith/base/text.h"
#include "refine/config.h"

namespace edgesmith::refine {
namespace {

ConfigNode convert(const toml::node& node) {
  ConfigNode out;
  out.line = static_cast<int>(node.source().begin.line);
  if (const auto* flag = node.as_boolean()) {
    out.value = flag->get();
  } else if (const auto* integer = node.as_integer()) {
    out.value = integer->get();
  } else if (const auto* real = node.as_floating_point()) {
    out.value = real->get();
  } else if (const auto* text = node.as_string()) {
    out.value = text->get();
  } else if (const auto* array = node.as_array()) {
    ConfigNode::List list;
    for (const toml::node& item : *array) list.push_back(convert(item));
    out.value = std::move(list);
  } else if (const auto* table = node.as_table()) {
    ConfigNode::Table members;
    for (const auto& [key, member] : *table) {
      members.emplace_back(std::string(key.str()), convert(member));
      // A key's own line says more than where its value begins.
      members.back().second.line = static_cast<int>(key.source().begin.line);
    }
    out.value = std::move(members);
  } else {  // dates and times mean nothing here: their text will be refused where another kind is wanted
    std::ostringstream stream;
    node.visit([&](const auto& value) {
      if constexpr (toml::is_value<decltype(value)>) stream << value.get();
    });
    out.value = stream.str();
  }
  return out;
}

void forget_lines(ConfigNode& node) {
  node.line = 0;
  if (auto* table = std::get_if<ConfigNode::Table>(&node.value)) {
    for (auto& [key, member] : *table) forget_lines(member);
  }
}

bool is_bare(std::string_view key) {
  return !key.empty() && key.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
                             std::string_view::npos;
}

void flatten(const ConfigNode& table, const std::string& prefix, FlatToml& out) {
  for (const auto& [key, member] : std::get<ConfigNode::Table>(table.value)) {
    const std::string name = prefix + (is_bare(key) ? key : toml_quoted(key));
    const auto* inner = std::get_if<ConfigNode::Table>(&member.value);
    if (inner != nullptr && !inner->empty()) {
      flatten(member, name + ".", out);
      continue;
    }
    out.text += name + " = " + toml_text(member) + "\n";
    out.lines.push_back(member.line);
  }
}

/// TOML is UTF-8. Errors: usage, with the line that is not.
Status check_characters(const std::string& text, const std::string& origin) {
  const std::vector<std::string> lines = split(text, '\n');
  for (size_t i = 0; i < lines.size(); ++i) {
    if (is_utf8(lines[i])) continue;
    return usage_error(origin + ": line " + std::to_string(i + 1) + ": not UTF-8: " + lines[i],
                       "rename the file, or give it a second name with ln -s");
  }
  return {};
}

}  // namespace

FlatToml flat_toml(const ConfigNode& table) {
  FlatToml flat;
  flatten(table, "", flat);
  flat.lines.push_back(table.line);  // of what is not there
  return flat;
}

Result<ConfigNode> parse_toml(const std::string& text, const std::string& origin) {
  try {
    return convert(toml::parse(text));
  } catch (const toml::parse_error& error) {
    EDGESMITH_TRY(check_characters(text, origin));
    return usage_error(origin + ": line " + std::to_string(error.source().begin.line) +
                           ": not TOML: " + std::string(error.description()),
                       quotes_hint(text, error.source().begin.line));
  }
}

std::optional<ConfigNode> parse_toml_value(const std::string& text) {
  try {
    const toml::table table = toml::parse("value = " + text);
    const toml::node* value = table.get("value");
    if (table.size() != 1 || value == nullptr) return std::nullopt;
    ConfigNode node = convert(*value);
    forget_lines(node);
    return node;
  } catch (const toml::parse_error&) {
    return std::nullopt;  // a bare word such as int4
  }
}

std::string toml_quoted(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      (out += '\\') += c;
    else if (byte < 0x20 || byte == 0x7f)
      ((out += "\\u00") += kHex[byte >> 4]) += kHex[byte & 15];
    else
      out += c;
  }
  return out + "\"";
}

std::string toml_real(double value) {
  std::string text = shortest(value);
  if (text.find_first_of(".enia") == std::string::npos) text += ".0";
  return text;
}

std::string toml_text(const ConfigNode& node) {
  if (const auto* flag = std::get_if<bool>(&node.value)) return *flag ? "true" : "false";
  if (const auto* integer = std::get_if<int64_t>(&node.value)) return std::to_string(*integer);
  if (const auto* real = std::get_if<double>(&node.value)) return toml_real(*real);
  if (const auto* text = std::get_if<std::string>(&node.value)) return toml_quoted(*text);
  std::vector<std::string> parts;
  if (const auto* list = std::get_if<ConfigNode::List>(&node.value)) {
    for (const ConfigNode& item : *list) parts.push_back(toml_text(item));
    return "[" + join(parts, ", ") + "]";
  }
  for (const auto& [key, member] : std::get<ConfigNode::Table>(node.value)) {
    parts.push_back((is_bare(key) ? key : toml_quoted(key)) + " = " + toml_text(member));
  }
  return "{ " + join(parts, ", ") + " }";
}

}  // namespace edgesmith::refine
