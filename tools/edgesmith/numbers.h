// SPDX-License-Identifier: Apache-2.0
// Numbers in the tables of commands.
#pragma once

#include <string>

namespace edgesmith::cli {

/// `value` by a format of printf that takes one double.
std::string number(const char* format, double value);
/// "8.31 us", "831.2 us", "83.1 ms".
std::string microseconds(double value);

}  // namespace edgesmith::cli
