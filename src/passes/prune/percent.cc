// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/percent.h"

#include <cstdio>

namespace edgesmith::passes::prune {

std::string percent(double share) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1f %%", 100 * share);
  return buffer;
}

}  // namespace edgesmith::passes::prune
