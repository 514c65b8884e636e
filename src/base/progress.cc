// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/base/progress.h"

#include <atomic>

#include "edgesmith/base/interruptible.h"

namespace edgesmith {
namespace {
constexpr int kInterruptCode = 130, kTerminationCode = 143;  // 128 + the signal, as shells have it

std::atomic<bool> interrupt_requested{false}, termination_requested{false};
std::atomic<int> held{0};
static_assert(std::atomic<bool>::is_always_lock_free, "must be usable from a signal handler");
}  // namespace

bool interrupted() {
  return interrupt_requested.load(std::memory_order_relaxed) && held.load(std::memory_order_relaxed) == 0;
}
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
