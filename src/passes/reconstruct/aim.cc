// SPDX-License-Identifier: Apache-2.0
#include "passes/reconstruct/aim.h"

#include <algorithm>
#include <array>

#include "passes/reconstruct/moments.h"

namespace edgesmith::passes::reconstruct {
namespace {

// Products of the estimates of two halves, in the power of the output.
struct Agreement {
  double common = 0, own = 0;  // of one with the other, and of each with itself (their mean)
};

// The right sides W D of a row, [width], with what is added to a shortcut.
std::vector<double> wanted_change(std::span<const double> weights, const std::vector<double>& differences,
                                  const std::vector<double>& added, int64_t output) {
  const size_t n = weights.size();
  std::vector<double> change(n, 0.0);
  if (!added.empty()) std::copy_n(added.begin() + output * static_cast<int64_t>(n), n, change.begin());
  for (size_t i = 0; i < n; ++i) {
    const double* of_input = &differences[i * n];
    for (size_t j = 0; j < n; ++j) change[j] += weights[i] * of_input[j];
  }
  return change;
}

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

void Aim::move(std::span<double> weights, double share) const {
  for (size_t k = 0; k < weights.size(); ++k) weights[k] += share * change[k];
}

Aim find_aim(const Gram& gram, bool centred, std::span<const std::span<const double>> moments, double damping,
             std::span<const double> weights, ThreadPool& pool) {
  const quantize::LayerInputs& inputs = gram.inputs();
  const int64_t per_group = inputs.outputs() / inputs.groups();
  const auto width = static_cast<size_t>(inputs.width());
  const auto rows = static_cast<double>(std::max<int64_t>(1, gram.rows_of(0) + gram.rows_of(1)));
  Aim aim{.change = std::vector<double>(weights.size(), 0.0)};
  std::vector<Agreement> agreements(moments.size());
  pool.parallel_for(static_cast<int64_t>(moments.size()), [&](int64_t index, int) {
    const auto b = static_cast<size_t>(index);
    const Gram::Block& block = inputs.blocks()[b];
    const auto n = static_cast<size_t>(block.width);
    std::vector<double> of_moments(moments[b].begin(), moments[b].end());
    factor(of_moments, n, damping_of(moments[b], n, damping) / 2);
    std::array<std::vector<double>, Gram::kHalves> differences, added;
    for (size_t h = 0; h < Gram::kHalves; ++h) {
      differences[h] = gram.differences(b, h, centred);
      added[h] = gram.added_differences(b, h, centred);
    }
    for (int64_t m = 0; m < per_group; ++m) {
      const size_t at = static_cast<size_t>(block.group * per_group + m) * width + static_cast<size_t>(block.first);
      std::array<std::vector<double>, Gram::kHalves> sides, solved;
      for (size_t h = 0; h < Gram::kHalves; ++h) {
        sides[h] = solved[h] = wanted_change(weights.subspan(at, n), differences[h], added[h], m);
        solve(of_moments, n, solved[h]);
        agreements[b].own += dot(sides[h], solved[h]) / Gram::kHalves;
        for (size_t k = 0; k < n; ++k) {
          aim.change[at + k] += static_cast<double>(gram.rows_of(h)) / rows * solved[h][k];
        }
      }
      agreements[b].common += dot(sides[0], solved[1]);
    }
  });
  Agreement all;
  for (const Agreement& own : agreements) {
    all.common += own.common;
    all.own += own.own;
  }
  const double of_mean = (all.own + all.common) / 2;
  if (of_mean > 0) aim.share = std::clamp(all.common / of_mean, 0.0, 1.0);
  return aim;
}

}  // namespace edgesmith::passes::reconstruct
