// SPDX-License-Identifier: Apache-2.0
// BatchNormalization of float32 tensors as one factor and one offset a channel.
#include <cmath>

#include "runtime/native/conv_common.h"
#include "runtime/native/kernels.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

namespace {

bool supports(const ir::Node& node) {
  return all_float(node) && node.num_outputs() == 1 && node.input(0)->type().rank() >= 2;
}

std::optional<ir::Dims> output_dims(const ir::Node&, OperandDims inputs) { return *inputs[0]; }

Status run(const KernelCall& call) {
  const ir::Tensor& x = *call.inputs[0];
  const int64_t channels = x.dims()[1];
  for (size_t i = 1; i < 5; ++i) {
    if (call.inputs[i]->size() == channels) continue;
    return invalid_error("operand " + std::to_string(i) + " has " + std::to_string(call.inputs[i]->size()) +
                         " elements for " + std::to_string(channels) + " channels");
  }
  const auto scale = call.inputs[1]->data<float>(), bias = call.inputs[2]->data<float>();
  const auto mean = call.inputs[3]->data<float>(), variance = call.inputs[4]->data<float>();
  const float epsilon = call.node.attributes().get_float("epsilon", 1e-5F);
  const int64_t rows = x.dims()[0] * channels, plane = rows == 0 ? 0 : x.size() / rows;
  const float* in = x.data<float>().data();
  float* out = call.outputs[0].as<float>();
  for (int64_t row = 0; row < rows; ++row) {
    const auto c = static_cast<size_t>(row % channels);
    const float factor = scale[c] / std::sqrt(variance[c] + epsilon);
    const float offset = std::fma(-mean[c], factor, bias[c]);
    native_table(call.isa).scale_shift(in + row * plane, factor, offset, out + row * plane, plane, call.epilogue);
  }
  return {};
}

}  // namespace

const Kernel kBatchNormalizationF32 = {.provider = "native",
                                       .name = "batch_normalization_f32",
                                       .op = ir::OpKind::batch_normalization,
                                       .epilogue = true,
                                       .supports = supports,
                                       .output_dims = output_dims,
                                       .run = run};

}  // namespace edgesmith::runtime::native
