// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/layer_codes.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "edgesmith/ops/op_info.h"
#include "edgesmith/ops/pair_sums.h"
#include "passes/quantize/node_form.h"
#include "passes/quantize/pair_limits.h"
#include "passes/quantize/palette_codes.h"
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
  int64_t width() const { return outer * inner; }
  // Calls body(element) for the weights of a channel, in order.
  template <typename Body>
  void for_channel(size_t channel, Body body) const {
    for (int64_t o = 0; o < outer; ++o) {
      const size_t first = static_cast<size_t>((o * channels + static_cast<int64_t>(channel)) * inner);
      for (size_t i = first; i < first + static_cast<size_t>(inner); ++i) body(i);
    }
  }
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
    if (rule != targets::PairRule::pairs_to_128) continue;
    const double peak = std::fabs(rows[c][static_cast<size_t>(scales[c].peak)]) / shared;
    scales[c].largest = std::clamp(static_cast<int32_t>(std::nearbyint(peak)), 64, 127);
    scales[c].others = 128 - scales[c].largest;
  }
}

// The pairs of a channel's weights that kernels add in 16 bits, when the rule is about those.
WeightPairs pairs_of(const ir::Node& node, targets::PairRule rule, int64_t width) {
  if (rule != targets::PairRule::neighbours_to_128 || !ops::adds_pairs(node)) return {};
  const int64_t channels = node.is(ir::OpKind::conv) ? weight_of(node)->constant()->dims()[1] : width;
  return ops::summed_pairs(channels, channels > 0 ? width / channels : 0);
}

// Mean squares of the inputs of every group, [groups, width].
std::vector<double> mean_squares(const LayerInputs& inputs) {
  std::vector<double> squares(static_cast<size_t>(inputs.groups()) * static_cast<size_t>(inputs.width()), 0.0);
  for (const LayerInputs::Block& block : inputs.blocks()) {
    const auto n = static_cast<size_t>(block.width);
    double* of_block = &squares[static_cast<size_t>(block.group) * static_cast<size_t>(inputs.width()) +
                                static_cast<size_t>(block.first)];
    for (size_t i = 0; i < n; ++i) of_block[i] = inputs.mean_square(block, i);
  }
  return squares;
}

std::vector<int8_t> part_of(const std::vector<int8_t>& limits, const LayerInputs::Block& block) {
  if (limits.empty()) return {};
  return {limits.begin() + block.first, limits.begin() + block.first + block.width};
}

// The weights of a channel with one of the scales that may be best for it.
struct Candidate {
  size_t channel = 0;
  ChannelScale scale;
  std::vector<int8_t> codes;
  double error = 0;  // of the channel's output
};

// Rounds block by block: the moments of a block are factored once for its whole group. Candidates are in the order of
// their channels.
void round_compensated(const std::vector<std::vector<double>>& rows, const LayerInputs& inputs, bool centred,
                       std::vector<Candidate>& candidates) {
  const size_t per_group = rows.size() / static_cast<size_t>(inputs.groups());
  for (const LayerInputs::Block& block : inputs.blocks()) {
    const MomentFactor factor = factor_moments(inputs.moments(block, centred), block.width);
    const auto first = static_cast<size_t>(block.first), width = static_cast<size_t>(block.width);
    std::vector<ChannelWeights> weights;
    std::vector<Candidate*> rounded;
    const size_t first_channel = static_cast<size_t>(block.group) * per_group;
    const auto own = std::lower_bound(candidates.begin(), candidates.end(), first_channel,
                                      [](const Candidate& one, size_t channel) { return one.channel < channel; });
    for (auto it = own; it != candidates.end() && it->channel < first_channel + per_group; ++it) {
      Candidate& candidate = *it;
      const ChannelScale part{.scale = candidate.scale.scale,
                              .largest = candidate.scale.largest,
                              .others = candidate.scale.others,
                              .peak = candidate.scale.peak - block.first,
                              .low = part_of(candidate.scale.low, block),
                              .high = part_of(candidate.scale.high, block)};
      weights.push_back({std::span(rows[candidate.channel]).subspan(first, width), part,
                         std::span(candidate.codes).subspan(first, width)});
      rounded.push_back(&candidate);
    }
    const std::vector<double> errors = round_compensated(weights, factor);
    for (size_t i = 0; i < rounded.size(); ++i) rounded[i]->error += errors[i];
  }
}

// Weights that are zero stay zero: those of a pruned layer, be they few, and no others are so by chance.
void keep_zeros(const std::vector<double>& row, ChannelScale& scale) {
  if (scale.low.empty()) {
    for (size_t k = 0; k < row.size(); ++k) {
      const auto limit = static_cast<int8_t>(static_cast<int64_t>(k) == scale.peak ? scale.largest : scale.others);
      scale.low.push_back(static_cast<int8_t>(-limit));
      scale.high.push_back(limit);
    }
  }
  for (size_t k = 0; k < row.size(); ++k) {
    if (row[k] == 0) scale.low[k] = scale.high[k] = 0;
  }
}

