// SPDX-License-Identifier: Apache-2.0
// Graphs on half floats (f16, bf16) run as float32 graphs: weights are widened once, and what a node makes is rounded
// to halves where it lies, which is what the evaluation of such operators does, too. So values are not converted from
// one node to the next, and everything that float32 graphs have (kernels, arena, fused activations) serves them.
#pragma once

#include <optional>
#include <vector>

#include "edgesmith/ir/graph.h"

namespace edgesmith::runtime {

struct WidenedGraph {
  ir::Graph graph;                  ///< node and value ids are those of the original
  std::vector<ir::DType> rounding;  ///< by value id: f16 or bf16 where a result is rounded; undefined elsewhere
};

/// Nothing where a graph has no half floats, or has them where they are more than numbers that a node computes with:
/// beside graphs inside nodes, unknown operators, codes, double precision, or types that attributes ask for.
std::optional<WidenedGraph> widen_halves(const ir::Graph& graph);

}  // namespace edgesmith::runtime
