// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace edgesmith::passes::prune {

/// "12.5 %" of a share of 0.125.
std::string percent(double share);

}  // namespace edgesmith::passes::prune
