// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/product_sums.h"

#include <algorithm>

#include "edgesmith/base/check.h"
#include "runtime/isa.h"
#include "runtime/native/packing.h"

namespace edgesmith::passes::quantize {

void ProductSums::start(bool many) {
  recent_.assign(width_ * width_, 0.0F);
  if (many) all_.assign(width_ * (width_ + 1) / 2, 0.0);
}

int64_t ProductSums::bytes(int width, bool many) {
  const int64_t n = width;
  return 4 * n * n + (many ? 4 * n * (n + 1) : 0);
}

// Both operands are packed, but read where they lie where X is narrow.
void ProductSums::add(const float* x, int64_t stride, int64_t count, int first_row, int last_row, Scratch& scratch) {
  using namespace runtime::native;
  const NativeTable& table = native_table(*runtime::isa_in_use());
  EDGESMITH_CHECK(table.nr <= static_cast<int>(kReadAhead));
  const runtime::Epilogue none;
  const auto width = static_cast<int64_t>(width_);
  float* sums = &recent_[static_cast<size_t>(first_row) * (width_ + 1)];
  const int64_t columns = width - first_row, height = last_row - first_row;
  if (columns > table.nr) {
    const int64_t size = packed_columns_size(columns, count, table);
    float* const right = scratch.room(static_cast<size_t>(size + height * count));
    pack_columns({x, stride, 1, count, columns}, 1.0F, table, right);
    float* const left = right + size;
    for (int64_t k = 0; k < count; ++k) std::copy_n(x + k * stride, height, left + k * height);
    multiply(table, {{left, 1, height, height, count}, right, columns, nullptr, sums, width, true}, none);
    return;
  }
  Tile tile = {};
  tile.a = tile.b = x;
  tile.a_row = 1;
  tile.a_k = tile.ldb = stride;
  tile.rows = height;
  tile.k = count;
  tile.add = true;
  tile.c = sums;
  tile.ldc = width;
  tile.epilogue = &none;
  set_vectors(tile, table, columns);
  table.gemm_tile(tile);
}

void ProductSums::fold(int first_row, int last_row) {
  for (auto i = static_cast<size_t>(first_row); i < static_cast<size_t>(last_row); ++i) {
    float* from = &recent_[i * width_];
    double* to = &all_[i * (2 * width_ - i - 1) / 2];
    for (size_t j = i; j < width_; ++j) to[j] += from[j];
    std::fill(from + i, from + width_, 0.0F);
  }
}

}  // namespace edgesmith::passes::quantize
