// SPDX-License-Identifier: Apache-2.0
// cum_sum: sums of the elements of x up to each along the axis that the second operand names (a scalar, i32 or i64;
// negative counts from the end). Attributes: exclusive = 0 (1: without the element itself), reverse = 0 (1: from the
// end). Integers wrap. f32, f64, i32, i64, u32, u64; f16 and bf16 through f32.
#include <string>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/integer_math.h"
#include "ops/operands.h"

namespace edgesmith::ops::cum_sum_op {
namespace {

using SumTypes = Join<FloatTypes, Types<int32_t, int64_t, uint32_t, uint64_t>>;

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"exclusive", AttributeKind::integer}, {"reverse", AttributeKind::integer}}));
  EDGESMITH_TRY(check_flag(node, "exclusive"));
  return check_flag(node, "reverse");
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) { return std::vector{node.input(0)->type()}; }

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  const auto named = read_ints(*inputs[1], "axis");
  if (!named) return named.error();
  if (named->size() != 1) return invalid_error("axis is " + inputs[1]->type().text() + ", must be one number");
  const auto axis = normalize_axis(named->front(), x.rank());
  if (!axis) return axis.error();
  const int64_t length = x.dims()[static_cast<size_t>(*axis)], step = strides_of(x.dims())[static_cast<size_t>(*axis)];
  const bool exclusive = node.attributes().get_int("exclusive", 0) != 0;
  const bool reverse = node.attributes().get_int("reverse", 0) != 0;
  return dispatch(SumTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    ir::Tensor y = ir::Tensor::zeros(x.dtype(), x.dims());
    const auto from = x.data<T>();
    const auto to = y.mutable_data<T>();
    for (int64_t line = 0; length > 0 && line < x.size() / length; ++line) {
      const int64_t start = line / step * step * length + line % step;
      T sum{0};
      for (int64_t i = 0; i < length; ++i) {
        const auto at = static_cast<size_t>(start + (reverse ? length - 1 - i : i) * step);
        const T next = wrapping_add(sum, from[at]);
        to[at] = exclusive ? sum : next;
        sum = next;
      }
    }
    return std::vector{std::move(y)};
  });
}

// An element is in the sums of all places behind it: those summed from the other end.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const int64_t reverse = node.attributes().get_int("reverse", 0);
  return std::vector{&build.append(
      ir::OpKind::cum_sum, {outputs[0], node.input(1)},
      {{"exclusive", node.attributes().get_int("exclusive", 0)}, {"reverse", int64_t{reverse == 0 ? 1 : 0}}})};
}

}  // namespace

extern const OpInfo cum_sum_info = {.kind = ir::OpKind::cum_sum,
                                    .min_inputs = 2,
                                    .max_inputs = 2,
                                    .min_outputs = 1,
                                    .max_outputs = 1,
                                    .verify = verify,
                                    .infer = infer,
                                    .eval = half_as_float<eval>,
                                    .cost = nullptr,
                                    .quant = nullptr,
                                    .gradient = gradient};

}  // namespace edgesmith::ops::cum_sum_op
