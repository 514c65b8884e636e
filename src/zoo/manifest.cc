// SPDX-License-Identifier: Apache-2.0
// Manifests from TOML. Every recipe is read here, before any work, so that a slip of the pen costs no night.
#include "edgesmith/zoo/manifest.h"

#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "edgesmith/base/check.h"
#include "edgesmith/base/file.h"
#include "edgesmith/base/sha256.h"
#include "edgesmith/base/shell.h"
#include "edgesmith/base/text.h"
#include "refine/config.h"
#include "zoo/folder.h"

namespace edgesmith::zoo {
namespace {

namespace fs = std::filesystem;
using refine::ConfigNode;
using refine::ConfigReader;

/// Where the manifest lies; relative paths start there.
struct Source {
  std::string origin;  ///< as the user wrote it, for errors
  std::string folder;  ///< absolute
};

std::string absolute_in(const Source& source, const std::string& path) {
  return (fs::path(source.folder) / path).lexically_normal().string();
}

/// What a [[model]] may say, and the manifest for all of them.
struct Settings {
  const ConfigNode* recipe = nullptr;
  const ConfigNode* calib = nullptr;
  const ConfigNode* train = nullptr;
  const ConfigNode* eval = nullptr;
  const ConfigNode* test = nullptr;
  std::vector<std::string> overrides;  ///< "key=value", the manifest's first
};

/// "step.quantize.weights=\"int4\"" for every leaf of a table: `set = { gate.max_drop = 1 }` is a table in a table.
void flatten(const ConfigNode& node, const std::string& prefix, std::vector<std::string>& overrides) {
  const auto* table = std::get_if<ConfigNode::Table>(&node.value);
  if (table == nullptr) {
    overrides.push_back(prefix + "=" + refine::toml_text(node));
    return;
  }
  for (const auto& [key, member] : *table) flatten(member, prefix.empty() ? key : prefix + "." + key, overrides);
}

Status read_settings(ConfigReader& reader, Settings& settings) {
  const std::pair<const char*, const ConfigNode**> nodes[] = {{"recipe", &settings.recipe},
                                                              {"calib", &settings.calib},
                                                              {"train", &settings.train},
                                                              {"eval", &settings.eval},
                                                              {"test", &settings.test}};
  for (const auto& [key, place] : nodes) {
    if (const ConfigNode* node = reader.get(key)) *place = node;
  }
  const ConfigNode* set = reader.get("set");
  if (set == nullptr) return {};
  if (!std::holds_alternative<ConfigNode::Table>(set->value)) {
    return reader.error(*set, "'set' wants a table, not " + refine::toml_text(*set),
                        "write set = { step.quantize.weights = \"int4\" }");
  }
  flatten(*set, "", settings.overrides);
  return {};
}

/// A [[model]] as it is written.
struct Entry {
  const ConfigNode* path = nullptr;
  const ConfigNode* glob = nullptr;
  const ConfigNode* except = nullptr;
  std::string name = "{stem}";
  Settings settings;  ///< those of the manifest, changed
};

/// Asks for every key, so that an unknown one is told before what is missing.
Status read_entry(ConfigReader& reader, Entry& entry) {
  entry.path = reader.get("path");
  entry.glob = reader.get("glob");
  entry.except = reader.get("except");
  EDGESMITH_TRY(reader.text("name", entry.name));
  EDGESMITH_TRY(read_settings(reader, entry.settings));
  return reader.finish();
}

/// What stands at the top of a manifest.
struct Head {
  Settings settings;
  std::string output;
  const ConfigNode* models = nullptr;
};

Status read_head(ConfigReader& reader, Head& head) {
  head.models = reader.get("model");
  EDGESMITH_TRY(reader.text("output", head.output));
  EDGESMITH_TRY(read_settings(reader, head.settings));
  return reader.finish();
}

/// A text or a list of texts.
Result<std::vector<std::string>> texts_at(const ConfigReader& reader, const ConfigNode& node, const std::string& key) {
  if (const auto* text = std::get_if<std::string>(&node.value)) return std::vector<std::string>{*text};
  std::vector<std::string> texts;
  if (const auto* list = std::get_if<ConfigNode::List>(&node.value)) {
    for (const ConfigNode& item : *list) {
      const auto* text = std::get_if<std::string>(&item.value);
      if (text != nullptr) texts.push_back(*text);
    }
    if (texts.size() == list->size() && !texts.empty()) return texts;
  }
  return reader.error(node, "'" + key + "' wants a text or a list of texts, not " + refine::toml_text(node));
}

/// Files that the shell's pattern matches, sorted.
std::vector<std::string> files_matching(const std::string& pattern) {
  glob_t found{};
  std::vector<std::string> files;
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) files.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  return files;
}

/// Takes out of `paths` the files whose names match the patterns of `except`.
Status drop_excepted(const ConfigReader& reader, const ConfigNode* node, std::vector<std::string>& paths) {
  if (node == nullptr) return {};
  auto patterns = texts_at(reader, *node, "except");
  if (!patterns) return patterns.error();
  for (const std::string& pattern : *patterns) {
    const size_t erased = std::erase_if(
        paths, [&](const std::string& path) { return glob_match(pattern, fs::path(path).filename().string()); });
    if (erased == 0) {
      return reader.error(*node, "'" + pattern + "' matches none of the models", "patterns are of file names");
    }
  }
  return {};
}

/// The models that one [[model]] names.
Result<std::vector<std::string>> model_paths(const ConfigReader& reader, const ConfigNode& node, const Entry& entry,
                                             const Source& source) {
  std::vector<std::string> paths;
  const ConfigNode *path = entry.path, *pattern = entry.glob;
  if (path == nullptr && pattern == nullptr) {
    return reader.error(node, "a model without path or glob", "add path = \"model.onnx\" or glob = \"*.onnx\"");
  }
  if (path != nullptr) {
    auto texts = texts_at(reader, *path, "path");
    if (!texts) return texts.error();
    for (const std::string& text : *texts) paths.push_back(absolute_in(source, text));
  }
  if (pattern != nullptr) {
    auto texts = texts_at(reader, *pattern, "glob");
    if (!texts) return texts.error();
    for (const std::string& text : *texts) {
      const std::vector<std::string> files = files_matching(absolute_in(source, text));
      if (files.empty()) {
        return reader.error(*pattern, "glob '" + text + "' matches no file",
                            "paths are relative to the manifest's folder");
      }
      paths.insert(paths.end(), files.begin(), files.end());
    }
  }
  EDGESMITH_TRY(drop_excepted(reader, entry.except, paths));
  return paths;
}

/// The recipe of one model, with what the manifest says in place of what the file says, and `line` over both.
Result<refine::Recipe> read_recipe(const Settings& settings, std::span<const refine::Override> line,
                                   const std::string& model, const ConfigReader& reader, const ConfigNode& node,
                                   const Source& source) {
  const auto* path = settings.recipe != nullptr ? std::get_if<std::string>(&settings.recipe->value) : nullptr;
  if (path == nullptr || path->empty()) {
    return reader.error(settings.recipe != nullptr ? *settings.recipe : node, "no recipe for " + model,
                        "add recipe = \"int8.toml\" to the model or to the manifest");
  }
  std::vector<refine::Override> overrides;
  for (const std::string& text : settings.overrides) overrides.push_back({text, source.folder});
  overrides.insert(overrides.end(), line.begin(), line.end());
  for (const refine::Override& one : overrides) {
    if (!one.text.starts_with("model=")) continue;
    return reader.error(node, "set " + one.text + ": the model is " + model, "models are what path and glob name");
  }
  auto recipe = refine::load_recipe(absolute_in(source, *path), overrides);
  if (!recipe) return recipe.error().in(source.origin + ": line " + std::to_string(node.line));
  recipe->model = model;
  // A program of the user's is started where the manifest is, not in the job's folder.
  std::string& program = recipe->gate.metric_command;
  if (!program.empty()) program = "cd " + shell_quoted(source.folder) + " && " + program;
  recipe->output = recipe->output.empty() ? fs::path(model).stem().string() + "-edge.onnx"
                                          : fs::path(recipe->output).filename().string();
  const std::tuple<const char*, const ConfigNode*, std::optional<data::DataSpec>*> roles[] = {
      {"calib", settings.calib, &recipe->data.calib},
      {"train", settings.train, &recipe->data.train},
      {"eval", settings.eval, &recipe->data.eval},
      {"test", settings.test, &recipe->data.test}};
  for (const auto& [key, value, role] : roles) {
    if (value == nullptr) continue;
    auto spec = refine::read_data_spec(*value, key, source.origin, source.folder);
    if (!spec) return spec.error();
    spec->seed = recipe->seed;
    *role = std::move(*spec);
  }
  return recipe;
}

/// "{stem}" in a name is the model's file name without its ending.
Result<std::string> job_name(const ConfigReader& reader, const ConfigNode& node, std::string name,
                             const std::string& model) {
  const std::string stem = fs::path(model).stem().string(), place = "{stem}";
  for (size_t at = name.find(place); at != std::string::npos; at = name.find(place, at + stem.size())) {
    name.replace(at, place.size(), stem);
  }
  if (is_folder_name(name)) return name;
  return reader.error(node, "'" + name + "' cannot be the name of a folder in the results",
                      "give the model another name = \"...\"");
}

/// What the command line sets, and for which models.
struct CommandLine {
  std::span<const refine::Override> overrides;
  std::span<const std::string> only;
};

Status read_model(const ConfigNode& node, const Settings& shared, const Source& source, const CommandLine& line,
                  Manifest& manifest) {
  auto reader = ConfigReader::create(node, source.origin, "[[model]]");
  if (!reader) return reader.error();
  Entry entry;
  entry.settings = shared;
  EDGESMITH_TRY(read_entry(*reader, entry));
  auto paths = model_paths(*reader, node, entry, source);
  if (!paths) return paths.error();
  for (const std::string& path : *paths) {
    auto name = job_name(*reader, node, entry.name, path);
    if (!name) return name.error();
    const auto same =
        std::find_if(manifest.jobs.begin(), manifest.jobs.end(), [&](const Job& other) { return other.name == *name; });
    if (same != manifest.jobs.end()) {
      return reader->error(node,
                           "two models would be written to '" + *name + "': " + same->recipe.model + " and " + path,
                           "give one of them a name, such as name = \"{stem}-2\"");
    }
    const auto set = is_chosen(*name, line.only) ? line.overrides : std::span<const refine::Override>();
    auto recipe = read_recipe(entry.settings, set, path, *reader, node, source);
    if (!recipe) return recipe.error();
    manifest.jobs.push_back({*name, std::move(*recipe)});
  }
  return {};
}

Error no_models(const std::string& origin) {
  return usage_error(origin + ": no models", "add a [[model]] with path = \"...\" or glob = \"...\"");
}

/// Asks an empty table for what `read` asks for.
template <typename Part>
void ask(const char* what, Status (*read)(ConfigReader&, Part&)) {
  ConfigNode empty;
  empty.value = ConfigNode::Table();
  auto reader = ConfigReader::create(empty, "the empty manifest", what);
  Part part;
  EDGESMITH_CHECK(reader.ok() && read(*reader, part).ok()) << "the empty manifest was refused";
}

}  // namespace

