// SPDX-License-Identifier: Apache-2.0
// A model behind a camera: frames arrive at a fixed rate and are decoded, shaped, preprocessed and run.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "edgesmith/base/progress.h"
#include "edgesmith/base/result.h"
#include "edgesmith/data/dataset.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/refine/bench.h"
#include "edgesmith/runtime/executor.h"

namespace edgesmith::refine {

struct CameraOptions {
  double fps = 30;       ///< frames that arrive in a second
  int64_t frames = 300;  ///< frames in all; the samples are taken in turns
  runtime::ExecutorOptions executor;
  ProgressSink* progress = nullptr;  ///< may be null
};

/// One stage of the way from a frame to its answer.
struct StageTime {
  std::string_view name;  ///< "decode", "resize", "preprocess" or "model"
  Latency time;
  double share = 0;  ///< of the time of all stages, by means
};

struct CameraReport {
  std::vector<StageTime> stages;
  /// From a frame's arrival to its answer, in microseconds; waiting behind other frames counts.
  double p50_us = 0, p99_us = 0, max_us = 0;
  int64_t missed = 0;         ///< frames whose answer came later than the next frame
  double possible_fps = 0;    ///< what the busier of the two threads could do, by the means of its stages
  double seconds = 0;         ///< by the clock
  bool pinned = false;        ///< the two threads stayed on a core of their own each
  std::string output_sha256;  ///< over every sample once, as `infer` gives for them
};

/// Runs `graph` behind a camera that shows the samples of `data`. Decoding, shaping and preprocessing are one thread,
/// the model is another, so that they overlap on two cores; two frames may wait between them. Errors: those of decoding
/// and running; usage (a model that takes several samples at a time, data to be fed whole); interrupted.
Result<CameraReport> bench_camera(const ir::Graph& graph, const data::Dataset& data, const CameraOptions& options);

}  // namespace edgesmith::refine
