// SPDX-License-Identifier: Apache-2.0
// gemm: Y = alpha * A' * B' + beta * C, where A' [M, K] is A or its transpose (transA), B' [K, N] is B or its transpose
// (transB), and the optional C broadcasts to [M, N].
//
// Attributes: alpha, beta (floats, default 1), transA, transB (flags). f32, f64, i32, i64, u32, u64 (for integers alpha
// and beta are truncated to integers, as ONNX's reference does); f16 and bf16 through f32.
#include <string>

#include "ops/check.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"
#include "ops/matrix_product.h"
#include "ops/slices.h"

namespace edgesmith::ops::gemm_op {
namespace {

bool flag(const ir::Node& node, std::string_view name) { return node.attributes().get_int(name, 0) != 0; }

// The dims of a product, and of its factors' inner dim, from shapes known in part.
struct Product {
  ir::Dim rows, inner_a, inner_b, cols;
};

Product product_of(const ir::Node& node, const ir::Shape& a, const ir::Shape& b) {
  const bool turn_a = flag(node, "transA"), turn_b = flag(node, "transB");
  return {a[turn_a ? 1 : 0], a[turn_a ? 0 : 1], b[turn_b ? 1 : 0], b[turn_b ? 0 : 1]};
}

Status check_shapes(const ir::Node& node, const ir::Shape& a, const ir::Shape& b, const ir::Shape* c) {
  if (a.size() != 2 || b.size() != 2) {
    return invalid_error("operands have ranks " + std::to_string(a.size()) + " and " + std::to_string(b.size()) +
                         ", must be matrices");
  }
  const Product product = product_of(node, a, b);
  if (!ir::merge(product.inner_a, product.inner_b)) {
    return invalid_error("inner dims are " + product.inner_a.text() + " and " + product.inner_b.text() +
                         ", must be the same");
  }
  if (c == nullptr) return {};
  if (c->size() > 2) return invalid_error("C has rank " + std::to_string(c->size()) + ", must be at most 2");
  const ir::Dim target[2] = {product.rows, product.cols};
  for (size_t i = 0; i < c->size(); ++i) {
    const ir::Dim& dim = (*c)[i];
    const ir::Dim& to = target[2 - c->size() + i];
    if (!dim.known() || dim.value() == 1 || ir::merge(dim, to)) continue;
    return invalid_error("C has a dim of " + dim.text() + " where the product has " + to.text());
  }
  return {};
}

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"alpha", AttributeKind::real},
                                        {"beta", AttributeKind::real},
                                        {"transA", AttributeKind::integer},
                                        {"transB", AttributeKind::integer}}));
  EDGESMITH_TRY(check_same_dtype(node, {0, 1, 2}));
  const auto &a = node.input(0)->type().shape, &b = node.input(1)->type().shape;
  if (!a || !b) return {};
  const ir::Value* c = node.input(2);
  return check_shapes(node, *a, *b, c != nullptr && c->type().shape ? &*c->type().shape : nullptr);
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  const auto &a = node.input(0)->type().shape, &b = node.input(1)->type().shape;
  if ((a && a->size() != 2) || (b && b->size() != 2)) return invalid_error("operands must be matrices");
  const Product product = product_of(node, a ? *a : ir::Shape(2), b ? *b : ir::Shape(2));
  return std::vector{ir::Type{node.input(0)->type().dtype, ir::Shape{product.rows, product.cols}}};
}

// y = alpha * y + beta * C for the C that broadcasts to y [rows, cols]; integers wrap around.
template <typename T>
void scale_and_add(T* y, const ir::Dims& dims, T alpha, const ir::Tensor* c, T beta) {
  using P = typename UnsignedIfInteger<T>::type;
  const T* data = c != nullptr && c->size() > 0 ? c->data<T>().data() : nullptr;
  const int64_t cols = c != nullptr && c->rank() > 0 ? c->dims().back() : 1;
  const int64_t rows = c != nullptr && c->rank() > 1 ? c->dims()[0] : 1;
  for (int64_t i = 0; i < dims[0]; ++i) {
    for (int64_t j = 0; j < dims[1]; ++j) {
      T& element = y[i * dims[1] + j];
      P value = static_cast<P>(element) * static_cast<P>(alpha);
      if (data != nullptr) {
        value += static_cast<P>(beta) * static_cast<P>(data[(rows == 1 ? 0 : i) * cols + (cols == 1 ? 0 : j)]);
      }
      element = static_cast<T>(value);
    }
  }
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor &a = *inputs[0], &b = *inputs[1];
  const ir::Tensor* c = inputs.size() > 2 ? inputs[2] : nullptr;
  if (a.dtype() != b.dtype() || (c != nullptr && c->dtype() != a.dtype())) {
    return invalid_error("operands must have one element type");
  }
  const ir::Shape shape_c = c != nullptr ? ir::to_shape(c->dims()) : ir::Shape{};
  EDGESMITH_TRY(check_shapes(node, ir::to_shape(a.dims()), ir::to_shape(b.dims()), c != nullptr ? &shape_c : nullptr));
  const bool turn_a = flag(node, "transA"), turn_b = flag(node, "transB");
  auto made = make_tensor(a.dtype(), {a.dims()[turn_a ? 1 : 0], b.dims()[turn_b ? 0 : 1]});
  if (!made) return made.error();
  return dispatch(MatrixTypes{}, a.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    T* y = made->mutable_data<T>().data();
    add_product<T>({a.data<T>().data(), a.dims()[0], a.dims()[1], a.dims()[1], turn_a},
                   {b.data<T>().data(), b.dims()[0], b.dims()[1], b.dims()[1], turn_b}, y);
    scale_and_add(y, made->dims(), static_cast<T>(node.attributes().get_float("alpha", 1)), c,
                  static_cast<T>(node.attributes().get_float("beta", 1)));
    return std::vector{std::move(*made)};
  });
}

