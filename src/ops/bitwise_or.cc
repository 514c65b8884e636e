// SPDX-License-Identifier: Apache-2.0
// BitwiseOr: y = a | b, bit by bit. Integers, numpy broadcasting; no attributes.
#include "ops/broadcast.h"

namespace edgesmith::ops::bitwise_or_op {
namespace {

struct BitwiseOr {
  template <typename T>
  T operator()(T a, T b) const {
    return static_cast<T>(a | b);
  }
};

}  // namespace

extern const OpInfo bitwise_or_info =
    without_gradient(binary_op<BitwiseOr, IntTypes>(ir::OpKind::bitwise_or, infer_broadcast), kIntegerCodes);

}  // namespace edgesmith::ops::bitwise_or_op
