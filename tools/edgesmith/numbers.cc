// SPDX-License-Identifier: Apache-2.0
#include "numbers.h"

#include <cstdio>

namespace edgesmith::cli {

std::string number(const char* format, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, format, value);
  return buffer;
}

std::string microseconds(double value) {
  if (value >= 10000) return number("%.1f ms", value / 1000);
  return number(value < 100 ? "%.2f us" : "%.1f us", value);
}

}  // namespace edgesmith::cli
