// SPDX-License-Identifier: Apache-2.0
// Rows of inputs, laid out so that their products with each other read both operands where they lie.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace edgesmith::passes::quantize {

/// How a matrix X of rows lies: cut into panels of a few columns, none of which belongs to two blocks. The panels
/// follow one another, each [room][step], where `room` is how many rows there may be. X^T X of a block then takes no
/// packing.
class RowPanels {
 public:
  struct Panel {
    size_t block = 0;
    int64_t first = 0;   ///< its first column, of all
    int in_block = 0;    ///< the same of those of its block
    int columns = 0;     ///< at most a tile of the widest vectors
    int step = 0;        ///< numbers from one row to the next: the columns in whole vectors
    int64_t before = 0;  ///< numbers that one row has in the panels before
  };

  RowPanels() = default;
  /// Of blocks side by side.
  explicit RowPanels(std::span<const int> block_widths);

  const std::vector<Panel>& panels() const { return panels_; }
  /// Numbers that one row takes.
  int64_t floats_per_row() const { return panels_.empty() ? 0 : panels_.back().before + panels_.back().step; }

  /// products[i][j] += the sum over `rows` rows of x[i] x[j], in their order, for the columns i of a panel and all j of
  /// its block from the panel's first on. `products` are those of the block, row-major, `width` columns wide; x begins
  /// at a multiple of 64 bytes.
  void multiply(const float* x, int64_t room, int64_t rows, size_t panel, float* products, int64_t width) const;

  /// Moves the rows from `from` on, `count` of them, to where row `to` is (before them).
  void move_rows(float* x, int64_t room, int64_t from, int64_t to, int64_t count) const;

 private:
  std::vector<Panel> panels_;
};

}  // namespace edgesmith::passes::quantize
