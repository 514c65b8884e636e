// SPDX-License-Identifier: Apache-2.0
// A race of quantized graphs: those that lose on a part of the samples do not run on the rest.
#pragma once

#include <vector>

#include "edgesmith/base/result.h"
#include "passes/quantize/network_error.h"
#include "passes/quantize/reference_outputs.h"
#include "passes/quantize/stream.h"

namespace edgesmith::passes::quantize {

/// Measures candidates against the original, those of later calls also against the best before them. Where a quarter of
/// the samples is enough to say by a paired test that a candidate is worse than the best, it goes no further (Maron and
/// Moore 1997, "The racing algorithm").
class ChoiceRace {
 public:
  ChoiceRace(const ir::Graph& original, const Stream& stream, const ReferenceOutputs& reference);

  /// Squared error over squared signal of each of `graphs`, as OutputErrors gives it for each part of the samples, the
  /// parts weighted by their samples. The first `favourites` go out only when clearly worse. A loser's error is the
  /// best one's times what it was worse by in its heat. Errors: those of the runs.
  Result<std::vector<double>> measure(const std::vector<const ir::Graph*>& graphs, size_t favourites);

 private:
  struct Best {
    std::vector<double> by_batch;  ///< errors in the heat
    double in_heat = 0, error = 0;
  };

  Stream heat_samples_, rest_samples_;
  OutputErrors heat_, rest_;
  std::vector<Best> best_;  ///< none before the first call, then one
};

}  // namespace edgesmith::passes::quantize
