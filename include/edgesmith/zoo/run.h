// SPDX-License-Identifier: Apache-2.0
// Runs the models of a manifest, one process a model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/zoo/manifest.h"
#include "edgesmith/zoo/summary.h"

namespace edgesmith::zoo {

/// A model that is being worked on.
struct Running {
  std::string name;
  double seconds = 0;
  std::string what;  ///< "calibrate"; "" when it has not said anything
  int64_t done = 0, total = 0;
};

/// Is told what happens, always from the thread that called run_zoo(). The base class ignores everything.
class Watcher {
 public:
  virtual ~Watcher() = default;
  /// `kept` of the `total` models were finished by an earlier run.
  virtual void begin(int /*total*/, int /*kept*/) {}
  virtual void started(const std::string& /*name*/) {}
  virtual void finished(const Row& /*row*/) {}
  /// Some times a second, with everything that runs.
  virtual void tick(const std::vector<Running>& /*running*/) {}
  /// Everything that is left is being worked on by other processes.
  virtual void waiting(const std::string& /*name*/) {}
  virtual void end() {}
  /// True when tick() wants to know what a model is at.
  virtual bool wants_progress() const { return false; }
};

struct RunOptions {
  std::string folder;                   ///< for the results
  int jobs = 1;                         ///< processes at a time
  int threads = 0;                      ///< of each; 0: the cores divided by `jobs`
  std::optional<int64_t> memory_limit;  ///< of all together, in bytes
  bool resume = false;                  ///< keep what is finished, and up to date
  bool force = false;                   ///< do everything again; take over a folder of another manifest
  std::vector<std::string> only;        ///< names or patterns of names; empty: all
  Watcher* watcher = nullptr;           ///< null: nobody looks
};

/// Runs what is not finished. The rows that come back are those of all models, or of `only`; the summary files are
/// written when it was all. A model that fails is a row, not an error. Errors: usage (the folder, a pattern of `only`
/// that matches nothing), io, interrupted.
Result<Summary> run_zoo(const Manifest& manifest, const RunOptions& options);

/// The names in the manifest that `only` means, in the manifest's order. Errors: usage.
Result<std::vector<std::string>> select_names(const Manifest& manifest, const std::vector<std::string>& only);

}  // namespace edgesmith::zoo
