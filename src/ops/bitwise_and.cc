// SPDX-License-Identifier: Apache-2.0
// BitwiseAnd: y = a & b, bit by bit. Integers, numpy broadcasting; no attributes.
#include "ops/broadcast.h"

namespace edgesmith::ops::bitwise_and_op {
namespace {

struct BitwiseAnd {
  template <typename T>
  T operator()(T a, T b) const {
    return static_cast<T>(a & b);
  }
};

}  // namespace

extern const OpInfo bitwise_and_info =
    without_gradient(binary_op<BitwiseAnd, IntTypes>(ir::OpKind::bitwise_and, infer_broadcast), kIntegerCodes);

}  // namespace edgesmith::ops::bitwise_and_op
