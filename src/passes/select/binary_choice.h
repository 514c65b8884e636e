// SPDX-License-Identifier: Apache-2.0
// Many choices between two ways at once, where neighbours that choose differently cost something.
#pragma once

#include <cstdint>
#include <vector>

namespace edgesmith::passes::select {

/// Items 0 .. n-1 each choose the first way or the second.
struct BinaryChoice {
  /// An item that cannot choose: it always goes the second way.
  static constexpr int kSecond = -1;

  struct Item {
    int64_t first = 0, second = 0;  ///< cost of each way, at least 0
  };
  /// `cost` is due once when `pivot` goes the way that `pivot_first` says and any of `others` goes the other way.
  struct Difference {
    int pivot = kSecond;
    bool pivot_first = true;
    std::vector<int> others;
    int64_t cost = 0;
  };
  std::vector<Item> items;
  std::vector<Difference> differences;

  /// What a choice costs (by item: true for the first way).
  int64_t cost_of(const std::vector<bool>& first) const;
  /// The cheapest choice; of several, the one that goes the first way most often. Exact: such costs are those of a cut
  /// (V. Kolmogorov and R. Zabih, "What energy functions can be minimized via graph cuts?", 2004).
  std::vector<bool> solve() const;
};

}  // namespace edgesmith::passes::select
