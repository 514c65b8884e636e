// SPDX-License-Identifier: Apache-2.0
// Log: y = natural logarithm of x. Shape and type as x; no attributes. -inf at 0, NaN below. Types: f16, bf16, f32,
// f64.
#include "ops/unary.h"

namespace edgesmith::ops::log_op {
namespace {

struct Log {
  template <typename T>
  T operator()(T x) const {
    return std::log(x);
  }
};

Term gradient(const Unary& u) { return u.dy / u.x; }

}  // namespace

extern const OpInfo log_info = with_gradient(unary_op<Log>(ir::OpKind::log), unary_gradient<gradient>);

}  // namespace edgesmith::ops::log_op
