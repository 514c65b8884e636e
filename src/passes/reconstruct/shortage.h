// SPDX-License-Identifier: Apache-2.0
// Layers that were repaired from less data than they have weights.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "edgesmith/ir/graph.h"

namespace edgesmith::passes::reconstruct {

/// Least squares for n weights take n rows of inputs; with fewer, damping decides the rest.
class Shortage {
 public:
  /// `rows` were seen of a layer's inputs, for `weights` of one output.
  void see(const ir::Node& layer, int64_t rows, int64_t weights);
  /// Adds what to do to `notes`, once, when a layer saw too few. `samples`: how many there were.
  void note(int64_t samples, std::vector<std::string>& notes) const;

 private:
  std::string worst_;  // label of the layer that lacks most
  int64_t worst_rows_ = 0, worst_weights_ = 0;
  int64_t layers_ = 0, short_ = 0;
};

}  // namespace edgesmith::passes::reconstruct
