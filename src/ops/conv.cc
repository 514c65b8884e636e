// SPDX-License-Identifier: Apache-2.0
// conv: y[n, m, o] = bias[m] + sum over c, k of x[n, c, o * stride + k * dilation - pad] * weight[m, c, k], where the c
// are the channels of m's group and o, k run over any number (at least 1) of spatial axes; outside x is 0.
//
// Operands: x [N, C, spatial...], weight [M, C / group, kernel...], optional bias [M]. Attributes: auto_pad, dilations,
// group, kernel_shape (only checked against the weight), pads, strides. f32, f64; f16 and bf16 through f32.
#include <Eigen/Core>

#include "ops/columns.h"
#include "ops/convolution.h"
#include "ops/dispatch.h"
#include "ops/elements.h"

namespace edgesmith::ops {
namespace {

template <typename T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// Columns of so many elements are made at a time; more input channels are added up in several rounds.
constexpr int64_t kMaxColumnElements = int64_t{1} << 22;

Status verify(const ir::Node& node) { return verify_convolution(node, WeightLayout::out_in); }

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  return infer_convolution(node, WeightLayout::out_in, infer_window);
}

// One group of one sample: out [M / group, outputs] += weight [M / group, C / group * taps] * columns of x.
template <typename T>
void add_group(const Window& window, int64_t channels, const T* x, const T* weight, Eigen::Map<Matrix<T>> out) {
  const int64_t taps = ir::num_elements(window.kernel), plane = ir::num_elements(window.input);
  const int64_t outputs = out.cols();
  if (outputs == 0) return;
  const int64_t round = std::max<int64_t>(1, kMaxColumnElements / (taps * outputs));
  const Eigen::Map<const Matrix<T>> weights(weight, out.rows(), channels * taps);
  Matrix<T> columns;
  for (int64_t first = 0; first < channels; first += round) {
    const int64_t count = std::min(round, channels - first);
    columns.resize(count * taps, outputs);
    for (int64_t c = 0; c < count; ++c) {
      gather_columns(window, x + (first + c) * plane, columns.data() + c * taps * outputs);
    }
    out.noalias() += weights.middleCols(first * taps, count * taps) * columns;
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
      Eigen::Map<Matrix<T>> result(out + (n * features + g * rows) * outputs, rows, outputs);
      if (bias != nullptr) {
        result.colwise() =
            Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, 1>>(bias->data<T>().data() + g * rows, rows);
      }
      add_group<T>(window, channels, in + (n * groups + g) * channels * plane, weights + g * rows * channels * taps,
                   result);
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
                                 .quant = quant};

}  // namespace edgesmith::ops
