// SPDX-License-Identifier: Apache-2.0
// The constants of a layer on codes, packed for IntTable::tiles.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/integer/weight_layer.h"
#include "runtime/native/int_table.h"

namespace edgesmith::runtime::native {

/// Most pixels (rows of a matrix) that run through all blocks of outputs before the next ones.
constexpr int64_t kMaxChunk = 128;

/// Bytes that start at a multiple of 64.
class AlignedBytes64 {
 public:
  void resize(int64_t bytes) { lines_.resize(static_cast<size_t>((bytes + 63) / 64)); }
  int64_t size() const { return static_cast<int64_t>(lines_.size()) * 64; }
  uint8_t* data() { return reinterpret_cast<uint8_t*>(lines_.data()); }
  const uint8_t* data() const { return reinterpret_cast<const uint8_t*>(lines_.data()); }

 private:
  struct alignas(64) Line {
    uint8_t bytes[64] = {};
  };
  std::vector<Line> lines_;
};

/// Up to kIntTileVectors vectors of outputs of one group.
struct LayerBlock {
  int64_t output;  ///< the first
  int64_t group;
  int vectors, last;  ///< last: outputs in the last vector
  int64_t weights;    ///< where it begins in PackedLayer::weights
  int64_t lanes;      ///< where it begins in PackedLayer::start and scale
};

/// The inputs of one output are `segments` runs of `length` elements (unsigned bytes: signed codes with their top bit
/// flipped), each filled up with zero weights to whole groups; or the same widened to 16 bits.
struct PackedLayer {
  const IntTable* table = nullptr;
  bool words = false;  ///< 16 bits, because bytes would not add exactly
  int64_t segments = 0, groups = 0;
  uint8_t flip = 0;        ///< makes stored inputs of codes
  uint8_t zero_input = 0;  ///< the stored input that means zero
  std::vector<LayerBlock> blocks;
  AlignedBytes64 weights;
  std::vector<int32_t> start;
  std::vector<float> scale;
  CodeStore store;
  std::optional<integer::Requantize> fixed_point;  ///< makes codes instead of scale and store

  int64_t element_bytes() const { return words ? 2 : 1; }
  /// How many pixels should run through all blocks before the next ones, when each adds `bytes` of input.
  int64_t chunk(int64_t bytes) const;
  /// A job for one block: all but the input, the pixels, the segments' places and the output.
  IntTiles tiles(const LayerBlock& block) const;
  /// Runs a job of tiles() of at most kMaxChunk pixels.
  void run(const IntTiles& job, const LayerBlock& block) const;
};

/// Whether the sum of two products of bytes by the weights `a` and `b` fits 16 bits, whatever the bytes.
bool pair_safe(const IntTable& table, int a, int b);
/// How codes of `type` are stored.
CodeStore code_store(const integer::CodeType& type);
/// `conv_groups`: groups of a convolution, each with as many outputs.
PackedLayer pack_layer(const integer::WeightLayer& layer, const integer::Form& form, const IntTable& table,
                       int64_t conv_groups, int64_t segments, int64_t length);

}  // namespace edgesmith::runtime::native
