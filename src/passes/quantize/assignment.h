// SPDX-License-Identifier: Apache-2.0
// One complete choice of codes for a plan, and writing it into a graph.
#pragma once

#include <map>
#include <vector>

#include "edgesmith/ir/graph.h"
#include "passes/quantize/layer_codes.h"
#include "passes/quantize/plan.h"

namespace edgesmith::passes::quantize {

struct Assignment {
  std::vector<ir::Quant> scales;             ///< by set of the plan
  std::map<int, const WeightCodes*> layers;  ///< by node id; not owned
  bool float_bias = false;                   ///< biases stay float
};

/// Writes the codes into `graph`: the planned graph itself or a clone of it (ids decide). Constants become affine
/// tensors; one that others read in another form is copied for the reader. Weights that are codes already get scales at
/// which the biases fit (raise_scales.h). Returns the nodes whose weights did.
std::vector<const ir::Node*> apply(const Assignment& assignment, const Plan& plan, ir::Graph& graph);

/// Makes operand `index` of `node` the constant `tensor`, in place where nobody else reads the old one.
void set_constant(ir::Graph& graph, ir::Node& node, int index, ir::Tensor tensor);

/// The scale of the codes that a layer reads.
double input_scale(const Assignment& assignment, const Plan& plan, const ir::Node& layer);

}  // namespace edgesmith::passes::quantize
