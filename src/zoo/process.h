// SPDX-License-Identifier: Apache-2.0
// A process of our own program, and how it ended.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "edgesmith/base/result.h"

namespace edgesmith::zoo {

struct ProcessOptions {
  std::vector<std::string> arguments;  ///< after the program's name
  std::string folder;                  ///< working directory
  std::string output, errors;          ///< files in it for stdout and stderr
  int inherited = -1;                  ///< an open file that it keeps
};

/// Starts this program again. It has a process group of its own, so that Ctrl-C reaches it only through us, and dies
/// when we do, however we die. Errors: io.
Result<pid_t> start_process(const ProcessOptions& options);

struct ProcessEnd {
  int exit_code = 0;
  /// That ended it; 0: it ended itself. One that stopped its work on SIGINT or SIGTERM was ended by that, too.
  int signal = 0;
  int64_t peak_rss_bytes = 0;
};
/// nullopt while it runs. Called once more after it ended is a bug of ours.
std::optional<ProcessEnd> process_end(pid_t process);

/// Waits for the end, for at most `seconds`.
std::optional<ProcessEnd> wait_for_end(pid_t process, double seconds);

/// "SIGKILL".
std::string signal_name(int signal);

}  // namespace edgesmith::zoo
