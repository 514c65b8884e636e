// SPDX-License-Identifier: Apache-2.0
// Work that ends soon after the user asked to stop. What it leaves is of no use: whoever started it looks at
// `interrupted()` before anything is made of its results (`passes::run_pass` does so for all passes).
#pragma once

#include <cstdint>
#include <functional>

#include "edgesmith/base/progress.h"
#include "edgesmith/base/result.h"
#include "edgesmith/base/thread_pool.h"

namespace edgesmith {

/// Errors: interrupted, once the user asked to stop.
Status check_interrupted();

/// `pool.parallel_for()`, but indices that were not begun when the user asked to stop are left out.
void interruptible_for(ThreadPool& pool, int64_t count, const std::function<void(int64_t index, int thread)>& body);

/// While it lives, `interrupted()` says false: for what is saved because the user asked to stop.
class Uninterrupted {
 public:
  Uninterrupted();
  ~Uninterrupted();
  Uninterrupted(const Uninterrupted&) = delete;
  Uninterrupted& operator=(const Uninterrupted&) = delete;
};

/// What the handler of SIGTERM calls: `request_interrupt()`, but the exit code is that of this signal.
/// Async-signal-safe.
void request_termination();
/// The exit code of a program that a signal ended: 130 for SIGINT, 143 for SIGTERM.
int interrupt_exit_code();

}  // namespace edgesmith
