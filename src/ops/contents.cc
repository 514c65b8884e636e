// SPDX-License-Identifier: Apache-2.0
#include "ops/contents.h"

#include <algorithm>
#include <cmath>

namespace edgesmith::ops {
namespace {

constexpr int64_t kMaxElements = 64;

std::optional<std::vector<Element>> elements_of_constant(const ir::Tensor& tensor) {
  if (tensor.rank() > 1 || tensor.size() > kMaxElements) return std::nullopt;
  const bool is_integer = tensor.dtype() == ir::DType::i64 || tensor.dtype() == ir::DType::i32;
  if (!is_integer && tensor.dtype() != ir::DType::f32) return std::nullopt;
  std::vector<Element> elements(static_cast<size_t>(tensor.size()));
  if (is_integer) {
    const std::vector<int64_t> values = tensor.to_int64s();
    for (size_t i = 0; i < values.size(); ++i) elements[i].number = values[i];
  } else {
    const std::vector<float> values = tensor.to_floats();
    for (size_t i = 0; i < values.size(); ++i) {
      const bool whole = std::fabs(values[i]) < 0x1p24f && values[i] == std::floor(values[i]);
      if (whole) elements[i].number = static_cast<int64_t>(values[i]);
    }
  }
  return elements;
}

}  // namespace

Element element_of(const ir::Dim& dim) {
  Element element;
  if (dim.known()) element.number = dim.value();
  element.symbol = dim.symbol();
  return element;
}

ir::Dim dim_of(const Element& element) {
  if (element.number) return *element.number >= 0 ? ir::Dim(*element.number) : ir::Dim();
  return element.symbol.empty() ? ir::Dim() : ir::Dim(element.symbol);
}

std::optional<std::vector<Element>> elements_of_operand(const ir::Node& node, int index, const InferContext& context) {
  if (const ir::Tensor* constant = context.constant(node, index)) return elements_of_constant(*constant);
  const auto contents = context.contents(node, index);
  if (!contents || static_cast<int64_t>(contents->size()) > kMaxElements) return std::nullopt;
  std::vector<Element> elements;
  for (const ir::Dim& dim : *contents) elements.push_back(element_of(dim));
  return elements;
}

void infer_binary_contents(const ir::Node& node, InferContext& context, ElementFunction function) {
  if (node.input(0)->type().rank() > 1 || node.input(1)->type().rank() > 1) return;
  const auto a = elements_of_operand(node, 0, context);
  const auto b = elements_of_operand(node, 1, context);
  if (!a || !b || (a->size() != b->size() && a->size() != 1 && b->size() != 1)) return;
  const bool whole = ir::is_integer(node.input(0)->type().dtype);
  ir::Shape contents(a->size() == 1 ? b->size() : a->size());
  for (size_t i = 0; i < contents.size(); ++i) {
    contents[i] = dim_of(function((*a)[a->size() == 1 ? 0 : i], (*b)[b->size() == 1 ? 0 : i], whole));
  }
  context.set_contents(node, 0, std::move(contents));
}

void pass_contents(const ir::Node& node, InferContext& context, const ir::Type& output) {
  if (!output.has_rank() || output.rank() > 1) return;
  if (auto contents = context.contents(node, 0)) context.set_contents(node, 0, std::move(*contents));
}

ir::Dim product(const ir::Shape& shape) {
  int64_t number = 1;
  ir::Dim other;
  int num_others = 0;
  for (const ir::Dim& dim : shape) {
    if (dim.known()) {
      if (__builtin_mul_overflow(number, dim.value(), &number)) return {};
    } else {
      other = dim;
      ++num_others;
    }
  }
  if (num_others == 0 || number == 0) return number;
  return num_others == 1 && number == 1 ? other : ir::Dim();
}

}  // namespace edgesmith::ops
