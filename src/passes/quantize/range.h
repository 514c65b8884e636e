// SPDX-License-Identifier: Apache-2.0
// Ranges of activations and the codes that cover them.
#pragma once

#include <algorithm>
#include <limits>
#include <string>

#include "edgesmith/ir/quant.h"

namespace edgesmith::passes::quantize {

/// A closed interval of reals.
struct Range {
  float min = 0, max = 0;

  bool operator==(const Range&) const = default;
  float width() const { return max - min; }
  /// The smallest range that holds both.
  Range joined(const Range& other) const { return {std::min(min, other.min), std::max(max, other.max)}; }
  /// Largest absolute value.
  float magnitude() const { return std::max(-min, max); }
};

/// What the Relu or Clip before a value promises. The codes must not reach beyond, or the runtime cannot drop the
/// clamp.
struct Bounds {
  float min = -std::numeric_limits<float>::infinity();
  float max = std::numeric_limits<float>::infinity();

  bool operator==(const Bounds&) const = default;
  Bounds met(const Bounds& other) const { return {std::max(min, other.min), std::min(max, other.max)}; }
};

/// Per-tensor codes for the reals of `range`: zero gets a code of its own exactly, the range is widened to hold zero,
/// and no code stands for a real outside `bounds` (which hold zero). A range of (nearly) no width gets scale 1.
/// `symmetric` codes have zero point 0 and reach as far below zero as above, whatever the bounds: where runtimes want
/// them, they keep the clamp.
ir::Quant activation_quant(Range range, const Bounds& bounds, ir::DType dtype, std::string method,
                           bool symmetric = false);

/// The reals that the smallest and the largest code of a per-tensor Quant stand for.
Range code_range(const ir::Quant& quant);

}  // namespace edgesmith::passes::quantize
