// SPDX-License-Identifier: Apache-2.0
// Products and what is inside of them, for passes that recognise formulas that exporters spelled out.
#pragma once

#include <optional>
#include <vector>

#include "passes/rewrite.h"

namespace edgesmith::passes {

/// scale * factors[0] * factors[1] * ...: a tree of Mul, Div and Neg, and Pow with a small whole exponent, that nothing
/// outside of it reads.
struct Product {
  double scale = 1;
  std::vector<ir::Value*> factors;
  std::vector<ir::Node*> nodes;  ///< of the tree, the root first
};

/// The product that `value` is. One that cannot be taken apart is a product of itself.
Product product_of(ir::Value& value);

/// The number that operand `index` is when it is a plain float constant of one element.
std::optional<double> number_of(const ir::Node& node, int index);
std::optional<double> number_of(const ir::Value& value);

/// `value` is the Add (or Sub) of a value and a number: value - number is added as its negative.
struct Shifted {
  ir::Value* value;
  double shift;
};
std::optional<Shifted> shifted(ir::Value& value);

/// True when the two numbers are the same but for what exporters round: 1e-4 of the larger.
bool about(double a, double b);

/// The producer of `value` when it is an `op` with a plain output that one operand alone reads.
ir::Node* sole(ir::Value& value, ir::OpKind op);

/// True when a node that needs `opset` may be added to the model.
inline bool has_opset(const PassContext& context, int64_t opset) {
  return context.opset == 0 || context.opset >= opset;
}

}  // namespace edgesmith::passes
