// SPDX-License-Identifier: Apache-2.0
// Messages for people, on stderr. Backed by spdlog in log.cc only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace edgesmith::log {

/// Least severe level that is shown.
enum class Level { debug, info, warning, error, off };

/// Sets the threshold once, from main (-q, -v).
void set_level(Level level);

void debug(std::string_view message);
void info(std::string_view message);
/// Shown as "edgesmith: warning: ..." and kept for the report, see take_warnings().
void warning(std::string_view message);
void error(std::string_view message);

/// The warnings since the last call, in order (reports list them).
std::vector<std::string> take_warnings();
/// How many there are now, and those after the first `count` of them: what a piece of work warned of.
size_t num_warnings();
std::vector<std::string> warnings_after(size_t count);

}  // namespace edgesmith::log
