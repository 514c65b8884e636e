// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/ops/pair_sums.h"

namespace edgesmith::ops {

std::vector<int64_t> summing_order(int64_t channels, int64_t taps) {
  std::vector<int64_t> order;
  for (int64_t tap = 0; tap < taps; ++tap) {
    for (int64_t channel = 0; channel < channels; ++channel) order.push_back(channel * taps + tap);
  }
  return order;
}

std::vector<std::pair<int64_t, int64_t>> summed_pairs(int64_t channels, int64_t taps) {
  const std::vector<int64_t> order = summing_order(channels, taps);
  std::vector<std::pair<int64_t, int64_t>> pairs;
  for (size_t k = 0; k + 1 < order.size(); k += 2) pairs.emplace_back(order[k], order[k + 1]);
  if (channels % 2 == 0) return pairs;
  // Taps that begin at an odd product; the others' pairs are there already.
  for (int64_t tap = 1; tap < taps; tap += 2) {
    for (int64_t channel = 0; channel + 1 < channels; channel += 2) {
      pairs.emplace_back(channel * taps + tap, (channel + 1) * taps + tap);
    }
  }
  return pairs;
}

bool adds_pairs(const ir::Node& node) {
  if (!node.is(ir::OpKind::conv)) return true;
  const auto dims = node.input(1)->type().static_dims();
  return !dims || dims->size() < 2 || (*dims)[1] != 1 || (*dims)[0] != node.attributes().get_int("group", 1);
}

}  // namespace edgesmith::ops
