// SPDX-License-Identifier: Apache-2.0
// What gradients are written with (docs/gradients.md). A gradient is ordinary nodes; a formula on terms appends them:
//
//   dy * (1 - y * y)      appends   %a = mul %y, %y;   %b = sub %one, %a;   %dx = mul %dy, %b
//
// Nothing here infers types: whoever asked for the gradients does that once, at the end.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <vector>

#include "edgesmith/ir/graph.h"
#include "edgesmith/ops/op_info.h"

namespace edgesmith::ops {

/// A value in a formula, with its element type: values just appended have no type yet.
struct Term {
  GradientBuilder* build = nullptr;
  ir::Value* value = nullptr;
  ir::DType dtype = ir::DType::undefined;
};

/// Appends nodes to a graph for the gradient of one node after another.
class GradientBuilder {
 public:
  using NamedAttribute = std::pair<std::string_view, ir::Attribute>;

  /// `graph` must outlive the builder. What is appended lands before its output node.
  explicit GradientBuilder(ir::Graph& graph) : graph_(graph) {}

  ir::Graph& graph() const { return graph_; }

  /// Whether the gradient of operand `index` of the node at hand is of use; that of others may be left out.
  bool wants(int index) const {
    return static_cast<size_t>(index) < wanted_.size() && wanted_[static_cast<size_t>(index)];
  }
  void set_wanted(std::vector<bool> wanted) { wanted_ = std::move(wanted); }

  /// A typed value of the graph as a term.
  Term term(ir::Value& value) { return {this, &value, value.type().dtype}; }
  /// A value just appended, of elements `dtype`.
  Term term(ir::Value& value, ir::DType dtype) { return {this, &value, dtype}; }
  /// A scalar constant; equal ones are shared.
  Term number(double value, ir::DType dtype);
  /// A constant of dims `dims`; f16 and bf16 are rounded to.
  Term constant(const ir::Dims& dims, const std::vector<double>& values, ir::DType dtype);
  /// A constant i64 [n]; equal ones are shared.
  ir::Value& ints(const ir::Ints& numbers);

  ir::Node& append_node(ir::OpKind op, std::initializer_list<ir::Value*> inputs, int num_outputs,
                        std::initializer_list<NamedAttribute> attributes = {});
  ir::Value& append(ir::OpKind op, std::initializer_list<ir::Value*> inputs,
                    std::initializer_list<NamedAttribute> attributes = {}) {
    return append_node(op, inputs, 1, attributes).output();
  }

  /// The dims of `value` as i64 [rank]: a constant when they are known, else a Shape right behind the value's producer,
  /// so that the value need not live until the gradient runs. Shared.
  ir::Value& shape_of(ir::Value& value);
  /// The size along `axis` (from the front) as i64 [1], likewise.
  ir::Value& size_of(ir::Value& value, int axis);

 private:
  struct Number {
    double value;
    ir::DType dtype;
    ir::Value* made;
  };
  struct IntList {
    ir::Ints numbers;
    ir::Value* made;
  };
  struct DimsOf {
    int value, first, last;
    ir::Value* made;
  };
  ir::Value& dims_between(ir::Value& value, int first, int last);

  ir::Graph& graph_;
  std::vector<bool> wanted_;
  std::vector<Number> numbers_;
  std::vector<IntList> int_lists_;
  std::vector<DimsOf> dims_;
};

// Arithmetic on terms of one element type; operands broadcast as ONNX's do.
Term operator+(const Term& a, const Term& b);
Term operator-(const Term& a, const Term& b);
Term operator*(const Term& a, const Term& b);
Term operator/(const Term& a, const Term& b);
Term operator-(const Term& a);
Term operator+(const Term& a, double b);
Term operator-(const Term& a, double b);
Term operator*(const Term& a, double b);
Term operator/(const Term& a, double b);
Term operator+(double a, const Term& b);
Term operator-(double a, const Term& b);
Term operator*(double a, const Term& b);
Term operator/(double a, const Term& b);

/// An operator without attributes whose result has the element type of its first operand.
Term apply(ir::OpKind op, const Term& a);
Term apply(ir::OpKind op, const Term& a, const Term& b);
Term exp(const Term& a);
Term log(const Term& a);
Term sqrt(const Term& a);
/// a to the power of a number.
Term power(const Term& a, double exponent);
/// Comparisons; the terms are boolean.
Term less(const Term& a, const Term& b);
Term less(const Term& a, double b);
Term greater(const Term& a, const Term& b);
Term greater(const Term& a, double b);
Term equal(const Term& a, const Term& b);
Term equal(const Term& a, double b);
/// condition ? a : b, element by element.
Term where(const Term& condition, const Term& a, const Term& b);
Term where(const Term& condition, const Term& a, double b);
/// `a` as elements of `dtype`; itself when it has that type.
Term cast(const Term& a, ir::DType dtype);
/// The sum over `axes` (none: `a` itself).
Term reduce_sum(const Term& a, const ir::Ints& axes, bool keep_dims);
/// Dims of 1 inserted at `axes` of the result (none: `a` itself).
Term unsqueeze(const Term& a, const ir::Ints& axes);

}  // namespace edgesmith::ops
