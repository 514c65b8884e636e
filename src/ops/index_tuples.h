// SPDX-License-Identifier: Apache-2.0
// What GatherND and ScatterND share: the last axis of `indices` holds places among the leading axes of a tensor, those
// after its batch axes.
#pragma once

#include <cstdint>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/tensor.h"

namespace edgesmith::ops {

struct IndexTuples {
  std::vector<int64_t> places;  ///< in the tensor, of every element of every tuple's slice
  ir::Dims dims;                ///< of all slices: those of indices but the last, then those of a slice
};

/// Errors: invalid (ranks, batch dims that differ, indices out of range), io (an absurd size).
Result<IndexTuples> read_tuples(const ir::Tensor& x, const ir::Tensor& indices, int64_t batch_dims);

}  // namespace edgesmith::ops
