// SPDX-License-Identifier: Apache-2.0
// Runs the built program in a folder and collects what it says.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace edgesmith::testing {

struct ToolResult {
  int exit_code = -1;  ///< 128 + signal when a signal ended it
  std::string out, err;
};

struct ToolOptions {
  std::string folder = ".";  ///< working directory
  std::string stdout_path;   ///< "" collects stdout; else it goes to this file
  std::map<std::string, std::string> environment;
  std::function<void(int pid)> while_running;  ///< called right after the start
};

/// Runs `edgesmith ARGS` and waits for its end.
ToolResult run_tool(const std::vector<std::string>& args, const ToolOptions& options = {});

}  // namespace edgesmith::testing
