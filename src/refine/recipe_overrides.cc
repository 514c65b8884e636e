// SPDX-License-Identifier: Apache-2.0
// `--set step.quantize.weights=int4`: keys of a recipe replaced from the command line.
#include "edgesmith/base/text.h"
#include "refine/config.h"

namespace edgesmith::refine {
namespace {

std::vector<std::string> split_path(const std::string& path) {
  std::vector<std::string> parts(1);
  for (const char c : path) {
    if (c == '.')
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

/// Says of `node`, and of all in it, where its paths start.
void set_folder(ConfigNode& node, const std::string& folder) {
  node.folder = folder;
  if (auto* table = std::get_if<ConfigNode::Table>(&node.value)) {
    for (auto& [key, member] : *table) set_folder(member, folder);
  }
}

ConfigNode value_of(const std::string& text, const std::string& folder) {
  ConfigNode node;
  if (auto parsed = parse_toml_value(text))
    node = std::move(*parsed);
  else
    node.value = text;
  set_folder(node, folder);
  return node;
}

/// Follows `parts` (all but the last) from `table`, making the tables that are not there.
Status set_nested(ConfigNode& table, std::span<const std::string> parts, const ConfigNode& value,
                  const std::string& override_text) {
  ConfigNode* at = &table;
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    ConfigNode* next = at->find(parts[i]);
    if (next == nullptr) {
      ConfigNode empty;
      empty.value = ConfigNode::Table();
      next = &at->set(parts[i], std::move(empty));
    }
    at = next;
    if (!std::holds_alternative<ConfigNode::Table>(at->value)) {
      return usage_error("--set " + override_text + ": '" + parts[i] + "' is not a table in this recipe");
    }
  }
  at->set(parts.back(), value);
  return {};
}

Status set_in_steps(ConfigNode& recipe, std::span<const std::string> parts, const ConfigNode& value,
                    const std::string& override_text) {
  if (parts.size() < 3) {
    return usage_error("--set " + override_text + ": names no option of a step", "write step.quantize.weights=int8");
  }
  ConfigNode* node = recipe.find("step");
  auto* steps = node != nullptr ? std::get_if<ConfigNode::List>(&node->value) : nullptr;
  std::vector<std::string> passes;
  bool found = false;
  for (size_t i = 0; steps != nullptr && i < steps->size(); ++i) {
    ConfigNode& step = (*steps)[i];
    const ConfigNode* pass = step.find("pass");
    const auto* name = pass != nullptr ? std::get_if<std::string>(&pass->value) : nullptr;
    if (name == nullptr) continue;
    passes.push_back(*name);
    if (*name != parts[1] && std::to_string(i + 1) != parts[1]) continue;
    found = true;
    EDGESMITH_TRY(set_nested(step, parts.subspan(2), value, override_text));
  }
  if (found) return {};
  return usage_error("--set " + override_text + ": the recipe has no step '" + parts[1] + "'",
                     passes.empty() ? "" : "its steps: " + join(passes, ", "));
}

}  // namespace

Status apply_overrides(ConfigNode& recipe, std::span<const Override> overrides) {
  for (const auto& [text, folder] : overrides) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return usage_error("--set " + text + ": has no key and value", "write key=value, such as gate.max_drop=0.5");
    }
    const std::vector<std::string> parts = split_path(text.substr(0, equals));
    const ConfigNode value = value_of(text.substr(equals + 1), folder);
    if (parts.front() == "step")
      EDGESMITH_TRY(set_in_steps(recipe, parts, value, text));
    else
      EDGESMITH_TRY(set_nested(recipe, parts, value, text));
  }
  return {};
}

}  // namespace edgesmith::refine
