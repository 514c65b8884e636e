// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution of codes over interleaved rows, channels last. For one row of outputs, or two, the rows that
// they read are interleaved by four: a group is four rows of one column of one channel. Windows that move along the row
// then read vectors of groups as they lie, and every column serves all windows that meet it:
//
//   rows of the image      groups (one channel)       window 3 wide, two rows of outputs
//   a0 a1 a2 a3 ..         a0 b0 c0 d0                row 0: (a b c .) at columns x .. x + 2, weights (w0 w1 w2 0)
//   b0 b1 b2 b3 ..         a1 b1 c1 d1                row 1: (. b c d) at the same columns, weights (0 w0 w1 w2)
//   c0 c1 c2 c3 ..    =>   a2 b2 c2 d2
//   d0 d1 d2 d3 ..         ..
//
// Up to 4 * lanes channels are interleaved at a time, and so many columns that groups stay in the first-level cache. On
// a Zen 5 core with VNNI, 144 x 56 x 56 by 3 x 3 takes 38 us (107 GMAC/s) where interleaving for each window took 60,
// and 240 x 28 x 28 by 5 x 5 34 us (137 GMAC/s) in place of 67.
#pragma once

#include <optional>
#include <vector>

#include "edgesmith/base/result.h"
#include "runtime/kernel_registry.h"
#include "runtime/native/code_planes.h"
#include "runtime/native/int_packing.h"

namespace edgesmith::runtime::native {

class DepthwiseColumns {
 public:
  /// The layer `layer` of the convolution `form.node`, or nothing where another way is better or needed: windows one
  /// row high, few channels, weights that do not fit bytes or whose pairs in this order could leave 16 bits on `table`.
  static std::optional<DepthwiseColumns> make(const integer::WeightLayer& layer, const integer::Form& form,
                                              const IntTable& table);

  int64_t scratch_bytes(const PlaneWindow& window) const;
  /// Operand 0 and the result of `call` are codes, channels last.
  void run(const KernelCall& call, const PlaneWindow& window) const;

 private:
  int64_t row_slots() const { return 4 * groups_; }
  /// Bytes of one group in every lane.
  int64_t vector_bytes() const { return 4 * table_->lanes; }
  /// Channels that are interleaved together: four vectors of groups.
  int64_t slab() const { return 4 * table_->lanes; }
  int64_t pieces() const { return (channels_ + table_->lanes - 1) / table_->lanes; }
  int16_t weight_at(const int16_t* weight, int64_t slot, int64_t column, int row) const;
  bool pairs_safe(const integer::WeightLayer& layer) const;
  void pack(const integer::WeightLayer& layer);
  int64_t tile_outputs(const PlaneWindow& window) const;
  void run_tile(const PlaneWindow& window, const uint8_t* image, int64_t y, int64_t rows, int64_t x, int64_t count,
                uint8_t* out, uint8_t* scratch) const;
  void store_fixed_point(const IntColumnWindows& job, int64_t channel, int64_t rows) const;

  const IntTable* table_ = nullptr;
  int64_t channels_ = 0, kernel_height_ = 1, kernel_width_ = 1, stride_y_ = 1, dilation_y_ = 1;
  int rows_ = 1;        // of outputs at a time
  int64_t groups_ = 1;  // of four rows
  StoredCodes input_;
  CodeStore store_;
  AlignedBytes64 weights_;      // [pieces][kernel_width][groups][rows][lanes] groups
  std::vector<int32_t> start_;  // [pieces][lanes]
  std::vector<float> scale_;
  std::optional<integer::Requantize> fixed_point_;
};

}  // namespace edgesmith::runtime::native
