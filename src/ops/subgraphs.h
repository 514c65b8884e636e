// SPDX-License-Identifier: Apache-2.0
// Opaque nodes that graphs say the meaning of (ir/subgraphs.h): If, Loop, Scan, functions.
#pragma once

#include <span>
#include <vector>

#include "edgesmith/ops/op_info.h"

namespace edgesmith::ops {

/// How a graph inside a node is run. `operands` are what its inputs stand for; null: nothing.
class BodyRunner {
 public:
  virtual ~BodyRunner() = default;
  /// Before the first of several runs whose operands have the same types. Errors: what is wrong with the body for them.
  virtual Status check(const ir::Graph& body, std::span<const ir::Tensor* const> operands) = 0;
  virtual Result<std::vector<ir::Tensor>> run(const ir::Graph& body, std::span<const ir::Tensor* const> operands) = 0;
};

/// Node by node, by the reference evaluation.
class PlainBodies : public BodyRunner {
 public:
  Status check(const ir::Graph& body, std::span<const ir::Tensor* const> operands) override;
  Result<std::vector<ir::Tensor>> run(const ir::Graph& body, std::span<const ir::Tensor* const> operands) override;
};

/// Runs the node's graphs. Errors: invalid (a condition that is no truth value, results that do not fit together),
/// unsupported, io (a loop without end); those of the nodes inside.
Result<std::vector<ir::Tensor>> eval_subgraphs(const ir::Node& node, std::span<const ir::Tensor* const> inputs,
                                               BodyRunner& bodies);

/// The types of the node's outputs as far as they follow from those of the operands; fewer, or incomplete ones, where
/// they do not: also where something inside is wrong, which whoever runs the node will say.
std::vector<ir::Type> infer_subgraphs(const ir::Node& node, const InferContext& context);

/// What is known of an input of a graph.
struct KnownInput {
  ir::Type type;
  const ir::Tensor* constant = nullptr;
};

/// `body` with the types that follow from those of these inputs; constants are constants in it. Errors: invalid.
Result<ir::Graph> typed_body(const ir::Graph& body, std::span<const KnownInput> inputs);
/// The types of the results of `body` with these inputs.
Result<std::vector<ir::Type>> infer_body(const ir::Graph& body, std::span<const KnownInput> inputs);

}  // namespace edgesmith::ops
