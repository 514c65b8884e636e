// SPDX-License-Identifier: Apache-2.0
// The work of a zoo run as commands that others start: a list, a Makefile, a Slurm job array. Each command runs one
// model in the shared results folder, and none needs another.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "edgesmith/base/result.h"
#include "edgesmith/zoo/manifest.h"

namespace edgesmith::zoo {

struct PlanOptions {
  std::string program;                  ///< absolute path of edgesmith
  std::string folder;                   ///< for the results; absolute
  int jobs = 0;                         ///< at a time; 0: all that the cluster has room for
  int threads = 0;                      ///< of each; 0: what the scheduler gives it
  std::optional<int64_t> memory_limit;  ///< of all `jobs` together, in bytes
  std::vector<std::string> overrides;   ///< "key=value" for every recipe
};

/// Schema edgesmith.zoo-plan/1.
std::string json_plan(const Manifest& manifest, const PlanOptions& options);
/// For `make -j N`; its exit code is that of the zoo.
std::string make_plan(const Manifest& manifest, const PlanOptions& options);
/// For `sbatch`; one task of the array is one model.
std::string slurm_plan(const Manifest& manifest, const PlanOptions& options);

}  // namespace edgesmith::zoo
