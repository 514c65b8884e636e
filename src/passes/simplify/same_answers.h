// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "edgesmith/base/result.h"
#include "edgesmith/base/thread_pool.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith::passes {

/// What running two graphs side by side says.
struct Comparison {
  enum class Verdict {
    same,
    different,
    unknown  ///< the first cannot be run, or not on made-up inputs
  };
  Verdict verdict = Verdict::unknown;
  std::string reason;  ///< what differs, or why nothing is known
};

/// Bytes of constants, and multiply-adds with free dims of 1, of models that are worth a run of a second.
inline constexpr int64_t kMostVerifiedBytes = int64_t{64} << 20;
inline constexpr int64_t kMostVerifiedMacs = int64_t{2'000'000'000};

/// True when running the graph on two inputs takes about a second, and memory for its weights is at hand.
bool is_quick_to_run(const ir::Graph& graph);

/// Runs both on seeded inputs, at two sizes where dims are free, and compares every result: floats within 1e-3 of the
/// largest (a tenth where values are quantized: codes may be off by one), NaN where there was NaN; of integers, which a
/// tie may turn, all but one in a hundred. `before` and `after` have the same inputs and results.
Comparison compare_answers(const ir::Graph& before, const ir::Graph& after, ThreadPool* pool);

}  // namespace edgesmith::passes
