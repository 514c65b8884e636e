// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "edgesmith/ir/graph.h"

namespace edgesmith::testing {

/// Runs both graphs on the same seeded inputs, with the batch once 2 and once 3 (other free dims 16 times
/// that), and returns "" when all results agree within `tolerance` (largest difference over largest value), else what
/// differs.
std::string compare_by_running(const ir::Graph& before, const ir::Graph& after, double tolerance,
                               bool reference = true);

}  // namespace edgesmith::testing
