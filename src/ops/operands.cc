// SPDX-License-Identifier: Apache-2.0
#include "ops/operands.h"

namespace edgesmith::ops {
namespace {

// Longer vectors are no shapes.
constexpr int64_t kMaxContents = 1024;

}  // namespace

Result<ir::Ints> read_ints(const ir::Tensor& tensor, std::string_view what) {
  if (tensor.rank() > 1 || (tensor.dtype() != ir::DType::i64 && tensor.dtype() != ir::DType::i32)) {
    return invalid_error(std::string(what) + " is " + tensor.type().text() + ", must be a vector of i64 or i32");
  }
  return tensor.to_int64s();
}

Result<std::optional<ir::Ints>> known_ints(const ir::Node& node, int index, const InferContext& context,
                                           std::string_view what) {
  const ir::Tensor* tensor = context.constant(node, index);
  if (tensor == nullptr) return std::optional<ir::Ints>();
  auto ints = read_ints(*tensor, what);
  if (!ints) return ints.error();
  return std::optional<ir::Ints>(std::move(*ints));
}

std::optional<int64_t> known_length(const ir::Node& node, int index) {
  const ir::Value* value = node.input(index);
  if (value == nullptr || value->type().rank() != 1 || !value->type().shape->front().known()) return std::nullopt;
  return value->type().shape->front().value();
}

std::optional<ir::Shape> contents_or_unknowns(const ir::Node& node, int index, const InferContext& context) {
  if (auto contents = context.contents(node, index)) return contents;
  const ir::Value* value = node.input(index);
  if (value == nullptr) return std::nullopt;
  if (value->type().rank() == 0) return ir::Shape(1);
  const auto length = known_length(node, index);
  if (!length || *length > kMaxContents) return std::nullopt;
  return ir::Shape(static_cast<size_t>(*length));
}

}  // namespace edgesmith::ops
