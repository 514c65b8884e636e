// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/layer_codes.h"

#include <algorithm>
#include <cmath>

#include "edgesmith/ops/op_info.h"
#include "passes/quantize/node_form.h"
#include "passes/quantize/weight_codes.h"

namespace edgesmith::passes::quantize {
namespace {

// Biases stay below 2^30, so that adding the products of the layer cannot overflow 32 bits; the limit leaves a bit for
// what bias correction adds.
constexpr double kLargestBiasCode = 536870912;  // 2^29

// How the elements of a weight lie around its channel axis: element (o, c, i) at (o * channels + c) * inner + i.
struct Layout {
  int64_t outer = 1, channels = 1, inner = 1;

  static Layout of(const ir::Dims& dims, int axis) {
    Layout layout;
    for (size_t d = 0; d < dims.size(); ++d) {
      if (static_cast<int>(d) < axis) layout.outer *= dims[d];
      if (static_cast<int>(d) == axis) layout.channels = dims[d];
      if (static_cast<int>(d) > axis) layout.inner *= dims[d];
    }
    return layout;
  }
  size_t index(int64_t channel, int64_t k) const {
    return static_cast<size_t>((k / inner * channels + channel) * inner + k % inner);
  }
  int64_t width() const { return outer * inner; }
};

std::vector<double> bias_of(const ir::Node& node, int64_t channels) {
  const int operand = ops::quant_facts(node).bias_operand;
  const ir::Value* bias = operand >= 0 ? node.input(operand) : nullptr;
  std::vector<double> result(static_cast<size_t>(channels), 0.0);
  if (bias == nullptr || bias->constant() == nullptr) return result;
  const std::vector<float> values = bias->constant()->to_floats();
  for (size_t c = 0; c < result.size(); ++c) result[c] = values[values.size() == 1 ? 0 : c];
  return result;
}

// The dims of a bias (or none yet) of one number a channel.
ir::Dims bias_dims(const ir::Value* bias, int64_t channels) {
  return bias != nullptr && bias->constant()->size() == channels ? bias->constant()->dims() : ir::Dims{channels};
}

// One scale for every channel: the coarsest that any needs, with each channel's limits at that scale.
void share_scale(std::vector<ChannelScale>& scales, const std::vector<std::vector<double>>& rows,
                 targets::PairRule rule) {
  float shared = 0;
  for (const ChannelScale& scale : scales) shared = std::max(shared, scale.scale);
  for (size_t c = 0; c < scales.size(); ++c) {
    scales[c].scale = shared;
    if (rule == targets::PairRule::none) continue;
    const double peak = std::fabs(rows[c][static_cast<size_t>(scales[c].peak)]) / shared;
    scales[c].largest = std::clamp(static_cast<int32_t>(std::nearbyint(peak)), 64, 127);
    scales[c].others = 128 - scales[c].largest;
  }
}

// Rounds the weights of all channels, block by block: the moments of a block are factored once for its whole group.
void round_layer(const std::vector<std::vector<double>>& rows, const std::vector<ChannelScale>& scales,
                 const LayerInputs& inputs, bool centred, std::vector<std::vector<int8_t>>& codes) {
  const size_t per_group = rows.size() / static_cast<size_t>(inputs.groups());
  for (const LayerInputs::Block& block : inputs.blocks()) {
    const MomentFactor factor = factor_moments(inputs.moments(block, centred), block.width);
    const auto first = static_cast<size_t>(block.first), width = static_cast<size_t>(block.width);
    std::vector<ChannelWeights> channels;
    for (size_t i = 0; i < per_group; ++i) {
      const size_t c = static_cast<size_t>(block.group) * per_group + i;
      channels.push_back(
          {std::span(rows[c]).subspan(first, width), scales[c], std::span(codes[c]).subspan(first, width)});
      channels.back().scale.peak -= block.first;
    }
    round_compensated(channels, factor);
  }
}

double sqnr(double signal, double noise) { return noise > 0 ? 10 * std::log10(signal / noise) : INFINITY; }

}  // namespace

Result<WeightCodes> quantize_weight(const ir::Node& node, const WeightSettings& settings, const LayerInputs* inputs,
                                    const std::vector<double>& smallest_scales) {
  const ir::Tensor& weight = *weight_of(node)->constant();
  const int axis = weight_axis(node);
  const Layout layout = Layout::of(weight.dims(), axis);
  const std::vector<float> reals = weight.to_floats();
  for (const float real : reals) {
    if (!std::isfinite(real)) return invalid_error(node.label() + ": its weights hold NaN or infinity");
  }
  const auto channels = static_cast<size_t>(layout.channels);
  std::vector<std::vector<double>> rows(channels);
  std::vector<ChannelScale> scales(channels);
  for (size_t c = 0; c < channels; ++c) {
    for (int64_t k = 0; k < layout.width(); ++k) rows[c].push_back(reals[layout.index(static_cast<int64_t>(c), k)]);
    scales[c] = channel_scale(rows[c], settings.rule, smallest_scales.empty() ? 0 : smallest_scales[c]);
  }
  if (settings.per_tensor) share_scale(scales, rows, settings.rule);

  const bool compensate = settings.compensate && inputs != nullptr && inputs->num_rows() > 0;
  const bool correct =
      settings.correct_bias && inputs != nullptr && inputs->num_rows() > 0 && ops::quant_facts(node).bias_operand >= 0;
  std::vector<std::vector<int8_t>> rounded(channels, std::vector<int8_t>(static_cast<size_t>(layout.width())));
  if (compensate) {
    round_layer(rows, scales, *inputs, correct, rounded);
  } else {
    for (size_t c = 0; c < channels; ++c) round_nearest(rows[c], scales[c], rounded[c]);
  }
  const std::vector<double> means = correct ? inputs->means() : std::vector<double>{};
  WeightCodes result;
  ir::Tensor codes = ir::Tensor::zeros(ir::DType::i8, weight.dims());
  const auto stored = codes.mutable_data<int8_t>();
  double signal = 0, noise = 0;
  for (size_t c = 0; c < channels; ++c) {
    const int group = inputs == nullptr ? 0 : static_cast<int>(c * static_cast<size_t>(inputs->groups()) / channels);
    double shift = 0;
    for (size_t k = 0; k < rows[c].size(); ++k) {
      stored[layout.index(static_cast<int64_t>(c), static_cast<int64_t>(k))] = rounded[c][k];
      const double error = rows[c][k] - static_cast<double>(scales[c].scale) * rounded[c][k];
      signal += rows[c][k] * rows[c][k];
      noise += error * error;
      if (correct) shift += means[static_cast<size_t>(group) * rows[c].size() + k] * error;
    }
    if (correct) result.shift.push_back(shift);
  }
  ir::Quant quant{.dtype = ir::DType::i8, .axis = settings.per_tensor ? -1 : axis, .method = "max"};
  for (size_t c = 0; c < (settings.per_tensor ? std::min<size_t>(1, channels) : channels); ++c) {
    quant.scale.push_back(scales[c].scale);
    quant.zero_point.push_back(0);
  }
  result.weight = ir::Tensor::affine(std::move(codes), std::move(quant));
  result.sqnr_db = sqnr(signal, noise);
  return result;
}

std::vector<double> smallest_weight_scales(const ir::Node& node, double input_scale) {
  const ir::Tensor& weight = *weight_of(node)->constant();
  const int64_t channels = weight.rank() > 0 ? weight.dims()[static_cast<size_t>(weight_axis(node))] : 1;
  std::vector<double> limits = bias_of(node, channels);
  for (double& limit : limits) limit = std::fabs(limit) / input_scale / kLargestBiasCode;
  return limits;
}

ir::Tensor corrected_bias(const ir::Node& node, const WeightCodes& codes) {
  const int operand = ops::quant_facts(node).bias_operand;
  if (operand < 0 || codes.shift.empty()) return {};
  const auto channels = static_cast<int64_t>(codes.shift.size());
  const std::vector<double> reals = bias_of(node, channels);
  std::vector<float> floats;
  for (size_t c = 0; c < reals.size(); ++c) floats.push_back(static_cast<float>(reals[c] + codes.shift[c]));
  return ir::Tensor::of<float>(bias_dims(node.input(operand), channels), floats);
}

ir::Tensor quantize_bias(const ir::Node& node, const WeightCodes& codes, double input_scale) {
  const int operand = ops::quant_facts(node).bias_operand;
  if (operand < 0) return {};
  const ir::Value* bias = node.input(operand);
  if (bias == nullptr && codes.shift.empty()) return {};
  const ir::Quant& weight_quant = codes.weight.quant();
  const int64_t channels = codes.weight.rank() > 0 ? codes.weight.dims()[static_cast<size_t>(weight_axis(node))] : 1;
  std::vector<double> reals = bias_of(node, channels);
  const ir::Dims dims = bias_dims(bias, channels);
  const int axis = weight_quant.per_tensor() ? -1 : static_cast<int>(dims.size()) - 1;
  ir::Quant quant{.dtype = ir::DType::i32, .axis = axis, .method = "input scale * weight scale"};
  for (const float scale : weight_quant.scale) {
    quant.scale.push_back(static_cast<float>(input_scale) * scale);
    quant.zero_point.push_back(0);
  }
  std::vector<int32_t> rounded;
  for (size_t c = 0; c < reals.size(); ++c) {
    const double real = reals[c] + (codes.shift.empty() ? 0 : codes.shift[c]);
    const double scale = quant.scale[quant.scale.size() == 1 ? 0 : c];
    rounded.push_back(static_cast<int32_t>(std::clamp(std::nearbyint(real / scale), -0x1p30, 0x1p30)));
  }
  return ir::Tensor::affine(ir::Tensor::of<int32_t>(dims, rounded), std::move(quant));
}

}  // namespace edgesmith::passes::quantize
