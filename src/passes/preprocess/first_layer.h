// SPDX-License-Identifier: Apache-2.0
// Arithmetic on a model's input, moved into the weights of the layer that reads it.
#pragma once

#include <string>
#include <vector>

#include "edgesmith/ir/graph.h"

namespace edgesmith::passes {

/// What a model computes of an input before anything else: y[c] = x[source[c]] * factor[c] + shift[c].
struct InputArithmetic {
  std::vector<double> factor, shift;  ///< one for each channel of y, or a single one for all
  std::vector<int64_t> source;        ///< channel of x that channel c of y is; empty: the same

  bool scales() const;  ///< some factor is not 1
  bool shifts() const;  ///< some shift is not 0
  bool uniform() const { return factor.size() == 1 && shift.size() == 1; }
  bool nothing() const { return !scales() && !shifts() && source.empty(); }
  /// The x that makes y 0, for channel c.
  double zero_at(size_t c) const;
};

/// What is left to compute on the input itself.
struct Remainder {
  InputArithmetic arithmetic;
  std::string into;  ///< label of the layer that took the rest; "" when none did
  std::string why;   ///< why something is left, for people; ""
};

/// Moves what it can of `arithmetic` into the one layer that reads `input`, straight or through operators that only
/// rename or transpose: Conv, Gemm, MatMul with constant float weights. `axis` is the channels' axis of `input`.
///
/// A convolution pads with zeros that mean y = 0. Where shifts would make them mean something else it gets a Pad of the
/// x that makes y 0, when that is one number for all channels; else the shifts stay on the input (as x - zero_at).
Remainder move_into_first_layer(ir::Graph& graph, ir::Value& input, int axis, const InputArithmetic& arithmetic);

}  // namespace edgesmith::passes
