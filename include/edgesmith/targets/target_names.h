// SPDX-License-Identifier: Apache-2.0
// Names of the embedded profiles: for lists and suggestions, which read no profile.
#pragma once

#include <string>
#include <vector>

namespace edgesmith::targets {

/// In order.
std::vector<std::string> target_names();

}  // namespace edgesmith::targets
