// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith::ops {

/// One axis of a resize: output o is the sum of weights[k] * input[indices[k]] over begins[o] <= k < begins[o + 1], one
/// at least. Empty `begins`: nothing happens along the axis. In mode nearest every output has one input, of weight 1.
struct AxisMixes {
  std::vector<int64_t> begins, indices;
  std::vector<double> weights;
};

/// The order in which the axes of a resize are taken: those that shrink from the first on, then those that grow from
/// the last on. So little lies between two axes, and the longest runs of numbers are mixed by vectors.
std::vector<size_t> resize_order(const ir::Dims& input, const ir::Dims& output);

/// How a resize whose scales are constant (or absent) makes `output` of `input`, axis by axis, in that order.
/// Errors: invalid, for operands that do not fit; unsupported, for scales or a roi that are known only while running.
Result<std::vector<AxisMixes>> resize_mixes(const ir::Node& node, const ir::Dims& input, const ir::Dims& output);

}  // namespace edgesmith::ops
