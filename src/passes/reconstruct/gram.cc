// SPDX-License-Identifier: Apache-2.0
#include "passes/reconstruct/gram.h"

#include <algorithm>

#include "passes/reconstruct/moments.h"
#include "runtime/isa.h"
#include "runtime/native/packing.h"

namespace edgesmith::passes::reconstruct {
namespace {

// Rows of products that one thread adds to at a time.
constexpr int kRowsPerPiece = 96;
// Blocks up to this wide (depthwise convolutions) are added without packing.
constexpr int kNarrow = 32;

}  // namespace

Gram::Gram(const ir::Node& node, int64_t num_samples, int widest, int64_t rows_per_input)
    : inputs_(node, num_samples, widest, true, rows_per_input) {
  for (size_t b = 0; b < inputs_.blocks().size(); ++b) {
    const int width = inputs_.blocks()[b].width;
    products_.emplace_back(static_cast<size_t>(width) * static_cast<size_t>(width), 0.0F);
    for (int row = 0; row < width; row += kRowsPerPiece) {
      pieces_.push_back({b, row, std::min(width, row + kRowsPerPiece)});
    }
  }
  sums_.assign(static_cast<size_t>(inputs_.groups()) * static_cast<size_t>(inputs_.width()), 0.0);
}

void Gram::add(std::span<const Rows> current, std::span<const Rows> reference, ThreadPool& pool) {
  inputs_.add_means(current);
  pool.parallel_for(inputs_.num_pieces(), [&](int64_t piece, int) { inputs_.add_products(current, piece); });
  const auto width = static_cast<size_t>(inputs_.width());
  std::vector<float> differences;
  for (size_t s = 0; s < current.size(); ++s) {
    const Rows x = current[s], y = reference[s];
    if (std::equal(x.begin(), x.end(), y.begin())) continue;
    differs_ = true;
    differences.resize(x.size());
    for (size_t i = 0; i < x.size(); ++i) differences[i] = y[i] - x[i];
    const size_t count = x.size() / sums_.size();
    for (size_t g = 0; g < sums_.size() / width; ++g) {
      for (size_t r = 0; r < count; ++r) {
        const float* row = &differences[(g * count + r) * width];
        for (size_t i = 0; i < width; ++i) sums_[g * width + i] += row[i];
      }
    }
    pool.parallel_for(static_cast<int64_t>(pieces_.size()), [&](int64_t piece, int) {
      add_differences(pieces_[static_cast<size_t>(piece)], differences.data(), x);
    });
  }
}

void Gram::add_differences(const Piece& piece, const float* differences, const Rows& current) {
  using namespace runtime::native;
  const Block& block = inputs_.blocks()[piece.block];
  const int64_t width = inputs_.width(), columns = block.width, height = piece.last_row - piece.first_row;
  const auto count = static_cast<int64_t>(current.size() / sums_.size());
  const int64_t start = block.group * count * width + block.first;
  const float* x = current.data() + start;
  const float* d = differences + start + piece.first_row;
  float* products = &products_[piece.block][static_cast<size_t>(piece.first_row * columns)];
  if (columns <= kNarrow) {
    for (int64_t r = 0; r < count; ++r, x += width, d += width) {
      for (int64_t i = 0; i < height; ++i) {
        for (int64_t j = 0; j < columns; ++j) products[i * columns + j] += d[i] * x[j];
      }
    }
    return;
  }
  const NativeTable& table = native_table(*runtime::isa_in_use());
  const runtime::Epilogue none;
  std::vector<float> packed(static_cast<size_t>(packed_columns_size(columns, count, table)));
  pack_columns({x, width, 1, count, columns}, 1.0F, table, packed.data());
  multiply(table, {{d, 1, width, height, count}, packed.data(), columns, nullptr, products, columns, true}, none);
}

std::vector<double> Gram::differences(size_t b, bool centred) const {
  const Block& block = inputs_.blocks()[b];
  const auto n = static_cast<size_t>(block.width);
  const auto rows = static_cast<double>(std::max<int64_t>(1, inputs_.num_rows()));
  const std::vector<double> means = inputs_.means();
  const size_t first =
      static_cast<size_t>(block.group) * static_cast<size_t>(inputs_.width()) + static_cast<size_t>(block.first);
  std::vector<double> out(n * n);
  for (size_t i = 0; i < n; ++i) {
    const double mean = centred ? sums_[first + i] / rows : 0;
    for (size_t j = 0; j < n; ++j) out[i * n + j] = products_[b][i * n + j] / rows - mean * means[first + j];
  }
  return out;
}

std::vector<double> Gram::reference_means() const {
  std::vector<double> means = inputs_.means();
  const auto rows = static_cast<double>(std::max<int64_t>(1, inputs_.num_rows()));
  for (size_t i = 0; i < means.size(); ++i) means[i] += sums_[i] / rows;
  return means;
}

void aim_at_reference(std::span<double> row, std::span<const double> factor, std::span<const double> differences) {
  const size_t n = row.size();
  std::vector<double> change(n, 0.0);
  for (size_t i = 0; i < n; ++i) {
    const double* of_input = &differences[i * n];
    for (size_t j = 0; j < n; ++j) change[j] += row[i] * of_input[j];
  }
  solve(factor, n, change);
  for (size_t i = 0; i < n; ++i) row[i] += change[i];
}

}  // namespace edgesmith::passes::reconstruct
