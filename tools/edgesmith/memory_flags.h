// SPDX-License-Identifier: Apache-2.0
// --memory-limit: what its text means, the limit of a whole process, and the error when it is not enough.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cli.h"
#include "command.h"
#include "edgesmith/base/result.h"

namespace edgesmith::cli {

/// Bytes of --memory-limit; nothing where it was not given. Errors: usage (no size).
Result<std::optional<int64_t>> parse_memory_limit(const std::string& text);

/// Adds --memory-limit to a command that limits its whole process.
void add_process_memory_option(Command* command, Common& common);
/// Holds this process to --memory-limit, if it was given; before threads are started. Errors: usage, io (less than its
/// threads need to start).
Status limit_memory(const Common& common);

/// What is said when memory ran out.
Error out_of_memory();

}  // namespace edgesmith::cli
