// SPDX-License-Identifier: Apache-2.0
#include "train/code_bits.h"

#include <algorithm>
#include <cmath>

namespace edgesmith::train {

double code_bits(std::span<const float> reals, std::span<const float> learned, const CodeGrid& grid, double weight,
                 std::span<float> gradient) {
  std::vector<float> steps(learned.size());
  for (size_t s = 0; s < steps.size(); ++s) steps[s] = used_step(learned[s], grid.start[s]);
  const std::vector<float>&low = grid.bounds.low, &high = grid.bounds.high;
  const float least = *std::min_element(low.begin(), low.end()), most = *std::max_element(high.begin(), high.end());
  std::vector<double> bits(static_cast<size_t>(most - least) + 1, 0.5);
  const auto place_of = [&](float code) { return static_cast<size_t>(code - least); };
  for (size_t i = 0; i < reals.size(); ++i) {
    const size_t s = grid.places[i];
    ++bits[place_of(grid_code(reals[i], steps[s], low[s], high[s]))];
  }
  const double all = static_cast<double>(reals.size()) + 0.5 * static_cast<double>(bits.size());
  double total = 0;
  for (double& count : bits) {
    const double cost = -std::log2(count / all);
    total += (count - 0.5) * cost;
    count = cost;
  }
  for (size_t i = 0; i < gradient.size(); ++i) {
    const size_t s = grid.places[i];
    const float real = reals[i] / steps[s];
    if (!(real >= low[s] && real <= high[s])) continue;
    // On a code itself: the mean of both sides.
    const float below = std::max(low[s], std::ceil(real) - 1), above = std::min(high[s], std::floor(real) + 1);
    const double slope = (bits[place_of(above)] - bits[place_of(below)]) / std::max(1.0F, above - below);
    gradient[i] += static_cast<float>(weight * slope / static_cast<double>(steps[s]));
  }
  return total;
}

std::optional<double> mean_code_bits(std::span<const Parameter> parameters) {
  double bits = 0, count = 0;
  for (size_t p = 0; p + 1 < parameters.size(); ++p) {
    if (parameters[p].grid == nullptr) continue;
    const auto reals = parameters[p].value.data<float>();
    bits += code_bits(reals, parameters[p + 1].value.data<float>(), *parameters[p].grid, 0, {});
    count += static_cast<double>(reals.size());
  }
  return count > 0 ? std::optional(bits / count) : std::nullopt;
}

}  // namespace edgesmith::train
