// SPDX-License-Identifier: Apache-2.0
// Int32 biases of integer layers: their scale is that of the input times that of the weights, whatever is learned.
#pragma once

#include <vector>

#include "edgesmith/ir/graph.h"

namespace edgesmith::train {

/// A bias of int32 codes, and where it is read.
struct IntegerBias {
  ir::Use use;
  ir::Quant quant;              ///< before training
  std::vector<float> products;  ///< the scales of input times weights before training; empty: not known
};
std::vector<IntegerBias> find_integer_biases(const ir::Graph& graph);

/// Makes them int32 codes (again), from what they hold, reals or codes: on the scales that their layers have now where
/// they were on those of their layers before, else on their own.
void round_biases(ir::Graph& graph, const std::vector<IntegerBias>& biases);

}  // namespace edgesmith::train
