// SPDX-License-Identifier: Apache-2.0
// Bits for every layer, within a budget: what weights of few bits and shared weights have in common.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "passes/reconstruct/knapsack.h"

namespace edgesmith::passes::reconstruct {

/// What a budget counts: bytes, or the error of the network's outputs. Neither: the bytes of equal widths.
struct BitBudget {
  std::optional<int64_t> bytes;
  std::optional<double> sqnr_db;
};

struct BitPlan {
  std::vector<int> bits;                    ///< by layer
  double total = 0;                         ///< bits that they take
  double error = 0;                         ///< expected relative squared error of the outputs
  double uniform_error = 0;                 ///< with equal widths
  std::optional<int> equal_width;           ///< the most bits that all layers may have within the same bytes
  double equal_total = 0, equal_error = 0;  ///< what `total` and `error` are with those
};

/// `layers[l][i]`: bits that layer l takes with a width of `fewest` + i, and the error of the outputs that it causes;
/// errors add up. The widths with the least error within the budget, or the fewest bits within its error: exact.
/// `uniform`: the width of all without a budget. Errors: usage (out of reach).
Result<BitPlan> plan_bits(const std::vector<std::vector<Choice>>& layers, int fewest, int uniform,
                          const BitBudget& budget);

/// Gives all layers the equal width.
void use_equal_width(BitPlan& plan);

/// "19.8 dB" for the squared error over the squared signal.
std::string decibels_text(double noise_to_signal);
/// "2 layers int3, 1 layer int4"; `unit` stands before the width.
std::string describe_widths(const std::vector<int>& bits, const std::string& unit);
/// What the plan expects, for the report.
std::string describe_plan(const BitPlan& plan, const BitBudget& budget, const std::string& uniform);

}  // namespace edgesmith::passes::reconstruct
