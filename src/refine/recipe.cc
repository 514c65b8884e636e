// SPDX-License-Identifier: Apache-2.0
// Recipes from TOML. Everything is checked here, before any work: names of passes, options, metrics and targets.
#include "edgesmith/refine/recipe.h"

#include <algorithm>
#include <filesystem>

#include "edgesmith/base/characters.h"
#include "edgesmith/base/file.h"
#include "edgesmith/base/text.h"
#include "edgesmith/data/preprocess.h"
#include "edgesmith/passes/pass.h"
#include "edgesmith/targets/target.h"
#include "refine/config.h"

namespace edgesmith::refine {
namespace {

/// What is the same for every part of one document.
struct Source {
  std::string origin;  ///< named in errors
  std::string folder;  ///< relative paths start here
};

std::string path_in(const std::string& folder, const std::string& path) {
  if (folder.empty() || path.empty() || std::filesystem::path(path).is_absolute()) return path;
  return (std::filesystem::path(folder) / path).lexically_normal().string();
}

/// `path` as the member `node` of the document has it.
std::string path_at(const ConfigNode* node, const Source& source, const std::string& path) {
  return path_in(node != nullptr && !node->folder.empty() ? node->folder : source.folder, path);
}

template <typename Table>
std::vector<std::string> names_of(const Table& table) {
  std::vector<std::string> names;
  for (const auto& row : table) names.emplace_back(row.name);
  return names;
}

/// Targets by name or path; every one must be known.
Status read_gate_targets(ConfigReader& reader, const ConfigNode& node, const Source& source, Gate& gate) {
  EDGESMITH_TRY(reader.texts("targets", gate.targets));
  for (std::string& name : gate.targets) {
    const bool is_path = targets::is_profile_path(name);
    if (is_path) name = path_at(node.find("targets"), source, name);
    const auto target = targets::load_target(name);
    if (target) continue;
    const bool named = target.error().kind == ErrorKind::usage && !is_path;
    return named ? reader.error(*node.find("targets"), target.error().message, target.error().hint) : target.error();
  }
  return {};
}

/// The metric: one of ours, or a program's.
Status read_metric(ConfigReader& reader, const ConfigNode& node, Gate& gate) {
  std::string better = "higher";
  EDGESMITH_TRY(reader.text("metric", gate.metric));
  EDGESMITH_TRY(reader.text("metric_command", gate.metric_command));
  EDGESMITH_TRY(reader.seconds("metric_timeout", gate.metric_timeout));
  EDGESMITH_TRY(reader.word("metric_better", better, {"higher", "lower"}));
  gate.metric_lower = better == "lower";
  const data::MetricInfo* known = data::find_metric(gate.metric);
  for (const auto& [key, text] :
       {std::pair("metric", &gate.metric), std::pair("metric_command", &gate.metric_command)}) {
    if (node.find(key) == nullptr || !is_blank(*text)) continue;
    return reader.error(*node.find(key), std::string(key) + " is empty", "say what it is, or leave the key out");
  }
  if (!gate.metric_command.empty()) {
    if (known == nullptr) return {};
    return reader.error(*node.find("metric"), "metric '" + gate.metric + "' is one of ours, and not a program's",
                        "give what metric_command computes another name");
  }
  for (const char* key : {"metric_timeout", "metric_better"}) {
    if (node.find(key) == nullptr) continue;
    return reader.error(*node.find(key), "key '" + std::string(key) + "' in [gate] is for a metric of your own",
                        "add metric_command = \"...\"");
  }
  if (gate.metric.empty() || known != nullptr) return {};
  return reader.error(*node.find("metric"), "unknown metric '" + gate.metric + "'",
                      suggestion(gate.metric, names_of(data::all_metrics())));
}

Status read_gate(const ConfigNode& node, const Source& source, Gate& gate) {
  auto reader = ConfigReader::create(node, source.origin, "[gate]");
  if (!reader) return reader.error();
  std::string on_fail = "rollback", undecided = "accept";
  EDGESMITH_TRY(read_metric(*reader, node, gate));
  EDGESMITH_TRY(reader->number("max_drop", gate.max_drop, 0));
  EDGESMITH_TRY(reader->bytes("max_bytes", gate.max_bytes));
  EDGESMITH_TRY(reader->bytes("max_ram", gate.max_ram));
  EDGESMITH_TRY(reader->number("max_latency_us", gate.max_latency_us, 0));
  EDGESMITH_TRY(reader->number("min_speedup", gate.min_speedup, 0));
  EDGESMITH_TRY(reader->word("on_fail", on_fail, {"rollback", "fail"}));
  EDGESMITH_TRY(reader->word("undecided", undecided, {"accept", "fail"}));
  EDGESMITH_TRY(read_gate_targets(*reader, node, source, gate));
  EDGESMITH_TRY(reader->finish());
  gate.on_fail = on_fail == "fail" ? OnFail::fail : OnFail::rollback;
  gate.undecided = undecided == "fail" ? OnUndecided::fail : OnUndecided::accept;
  return {};
}

bool is_path_option(const passes::PassInfo& pass, std::string_view name) {
  const passes::OptionSchema& rows = pass.options();
  return std::any_of(rows.begin(), rows.end(), [&](const passes::OptionRow& row) {
    return row.name == name && row.kind == passes::OptionKind::path;
  });
}

Result<Step> read_step(const ConfigNode& node, const Source& source, size_t number) {
  const std::string what = "step " + std::to_string(number);
  auto reader = ConfigReader::create(node, source.origin, what);
  if (!reader) return reader.error();
  std::string name;
  EDGESMITH_TRY(reader->text("pass", name));
  if (name.empty()) return reader->error(node, what + " has no pass", "add pass = \"...\"; see 'edgesmith passes'");
  const passes::PassInfo* pass = passes::find_pass(name);
  if (pass == nullptr) {
    return reader->error(*node.find("pass"), "unknown pass '" + name + "'",
                         suggestion(name, names_of(passes::all_passes())));
  }
  Step step{name, passes::Options(pass->options()), {}, {}, reader->place(node)};
  EDGESMITH_TRY(reader->number("max_drop", step.max_drop, 0));
  EDGESMITH_TRY(reader->bytes("max_bytes", step.max_bytes));
  for (const std::string& key : reader->rest()) {
    const ConfigNode& member = *node.find(key);
    if (!step.options.has(key)) {
      std::vector<std::string> known = names_of(pass->options());
      known.insert(known.end(), {"max_drop", "max_bytes"});  // what the gate asks of this step
      return reader->error(member, name + ": unknown option '" + key + "'", suggestion(key, known));
    }
    auto value = to_option_value(member);
    if (!value) return reader->error(member, "option '" + key + "' of " + name + " cannot be " + toml_text(member));
    auto* text = std::get_if<std::string>(&*value);
    if (text != nullptr && is_path_option(*pass, key)) *text = path_at(&member, source, *text);
    const Status status = step.options.set(key, std::move(*value));
    if (!status.ok()) return reader->error(member, name + ": " + status.error().message, status.error().hint);
  }
  return step;
}

Status read_steps(const ConfigNode& node, const Source& source, Recipe& recipe) {
  const auto* list = std::get_if<ConfigNode::List>(&node.value);
  if (list == nullptr) {
    return usage_error(source.origin + ": line " + std::to_string(node.line) + ": 'step' wants a list of tables",
                       "write [[step]]");
  }
  for (const ConfigNode& item : *list) {
    auto step = read_step(item, source, recipe.steps.size() + 1);
    if (!step) return step.error();
    recipe.steps.push_back(std::move(*step));
  }
  return {};
}

/// A table of [data], with the paths that an override put into it as they are from everywhere. Labels are a path where
/// such a file is there.
ConfigNode with_paths_set(ConfigNode node) {
  for (const char* key : {"path", "labels", "label"}) {
    ConfigNode* member = node.find(key);
    auto* text = member != nullptr ? std::get_if<std::string>(&member->value) : nullptr;
    if (text == nullptr || member->folder.empty()) continue;
    const std::string path = path_in(member->folder, *text);
    std::error_code ignored;
    if (key == std::string_view("path") || std::filesystem::is_regular_file(path, ignored)) *text = path;
  }
  return node;
}

Status read_data(const ConfigNode& node, const Source& source, Recipe& recipe) {
  auto reader = ConfigReader::create(node, source.origin, "[data]");
  if (!reader) return reader.error();
  const std::pair<const char*, std::optional<data::DataSpec>*> roles[] = {{"calib", &recipe.data.calib},
                                                                          {"train", &recipe.data.train},
                                                                          {"eval", &recipe.data.eval},
                                                                          {"test", &recipe.data.test}};
  for (const auto& [key, role] : roles) {
    const ConfigNode* member = reader->get(key);
    if (member == nullptr) continue;
    auto spec = read_data_spec(*member, std::string("data.") + key, source.origin, source.folder);
    if (!spec) return spec.error();
    spec->seed = recipe.seed;
    *role = std::move(*spec);
  }
  return reader->finish();
}

/// [preprocess] as in a description of data.
Status read_preprocess(const ConfigNode& node, const Source& source, Recipe& recipe) {
  ConfigNode described;
  described.value = ConfigNode::Table();
  described.set("path", {std::string("."), 0});
  described.set("preprocess", node);
  FlatToml flat = flat_toml(described);
  auto spec = data::data_spec_from_toml(flat.text, "", {source.origin, "", std::move(flat.lines)});
  if (!spec) return spec.error();
  recipe.preprocess = std::move(spec->preprocess);
  return {};
}

/// A manifest's [[model]] or a description's path, where a recipe was asked for.
Status check_kind(const ConfigNode& table, const Source& source) {
  const ConfigNode* models = table.find("model");
  if (models != nullptr && std::holds_alternative<ConfigNode::List>(models->value)) {
    return usage_error(source.origin + ": is a manifest of many models, not a recipe", "run it with 'edgesmith zoo'");
  }
  if (table.find("path") != nullptr && table.find("step") == nullptr) {
    return usage_error(source.origin + ": describes data, and is no recipe",
                       "name it in a recipe's [data], or give it to --calib, --eval or --data");
  }
  return {};
}

Result<Recipe> read_recipe(const ConfigNode& table, const Source& source) {
  EDGESMITH_TRY(check_kind(table, source));
  auto reader = ConfigReader::create(table, source.origin, "the recipe");
  if (!reader) return reader.error();
  Recipe recipe;
  std::optional<int64_t> seed;
  EDGESMITH_TRY(reader->text("model", recipe.model));
  EDGESMITH_TRY(reader->text("target", recipe.target));
  EDGESMITH_TRY(reader->text("output", recipe.output));
  EDGESMITH_TRY(reader->integer("seed", seed, 0));
  recipe.seed = static_cast<uint64_t>(seed.value_or(0));
  recipe.model = path_at(table.find("model"), source, recipe.model);
  recipe.output = path_at(table.find("output"), source, recipe.output);
  if (const ConfigNode* node = reader->get("preprocess")) EDGESMITH_TRY(read_preprocess(*node, source, recipe));
  if (const ConfigNode* node = reader->get("data")) EDGESMITH_TRY(read_data(*node, source, recipe));
  if (const ConfigNode* node = reader->get("gate")) EDGESMITH_TRY(read_gate(*node, source, recipe.gate));
  if (const ConfigNode* node = reader->get("step")) EDGESMITH_TRY(read_steps(*node, source, recipe));
  EDGESMITH_TRY(reader->finish());
  if (targets::is_profile_path(recipe.target)) recipe.target = path_at(table.find("target"), source, recipe.target);
  if (const auto target = targets::load_target(recipe.target); !target) {
    const bool named = target.error().kind == ErrorKind::usage && !targets::is_profile_path(recipe.target);
    return named ? reader->error(*table.find("target"), target.error().message, target.error().hint) : target.error();
  }
  return recipe;
}

/// A document with every table, and nothing in them.
constexpr const char* kEmptyRecipe = "[data]\n[gate]\n[[step]]\npass = \"simplify\"\n";

}  // namespace

Result<data::DataSpec> read_data_spec(const ConfigNode& node, const std::string& place, const std::string& origin,
                                      const std::string& folder) {
  if (const auto* path = std::get_if<std::string>(&node.value)) {
    data::DataSpec spec;
    spec.path = path_at(&node, {origin, folder}, *path);
    return spec;
  }
  if (!std::holds_alternative<ConfigNode::Table>(node.value)) {
    const std::string line = node.line > 0 ? ": line " + std::to_string(node.line) : kAsSet;
    return usage_error(origin + line + ": " + place + " wants a path or a table, not " + toml_text(node));
  }
  FlatToml flat = flat_toml(with_paths_set(node));
  return data::data_spec_from_toml(flat.text, folder, {origin, place, std::move(flat.lines)});
}

std::vector<RecipeKey> recipe_keys() {
  const KeyRecorder recorder;
  const auto recipe = parse_recipe(kEmptyRecipe, "the empty recipe", "");
  EDGESMITH_CHECK(recipe.ok()) << "the keys of recipes were asked for, and the empty one was refused";
  return recorder.keys();
}

Recipe::Recipe() : target(targets::kDefaultTarget) {}

Result<Recipe> parse_recipe(const std::string& text, const std::string& origin, const std::string& folder,
                            std::span<const Override> overrides) {
  auto table = parse_toml(text, origin);
  if (!table) return table.error();
  EDGESMITH_TRY(apply_overrides(*table, overrides));
  return read_recipe(*table, {origin, folder});
}

Result<Recipe> load_recipe(const std::string& path, std::span<const Override> overrides) {
  auto text = read_file(path);
  if (!text) return text.error();
  if (text->find('\0') != text->npos) {
    return usage_error(path + ": is no recipe, nor any text",
                       "the recipe comes before the model: edgesmith run RECIPE.toml MODEL.onnx");
  }
  return parse_recipe(*text, path, std::filesystem::path(path).parent_path().string(), overrides);
}

}  // namespace edgesmith::refine
