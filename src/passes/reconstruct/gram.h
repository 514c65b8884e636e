// SPDX-License-Identifier: Apache-2.0
// What reconstruction knows of a layer: second moments of its inputs behind the compressed prefix, and how those differ
// from what the float model gives it.
//
// The layer should give W x_float; it gets x. The least-squares weights for that are W + W D G^-1, with G = E[x x'] and
// D = E[(x_float - x) x']: a layer makes up for the ones before it, as far as its inputs tell (GPTAQ, Li et al. 2025,
// arXiv 2504.02692; Qronos, Zhang et al. 2025, arXiv 2505.11695). Differences are small, so float sums keep D well.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "edgesmith/base/thread_pool.h"
#include "passes/quantize/layer_inputs.h"

namespace edgesmith::passes::reconstruct {

class Gram {
 public:
  using Block = quantize::LayerInputs::Block;
  using Rows = quantize::LayerInputs::Rows;

  /// As LayerInputs. Memory does not depend on the number of samples.
  Gram(const ir::Node& node, int64_t num_samples, int widest, int64_t rows_per_input);

  const quantize::LayerInputs& inputs() const { return inputs_; }
  /// Adds rows of some samples; `reference[i]` are those that the float model gives at the places of `current[i]`.
  void add(std::span<const Rows> current, std::span<const Rows> reference, ThreadPool& pool);

  /// G of a block, symmetric [width, width], around the mean when `centred`; not damped.
  std::vector<double> moments(const Block& block, bool centred) const { return inputs_.moments(block, centred); }
  /// D of block `b` [width, width], around the means when `centred`: rows are inputs of the float model.
  std::vector<double> differences(size_t b, bool centred) const;
  /// False: the prefix is the float model's, and D is zero.
  bool differs() const { return differs_; }
  /// Means [groups, width] behind the compressed prefix, and of the float model.
  std::vector<double> means() const { return inputs_.means(); }
  std::vector<double> reference_means() const;

 private:
  struct Piece {
    size_t block = 0;
    int first_row = 0, last_row = 0;
  };
  void add_differences(const Piece& piece, const float* differences, const Rows& current);

  quantize::LayerInputs inputs_;
  std::vector<std::vector<float>> products_;  // by block: sums of (x_float - x) x'
  std::vector<double> sums_;                  // of x_float - x
  std::vector<Piece> pieces_;
  bool differs_ = false;
};

/// The weights of one row that bring W x to W x_float, in place of `row` [width]: `factor` is that of G, damped
/// (moments.h), `differences` D. Both may be of the centred moments.
void aim_at_reference(std::span<double> row, std::span<const double> factor, std::span<const double> differences);

}  // namespace edgesmith::passes::reconstruct
