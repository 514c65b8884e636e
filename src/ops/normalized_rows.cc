// SPDX-License-Identifier: Apache-2.0
#include "ops/normalized_rows.h"

#include <algorithm>

#include "ops/gradient_rules.h"

namespace edgesmith::ops {
namespace {

using ir::OpKind;

ir::Node& append_gradient(GradientBuilder& build, const NormalizedRows& rows,
                          std::initializer_list<ir::Value*> operands, int num_outputs) {
  return build.append_node(
      OpKind::normalization_gradient, operands, num_outputs,
      {{"axis", int64_t{rows.axis}}, {"centered", int64_t{rows.centered ? 1 : 0}}, {"epsilon", rows.epsilon}});
}

// Whether an operand has the dims of a row; a missing one has.
bool spans_row(const ir::Value* operand, const ir::Value& x, int axis) {
  if (operand == nullptr) return true;
  const ir::Shape &own = *operand->type().shape, &dims = *x.type().shape;
  const auto first = dims.begin() + axis;
  return std::equal(own.begin(), own.end(), first, dims.end(),
                    [](const ir::Dim& a, const ir::Dim& b) { return a.same_as(b); });
}

// z itself: the operator of `node` with a scale of 1.
Term normalized(GradientBuilder& build, const ir::Node& node, const NormalizedRows& rows) {
  const Term x = build.term(*node.input(0));
  ir::Value& z = build.append(node.op(), {x.value, build.number(1, x.dtype).value},
                              {{"axis", int64_t{rows.axis}}, {"epsilon", rows.epsilon}});
  return build.term(z, x.dtype);
}

}  // namespace

Term through_rows(const NormalizedRows& rows, const Term& dz, const Term& x) {
  return {x.build, &append_gradient(*x.build, rows, {dz.value, x.value}, 1).output(0), x.dtype};
}

Gradients scaled_rows_gradient(GradientBuilder& build, const ir::Node& node, const Term& dy,
                               const NormalizedRows& rows) {
  ir::Value &x = *node.input(0), &scale = *node.input(1);
  ir::Value* bias = node.input(2);
  std::vector<ir::Value*> gradients(3);
  if (spans_row(&scale, x, rows.axis) && spans_row(bias, x, rows.axis)) {
    const bool sums = build.wants(1) || build.wants(2);
    ir::Node& made = append_gradient(build, rows, {dy.value, &x, &scale}, sums ? 3 : 1);
    for (int i = 0; i < made.num_outputs(); ++i) gradients[static_cast<size_t>(i)] = &made.output(i);
    return gradients;
  }
  if (build.wants(0)) gradients[0] = through_rows(rows, dy * build.term(scale), build.term(x)).value;
  if (build.wants(1)) gradients[1] = sum_to(dy * normalized(build, node, rows), x, scale).value;
  if (build.wants(2)) gradients[2] = sum_to(dy, x, *bias).value;
  return gradients;
}

Term average_along(const Term& a, ir::Value& like, const ir::Ints& axes) {
  if (axes.empty()) return a;
  return reduce_sum(a, axes, /*keep_dims=*/true) / count_along(*a.build, like, axes, a.dtype);
}

}  // namespace edgesmith::ops
