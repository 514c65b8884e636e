// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/palette_codes.h"

#include <algorithm>
#include <cmath>

#include "edgesmith/ops/op_info.h"
#include "passes/quantize/node_form.h"
#include "passes/quantize/weight_codes.h"

namespace edgesmith::passes::quantize {
namespace {

// Any two codes up to this one sum to 128 at most, which every rule about pairs allows.
constexpr int kHalfCode = 64;

}  // namespace

Result<WeightCodes> quantize_palette(const ir::Node& node, const WeightSettings& settings, const LayerInputs* inputs,
                                     const std::vector<double>& smallest_scales) {
  const ir::Tensor& weight = *weight_of(node)->constant();
  const ir::Tensor& codebooks = weight.codebooks();
  const auto entries = codebooks.data<float>();
  for (const float entry : entries) {
    if (!std::isfinite(entry)) return invalid_error(node.label() + ": its weights hold NaN or infinity");
  }
  const int axis = weight_axis(node);
  const auto groups = static_cast<size_t>(codebooks.dims()[0]), in_each = static_cast<size_t>(codebooks.dims()[1]);
  const auto channels = static_cast<size_t>(weight.dims()[static_cast<size_t>(axis)]);
  const bool along_channels = weight.palette_axis() == axis;
  const auto group_of = [&](size_t channel) {
    return along_channels ? channel / static_cast<size_t>(weight.palette_group()) : size_t{0};
  };
  const int limit = settings.rule == targets::PairRule::none ? kLargestCode : kHalfCode;
  // Codebooks that lie along another axis meet in every channel and share a scale.
  const bool one_scale = settings.per_tensor || !along_channels;
  std::vector<double> scales(groups, 0.0);
  for (size_t i = 0; i < entries.size(); ++i) {
    double& scale = scales[one_scale ? 0 : i / in_each];
    scale = std::max(scale, std::fabs(static_cast<double>(entries[i])) / limit);
  }
  for (size_t c = 0; c < smallest_scales.size(); ++c) {
    double& scale = scales[one_scale ? 0 : group_of(c)];
    scale = std::max(scale, smallest_scales[c]);
  }
  for (size_t g = 0; g < groups; ++g) {
    if (one_scale) scales[g] = scales[0];
    if (!(scales[g] > 0)) scales[g] = 1;
    scales[g] = static_cast<float>(std::max(scales[g], kSmallestScale));
  }
  std::vector<int8_t> codes;
  for (size_t i = 0; i < entries.size(); ++i) {
    codes.push_back(
        static_cast<int8_t>(std::clamp<double>(std::nearbyint(entries[i] / scales[i / in_each]), -limit, limit)));
  }

  ir::Quant quant{.dtype = ir::DType::i8, .axis = settings.per_tensor ? -1 : axis, .method = "codebook"};
  for (size_t c = 0; c < (settings.per_tensor ? std::min<size_t>(1, channels) : channels); ++c) {
    quant.scale.push_back(static_cast<float>(scales[group_of(c)]));
    quant.zero_point.push_back(0);
  }
  WeightCodes result;
  result.weight = ir::Tensor::affine(
      ir::Tensor::palette(weight.codes(), ir::Tensor::of<int8_t>(codebooks.dims(), codes), weight.palette_axis()),
      std::move(quant));

  const bool correct =
      settings.correct_bias && inputs != nullptr && inputs->num_rows() > 0 && ops::quant_facts(node).bias_operand >= 0;
  const std::vector<double> means = correct ? inputs->means() : std::vector<double>{};
  if (correct) result.shift.assign(channels, 0.0);
  const std::vector<float> before = weight.to_floats(), after = result.weight.to_floats();
  size_t inner = 1;
  for (size_t d = static_cast<size_t>(axis) + 1; d < weight.dims().size(); ++d) {
    inner *= static_cast<size_t>(weight.dims()[d]);
  }
  const size_t width = before.size() / channels;
  double signal = 0, noise = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    const double error = static_cast<double>(before[i]) - after[i];
    signal += static_cast<double>(before[i]) * before[i];
    noise += error * error;
    if (!correct) continue;
    const size_t channel = i / inner % channels, k = i / inner / channels * inner + i % inner;
    const size_t group = channel * static_cast<size_t>(inputs->groups()) / channels;
    result.shift[channel] += means[group * width + k] * error;
  }
  result.sqnr_db = noise > 0 ? 10 * std::log10(signal / noise) : INFINITY;
  return result;
}

}  // namespace edgesmith::passes::quantize
