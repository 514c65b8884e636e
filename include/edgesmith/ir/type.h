// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "edgesmith/ir/dtype.h"

namespace edgesmith::ir {

/// Concrete dims of a tensor in memory.
using Dims = std::vector<int64_t>;

/// Product of dims (1 for a scalar); -1 when it does not fit int64 or a dim is negative.
int64_t num_elements(const Dims& dims);

/// One dimension of a type: a number, a named symbol ("N"), or unknown.
class Dim {
 public:
  Dim() = default;                       // unknown
  Dim(int64_t value) : value_(value) {}  // NOLINT: implicit by design
  explicit Dim(std::string symbol) : symbol_(std::move(symbol)) {}

  bool known() const { return value_ >= 0; }
  bool symbolic() const { return !symbol_.empty(); }
  bool unknown() const { return value_ < 0 && symbol_.empty(); }
  int64_t value() const { return value_; }
  const std::string& symbol() const { return symbol_; }
  /// True when both are surely the same: equal numbers or equal symbols. Two unknown dims are not.
  bool same_as(const Dim& other) const;
  /// Structural equality (two unknown dims are equal); for comparing types, not sizes.
  bool operator==(const Dim& other) const;
  /// "8", "N" or "?".
  std::string text() const;

 private:
  int64_t value_ = -1;
  std::string symbol_;
};

using Shape = std::vector<Dim>;

/// The type of a value: element type and, when the rank is known, its shape.
struct Type {
  DType dtype = DType::undefined;
  std::optional<Shape> shape;

  bool has_rank() const { return shape.has_value(); }
  int rank() const { return shape ? static_cast<int>(shape->size()) : -1; }
  /// The dims as numbers when every one is known.
  std::optional<Dims> static_dims() const;
  bool operator==(const Type& other) const;
  /// "f32[N,3,224,224]", "f32[]" for a scalar, "f32[*]" for unknown rank.
  std::string text() const;
};

/// A type with these concrete dims.
Type type_of(DType dtype, const Dims& dims);
Shape to_shape(const Dims& dims);
/// The more precise of two statements about one dim: number over symbol over unknown. nullopt when numbers differ.
std::optional<Dim> merge(const Dim& a, const Dim& b);
/// The same for whole types (dtype undefined and unknown rank say nothing). nullopt when they contradict each other.
std::optional<Type> merge(const Type& a, const Type& b);

}  // namespace edgesmith::ir
