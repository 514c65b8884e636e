// SPDX-License-Identifier: Apache-2.0
// A compiled graph: constants made dense, constant parts folded, a kernel for every other node.
#pragma once

#include <memory>
#include <vector>

#include "edgesmith/runtime/executor.h"
#include "runtime/isa.h"
#include "runtime/kernel_registry.h"

namespace edgesmith::runtime {

/// One thing to do: a node, or a node with the activation fused into it.
struct Step {
  const ir::Node* node = nullptr;
  const ir::Node* activation = nullptr;  ///< relu or clip that the kernel's epilogue does, or null
  const Kernel* kernel = nullptr;        ///< null: ops::eval, or only a view
  bool view = false;                     ///< output 0 has the bytes of operand 0 (reshape and its kin)
  std::shared_ptr<const Prepared> prepared;
  Epilogue epilogue;
  /// The node whose outputs this step makes.
  const ir::Node& last() const { return activation != nullptr ? *activation : *node; }
};

struct Program {
  const ir::Graph* graph = nullptr;
  ExecutorOptions options;
  Isa isa = Isa::scalar;
  std::vector<ir::Tensor> constants;  ///< by value id; valid for constants and what was folded from them
  std::vector<Step> steps;            ///< activations fused
  std::vector<Step> plain_steps;      ///< nothing fused: what an observer is shown

  /// The annotation that is in force on `value`, or null.
  const ir::Quant* annotation(const ir::Value& value) const;
  bool known(const ir::Value& value) const { return constants[static_cast<size_t>(value.id())].valid(); }
};

/// Errors: unsupported, for a node without a kernel; those of folding.
Result<Program> compile(const ir::Graph& graph, const ExecutorOptions& options, Isa isa);

/// ops::eval_node, with a tensor for every output. Errors: also unsupported, for an output that eval does not make.
Result<std::vector<ir::Tensor>> evaluate(const ir::Node& node, std::span<const ir::Tensor* const> inputs);

/// True when output 0 of the node is operand 0 with other dims (reshape, flatten, squeeze, unsqueeze, identity).
bool is_view(const ir::Node& node);

}  // namespace edgesmith::runtime
