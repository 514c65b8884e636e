// SPDX-License-Identifier: Apache-2.0
#include "passes/channels/layer_weights.h"

#include <algorithm>

namespace edgesmith::passes {
namespace {

// Calls visit(position in the tensor, output, input, tap) for every weight.
template <typename Visit>
void for_each_weight(const ir::Tensor& weight, const ops::Mixing& mixing, Visit&& visit) {
  const int64_t second = weight.dims()[1], taps = weight.size() / std::max<int64_t>(1, weight.dims()[0] * second);
  size_t position = 0;
  for (int64_t a = 0; a < weight.dims()[0]; ++a) {
    for (int64_t b = 0; b < second; ++b) {
      for (int64_t tap = 0; tap < taps; ++tap, ++position) {
        mixing.weight_out_axis == 0 ? visit(position, a, b, tap) : visit(position, b, a, tap);
      }
    }
  }
}

}  // namespace

LayerWeights layer_weights(const ir::Node& node, const ops::Mixing& mixing) {
  const ir::Tensor& weight = *node.input(mixing.weight)->constant();
  LayerWeights out;
  out.outputs = weight.dims()[static_cast<size_t>(mixing.weight_out_axis)];
  out.inputs = weight.dims()[static_cast<size_t>(mixing.weight_in_axis)];
  out.taps = weight.size() / std::max<int64_t>(1, out.outputs * out.inputs);
  out.numbers.resize(static_cast<size_t>(weight.size()));
  const auto data = weight.data<float>();
  for_each_weight(weight, mixing, [&](size_t position, int64_t output, int64_t input, int64_t tap) {
    out.of(output, input)[tap] = data[position];
  });
  return out;
}

ir::Tensor weight_tensor(const ir::Tensor& like, const ops::Mixing& mixing, const LayerWeights& weights) {
  ir::Dims dims = like.dims();
  dims[static_cast<size_t>(mixing.weight_out_axis)] = weights.outputs;
  dims[static_cast<size_t>(mixing.weight_in_axis)] = weights.inputs;
  ir::Tensor out = ir::Tensor::zeros(ir::DType::f32, dims);
  const auto data = out.mutable_data<float>();
  for_each_weight(out, mixing, [&](size_t position, int64_t output, int64_t input, int64_t tap) {
    data[position] = weights.of(output, input)[tap];
  });
  return out;
}

std::vector<float> layer_bias(const ir::Node& node, const ops::Mixing& mixing, int64_t outputs) {
  const ir::Value* bias = mixing.bias < 0 ? nullptr : node.input(mixing.bias);
  if (bias == nullptr) return std::vector<float>(static_cast<size_t>(outputs), 0.0F);
  std::vector<float> numbers = bias->constant()->to_floats();
  if (numbers.size() == 1) numbers.resize(static_cast<size_t>(outputs), numbers[0]);
  return numbers;
}

}  // namespace edgesmith::passes
