// SPDX-License-Identifier: Apache-2.0
// What every node costs on a target, by the roofline of its profile.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "edgesmith/ir/graph.h"
#include "edgesmith/targets/target.h"

namespace edgesmith::passes {

/// One node for one sample (free dims 1).
struct NodeCost {
  const ir::Node* node = nullptr;
  bool integer = false;               ///< computes on codes
  std::optional<targets::Work> work;  ///< absent: no multiply-accumulates
  int64_t macs = 0;
  int64_t bytes = 0;              ///< from and to main memory
  double cycles = 0;              ///< of arithmetic, spread over the cores
  bool memory_bound = false;      ///< the bytes take longer than the arithmetic
  std::optional<double> seconds;  ///< absent without a clock
  std::optional<double> joules;   ///< absent without power
  double share = 0;               ///< of the whole model's seconds (cycles, without a clock)
  std::string cheaper;            ///< an operator that does the like on integers there; "" when none is known
};

struct CostEstimate {
  std::vector<NodeCost> nodes;            ///< most expensive first; ties in graph order
  std::optional<double> seconds, joules;  ///< of the model
  bool lower_bound = false;               ///< the profile does not know the share of the peak that is reached
};

/// Clamps that follow another operator, operators that only rename (Reshape) and what constants decide cost nothing and
/// are left out. Types must be inferred.
CostEstimate estimate_costs(const ir::Graph& graph, const targets::Target& target);

}  // namespace edgesmith::passes
