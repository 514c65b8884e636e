// SPDX-License-Identifier: Apache-2.0
// What meets the weights of a layer: means and products of its inputs over the calibration data.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"
#include "passes/quantize/row_panels.h"

namespace edgesmith::passes::quantize {

/// Whether the rows that a layer multiplies its constant weights with can be taken: not those of a MatMul with several
/// matrices.
bool has_rows(const ir::Node& layer);

/// Running means and second moments of the rows that a Conv, ConvTranspose, Gemm or MatMul multiplies its weights with:
/// for a convolution the patch under the kernel at one output position, zeros of the padding, or between inputs that a
/// stride moves apart, included. Weights of one output channel see
/// `width` inputs, those of its group. Memory is fixed; of a sample only some positions are taken, spread evenly.
class LayerInputs {
 public:
  /// Inputs that are rounded together: moments between different blocks are not kept.
  struct Block {
    int group = 0;
    int first = 0;  ///< within the group
    int width = 0;
    std::vector<float> products;  ///< row-major sums; true in the upper triangle; empty until rows are added
  };

  /// Rows that are enough where groups have inputs of their own, as in a depthwise Conv, to round its weights. Their
  /// rows are long (25 inputs a channel) and their blocks narrow. Ratios of output to error on other pictures
  /// (EfficientNet-Lite0, defaults, four times 60 of 100 pictures to calibrate): 23.19 dB with 2048 rows, 23.25 with
  /// 1024, 23.18 with 512, 23.28 with 256, 22.92 with 128 (which would save 2 % of the time).
  static constexpr int64_t kFewestOfGroups = 256;

  /// `node` has a constant weight. `num_samples` is how many samples will come; no block is wider than `widest`. Means
  /// are kept on request only. `rows_per_input`: how many rows are wanted for each input of a block; so many are enough
  /// to round weights, others ask for more. `fewest_of_groups`: how many at least where there are groups.
  LayerInputs(const ir::Node& node, int64_t num_samples, int widest, bool keep_means = true, int64_t rows_per_input = 4,
              int64_t fewest_of_groups = kFewestOfGroups);

  int groups() const { return groups_; }
  int width() const { return width_; }
  int64_t num_rows() const { return num_rows_; }
  const std::vector<Block>& blocks() const { return blocks_; }
  /// Bytes of the moments.
  int64_t bytes() const;

  /// The rows that one sample gives, [groups, rows, width]; with one group also those of several, one behind the other.
  using Rows = std::span<const float>;
  /// Most numbers that take_rows gives for one sample.
  size_t most_taken() const { return static_cast<size_t>(rows_per_sample_) * length(); }
  /// Puts the rows of some positions of `input`, chosen by the sample's number, into `rows` (which holds most_taken()
  /// numbers) and returns how many numbers they are; thread-safe. Errors: invalid.
  Result<size_t> take_rows(const ir::Node& node, const ir::Tensor& input, int64_t sample, std::span<float> rows) const;
  /// Of a value as large as the layer's output: what stands at the same positions, [rows, outputs], into `rows`, which
  /// holds most_outputs_taken() numbers; returns how many they are.
  size_t take_outputs(const ir::Node& node, const ir::Tensor& value, int64_t sample, std::span<float> rows) const;
  size_t most_outputs_taken() const { return static_cast<size_t>(rows_per_sample_ * outputs_); }
  int64_t outputs() const { return outputs_; }
  /// Of the first rows that come: chooses what is subtracted from inputs before their products are summed. Sums of
  /// floats keep seven digits, and an input whose mean is many deviations from zero would lose its spread in them.
  /// Nothing is subtracted from others, nor without means.
  void choose_shift(std::span<const Rows> samples);
  void choose_shift(const float* panels, int64_t room, int64_t rows);
  /// Whether rows must be shifted before they are added.
  bool shifts() const { return !shift_.empty(); }
  void shift(std::span<float> rows) const;
  void shift(float* panels, int64_t room, int64_t rows) const;
  /// Makes the sums, zero, if they are not there.
  void make_sums();
  /// Adds the rows of some samples to the sums: add_means once, and add_products for every piece, in any order or side
  /// by side, after make_sums. The order of the samples decides the last bits. kReadAhead numbers behind every Rows
  /// must be readable.
  void add_means(std::span<const Rows> samples);
  void add_products(std::span<const Rows> samples, int64_t piece);
  static constexpr size_t kReadAhead = 64;
  int64_t num_pieces() const { return static_cast<int64_t>(pieces_.size()); }

