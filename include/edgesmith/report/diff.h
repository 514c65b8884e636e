// SPDX-License-Identifier: Apache-2.0
// What changed between two runs, by their report.json.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "edgesmith/base/result.h"

namespace edgesmith::report {

/// How much worse the newer run may be; nothing set: nothing is judged.
struct DiffLimits {
  std::optional<double> max_drop;      ///< of the metric, in its units
  std::optional<double> max_growth;    ///< of bytes, multiply-adds and peak activation memory, in percent
  std::optional<double> max_slowdown;  ///< of the run, in percent
};

/// One figure of both runs. Absent where a run has none.
struct FigureChange {
  std::string name;                   ///< "top1", "bytes", ...
  std::string before, after, change;  ///< as people read them
  std::optional<double> old_value, new_value;
  double worse = 0;             ///< by how much, in percent or in the metric's units; below zero: better
  std::optional<double> limit;  ///< the largest change for the worse that is allowed
  bool regression = false;      ///< beyond it
};

/// The figures of the output, or of one step.
struct DiffPart {
  std::string name;  ///< "output", "step 1: quantize"
  std::vector<FigureChange> figures;
};

struct ReportDiff {
  std::string old_path, new_path;
  std::string model;  ///< its file's name
  std::vector<DiffPart> parts;
  std::vector<std::string> notes;
  int regressions = 0;
};

/// Compares two report.json of runs, or those in two folders. Only the figures of the outputs are held against limits;
/// those of the steps say where a change comes from. Errors: io; invalid, naming the file, for what is no report of a
/// run, another schema, another metric; usage, for reports of different models.
Result<ReportDiff> diff_reports(const std::string& old_path, const std::string& new_path, const DiffLimits& limits);

/// For a terminal.
std::string diff_text(const ReportDiff& diff, bool color);
/// For a pull request: Markdown tables.
std::string diff_markdown(const ReportDiff& diff);
/// For CI: JUnit XML with a test case for every figure that has a limit.
std::string diff_junit(const ReportDiff& diff);
/// Schema edgesmith.diff/1.
std::string diff_json(const ReportDiff& diff);

/// One model of two zoo runs. `diff` has no parts where it is not in both, or they cannot be compared.
struct ModelDiff {
  std::string name;
  std::string old_status, new_status;  ///< "done", "gate_failed", "failed", ...; "" where the run does not have it
  ReportDiff diff;
  bool lost = false;  ///< it had a result before, and has none now: a regression where any limit is given
};

struct ZooDiff {
  std::string old_path, new_path;
  std::vector<ModelDiff> models;  ///< worst first
  bool judged = false;            ///< some limit was given
  int regressions = 0;            ///< figures beyond their limits, and results lost
};

/// The file that a comparison reads first of OLD or NEW: itself, or report.json or summary.json in a folder.
std::string compared_file(const std::string& path);

/// True for the summary.json of a zoo run, and for a folder that holds no report.json: the results of one.
bool is_zoo_run(const std::string& path);

/// Compares two zoo runs, model by model (by name). Errors: io; invalid, naming the file; those of diff_reports() but
/// for different models under one name, which is said in their row.
Result<ZooDiff> diff_zoo_runs(const std::string& old_path, const std::string& new_path, const DiffLimits& limits);

std::string zoo_diff_text(const ZooDiff& diff, bool color);
std::string zoo_diff_markdown(const ZooDiff& diff);
std::string zoo_diff_junit(const ZooDiff& diff);
/// Schema edgesmith.zoo-diff/1.
std::string zoo_diff_json(const ZooDiff& diff);

}  // namespace edgesmith::report
