// SPDX-License-Identifier: Apache-2.0
#include "data/subset.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "edgesmith/base/random.h"

namespace edgesmith::data {
namespace {

// `count` positions below `size`, ascending, one from each of `count` equal stretches.
std::vector<int64_t> spread(int64_t size, int64_t count, Random& random) {
  std::vector<int64_t> chosen;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t first = i * size / count, last = (i + 1) * size / count;
    chosen.push_back(first + static_cast<int64_t>(random.below(static_cast<uint64_t>(last - first))));
  }
  return chosen;
}

// Shares of `limit`: everybody gets one more in turn, in a seeded order, until it is used up or the class is.
std::vector<int64_t> equal_shares(const std::vector<std::vector<int64_t>>& classes, int64_t limit, Random& random) {
  std::vector<size_t> order(classes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  std::vector<int64_t> shares(classes.size(), 0);
  while (limit > 0) {
    for (const size_t c : order) {
      if (limit == 0 || shares[c] == static_cast<int64_t>(classes[c].size())) continue;
      ++shares[c];
      --limit;
    }
  }
  return shares;
}

}  // namespace

std::vector<int64_t> choose_samples(int64_t size, const std::vector<int64_t>& labels, int64_t limit, uint64_t seed) {
  if (limit <= 0 || limit >= size) {
    std::vector<int64_t> all(static_cast<size_t>(size));
    std::iota(all.begin(), all.end(), int64_t{0});
    return all;
  }
  Random random(seed);
  if (labels.empty()) return spread(size, limit, random);
  std::map<int64_t, std::vector<int64_t>> by_label;
  for (size_t i = 0; i < labels.size(); ++i) by_label[labels[i]].push_back(static_cast<int64_t>(i));
  std::vector<std::vector<int64_t>> classes;
  for (auto& [label, members] : by_label) classes.push_back(std::move(members));
  const std::vector<int64_t> shares = equal_shares(classes, limit, random);
  std::vector<std::vector<int64_t>> picked;
  for (size_t c = 0; c < classes.size(); ++c) {
    picked.push_back(spread(static_cast<int64_t>(classes[c].size()), shares[c], random));
    for (int64_t& position : picked[c]) position = classes[c][static_cast<size_t>(position)];
  }
  std::vector<int64_t> chosen;
  for (size_t turn = 0; static_cast<int64_t>(chosen.size()) < limit; ++turn) {
    for (const auto& members : picked) {
      if (turn < members.size()) chosen.push_back(members[turn]);
    }
  }
  return chosen;
}

}  // namespace edgesmith::data
