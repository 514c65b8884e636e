// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace edgesmith::data {

/// `limit` of `size` samples, spread over the whole set: each comes from its own stretch, at a seeded place in it. With
/// `labels` (one a sample, else empty) classes get equal shares, within 1 where they have enough samples, and take
/// turns in the result; without, the order is the data's. All samples in order when `limit` is 0 or not below `size`.
std::vector<int64_t> choose_samples(int64_t size, const std::vector<int64_t>& labels, int64_t limit, uint64_t seed);

}  // namespace edgesmith::data
