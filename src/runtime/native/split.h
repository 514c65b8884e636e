// SPDX-License-Identifier: Apache-2.0
// The work of one kernel cut over threads: parts of the output, so that the number of threads never shows in a result.
#pragma once

#include <algorithm>
#include <functional>

#include "edgesmith/base/thread_pool.h"
#include "runtime/kernel_registry.h"

namespace edgesmith::runtime::native {

/// What one thread does in a nanosecond, about: multiplications of floats and of codes, bytes moved. Only the decision
/// whether sharing pays depends on it.
constexpr int64_t kFloatProductsNs = 40, kCodeProductsNs = 80, kBytesNs = 8;
/// Handing a part to another core and waiting for it takes about a microsecond; sharing less than this never pays.
constexpr int64_t kLeastNanoseconds = 4000;

/// Calls body(first, end, scratch) for ranges that together are [0, count): one for each thread where `nanoseconds` of
/// work are worth it, else one. `scratch` belongs to the range.
template <typename Body>
void split(const KernelCall& call, int64_t count, int64_t nanoseconds, const Body& body) {
  const bool share = call.pool != nullptr && nanoseconds >= kLeastNanoseconds;
  const int64_t parts = share ? std::min<int64_t>(count, call.pool->num_threads()) : 1;
  if (parts <= 1) {
    if (count > 0) body(int64_t{0}, count, call.scratch);
    return;
  }
  const auto run = [&](int64_t part, int thread) {
    body(count * part / parts, count * (part + 1) / parts, call.scratch + thread * call.scratch_step);
  };
  call.pool->parallel_for(parts, std::ref(run));
}

}  // namespace edgesmith::runtime::native
