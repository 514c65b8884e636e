// SPDX-License-Identifier: Apache-2.0
// A limit of what this process may take of the machine's memory.
#pragma once

#include <cstdint>
#include <optional>

#include "edgesmith/base/result.h"

namespace edgesmith {

/// Bytes of private memory without which a process on so many threads does not even start its work.
int64_t least_process_memory(int threads);

/// From now on allocations beyond `bytes` of private memory (what is asked for, stacks of threads included; no mapped
/// files) fail: they throw std::bad_alloc, and threads that cannot start std::system_error. Before threads are started.
/// Errors: io (the system does not limit memory).
Status limit_process_memory(int64_t bytes);

/// What allocations are limited to, by us or by `ulimit -d`; nothing when they are not.
std::optional<int64_t> process_memory_limit();

}  // namespace edgesmith
