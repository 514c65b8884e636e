// SPDX-License-Identifier: Apache-2.0
// Codes that are near and cheap: squared error plus what a packer spends on the code.
//
// An entropy coder spends -log2 p bits on a code of probability p. When a bit is worth `price` of the output error,
// the best of the allowed codes is the one with the least error + price * bits: rate-distortion theory's Lagrangian,
// put into the sweep as in CERWU (Conzelmann and Bamler 2025, "Reducing storage of pretrained neural networks by
// rate-constrained quantization and entropy coding", arXiv 2505.18758).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "passes/reconstruct/sweep.h"

namespace edgesmith::passes::reconstruct {

/// What codes of a layer cost, by their counts. Rows of few large codes are counted apart from rows of many: `pack`
/// tells them apart by what came before.
class CodeRates {
 public:
  CodeRates(int low, int high);

  /// Counts the codes of a row.
  void learn(std::span<const int> codes);
  /// Bits by code - low, for a row whose codes have the mean magnitude given: by what was counted in such rows and,
  /// as far as those are few, by the geometric distribution of that mean.
  std::vector<double> bits(double mean_magnitude) const;

 private:
  static size_t class_of(double mean_magnitude);

  int low_, high_;
  std::vector<std::vector<double>> counts_;  // by class and code - low
  std::vector<double> totals_;               // by class
};

double mean_magnitude(std::span<const int> codes);

/// The codes that a row may choose from.
struct RatedGrid {
  double scale = 1;
  int low = 0;
  std::vector<double> bits;         ///< by code - low
  double price = 0;                 ///< output error that a bit is worth
  std::span<const double> zeros{};  ///< by weight: zeros that must stay zero; may be empty

  int high() const { return low + static_cast<int>(bits.size()) - 1; }
  /// The code with the least weight * (value - scale * code)^2 + price * bits, of the nearest, its neighbour towards
  /// zero, and zero.
  int choose(double value, double weight) const;
};

/// Rated grids for some rows of a sweep.
class RatedGrids final : public Projection {
 public:
  std::vector<RatedGrid> rows;
  /// Columns are those of a block that starts at `first`, with its factor.
  void start_block(const MomentFactor& factor, int first);
  double project(int row, int column, double value) override;

 private:
  int first_ = 0;
  std::vector<double> weights_;  // by column of the block: what its error weighs
};

/// As descend(), by error plus price times bits. `first`: place of the block within the row.
bool descend_rated(const Row& row, std::span<const double> moments, const RatedGrid& grid, int first);

}  // namespace edgesmith::passes::reconstruct
