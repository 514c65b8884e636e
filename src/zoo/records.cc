// SPDX-License-Identifier: Apache-2.0
// The JSON of this module. Members that are missing or of another type read as absent: files may come from another
// version, or from an editor.
#include "zoo/records.h"

#include <nlohmann/json.hpp>

#include "edgesmith/report/json.h"

namespace edgesmith::zoo {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFolderSchema = "edgesmith.zoo-folder/1";
constexpr const char* kJobSchema = "edgesmith.zoo-job/1";

std::string dump(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

Json parse(std::string_view text) { return Json::parse(text, nullptr, false); }

Json member(const Json& json, const char* name) {
  const auto found = json.is_object() ? json.find(name) : json.end();
  return found != json.end() ? *found : Json();
}

Json list_at(const Json& json, const char* name) {
  Json list = member(json, name);
  return list.is_array() ? list : Json::array();
}

std::string word(const Json& json, const char* name) {
  const Json value = member(json, name);
  return value.is_string() ? value.get<std::string>() : "";
}

std::optional<double> number(const Json& json, const char* name) {
  const Json value = member(json, name);
  return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
}

std::optional<int64_t> integer(const Json& json, const char* name) {
  const Json value = member(json, name);
  return value.is_number_integer() ? std::optional(value.get<int64_t>()) : std::nullopt;
}

Json error_of(const JobRecord& record) {
  if (record.message.empty()) return nullptr;
  return {{"kind", record.kind}, {"message", record.message}, {"hint", record.hint}};
}

RowStatus status_of(const JobRecord& record) {
  if (record.signal != 0) return RowStatus::killed;
  return record.exit_code == 0 ? RowStatus::done : record.exit_code == 1 ? RowStatus::gate_failed : RowStatus::failed;
}

Pair<int64_t> both(const Json& before, const Json& after, const char* name) {
  return {integer(before, name), integer(after, name)};
}

/// What the report says in numbers. Where nothing was written there is no "after".
void fill_figures(const Json& report, Row& row) {
  const Json baseline = member(report, "baseline"), output = member(report, "output");
  const Json model = member(report, "model"), metric = member(output, "metric");
  row.metric = word(baseline, "metric");
  row.unit = word(baseline, "unit");
  row.value = {number(baseline, "value"), number(metric, "value")};
  row.drop = number(metric, "drop");
  row.agreement = number(metric, "agreement");
  row.bytes = both(model, output, "bytes");
  row.macs = both(model, output, "macs");
  row.peak_activation_bytes = both(model, output, "peak_activation_bytes");
}

/// The row of summary.json: shaped like a report, so that `report diff` reads both alike.
Json row_json(const Row& row, const std::optional<JobRecord>& record, const Json& report) {
  Json json = {{"name", row.name}, {"status", status_name(row.status)}, {"exit_code", row.exit_code}};
  json["verdict"] = row.reason;
  json["error"] = record ? error_of(*record) : Json();
  Json model = member(report, "model");
  if (!model.is_object()) model = {{"path", row.model}};
  json["model"] = std::move(model);
  json["baseline"] = member(report, "baseline");
  Json steps = Json::array();
  for (const Json& step : list_at(report, "steps")) {
    steps.push_back({{"pass", member(step, "pass")}, {"status", member(step, "status")}});
  }
  json["steps"] = std::move(steps);
  json["output"] = member(report, "output");
  json["test"] = member(report, "test");
  json["warnings"] = list_at(report, "warnings");
  json["seconds"] = row.seconds;
  json["peak_rss_bytes"] = row.peak_rss_bytes;
  return json;
}

}  // namespace

std::string folder_json(const FolderRecord& record) {
  Json models = Json::array();
  for (const FolderRecord::Model& model : record.models) models.push_back({{"name", model.name}, {"path", model.path}});
  return dump({{"schema", kFolderSchema},
               {"manifest", {{"path", record.manifest}, {"sha256", record.manifest_sha256}}},
               {"models", std::move(models)}});
}

std::optional<FolderRecord> parse_folder(std::string_view text) {
  const Json json = parse(text);
  if (word(json, "schema") != kFolderSchema) return std::nullopt;
  const Json manifest = member(json, "manifest");
  FolderRecord record{word(manifest, "path"), word(manifest, "sha256"), {}};
  for (const Json& model : list_at(json, "models")) record.models.push_back({word(model, "name"), word(model, "path")});
  return record;
}

std::string job_json(const JobRecord& record) {
  Json inputs = Json::array();
  for (const JobInput& input : record.inputs) {
    inputs.push_back({{"role", input.role}, {"path", input.path}, {"sha256", input.sha256}});
  }
  return dump({{"schema", kJobSchema},
               {"name", record.name},
               {"exit_code", record.exit_code},
               {"signal", record.signal},
               {"error", error_of(record)},
               {"seconds", record.seconds},
               {"peak_rss_bytes", record.peak_rss_bytes},
               {"tool", {{"version", record.tool_version}, {"sha256", record.tool_sha256}}},
               {"inputs", std::move(inputs)},
               {"files", record.files}});
}

std::optional<JobRecord> parse_job(std::string_view text) {
  const Json json = parse(text);
  if (word(json, "schema") != kJobSchema) return std::nullopt;
  JobRecord record;
  record.name = word(json, "name");
  record.exit_code = static_cast<int>(integer(json, "exit_code").value_or(70));
  record.signal = static_cast<int>(integer(json, "signal").value_or(0));
  const Json error = member(json, "error"), tool = member(json, "tool");
  record.kind = word(error, "kind");
  record.message = word(error, "message");
  record.hint = word(error, "hint");
  record.seconds = number(json, "seconds").value_or(0);
  record.peak_rss_bytes = integer(json, "peak_rss_bytes").value_or(0);
  record.tool_version = word(tool, "version");
  record.tool_sha256 = word(tool, "sha256");
  for (const Json& input : list_at(json, "inputs")) {
    record.inputs.push_back({word(input, "role"), word(input, "path"), word(input, "sha256")});
  }
  for (const Json& file : list_at(json, "files")) {
    if (file.is_string()) record.files.push_back(file.get<std::string>());
  }
  return record;
}

void parse_error(std::string_view text, JobRecord& record) {
  const Json error = member(parse(text), "error");
  if (!error.is_object()) return;
  record.kind = word(error, "kind");
  record.message = word(error, "message");
  record.hint = word(error, "hint");
}

bool parse_progress(std::string_view lines, JobProgress& progress) {
  const size_t end = lines.rfind('\n');
  if (end == std::string_view::npos) return false;
  const size_t before = lines.substr(0, end).rfind('\n');
  const Json event = parse(lines.substr(0, end).substr(before == std::string_view::npos ? 0 : before + 1));
  const std::string what = word(event, "what");
  if (what.empty()) return false;
  if (what != progress.what) progress = {what, 0, 0};
  progress.total = integer(event, "total").value_or(progress.total);
  progress.done = integer(event, "done").value_or(word(event, "event") == "end" ? progress.total : progress.done);
  return true;
}

Row make_row(const FolderRecord::Model& model, const std::optional<JobRecord>& record, std::string_view report_text) {
  Row row;
  row.name = model.name;
  row.model = model.path;
  Json report;
  if (!record) {
    row.exit_code = 5;
    row.reason = "not run, or not to its end";
  } else {
    row.status = status_of(*record);
    row.exit_code = record->exit_code;
    row.seconds = record->seconds;
    row.peak_rss_bytes = record->peak_rss_bytes;
    row.reason = record->message + (record->hint.empty() ? "" : "; " + record->hint);
    if (!report_text.empty()) report = parse(report_text);
    if (record->message.empty()) row.reason = word(report, "verdict");
    fill_figures(report, row);
  }
  row.json = row_json(row, record, report).dump(-1, ' ', false, Json::error_handler_t::replace);
  return row;
}

std::string summary_json(const Summary& summary) {
  Json counts = Json::object(), refused = Json::array(), failed = Json::array(), rows = Json::array();
  double seconds = 0;
  for (const RowStatus status :
       {RowStatus::done, RowStatus::gate_failed, RowStatus::failed, RowStatus::killed, RowStatus::missing}) {
    counts[std::string(status_name(status))] = 0;
  }
  for (const Row& row : summary.rows) {
    Json& count = counts[std::string(status_name(row.status))];
    count = count.get<int>() + 1;
    if (row.status == RowStatus::gate_failed) refused.push_back(row.name);
    if (row.status != RowStatus::gate_failed && row.status != RowStatus::done) failed.push_back(row.name);
    seconds += row.seconds;
    rows.push_back(parse(row.json));
  }
  return dump({{"schema", "edgesmith.zoo/1"},
               {"tool", {{"version", report::tool_version()}}},
               {"command", "zoo"},
               {"exit_code", summary.exit_code},
               {"manifest", {{"path", summary.manifest}, {"sha256", summary.manifest_sha256}}},
               {"counts", std::move(counts)},
               {"gate_failed", std::move(refused)},
               {"failed", std::move(failed)},
               {"models", std::move(rows)},
               {"seconds", seconds}});
}

std::string plan_json(const std::string& manifest, const std::string& folder, const std::vector<PlannedJob>& jobs,
                      const std::vector<std::string>& collect) {
  Json list = Json::array();
  for (const PlannedJob& job : jobs) {
    list.push_back({{"name", job.name}, {"model", job.model}, {"command", job.command}});
  }
  return dump({{"schema", "edgesmith.zoo-plan/1"},
               {"manifest", manifest},
               {"results", folder},
               {"jobs", std::move(list)},
               {"collect", collect}});
}

}  // namespace edgesmith::zoo
