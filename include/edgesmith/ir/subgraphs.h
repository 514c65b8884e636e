// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "edgesmith/ir/graph.h"

namespace edgesmith::ir {

/// Graphs that say what an opaque node computes: the branches of If, the body of Loop or Scan, a function of the model,
/// an operator that others spell out. The node itself stays as its file has it, a barrier for passes that do not look
/// inside; running it and inferring its types use these graphs.
///
/// Every graph takes first what it is called with (function: operands [0, num_inputs) of the node; If: nothing; Loop:
/// step number, condition, states; Scan: states, slices), then the outer values that the node's subgraphs read, which
/// are the operands from `num_inputs` on. An input may have no type, and stands for nothing where an operand is absent.
struct Subgraphs {
  enum class Kind {
    function,  ///< one graph, whose first results are the node's outputs
    branches,  ///< If: operand 0 chooses between the first (true) and the second
    loop,      ///< Loop of ONNX
    scan,      ///< Scan of ONNX
  };
  Kind kind = Kind::function;
  int num_inputs = 0;
  std::vector<Graph> graphs;
  /// Branches and bodies: the graphs are no longer those of the file, which go out instead. Operands behind
  /// `num_inputs` may have been dropped.
  bool rewritten = false;

  /// A function that the model defines, and whether its nodes may stand where the call stands: nothing in it depends on
  /// the function around it or on other opsets.
  bool local = false, movable = true;

  /// Scan: how many of its operands are scanned, and along which axis and in which direction each goes (directions:
  /// 1 is backward). As many as there are scanned operands, or stacked results.
  int num_scanned = 0;
  Ints input_axes, input_backward, output_axes, output_backward;
  /// Scan of opset 8: operand 0 (lengths of sequences) is absent, all others and the results have a batch as axis 0,
  /// for each entry of which the body runs on its own. `num_inputs` counts operand 0, too.
  bool batched = false;
};

/// Puts the nodes of `body` in the place of `node`: they read `operands` where the body reads its inputs (null or
/// beyond the end: absent), and readers of the node's outputs read the body's results, which take over their names.
/// False, without a change, when the body lacks a result that is read.
bool inline_graph(Graph& graph, Node& node, const Graph& body, std::span<Value* const> operands);

}  // namespace edgesmith::ir
