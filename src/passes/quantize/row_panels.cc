// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/row_panels.h"

#include <algorithm>
#include <cstring>

#include "runtime/isa.h"
#include "runtime/native/packing.h"

namespace edgesmith::passes::quantize {
namespace {

// Panels are as many vectors of AVX-512 as its tiles have. Narrower vectors read them in several tiles.
constexpr int kVector = 16, kVectors = 4;

}  // namespace

RowPanels::RowPanels(std::span<const int> block_widths) {
  int64_t first = 0, before = 0;
  for (size_t b = 0; b < block_widths.size(); ++b) {
    const int width = block_widths[b], vectors = (width + kVector - 1) / kVector;
    runtime::native::for_even_runs(vectors, kVectors, [&](int64_t vector, int64_t count) {
      const auto in_block = static_cast<int>(vector) * kVector, step = static_cast<int>(count) * kVector;
      panels_.push_back({b, first + in_block, in_block, std::min(step, width - in_block), step, before});
      before += step;
    });
    first += width;
  }
}

void RowPanels::multiply(const float* x, int64_t room, int64_t rows, size_t panel, float* products,
                         int64_t width) const {
  using namespace runtime::native;
  const NativeTable& table = native_table(*runtime::isa_in_use());
  const runtime::Epilogue none;
  const Panel& left = panels_[panel];
  Tile tile = {};
  tile.a = x + left.before * room;
  tile.a_row = 1;
  tile.a_k = left.step;
  tile.rows = left.columns;
  tile.k = rows;
  tile.add = true;
  tile.ldc = width;
  tile.epilogue = &none;
  for (size_t p = panel; p < panels_.size() && panels_[p].block == left.block; ++p) {
    const Panel& right = panels_[p];
    tile.ldb = right.step;
    for (int column = 0; column < right.columns; column += table.nr) {
      set_vectors(tile, table, std::min(table.nr, right.columns - column));
      tile.b = x + right.before * room + column;
      tile.c = products + left.in_block * width + right.in_block + column;
      table.gemm_tile(tile);
    }
  }
}

void RowPanels::move_rows(float* x, int64_t room, int64_t from, int64_t to, int64_t count) const {
  for (const Panel& panel : panels_) {
    float* const rows = x + panel.before * room;
    std::memmove(rows + to * panel.step, rows + from * panel.step,
                 static_cast<size_t>(count * panel.step) * sizeof(float));
  }
}

}  // namespace edgesmith::passes::quantize
