// SPDX-License-Identifier: Apache-2.0
// Walking an index space in row-major order while K operands advance by strides of their own: 0 where an operand is
// broadcast (or where a reduction keeps adding into the same cell). Broadcasting, reductions and their kin are this one
// loop; neighbouring dims that every operand walks in step are merged first, so that the inner run is long.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "edgesmith/ir/type.h"

namespace edgesmith::ops {

template <size_t K>
struct StridedWalk {
  ir::Dims dims;
  std::array<ir::Dims, K> strides;  ///< elements; as many as dims
};

/// The same walk with as few dims as possible (at least one). Dims of size 1 vanish.
template <size_t K>
StridedWalk<K> merge_dims(const StridedWalk<K>& walk) {
  StridedWalk<K> merged;
  for (size_t d = 0; d < walk.dims.size(); ++d) {
    if (walk.dims[d] == 1) continue;
    bool in_step = !merged.dims.empty();
    for (size_t k = 0; k < K && in_step; ++k) in_step = merged.strides[k].back() == walk.strides[k][d] * walk.dims[d];
    if (in_step) {
      merged.dims.back() *= walk.dims[d];
      for (size_t k = 0; k < K; ++k) merged.strides[k].back() = walk.strides[k][d];
    } else {
      merged.dims.push_back(walk.dims[d]);
      for (size_t k = 0; k < K; ++k) merged.strides[k].push_back(walk.strides[k][d]);
    }
  }
  if (merged.dims.empty()) {
    merged.dims.push_back(1);
    for (size_t k = 0; k < K; ++k) merged.strides[k].push_back(0);
  }
  return merged;
}

/// Calls run(position, offsets, count, steps) for every inner run: `position` counts elements in row-major order,
/// `offsets[k]` is where operand k starts and `steps[k]` how it advances within the `count` elements of the run.
template <size_t K, typename Run>
void walk_runs(const StridedWalk<K>& unmerged, Run run) {
  if (ir::num_elements(unmerged.dims) <= 0) return;
  const StridedWalk<K> walk = merge_dims(unmerged);
  const size_t inner = walk.dims.size() - 1;
  const int64_t total = ir::num_elements(walk.dims), count = walk.dims[inner];
  std::array<int64_t, K> offsets{}, steps{};
  for (size_t k = 0; k < K; ++k) steps[k] = walk.strides[k][inner];
  ir::Dims index(inner, 0);
  for (int64_t position = 0; position < total; position += count) {
    run(position, offsets, count, steps);
    for (size_t d = inner; d-- > 0;) {  // to the next run: carry like an odometer
      for (size_t k = 0; k < K; ++k) offsets[k] += walk.strides[k][d];
      if (++index[d] < walk.dims[d]) break;
      for (size_t k = 0; k < K; ++k) offsets[k] -= walk.strides[k][d] * walk.dims[d];
      index[d] = 0;
    }
  }
}

}  // namespace edgesmith::ops
