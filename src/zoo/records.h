// SPDX-License-Identifier: Apache-2.0
// What is kept on disk: which models a results folder is of, and how the run of each one ended. All JSON of this module
// is read and written in records.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/zoo/summary.h"

namespace edgesmith::zoo {

/// zoo.json, schema edgesmith.zoo-folder/1.
struct FolderRecord {
  struct Model {
    std::string name, path;
  };
  std::string manifest, manifest_sha256;
  std::vector<Model> models;  ///< in the manifest's order
};
std::string folder_json(const FolderRecord& record);
std::optional<FolderRecord> parse_folder(std::string_view text);

/// Something that the run read: when it changes, the run is done again.
struct JobInput {
  std::string role;  ///< "model", "recipe", "calib", "step 2: teacher"
  std::string path;
  std::string sha256;  ///< or "missing"
  bool operator==(const JobInput&) const = default;
};

/// job.json, schema edgesmith.zoo-job/1.
struct JobRecord {
  std::string name;
  int exit_code = 0;                ///< that of `run`, or what stands for the signal
  int signal = 0;                   ///< that ended it; 0: it ended itself
  std::string kind, message, hint;  ///< of the error that it ended with; empty: none
  double seconds = 0;
  int64_t peak_rss_bytes = 0;
  std::string tool_version, tool_sha256;
  std::vector<JobInput> inputs;
  std::vector<std::string> files;  ///< in the folder, sorted
};
std::string job_json(const JobRecord& record);
std::optional<JobRecord> parse_job(std::string_view text);

/// Fills kind, message and hint from what `run --json` printed for an error; leaves them alone when it is none.
void parse_error(std::string_view text, JobRecord& record);

/// The last progress in lines of --events. False: nothing new.
struct JobProgress {
  std::string what;  ///< "calibrate"
  int64_t done = 0, total = 0;
};
bool parse_progress(std::string_view lines, JobProgress& progress);

/// The row of a model from its record and the text of its report.json ("" when there is none).
Row make_row(const FolderRecord::Model& model, const std::optional<JobRecord>& record, std::string_view report);

/// A command of a plan.
struct PlannedJob {
  std::string name, model;
  std::vector<std::string> command;
};
/// Schema edgesmith.zoo-plan/1.
std::string plan_json(const std::string& manifest, const std::string& folder, const std::vector<PlannedJob>& jobs,
                      const std::vector<std::string>& collect);

}  // namespace edgesmith::zoo
