// SPDX-License-Identifier: Apache-2.0
// batch_normalization_training: y = (x - mean[c]) / sqrt(variance[c] + epsilon) * scale[c] + bias[c] with the mean and
// the variance of the batch, over all elements of channel c (Ioffe and Szegedy 2015). A part of training graphs, where
// it stands for batch_normalization; not in ONNX. Running statistics are the trainer's.
//
// Operands: x [N, C, ...] (a vector [N] is one channel), scale [C], bias [C]. Results: y, mean [C], variance [C] (the
// sum of squares over the number of elements). Attribute epsilon (default 1e-5). f32, f64; f16 and bf16 through f32.
// Sums in f64.
#include <cmath>
#include <string>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"

namespace edgesmith::ops::batch_normalization_training_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"epsilon", AttributeKind::real}}));
  EDGESMITH_TRY(check_same_dtype(node, {0, 1, 2}));
  const auto& x = node.input(0)->type().shape;
  if (!x) return {};
  if (x->empty()) return invalid_error("input is a scalar, needs at least rank 1");
  const ir::Dim channels = x->size() > 1 ? (*x)[1] : ir::Dim(1);
  for (int i = 1; i < 3; ++i) {
    const auto& numbers = node.input(i)->type().shape;
    if (!numbers || (numbers->size() == 1 && ir::merge(numbers->front(), channels))) continue;
    return invalid_error("operand " + std::to_string(i) + " is " + node.input(i)->type().text() + " for " +
                         channels.text() + " channels");
  }
  return {};
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  const ir::Type& x = node.input(0)->type();
  ir::Type numbers{x.dtype, ir::Shape(1)};
  if (x.shape) numbers.shape = ir::Shape{x.shape->size() > 1 ? (*x.shape)[1] : ir::Dim(1)};
  return std::vector{x, numbers, numbers};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  if (x.rank() < 1) return invalid_error("input is a scalar, needs at least rank 1");
  const int64_t channels = x.rank() > 1 ? x.dims()[1] : 1;
  for (const ir::Tensor* numbers : {inputs[1], inputs[2]}) {
    if (numbers->dtype() == x.dtype() && numbers->dims() == ir::Dims{channels}) continue;
    return invalid_error("an operand is " + numbers->type().text() + " for " + std::to_string(channels) +
                         " channels of " + std::string(ir::dtype_name(x.dtype())));
  }
  if (x.size() == 0) return invalid_error("input " + x.type().text() + " is empty, it has no statistics");
  auto y = make_tensor(x.dtype(), x.dims());
  if (!y) return y.error();
  ir::Tensor mean = ir::Tensor::zeros(x.dtype(), {channels});
  ir::Tensor variance = ir::Tensor::zeros(x.dtype(), {channels});
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    const double epsilon = static_cast<double>(node.attributes().get_float("epsilon", 1e-5f));
    const T* from = x.data<T>().data();
    T* to = y->mutable_data<T>().data();
    const int64_t rows = x.dims()[0], plane = x.size() / (rows * channels);
    const auto count = static_cast<double>(rows * plane);
    for (int64_t c = 0; c < channels; ++c) {
      const auto at = static_cast<size_t>(c);
      // f(element) summed over the channel.
      const auto sum = [&](const auto& f) {
        double total = 0;
        for (int64_t n = 0; n < rows; ++n) {
          const T* row = from + (n * channels + c) * plane;
          for (int64_t i = 0; i < plane; ++i) total += f(static_cast<double>(row[i]));
        }
        return total;
      };
      const double center = sum([](double value) { return value; }) / count;
      const double spread = sum([&](double value) { return (value - center) * (value - center); }) / count;
      mean.mutable_data<T>()[at] = static_cast<T>(center);
      variance.mutable_data<T>()[at] = static_cast<T>(spread);
      const double factor = static_cast<double>(inputs[1]->data<T>()[at]) / std::sqrt(spread + epsilon);
      const auto bias = static_cast<double>(inputs[2]->data<T>()[at]);
      for (int64_t n = 0; n < rows; ++n) {
        const int64_t first = (n * channels + c) * plane;
        for (int64_t i = first; i < first + plane; ++i) {
          to[i] = static_cast<T>((static_cast<double>(from[i]) - center) * factor + bias);
        }
      }
    }
    return std::vector{std::move(*y), std::move(mean), std::move(variance)};
  });
}

// With z = (x - mean) * inverse and averages <> over a channel:
//   dx = scale * inverse * (dy - <dy> - z * <dy * z>), and what comes in through the statistics themselves:
//   dmean / n + dvariance * 2 * (x - mean) / n.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  ir::Value& input = *node.input(0);
  const int rank = input.type().rank();
  const ir::DType dtype = input.type().dtype;
  ir::Ints axes;
  for (int d = 0; d < rank; ++d) {
    if (d != 1) axes.push_back(d);
  }
  const Term scale = build.term(*node.input(1)), count = count_along(build, input, axes, dtype);
  const double epsilon = static_cast<double>(node.attributes().get_float("epsilon", 1e-5f));
  const Term inverse = 1 / sqrt(build.term(node.output(2)) + epsilon);
  const Term centered = build.term(input) - along_channels(build.term(node.output(1)), rank);
  std::vector<ir::Value*> gradients(3);
  Term dx;
  if (outputs[0] != nullptr) {
    const Term dy = build.term(*outputs[0], dtype);
    const Term dbias = sum_over_channel(dy, rank), dscale = sum_over_channel(dy * centered, rank) * inverse;
    gradients[1] = dscale.value;
    gradients[2] = dbias.value;
    const Term slope = along_channels(dscale * inverse / count, rank);
    const Term inner = dy - along_channels(dbias / count, rank) - centered * slope;
    dx = inner * along_channels(scale * inverse, rank);
  }
  if (outputs[1] != nullptr) {
    const Term part = expand_like(along_channels(build.term(*outputs[1], dtype) / count, rank), input);
    dx = dx.value == nullptr ? part : dx + part;
  }
  if (outputs[2] != nullptr) {
    const Term part = centered * along_channels(build.term(*outputs[2], dtype) * 2 / count, rank);
    dx = dx.value == nullptr ? part : dx + part;
  }
  gradients[0] = dx.value;
  return gradients;
}

}  // namespace

extern const OpInfo batch_normalization_training_info = {.kind = ir::OpKind::batch_normalization_training,
                                                         .min_inputs = 3,
                                                         .max_inputs = 3,
                                                         .min_outputs = 3,
                                                         .max_outputs = 3,
                                                         .verify = verify,
                                                         .infer = infer,
                                                         .eval = half_as_float<eval>,
                                                         .cost = nullptr,
                                                         .quant = nullptr,
                                                         .gradient = gradient};

}  // namespace edgesmith::ops::batch_normalization_training_op
