// SPDX-License-Identifier: Apache-2.0
#include "runtime/native/int_packing.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "edgesmith/ops/pair_sums.h"

namespace edgesmith::runtime::native {

namespace {

// pair_safe() for all neighbours in a group.
bool pairs_safe(const IntTable& table, const integer::WeightLayer& layer, int64_t segments, int64_t length) {
  for (int64_t row = 0; row < layer.outputs * segments; ++row) {
    const int16_t* weight = layer.weight.data() + row * length;
    for (int64_t i = 0; i < length; i += 2) {
      const int second = i + 1 < length ? weight[i + 1] : 0;
      if (!pair_safe(table, weight[i], second)) return false;
    }
  }
  return true;
}

void pack_block(const integer::WeightLayer& layer, const LayerBlock& block, int64_t length, PackedLayer& packed) {
  const int64_t lanes = packed.table->lanes, per_group = packed.words ? 2 : 4;
  const int64_t outputs = (block.vectors - 1) * lanes + block.last;
  for (int64_t s = 0; s < packed.segments; ++s) {
    for (int64_t i = 0; i < length; ++i) {
      const int64_t group = s * packed.groups + i / per_group;
      const int64_t row = block.weights + group * block.vectors * lanes * 4 + i % per_group * packed.element_bytes();
      for (int64_t m = 0; m < outputs; ++m) {
        const int16_t weight = layer.weight[static_cast<size_t>((block.output + m) * layer.k + s * length + i)];
        uint8_t* to = packed.weights.data() + row + m * 4;
        if (packed.words) {
          std::memcpy(to, &weight, 2);
        } else {
          *to = static_cast<uint8_t>(weight);
        }
      }
    }
  }
  const integer::Requantize& requantize = layer.requantize;
  const int zero = packed.zero_input - (packed.words ? 0 : packed.table->byte_offset);
  for (int64_t m = 0; m < outputs; ++m) {
    const auto output = static_cast<size_t>(block.output + m), lane = static_cast<size_t>(block.lanes + m);
    // Wraps where the sums themselves would.
    auto start = static_cast<uint32_t>(layer.bias[output]);
    for (int64_t i = 0; i < layer.k; ++i) {
      const int64_t weight = layer.weight[output * static_cast<size_t>(layer.k) + static_cast<size_t>(i)];
      start -= static_cast<uint32_t>(weight * zero);
    }
    packed.start[lane] = static_cast<int32_t>(start);
    packed.scale[lane] = requantize.scale[requantize.scale.size() == 1 ? 0 : output];
  }
}

}  // namespace

bool pair_safe(const IntTable& table, int a, int b) {
  if (table.byte_offset == 0) return !ops::pair_overflows(a, b);
  // Signed inputs, from -byte_offset on.
  return std::max(255 - table.byte_offset, table.byte_offset) * (std::abs(a) + std::abs(b)) <= 32767;
}

// Few enough to stay in the first-level cache; or, when the weights do not even stay in the second one, as many as do.
int64_t PackedLayer::chunk(int64_t bytes) const {
  constexpr int64_t kFirst = 12 * 1024, kSecond = 256 * 1024, kLeast = 24;
  const int64_t room = weights.size() > kSecond ? kSecond : kFirst;
  return std::clamp(room / std::max<int64_t>(1, bytes), kLeast, kMaxChunk);
}

IntTiles PackedLayer::tiles(const LayerBlock& block) const {
  IntTiles t = {};
  t.segments = segments;
  t.groups = groups;
  t.words = words;
  t.weights = weights.data() + block.weights;
  t.vectors = block.vectors;
  t.last = block.last;
  t.start = start.data() + block.lanes;
  t.scale = scale.data() + block.lanes;
  t.store = store;
  return t;
}

void PackedLayer::run(const IntTiles& job, const LayerBlock& block) const {
  if (!fixed_point || job.result != IntTiles::Result::codes) return table->tiles(job);
  constexpr int64_t kMostOutputs = kIntTileVectors * 16;
  alignas(64) std::array<int32_t, kMaxChunk * kMostOutputs> sums;
  const int64_t outputs = (block.vectors - 1) * table->lanes + block.last;
  IntTiles of_sums = job;
  of_sums.result = IntTiles::Result::sums;
  of_sums.out = reinterpret_cast<uint8_t*>(sums.data());
  of_sums.out_stride = outputs * 4;
  table->tiles(of_sums);
  for (int64_t p = 0; p < job.count; ++p) {
    const int32_t* row = sums.data() + p * outputs;
    uint8_t* out = job.out + p * job.out_stride;
    for (int64_t m = 0; m < outputs; ++m)
      out[m] = static_cast<uint8_t>(fixed_point->fixed_code(row[m], block.output + m));
  }
}

CodeStore code_store(const integer::CodeType& type) {
  const int offset = type.dtype == ir::DType::i8 ? 128 : 0;
  return {.zero_point = static_cast<int16_t>(type.zero_point + offset),
          .lo = static_cast<uint8_t>(type.lo + offset),
          .hi = static_cast<uint8_t>(type.hi + offset),
          .flip = static_cast<uint8_t>(offset)};
}

PackedLayer pack_layer(const integer::WeightLayer& layer, const integer::Form& form, const IntTable& table,
                       int64_t conv_groups, int64_t segments, int64_t length) {
  PackedLayer packed;
  packed.table = &table;
  packed.words = !layer.fits_i8() || (!table.exact_bytes && !pairs_safe(table, layer, segments, length));
  packed.segments = segments;
  const int64_t per_group = packed.words ? 2 : 4;
  packed.groups = (length + per_group - 1) / per_group;
  packed.flip = form.operands[0]->dtype == ir::DType::i8 ? 128 : 0;
  packed.zero_input = static_cast<uint8_t>(layer.input_zero_point + packed.flip);
  packed.store = code_store(form.result);
  if (form.fixed_point()) packed.fixed_point = layer.requantize;
  const int64_t lanes = table.lanes, group_outputs = layer.outputs / conv_groups;
  int64_t bytes = 0, lane = 0;
  for (int64_t g = 0; g < conv_groups; ++g) {
    int64_t vectors = (group_outputs + lanes - 1) / lanes, blocks = (vectors + table.vectors - 1) / table.vectors;
    for (int64_t m = 0; blocks > 0; --blocks) {
      const int64_t n = (vectors + blocks - 1) / blocks;  // nearly equal
      const int64_t outputs = std::min(n * lanes, group_outputs - m);
      packed.blocks.push_back({.output = g * group_outputs + m,
                               .group = g,
                               .vectors = static_cast<int>(n),
                               .last = static_cast<int>(outputs - (n - 1) * lanes),
                               .weights = bytes,
                               .lanes = lane});
      bytes += packed.segments * packed.groups * n * lanes * 4;
      lane += n * lanes;
      m += outputs;
      vectors -= n;
    }
  }
  packed.weights.resize(bytes);
  packed.start.resize(static_cast<size_t>(lane));
  packed.scale.resize(static_cast<size_t>(lane));
  for (const LayerBlock& block : packed.blocks) pack_block(layer, block, length, packed);
  return packed;
}

}  // namespace edgesmith::runtime::native
