// SPDX-License-Identifier: Apache-2.0
// Erf: y = error function of x, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x. Shape and type as x; no
// attributes. Types: f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops::erf_op {
namespace {

struct Erf {
  template <typename T>
  T operator()(T x) const {
    return std::erf(x);
  }
};

Term gradient(const Unary& u) {
  constexpr double kTwoOverRootPi = 1.12837916709551257390;
  return u.dy * exp(-u.x * u.x) * kTwoOverRootPi;
}

}  // namespace

extern const OpInfo erf_info = with_gradient(unary_op<Erf>(ir::OpKind::erf), unary_gradient<gradient>);

}  // namespace edgesmith::ops::erf_op
