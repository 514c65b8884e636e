// SPDX-License-Identifier: Apache-2.0
// The folder with the results of one manifest:
//
//   zoo.json                 which manifest, which models
//   NAME/                    a finished model: job.json, recipe.toml, log.txt, and what `run` writes
//   .NAME.part/              one that is being worked on, or was when its process was killed
//   summary.json .csv, index.html
//
// A finished folder appears by rename, so what has no dot in front is whole.
#pragma once

#include <optional>
#include <string>

#include "edgesmith/base/result.h"
#include "edgesmith/zoo/manifest.h"
#include "zoo/records.h"

namespace edgesmith::zoo {

/// The path of `name` in `folder`.
std::string in(const std::string& folder, const std::string& name);

/// True when `name` may be a model's folder: one component, visible, none of our own files.
bool is_folder_name(const std::string& name);

/// Makes the folder ready for `manifest`, or says why it must not be written to. Errors: usage (holds something else,
/// or results and neither `resume` nor `force`; another manifest's results without `force`), io.
Status open_folder(const Manifest& manifest, const std::string& folder, bool resume, bool force);

/// What zoo.json says. Errors: io (no such folder), usage (holds no results).
Result<FolderRecord> read_folder(const std::string& folder);

/// The record of a finished model; nullopt where there is none, or something of it is gone.
std::optional<JobRecord> finished_job(const std::string& folder, const std::string& name);

/// The right to work on one model: an empty folder that no other process works in. The right is held by an open file,
/// which the process that does the work inherits: it ends with the last of the two, however they end.
class Claim {
 public:
  /// nullopt: another process has it. Errors: io.
  static Result<std::optional<Claim>> take(const std::string& folder, const std::string& name);
  Claim(Claim&& other) noexcept;
  Claim& operator=(Claim&& other) noexcept;
  ~Claim();

  const std::string& path() const { return part_; }
  int descriptor() const { return descriptor_; }
  /// Puts the folder into place, where an older one goes away. Errors: io.
  Status finish();
  /// Removes the folder.
  void abandon();

 private:
  Claim(std::string part, std::string place, int descriptor)
      : part_(std::move(part)), place_(std::move(place)), descriptor_(descriptor) {}
  void close();

  std::string part_, place_;
  int descriptor_ = -1;
};

}  // namespace edgesmith::zoo