// Nearest codes, all inputs being alike.
void round_alone(const std::vector<double>& row, Candidate& candidate) {
  round_nearest(row, candidate.scale, candidate.codes);
  for (size_t k = 0; k < row.size(); ++k) {
    const double off = row[k] - static_cast<double>(candidate.scale.scale) * candidate.codes[k];
    candidate.error += off * off;
  }
}

double sqnr(double signal, double noise) { return noise > 0 ? 10 * std::log10(signal / noise) : INFINITY; }

}  // namespace

Result<WeightCodes> quantize_weight(const ir::Node& node, const WeightSettings& settings, const LayerInputs* inputs,
                                    const std::vector<double>& smallest_scales) {
  const ir::Tensor& weight = *weight_of(node)->constant();
  if (weight.encoding() == ir::Encoding::palette) return quantize_palette(node, settings, inputs, smallest_scales);
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
    rows[c].resize(static_cast<size_t>(layout.width()));
    double* to = rows[c].data();
    layout.for_channel(c, [&](size_t element) { *to++ = reals[element]; });
    scales[c] = channel_scale(rows[c], settings.rule, smallest_scales.empty() ? 0 : smallest_scales[c]);
  }
  if (settings.per_tensor) share_scale(scales, rows, settings.rule);

  const bool compensate = settings.compensate && inputs != nullptr && inputs->num_rows() > 0;
  const bool correct =
      settings.correct_bias && inputs != nullptr && inputs->num_rows() > 0 && ops::quant_facts(node).bias_operand >= 0;
  std::vector<Candidate> candidates;
  const auto propose = [&](size_t channel, ChannelScale scale) {
    candidates.push_back({channel, std::move(scale), std::vector<int8_t>(static_cast<size_t>(layout.width()))});
  };
  const WeightPairs pairs = pairs_of(node, settings.rule, layout.width());
  const std::vector<double> squares = compensate && !pairs.empty() ? mean_squares(*inputs) : std::vector<double>{};
  const auto width = static_cast<size_t>(layout.width());
  const auto group_of = [&](size_t c) {
    return inputs == nullptr ? size_t{0} : c * static_cast<size_t>(inputs->groups()) / channels;
  };
  for (size_t c = 0; c < channels; ++c) {
    if (pairs.empty()) {
      propose(c, scales[c]);
      continue;
    }
    const auto importance =
        squares.empty() ? std::span<const double>() : std::span(squares).subspan(group_of(c) * width, width);
    if (settings.per_tensor) {
      set_pair_limits(rows[c], pairs, importance, scales[c]);
      propose(c, scales[c]);
      continue;
    }
    for (ChannelScale& scale :
         pair_scales(rows[c], pairs, importance, smallest_scales.empty() ? 0 : smallest_scales[c])) {
      propose(c, std::move(scale));
    }
  }
  if (std::find(reals.begin(), reals.end(), 0.0F) != reals.end()) {
    for (Candidate& candidate : candidates) keep_zeros(rows[candidate.channel], candidate.scale);
  }
  if (compensate) {
    round_compensated(rows, *inputs, correct, candidates);
  } else {
    for (Candidate& candidate : candidates) round_alone(rows[candidate.channel], candidate);
  }
  std::vector<const Candidate*> best(channels, nullptr);
  for (const Candidate& candidate : candidates) {
    const Candidate*& own = best[candidate.channel];
    if (own == nullptr || candidate.error < own->error) own = &candidate;
  }

  const std::vector<double> means = correct ? inputs->means() : std::vector<double>{};
  WeightCodes result;
  ir::Tensor codes = ir::Tensor::zeros(ir::DType::i8, weight.dims());
  const auto stored = codes.mutable_data<int8_t>();
  double signal = 0, noise = 0;
  for (size_t c = 0; c < channels; ++c) {
    scales[c].scale = best[c]->scale.scale;
    double shift = 0;
    size_t k = 0;
    layout.for_channel(c, [&](size_t element) { stored[element] = best[c]->codes[k++]; });
    const double scale = scales[c].scale, *const row = rows[c].data();
    const double* const mean = correct ? &means[group_of(c) * width] : nullptr;
    const int8_t* const chosen = best[c]->codes.data();
    double row_signal = 0, row_noise = 0;
    for (k = 0; k < width; ++k) {
      const double error = row[k] - scale * chosen[k];
      row_signal += row[k] * row[k];
      row_noise += error * error;
      if (correct) shift += mean[k] * error;
    }
    signal += row_signal;
    noise += row_noise;
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
