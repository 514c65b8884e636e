// SPDX-License-Identifier: Apache-2.0
// What `bench` measured, for people and as JSON.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli.h"
#include "edgesmith/refine/bench.h"
#include "edgesmith/refine/camera.h"

namespace edgesmith::cli {

/// One or two models (paths and graphs), how they were run, and what came out.
struct BenchShown {
  std::vector<std::string> paths;
  std::vector<const ir::Graph*> graphs;
  std::string data;     ///< "": seeded inputs
  int64_t samples = 0;  ///< of the data
  bool per_node = false;
  int threads = 1, parallel = 1;

  /// One batch size.
  struct Round {
    int64_t batch = 1, runs = 0, warmup = 0;
    refine::BenchReport report;
  };
  std::vector<Round> rounds;
  /// The plan that was run.
  struct PlanTime {
    std::string path;
    double predicted_us = 0;
  };
  std::optional<PlanTime> plan;
  std::optional<refine::TimeRatio> ratio;  ///< of the second model over the first one
};

/// One model behind a camera.
struct CameraShown {
  std::string path;
  const ir::Graph* graph = nullptr;
  std::string data;
  int64_t samples = 0;
  refine::CameraOptions options;
  refine::CameraReport report;
};

std::string camera_json(const CameraShown& shown);
std::string camera_text(const CameraShown& shown, const Common& common);

std::string bench_json(const BenchShown& shown, const Common& common);
std::string bench_text(const BenchShown& shown, const Common& common);

}  // namespace edgesmith::cli
