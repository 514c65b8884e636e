// SPDX-License-Identifier: Apache-2.0
// The clock that everything here is timed by.
#pragma once

#include <chrono>
#include <cstdint>

namespace edgesmith::refine {

using Clock = std::chrono::steady_clock;

inline int64_t nanoseconds_between(Clock::time_point start, Clock::time_point end) {
  return std::chrono::nanoseconds(end - start).count();
}

}  // namespace edgesmith::refine
