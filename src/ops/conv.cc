// SPDX-License-Identifier: Apache-2.0
// conv: y[n, m, o] = bias[m] + sum over c, k of x[n, c, o * stride + k * dilation - pad] * weight[m, c, k], where the c
// are the channels of m's group and o, k run over any number (at least 1) of spatial axes; outside x is 0.
//
// Operands: x [N, C, spatial...], weight [M, C / group, kernel...], optional bias [M]. Attributes: auto_pad, dilations,
// group, kernel_shape (only checked against the weight), pads, strides. f32, f64; f16 and bf16 through f32.
#include <algorithm>
#include <vector>

#include "ops/columns.h"
#include "ops/convolution.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"
#include "ops/matrix_product.h"
#include "ops/slices.h"

namespace edgesmith::ops::conv_op {
namespace {

// Columns of so many elements are made at a time; more input channels are added up in several rounds.
constexpr int64_t kMaxColumnElements = int64_t{1} << 22;

Status verify(const ir::Node& node) { return verify_convolution(node, WeightLayout::out_in); }

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  return infer_convolution(node, WeightLayout::out_in, infer_window);
}

// One group of one sample: out [features, outputs] += weight [features, channels * taps] * columns of x.
template <typename T>
void add_group(const Window& window, int64_t channels, int64_t features, const T* x, const T* weight, T* out) {
  const int64_t taps = ir::num_elements(window.kernel), plane = ir::num_elements(window.input);
  const int64_t outputs = ir::num_elements(window.output);
  if (outputs == 0) return;
  const int64_t round = std::max<int64_t>(1, kMaxColumnElements / (taps * outputs));
  std::vector<T> columns;
  for (int64_t first = 0; first < channels; first += round) {
    const int64_t count = std::min(round, channels - first);
    columns.resize(static_cast<size_t>(count * taps * outputs));
    for (int64_t c = 0; c < count; ++c) {
      gather_columns(window, x + (first + c) * plane, columns.data() + c * taps * outputs);
    }
    add_product<T>({weight + first * taps, features, count * taps, channels * taps},
                   {columns.data(), count * taps, outputs, outputs}, out);
  }
}

template <typename T>
Result<ir::Tensor> convolve(const ir::Node& node, const Window& window, const ir::Tensor& x, const ir::Tensor& weight,
                            const ir::Tensor* bias) {
  const int64_t samples = x.dims()[0], channels = weight.dims()[1], features = weight.dims()[0];
  const int64_t groups = node.attributes().get_int("group", 1);
  const int64_t taps = ir::num_elements(window.kernel), plane = ir::num_elements(window.input);
  ir::Dims dims = {samples, features};
  dims.insert(dims.end(), window.output.begin(), window.output.end());
  auto made = make_tensor(x.dtype(), dims);
  if (!made) return made;
  const int64_t outputs = ir::num_elements(window.output);
  EDGESMITH_TRY(check_size(x.dtype(), {taps, outputs}));
  T* out = made->mutable_data<T>().data();
  const T* in = x.data<T>().data();
  const T* weights = weight.data<T>().data();
  for (int64_t n = 0; n < samples; ++n) {
    for (int64_t g = 0; g < groups; ++g) {
      const int64_t rows = features / groups;
      T* result = out + (n * features + g * rows) * outputs;
      for (int64_t m = 0; bias != nullptr && m < rows; ++m) {
        std::fill_n(result + m * outputs, outputs, bias->data<T>()[static_cast<size_t>(g * rows + m)]);
      }
      add_group<T>(window, channels, rows, in + (n * groups + g) * channels * plane,
                   weights + g * rows * channels * taps, result);
    }
  }
  return made;
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor &x = *inputs[0], &weight = *inputs[1];
  const ir::Tensor* bias = inputs.size() > 2 ? inputs[2] : nullptr;
  EDGESMITH_TRY(check_convolution(node, x, weight, bias, WeightLayout::out_in));
  const auto window = resolve_window(node, spatial_dims(x.dims()), spatial_dims(weight.dims()));
  if (!window) return window.error();
  auto y = dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() { return convolve<T>(node, *window, x, weight, bias); });
  if (!y) return y.error();
  return std::vector{std::move(*y)};
}

