// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "passes/reconstruct/sweep.h"

namespace edgesmith::passes::reconstruct {

/// A value for a weight, and what it is worth beside the output error.
struct Proposal {
  double value = 0, bonus = 0;
};

/// One round of coordinate descent over a row: `propose(k, best, own)` gives another value for weight k, or none.
/// `best` is the value with the least output error beside the others, `own` what the weight's squared error costs. It
/// is taken where error falls, or the bonus is worth more. Returns whether a weight changed.
template <typename Propose>
bool descend_row(const Row& row, std::span<const double> moments, Propose propose) {
  // A step gains at least this share of what it moves the output by; more than rounding, so that rounds end.
  constexpr double kLeastGain = 1e-9;
  const auto [wanted, values] = row;
  const size_t n = wanted.size();
  std::vector<double> pull(n, 0.0);  // H (wanted - values)
  for (size_t k = 0; k < n; ++k) {
    const double error = wanted[k] - values[k];
    const double* of_input = &moments[k * n];
    for (size_t i = 0; i < n; ++i) pull[i] += of_input[i] * error;
  }
  bool changed = false;
  for (size_t k = 0; k < n; ++k) {
    const double own = moments[k * n + k];
    const std::optional<Proposal> proposal = propose(k, values[k] + pull[k] / own, own);
    if (!proposal) continue;
    const double step = proposal->value - values[k];
    if (!(step * (2 * pull[k] - step * own) + proposal->bonus > kLeastGain * own * step * step)) continue;
    values[k] += step;
    changed = true;
    const double* of_input = &moments[k * n];
    for (size_t i = 0; i < n; ++i) pull[i] -= of_input[i] * step;
  }
  return changed;
}

}  // namespace edgesmith::passes::reconstruct
