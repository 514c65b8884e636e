// SPDX-License-Identifier: Apache-2.0
// argv to a chosen subcommand, with suggestions for what nobody knows.
#pragma once

#include "cli.h"

namespace edgesmith::cli {

enum class Parsed {
  command,   ///< program.action is to be run
  answered,  ///< --help or --version: printed already
};

/// Errors: usage.
Result<Parsed> parse_arguments(Program& program, int argc, char** argv);

}  // namespace edgesmith::cli