  /// With one group rows may lie in panels instead, which takes less time: the same sums. Without panels: more groups.
  const RowPanels& panels() const { return panels_; }
  int64_t rows_per_sample() const { return rows_per_sample_; }
  /// As take_rows, into panels of `room` rows from `first_row` on; returns how many rows they are.
  Result<int64_t> take_rows(const ir::Node& node, const ir::Tensor& input, int64_t sample, float* panels, int64_t room,
                            int64_t first_row) const;
  /// Adds rows 0 .. rows - 1 of panels to the sums: add_means once, and add_products for every panel.
  void add_means(const float* panels, int64_t room, int64_t rows);
  void add_products(const float* panels, int64_t room, int64_t rows, size_t panel);

  /// Means of the inputs [groups, width], and of the rows as they were added.
  std::vector<double> means() const;
  std::vector<double> shifted_means() const;
  /// What was subtracted from input `i` of [groups, width].
  double shift_of(size_t i) const { return shift_.empty() ? 0 : shift_[i]; }
  /// Mean square of input `i` of the block.
  double mean_square(const Block& block, size_t i) const;
  /// Whether input `i` of the block varies beyond the rounding of its sums.
  bool varies(const Block& block, size_t i) const;
  /// Second moments of a block, symmetric [width, width]; around the mean when `centred`: those of inputs that do not
  /// vary beyond rounding are 0.
  std::vector<double> moments(const Block& block, bool centred) const;

 private:
  /// Some rows of the products of one block, or of several narrow ones.
  struct Piece {
    size_t first_block = 0, last_block = 0;  ///< up to, not including
    int first_row = 0, last_row = 0;         ///< of every block
  };
  /// Room for numbers that are written before they are read, kept from one use to the next.
  class Scratch {
   public:
    float* room(size_t numbers) {
      if (numbers > size_) numbers_ = std::make_unique_for_overwrite<float[]>(size_ = numbers);
      return numbers_.get();
    }

   private:
    std::unique_ptr<float[]> numbers_;
    size_t size_ = 0;
  };
  void make_pieces();
  /// Makes the shift of sums of `rows` numbers and their squares, [groups, width].
  void make_shift(std::span<const double> sums, std::span<const double> squares, int64_t rows);
  /// Adds rows [num_rows, width] of the block's group.
  void add_products(const float* rows, size_t num_rows, Block& block, const Piece& piece, Scratch& packed);
  /// Place of a block's first input in [groups, width].
  size_t start_of(const Block& block) const {
    return static_cast<size_t>(block.group) * static_cast<size_t>(width_) + static_cast<size_t>(block.first);
  }
  size_t length() const { return static_cast<size_t>(groups_) * static_cast<size_t>(width_); }  ///< of a row

  int groups_ = 1, width_ = 0;
  int64_t outputs_ = 0;
  int64_t rows_per_sample_ = 1, num_rows_ = 0;
  ir::Dims kernel_;  // spatial dims of a convolution's weight
  std::vector<Block> blocks_;
  std::vector<Piece> pieces_;
  RowPanels panels_;
  std::vector<double> sums_;  // [groups, width], or empty
  std::vector<float> shift_;  // the same; empty: zeros
  bool shift_chosen_ = false;
};

}  // namespace edgesmith::passes::quantize
