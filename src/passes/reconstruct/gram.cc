// SPDX-License-Identifier: Apache-2.0
#include "passes/reconstruct/gram.h"

#include <algorithm>
#include <utility>

#include "runtime/isa.h"
#include "runtime/native/packing.h"

namespace edgesmith::passes::reconstruct {
namespace {

// Rows of products that one thread adds to at a time.
constexpr int kRowsPerPiece = 96;
// Rows of data that are put together for one product, where single samples have fewer.
constexpr int64_t kRowsPerRun = 512;
// Blocks up to this wide (depthwise convolutions) are added without packing.
constexpr int kNarrow = 32;
// Rows at least where there are groups: what is fitted here asks more of the products than rounding to eight bits.
constexpr int64_t kFewestRowsOfGroups = 2048;

// Rows of several samples, [groups, rows, width] each, as one such matrix: fill(s, group, first, count, to) makes the
// `count` numbers of sample s from `first` on.
template <typename Fill>
std::vector<float> join(std::span<const Gram::Rows> samples, size_t groups, Fill fill) {
  size_t size = 0;
  for (const Gram::Rows rows : samples) size += rows.size();
  std::vector<float> joined(size + quantize::LayerInputs::kReadAhead);
  float* to = joined.data();
  for (size_t g = 0; g < groups; ++g) {
    for (size_t s = 0; s < samples.size(); ++s) {
      const size_t count = samples[s].size() / groups;
      fill(s, g, g * count, count, to);
      to += count;
    }
  }
  return joined;
}

// wanted - own.
std::vector<float> differences_of(std::span<const Gram::Rows> own, std::span<const Gram::Rows> wanted, size_t groups) {
  return join(own, groups, [&](size_t s, size_t, size_t first, size_t count, float* to) {
    const float* a = own[s].data() + first;
    const float* b = wanted[s].data() + first;
    for (size_t i = 0; i < count; ++i) to[i] = b[i] - a[i];
  });
}

bool all_equal(std::span<const Gram::Rows> a, std::span<const Gram::Rows> b) {
  for (size_t s = 0; s < a.size(); ++s) {
    if (!std::equal(a[s].begin(), a[s].end(), b[s].begin())) return false;
  }
  return true;
}

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

Gram::Gram(const ir::Node& node, int64_t num_samples, int widest, int64_t rows_per_input, bool residual)
    : inputs_(node, num_samples, widest, true, rows_per_input, kFewestRowsOfGroups), residual_(residual) {
  for (size_t b = 0; b < inputs_.blocks().size(); ++b) {
    const int width = inputs_.blocks()[b].width;
    for (int row = 0; row < width; row += kRowsPerPiece) {
      pieces_.push_back({b, row, std::min(width, row + kRowsPerPiece)});
    }
  }
  for (Half& half : halves_) {
    half.sums.assign(length(), 0.0);
    half.added_sums.assign(static_cast<size_t>(inputs_.outputs()), 0.0);
  }
}

void Gram::add(std::span<const Sample> current, std::span<const Sample> reference, ThreadPool& pool) {
  std::vector<Rows> rows;
  for (const Sample& sample : current) rows.push_back(sample.inputs);
  inputs_.add_means(rows);
  pool.parallel_for(inputs_.num_pieces(), [&](int64_t piece, int) { inputs_.add_products(rows, piece); });
  for (size_t h = 0; h < kHalves; ++h) {
    Run run;
    for (size_t s = 0; s < current.size(); ++s) {
      if ((static_cast<size_t>(num_samples_) + s) % kHalves != h) continue;
      const auto count = static_cast<int64_t>(current[s].inputs.size() / length());
      if (run.rows > 0 && run.rows + count > kRowsPerRun) add(halves_[h], std::exchange(run, {}), pool);
      run.inputs.push_back(current[s].inputs);
      run.wanted_inputs.push_back(reference[s].inputs);
      run.added.push_back(current[s].added);
      run.wanted_added.push_back(reference[s].added);
      run.rows += count;
    }
    add(halves_[h], run, pool);
  }
  num_samples_ += static_cast<int64_t>(current.size());
}

void Gram::add(Half& half, const Run& run, ThreadPool& pool) {
  half.rows += run.rows;
  const bool of_inputs = !all_equal(run.inputs, run.wanted_inputs);
  const bool of_added = residual() && !all_equal(run.added, run.wanted_added);
  if (!of_inputs && !of_added) return;
  differs_ = true;
  const auto width = static_cast<size_t>(inputs_.width());
  const auto groups = static_cast<size_t>(inputs_.groups());
  const std::vector<float> shifted =
      join(run.inputs, groups, [&](size_t s, size_t g, size_t first, size_t count, float* to) {
        const float* from = run.inputs[s].data() + first;
        const float* shift = &inputs_.shift()[g * width];
        for (size_t row = 0; row < count; row += width) {
          for (size_t i = 0; i < width; ++i) to[row + i] = from[row + i] - shift[i];
        }
      });
  if (of_inputs) add_differences(half, run, shifted.data(), pool);
  if (of_added) add_added(half, run, shifted.data(), pool);
}

void Gram::add_differences(Half& half, const Run& run, const float* shifted, ThreadPool& pool) {
  const int64_t width = inputs_.width();
  const std::vector<float> differences =
      differences_of(run.inputs, run.wanted_inputs, static_cast<size_t>(inputs_.groups()));
  const float* row = differences.data();
  for (size_t first = 0; first < half.sums.size(); first += static_cast<size_t>(width)) {
    for (int64_t r = 0; r < run.rows; ++r, row += width) {
      for (size_t i = 0; i < static_cast<size_t>(width); ++i) half.sums[first + i] += row[i];
    }
  }
  for (size_t b = half.products.size(); b < inputs_.blocks().size(); ++b) {
    const auto n = static_cast<size_t>(inputs_.blocks()[b].width);
    half.products.emplace_back(n * n, 0.0F);
  }
  pool.parallel_for(static_cast<int64_t>(pieces_.size()), [&](int64_t index, int) {
    const Piece& piece = pieces_[static_cast<size_t>(index)];
    const Block& block = inputs_.blocks()[piece.block];
    const int64_t start = block.group * run.rows * width + block.first;
    add_products(differences.data() + start + piece.first_row, width, shifted + start, width, run.rows,
                 piece.last_row - piece.first_row, block.width,
                 &half.products[piece.block][static_cast<size_t>(int64_t{piece.first_row} * block.width)]);
  });
}

void Gram::add_added(Half& half, const Run& run, const float* shifted, ThreadPool& pool) {
  const int64_t outputs = inputs_.outputs(), per_group = outputs_of_group();
  const std::vector<float> differences = differences_of(run.added, run.wanted_added, 1);
  const float* row = differences.data();
  for (int64_t r = 0; r < run.rows; ++r, row += outputs) {
    for (size_t m = 0; m < half.added_sums.size(); ++m) half.added_sums[m] += row[m];
  }
  for (size_t b = half.added_products.size(); b < inputs_.blocks().size(); ++b) {
    half.added_products.emplace_back(static_cast<size_t>(per_group * inputs_.blocks()[b].width), 0.0F);
  }
  pool.parallel_for(static_cast<int64_t>(half.added_products.size()), [&](int64_t b, int) {
    const Block& block = inputs_.blocks()[static_cast<size_t>(b)];
    add_products(differences.data() + block.group * per_group, outputs,
                 shifted + block.group * run.rows * inputs_.width() + block.first, inputs_.width(), run.rows, per_group,
                 block.width, half.added_products[static_cast<size_t>(b)].data());
  });
}

// Products over `count` rows, around the means or whole: `sums` belong to the `height` rows of the matrix. With c the
// shift, E[d x'] = E[d (x - c)'] + E[d] c'.
std::vector<double> Gram::mean_products(size_t b, const std::vector<std::vector<float>>& products, int64_t height,
                                        const double* sums, int64_t count, bool centred) const {
  const Block& block = inputs_.blocks()[b];
  const auto n = static_cast<size_t>(block.width);
  std::vector<double> out(static_cast<size_t>(height) * n);
  if (products.empty()) return out;
  const auto rows = static_cast<double>(std::max<int64_t>(1, count));
  const auto first = static_cast<size_t>(block.group * inputs_.width() + block.first);
  const std::vector<double> means = inputs_.means();
  std::vector<double> away(n);  // what products are around, from where they should be
  for (size_t j = 0; j < n; ++j) away[j] = (centred ? means[first + j] : 0) - inputs_.shift()[first + j];
  for (size_t i = 0; i < static_cast<size_t>(height); ++i) {
    const double mean = sums[i] / rows;
    for (size_t j = 0; j < n; ++j) out[i * n + j] = products[b][i * n + j] / rows - mean * away[j];
  }
  return out;
}

std::vector<double> Gram::differences(size_t b, size_t h, bool centred) const {
  const Block& block = inputs_.blocks()[b];
  const Half& half = halves_[h];
  return mean_products(b, half.products, block.width,
                       &half.sums[static_cast<size_t>(block.group * inputs_.width() + block.first)], half.rows,
                       centred);
}

std::vector<double> Gram::added_differences(size_t b, size_t h, bool centred) const {
  if (!residual()) return {};
  const Half& half = halves_[h];
  return mean_products(b, half.added_products, outputs_of_group(),
                       &half.added_sums[static_cast<size_t>(inputs_.blocks()[b].group * outputs_of_group())], half.rows,
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
