// SPDX-License-Identifier: Apache-2.0
#include "passes/reconstruct/gram.h"

#include <algorithm>

#include "runtime/isa.h"
#include "runtime/native/packing.h"

namespace edgesmith::passes::reconstruct {
namespace {

// Rows of products that one thread adds to at a time.
constexpr int kRowsPerPiece = 96;
// Blocks up to this wide (depthwise convolutions) are added without packing.
constexpr int kNarrow = 32;
// Rows at least where there are groups: what is fitted here asks more of the products than rounding to eight bits.
constexpr int64_t kFewestRowsOfGroups = 2048;

}  // namespace

Gram::Gram(const ir::Node& node, int64_t num_samples, int widest, int64_t rows_per_input, bool residual)
    : inputs_(node, num_samples, widest, true, rows_per_input, kFewestRowsOfGroups), residual_(residual) {
  for (size_t b = 0; b < inputs_.blocks().size(); ++b) {
    const int width = inputs_.blocks()[b].width;
    for (int row = 0; row < width; row += kRowsPerPiece) {
      pieces_.push_back({b, row, std::min(width, row + kRowsPerPiece)});
    }
  }
  for (Half& half : halves_) {
    for (const Block& block : inputs_.blocks()) {
      const auto width = static_cast<size_t>(block.width);
      half.products.emplace_back(width * width, 0.0F);
      if (!residual) continue;
      half.added_products.emplace_back(static_cast<size_t>(inputs_.outputs() / inputs_.groups()) * width, 0.0F);
    }
    half.sums.assign(static_cast<size_t>(inputs_.groups()) * static_cast<size_t>(inputs_.width()), 0.0);
    half.added_sums.assign(static_cast<size_t>(inputs_.outputs()), 0.0);
  }
}

void Gram::add(std::span<const Sample> current, std::span<const Sample> reference, ThreadPool& pool) {
  std::vector<Rows> rows;
  for (const Sample& sample : current) rows.push_back(sample.inputs);
  inputs_.choose_shift(rows);
  std::vector<std::vector<float>> shifted(inputs_.shifts() ? rows.size() : 0);
  for (size_t s = 0; s < shifted.size(); ++s) {
    shifted[s].reserve(rows[s].size() + quantize::LayerInputs::kReadAhead);
    shifted[s].assign(rows[s].begin(), rows[s].end());
    inputs_.shift(shifted[s]);
    shifted[s].resize(rows[s].size() + quantize::LayerInputs::kReadAhead);
    rows[s] = Rows(shifted[s]).first(rows[s].size());
  }
  inputs_.add_means(rows);
  pool.parallel_for(inputs_.num_pieces(), [&](int64_t piece, int) { inputs_.add_products(rows, piece); });
  const auto width = static_cast<size_t>(inputs_.width());
  std::vector<float> differences;
  const auto subtract = [&](const Rows& x, const Rows& y) {
    differences.resize(x.size());
    for (size_t i = 0; i < x.size(); ++i) differences[i] = y[i] - x[i];
  };
  for (size_t s = 0; s < current.size(); ++s) {
    Half& half = halves_[static_cast<size_t>(num_samples_++) % kHalves];
    const Rows x = current[s].inputs, y = reference[s].inputs;
    const size_t count = x.size() / half.sums.size();
    half.rows += static_cast<int64_t>(count);
    if (!std::equal(x.begin(), x.end(), y.begin())) {
      differs_ = true;
      subtract(x, y);
      for (size_t g = 0; g < half.sums.size() / width; ++g) {
        for (size_t r = 0; r < count; ++r) {
          const float* row = &differences[(g * count + r) * width];
          for (size_t i = 0; i < width; ++i) half.sums[g * width + i] += row[i];
        }
      }
      pool.parallel_for(static_cast<int64_t>(pieces_.size()), [&](int64_t piece, int) {
        add_differences(half, pieces_[static_cast<size_t>(piece)], differences.data(), rows[s]);
      });
    }
    const Rows shortcut = current[s].added, wanted = reference[s].added;
    if (!residual() || std::equal(shortcut.begin(), shortcut.end(), wanted.begin())) continue;
    differs_ = true;
    subtract(shortcut, wanted);
    for (size_t r = 0; r < count; ++r) {
      for (size_t m = 0; m < half.added_sums.size(); ++m)
        half.added_sums[m] += differences[r * half.added_sums.size() + m];
    }
    pool.parallel_for(static_cast<int64_t>(half.added_products.size()), [&](int64_t block, int) {
      add_added(half, static_cast<size_t>(block), differences.data(), rows[s]);
    });
  }
}

namespace {

// products += d^T x: `height` columns of d, `columns` of x, over `count` rows.
void add_products(const float* d, int64_t d_stride, const float* x, int64_t x_stride, int64_t count, int64_t height,
                  int64_t columns, float* products) {
  if (columns <= kNarrow) {
    for (int64_t r = 0; r < count; ++r, x += x_stride, d += d_stride) {
      for (int64_t i = 0; i < height; ++i) {
        for (int64_t j = 0; j < columns; ++j) products[i * columns + j] += d[i] * x[j];
      }
    }
    return;
  }
  using namespace runtime::native;
  const NativeTable& table = native_table(*runtime::isa_in_use());
  const runtime::Epilogue none;
  std::vector<float> packed(static_cast<size_t>(packed_columns_size(columns, count, table)));
  pack_columns({x, x_stride, 1, count, columns}, 1.0F, table, packed.data());
  multiply(table, {{d, 1, d_stride, height, count}, packed.data(), columns, nullptr, products, columns, true}, none);
}

}  // namespace

void Gram::add_differences(Half& half, const Piece& piece, const float* differences, const Rows& current) {
  const Block& block = inputs_.blocks()[piece.block];
  const int64_t width = inputs_.width(), columns = block.width;
  const auto count = static_cast<int64_t>(current.size() / half.sums.size());
  const int64_t start = block.group * count * width + block.first;
  add_products(differences + start + piece.first_row, width, current.data() + start, width, count,
               piece.last_row - piece.first_row, columns,
               &half.products[piece.block][static_cast<size_t>(piece.first_row * columns)]);
}

void Gram::add_added(Half& half, size_t b, const float* differences, const Rows& current) {
  const Block& block = inputs_.blocks()[b];
  const int64_t width = inputs_.width(), outputs = inputs_.outputs(), per_group = outputs / inputs_.groups();
  const auto count = static_cast<int64_t>(current.size() / half.sums.size());
  add_products(differences + block.group * per_group, outputs,
               current.data() + block.group * count * width + block.first, width, count, per_group, block.width,
               half.added_products[b].data());
}

// Products over `count` rows, less those of the means: `sums` belong to the rows of the matrix. Inputs that do not vary
// have no part in them.
std::vector<double> Gram::mean_products(size_t b, const std::vector<float>& products, const double* sums, int64_t count,
                                        bool centred) const {
  const Block& block = inputs_.blocks()[b];
  const auto n = static_cast<size_t>(block.width);
  const auto rows = static_cast<double>(std::max<int64_t>(1, count));
  const std::vector<double> means = inputs_.shifted_means();
  const auto start = static_cast<size_t>(block.group * inputs_.width() + block.first);
  std::vector<double> out(products.size(), 0.0);
  for (size_t j = 0; j < n; ++j) {
    if (centred && !inputs_.varies(block, j)) continue;
    const double about = centred ? means[start + j] : -inputs_.shift_of(start + j);
    for (size_t i = 0; i < out.size() / n; ++i) out[i * n + j] = products[i * n + j] / rows - sums[i] / rows * about;
  }
  return out;
}

std::vector<double> Gram::differences(size_t b, size_t h, bool centred) const {
  const Block& block = inputs_.blocks()[b];
  const Half& half = halves_[h];
  return mean_products(b, half.products[b],
                       &half.sums[static_cast<size_t>(block.group * inputs_.width() + block.first)], half.rows,
                       centred);
}

std::vector<double> Gram::added_differences(size_t b, size_t h, bool centred) const {
  if (!residual()) return {};
  const int64_t per_group = inputs_.outputs() / inputs_.groups();
  const Half& half = halves_[h];
  return mean_products(b, half.added_products[b],
                       &half.added_sums[static_cast<size_t>(inputs_.blocks()[b].group * per_group)], half.rows,
                       centred);
}

std::vector<double> Gram::bias_change(std::span<const double> before, std::span<const double> after) const {
  const auto rows = static_cast<double>(std::max<int64_t>(1, inputs_.num_rows()));
  const std::vector<double> means = inputs_.means();
  const auto width = static_cast<size_t>(inputs_.width());
  const auto sum = [&](std::vector<double> Half::*of, size_t at) {
    double all = 0;
    for (const Half& half : halves_) all += (half.*of)[at];
    return all;
  };
  std::vector<double> change(static_cast<size_t>(inputs_.outputs()));
  const size_t per_group = change.size() / static_cast<size_t>(inputs_.groups());
  for (size_t m = 0; m < change.size(); ++m) {
    change[m] = sum(&Half::added_sums, m) / rows;
    for (size_t k = 0; k < width; ++k) {
      const size_t at = m * width + k, input = m / per_group * width + k;
      change[m] += before[at] * (means[input] + sum(&Half::sums, input) / rows) - after[at] * means[input];
    }
  }
  return change;
}

}  // namespace edgesmith::passes::reconstruct
