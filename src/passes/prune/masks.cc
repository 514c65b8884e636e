// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/masks.h"

#include <algorithm>
#include <charconv>
#include <tuple>

namespace edgesmith::passes::prune {
namespace {

// A layer keeps at least one weight of so many.
constexpr int64_t kFewestKept = 100;

}  // namespace

Result<Pattern> parse_pattern(const std::string& text) {
  Pattern pattern;
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, pattern.keep);
  const bool colon = first.ec == std::errc() && first.ptr != end && *first.ptr == ':';
  const auto second = colon ? std::from_chars(first.ptr + 1, end, pattern.of) : first;
  if (!colon || second.ec != std::errc() || second.ptr != end || pattern.keep < 1 || pattern.keep >= pattern.of ||
      pattern.of > 64) {
    return usage_error("pattern '" + text + "' is not N:M with 0 < N < M", "2:4 keeps 2 of every 4 weights");
  }
  return pattern;
}

void mask_smallest(std::vector<Layer>& layers, const std::vector<std::vector<double>>& scores, int64_t count) {
  std::vector<std::tuple<double, size_t, size_t>> all;
  for (size_t l = 0; l < layers.size(); ++l) {
    for (size_t i = 0; i < scores[l].size(); ++i) all.emplace_back(scores[l][i], l, i);
  }
  std::sort(all.begin(), all.end());
  std::vector<int64_t> left;
  for (const Layer& layer : layers) left.push_back(layer.size() - (layer.size() + kFewestKept - 1) / kFewestKept);
  for (size_t i = 0; i < all.size() && count > 0; ++i) {
    const auto [score, layer, weight] = all[i];
    if (left[layer] == 0) continue;
    --left[layer];
    --count;
    layers[layer].kept[weight] = false;
  }
}

bool mask_pattern(Layer& layer, const std::vector<double>& scores, const Pattern& pattern) {
  const int64_t step = layer.group_step, size = layer.group_size;
  if (size % pattern.of != 0) return false;
  std::vector<size_t> group(static_cast<size_t>(pattern.of));
  for (int64_t m = 0; m < layer.outputs; ++m) {
    for (int64_t tap = 0; tap < step; ++tap) {
      for (int64_t first = 0; first < size; first += pattern.of) {
        for (int64_t i = 0; i < pattern.of; ++i) {
          group[static_cast<size_t>(i)] = static_cast<size_t>(m * layer.width + (first + i) * step + tap);
        }
        std::stable_sort(group.begin(), group.end(), [&](size_t a, size_t b) { return scores[a] < scores[b]; });
        for (int i = 0; i < pattern.of - pattern.keep; ++i) layer.kept[group[static_cast<size_t>(i)]] = false;
      }
    }
  }
  return true;
}

}  // namespace edgesmith::passes::prune
