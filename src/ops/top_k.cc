// SPDX-License-Identifier: Apache-2.0
// top_k: the k largest (or, with largest = 0, smallest) elements of every line along `axis` (default -1) and their
// places, best first; of equal ones the first. Operand k (i64, one number). Attributes: axis, largest = 1, sorted = 1
// (0 leaves the order open: ours is the same). NaN counts as the largest. Every number type; places are i64.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"
#include "ops/operands.h"

namespace edgesmith::ops {
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

template <typename T>
bool is_nan(T value) {
  return value != value;
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
  return dispatch(NumberTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    ir::Tensor values = ir::Tensor::zeros(x.dtype(), dims), places = ir::Tensor::zeros(ir::DType::i64, dims);
    const T* from = x.data<T>().data();
    T* to = values.mutable_data<T>().data();
    int64_t* place = places.mutable_data<int64_t>().data();
    std::vector<int64_t> order(static_cast<size_t>(length));
    for (int64_t line = 0; count > 0 && line < x.size() / length; ++line) {
      const T* own = from + line / step * step * length + line % step;
      const int64_t start = line / step * step * count + line % step;
      std::iota(order.begin(), order.end(), int64_t{0});
      std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](int64_t i, int64_t j) {
        const T a = own[i * step], b = own[j * step];
        const bool before = largest ? a > b || (is_nan(a) && !is_nan(b)) : a < b || (is_nan(b) && !is_nan(a));
        const bool behind = largest ? b > a || (is_nan(b) && !is_nan(a)) : b < a || (is_nan(a) && !is_nan(b));
        return before || (!behind && i < j);
      });
      for (int64_t i = 0; i < count; ++i) {
        to[start + i * step] = own[order[static_cast<size_t>(i)] * step];
        place[start + i * step] = order[static_cast<size_t>(i)];
      }
    }
    return std::vector{std::move(values), std::move(places)};
  });
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
                                  .no_gradient = kNotWritten};

}  // namespace edgesmith::ops
