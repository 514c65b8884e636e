// SPDX-License-Identifier: Apache-2.0
#include "passes/simplify/product.h"

#include <algorithm>
#include <cmath>

namespace edgesmith::passes {
namespace {

using ir::OpKind;

// Exponents above stay powers.
constexpr int kMostPower = 3;

class Collector {
 public:
  void take(ir::Value& value, bool root) {
    ir::Node& node = value.node();
    const bool inside = is_plain(value) && (root || value.uses().size() == 1) && node.num_outputs() == 1;
    if (inside && node.is(OpKind::mul)) {
      product_.nodes.push_back(&node);
      for (int i = 0; i < 2; ++i) take_operand(node, i);
      return;
    }
    if (inside && node.is(OpKind::neg)) {
      product_.nodes.push_back(&node);
      product_.scale = -product_.scale;
      take(*node.input(0), false);
      return;
    }
    if (inside && node.is(OpKind::div)) {
      const auto divisor = number_of(node, 1);
      if (divisor && *divisor != 0) {
        product_.nodes.push_back(&node);
        product_.scale /= *divisor;
        take_operand(node, 0);
        return;
      }
    }
    if (inside && node.is(OpKind::pow)) {
      const auto power = number_of(node, 1);
      if (power && (*power == 2 || *power == kMostPower) && node.input(0)->constant() == nullptr) {
        product_.nodes.push_back(&node);
        product_.factors.insert(product_.factors.end(), static_cast<size_t>(*power), node.input(0));
        return;
      }
    }
    product_.factors.push_back(&value);
  }

  Product product() { return std::move(product_); }

 private:
  void take_operand(ir::Node& node, int index) {
    if (const auto number = number_of(node, index)) {
      product_.scale *= *number;
    } else {
      take(*node.input(index), false);
    }
  }

  Product product_;
};

}  // namespace

Product product_of(ir::Value& value) {
  Collector collector;
  collector.take(value, true);
  return collector.product();
}

std::optional<double> number_of(const ir::Value& value) {
  const ir::Tensor* tensor = is_plain(value) ? value.constant() : nullptr;
  // Of a higher rank it could broadcast the rank of its other operand.
  if (tensor == nullptr || !ir::is_float(tensor->dtype()) || tensor->size() != 1 || tensor->rank() > 1) {
    return std::nullopt;
  }
  const float number = tensor->to_floats()[0];
  return std::isfinite(number) ? std::optional<double>(number) : std::nullopt;
}

std::optional<double> number_of(const ir::Node& node, int index) {
  return node.input(index) != nullptr ? number_of(*node.input(index)) : std::nullopt;
}

std::optional<Shifted> shifted(ir::Value& value) {
  ir::Node& node = value.node();
  if (!is_plain(value) || value.uses().size() != 1) return std::nullopt;
  if (node.is(OpKind::add)) {
    for (int i = 0; i < 2; ++i) {
      if (const auto number = number_of(node, i)) return Shifted{node.input(1 - i), *number};
    }
  }
  if (node.is(OpKind::sub)) {
    if (const auto number = number_of(node, 1)) return Shifted{node.input(0), -*number};
  }
  return std::nullopt;
}

bool about(double a, double b) { return std::abs(a - b) <= 1e-4 * std::max(std::abs(a), std::abs(b)); }

ir::Node* sole(ir::Value& value, OpKind op) {
  return value.node().is(op) && is_plain(value) && value.uses().size() == 1 ? &value.node() : nullptr;
}

}  // namespace edgesmith::passes
