// SPDX-License-Identifier: Apache-2.0
// Two row-major operands of codes that broadcast to the result.
#pragma once

#include "edgesmith/base/check.h"
#include "runtime/integer/plain.h"

namespace edgesmith::runtime::integer {

/// Strides of `operand` by axis of `result`, 0 along axes that broadcast.
inline ir::Dims broadcast_strides(const ir::Dims& operand, const ir::Dims& result) {
  ir::Dims strides(result.size(), 0);
  int64_t stride = 1;
  for (size_t back = 1; back <= operand.size(); ++back) {
    const int64_t dim = operand[operand.size() - back];
    strides[result.size() - back] = dim == 1 ? 0 : stride;
    stride *= dim;
  }
  return strides;
}

/// result[i] = op(a[i], b[i]) over codes.
template <typename Op>
Status for_each_pair(const KernelCall& call, Op op) {
  const ReadCodes a(*call.inputs[0]), b(*call.inputs[1]);
  const ir::Dims& dims = *call.outputs[0].dims;
  const ir::Dims a_strides = broadcast_strides(call.inputs[0]->dims(), dims);
  const ir::Dims b_strides = broadcast_strides(call.inputs[1]->dims(), dims);
  const int64_t count = ir::num_elements(dims);
  if (call.inputs[0]->dims() == dims && call.inputs[1]->dims() == dims) {
    for (int64_t i = 0; i < count; ++i) call.outputs[0].data[i] = as_byte(op(a[i], b[i]));
    return {};
  }
  for (int64_t i = 0; i < count; ++i) {
    int64_t rest = i, at_a = 0, at_b = 0;
    for (size_t axis = dims.size(); axis-- > 0; rest /= dims[axis]) {
      at_a += rest % dims[axis] * a_strides[axis];
      at_b += rest % dims[axis] * b_strides[axis];
    }
    call.outputs[0].data[i] = as_byte(op(a[at_a], b[at_b]));
  }
  return {};
}

}  // namespace edgesmith::runtime::integer
