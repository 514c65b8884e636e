// SPDX-License-Identifier: Apache-2.0
// The weights of one layer as codebooks and indices, and how both are fitted to the layer's outputs.
//
//   weight m, i  ~  scale[m] * codebook[group of m][index m, i]
//
// For weights v instead of w the error of an output is (w - v)' H (w - v), H the second moments of its inputs. Where
// the bits that a packer spends on indices have a price, error and price are made least together: codebooks of entropy
// constrained quantization (Chou, Lookabaugh and Gray 1989, "Entropy-constrained vector quantization").
#pragma once

#include <cstdint>
#include <vector>

#include "edgesmith/base/thread_pool.h"
#include "passes/reconstruct/sweep.h"

namespace edgesmith::passes::share {

/// Inputs that some rows of weights meet, and are fitted to together.
struct Block {
  int64_t first_row = 0, rows = 0;   ///< the rows that meet them
  int64_t first = 0, width = 0;      ///< of the weights of such a row
  std::vector<double> moments;       ///< H, symmetric [width, width], regular
  reconstruct::MomentFactor factor;  ///< of the same matrix
};

struct SharedRows {
  int64_t outputs = 0, width = 0;
  std::vector<double> wanted;                  ///< [outputs][width]
  std::vector<bool> zero;                      ///< [outputs][width]: must stay zero; empty: none
  int64_t group = 1;                           ///< rows that share a codebook; the last group may have fewer
  std::vector<double> scale;                   ///< [outputs]
  std::vector<std::vector<double>> codebooks;  ///< by group, ascending
  std::vector<uint8_t> index;                  ///< [outputs][width]
  double price = 0;                            ///< output error that a bit of an index is worth
  std::vector<std::vector<double>> bits;       ///< by group and entry: of an index; empty until they are counted

  const std::vector<double>& codebook_of(int64_t row) const { return codebooks[static_cast<size_t>(row / group)]; }
  double value(int64_t row, int64_t column) const {
    const auto m = static_cast<size_t>(row);
    return scale[m] * codebook_of(row)[index[m * static_cast<size_t>(width) + static_cast<size_t>(column)]];
  }
  /// All of them, [outputs][width].
  std::vector<double> values() const;
};

/// Codebooks of at most `entries` by exact weighted k-means, and the nearest entry for every weight. `importance` is
/// [outputs][width], or empty: all weigh the same. Where weights must stay zero, one entry is zero.
void cluster_rows(SharedRows& rows, int64_t entries, const std::vector<double>& importance, ThreadPool& pool);

/// Counts the indices: every entry costs what an ideal coder spends on it that knows the codebook's frequencies.
void count_bits(SharedRows& rows);
/// What all indices cost.
double index_bits(const SharedRows& rows);
/// The entry of the row's codebook with the least weight * (value - scale * entry)^2 + price * bits.
size_t choose_entry(const SharedRows& rows, int64_t row, double value, double weight);

/// Fits indices and codebooks to the outputs, starting from cluster_rows: the engine's sweep assigns, then codebooks
/// (and scales, when `fit_scales`) are solved by least squares and single assignments improved, in turns; the best is
/// kept. With a price bits are counted anew in every turn, and entries that no weight uses any more are dropped.
/// `quick`: one sweep and one turn. Every weight belongs to one block. Returns the sum of output errors.
double fit_rows(SharedRows& rows, const std::vector<Block>& blocks, bool fit_scales, bool quick, ThreadPool& pool);

/// Entries become multiples of steps[group], at most `limit` of them, and assignments follow (to the nearest, or to the
/// outputs when there are blocks). `steps` get the finest that hold the entries. Returns the sum of output errors.
double round_entries(SharedRows& rows, const std::vector<Block>& blocks, int limit, std::vector<double>& steps,
                     ThreadPool& pool);

/// Entries become short floats (ir/short_floats.h), and assignments follow likewise. Returns the sum of output errors.
double shorten_entries(SharedRows& rows, const std::vector<Block>& blocks, ThreadPool& pool);

/// The rows' output errors, and their sum.
std::vector<double> output_errors(const SharedRows& rows, const std::vector<Block>& blocks, ThreadPool& pool);
double output_error(const SharedRows& rows, const std::vector<Block>& blocks, ThreadPool& pool);

}  // namespace edgesmith::passes::share
