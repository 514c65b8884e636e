// SPDX-License-Identifier: Apache-2.0
// One sweep over the samples: what every value of the float model looks like, and how far the compressed one is off.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/runtime/executor.h"
#include "passes/quantize/stream.h"
#include "refine/diagnose/match.h"
#include "refine/diagnose/substitute.h"

namespace edgesmith::refine::diagnose {

/// Sums over all samples for one value of the float model.
struct ValueFacts {
  double signal = 0;                       ///< squares of the float model's numbers
  double noise = 0, other_signal = 0;      ///< of the compressed model: squared differences, squares
  double twin_noise = 0, twin_signal = 0;  ///< of the counterpart on the float model's own operands, unrounded
  double rounding = 0;                     ///< squared differences that the codes of the result make by themselves
  int64_t count = 0, clipped = 0;          ///< numbers; those beyond the codes
  bool seen = false, compared = false, twinned = false;
  float min = 0, max = 0;
  std::vector<float> channel_max;   ///< largest magnitude by channel; empty where there is no channel axis
  std::vector<double> channel_sum;  ///< the same for the sums

  /// NaN where nothing was compared.
  double cosine() const { return (signal + other_signal - noise) / 2 / std::sqrt(signal * other_signal); }
};

struct Facts {
  std::vector<ValueFacts> values;  ///< by value id of the float graph
};

/// The axis that channels of `value` lie on, by the operator that makes it; -1: unknown.
int channel_axis(const ir::Value& value);

/// Runs the float graph (within `twins`, whose ids are its own) and the compressed one side by side. `quants` (by value
/// id of the float graph) are the codes that the compressed model puts on the values. Errors: those of the runs.
Result<Facts> observe(const ir::Graph& original, const Twins& twins, const ir::Graph& other, const Match& match,
                      const std::vector<std::optional<ir::Quant>>& quants, const runtime::ExecutorOptions& executor,
                      const passes::quantize::Stream& stream);

}  // namespace edgesmith::refine::diagnose
