// SPDX-License-Identifier: Apache-2.0
// BitwiseNot: y = ~x, bit by bit. Shape and type as x; no attributes. Integers.
#include "ops/unary.h"

namespace edgesmith::ops::bitwise_not_op {
namespace {

struct BitwiseNot {
  template <typename T>
  T operator()(T x) const {
    return static_cast<T>(~x);
  }
};

}  // namespace

extern const OpInfo bitwise_not_info =
    without_gradient(unary_op<BitwiseNot, IntTypes>(ir::OpKind::bitwise_not), kIntegerCodes);

}  // namespace edgesmith::ops::bitwise_not_op
