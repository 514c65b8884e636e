// SPDX-License-Identifier: Apache-2.0
// What reconstruction knows of a layer: second moments of its inputs behind the compressed prefix, and how those differ
// from what the float model gives it.
//
// The layer should give W x_float; it gets x. The least-squares weights for that are W + W D G^-1, with G = E[x x'] and
// D = E[(x_float - x) x']: a layer makes up for the ones before it, as far as its inputs tell (GPTAQ, Li et al. 2025,
// arXiv 2504.02692; Qronos, Zhang et al. 2025, arXiv 2505.11695). Differences are small, so float sums keep D well.
// A layer whose output is added to a shortcut s can make up for that too: it aims at W x_float + s_float - s.
#pragma once

#include <array>
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
  bool residual() const { return residual_; }
  /// Adds rows of some samples; `reference[i]` are those that the float model gives at the places of `current[i]`.
  void add(std::span<const Sample> current, std::span<const Sample> reference, ThreadPool& pool);

  /// G of a block, symmetric [width, width], around the mean when `centred`; not damped.
  std::vector<double> moments(const Block& block, bool centred) const { return inputs_.moments(block, centred); }
  /// Every other sample belongs to the first half, the others to the second: what both say is no chance.
  static constexpr size_t kHalves = 2;
  /// Rows of a half of the samples.
  int64_t rows_of(size_t half) const { return halves_[half].rows; }
  /// D of block `b` from one half [width, width], around the means when `centred`: rows are inputs of the float model.
  std::vector<double> differences(size_t b, size_t half, bool centred) const;
  /// E[(s_float - s) x'] of block `b` from one half [outputs of a group, width], around the means when `centred`;
  /// empty: no shortcut.
  std::vector<double> added_differences(size_t b, size_t half, bool centred) const;
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
  // Sums over the rows of some samples.
  struct Half {
    std::vector<std::vector<float>> products;        // by block: of (x_float - x) x'
    std::vector<double> sums;                        // of x_float - x
    std::vector<std::vector<float>> added_products;  // by block: of (s_float - s) x'; none without a shortcut
    std::vector<double> added_sums;                  // of s_float - s
    int64_t rows = 0;
  };
  void add_differences(Half& half, const Piece& piece, const float* differences, const Rows& current);
  void add_added(Half& half, size_t block, const float* differences, const Rows& current);
  std::vector<double> mean_products(size_t b, const std::vector<float>& products, const double* sums, int64_t count,
                                    bool centred) const;

  quantize::LayerInputs inputs_;
  bool residual_ = false;
  std::array<Half, kHalves> halves_;
  int64_t num_samples_ = 0;
  std::vector<Piece> pieces_;
  bool differs_ = false;
};

}  // namespace edgesmith::passes::reconstruct