std::vector<refine::RecipeKey> manifest_keys() {
  const refine::KeyRecorder recorder;
  ask("the manifest", read_head);
  ask("[[model]]", read_entry);
  return recorder.keys();
}

bool is_chosen(const std::string& name, std::span<const std::string> only) {
  return only.empty() || std::any_of(only.begin(), only.end(), [&](const std::string& pattern) {
           return name == pattern || glob_match(pattern, name);
         });
}

Result<Manifest> load_manifest(const std::string& path, std::span<const refine::Override> overrides,
                               std::span<const std::string> only) {
  auto text = read_file(path);
  if (!text) return text.error();
  if (text->find('\0') != text->npos) {
    return usage_error(path + ": is no manifest, nor any text", "give a .toml that lists models: see docs/zoo.md");
  }
  auto table = refine::parse_toml(*text, path);
  if (!table) return table.error();
  if (table->find("step") != nullptr) {
    return usage_error(path + ": is a recipe, not a manifest of many models", "run it with 'edgesmith run'");
  }
  std::error_code failed;
  Manifest manifest;
  manifest.path = fs::absolute(path, failed).lexically_normal().string();
  manifest.sha256 = sha256_hex(*text);
  const Source source{path, fs::path(manifest.path).parent_path().string()};

  auto reader = ConfigReader::create(*table, path, "the manifest");
  if (!reader) return reader.error();
  Head head;
  head.output = fs::path(manifest.path).stem().string() + "-results";
  EDGESMITH_TRY(read_head(*reader, head));
  manifest.folder = absolute_in(source, head.output);
  if (head.models == nullptr) return no_models(path);
  const auto* list = std::get_if<ConfigNode::List>(&head.models->value);
  if (list == nullptr) return reader->error(*head.models, "'model' wants a list of tables", "write [[model]]");
  for (const ConfigNode& node : *list) {
    EDGESMITH_TRY(read_model(node, head.settings, source, {overrides, only}, manifest));
  }
  if (manifest.jobs.empty()) return no_models(path);
  return manifest;
}

}  // namespace edgesmith::zoo
