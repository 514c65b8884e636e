// SPDX-License-Identifier: Apache-2.0
// Moving elements about without looking at them, for every element type (strings and packed 4-bit numbers too): what
// slice, pad, gather, transpose, concat and their kin have in common.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/tensor.h"

namespace edgesmith::ops {

/// A zero tensor for an output. Errors: io when its size is absurd (hostile dims), so that nothing is allocated for it.
Result<ir::Tensor> make_tensor(ir::DType dtype, ir::Dims dims);

/// Checks that make_tensor(dtype, dims) would succeed.
Status check_size(ir::DType dtype, const ir::Dims& dims);

/// out[i0, i1, ...] = in[maps[0][i0], maps[1][i1], ...]: one list of indices an axis; a negative index means `fill` (a
/// tensor of one element of the same type; zero when null). Indices must be below the axis' dim.
Result<ir::Tensor> take(const ir::Tensor& in, std::span<const std::vector<int64_t>> maps,
                        const ir::Tensor* fill = nullptr);

/// The identity map of every axis of `dims`, to be changed and given to take().
std::vector<std::vector<int64_t>> identity_maps(const ir::Dims& dims);

/// out[i0, i1, ...] = in.flat[sum of i_k * strides[k]]; every index reached must exist.
Result<ir::Tensor> rearrange(const ir::Tensor& in, ir::Dims dims, std::span<const int64_t> strides);

/// `in` with its axes permuted: out axis k is in axis perm[k].
Result<ir::Tensor> permute(const ir::Tensor& in, std::span<const int64_t> perm);

/// Tensors of one dtype and rank joined along `axis`; other dims must be equal (checked by the caller).
Result<ir::Tensor> join(std::span<const ir::Tensor* const> parts, int axis);

/// out[i] = choice[i] ? a[i] : b[i] for tensors of equal dims; `choice` is a boolean tensor.
Result<ir::Tensor> choose(const ir::Tensor& choice, const ir::Tensor& a, const ir::Tensor& b);

/// Row-major strides in elements.
ir::Dims strides_of(const ir::Dims& dims);

/// i4, u4, i2, u2 as one byte an element (i8 or u8), and back. Other dtypes: unchanged.
ir::Tensor unpack(const ir::Tensor& tensor);
ir::Tensor pack(const ir::Tensor& codes, ir::DType dtype);

}  // namespace edgesmith::ops
