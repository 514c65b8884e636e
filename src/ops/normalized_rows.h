// SPDX-License-Identifier: Apache-2.0
// What the gradients of normalizations share. A row is what is normalized together: the axes from `axis` on.
#pragma once

#include "edgesmith/ops/gradient.h"
#include "edgesmith/ops/op_info.h"

namespace edgesmith::ops {

/// z = (x - mean) / sqrt(variance + epsilon) of each row, or, not centered, x / sqrt(mean of x^2 + epsilon).
struct NormalizedRows {
  int axis;  ///< counted from the front
  bool centered;
  float epsilon;
};

/// The gradient of x from that of z.
Term through_rows(const NormalizedRows& rows, const Term& dz, const Term& x);

/// Those of x, scale and bias (operands 0, 1, 2 of `node`) from that of z * scale + bias: scale and bias broadcast to
/// x. Bias may be missing. In one node where scale is as long as a row.
Gradients scaled_rows_gradient(GradientBuilder& build, const ir::Node& node, const Term& dy,
                               const NormalizedRows& rows);

/// The sum over `axes` (none: `a` itself) divided by the number of elements of `like` along them; dims stay, as 1.
Term average_along(const Term& a, ir::Value& like, const ir::Ints& axes);

}  // namespace edgesmith::ops
