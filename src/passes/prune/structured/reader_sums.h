// SPDX-License-Identifier: Apache-2.0
// What the readers of channels that may go meet in the model as it is.
#pragma once

#include <vector>

#include "passes/prune/structured/candidates.h"
#include "passes/prune/structured/fit.h"
#include "passes/quantize/stream.h"

namespace edgesmith::passes::prune {

class ReaderSums {
 public:
  /// Without data: nothing is observed.
  ReaderSums() = default;
  /// One sweep over the data, or several where the products of all layers would take too much memory. Errors: those of
  /// the runs.
  static Result<ReaderSums> observe(const ir::Graph& graph, const Candidates& candidates,
                                    const quantize::Stream& stream);

  bool observed(size_t layer) const { return layer < sums_.size() && sums_[layer].width() > 0; }
  const RowSums& of(size_t layer) const { return sums_[layer]; }
  /// Damped, for choosing channels of its inputs. `linear`: the layer's weights.
  std::vector<double> moments(const MixLayer& layer, size_t index, const Linear& linear) const;

 private:
  std::vector<RowSums> sums_;  ///< by layer; empty where nothing was observed
};

}  // namespace edgesmith::passes::prune
