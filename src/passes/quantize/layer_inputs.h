// SPDX-License-Identifier: Apache-2.0
// What meets the weights of a layer: means and products of its inputs over the calibration data.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith::passes::quantize {

/// Running means and second moments of the rows that a Conv, Gemm or MatMul multiplies its weights with: for a Conv the
/// patch under the kernel at one output position, zeros of the padding included. Weights of one output channel see
/// `width` inputs, those of its group. Memory is fixed; of a sample only some positions are taken, spread evenly.
class LayerInputs {
 public:
  /// Inputs that are rounded together: moments between different blocks are not kept.
  struct Block {
    int group = 0;
    int first = 0;  ///< within the group
    int width = 0;
    std::vector<float> products;  ///< row-major sums; the upper triangle is filled
  };

  /// `node` has a constant weight. `num_samples` is how many samples will come; no block is wider than `widest`.
  LayerInputs(const ir::Node& node, int64_t num_samples, int widest);

  int groups() const { return groups_; }
  int width() const { return width_; }
  int64_t num_rows() const { return num_rows_; }
  const std::vector<Block>& blocks() const { return blocks_; }
  /// Bytes of the moments.
  int64_t bytes() const;

  /// Appends the rows of some positions of `input`, chosen by the sample's number; thread-safe. Errors: invalid.
  Status take_rows(const ir::Node& node, const ir::Tensor& input, int64_t sample, std::vector<float>& rows) const;
  /// Adds rows to the sums; their order decides the last bits.
  void add_rows(std::span<const float> rows);

  /// Means of the inputs [groups, width].
  std::vector<double> means() const;
  /// Second moments of a block, row-major [width, width]; around the mean when `centred`.
  std::vector<double> moments(const Block& block, bool centred) const;

 private:
  int groups_ = 1, width_ = 0;
  int64_t rows_per_sample_ = 1, num_rows_ = 0;
  ir::Dims kernel_;  // spatial dims of a Conv's weight
  std::vector<Block> blocks_;
  std::vector<double> sums_;  // [groups, width]
};

}  // namespace edgesmith::passes::quantize
