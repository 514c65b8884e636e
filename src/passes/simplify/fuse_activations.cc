// SPDX-License-Identifier: Apache-2.0
// Recognises activations that exporters spelled out, where the model's opset has the operator.
//
//   0.5 x (1 + erf(x / sqrt 2))                               =>   gelu %x                          opset 20
//   0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))         =>   gelu %x {approximate="tanh"}     opset 20
//   x sigmoid(x)                                              =>   swish %x                         opset 24
//   x clip(x + 3, 0, 6) / 6,  x hard_sigmoid(x; 1/6, 1/2)     =>   hard_swish %x                    opset 14
//   x tanh(softplus(x)),  x tanh(log(1 + exp(x)))             =>   mish %x                          opset 18
//
// The last is the same as long as exp(x) is finite; where it is not, Mish is right and the formula was not.
#include <algorithm>
#include <cmath>

#include "passes/simplify/product.h"

namespace edgesmith::passes {
namespace {

using ir::OpKind;

struct Activation {
  OpKind op;
  int64_t opset;
  const char* approximate = nullptr;
};

constexpr Activation kGelu{OpKind::gelu, 20}, kTanhGelu{OpKind::gelu, 20, "tanh"}, kSwish{OpKind::swish, 24},
    kHardSwish{OpKind::hard_swish, 14}, kMish{OpKind::mish, 18};

bool is_power(const Product& product, const ir::Value& x, size_t power) {
  return product.factors.size() == power &&
         std::all_of(product.factors.begin(), product.factors.end(), [&](const ir::Value* f) { return f == &x; });
}

// sqrt(2 / pi) (x + 0.044715 x^3), also as sqrt(2 / pi) x (1 + 0.044715 x^2).
bool is_tanh_argument(ir::Value& value, const ir::Value& x) {
  constexpr double kCubic = 0.044715;
  const Product outer = product_of(value);
  if (!about(outer.scale, std::sqrt(2 / std::acos(-1.0)))) return false;
  if (outer.factors.size() == 2) {
    for (size_t i = 0; i < 2; ++i) {
      const auto sum = outer.factors[1 - i] == &x ? shifted(*outer.factors[i]) : std::nullopt;
      if (!sum || !about(sum->shift, 1)) continue;
      const Product square = product_of(*sum->value);
      if (about(square.scale, kCubic) && is_power(square, x, 2)) return true;
    }
    return false;
  }
  ir::Node* sum = outer.factors.size() == 1 ? sole(*outer.factors[0], OpKind::add) : nullptr;
  for (int i = 0; sum != nullptr && i < 2; ++i) {
    if (sum->input(i) != &x) continue;
    const Product cubic = product_of(*sum->input(1 - i));
    if (about(cubic.scale, kCubic) && is_power(cubic, x, 3)) return true;
  }
  return false;
}

// What scale * x * gate is, or null. The gate is read by the product alone.
const Activation* find_activation(double scale, const ir::Value& x, ir::Value& gate) {
  if (!is_plain(gate) || gate.uses().size() != 1) return nullptr;
  ir::Node& node = gate.node();
  if (const auto sum = shifted(gate); sum && about(sum->shift, 1) && about(scale, 0.5)) {
    if (const ir::Node* erf = sole(*sum->value, OpKind::erf)) {
      const Product inside = product_of(*erf->input(0));
      if (about(inside.scale, std::sqrt(0.5)) && is_power(inside, x, 1)) return &kGelu;
    }
    const ir::Node* tanh = sole(*sum->value, OpKind::tanh);
    if (tanh != nullptr && is_tanh_argument(*tanh->input(0), x)) return &kTanhGelu;
  }
  if (node.is(OpKind::clip) && about(scale, 1.0 / 6)) {
    const auto low = number_of(node, 1), high = number_of(node, 2);
    const auto sum = shifted(*node.input(0));
    if (sum && sum->value == &x && sum->shift == 3 && low && *low == 0 && high && *high == 6) return &kHardSwish;
  }
  if (scale != 1) return nullptr;
  if (node.is(OpKind::sigmoid) && node.input(0) == &x) return &kSwish;
  if (node.is(OpKind::hard_sigmoid) && node.input(0) == &x) {
    const double alpha = node.attributes().get_float("alpha", 0.2f), beta = node.attributes().get_float("beta", 0.5f);
    if (about(alpha, 1.0 / 6) && beta == 0.5) return &kHardSwish;
  }
  if (!node.is(OpKind::tanh)) return nullptr;
  ir::Value& argument = *node.input(0);
  if (const ir::Node* softplus = sole(argument, OpKind::softplus)) return softplus->input(0) == &x ? &kMish : nullptr;
  const ir::Node* log = sole(argument, OpKind::log);
  const auto sum = log != nullptr ? shifted(*log->input(0)) : std::nullopt;
  const ir::Node* exp = sum && sum->shift == 1 ? sole(*sum->value, OpKind::exp) : nullptr;
  return exp != nullptr && exp->input(0) == &x ? &kMish : nullptr;
}

bool is_real(const ir::Value& value) { return value.type().dtype == ir::DType::f32; }

bool fuse_activations(ir::Graph& graph, ir::Node& node, const PassContext& context) {
  if (!node.is(OpKind::mul) && !node.is(OpKind::div)) return false;
  if (!is_plain(node.output()) || !is_real(node.output())) return false;
  const Product product = product_of(node.output());
  if (product.factors.size() != 2) return false;
  for (size_t i = 0; i < 2; ++i) {
    ir::Value& x = *product.factors[i];
    const Activation* found = find_activation(product.scale, x, *product.factors[1 - i]);
    if (found == nullptr || !has_opset(context, found->opset)) continue;
    ir::Node& fused = graph.insert_before(node, found->op, {&x});
    if (found->approximate != nullptr) fused.attributes().set("approximate", std::string(found->approximate));
    fused.set_name(node.name());
    replace_node(graph, node, fused.output());
    return true;
  }
  return false;
}

Result<Change> run_fuse_activations(ir::Graph& graph, const Options&, PassContext& context) {
  return rewrite_nodes(graph, [&](ir::Graph& all, ir::Node& node) { return fuse_activations(all, node, context); });
}

}  // namespace

extern const PassInfo fuse_activations_pass = {"fuse-activations",
                                               "recognise Gelu, Swish, HardSwish and Mish that were spelled out",
                                               no_options,
                                               run_fuse_activations,
                                               false,
                                               false};

}  // namespace edgesmith::passes
