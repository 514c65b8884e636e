// SPDX-License-Identifier: Apache-2.0
#include "runtime/integer/weight_layer.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string>

#include "edgesmith/ops/pair_sums.h"

namespace edgesmith::runtime::integer {

using ir::OpKind;

namespace {

const ir::Tensor* constant_operand(const ir::Node& node, int index) {
  return index < node.num_inputs() && node.input(index) != nullptr ? node.input(index)->constant() : nullptr;
}

// The axis of the weight along which outputs lie.
int output_axis(const ir::Node& node, int rank) {
  if (node.is(OpKind::conv)) return 0;
  if (node.is(OpKind::gemm) && node.attributes().get_int("transB", 0) != 0) return 0;
  return rank - 1;
}

bool plain_gemm(const ir::Node& node) {
  const ir::Attributes& attributes = node.attributes();
  return attributes.get_float("alpha", 1) == 1 && attributes.get_int("transA", 0) == 0 &&
         (node.num_inputs() < 3 || node.input(2) == nullptr || attributes.get_float("beta", 1) == 1);
}

// A bias of one number an output (leading dims of 1 count for nothing), or of one number in all.
bool bias_fits(const ir::Tensor& bias, int64_t outputs) { return bias.size() == outputs || bias.size() == 1; }

int64_t outputs_of(const ir::Node& node, const ir::Tensor& weight) {
  return weight.dims()[static_cast<size_t>(output_axis(node, weight.rank()))];
}

// weight[m][k] in the order that WeightLayer says, zero points subtracted.
template <typename Code>
std::vector<int16_t> ordered_weight(const ir::Node& node, const ir::Tensor& weight, int64_t outputs,
                                    std::span<const Code> codes) {
  const std::vector<int32_t>& zero_points = weight.quant().zero_point;
  const int64_t k = weight.size() / std::max<int64_t>(1, outputs);
  const int64_t channels = node.is(OpKind::conv) ? weight.dims()[1] : 1;
  const int64_t taps = k / std::max<int64_t>(1, channels);
  const bool rows = output_axis(node, weight.rank()) == 0;
  std::vector<int16_t> out(codes.size());
  for (int64_t m = 0; m < outputs; ++m) {
    const int32_t zero_point = zero_points[zero_points.size() == 1 ? 0 : static_cast<size_t>(m)];
    int16_t* to = out.data() + m * k;
    if (rows) {
      for (int64_t tap = 0; tap < taps; ++tap) {
        const Code* from = codes.data() + m * k + tap;
        for (int64_t c = 0; c < channels; ++c) *to++ = static_cast<int16_t>(from[c * taps] - zero_point);
      }
    } else {
      const Code* from = codes.data() + m;
      for (int64_t i = 0; i < k; ++i) *to++ = static_cast<int16_t>(from[i * outputs] - zero_point);
    }
  }
  return out;
}

std::vector<int16_t> ordered_weight(const ir::Node& node, const ir::Tensor& weight, int64_t outputs) {
  const ir::Tensor& codes = weight.codes();
  if (codes.dtype() == ir::DType::i8) return ordered_weight(node, weight, outputs, codes.data<int8_t>());
  const std::vector<int64_t> any = codes.to_int64s();
  return ordered_weight(node, weight, outputs, std::span<const int64_t>(any));
}

// The bias in units of `scales`; an affine bias of exactly that scale keeps its codes.
std::vector<int32_t> integer_bias(const ir::Tensor* bias, const std::vector<float>& scales, int64_t outputs) {
  std::vector<int32_t> out(static_cast<size_t>(outputs), 0);
  if (bias == nullptr) return out;
  const bool affine = bias->encoding() == ir::Encoding::affine && bias->codes().dtype() == ir::DType::i32 &&
                      (bias->quant().scale == scales ||
                       (bias->quant().scale.size() == 1 && scales.size() == 1 && bias->quant().scale == scales));
  const std::vector<float> reals = bias->to_floats();
  const std::vector<int64_t> codes = affine ? bias->codes().to_int64s() : std::vector<int64_t>();
  for (size_t m = 0; m < out.size(); ++m) {
    const size_t at = reals.size() == 1 ? 0 : m;
    if (affine && bias->quant().zero_point[bias->quant().zero_point.size() == 1 ? 0 : at] == 0) {
      out[m] = static_cast<int32_t>(codes[at]);
      continue;
    }
    const double unit = scales[scales.size() == 1 ? 0 : m];
    out[m] = static_cast<int32_t>(
        std::clamp(std::nearbyint(static_cast<double>(reals[at]) / unit), -2147483647.0, 2147483647.0));
  }
  return out;
}

}  // namespace

bool WeightLayer::fits_i8() const {
  return std::all_of(weight.begin(), weight.end(), [](int16_t w) { return w >= -128 && w <= 127; });
}

bool WeightLayer::pairs_safe() const {
  for (int64_t m = 0; m < outputs; ++m) {
    const int16_t* row = weight.data() + m * k;
    for (int64_t i = 0; i < k; i += 2) {
      const int second = i + 1 < k ? row[i + 1] : 0;
      if (ops::pair_overflows(row[i], second)) return false;
    }
  }
  return true;
}

bool has_weight_layer(const Form& form) {
  const ir::Node& node = *form.node;
  if (!node.is(OpKind::conv) && !node.is(OpKind::gemm) && !node.is(OpKind::mat_mul)) return false;
  const ir::Tensor* weight = constant_operand(node, 1);
  if (!form.operands[0] || weight == nullptr || weight->encoding() != ir::Encoding::affine) return false;
  const ir::Quant& quant = weight->quant();
  if (!ir::is_integer(quant.dtype) || ir::dtype_bits(quant.dtype) > 8) return false;
  const int rank = weight->rank();
  if (node.is(OpKind::conv) ? rank < 3 : rank != 2) return false;
  if (!quant.per_tensor() && (quant.axis != output_axis(node, rank) || quant.block_size != 0)) return false;
  if (node.is(OpKind::gemm) && !plain_gemm(node)) return false;
  const bool has_bias = node.num_inputs() > 2 && node.input(2) != nullptr;
  const ir::Tensor* bias = constant_operand(node, 2);
  return !has_bias || (bias != nullptr && bias_fits(*bias, outputs_of(node, *weight)));
}

Result<WeightLayer> make_weight_layer(const Form& form) {
  const ir::Node& node = *form.node;
  const ir::Tensor& weight = *constant_operand(node, 1);
  WeightLayer layer;
  layer.outputs = outputs_of(node, weight);
  layer.k = weight.size() / std::max<int64_t>(1, layer.outputs);
  layer.weight = ordered_weight(node, weight, layer.outputs);
  layer.input_zero_point = form.operands[0]->zero_point;
  std::vector<float> scales = weight.quant().scale;
  for (float& scale : scales) scale *= form.operands[0]->scale;
  layer.bias = integer_bias(constant_operand(node, 2), scales, layer.outputs);
  layer.requantize = make_requantize(scales, form.result, form.fixed_point());
  return layer;
}

}  // namespace edgesmith::runtime::integer
