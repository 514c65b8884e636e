// SPDX-License-Identifier: Apache-2.0
// What the weights of a model are like: how many are zero, how many differ, which channels do nothing.
#pragma once

#include <optional>
#include <vector>

#include "edgesmith/base/thread_pool.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/passes/dead_channels.h"

namespace edgesmith::passes {

/// A constant of two or more dims with real numbers (or codes of them), and the first node that reads it.
struct WeightFacts {
  const ir::Node* node = nullptr;    ///< reads it
  const ir::Value* value = nullptr;  ///< the constant
  int64_t elements = 0;
  int64_t nonzero = 0;   ///< real numbers that are not zero
  int64_t distinct = 0;  ///< different numbers; of quantized weights, different codes
  /// Of the reader, which has it as its weight; absent where channels cannot be followed.
  std::optional<LayerChannels> channels;

  double density() const { return elements > 0 ? static_cast<double>(nonzero) / static_cast<double>(elements) : 1.0; }
};

struct ModelFacts {
  std::vector<WeightFacts> weights;  ///< in graph order of the readers
  int64_t elements = 0, nonzero = 0;
  int64_t dead = 0, duplicate = 0;  ///< output channels, summed over layers
  int64_t removable = 0;            ///< channels that simplify would remove, those that go together counted once
};

/// Looks at every weight once. Errors: as find_dead_channels(); interrupted.
Result<ModelFacts> find_weight_facts(const ir::Graph& graph, ThreadPool& pool);

}  // namespace edgesmith::passes
