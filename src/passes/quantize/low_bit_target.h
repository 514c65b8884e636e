// SPDX-License-Identifier: Apache-2.0
// What the codes of a layer are fitted to, and how they are written.
#pragma once

#include <span>
#include <vector>

#include "passes/quantize/low_bit.h"
#include "passes/quantize/weight_codes.h"
#include "passes/reconstruct/sweep.h"

namespace edgesmith::passes::quantize {

/// Which scale of its row a weight has.
struct Segments {
  int64_t count = 1;
  std::vector<int> of;  ///< by column

  Segments(const reconstruct::Layer& layer, int64_t block_size);
};

/// The weights that are wanted, and the moments of what they meet.
struct LayerTarget {
  struct Block {
    const reconstruct::Gram::Block* inputs = nullptr;
    std::vector<double> moments;  ///< damped
    double added = 0;             ///< to their diagonal
    reconstruct::MomentFactor factor;
  };

  /// With `gram` the wanted weights bring the layer towards the float model's output (aim.h); without, they are its
  /// own.
  LayerTarget(const reconstruct::Layer& layer, const reconstruct::Gram* gram, ThreadPool& pool);

  int64_t groups = 1, rows_per_group = 1;
  size_t width = 0;
  std::vector<double> wanted;  ///< [outputs][width]
  std::vector<Block> blocks;   ///< none without data
  bool masked = false;         ///< zeros are a mask and stay
  bool centred = false;        ///< the bias takes up the means

  std::span<double> row(std::vector<double>& of, int64_t m) const {
    return std::span(of).subspan(static_cast<size_t>(m) * width, width);
  }
  std::span<const double> row(const std::vector<double>& of, int64_t m) const {
    return std::span(of).subspan(static_cast<size_t>(m) * width, width);
  }
  /// The weights of row m that must stay zero are zeros here; empty: none must.
  std::span<const double> zeros_of(const reconstruct::Layer& layer, int64_t m) const;
};

/// The scale that gives the least output error with the codes as they are; `values` follow it.
void fit_scale(const LayerTarget& target, int64_t group, std::span<const double> wanted, Grid& grid,
               std::span<double> values);

/// Squared output error, and power of the output, of a row with the weights `values`.
struct OutputPower {
  double noise = 0, signal = 0;
};
OutputPower output_power(const LayerTarget& target, int64_t group, std::span<const double> wanted,
                         std::span<const double> values);

/// The constant: `grids` by output, one a segment; `values` [outputs][width] are on them.
ir::Tensor stored_codes(const reconstruct::Layer& layer, const LowBitSettings& settings, const Segments& segments,
                        const std::vector<std::vector<Grid>>& grids, const std::vector<double>& values);

}  // namespace edgesmith::passes::quantize
