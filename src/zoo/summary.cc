// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/zoo/summary.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "edgesmith/base/file.h"
#include "report/html_parts.h"
#include "zoo/folder.h"

namespace edgesmith::zoo {
namespace {

namespace fs = std::filesystem;

int exit_code_of(const std::vector<Row>& rows) {
  int code = 0;
  for (const Row& row : rows) {
    if (row.status == RowStatus::gate_failed) return 1;
    if (code == 0) code = row.exit_code;
  }
  return code;
}

}  // namespace

std::string_view status_name(RowStatus status) {
  switch (status) {
    case RowStatus::done: return "done";
    case RowStatus::gate_failed: return "gate_failed";
    case RowStatus::failed: return "failed";
    case RowStatus::killed: return "killed";
    case RowStatus::missing: return "missing";
  }
  return "";
}

Result<Summary> collect(const std::string& folder, const std::vector<std::string>& only) {
  auto record = read_folder(folder);
  if (!record) return record.error();
  Summary summary{folder, record->manifest, record->manifest_sha256, {}, 0};
  for (const FolderRecord::Model& model : record->models) {
    if (!only.empty() && std::find(only.begin(), only.end(), model.name) == only.end()) continue;
    const auto job = finished_job(folder, model.name);
    const std::string path = (fs::path(folder) / model.name / "report.json").string();
    std::error_code error;
    std::string report;
    if (job && fs::exists(path, error)) {
      auto text = read_file(path);
      if (!text) return text.error();
      report = std::move(*text);
    }
    summary.rows.push_back(make_row(model, job, report));
  }
  summary.exit_code = exit_code_of(summary.rows);
  return summary;
}

Status write_summary(const Summary& summary) {
  const fs::path folder = summary.folder;
  EDGESMITH_TRY(write_file((folder / "summary.csv").string(), summary_csv(summary)));
  EDGESMITH_TRY(write_file((folder / "index.html").string(), summary_html(summary)));
  return write_file((folder / "summary.json").string(), summary_json(summary));
}

std::string value_text(const Row& row, double value) {
  if (row.unit.empty()) return report::number_text("%.4g", value);
  return report::number_text("%.2f ", value) + row.unit;
}

std::string change_text(const Row& row) {
  if (!row.value.before || !row.value.after) return "";
  const double change = *row.value.after - *row.value.before;
  // What would read as -0.00 is none.
  const bool points = !row.unit.empty();
  return report::number_text(points ? "%+.2f" : "%+.4g", points && std::abs(change) < 0.005 ? 0 : change);
}

}  // namespace edgesmith::zoo
