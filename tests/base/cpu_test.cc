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

TEST(Cpu, NamesComeFromWhatLinuxSays) {
  EXPECT_EQ(cpu_name_in("processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu\n"), "AMD EPYC");
  const std::string a76 = "processor\t: 0\nCPU implementer\t: 0x41\nCPU variant\t: 0x4\nCPU part\t: 0xd0b\n\n";
  EXPECT_EQ(cpu_name_in(a76 + a76), "Cortex-A76");
  const std::string a55 = "processor\t: 2\nCPU implementer\t: 0x41\nCPU part\t: 0xd05";
  EXPECT_EQ(cpu_name_in(a76 + a55), "Cortex-A76 + Cortex-A55") << "big and little cores";
  EXPECT_EQ(cpu_name_in("CPU implementer\t: 0x99\nCPU part\t: 0x123\n"), "Arm core 0x99/0x123");
  EXPECT_EQ(cpu_name_in(""), "unknown");
  EXPECT_EQ(cpu_name_in("CPU part"), "unknown");
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
