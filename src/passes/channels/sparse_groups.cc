// SPDX-License-Identifier: Apache-2.0
#include "passes/channels/sparse_groups.h"

#include <utility>
#include <vector>

namespace edgesmith::passes {
namespace {

// Fewer groups than this, or fewer zeros, may look like a pattern by chance.
constexpr int64_t kFewestGroups = 16;
constexpr double kFewestZeros = 0.05;
// N:M weights with fewer left than this share may be zeros of any kind.
constexpr double kFewestLeft = 0.375;

// Whether every group of `outputs` by `inputs` at one tap has a number of zeros that `fits`.
template <typename Fits>
bool all_groups(const LayerWeights& weights, int64_t outputs, int64_t inputs, const Fits& fits) {
  if (weights.outputs % outputs != 0 || weights.inputs % inputs != 0) return false;
  if (weights.outputs * weights.inputs * weights.taps / (outputs * inputs) < kFewestGroups) return false;
  for (int64_t m = 0; m < weights.outputs; m += outputs) {
    for (int64_t c = 0; c < weights.inputs; c += inputs) {
      for (int64_t tap = 0; tap < weights.taps; ++tap) {
        int64_t zeros = 0;
        for (int64_t i = 0; i < outputs * inputs; ++i) {
          zeros += weights.of(m + i / inputs, c + i % inputs)[tap] == 0 ? 1 : 0;
        }
        if (!fits(zeros)) return false;
      }
    }
  }
  return true;
}

// Zeros that are not those of whole channels, and the weights of the other channels.
std::pair<int64_t, int64_t> scattered_zeros(const LayerWeights& weights) {
  std::vector<int64_t> by_output(static_cast<size_t>(weights.outputs), 0);
  std::vector<int64_t> by_input(static_cast<size_t>(weights.inputs), 0);
  const auto for_each = [&](const auto& visit) {
    for (int64_t m = 0; m < weights.outputs; ++m) {
      for (int64_t c = 0; c < weights.inputs; ++c) {
        for (int64_t tap = 0; tap < weights.taps; ++tap) {
          visit(by_output[static_cast<size_t>(m)], by_input[static_cast<size_t>(c)], weights.of(m, c)[tap] == 0);
        }
      }
    }
  };
  for_each([](int64_t& output, int64_t& input, bool zero) {
    output += zero ? 0 : 1;
    input += zero ? 0 : 1;
  });
  int64_t zeros = 0, size = 0;
  for_each([&](int64_t output, int64_t input, bool zero) {
    if (output == 0 || input == 0) return;
    zeros += zero ? 1 : 0;
    ++size;
  });
  return {zeros, size};
}

}  // namespace

SparseGroups sparse_groups(const LayerWeights& weights) {
  SparseGroups groups;
  const auto [zeros, size] = scattered_zeros(weights);
  if (static_cast<double>(zeros) <= kFewestZeros * static_cast<double>(size)) return groups;
  for (const int64_t block : {4, 2}) {
    const auto none_or_all = [&](int64_t count) { return count == 0 || count == block; };
    if (groups.outputs == 1 && all_groups(weights, block, 1, none_or_all)) groups.outputs = block;
    if (groups.inputs == 1 && all_groups(weights, 1, block, none_or_all)) groups.inputs = block;
  }
  if (static_cast<double>(size - zeros) < kFewestLeft * static_cast<double>(size)) return groups;
  for (const int64_t group : {8, 4}) {
    const auto half = [&](int64_t count) { return 2 * count >= group; };
    if (all_groups(weights, 1, group, half)) groups.inputs = group;
  }
  return groups;
}

}  // namespace edgesmith::passes
