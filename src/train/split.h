// SPDX-License-Identifier: Apache-2.0
// Which samples are trained on and which ones judge, and in which order they come.
#pragma once

#include <cstdint>
#include <vector>

namespace edgesmith::train {

struct Split {
  std::vector<int64_t> train, held_out;  ///< ascending
};

/// Holds out a share of `size` samples, one at least: a seeded choice.
Split split_samples(int64_t size, double share, uint64_t seed);

/// `samples` in the order of epoch `epoch`: depends on the seed and the epoch alone.
std::vector<int64_t> shuffled(const std::vector<int64_t>& samples, uint64_t seed, int64_t epoch);

}  // namespace edgesmith::train
