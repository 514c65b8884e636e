// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "edgesmith/ir/tensor.h"

namespace edgesmith::passes::quantize {

/// A constant as int8 codes with a scale for each slice along one axis, and the ratio of numbers to error.
struct SliceCodes {
  ir::Tensor tensor;
  double sqnr_db = 0;
};

/// The nearest codes of finite numbers [dims], symmetric, by the largest number of each slice along `axis`.
SliceCodes code_slices(const std::vector<float>& reals, const ir::Dims& dims, int axis);

}  // namespace edgesmith::passes::quantize
