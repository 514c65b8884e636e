// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

namespace edgesmith::passes::quantize {

/// Disjoint sets of values that must carry one scale (Galler and Fischer 1964, union-find with path halving).
class Ties {
 public:
  explicit Ties(int count) : parent_(static_cast<size_t>(count)) {
    for (int i = 0; i < count; ++i) parent_[static_cast<size_t>(i)] = i;
  }
  /// The representative of the set of `id`: its smallest member, so it does not depend on the order of the ties.
  int find(int id) {
    while (parent_[static_cast<size_t>(id)] != id) {
      int& up = parent_[static_cast<size_t>(id)];
      up = parent_[static_cast<size_t>(up)];
      id = up;
    }
    return id;
  }
  void tie(int a, int b) {
    a = find(a);
    b = find(b);
    parent_[static_cast<size_t>(a > b ? a : b)] = a > b ? b : a;
  }
  bool tied(int a, int b) { return find(a) == find(b); }

 private:
  std::vector<int> parent_;
};

}  // namespace edgesmith::passes::quantize
