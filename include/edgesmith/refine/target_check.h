// SPDX-License-Identifier: Apache-2.0
// Will a target take this model? Every rule of its profile held against every node, before any work.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "edgesmith/ir/graph.h"
#include "edgesmith/targets/target.h"

namespace edgesmith::refine {

/// One rule that the model breaks, or (among the hints) one that would make it faster.
struct Finding {
  std::string node;   ///< its label ("conv 'stem'"); "" for the model as a whole
  std::string rule;   ///< "kernel"; docs/targets.md lists them
  std::string value;  ///< what the model has
  std::string limit;  ///< what the target takes
  std::string fix;    ///< what to do; may be empty
};

/// Memory that one sample needs, beside what the device has.
struct MemoryNeed {
  std::optional<int64_t> activation_bytes;  ///< the planned arena; absent when it cannot be planned
  int64_t weight_bytes = 0;                 ///< all constants as they are stored
  std::optional<int64_t> ram_bytes;         ///< activations, and weights where they lie in RAM
  std::optional<int64_t> flash_bytes;       ///< weights, where they lie in flash
};

/// Integer weights of layers whose products would be summed in pairs of 16 bits.
struct PairSums {
  int64_t layers = 0, unsafe_layers = 0;
  int64_t channels = 0, unsafe_channels = 0;  ///< unsafe: two weights of it that may meet can overflow
  int64_t pairs = 0, unsafe_pairs = 0;        ///< that kernels add (ops/pair_sums.h)
};

struct TargetCheck {
  std::vector<Finding> violations;  ///< in graph order, the model as a whole first
  std::vector<Finding> hints;
  MemoryNeed memory;
  PairSums pairs;

  bool takes() const { return violations.empty(); }
};

/// Types must be inferred. Takes milliseconds: nothing is run.
TargetCheck check_target(const ir::Graph& graph, const targets::Target& target);

}  // namespace edgesmith::refine
