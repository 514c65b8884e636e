// SPDX-License-Identifier: Apache-2.0
// Hashes of what a run reads, so that a model is done again when something of it has changed.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "edgesmith/data/dataset.h"
#include "edgesmith/zoo/manifest.h"
#include "zoo/records.h"

namespace edgesmith::zoo {

/// Folders and lists of up to this many bytes are hashed by their contents, larger ones by names, sizes and times.
inline constexpr uintmax_t kHashedBytes = uintmax_t{1} << 30;

/// Remembers what it has hashed: a zoo's models share their data. What cannot be read is "missing". After an
/// interruption it stops, and its answers mean nothing.
class Fingerprints {
 public:
  /// Everything that the job reads: the model with its external data, the data, the files that options name, and the
  /// recipe's text.
  std::vector<JobInput> of(const Job& job);
  /// Of one file.
  std::string file(const std::string& path);

 private:
  std::string model(const std::string& path);
  std::string data(const data::DataSpec& spec);
  std::string data_path(const std::string& path, int depth);
  std::string data_toml(const std::string& path, int depth);
  std::string files(std::vector<std::string> paths);
  std::string csv(const std::string& path);

  std::map<std::string, std::string> known_;  ///< by kind and path
};

}  // namespace edgesmith::zoo
