// SPDX-License-Identifier: Apache-2.0
// What reconstruction knows of a layer: second moments of its inputs behind the compressed prefix, and how those differ
// from what the float model gives it.
//
// The layer should give W x_float; it gets x. The least-squares weights for that are W + W D G^-1, with G = E[x x'] and
// D = E[(x_float - x) x']: a layer makes up for the ones before it, as far as its inputs tell (GPTAQ, Li et al. 2025,
// arXiv 2504.02692; Qronos, Zhang et al. 2025, arXiv 2505.11695). Differences are small, so float sums keep D well.
// A layer whose output is added to a shortcut s can make up for that too: it aims at W x_float + s_float - s.
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

  /// Rows of one sample: the layer's inputs [groups, rows, width], and what is added to its outputs [rows, outputs],
  /// or nothing.
  struct Sample {
    Rows inputs, added;
  };

  /// As LayerInputs. Memory does not depend on the number of samples. `residual`: samples come with what is added.
  Gram(const ir::Node& node, int64_t num_samples, int widest, int64_t rows_per_input, bool residual = false);

  const quantize::LayerInputs& inputs() const { return inputs_; }
  bool residual() const { return !added_products_.empty(); }
  /// Adds rows of some samples; `reference[i]` are those that the float model gives at the places of `current[i]`.
  void add(std::span<const Sample> current, std::span<const Sample> reference, ThreadPool& pool);

  /// G of a block, symmetric [width, width], around the mean when `centred`; not damped.
  std::vector<double> moments(const Block& block, bool centred) const { return inputs_.moments(block, centred); }
  /// D of block `b` [width, width], around the means when `centred`: rows are inputs of the float model.
  std::vector<double> differences(size_t b, bool centred) const;
  /// E[(s_float - s) x'] of block `b` [outputs of a group, width], around the means when `centred`; empty: no shortcut.
  std::vector<double> added_differences(size_t b, bool centred) const;
  /// False: the prefix is the float model's, and D is zero.
  bool differs() const { return differs_; }
  /// By how much every output's bias must change when its weights [outputs][width] become `after`: the mean that the
  /// float model has there (with its shortcut) less what it is now.
  std::vector<double> bias_change(std::span<const double> before, std::span<const double> after) const;

 private:
  struct Piece {
    size_t block = 0;
    int first_row = 0, last_row = 0;
  };
  void add_differences(const Piece& piece, const float* differences, const Rows& current);
  void add_added(size_t block, const float* differences, const Rows& current);
  std::vector<double> mean_products(size_t b, const std::vector<float>& products, const double* sums,
                                    bool centred) const;

  quantize::LayerInputs inputs_;
  std::vector<std::vector<float>> products_;        // by block: sums of (x_float - x) x'
  std::vector<double> sums_;                        // of x_float - x
  std::vector<std::vector<float>> added_products_;  // by block: sums of (s_float - s) x'; none without a shortcut
  std::vector<double> added_sums_;                  // of s_float - s
  std::vector<Piece> pieces_;
  bool differs_ = false;
};

/// Turns the weights of a block into those that bring its output to the float model's.
class Aim {
 public:
  /// `moments`: those of the block [width, width], damped; with `centred` around the means. `share`: how much of the
  /// way is gone. D is known from the calibration samples only, and going all of it follows their chance: the authors
  /// of GPTAQ go a quarter in their code.
  Aim(const Gram& gram, size_t block, bool centred, std::vector<double> moments, double share = 1);
  /// Weights [width] of an output, counted within the block's group.
  void shift(int64_t output, std::span<double> weights) const;

 private:
  std::vector<double> factor_, differences_, added_;
  double share_;
};

}  // namespace edgesmith::passes::reconstruct
