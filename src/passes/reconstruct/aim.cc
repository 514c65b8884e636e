// SPDX-License-Identifier: Apache-2.0
#include "passes/reconstruct/aim.h"

#include <algorithm>
#include <array>

#include "edgesmith/base/interruptible.h"

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

std::vector<double> factor_of(const Damped& moments, size_t n) {
  std::vector<double> matrix(moments.matrix.begin(), moments.matrix.end());
  factor(matrix, n, moments.added);
  return matrix;
}

double all_rows(const Gram& gram) {
  return static_cast<double>(std::max<int64_t>(1, gram.rows_of(0) + gram.rows_of(1)));
}

// What one half of the samples, or all of them, ask of a block.
struct Sides {
  std::vector<double> differences, added;
};

Sides sides_of(const Gram& gram, size_t block, size_t half, bool centred) {
  return {gram.differences(block, half, centred), gram.added_differences(block, half, centred)};
}

Sides sides_of_all(const Gram& gram, size_t block, bool centred) {
  const double rows = all_rows(gram);
  Sides all;
  for (size_t h = 0; h < Gram::kHalves; ++h) {
    const Sides half = sides_of(gram, block, h, centred);
    const double share = static_cast<double>(gram.rows_of(h)) / rows;
    all.differences.resize(half.differences.size());
    all.added.resize(half.added.size());
    for (size_t i = 0; i < half.differences.size(); ++i) all.differences[i] += share * half.differences[i];
    for (size_t i = 0; i < half.added.size(); ++i) all.added[i] += share * half.added[i];
  }
  return all;
}

}  // namespace

void Aim::move(std::span<double> weights) const {
  for (size_t k = 0; k < weights.size(); ++k) weights[k] += share * change[k];
}

Aim find_aim(const Gram& gram, bool centred, std::span<const Damped> moments, std::span<const double> weights,
             ThreadPool& pool) {
  const quantize::LayerInputs& inputs = gram.inputs();
  const int64_t per_group = inputs.outputs() / inputs.groups();
  const auto width = static_cast<size_t>(inputs.width());
  const double rows = all_rows(gram);
  Aim aim{.change = std::vector<double>(weights.size(), 0.0)};
  std::vector<Agreement> agreements(moments.size());
  interruptible_for(pool, static_cast<int64_t>(moments.size()), [&](int64_t index, int) {
    const auto b = static_cast<size_t>(index);
    const Gram::Block& block = inputs.blocks()[b];
    const auto n = static_cast<size_t>(block.width);
    const std::vector<double> of_moments = factor_of(moments[b], n);
    const std::array<Sides, Gram::kHalves> asked = {sides_of(gram, b, 0, centred), sides_of(gram, b, 1, centred)};
    for (int64_t m = 0; m < per_group && !interrupted(); ++m) {
      const size_t at = static_cast<size_t>(block.group * per_group + m) * width + static_cast<size_t>(block.first);
      std::array<std::vector<double>, Gram::kHalves> sides, solved;
      for (size_t h = 0; h < Gram::kHalves; ++h) {
        sides[h] = solved[h] = wanted_change(weights.subspan(at, n), asked[h].differences, asked[h].added, m);
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

std::vector<double> find_change(const Gram& gram, bool centred, std::span<const Damped> moments,
                                std::span<const double> weights, ThreadPool& pool) {
  const quantize::LayerInputs& inputs = gram.inputs();
  const int64_t per_group = inputs.outputs() / inputs.groups();
  const auto width = static_cast<size_t>(inputs.width());
  std::vector<double> change(weights.size(), 0.0);
  interruptible_for(pool, static_cast<int64_t>(moments.size()), [&](int64_t index, int) {
    const auto b = static_cast<size_t>(index);
    const Gram::Block& block = inputs.blocks()[b];
    const auto n = static_cast<size_t>(block.width);
    const std::vector<double> of_moments = factor_of(moments[b], n);
    const Sides asked = sides_of_all(gram, b, centred);
    for (int64_t m = 0; m < per_group && !interrupted(); ++m) {
      const size_t at = static_cast<size_t>(block.group * per_group + m) * width + static_cast<size_t>(block.first);
      std::vector<double> solved = wanted_change(weights.subspan(at, n), asked.differences, asked.added, m);
      solve(of_moments, n, solved);
      std::copy(solved.begin(), solved.end(), change.begin() + static_cast<std::ptrdiff_t>(at));
    }
  });
  return change;
}

}  // namespace edgesmith::passes::reconstruct
