// SPDX-License-Identifier: Apache-2.0
// Reciprocal: y = 1 / x. Shape and type as x; no attributes. Types: f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops {
namespace {

struct Reciprocal {
  template <typename T>
  T operator()(T x) const {
    return T{1} / x;
  }
};

}  // namespace

extern const OpInfo reciprocal_info = unary_op<Reciprocal>(ir::OpKind::reciprocal);

}  // namespace edgesmith::ops
