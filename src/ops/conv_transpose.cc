// SPDX-License-Identifier: Apache-2.0
// conv_transpose: every input element adds weight[c, m, k] times itself to y[n, m, i * stride + k * dilation - pad];
// the transpose of conv as a linear map.
//
// Operands: x [N, C, spatial...], weight [C, M / group, kernel...], optional bias [M]. Attributes: auto_pad, dilations,
// group, kernel_shape, output_padding, output_shape (spatial dims; pads follow from it), pads, strides. f32, f64; f16
// and bf16 through f32. Outputs that no window reaches are the bias (ONNX Runtime refuses such an output_shape).
#include <algorithm>
#include <vector>

#include "ops/columns.h"
#include "ops/convolution.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"
#include "ops/matrix_product.h"
#include "ops/slices.h"

namespace edgesmith::ops::conv_transpose_op {
namespace {

Status verify(const ir::Node& node) { return verify_convolution(node, WeightLayout::in_out); }

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  return infer_convolution(node, WeightLayout::in_out, infer_transposed_window);
}

template <typename T>
Result<ir::Tensor> convolve(const ir::Node& node, const Window& window, const ir::Tensor& x, const ir::Tensor& weight,
                            const ir::Tensor* bias) {
  const int64_t samples = x.dims()[0], groups = node.attributes().get_int("group", 1);
  const int64_t channels = x.dims()[1] / groups, features = weight.dims()[1];  // of one group
  const int64_t taps = ir::num_elements(window.kernel), positions = ir::num_elements(window.input);
  ir::Dims dims = {samples, features * groups};
  dims.insert(dims.end(), window.output.begin(), window.output.end());
  auto made = make_tensor(x.dtype(), dims);
  if (!made) return made;
  EDGESMITH_TRY(check_size(x.dtype(), {features, taps, positions}));
  const int64_t plane = ir::num_elements(window.output);
  // Seen from the output this is a convolution's window: its input is our output.
  Window mirrored = window;
  std::swap(mirrored.input, mirrored.output);
  T* out = made->mutable_data<T>().data();
  std::vector<T> columns(static_cast<size_t>(features * taps * positions));
  for (int64_t block = 0; block < samples * groups; ++block) {
    const int64_t g = block % groups;
    std::fill(columns.begin(), columns.end(), T{0});
    add_product<T>({weight.data<T>().data() + g * channels * features * taps, channels, features * taps,
                    features * taps, /*transposed=*/true},
                   {x.data<T>().data() + block * channels * positions, channels, positions, positions}, columns.data());
    for (int64_t m = 0; m < features; ++m) {
      T* channel = out + (block * features + m) * plane;
      if (bias != nullptr) std::fill_n(channel, plane, bias->data<T>()[static_cast<size_t>(g * features + m)]);
      add_columns(mirrored, columns.data() + m * taps * positions, channel);
    }
  }
  return made;
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor &x = *inputs[0], &weight = *inputs[1];
  const ir::Tensor* bias = inputs.size() > 2 ? inputs[2] : nullptr;
  EDGESMITH_TRY(check_convolution(node, x, weight, bias, WeightLayout::in_out));
  const auto window = resolve_transposed_window(node, spatial_dims(x.dims()), spatial_dims(weight.dims()));
  if (!window) return window.error();
  auto y = dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() { return convolve<T>(node, *window, x, weight, bias); });
  if (!y) return y.error();
  return std::vector{std::move(*y)};
}

Cost cost(const ir::Node& node) { return convolution_cost(node, node.input(0)->type()); }

// With groups the output channels lie on two axes of the weight: no per-channel scales.
QuantFacts quant(const ir::Node& node) {
  if (node.attributes().get_int("group", 1) != 1) return {};
  return {.kind = QuantFacts::Kind::compute,
          .data_operands = {0},
          .weight_operand = 1,
          .weight_axis = 1,
          .bias_operand = 2};
}

// With groups: the input channels of a group, and their part of the weight, go into its output channels.
std::optional<ChannelRelation> channels(const ir::Node& node, int axis) {
  if (axis != 1) return std::nullopt;
  const int64_t groups = node.attributes().get_int("group", 1);
  const auto inputs = size_along(*node.input(1), 0), outputs = size_along(*node.input(1), 1);
  if (groups > 1 && inputs && outputs && *inputs % groups == 0) {
    const SliceUnits to = {.inner = *outputs}, from = {.inner = *inputs / groups};
    ChannelRelation relation{.links = {{0, 1, to, from, groups}, {1, 0, to, from, groups}}, .mixing = {}};
    if (node.input(2) != nullptr) relation.links.push_back({2, 0});
    return relation;
  }
  if (groups != 1) return std::nullopt;
  return ChannelRelation{.links = {},
                         .mixing = Mixing{.weight_in_axis = 0, .weight_out_axis = 1, .bias = 2, .uniform = false}};
}

// The convolution of dy with the same weight. Where padding of the output made room for more windows than there are
// inputs, the last ones are cut away.
Term input_gradient(GradientBuilder& build, const ir::Node& node, const ir::Ints& pads, ir::Value& x, ir::Value& weight,
                    ir::Value& dy) {
  const size_t rank = pads.size() / 2;
  const ir::Ints strides = node.attributes().get_ints("strides", ir::Ints(rank, 1));
  const ir::Ints padding = node.attributes().get_ints("output_padding", ir::Ints(rank, 0));
  ir::Ints inside = pads;
  std::vector<int> cut;
  for (size_t axis = 0; axis < rank; ++axis) {
    inside[rank + axis] = std::max<int64_t>(0, pads[rank + axis]);
    const int64_t room = padding[axis] + inside[rank + axis] - pads[rank + axis];
    if (room >= strides[axis]) cut.push_back(static_cast<int>(axis) + 2);
  }
  ir::Node& made = build.append_node(ir::OpKind::conv, {&dy, &weight}, 1,
                                     {{"dilations", node.attributes().get_ints("dilations", ir::Ints(rank, 1))},
                                      {"group", node.attributes().get_int("group", 1)},
                                      {"pads", inside},
                                      {"strides", strides}});
  return crop_like(build.term(made.output(), node.output().type().dtype), cut, x);
}

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const auto pads = gradient_pads(node, WeightLayout::in_out);
  if (!pads) return pads.error();
  ir::Value &x = *node.input(0), &weight = *node.input(1), &dy = *outputs[0];
  std::vector<ir::Value*> gradients(3);
  if (build.wants(0)) gradients[0] = input_gradient(build, node, *pads, x, weight, dy).value;
  if (build.wants(1)) gradients[1] = weight_gradient(build, node, *pads, dy, x);
  if (build.wants(2)) gradients[2] = bias_gradient(build, node, dy);
  return gradients;
}

}  // namespace

extern const OpInfo conv_transpose_info = {.kind = ir::OpKind::conv_transpose,
                                           .min_inputs = 2,
                                           .max_inputs = 3,
                                           .min_outputs = 1,
                                           .max_outputs = 1,
                                           .verify = verify,
                                           .infer = infer,
                                           .eval = half_as_float<eval>,
                                           .cost = cost,
                                           .quant = quant,
                                           .channels = channels,
                                           .gradient = gradient};

}  // namespace edgesmith::ops::conv_transpose_op
