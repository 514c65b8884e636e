// SPDX-License-Identifier: Apache-2.0
// Runs command lines of the user's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "edgesmith/base/result.h"

namespace edgesmith {

/// `text` as one word of the shell.
std::string shell_quoted(const std::string& text);

/// Runs `command` with /bin/sh, its output going to the files `out` and `err` (one file, when both are the same). The
/// exit code, 128 + signal when a signal ended it; nothing when it took longer than `seconds` (0: any time), or the
/// user interrupted us: it is ended then, with what it started; so it is when it has printed more than `most_bytes` (0:
/// any number), since nothing reads a gigabyte of text. Errors: io.
Result<std::optional<int>> run_shell(const std::string& command, const std::string& out, const std::string& err,
                                     double seconds, int64_t most_bytes = 0);

}  // namespace edgesmith
