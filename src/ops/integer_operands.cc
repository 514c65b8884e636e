// SPDX-License-Identifier: Apache-2.0
#include "ops/integer_operands.h"

#include <string>

#include "ops/dispatch.h"
#include "ops/elements.h"

namespace edgesmith::ops {

Result<ir::Tensor> without_zero_point(const ir::Tensor& codes, const ir::Tensor* zero_point, int axis) {
  if (!is_one_of(codes.dtype(), Types<int8_t, uint8_t>{})) return unsupported_dtype(codes.dtype());
  const std::vector<int64_t> values = codes.to_int64s();
  std::vector<int64_t> zeros = {0};
  int64_t step = 1;
  if (zero_point != nullptr) {
    const bool one = zero_point->size() == 1;
    const bool along = axis >= 0 && axis < codes.rank() && zero_point->rank() == 1 &&
                       zero_point->size() == codes.dims()[static_cast<size_t>(axis)];
    if (zero_point->dtype() != codes.dtype() || (!one && !along)) {
      return invalid_error("a zero point is " + zero_point->type().text() + " for " + codes.type().text());
    }
    zeros = zero_point->to_int64s();
    if (!one) step = strides_of(codes.dims())[static_cast<size_t>(axis)];
  }
  ir::Tensor reals = ir::Tensor::zeros(ir::DType::f64, codes.dims());
  const auto to = reals.mutable_data<double>();
  for (size_t i = 0; i < to.size(); ++i) {
    const size_t entry = i / static_cast<size_t>(step) % zeros.size();
    to[i] = static_cast<double>(values[i] - zeros[entry]);
  }
  return reals;
}

ir::Tensor as_int32(const ir::Tensor& sums) {
  ir::Tensor whole = ir::Tensor::zeros(ir::DType::i32, sums.dims());
  const auto from = sums.data<double>();
  const auto to = whole.mutable_data<int32_t>();
  for (size_t i = 0; i < from.size(); ++i) to[i] = static_cast<int32_t>(static_cast<int64_t>(from[i]));
  return whole;
}

}  // namespace edgesmith::ops
