// SPDX-License-Identifier: Apache-2.0
// A race of quantized graphs: those that fall behind do not run on the rest of the samples.
#pragma once

#include <memory>
#include <vector>

#include "edgesmith/base/result.h"
#include "passes/quantize/network_error.h"
#include "passes/quantize/reference_outputs.h"
#include "passes/quantize/stream.h"

namespace edgesmith::passes::quantize {

/// Measures candidates against the original, those of later calls also against the best before them, in four laps over
/// a quarter of the samples each. Where a paired test after a lap says that a candidate is worse than the best, it goes
/// no further (Maron and Moore 1997, "The racing algorithm").
class ChoiceRace {
 public:
  ChoiceRace(const ir::Graph& original, const Stream& stream, const ReferenceOutputs& reference);

  /// Squared error over squared signal of each of `graphs`, as OutputErrors gives it for each lap, the laps weighted by
  /// their samples. The first `favourites` go out only when clearly worse. The error of one that goes out is the best
  /// one's times what it was worse by until then. Errors: those of the runs.
  Result<std::vector<double>> measure(const std::vector<const ir::Graph*>& graphs, size_t favourites);

 private:
  struct Lap {
    Lap(const ir::Graph& original, Stream part, const ReferenceOutputs& reference)
        : samples(std::move(part)), errors(original, samples, &reference) {}
    Stream samples;
    OutputErrors errors;
  };
  struct Entrant {
    std::vector<double> error;     ///< after each lap, over all samples until then
    std::vector<double> by_batch;  ///< errors of single batches, in the order of the laps
    bool out = false;
  };

  /// The one with the least error after a lap, of those that run and the best of earlier calls.
  const Entrant& leader_after(size_t lap, const std::vector<Entrant>& entrants) const;

  std::vector<std::unique_ptr<Lap>> laps_;
  std::vector<Entrant> best_;  ///< of earlier calls: none or one
};

}  // namespace edgesmith::passes::quantize
