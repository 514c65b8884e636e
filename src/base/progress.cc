// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/base/progress.h"

#include <atomic>

namespace edgesmith {
namespace {
std::atomic<bool> interrupt_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "must be usable from a signal handler");
}  // namespace

bool interrupted() { return interrupt_requested.load(std::memory_order_relaxed); }
void request_interrupt() { interrupt_requested.store(true, std::memory_order_relaxed); }

}  // namespace edgesmith
