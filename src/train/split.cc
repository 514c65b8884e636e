// SPDX-License-Identifier: Apache-2.0
#include "train/split.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "edgesmith/base/random.h"

namespace edgesmith::train {
namespace {

// Fisher and Yates, in Durstenfeld's form.
void shuffle(std::vector<int64_t>& samples, Random random) {
  for (size_t i = samples.size(); i > 1; --i) std::swap(samples[i - 1], samples[random.below(i)]);
}

Random stream(uint64_t seed, uint64_t number) {
  Random mixer(seed ^ (number * 0xD1B54A32D192ED03ull));
  return Random(mixer.next());
}

}  // namespace

Split split_samples(int64_t size, double share, uint64_t seed) {
  std::vector<int64_t> samples(static_cast<size_t>(size));
  std::iota(samples.begin(), samples.end(), 0);
  shuffle(samples, stream(seed, 0));
  const auto count =
      std::clamp<int64_t>(std::llround(share * static_cast<double>(size)), 1, std::max<int64_t>(1, size - 1));
  Split split;
  split.held_out.assign(samples.begin(), samples.begin() + count);
  split.train.assign(samples.begin() + count, samples.end());
  std::sort(split.held_out.begin(), split.held_out.end());
  std::sort(split.train.begin(), split.train.end());
  return split;
}

std::vector<int64_t> shuffled(const std::vector<int64_t>& samples, uint64_t seed, int64_t epoch) {
  std::vector<int64_t> order = samples;
  shuffle(order, stream(seed, static_cast<uint64_t>(epoch) + 1));
  return order;
}

}  // namespace edgesmith::train
