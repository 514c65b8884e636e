// SPDX-License-Identifier: Apache-2.0
// How a command runs models.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "edgesmith/runtime/executor.h"

namespace edgesmith::cli {

struct ExecutorFlags {
  bool reference = false;
  std::string arithmetic = std::string(runtime::arithmetic_word(runtime::ExecutorOptions().arithmetic));

  /// Errors: usage (unknown arithmetic).
  Result<runtime::ExecutorOptions> options() const;
};

/// Adds --reference and --arithmetic.
void add_executor_options(CLI::App* command, ExecutorFlags& flags);

}  // namespace edgesmith::cli
