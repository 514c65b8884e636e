// SPDX-License-Identifier: Apache-2.0
#include "runtime/arena.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "edgesmith/base/random.h"

namespace edgesmith::runtime {
namespace {

// Largest sum of bytes alive, by looking at every step.
int64_t brute_force_live(const std::vector<Buffer>& buffers, int steps) {
  int64_t most = 0;
  for (int s = 0; s < steps; ++s) {
    int64_t alive = 0;
    for (const Buffer& buffer : buffers) alive += buffer.first <= s && s <= buffer.last ? buffer.bytes : 0;
    most = std::max(most, alive);
  }
  return most;
}

void expect_disjoint(const std::vector<Buffer>& buffers, const ArenaPlan& plan) {
  for (size_t a = 0; a < buffers.size(); ++a) {
    ASSERT_LE(plan.offsets[a] + buffers[a].bytes, plan.bytes);
    for (size_t b = 0; b < a; ++b) {
      const bool together = buffers[a].first <= buffers[b].last && buffers[b].first <= buffers[a].last;
      const bool overlap =
          plan.offsets[a] < plan.offsets[b] + buffers[b].bytes && plan.offsets[b] < plan.offsets[a] + buffers[a].bytes;
      ASSERT_FALSE(together && overlap && buffers[a].bytes > 0 && buffers[b].bytes > 0) << a << " and " << b;
    }
  }
}

TEST(Arena, NeverOverlapsBuffersThatLiveTogether) {
  Random random(1);
  for (int round = 0; round < 300; ++round) {
    const int steps = 1 + static_cast<int>(random.below(30));
    std::vector<Buffer> buffers(random.below(40));
    for (Buffer& buffer : buffers) {
      buffer.first = static_cast<int>(random.below(static_cast<uint64_t>(steps)));
      buffer.last = buffer.first + static_cast<int>(random.below(static_cast<uint64_t>(steps - buffer.first)));
      buffer.bytes = random.below(4) == 0 ? 0 : static_cast<int64_t>(random.below(1000));
    }
    const ArenaPlan plan = plan_arena(buffers);
    expect_disjoint(buffers, plan);
    for (const int64_t offset : plan.offsets) EXPECT_EQ(offset % kArenaAlignment, 0);
    EXPECT_EQ(live_bytes(buffers), brute_force_live(buffers, steps));
    const ArenaPlan tight = plan_arena(buffers, 1);
    expect_disjoint(buffers, tight);
    EXPECT_GE(tight.bytes, live_bytes(buffers));
  }
}

TEST(Arena, ReusesTheMemoryOfAChain) {
  // x0 -> x1 -> x2 -> x3, each alive while it is made and while it is read.
  const std::vector<Buffer> chain = {{100, 0, 1}, {60, 1, 2}, {100, 2, 3}, {30, 3, 4}};
  const ArenaPlan plan = plan_arena(chain, 1);
  EXPECT_EQ(plan.bytes, 160);
  EXPECT_EQ(live_bytes(chain), 160);
}

TEST(Arena, PilesUpWhatOneNodeReads) {
  // x -> 20000 readers -> one sum; every other reader leaves something of the size of x that only the next step reads.
  const int count = 20000;
  std::vector<Buffer> buffers = {{64, 0, count}};
  for (int i = 0; i < count; ++i) buffers.push_back({64, i + 1, i % 2 == 0 ? count + 1 : i + 2});
  const ArenaPlan plan = plan_arena(buffers);
  EXPECT_EQ(plan.bytes, live_bytes(buffers));
  std::vector<int64_t> kept;
  for (size_t i = 1; i < buffers.size(); i += 2) kept.push_back(plan.offsets[i]);
  std::sort(kept.begin(), kept.end());
  EXPECT_EQ(std::adjacent_find(kept.begin(), kept.end()), kept.end());
}

TEST(Arena, OfNothingIsEmpty) {
  EXPECT_EQ(plan_arena({}).bytes, 0);
  EXPECT_EQ(live_bytes({}), 0);
}

}  // namespace
}  // namespace edgesmith::runtime
