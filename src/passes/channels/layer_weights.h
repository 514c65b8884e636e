// SPDX-License-Identifier: Apache-2.0
// The constants of a layer that mixes channels, whatever their layout.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "edgesmith/ir/graph.h"
#include "edgesmith/ops/channels.h"

namespace edgesmith::passes {

/// A weight as [outputs][inputs][taps].
struct LayerWeights {
  int64_t outputs = 0, inputs = 0, taps = 1;
  std::vector<float> numbers;

  const float* of(int64_t output, int64_t input) const {
    return numbers.data() + static_cast<size_t>((output * inputs + input) * taps);
  }
  float* of(int64_t output, int64_t input) { return const_cast<float*>(std::as_const(*this).of(output, input)); }
};
LayerWeights layer_weights(const ir::Node& node, const ops::Mixing& mixing);
/// The same back as the operand's tensor.
ir::Tensor weight_tensor(const ir::Tensor& like, const ops::Mixing& mixing, const LayerWeights& weights);
/// Bias by output; zeros when absent.
std::vector<float> layer_bias(const ir::Node& node, const ops::Mixing& mixing, int64_t outputs);

}  // namespace edgesmith::passes
