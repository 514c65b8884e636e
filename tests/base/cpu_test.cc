// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/base/cpu.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

namespace edgesmith {
namespace {

TEST(Cpu, HasANameAndMemory) {
  EXPECT_FALSE(cpu_name().empty());
  EXPECT_GT(memory_bytes(), int64_t{1} << 20);
  EXPECT_GE(preemptions(), 0);
}

TEST(Cpu, APinnedThreadGetsItsCoresBack) {
  std::vector<int> before = allowed_cores();
  if (before.empty()) GTEST_SKIP() << "the system does not say which cores there are";
  {
    const PinnedThread pin(before.back());
    if (!pin.pinned()) GTEST_SKIP() << "the system lets no thread be pinned";
    EXPECT_EQ(allowed_cores(), std::vector<int>{before.back()});
  }
  std::vector<int> after = allowed_cores();
  std::sort(before.begin(), before.end());
  std::sort(after.begin(), after.end());
  EXPECT_EQ(after, before);
}

TEST(Cpu, PinsNothingWithoutACore) { EXPECT_FALSE(PinnedThread(-1).pinned()); }

TEST(Cpu, DenormalsAreFlushedWhileAskedFor) {
#if !defined(__x86_64__) && !defined(__aarch64__)
  GTEST_SKIP() << "not known how on this processor";
#endif
  volatile float small = std::numeric_limits<float>::min();
  const auto half = [&] { return small * 0.5f; };
  EXPECT_NE(half(), 0);
  {
    const FlushDenormals flush(true);
    EXPECT_EQ(half(), 0);
  }
  EXPECT_NE(half(), 0);
  const FlushDenormals nothing(false);
  EXPECT_NE(half(), 0);
}

}  // namespace
}  // namespace edgesmith
