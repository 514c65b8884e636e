// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "edgesmith/ir/graph.h"

namespace edgesmith::testing {

/// Runs both graphs by reference evaluation on the same seeded inputs, with every symbolic dim once 2 and once 3, and
/// returns "" when all results agree within `tolerance` (largest difference over largest value), else what differs.
std::string compare_by_running(const ir::Graph& before, const ir::Graph& after, double tolerance);

}  // namespace edgesmith::testing
