// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/base/progress.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "edgesmith/base/interruptible.h"
#include "edgesmith/base/time_limit.h"

namespace edgesmith {
namespace {
constexpr int kInterruptCode = 130, kTerminationCode = 143;  // 128 + the signal, as shells have it

std::atomic<bool> interrupt_requested{false}, termination_requested{false};
std::atomic<int> held{0};
std::atomic<int64_t> time_end{0};  // in ticks of the clock; 0: none
static_assert(std::atomic<bool>::is_always_lock_free, "must be usable from a signal handler");

using Clock = std::chrono::steady_clock;

Clock::duration time_left(int64_t end) { return Clock::duration(end) - Clock::now().time_since_epoch(); }
bool is_held() { return held.load(std::memory_order_relaxed) > 0; }
}  // namespace

bool interrupted() { return stop_requested() || (out_of_time() && !is_held()); }
bool stop_requested() { return interrupt_requested.load(std::memory_order_relaxed) && !is_held(); }

bool out_of_time() {
  const int64_t end = time_end.load(std::memory_order_relaxed);
  return end != 0 && time_left(end) <= Clock::duration::zero();
}

std::optional<double> seconds_left() {
  const int64_t end = time_end.load(std::memory_order_relaxed);
  if (end == 0) return std::nullopt;
  return std::max(0.0, std::chrono::duration<double>(time_left(end)).count());
}

TimeLimit::TimeLimit(std::optional<Clock::time_point> end)
    : before_(time_end.exchange(end ? end->time_since_epoch().count() : 0)) {}
TimeLimit::~TimeLimit() { time_end.store(before_); }

void request_interrupt() { interrupt_requested.store(true, std::memory_order_relaxed); }

void request_termination() {
  termination_requested.store(true, std::memory_order_relaxed);
  request_interrupt();
}

int interrupt_exit_code() {
  return termination_requested.load(std::memory_order_relaxed) ? kTerminationCode : kInterruptCode;
}

Status check_interrupted() {
  return interrupted() ? Status(Error{ErrorKind::interrupted, "interrupted", {}}) : Status();
}

void interruptible_for(ThreadPool& pool, int64_t count, const std::function<void(int64_t, int)>& body) {
  pool.parallel_for(count, [&](int64_t index, int thread) {
    if (!interrupted()) body(index, thread);
  });
}

Uninterrupted::Uninterrupted() { held.fetch_add(1, std::memory_order_relaxed); }
Uninterrupted::~Uninterrupted() { held.fetch_sub(1, std::memory_order_relaxed); }

}  // namespace edgesmith