Cost cost(const ir::Node& node) {
  Cost cost;
  const auto &a = node.input(0)->type().shape, &b = node.input(1)->type().shape;
  if (!a || !b || a->size() != 2 || b->size() != 2) return cost;
  const Product product = product_of(node, *a, *b);
  cost.macs = 1;
  for (const ir::Dim& dim : {product.rows, product.inner_a.known() ? product.inner_a : product.inner_b, product.cols}) {
    if (dim.known() && __builtin_mul_overflow(cost.macs, dim.value(), &cost.macs)) cost.macs = INT64_MAX;
  }
  return cost;
}

QuantFacts quant(const ir::Node& node) {
  const ir::Attributes& attributes = node.attributes();
  const bool plain = attributes.get_float("alpha", 1) == 1 && attributes.get_float("beta", 1) == 1;
  if (!plain || flag(node, "transA")) return {};
  return {.kind = QuantFacts::Kind::compute,
          .data_operands = {0},
          .weight_operand = 1,
          .weight_axis = flag(node, "transB") ? 0 : 1,
          .bias_operand = 2};
}

// Columns, where operand C is a row (or absent) and nothing is scaled.
std::optional<ChannelRelation> channels(const ir::Node& node, int axis) {
  const ir::Attributes& attributes = node.attributes();
  const bool plain = attributes.get_float("alpha", 1) == 1 && attributes.get_float("beta", 1) == 1;
  if (axis != 1 || flag(node, "transA") || !plain) return std::nullopt;
  const int in = flag(node, "transB") ? 1 : 0;
  return ChannelRelation{.links = {}, .mixing = Mixing{.weight_in_axis = in, .weight_out_axis = 1 - in, .bias = 2}};
}

// With A' = op(A): dA' = alpha * dY * B'^T, dB' = alpha * A'^T * dY; a transposed operand takes the transpose of that.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const ir::DType dtype = node.output().type().dtype;
  ir::Value &a = *node.input(0), &b = *node.input(1), &dy = *outputs[0];
  const bool turn_a = flag(node, "transA"), turn_b = flag(node, "transB");
  const float alpha = node.attributes().get_float("alpha", 1);
  const auto product = [&](ir::Value& left, bool turn_left, ir::Value& right, bool turn_right) {
    return &build.append(ir::OpKind::gemm, {&left, &right},
                         {{"alpha", alpha}, {"transA", int64_t{turn_left}}, {"transB", int64_t{turn_right}}});
  };
  std::vector<ir::Value*> gradients(3);
  if (build.wants(0)) gradients[0] = turn_a ? product(b, turn_b, dy, true) : product(dy, false, b, !turn_b);
  if (build.wants(1)) gradients[1] = turn_b ? product(dy, true, a, turn_a) : product(a, !turn_a, dy, false);
  if (build.wants(2)) {
    const Term scaled = build.term(dy, dtype) * static_cast<double>(node.attributes().get_float("beta", 1));
    gradients[2] = sum_to(scaled, node.output(), *node.input(2)).value;
  }
  return gradients;
}

}  // namespace

extern const OpInfo gemm_info = {.kind = ir::OpKind::gemm,
                                 .min_inputs = 2,
                                 .max_inputs = 3,
                                 .min_outputs = 1,
                                 .max_outputs = 1,
                                 .verify = verify,
                                 .infer = infer,
                                 .eval = half_as_float<eval>,
                                 .cost = cost,
                                 .quant = quant,
                                 .channels = channels,
                                 .gradient = gradient};

}  // namespace edgesmith::ops::gemm_op
