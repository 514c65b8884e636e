// SPDX-License-Identifier: Apache-2.0
// BitwiseXor: y = a ^ b, bit by bit. Integers, numpy broadcasting; no attributes.
#include "ops/broadcast.h"

namespace edgesmith::ops::bitwise_xor_op {
namespace {

struct BitwiseXor {
  template <typename T>
  T operator()(T a, T b) const {
    return static_cast<T>(a ^ b);
  }
};

}  // namespace

extern const OpInfo bitwise_xor_info =
    without_gradient(binary_op<BitwiseXor, IntTypes>(ir::OpKind::bitwise_xor, infer_broadcast), kIntegerCodes);

}  // namespace edgesmith::ops::bitwise_xor_op
