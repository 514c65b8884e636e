// SPDX-License-Identifier: Apache-2.0
// Not: y = not x. Shape and type as x; no attributes. Type: bool.
#include "ops/unary.h"

namespace edgesmith::ops::logical_not_op {
namespace {

struct LogicalNot {
  template <typename T>
  T operator()(T x) const {
    return !x;
  }
};

}  // namespace

extern const OpInfo logical_not_info =
    without_gradient(unary_op<LogicalNot, Types<bool>>(ir::OpKind::logical_not), kTruthValues);

}  // namespace edgesmith::ops::logical_not_op
