// SPDX-License-Identifier: Apache-2.0
// How a command runs models.
#pragma once

#include <string>

#include "cli.h"
#include "edgesmith/runtime/executor.h"

namespace edgesmith::cli {

struct ExecutorFlags {
  bool reference = false, reassociate = false;
  std::string arithmetic = std::string(runtime::arithmetic_word(runtime::Arithmetic::exact_i32));

  /// For sessions on `threads` threads. Errors: usage (unknown arithmetic, a --memory-limit that is no size).
  Result<runtime::ExecutorOptions> options(const Common& common, int threads) const;
};

/// Adds --reassociate, --arithmetic and --memory-limit.
void add_kernel_options(Command* command, ExecutorFlags& flags, Common& common);
/// Adds --reference, --reassociate, --arithmetic and --memory-limit.
void add_executor_options(Command* command, ExecutorFlags& flags, Common& common);

}  // namespace edgesmith::cli
