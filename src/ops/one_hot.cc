// SPDX-License-Identifier: Apache-2.0
// one_hot: y = on where the index along the new axis equals indices, off elsewhere. Operands: indices (any number
// type; negative ones count from the end, those out of range give off alone), depth (one number), values [off, on],
// whose type is that of y. Attribute `axis` (default -1): where the new axis of size depth stands.
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "ops/check.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/places.h"

namespace edgesmith::ops::one_hot_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"axis", AttributeKind::integer}}));
  const ir::Type& indices = node.input(0)->type();
  if (!indices.has_rank()) return {};
  const auto axis = normalize_axis(node.attributes().get_int("axis", -1), indices.rank() + 1);
  return axis ? Status{} : axis.error();
}

bool is_number(ir::DType dtype) {
  return ir::is_integer(dtype) || dtype == ir::DType::f32 || dtype == ir::DType::f16 || dtype == ir::DType::bf16;
}

// The numbers of an operand, without their fractions.
Result<std::vector<int64_t>> whole_numbers(const ir::Tensor& tensor, const char* what) {
  if (!is_number(tensor.dtype())) return invalid_error(std::string(what) + " is " + tensor.type().text());
  if (ir::is_integer(tensor.dtype())) return tensor.to_int64s();
  std::vector<int64_t> numbers;
  for (const float number : tensor.to_floats()) {
    if (!(std::fabs(number) < 0x1p53F)) return invalid_error(std::string(what) + " holds no whole number");
    numbers.push_back(static_cast<int64_t>(number));
  }
  return numbers;
}

Result<int64_t> depth_of(const ir::Tensor& depth) {
  const auto numbers = whole_numbers(depth, "depth");
  if (!numbers) return numbers.error();
  if (numbers->size() != 1 || numbers->front() < 0) {
    return invalid_error("depth is " + depth.type().text() + ", must be one number that is not negative");
  }
  return numbers->front();
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  const ir::Type& indices = node.input(0)->type();
  ir::Type type{node.input(2)->type().dtype, indices.shape};
  if (!type.shape) return std::vector{type};
  const auto axis = normalize_axis(node.attributes().get_int("axis", -1), indices.rank() + 1);
  if (!axis) return axis.error();
  ir::Dim size;
  if (const ir::Tensor* depth = context.constant(node, 1); depth != nullptr && is_number(depth->dtype())) {
    const auto known = depth_of(depth->dense());
    if (!known) return known.error();
    size = ir::Dim(*known);
  }
  type.shape->insert(type.shape->begin() + *axis, size);
  return std::vector{type};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor &indices = *inputs[0], &values = *inputs[2];
  const auto depth = depth_of(*inputs[1]);
  if (!depth) return depth.error();
  if (values.size() != 2) return invalid_error("values are " + values.type().text() + ", must be two");
  const auto axis = normalize_axis(node.attributes().get_int("axis", -1), indices.rank() + 1);
  if (!axis) return axis.error();
  const auto hot = whole_numbers(indices, "indices");
  if (!hot) return hot.error();
  ir::Dims dims = indices.dims();
  dims.insert(dims.begin() + *axis, *depth);
  EDGESMITH_TRY(check_size(ir::DType::i64, dims));
  int64_t inner = 1;
  for (size_t d = static_cast<size_t>(*axis) + 1; d < dims.size(); ++d) inner *= dims[d];
  std::vector<int64_t> places(static_cast<size_t>(ir::num_elements(dims)), 0);
  for (size_t i = 0; i < hot->size(); ++i) {
    const int64_t index = (*hot)[i] < 0 ? (*hot)[i] + *depth : (*hot)[i], at = static_cast<int64_t>(i);
    if (index < 0 || index >= *depth) continue;
    places[static_cast<size_t>((at / inner * *depth + index) * inner + at % inner)] = 1;
  }
  auto y = take_places(values, std::move(places), std::move(dims));
  if (!y) return y.error();
  return std::vector{std::move(*y)};
}

// [off, on] from the sums of dy over the elements that are off and over those that are on.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  if (!build.wants(2)) return std::vector<ir::Value*>{};
  ir::Value& values = *node.input(2);
  const ir::DType dtype = values.type().dtype;
  const Term dy = build.term(*outputs[0], dtype), zero_one = build.constant({2}, {0, 1}, dtype);
  ir::Value& mask = build.append(ir::OpKind::one_hot, {node.input(0), node.input(1), zero_one.value},
                                 {{"axis", node.attributes().get_int("axis", -1)}});
  const Term hot = build.term(mask, dtype);
  ir::Ints all(node.output().type().shape->size());
  std::iota(all.begin(), all.end(), 0);
  const Term off = unsqueeze(reduce_sum(dy * (1 - hot), all, /*keep_dims=*/false), {0});
  const Term on = unsqueeze(reduce_sum(dy * hot, all, /*keep_dims=*/false), {0});
  const Term both = build.term(build.append(ir::OpKind::concat, {off.value, on.value}, {{"axis", int64_t{0}}}), dtype);
  return std::vector<ir::Value*>{nullptr, nullptr, reshape_like(both, values).value};
}

}  // namespace

extern const OpInfo one_hot_info = {.kind = ir::OpKind::one_hot,
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

}  // namespace edgesmith::ops::one_hot_op