Cost cost(const ir::Node& node) { return convolution_cost(node, node.output().type()); }

QuantFacts quant(const ir::Node&) {
  return {.kind = QuantFacts::Kind::compute,
          .data_operands = {0},
          .weight_operand = 1,
          .weight_axis = 0,
          .bias_operand = 2};
}

bool may_pad(const ir::Node& node) {
  const std::string mode = node.attributes().get_string("auto_pad", "NOTSET");
  if (mode != "NOTSET") return mode != "VALID";
  const ir::Ints pads = node.attributes().get_ints("pads");
  return std::any_of(pads.begin(), pads.end(), [](int64_t pad) { return pad != 0; });
}

// One group: every output channel sums over all input channels. More: the input channels of a group go into its output
// channels (as many groups as channels: input channel c into its own ones).
std::optional<ChannelRelation> channels(const ir::Node& node, int axis) {
  if (axis != 1) return std::nullopt;
  const int64_t groups = node.attributes().get_int("group", 1);
  if (groups == 1) {
    return ChannelRelation{.links = {}, .mixing = Mixing{.bias = 2, .uniform = !may_pad(node)}};
  }
  const auto outputs = size_along(*node.input(1), 0), inputs = size_along(*node.input(1), 1);
  if (!outputs || !inputs || groups < 1 || *outputs % groups != 0) return std::nullopt;
  if (size_along(*node.input(0), 1) != *inputs * groups) return std::nullopt;
  const SliceUnits to = {.inner = *outputs / groups}, from = {.inner = *inputs};
  ChannelRelation relation{.links = {{0, 1, to, from, groups}, {1, 0}}, .mixing = {}};
  if (node.input(2) != nullptr) relation.links.push_back({2, 0});
  return relation;
}

// The transposed convolution of dy. Inputs behind the last window (their number is what output_padding is for) were not
// read; where it is not known, as many as there may be are made and cut away.
Term input_gradient(GradientBuilder& build, const ir::Node& node, const ir::Ints& pads, ir::Value& x, ir::Value& weight,
                    ir::Value& dy) {
  const ir::Shape &shape = *x.type().shape, &kernel = *weight.type().shape;
  const size_t rank = shape.size() - 2;
  const ir::Ints strides = node.attributes().get_ints("strides", ir::Ints(rank, 1));
  const ir::Ints dilations = node.attributes().get_ints("dilations", ir::Ints(rank, 1));
  ir::Ints unread(rank, 0);
  std::vector<int> cut;
  for (size_t axis = 0; axis < rank; ++axis) {
    if (shape[axis + 2].known()) {
      const int64_t extent = (kernel[axis + 2].value() - 1) * dilations[axis] + 1;
      unread[axis] = (shape[axis + 2].value() + pads[axis] + pads[rank + axis] - extent) % strides[axis];
    } else if (strides[axis] != 1) {
      unread[axis] = strides[axis] - 1;
      cut.push_back(static_cast<int>(axis) + 2);
    }
  }
  ir::Node& made = build.append_node(ir::OpKind::conv_transpose, {&dy, &weight}, 1,
                                     {{"dilations", dilations},
                                      {"group", node.attributes().get_int("group", 1)},
                                      {"output_padding", unread},
                                      {"pads", pads},
                                      {"strides", strides}});
  return crop_like(build.term(made.output(), node.output().type().dtype), cut, x);
}

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const auto pads = gradient_pads(node, WeightLayout::out_in);
  if (!pads) return pads.error();
  ir::Value &x = *node.input(0), &weight = *node.input(1), &dy = *outputs[0];
  std::vector<ir::Value*> gradients(3);
  if (build.wants(0)) gradients[0] = input_gradient(build, node, *pads, x, weight, dy).value;
  if (build.wants(1)) gradients[1] = weight_gradient(build, node, *pads, x, dy);
  if (build.wants(2)) gradients[2] = bias_gradient(build, node, dy);
  return gradients;
}

}  // namespace

extern const OpInfo conv_info = {.kind = ir::OpKind::conv,
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

}  // namespace edgesmith::ops::conv_op
