// SPDX-License-Identifier: Apache-2.0
// Runs a graph, and the original beside it, over the calibration data as far as some layers need, and sums their rows.
#pragma once

#include <vector>

#include "passes/prune/structured/row_sums.h"
#include "passes/quantize/stream.h"

namespace edgesmith::passes::prune {

/// A layer whose rows are wanted.
struct WantedRows {
  const MixLayer* layer = nullptr;  ///< of the graph as it is now
  int target = -1;                  ///< id of a value of the original, or -1: no targets
  int minus = -1;                   ///< id of a value of the graph that is taken from it, or -1
  std::vector<int64_t> kept;        ///< channels of the target that the layer gives
  RowSums sums;                     ///< filled
};

/// `original` may be null without targets. Memory does not depend on the number of samples. Errors: those of the runs.
Status observe_rows(const ir::Graph& graph, const ir::Graph* original, std::vector<WantedRows>& wanted,
                    const quantize::Stream& stream);

}  // namespace edgesmith::passes::prune
