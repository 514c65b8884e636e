// SPDX-License-Identifier: Apache-2.0
// A time after which work stops as if the user had asked for it: loops that look at `interrupted()` need nothing more.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace edgesmith {

/// While it lives, `interrupted()` says true from `end` on, too. Without an `end` only what the user asks for counts,
/// whatever limit was in force before: for work that the time may not cut. One lives inside of another, all on the main
/// thread.
class TimeLimit {
 public:
  explicit TimeLimit(std::optional<std::chrono::steady_clock::time_point> end);
  ~TimeLimit();
  TimeLimit(const TimeLimit&) = delete;
  TimeLimit& operator=(const TimeLimit&) = delete;

 private:
  int64_t before_;
};

/// Of the limit in force, not below 0; nothing where there is none.
std::optional<double> seconds_left();
/// True once the limit in force is over.
bool out_of_time();
/// True once the user asked to stop: `interrupted()` without any limit of time.
bool stop_requested();

}  // namespace edgesmith
