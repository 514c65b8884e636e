// SPDX-License-Identifier: Apache-2.0
// Two zoo runs, model by model.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "edgesmith/base/file.h"
#include "report/diff_documents.h"

namespace edgesmith::report {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kZooSchema = "edgesmith.zoo/1";
constexpr const char* kAnyZooSchema = "edgesmith.zoo/";

std::string word_of(const Json& json, const char* name) {
  const auto found = json.is_object() ? json.find(name) : json.end();
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string summary_path(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error) ? (fs::path(path) / "summary.json").string() : path;
}

Result<Json> read_summary(const std::string& path) {
  const std::string file = summary_path(path);
  std::error_code error;
  if (file != path && !fs::exists(file, error)) {
    return invalid_error(path + ": has no summary.json", "write it with zoo collect " + path);
  }
  auto text = read_file(file);
  if (!text) return text.error();
  Json json = Json::parse(*text, nullptr, false);
  const std::string schema = word_of(json, "schema");
  if (schema.starts_with(kAnyZooSchema) && schema != kZooSchema) {
    return invalid_error(file + ": its schema is '" + schema + "'", std::string("report diff takes '") + kZooSchema +
                                                                        "', which zoo collect of this version writes");
  }
  const auto models = json.is_object() ? json.find("models") : json.end();
  if (schema != kZooSchema || models == json.end() || !models->is_array()) {
    return invalid_error(file + ": is no summary of a zoo run", "compare a zoo run with a zoo run");
  }
  return json;
}

const Json* find_model(const Json& summary, const std::string& name) {
  for (const Json& model : summary["models"]) {
    if (word_of(model, "name") == name) return &model;
  }
  return nullptr;
}

bool has_result(const Json& row) { return row.contains("output") && row["output"].is_object(); }

/// `row` with the figures of its steps, which only the model's own report has; as it is where that is not there.
Json with_steps(const Json& row, const std::string& path, const std::string& name) {
  const fs::path report = fs::path(summary_path(path)).parent_path() / name / "report.json";
  std::error_code error;
  if (!fs::exists(report, error)) return row;
  auto text = read_file(report.string());
  const Json json = text ? Json::parse(*text, nullptr, false) : Json();
  const auto steps = json.is_object() ? json.find("steps") : json.end();
  Json whole = row;
  if (steps != json.end() && steps->is_array()) whole["steps"] = *steps;
  return whole;
}

/// How much worse the model has become: first beyond limits, then what was lost, then by the change of the metric in
/// its units, then by that of the bytes in percent.
std::vector<double> badness(const ModelDiff& model) {
  double loss = -1e300, growth = -1e300;
  if (!model.diff.parts.empty()) {
    for (const FigureChange& figure : model.diff.parts[0].figures) {
      if (!figure.old_value || !figure.new_value) continue;
      if (&figure == &model.diff.parts[0].figures.front() && figure.name != "bytes") loss = figure.worse;
      if (figure.name == "bytes") growth = figure.worse;
    }
  }
  return {static_cast<double>(model.diff.regressions), model.lost ? 1.0 : 0.0, loss, growth};
}

Result<ModelDiff> compare_rows(const std::string& name, const Json* before, const Json* after,
                               const std::string& old_path, const std::string& new_path, const DiffLimits& limits) {
  ModelDiff model;
  model.name = name;
  if (before != nullptr) model.old_status = word_of(*before, "status");
  if (after != nullptr) model.new_status = word_of(*after, "status");
  model.lost = before != nullptr && has_result(*before) && (after == nullptr || !has_result(*after));
  if (before == nullptr || after == nullptr) {
    model.diff.notes.push_back(before == nullptr ? "is new" : "is not in the newer run");
    return model;
  }
  if (model.old_status != model.new_status) {
    model.diff.notes.push_back("was " + model.old_status + ", is " + model.new_status);
  }
  if (!has_result(*before) || !has_result(*after)) {
    const std::string reason = word_of(*after, "verdict");
    if (!has_result(*after) && !reason.empty()) model.diff.notes.push_back(reason);
    return model;
  }
  auto diff = diff_documents(old_path, with_steps(*before, old_path, name).dump(), new_path,
                             with_steps(*after, new_path, name).dump(), limits);
  if (!diff && diff.error().kind == ErrorKind::usage) {
    model.diff.notes.push_back("is another model under the same name: not compared");
    return model;
  }
  if (!diff) return diff.error().in(name);
  diff->notes.insert(diff->notes.begin(), model.diff.notes.begin(), model.diff.notes.end());
  model.diff = std::move(*diff);
  return model;
}

}  // namespace

std::string compared_file(const std::string& path) { return is_zoo_run(path) ? summary_path(path) : report_path(path); }

bool is_zoo_run(const std::string& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return !fs::exists(report_path(path), error);
  if (!fs::is_regular_file(path, error)) return false;
  auto text = read_file(path);
  return text && word_of(Json::parse(*text, nullptr, false), "schema").starts_with(kAnyZooSchema);
}

Result<ZooDiff> diff_zoo_runs(const std::string& old_path, const std::string& new_path, const DiffLimits& limits) {
  auto before = read_summary(old_path);
  if (!before) return before.error();
  auto after = read_summary(new_path);
  if (!after) return after.error();
  ZooDiff diff{old_path, new_path, {}, limits.max_drop || limits.max_growth || limits.max_slowdown, 0};
  std::vector<std::string> names;
  for (const Json* summary : {&*after, &*before}) {
    for (const Json& model : (*summary)["models"]) {
      const std::string name = word_of(model, "name");
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  for (const std::string& name : names) {
    auto model = compare_rows(name, find_model(*before, name), find_model(*after, name), old_path, new_path, limits);
    if (!model) return model.error();
    diff.regressions += model->diff.regressions + (diff.judged && model->lost ? 1 : 0);
    diff.models.push_back(std::move(*model));
  }
  std::stable_sort(diff.models.begin(), diff.models.end(),
                   [](const ModelDiff& a, const ModelDiff& b) { return badness(a) > badness(b); });
  return diff;
}

std::string zoo_diff_json(const ZooDiff& diff) {
  Json models = Json::array();
  for (const ModelDiff& model : diff.models) {
    Json json = Json::parse(diff_json(model.diff));
    json.erase("schema");
    Json row = {{"name", model.name}, {"old_status", model.old_status}, {"new_status", model.new_status}};
    row["lost"] = model.lost;
    for (const char* key : {"parts", "notes", "regressions"}) row[key] = json[key];
    models.push_back(std::move(row));
  }
  return Json({{"schema", "edgesmith.zoo-diff/1"},
               {"old", diff.old_path},
               {"new", diff.new_path},
               {"models", std::move(models)},
               {"regressions", diff.regressions}})
      .dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace edgesmith::report
