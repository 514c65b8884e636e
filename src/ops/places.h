// SPDX-License-Identifier: Apache-2.0
// Elements picked by their places in row-major order: what the gathers, scatters and their kin have in common.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/tensor.h"

namespace edgesmith::ops {

/// The elements of x at `places` as a tensor of `dims`; a negative place is a zero. Any element type.
Result<ir::Tensor> take_places(const ir::Tensor& x, std::vector<int64_t> places, ir::Dims dims);

/// `index` counted from the front: in [-size, size) becomes [0, size). Errors: invalid, with both numbers.
Result<int64_t> wrap_index(int64_t index, int64_t size);

/// The indices of a running operand (i64 or i32, any rank). Errors: invalid, naming it `what`.
Result<std::vector<int64_t>> read_indices(const ir::Tensor& tensor, std::string_view what);

/// For GatherElements and ScatterElements: the places in x of its elements [i, indices[i, j, ...], ...], the index
/// standing on `axis`, in the order of `indices`. Errors: invalid (types, dims, an index out of range).
Result<std::vector<int64_t>> element_places(const ir::Tensor& x, const ir::Tensor& indices, int64_t axis);

/// How an update joins what is there, for ScatterElements and ScatterND.
enum class Reduction { none, add, mul, max, min };
Result<Reduction> reduction_named(std::string_view name);

/// x with the elements of `updates` put at `places` (one each, in order); several for one place: the last, or all of
/// them reduced. Errors: unsupported (a reduction of elements that are no numbers).
Result<ir::Tensor> put_places(const ir::Tensor& x, const std::vector<int64_t>& places, const ir::Tensor& updates,
                              Reduction reduction);

}  // namespace edgesmith::ops
