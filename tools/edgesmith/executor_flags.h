// SPDX-License-Identifier: Apache-2.0
// How a command runs models.
#pragma once

#include <string>

#include "cli.h"
#include "edgesmith/runtime/executor.h"

namespace edgesmith::cli {

struct ExecutorFlags {
  bool reference = false;
  bool reassociate = false;     ///< set by commands that may use kernels which reassociate sums
  bool no_reassociate = false;  ///< the user does not want them
  std::string arithmetic = std::string(runtime::arithmetic_word(runtime::Arithmetic::exact_i32));

  /// For sessions on `threads` threads. Errors: usage (unknown arithmetic, a --memory-limit that is no size).
  Result<runtime::ExecutorOptions> options(const Common& common, int threads) const;
};

/// Adds --arithmetic and --memory-limit, and --no-reassociate where `flags.reassociate` is set.
void add_kernel_options(Command* command, ExecutorFlags& flags, Common& common);
/// The same with --reference.
void add_executor_options(Command* command, ExecutorFlags& flags, Common& common);

}  // namespace edgesmith::cli
