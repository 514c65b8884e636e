// SPDX-License-Identifier: Apache-2.0
// One choice for every layer, with the least loss that a budget allows: exact.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace edgesmith::passes::reconstruct {

/// One of the forms that a layer may take.
struct Choice {
  double cost = 0;  ///< what the budget is of
  double loss = 0;  ///< both >= 0 and finite
};

/// For every item the index of its choice, such that the costs add up to at most `budget` and the losses to the least
/// there is: the multiple-choice knapsack problem. Partial choices are extended item by item and dropped when another
/// one costs no more and loses no more, or when their Lagrangian bound (Sinha and Zoltners 1979, "The multiple-choice
/// knapsack problem") is no better than the solution of the greedy walk down the convex hulls. Of equally good ones the
/// first found stays, so the answer depends on the numbers alone. Empty: even the cheapest choices cost more.
std::optional<std::vector<size_t>> choose_within(std::span<const std::vector<Choice>> items, double budget);

}  // namespace edgesmith::passes::reconstruct
