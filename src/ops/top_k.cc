// SPDX-License-Identifier: Apache-2.0
// top_k: the k largest (or, with largest = 0, smallest) elements of every line along `axis` (default -1) and their
// places, best first; of equal ones the first. Operand k (i64, one number). Attributes: axis, largest = 1, sorted = 1
// (0 leaves the order open: ours is the same). NaN counts as the largest. Every number type; places are i64.
#include <algorithm>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"
#include "ops/operands.h"
#include "ops/places.h"

namespace edgesmith::ops::top_k_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(
      node,
      {{"axis", AttributeKind::integer}, {"largest", AttributeKind::integer}, {"sorted", AttributeKind::integer}}));
  EDGESMITH_TRY(check_flag(node, "largest"));
  EDGESMITH_TRY(check_flag(node, "sorted"));
  const ir::Type& x = node.input(0)->type();
  if (!x.has_rank()) return {};
  const auto axis = normalize_axis(node.attributes().get_int("axis", -1), x.rank());
  return axis ? Status{} : axis.error();
}

Result<int64_t> count_of(const ir::Ints& k) {
  if (k.size() != 1 || k.front() < 0) return invalid_error("k must be one number that is not negative");
  return k.front();
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  ir::Type values = node.input(0)->type();
  if (values.shape) {
    const auto axis = normalize_axis(node.attributes().get_int("axis", -1), values.rank());
    if (!axis) return axis.error();
    const auto k = known_ints(node, 1, context, "k");
    if (!k) return k.error();
    ir::Dim& dim = (*values.shape)[static_cast<size_t>(*axis)];
    dim = ir::Dim();
    if (*k) {
      const auto count = count_of(**k);
      if (!count) return count.error();
      dim = ir::Dim(*count);
    }
  }
  return std::vector{values, ir::Type{ir::DType::i64, values.shape}};
}

// The element at flat place a comes before that at b. One type for all elements: sorting is compiled once.
using Compare = std::function<bool(int64_t a, int64_t b)>;

Result<Compare> compare_elements(const ir::Tensor& x, bool largest) {
  return dispatch(NumberTypes{}, x.dtype(), [&]<typename T>() -> Result<Compare> {
    const T* data = x.data<T>().data();
    return Compare([=](int64_t i, int64_t j) {
      const T a = data[largest ? i : j], b = data[largest ? j : i];
      const bool a_is_nan = a != a, b_is_nan = b != b;
      return a > b || (a_is_nan && !b_is_nan);
    });
  });
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  const auto axis = normalize_axis(node.attributes().get_int("axis", -1), x.rank());
  if (!axis) return axis.error();
  const auto k = read_ints(*inputs[1], "k");
  if (!k) return k.error();
  const auto wanted = count_of(*k);
  if (!wanted) return wanted.error();
  const auto at = static_cast<size_t>(*axis);
  const int64_t length = x.dims()[at], step = strides_of(x.dims())[at], count = *wanted;
  if (count > length) {
    return invalid_error("k is " + std::to_string(count) + " of " + std::to_string(length) + " elements");
  }
  const bool largest = node.attributes().get_int("largest", 1) != 0;
  ir::Dims dims = x.dims();
  dims[at] = count;
  EDGESMITH_TRY(check_size(ir::DType::i64, dims));
  const auto before = compare_elements(x, largest);
  if (!before) return before.error();
  std::vector<int64_t> order(static_cast<size_t>(length)), taken(static_cast<size_t>(ir::num_elements(dims)));
  ir::Tensor places = ir::Tensor::zeros(ir::DType::i64, dims);
  const auto place = places.mutable_data<int64_t>();
  for (int64_t line = 0; count > 0 && line < x.size() / length; ++line) {
    const int64_t own = line / step * step * length + line % step, start = line / step * step * count + line % step;
    std::iota(order.begin(), order.end(), int64_t{0});
    std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](int64_t i, int64_t j) {
      const int64_t a = own + i * step, b = own + j * step;
      return (*before)(a, b) || (!(*before)(b, a) && i < j);
    });
    for (int64_t i = 0; i < count; ++i) {
      const auto to = static_cast<size_t>(start + i * step);
      place[to] = order[static_cast<size_t>(i)];
      taken[to] = own + place[to] * step;
    }
  }
  auto values = take_places(x, std::move(taken), dims);
  if (!values) return values.error();
  return std::vector{std::move(*values), std::move(places)};
}

// Halves keep their type, places theirs.
Result<std::vector<ir::Tensor>> eval_any(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::DType dtype = inputs[0]->dtype();
  if (dtype != ir::DType::f16 && dtype != ir::DType::bf16) return eval(node, inputs);
  const ir::Tensor wide = widen_half(*inputs[0]);
  const ir::Tensor* const operands[] = {&wide, inputs[1]};
  auto results = eval(node, operands);
  if (results.ok()) (*results)[0] = round_to_half((*results)[0], dtype);
  return results;
}

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  ir::Value& x = *node.input(0);
  return std::vector{
      &build.append(ir::OpKind::scatter_elements, {zeros_like(build, x).value, &node.output(1), outputs[0]},
                    {{"axis", node.attributes().get_int("axis", -1)}, {"reduction", std::string("add")}})};
}

}  // namespace

extern const OpInfo top_k_info = {.kind = ir::OpKind::top_k,
                                  .min_inputs = 2,
                                  .max_inputs = 2,
                                  .min_outputs = 2,
                                  .max_outputs = 2,
                                  .verify = verify,
                                  .infer = infer,
                                  .eval = eval_any,
                                  .cost = nullptr,
                                  .quant = nullptr,
                                  .gradient = gradient};

}  // namespace edgesmith::ops::top_k_op
