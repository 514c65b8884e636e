// SPDX-License-Identifier: Apache-2.0
// Arithmetic on the contents of small integer tensors (shapes, axes, sizes), so that Shape -> Gather -> Mul -> Concat
// -> Reshape keeps its symbols: numbers are computed, a symbol survives what leaves it as it is (x * 1, x + 0),
// everything else becomes unknown.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "edgesmith/ops/op_info.h"

namespace edgesmith::ops {

/// One element: a number of any sign, a symbol (the size of a dim, never negative), or unknown (neither).
struct Element {
  std::optional<int64_t> number;
  std::string symbol;

  bool is(int64_t value) const { return number == value; }
  bool same_symbol(const Element& other) const { return !symbol.empty() && symbol == other.symbol; }
};

Element element_of(const ir::Dim& dim);
/// Negative numbers cannot be dims and become unknown.
ir::Dim dim_of(const Element& element);

/// The elements of an operand of rank 0 or 1 with at most a few dozen elements, where they are known.
std::optional<std::vector<Element>> elements_of_operand(const ir::Node& node, int index, const InferContext& context);

/// What an operator makes of two elements; `whole` when its type is an integer (division truncates).
using ElementFunction = Element (*)(const Element& a, const Element& b, bool whole);

/// States the contents of output 0 of a binary operator from those of its operands, where they are known.
void infer_binary_contents(const ir::Node& node, InferContext& context, ElementFunction function);

/// States that output 0 holds the elements of operand 0 in the same order (Identity, Squeeze, ...), when it has rank 0
/// or 1.
void pass_contents(const ir::Node& node, InferContext& context, const ir::Type& output);

/// The product of dims: a number when all are known, a symbol when it is the only one and the rest is 1, else unknown.
ir::Dim product(const ir::Shape& shape);

}  // namespace edgesmith::ops
