// SPDX-License-Identifier: Apache-2.0
// What the kernels share that compute by Winograd's F(4x4, 3x3) and F(4x4, 5x5).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "edgesmith/ir/graph.h"
#include "runtime/kernel_registry.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

/// Outputs of a tile along an axis.
constexpr int64_t kWinogradTile = 4;
/// Transformed tiles and products of this many bytes stay in the second-level cache beside the weights.
constexpr int64_t kWinogradBlockBytes = int64_t{512} << 10;
/// Weights that are transformed in every run take four times their memory, in scratch: at most this many pairs of
/// channels.
constexpr int64_t kWinogradMostPairs = int64_t{1} << 16;

/// The numbers that a size of kernel, 3 or 5 along an axis, brings.
struct WinogradKernel {
  int64_t size = 3;

  int64_t halo() const { return size - 1; }  ///< inputs of a tile beyond its outputs
  int64_t taps() const { return size * size; }
  int64_t edge() const { return kWinogradTile + halo(); }
  int64_t points() const { return edge() * edge(); }  ///< products of a tile for each pair of channels
  /// Floats from one tile's points of so many channels to the next tile's. Tiles of 64 points lie a line further apart:
  /// a power of two would put the same point of all of them into the same few lines of the first-level cache.
  int64_t tile_step(int64_t channels) const { return points() * channels + (size == 5 ? 16 : 0); }
  const WinogradLoops& loops(const NativeTable& table) const {
    return size == 3 ? table.winograd_3x3 : table.winograd_5x5;
  }
};

/// Whether `node`, a convolution or a gradient of one, has a square weight of 3 or 5 with enough channels on both
/// sides, one group, stride 1 and dilation 1.
bool is_winograd(const ir::Node& node, const ir::Dims& weight);

/// Whether tiles of the planes of `tiled` (the outputs of a convolution), as far as their dims are known, cost less
/// than the definition with a `weight` for which is_winograd() holds.
bool winograd_pays(const ir::Value& tiled, const ir::Dims& weight);

/// How many rows of tiles, and of how many samples where all rows go together, fit kWinogradBlockBytes.
struct WinogradBlock {
  int64_t rows = 1, samples = 1;
};
WinogradBlock winograd_block(int64_t samples, int64_t tiles_y, int64_t row_bytes);

/// A convolution, or a gradient of one, by tiles. What the multiplications run over are channels (of the input) and
/// features (of the output, or its gradient), each padded to whole vectors.
struct WinogradShape : Prepared {
  WinogradKernel kernel;
  int64_t samples = 0, channels = 0, height = 0, width = 0, features = 0, out_height = 0, out_width = 0;
  int64_t pad_top = 0, pad_left = 0, padded_channels = 0, padded_features = 0, tiles_x = 0, tiles_y = 0;
  WinogradBlock at_once;

  WinogradShape() = default;
  /// `in` and `out` are [N,C,H,W] and [N,features,H,W]; `pads` begins with the top and the left.
  WinogradShape(int64_t kernel_size, const ir::Dims& in, const ir::Dims& out, std::span<const int64_t> pads);

  int64_t tiles() const { return at_once.rows * tiles_x * at_once.samples; }
  /// Pads to `lanes` and lays tiles over planes of `tiled_height` x `tiled_width`.
  void tile(int64_t lanes, int64_t tiled_height, int64_t tiled_width);
};

/// U = G g G' of weights [features][channels][size][size]: for each point a matrix [channels][features], in double.
std::vector<float> winograd_points(const float* weight, int64_t features, int64_t channels, WinogradKernel kernel);

}  // namespace edgesmith::runtime::native
