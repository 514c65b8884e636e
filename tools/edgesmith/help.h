// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace edgesmith::cli {

/// The text of --help: the list of commands, or one command with its options by group, wrapped to the terminal, or to
/// 100 columns where it is wider or stdout is none.
std::string help_text(const CLI::App& app);

/// "edgesmith compare A B [options]".
std::string usage_text(const CLI::App& command);

}  // namespace edgesmith::cli
