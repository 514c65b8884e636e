// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/base/large_buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace edgesmith {
namespace {

TEST(LargeBuffer, HoldsItsNumbersAtWholeLines) {
  for (const size_t count : {size_t{1}, size_t{1000}, size_t{700'000}}) {
    LargeBuffer buffer(count * sizeof(float));
    ASSERT_NE(buffer.floats(), nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.floats()) % 64, 0U);
    std::fill_n(buffer.floats(), count, 1.5F);
    const float* const numbers = buffer.floats();
    LargeBuffer other = std::move(buffer);
    EXPECT_EQ(other.floats(), numbers);
    EXPECT_EQ(other.floats()[count - 1], 1.5F);
  }
  EXPECT_EQ(LargeBuffer(0).floats(), nullptr);
}

}  // namespace
}  // namespace edgesmith
