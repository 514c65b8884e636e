// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/obs.h"

#include <algorithm>
#include <cmath>

#include "passes/reconstruct/moments.h"

namespace edgesmith::passes::prune {

RemovalTrace trace_removals(std::span<const double> weights, std::span<const double> inverse, int steps,
                            std::span<const int> groups, int most_of_group) {
  const size_t n = weights.size();
  std::vector<double> w(weights.begin(), weights.end()), h(inverse.begin(), inverse.end());
  std::vector<int> index(n);  // of what stands at each place: places past `left` are gone
  for (size_t i = 0; i < n; ++i) index[i] = static_cast<int>(i);
  std::vector<int> gone(groups.empty() ? 0 : static_cast<size_t>(*std::max_element(groups.begin(), groups.end())) + 1);
  const auto group_of = [&](size_t place) { return static_cast<size_t>(groups[static_cast<size_t>(index[place])]); };
  RemovalTrace trace;
  size_t left = n;
  for (int step = 0; step < steps && left > 0; ++step, --left) {
    size_t best = left;
    double least = INFINITY;
    for (size_t i = 0; i < left; ++i) {
      if (!groups.empty() && gone[group_of(i)] >= most_of_group) continue;
      const double loss = w[i] * w[i] / h[i * n + i];
      if (loss < least) {
        least = loss;
        best = i;
      }
    }
    if (best == left) break;
    if (!groups.empty()) ++gone[group_of(best)];
    trace.order.push_back(index[best]);
    trace.added.push_back(std::max(0.0, least));
    // The last place takes the removed one's, so that what is left stays together.
    const size_t last = left - 1;
    std::swap(w[best], w[last]);
    std::swap(index[best], index[last]);
    for (size_t i = 0; i < left; ++i) std::swap(h[best * n + i], h[last * n + i]);
    for (size_t i = 0; i < left; ++i) std::swap(h[i * n + best], h[i * n + last]);
    const double pivot = h[last * n + last], move = w[last] / pivot;
    const double* removed = &h[last * n];
    for (size_t i = 0; i < last; ++i) {
      w[i] -= removed[i] * move;
      const double factor = removed[i] / pivot;
      double* row = &h[i * n];
      for (size_t j = 0; j < last; ++j) row[j] -= factor * removed[j];
    }
  }
  return trace;
}

void refit(std::span<double> weights, const std::vector<bool>& kept, size_t first, std::span<const double> moments) {
  const size_t n = weights.size();
  std::vector<size_t> at;
  for (size_t i = 0; i < n; ++i) {
    if (kept[first + i]) at.push_back(i);
  }
  const size_t m = at.size();
  std::vector<double> matrix(m * m), target(m, 0.0);
  for (size_t a = 0; a < m; ++a) {
    const double* row = &moments[at[a] * n];
    for (size_t i = 0; i < n; ++i) target[a] += row[i] * weights[i];
    for (size_t b = 0; b < m; ++b) matrix[a * m + b] = row[at[b]];
  }
  reconstruct::factor(matrix, m);
  reconstruct::solve(matrix, m, target);
  std::fill(weights.begin(), weights.end(), 0.0);
  for (size_t a = 0; a < m; ++a) weights[at[a]] = target[a];
}

}  // namespace edgesmith::passes::prune
