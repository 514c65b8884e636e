// SPDX-License-Identifier: Apache-2.0
// gather_gradient: the transpose of Gather as a linear map. Entries of dy along the axes that `indices` made are added
// to the entries of dx that they were gathered from; the rest of dx is 0. A part of training graphs; not in ONNX.
//
// Operands: dy, indices (i32 or i64, any rank; negative ones count from the end), size (i64 [1]: that of the gathered
// axis). Attribute axis (default 0, of dx, counted from the front). Entries are added in the order of the indices. f32,
// f64; f16 and bf16 through f32.
#include <string>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"
#include "ops/operands.h"

namespace edgesmith::ops::gather_gradient_op {
namespace {

int64_t axis_of(const ir::Node& node) { return node.attributes().get_int("axis", 0); }

// `axis` and the axes that indices of rank `indices` made lie within dy.
Status check_ranks(int64_t axis, size_t dy, size_t indices) {
  if (axis >= 0 && static_cast<size_t>(axis) + indices <= dy) return {};
  return invalid_error("axis " + std::to_string(axis) + " and indices of rank " + std::to_string(indices) +
                       " do not fit a gradient of rank " + std::to_string(dy));
}

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"axis", AttributeKind::integer}}));
  const ir::DType dtype = node.input(1)->type().dtype;
  if (dtype != ir::DType::undefined && dtype != ir::DType::i64 && dtype != ir::DType::i32) {
    return invalid_error("indices are " + std::string(ir::dtype_name(dtype)) + ", must be i32 or i64");
  }
  const auto &dy = node.input(0)->type().shape, &indices = node.input(1)->type().shape;
  return dy && indices ? check_ranks(axis_of(node), dy->size(), indices->size()) : Status{};
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  const auto &dy = node.input(0)->type().shape, &indices = node.input(1)->type().shape;
  ir::Type type{node.input(0)->type().dtype, std::nullopt};
  if (!dy || !indices) return std::vector{type};
  type.shape = dy;
  const auto first = type.shape->begin() + axis_of(node);
  const auto at = type.shape->erase(first, first + static_cast<int64_t>(indices->size()));
  const auto size = context.contents(node, 2);
  type.shape->insert(at, size && size->size() == 1 ? size->front() : ir::Dim());
  return std::vector{type};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor &dy = *inputs[0], &indices = *inputs[1];
  const int64_t axis = axis_of(node);
  EDGESMITH_TRY(check_ranks(axis, dy.dims().size(), indices.dims().size()));
  if (indices.dtype() != ir::DType::i64 && indices.dtype() != ir::DType::i32) return unsupported_dtype(indices.dtype());
  const auto sizes = read_ints(*inputs[2], "size");
  if (!sizes) return sizes.error();
  if (sizes->size() != 1) return invalid_error("size has " + std::to_string(sizes->size()) + " numbers, must have 1");
  const int64_t size = sizes->front();
  ir::Dims dims(dy.dims().begin(), dy.dims().begin() + axis);
  const ir::Dims made(dy.dims().begin() + axis, dy.dims().begin() + axis + indices.rank());
  const ir::Dims behind(dy.dims().begin() + axis + indices.rank(), dy.dims().end());
  if (made != indices.dims()) {
    return invalid_error("the gradient is " + dy.type().text() + " for indices " + indices.type().text() + " at axis " +
                         std::to_string(axis));
  }
  const int64_t outer = ir::num_elements(dims), inner = ir::num_elements(behind);
  dims.push_back(size);
  dims.insert(dims.end(), behind.begin(), behind.end());
  auto dx = make_tensor(dy.dtype(), dims);
  if (!dx) return dx.error();
  std::vector<int64_t> entries = indices.to_int64s();
  for (int64_t& entry : entries) {
    if (entry < -size || entry >= size) {
      return invalid_error("index " + std::to_string(entry) + " is out of range for size " + std::to_string(size));
    }
    if (entry < 0) entry += size;
  }
  return dispatch(FloatTypes{}, dy.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    const T* from = dy.data<T>().data();
    T* to = dx->mutable_data<T>().data();
    for (int64_t o = 0; o < outer; ++o) {
      for (const int64_t entry : entries) {
        T* row = to + (o * size + entry) * inner;
        for (int64_t i = 0; i < inner; ++i) row[i] += *from++;
      }
    }
    return std::vector{std::move(*dx)};
  });
}

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  return std::vector{&build.append(ir::OpKind::gather, {outputs[0], node.input(1)}, {{"axis", axis_of(node)}})};
}

}  // namespace

extern const OpInfo gather_gradient_info = {.kind = ir::OpKind::gather_gradient,
                                            .min_inputs = 3,
                                            .max_inputs = 3,
                                            .min_outputs = 1,
                                            .max_outputs = 1,
                                            .verify = verify,
                                            .infer = infer,
                                            .eval = half_as_float<eval>,
                                            .cost = nullptr,
                                            .quant = nullptr,
                                            .gradient = gradient};

}  // namespace edgesmith::ops::gather_gradient_op
