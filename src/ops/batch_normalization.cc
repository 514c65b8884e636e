// SPDX-License-Identifier: Apache-2.0
// batch_normalization, as used for inference: y = (x - mean[c]) / sqrt(variance[c] + epsilon) * scale[c] + bias[c], c
// the index on axis 1 of x [N, C, ...] (a vector x is [N] with one channel).
//
// Operands: x, scale, bias, mean, variance, the last four [C]. Attributes: epsilon (default 1e-5), momentum (has no
// meaning here), training_mode. Training is not supported: statistics of the batch, more than one output. f32, f64; f16
// and bf16 through f32.
#include <cmath>
#include <string>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"
#include "ops/slices.h"

namespace edgesmith::ops::batch_normalization_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"epsilon", AttributeKind::real},
                                        {"momentum", AttributeKind::real},
                                        {"training_mode", AttributeKind::integer}}));
  if (node.attributes().get_int("training_mode", 0) != 0 || node.num_outputs() > 1) {
    return unsupported_error("the training form is not supported", "export the model for inference");
  }
  const auto& x = node.input(0)->type().shape;
  if (!x) return {};
  if (x->empty()) return invalid_error("input is a scalar, needs at least rank 1");
  const ir::Dim channels = x->size() > 1 ? (*x)[1] : ir::Dim(1);
  for (int i = 1; i < 5; ++i) {
    const auto& statistic = node.input(i)->type().shape;
    if (!statistic) continue;
    if (statistic->size() == 1 && (!channels.known() || ir::merge(statistic->front(), channels))) continue;
    return invalid_error("operand " + std::to_string(i) + " is " + node.input(i)->type().text() + " for " +
                         channels.text() + " channels");
  }
  return {};
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  ir::Type type = node.input(0)->type();
  const auto& scale = node.input(1)->type().shape;
  if (type.shape && type.shape->size() > 1 && !(*type.shape)[1].known() && scale && scale->size() == 1) {
    (*type.shape)[1] = scale->front();
  }
  return std::vector{type};
}

// Numbers per channel in the type of x (ONNX lets statistics have another float type).
template <typename T>
std::vector<T> per_channel(const ir::Tensor& tensor) {
  if (tensor.dtype() == ir::DType::f64) {
    const auto data = tensor.data<double>();
    return std::vector<T>(data.begin(), data.end());
  }
  const std::vector<float> data = tensor.to_floats();
  return std::vector<T>(data.begin(), data.end());
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  if (x.rank() < 1) return invalid_error("input is a scalar, needs at least rank 1");
  const int64_t channels = x.rank() > 1 ? x.dims()[1] : 1;
  for (int i = 1; i < 5; ++i) {
    const ir::Tensor& statistic = *inputs[static_cast<size_t>(i)];
    if (!ir::is_float(statistic.dtype())) return unsupported_dtype(statistic.dtype());
    if (statistic.dims() == ir::Dims{channels}) continue;
    return invalid_error("operand " + std::to_string(i) + " is " + statistic.type().text() + " for " +
                         std::to_string(channels) + " channels");
  }
  auto y = make_tensor(x.dtype(), x.dims());
  if (!y) return y.error();
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    const std::vector<T> scale = per_channel<T>(*inputs[1]), bias = per_channel<T>(*inputs[2]);
    const std::vector<T> mean = per_channel<T>(*inputs[3]), variance = per_channel<T>(*inputs[4]);
    const auto epsilon = static_cast<T>(node.attributes().get_float("epsilon", 1e-5f));
    const T* from = x.data<T>().data();
    T* to = y->mutable_data<T>().data();
    const int64_t rows = x.dims()[0] * channels;
    const int64_t plane = rows == 0 ? 0 : x.size() / rows;
    for (int64_t row = 0; row < rows; ++row) {
      const auto c = static_cast<size_t>(row % channels);
      const T factor = scale[c] / std::sqrt(variance[c] + epsilon);
      for (int64_t i = 0; i < plane; ++i) *to++ = (*from++ - mean[c]) * factor + bias[c];
    }
    return std::vector{std::move(*y)};
  });
}

// The type of x alone decides: statistics may be of another float type than x.
Result<std::vector<ir::Tensor>> eval_any(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  if (is_one_of(inputs[0]->dtype(), FloatTypes{})) return eval(node, inputs);
  return evaluate_half_as_float(eval, node, inputs);
}

std::optional<ChannelRelation> channels(const ir::Node&, int axis) {
  if (axis != 1) return std::nullopt;
  return ChannelRelation{.links = {{0, 1}, {1, 0}, {2, 0}, {3, 0}, {4, 0}}, .mixing = {}};
}

// The statistics are operands like the others; a trainer that keeps them fixed does not ask for their gradients.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const int rank = node.input(0)->type().rank();
  const ir::DType dtype = node.output().type().dtype;
  const Term x = build.term(*node.input(0)), dy = build.term(*outputs[0], dtype);
  const auto operand = [&](int i) { return cast(build.term(*node.input(i)), dtype); };
  const double epsilon = static_cast<double>(node.attributes().get_float("epsilon", 1e-5f));
  const Term scale = operand(1), inverse = 1 / sqrt(operand(4) + epsilon), factor = scale * inverse;
  const auto sum = [&](const Term& term) { return sum_over_channel(term, rank); };
  std::vector<ir::Value*> gradients(5);
  const auto give = [&](int i, const Term& gradient) {
    gradients[static_cast<size_t>(i)] = cast(gradient, node.input(i)->type().dtype).value;
  };
  if (build.wants(0)) give(0, dy * along_channels(factor, rank));
  if (build.wants(2)) give(2, sum(dy));
  if (build.wants(3)) give(3, -sum(dy) * factor);
  if (!build.wants(1) && !build.wants(4)) return gradients;
  const Term slope = sum(dy * (x - along_channels(operand(3), rank))) * inverse;
  if (build.wants(1)) give(1, slope);
  if (build.wants(4)) give(4, slope * scale * inverse * inverse * -0.5);
  return gradients;
}

}  // namespace

extern const OpInfo batch_normalization_info = {.kind = ir::OpKind::batch_normalization,
                                                .min_inputs = 5,
                                                .max_inputs = 5,
                                                .min_outputs = 1,
                                                .max_outputs = 5,
                                                .verify = verify,
                                                .infer = infer,
                                                .eval = eval_any,
                                                .cost = nullptr,
                                                .quant = nullptr,
                                                .channels = channels,
                                                .gradient = gradient};

}  // namespace edgesmith::ops::batch_normalization_op
