// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/base/memory_limit.h"

#include <sys/resource.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif
#include <algorithm>
#include <cerrno>
#include <cstring>

namespace edgesmith {
namespace {

// Measured with simplify of LeNet-5, a file of 1.7 MB: it works within 6 MB on one thread, 30 MB on two, 40 MB on four
// and 160 MB on sixteen, and not within 4, 20, 30 and 120 MB. A thread's stack is 8 MiB.
constexpr int64_t kFirstThread = 4'000'000, kFurtherThread = int64_t{8} << 20;

}  // namespace

int64_t least_process_memory(int threads) { return kFirstThread + kFurtherThread * std::max(0, threads - 1); }

Status limit_process_memory(int64_t bytes) {
#if defined(__GLIBC__)
  malloc_trim(0);  // what is kept for later counts, too
#endif
  rlimit limit{};
  if (::getrlimit(RLIMIT_DATA, &limit) == 0) {
    limit.rlim_cur = std::min(limit.rlim_cur, static_cast<rlim_t>(std::max<int64_t>(1, bytes)));
    if (::setrlimit(RLIMIT_DATA, &limit) == 0) return {};
  }
  return io_error(std::string("the system does not limit memory: ") + std::strerror(errno));
}

std::optional<int64_t> process_memory_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_DATA, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::nullopt;
  return static_cast<int64_t>(limit.rlim_cur);
}

}  // namespace edgesmith
