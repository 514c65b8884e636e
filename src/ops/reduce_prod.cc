// SPDX-License-Identifier: Apache-2.0
// ReduceProd: y = product of x over the axes (1 of nothing). Axes: optional operand 1 (absent or empty: all axes, or
// none with noop_with_empty_axes = 1). Attributes: keepdims = 1, noop_with_empty_axes = 0. Integers wrap around. Types:
// i32, i64, u32, u64, f16, bf16, f32, f64.
// Shape arithmetic: the product of a known shape, a symbol times ones.
#include "ops/contents.h"
#include "ops/reduce.h"

namespace edgesmith::ops::reduce_prod_op {
namespace {

template <typename T>
struct ProdReducer {
  using Accumulator = SumOf<T>;
  Accumulator start() const { return 1; }
  void step(Accumulator& cell, T x) const { cell = wrapping_multiply(cell, static_cast<Accumulator>(x)); }
  T finish(const Accumulator& cell, int64_t) const { return static_cast<T>(cell); }
};

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  auto types = infer_reduction(node, context);
  const auto contents = context.contents(node, 0);
  if (types.ok() && node.input(0)->type().rank() == 1 && (*types)[0].static_dims() && contents &&
      ir::num_elements(*(*types)[0].static_dims()) == 1) {
    context.set_contents(node, 0, {product(*contents)});
  }
  return types;
}

// dy times the product of the other elements, which is 0 when one of those is 0.
Term gradient(const Reduced& r) {
  const Term zero = equal(r.x, 0), zeros = cast(zero, r.x.dtype);
  const Term factors = where(zero, zeros, r.x);  // 1 in the place of 0
  ir::Value& others = r.x.build->append(ir::OpKind::reduce_prod, {factors.value, &r.x.build->ints(r.axes)},
                                        {{"noop_with_empty_axes", int64_t{1}}});
  const Term product = r.x.build->term(others, r.x.dtype) / factors;
  const Term alone = equal(reduce_sum(zeros, r.axes, /*keep_dims=*/true), zeros);
  return where(alone, r.dy * product, 0);
}

}  // namespace

extern const OpInfo reduce_prod_info =
    with_gradient(with_infer(reduction_op<ProdReducer>(ir::OpKind::reduce_prod), infer), reduction_gradient<gradient>);

}  // namespace edgesmith::ops::reduce_prod_op
