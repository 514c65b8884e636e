// SPDX-License-Identifier: Apache-2.0
// range: start, start + delta, ... up to but without limit; three scalar operands of one type: f32, f64, i16, i32 or
// i64 (f16 and bf16 through f32).
#include <cmath>
#include <string>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/integer_math.h"
#include "ops/operands.h"

namespace edgesmith::ops::range_op {
namespace {

using RangeTypes = Types<float, double, int16_t, int32_t, int64_t>;

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(no_attributes(node));
  return check_same_dtype(node, {0, 1, 2});
}

// max(ceil((limit - start) / delta), 0). Errors: invalid when delta is 0 or a number is not finite.
template <typename T>
Result<int64_t> count_of(T start, T limit, T delta) {
  if (delta == 0) return invalid_error("delta is 0");
  if constexpr (std::is_floating_point_v<T>) {
    const double steps =
        std::ceil((static_cast<double>(limit) - static_cast<double>(start)) / static_cast<double>(delta));
    if (!(std::abs(steps) < 0x1p53)) return invalid_error("the number of elements is not finite");
    return std::max<int64_t>(static_cast<int64_t>(steps), 0);
  } else {
    if (delta > 0 ? limit <= start : limit >= start) return 0;
    // Unsigned: the distance of two i64 may need 64 bits.
    const uint64_t distance = delta > 0 ? static_cast<uint64_t>(limit) - static_cast<uint64_t>(start)
                                        : static_cast<uint64_t>(start) - static_cast<uint64_t>(limit);
    const uint64_t step = delta > 0 ? static_cast<uint64_t>(delta) : uint64_t{0} - static_cast<uint64_t>(delta);
    const uint64_t count = (distance - 1) / step + 1;
    if (count > (uint64_t{1} << 53)) return invalid_error("there are " + std::to_string(count) + " elements");
    return static_cast<int64_t>(count);
  }
}

Result<std::vector<ir::Tensor>> count_up(const ir::Node&, std::span<const ir::Tensor* const> inputs) {
  for (const ir::Tensor* tensor : inputs) {
    if (tensor->size() == 1 && tensor->dtype() == inputs[0]->dtype()) continue;
    return invalid_error("an operand is " + tensor->type().text() + ", must be a scalar of the type of start");
  }
  return dispatch(RangeTypes{}, inputs[0]->dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    const T start = inputs[0]->data<T>()[0], delta = inputs[2]->data<T>()[0];
    const auto count = count_of(start, inputs[1]->data<T>()[0], delta);
    if (!count) return count.error();
    Result<ir::Tensor> y = make_tensor(inputs[0]->dtype(), {*count});
    if (!y) return y.error();
    const auto out = y->mutable_data<T>();
    for (size_t i = 0; i < out.size(); ++i) out[i] = wrapping_add(start, wrapping_multiply(static_cast<T>(i), delta));
    return std::vector{std::move(*y)};
  });
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  return evaluate_half_as_float(count_up, node, inputs);
}

// 0, 1, ... up to the size of a dim has that size.
ir::Dim counted_dim(const ir::Node& node, const InferContext& context) {
  const auto start = context.contents(node, 0), limit = context.contents(node, 1), delta = context.contents(node, 2);
  if (!start || !limit || !delta || start->size() != 1 || limit->size() != 1 || delta->size() != 1) return {};
  const bool counts = start->front().same_as(ir::Dim(0)) && delta->front().same_as(ir::Dim(1));
  return counts && ir::is_integer(node.input(0)->type().dtype) ? limit->front() : ir::Dim();
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  ir::Type type{node.input(0)->type().dtype, ir::Shape(1)};
  const ir::Tensor *start = context.constant(node, 0), *limit = context.constant(node, 1),
                   *delta = context.constant(node, 2);
  if (start == nullptr || limit == nullptr || delta == nullptr) {
    type.shape->front() = counted_dim(node, context);
    return std::vector{type};
  }
  if (start->size() != 1 || limit->size() != 1 || delta->size() != 1) return invalid_error("operands must be scalars");
  if (!is_one_of(start->dtype(), RangeTypes{}) || limit->dtype() != start->dtype() ||
      delta->dtype() != start->dtype()) {
    return std::vector{type};
  }
  const ir::Tensor first = start->dense(), end = limit->dense(), step = delta->dense();
  const auto count = dispatch(RangeTypes{}, start->dtype(), [&]<typename T>() -> Result<int64_t> {
    return count_of(first.data<T>()[0], end.data<T>()[0], step.data<T>()[0]);
  });
  if (!count) return count.error();
  type.shape->front() = ir::Dim(*count);
  return std::vector{type};
}

// Element i is start + i * delta. The limit moves their number alone.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const ir::DType dtype = node.output().type().dtype;
  const Term dy = build.term(*outputs[0], dtype);
  std::vector<ir::Value*> gradients(3);
  if (build.wants(0)) gradients[0] = reshape_like(reduce_sum(dy, {0}, /*keep_dims=*/false), *node.input(0)).value;
  if (build.wants(2)) {
    const Term steps = build.term(positions(build, build.size_of(node.output(), 0)), ir::DType::i64);
    const Term sum = reduce_sum(dy * cast(steps, dtype), {0}, /*keep_dims=*/false);
    gradients[2] = reshape_like(sum, *node.input(2)).value;
  }
  return gradients;
}

}  // namespace

extern const OpInfo range_info = {.kind = ir::OpKind::range,
                                  .min_inputs = 3,
                                  .max_inputs = 3,
                                  .min_outputs = 1,
                                  .max_outputs = 1,
                                  .verify = verify,
                                  .infer = infer,
                                  .eval = eval,
                                  .cost = no_cost,
                                  .quant = nullptr,
                                  .gradient = gradient};

}  // namespace edgesmith::ops::range_op
