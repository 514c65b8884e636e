// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/structured/trials.h"

#include <algorithm>

#include "edgesmith/ops/op_info.h"

namespace edgesmith::passes::prune {
namespace {

// Multiply-adds of all trials.
constexpr double kMostTrialWork = 2e12;
constexpr int64_t kFewestTrials = 32, kMostTrials = 256;

}  // namespace

quantize::Stream trial_samples(const ir::Graph& original, size_t candidates, const PassContext& context) {
  double macs = 0;
  for (const ir::Node& node : original.nodes()) macs += static_cast<double>(ops::cost_of(node).macs);
  const double most = kMostTrialWork / std::max(1.0, macs * static_cast<double>(candidates + 1));
  const int64_t count = std::clamp(static_cast<int64_t>(most), kFewestTrials, kMostTrials);
  return quantize::Stream(*context.calib, original, *context.pool, *context.progress, count);
}

}  // namespace edgesmith::passes::prune
