// SPDX-License-Identifier: Apache-2.0
#include "passes/reconstruct/rate.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "passes/reconstruct/descent.h"

namespace edgesmith::passes::reconstruct {
namespace {

// Classes are half octaves of the mean magnitude, the first one up to 2^-6.
constexpr size_t kClasses = 28;
constexpr double kFirstClass = 12;
// So many codes weigh as much as the geometric distribution.
constexpr double kPriorCodes = 64;
// No code costs more than 16 bits.
constexpr double kLeastProbability = 1.0 / 65536;

}  // namespace

CodeRates::CodeRates(int low, int high)
    : low_(low),
      high_(high),
      counts_(kClasses, std::vector<double>(static_cast<size_t>(high - low + 1), 0.0)),
      totals_(kClasses, 0.0) {}

size_t CodeRates::class_of(double mean) {
  if (!(mean > 0)) return 0;
  return static_cast<size_t>(
      std::clamp(std::nearbyint(2 * std::log2(mean) + kFirstClass), 0.0, static_cast<double>(kClasses - 1)));
}

void CodeRates::learn(std::span<const int> codes) {
  const size_t c = class_of(mean_magnitude(codes));
  for (const int code : codes) counts_[c][static_cast<size_t>(code - low_)] += 1;
  totals_[c] += static_cast<double>(codes.size());
}

std::vector<double> CodeRates::bits(double mean) const {
  // Two-sided geometric: p(c) = (1 - t) / (1 + t) t^|c| has the mean magnitude 2 t / (1 - t^2).
  const double t = mean > 0 ? (std::sqrt(1 + mean * mean) - 1) / mean : 0;
  const size_t c = class_of(mean);
  std::vector<double> out;
  for (int code = low_; code <= high_; ++code) {
    const double geometric = (1 - t) / (1 + t) * std::pow(t, std::abs(code));
    const double p =
        (counts_[c][static_cast<size_t>(code - low_)] + kPriorCodes * geometric) / (totals_[c] + kPriorCodes);
    out.push_back(-std::log2(std::max(p, kLeastProbability)));
  }
  return out;
}

double mean_magnitude(std::span<const int> codes) {
  double sum = 0;
  for (const int code : codes) sum += std::abs(code);
  return codes.empty() ? 0 : sum / static_cast<double>(codes.size());
}

int RatedGrid::choose(double value, double weight) const {
  const double place = value / scale;
  const int nearest =
      static_cast<int>(std::clamp(std::nearbyint(place), static_cast<double>(low), static_cast<double>(high())));
  const auto cost = [&](int code) {
    const double off = (place - code) * scale;
    return weight * off * off + price * bits[static_cast<size_t>(code - low)];
  };
  int best = nearest;
  double least = cost(nearest);
  for (const int code : {nearest > 0 ? nearest - 1 : nearest + 1, 0}) {
    if (nearest == 0) break;
    const double other = cost(code);
    if (!(other < least)) continue;
    least = other;
    best = code;
  }
  return best;
}

void RatedGrids::start_block(const MomentFactor& factor, int first) {
  first_ = first;
  weights_.assign(static_cast<size_t>(factor.width), 0.0);
  for (size_t p = 0; p < weights_.size(); ++p) {
    const double pivot = factor.factor[p * static_cast<size_t>(factor.stride) + p];
    weights_[static_cast<size_t>(factor.order[p])] = pivot * pivot;
  }
}

double RatedGrids::project(int row, int column, double value) {
  const RatedGrid& grid = rows[static_cast<size_t>(row)];
  if (!grid.zeros.empty() && grid.zeros[static_cast<size_t>(first_ + column)] == 0) return 0;
  return grid.scale * grid.choose(value, weights_[static_cast<size_t>(column)]);
}

bool descend_rated(const Row& row, std::span<const double> moments, const RatedGrid& grid, int first) {
  const auto bits = [&](int code) { return grid.bits[static_cast<size_t>(code - grid.low)]; };
  return descend_row(row, moments, [&](size_t k, double best, double own) -> std::optional<Proposal> {
    if (!grid.zeros.empty() && grid.zeros[static_cast<size_t>(first) + k] == 0) return {};
    const int before = static_cast<int>(std::nearbyint(row.result[k] / grid.scale)), code = grid.choose(best, own);
    if (code == before) return {};
    return Proposal{grid.scale * code, grid.price * (bits(before) - bits(code))};
  });
}

}  // namespace edgesmith::passes::reconstruct
