// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/low_bit_target.h"

#include <algorithm>
#include <cmath>

#include "passes/quantize/node_form.h"
#include "passes/reconstruct/aim.h"
#include "passes/reconstruct/moments.h"

namespace edgesmith::passes::quantize {
namespace {

// Share of the mean square of the inputs that is added to each: as in GPTQ.
constexpr double kDamping = 0.01;

}  // namespace

Segments::Segments(const reconstruct::Layer& layer, int64_t block_size) : of(static_cast<size_t>(layer.width), 0) {
  if (block_size <= 0) return;
  count = layer.group_size / block_size * layer.group_step;
  for (int64_t k = 0; k < layer.width; ++k) {
    const int64_t channel = k / layer.group_step, tap = k % layer.group_step;
    of[static_cast<size_t>(k)] = static_cast<int>(channel / block_size * layer.group_step + tap);
  }
}

LayerTarget::LayerTarget(const reconstruct::Layer& layer, const reconstruct::Gram* gram, ThreadPool& pool)
    : rows_per_group(layer.outputs), width(static_cast<size_t>(layer.width)), wanted(layer.weights) {
  masked = std::find(layer.weights.begin(), layer.weights.end(), 0.0) != layer.weights.end();
  centred = gram != nullptr && reconstruct::has_bias_operand(layer);
  if (gram == nullptr) return;
  groups = gram->inputs().groups();
  rows_per_group = layer.outputs / groups;
  const auto& inputs = gram->inputs().blocks();
  blocks.resize(inputs.size());
  pool.parallel_for(static_cast<int64_t>(inputs.size()), [&](int64_t index, int) {
    const auto b = static_cast<size_t>(index);
    const auto n = static_cast<size_t>(inputs[b].width);
    Block& own = blocks[b];
    own.inputs = &inputs[b];
    own.moments = gram->moments(inputs[b], centred);
    own.factor = reconstruct::factor_moments(own.moments, inputs[b].width, kDamping);
    own.added = own.factor.added;
    for (size_t i = 0; i < n; ++i) own.moments[i * n + i] += own.added;
  });
  if (!gram->differs()) return;
  std::vector<reconstruct::Damped> moments;
  for (const Block& block : blocks) moments.push_back({block.moments, block.added});
  reconstruct::find_aim(*gram, centred, moments, wanted, pool).move(wanted);
}

std::span<const double> LayerTarget::zeros_of(const reconstruct::Layer& layer, int64_t m) const {
  return masked ? row(layer.weights, m) : std::span<const double>();
}

void fit_scale(const LayerTarget& target, int64_t group, std::span<const double> wanted, Grid& grid,
               std::span<double> values) {
  double towards = 0, power = 0;  // v' H (w - v), v' H v
  for (const LayerTarget::Block& own : target.blocks) {
    if (own.inputs->group != group) continue;
    const auto start = static_cast<size_t>(own.inputs->first), n = static_cast<size_t>(own.inputs->width);
    for (size_t i = 0; i < n; ++i) {
      if (values[start + i] == 0) continue;
      double error = 0, value = 0;
      for (size_t j = 0; j < n; ++j) {
        const double moment = own.moments[i * n + j];
        error += moment * (wanted[start + j] - values[start + j]);
        value += moment * values[start + j];
      }
      towards += values[start + i] * error;
      power += values[start + i] * value;
    }
  }
  if (!(power > 0)) return;
  const auto scale = static_cast<float>(grid.scale * (1 + towards / power));
  if (!(scale > kSmallestScale)) return;
  const double ratio = static_cast<double>(scale) / grid.scale;
  if (towards * (ratio - 1) * 2 <= (ratio - 1) * (ratio - 1) * power) return;  // float rounding ate the gain
  for (double& value : values) value = std::nearbyint(value / grid.scale) * scale;
  grid.scale = scale;
}

OutputPower output_power(const LayerTarget& target, int64_t group, std::span<const double> wanted,
                         std::span<const double> values) {
  OutputPower out;
  if (target.blocks.empty()) {
    for (size_t k = 0; k < target.width; ++k) {
      out.signal += wanted[k] * wanted[k];
      out.noise += (wanted[k] - values[k]) * (wanted[k] - values[k]);
    }
    return out;
  }
  for (const LayerTarget::Block& own : target.blocks) {
    if (own.inputs->group != group) continue;
    const auto start = static_cast<size_t>(own.inputs->first), n = static_cast<size_t>(own.inputs->width);
    for (size_t i = 0; i < n; ++i) {
      double error = 0, whole = 0;
      for (size_t j = 0; j < n; ++j) {
        const double moment = own.moments[i * n + j];
        error += moment * (wanted[start + j] - values[start + j]);
        whole += moment * wanted[start + j];
      }
      out.noise += error * (wanted[start + i] - values[start + i]);
      out.signal += whole * wanted[start + i];
    }
  }
  return out;
}

ir::Tensor stored_codes(const reconstruct::Layer& layer, const LowBitSettings& settings, const Segments& segments,
                        const std::vector<std::vector<Grid>>& grids, const std::vector<double>& values) {
  const ir::Tensor& weight = *weight_of(*layer.node)->constant();
  const int axis = weight_axis(*layer.node);
  const bool narrow = settings.bits <= 4;
  ir::Quant quant{
      .dtype = settings.symmetric ? (narrow ? ir::DType::i4 : ir::DType::i8) : (narrow ? ir::DType::u4 : ir::DType::u8),
      .axis = axis,
      .method = "output error"};
  if (settings.block_size > 0) {
    quant.axis = axis == 0 ? 1 : 0;
    quant.block_size = settings.block_size;
  }
  const auto outputs = static_cast<size_t>(layer.outputs), count = static_cast<size_t>(segments.count);
  quant.scale.resize(outputs * count);
  quant.zero_point.resize(outputs * count);
  const auto taps = static_cast<size_t>(settings.block_size > 0 ? layer.group_step : 1);  // each has its scale
  for (size_t m = 0; m < outputs; ++m) {
    for (size_t s = 0; s < count; ++s) {
      const size_t at = axis == 0 ? m * count + s : (s / taps * outputs + m) * taps + s % taps;
      quant.scale[at] = grids[m][s].scale;
      quant.zero_point[at] = grids[m][s].zero;
    }
  }
  int64_t inner = 1;
  for (size_t d = static_cast<size_t>(axis) + 1; d < weight.dims().size(); ++d) inner *= weight.dims()[d];
  ir::Tensor codes = ir::Tensor::zeros(quant.dtype, weight.dims());
  const auto bytes = codes.mutable_bytes();
  for (int64_t m = 0; m < layer.outputs; ++m) {
    for (int64_t k = 0; k < layer.width; ++k) {
      const Grid& grid = grids[static_cast<size_t>(m)][static_cast<size_t>(segments.of[static_cast<size_t>(k)])];
      const auto code =
          static_cast<int>(std::nearbyint(values[static_cast<size_t>(m * layer.width + k)] / grid.scale)) + grid.zero;
      const auto at = static_cast<size_t>((k / inner * layer.outputs + m) * inner + k % inner);
      if (narrow) {
        bytes[at / 2] |= static_cast<std::byte>((code & 15) << (at % 2 * 4));
      } else {
        bytes[at] = static_cast<std::byte>(code & 255);
      }
    }
  }
  return ir::Tensor::affine(std::move(codes), std::move(quant));
}

}  // namespace edgesmith::passes::quantize
