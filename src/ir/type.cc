// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/ir/type.h"

namespace edgesmith::ir {

int64_t num_elements(const Dims& dims) {
  int64_t product = 1;
  for (int64_t dim : dims) {
    if (dim < 0 || __builtin_mul_overflow(product, dim, &product)) return -1;
  }
  return product;
}

bool Dim::operator==(const Dim& other) const = default;
bool Type::operator==(const Type& other) const = default;

bool Dim::same_as(const Dim& other) const {
  if (known() || other.known()) return value_ == other.value_;
  return symbolic() && symbol_ == other.symbol_;
}

std::string Dim::text() const {
  if (known()) return std::to_string(value_);
  return symbolic() ? symbol_ : "?";
}

std::optional<Dims> Type::static_dims() const {
  if (!shape) return std::nullopt;
  Dims dims;
  for (const Dim& dim : *shape) {
    if (!dim.known()) return std::nullopt;
    dims.push_back(dim.value());
  }
  return dims;
}

std::string Type::text() const {
  std::string text(dtype_name(dtype));
  if (!shape) return text + "[*]";
  text += '[';
  for (size_t i = 0; i < shape->size(); ++i) {
    if (i > 0) text += ',';
    text += (*shape)[i].text();
  }
  return text + ']';
}

Shape to_shape(const Dims& dims) { return Shape(dims.begin(), dims.end()); }

Type type_of(DType dtype, const Dims& dims) { return {dtype, to_shape(dims)}; }

std::optional<Dim> merge(const Dim& a, const Dim& b) {
  if (a.known() && b.known() && a.value() != b.value()) return std::nullopt;
  if (a.known()) return a;
  if (b.known()) return b;
  return a.symbolic() ? a : b;
}

std::optional<Type> merge(const Type& a, const Type& b) {
  Type merged;
  if (a.dtype != DType::undefined && b.dtype != DType::undefined && a.dtype != b.dtype) return std::nullopt;
  merged.dtype = a.dtype != DType::undefined ? a.dtype : b.dtype;
  if (!a.shape || !b.shape) {
    merged.shape = a.shape ? a.shape : b.shape;
    return merged;
  }
  if (a.shape->size() != b.shape->size()) return std::nullopt;
  merged.shape.emplace();
  for (size_t i = 0; i < a.shape->size(); ++i) {
    auto dim = merge((*a.shape)[i], (*b.shape)[i]);
    if (!dim) return std::nullopt;
    merged.shape->push_back(*dim);
  }
  return merged;
}

}  // namespace edgesmith::ir
