// SPDX-License-Identifier: Apache-2.0
// Quantized operators: y = quantize(f(dequantize(x), ...)), each real by its own scale and zero point. QLinearConv and
// QLinearMatMul add their products as integers, which matters where a result lies between two codes: so do the graphs
// of nodes that are kept. DynamicQuantizeMatMul, DynamicQuantizeLSTM and MatMulIntegerToFloat give reals.
#include "onnx/compound/compounds.h"

namespace edgesmith::onnx::compound {
namespace {

using ir::OpKind;

constexpr const char* kNotConstant = "its scales and zero points are not constant";
constexpr std::string_view kConv = "auto_pad dilations group kernel_shape pads strides";

/// The real of operands index, index + 1, index + 2.
ir::Value& real_at(Emitter& e, int index, int64_t axis = 1) {
  return e.dequantize(e.input(index), e.input(index + 1), e.input(index + 2), axis);
}

/// A function of one operand: x, its scale, its zero point, scale and zero point of the result.
template <typename Function>
Reason one_operand(Emitter& e, const Function& function) {
  if (e.annotates() && !e.constants({1, 2, 3, 4})) return kNotConstant;
  e.result(e.quantize(function(real_at(e, 0)), e.input(3), e.input(4)));
  return {};
}

Reason two_operands(Emitter& e, OpKind kind) {
  if (e.annotates() && !e.constants({1, 2, 4, 5, 6, 7})) return kNotConstant;
  e.result(e.quantize(e.op(kind, {&real_at(e, 0), &real_at(e, 3)}), e.input(6), e.input(7)));
  return {};
}

/// Sums of products of codes as codes of the result: factor = scale of x * scale of w / scale of y.
void requantized(Emitter& e, ir::Value& sums, ir::Value& factor, ir::Value* zero_point) {
  ir::Value& reals = e.op(OpKind::mul, {&e.as_float(sums), &factor});
  e.result(e.quantize(reals, &e.constant(ir::Tensor::scalar<float>(1)), zero_point));
}

/// Scale of operand a times that of operand b over that of operand y.
ir::Value& factor_of(Emitter& e, int a, int b, int y) {
  ir::Value& product = e.op(OpKind::mul, {&e.as_float(*e.input(a)), &e.as_float(*e.input(b))});
  return e.op(OpKind::div, {&product, &e.as_float(*e.input(y))});
}

/// True when a scale is, or may be, a list.
bool may_be_list(const Emitter& e, int index) {
  const ir::Tensor* constant = e.input(index)->constant();
  return constant != nullptr ? constant->size() != 1 : e.rank(index) != 0;
}

/// Axes that put a list [C] before `rank` - 2 further dims: [C, 1, ...].
ir::Ints behind(int rank) {
  ir::Ints axes;
  for (int64_t axis = 1; axis < rank - 1; ++axis) axes.push_back(axis);
  return axes;
}

/// The perm that moves the last axis to the place of axis 1, and back.
ir::Ints channels_first(int rank) {
  ir::Ints perm = {0, rank - 1};
  for (int64_t axis = 1; axis < rank - 1; ++axis) perm.push_back(axis);
  return perm;
}
ir::Ints channels_last(int rank) {
  ir::Ints perm = {0};
  for (int64_t axis = 2; axis < rank; ++axis) perm.push_back(axis);
  perm.push_back(1);
  return perm;
}

}  // namespace

Reason q_linear_add(Emitter& e) { return two_operands(e, OpKind::add); }
Reason q_linear_mul(Emitter& e) { return two_operands(e, OpKind::mul); }

Reason q_linear_leaky_relu(Emitter& e) {
  return one_operand(e, [&](ir::Value& x) -> ir::Value& { return e.op_like(OpKind::leaky_relu, {&x}, "alpha"); });
}

Reason q_linear_sigmoid(Emitter& e) {
  return one_operand(e, [&](ir::Value& x) -> ir::Value& { return e.op(OpKind::sigmoid, {&x}); });
}

Reason q_linear_softmax(Emitter& e) {
  return one_operand(e, [&](ir::Value& x) -> ir::Value& {
    ir::Value& y = e.op(OpKind::softmax, {&x}, {{"axis", e.integer("axis", -1)}});
    if (e.integer("opset", 13) < 13) y.node().attributes().set("coerce_2d", int64_t{1});
    return y;
  });
}

Reason q_linear_reduce_mean(Emitter& e) {
  return one_operand(e, [&](ir::Value& x) -> ir::Value& {
    const ir::Ints axes = e.attributes().get_ints("axes");
    return e.op(OpKind::reduce_mean, {&x, axes.empty() ? nullptr : &e.ints(axes)},
                {{"keepdims", e.integer("keepdims", 1)}});
  });
}

Reason q_linear_average_pool(Emitter& e) {
  const bool last = e.integer("channels_last", 0) != 0;
  const int rank = static_cast<int>(e.attributes().get_ints("kernel_shape").size()) + 2;
  return one_operand(e, [&](ir::Value& x) -> ir::Value& {
    ir::Value& first = last ? e.op(OpKind::transpose, {&x}, {{"perm", channels_first(rank)}}) : x;
    ir::Value& y =
        e.op_like(OpKind::average_pool, {&first}, "auto_pad ceil_mode count_include_pad kernel_shape pads strides");
    return last ? e.op(OpKind::transpose, {&y}, {{"perm", channels_last(rank)}}) : y;
  });
}

Reason q_linear_global_average_pool(Emitter& e) {
  const bool last = e.integer("channels_last", 0) != 0;
  const int rank = e.rank(0);
  if (last && rank < 3) return "channels_last is set, and the rank is not known";
  return one_operand(e, [&](ir::Value& x) -> ir::Value& {
    ir::Value& first = last ? e.op(OpKind::transpose, {&x}, {{"perm", channels_first(rank)}}) : x;
    ir::Value& y = e.op(OpKind::global_average_pool, {&first});
    return last ? e.op(OpKind::transpose, {&y}, {{"perm", channels_last(rank)}}) : y;
  });
}

Reason q_linear_concat(Emitter& e) {
  if (e.num_inputs() < 5 || (e.num_inputs() - 2) % 3 != 0) return "its operands are no triples";
  std::vector<ir::Value*> reals;
  for (int i = 2; i < e.num_inputs(); i += 3) {
    if (e.input(i) == nullptr || e.input(i + 1) == nullptr) return "an operand is missing";
    if (e.annotates() && !e.constants({0, 1, i + 1, i + 2})) return kNotConstant;
    reals.push_back(&real_at(e, i));
  }
  e.result(e.quantize(e.op_like(OpKind::concat, reals, "axis"), e.input(0), e.input(1)));
  return {};
}

Reason q_linear_where(Emitter& e) {
  if (e.annotates() && !e.constants({2, 3, 5, 6, 7, 8})) return kNotConstant;
  ir::Value& reals = e.op(OpKind::where, {e.input(0), &real_at(e, 1), &real_at(e, 4)});
  e.result(e.quantize(reals, e.input(7), e.input(8)));
  return {};
}

Reason q_linear_conv(Emitter& e) {
  if (e.integer("channels_last", 0) != 0) return "channels_last is set";
  if (e.annotates()) {
    if (!e.constants({1, 2, 3, 4, 5, 6, 7, 8})) return kNotConstant;
    ir::Value* bias = nullptr;
    if (e.input(8) != nullptr) bias = &e.dequantize(e.input(8), &e.product(*e.input(1), *e.input(4)), nullptr, 0);
    ir::Value& y = e.op_like(OpKind::conv, {&real_at(e, 0), &real_at(e, 3, 0), bias}, kConv);
    e.result(e.quantize(y, e.input(6), e.input(7)));
    return {};
  }
  const auto spatial = static_cast<int>(e.attributes().get_ints("kernel_shape").size());
  const int rank = e.rank(0) > 0 ? e.rank(0) : e.rank(3) > 0 ? e.rank(3) : spatial > 0 ? spatial + 2 : -1;
  const bool lists = may_be_list(e, 4) || e.input(8) != nullptr;
  if (rank < 3 && lists) return "its rank is not known";
  const auto per_channel = [&](ir::Value& list) -> ir::Value& {
    return e.op(OpKind::unsqueeze, {&list, &e.ints(behind(rank))});
  };
  ir::Value* sums = &e.op_like(OpKind::conv_integer, {e.input(0), e.input(3), e.input(2), e.input(5)}, kConv);
  if (e.input(8) != nullptr) sums = &e.op(OpKind::add, {sums, &per_channel(*e.input(8))});
  ir::Value& factor = factor_of(e, 1, 4, 6);
  // A list of one scale, or a scalar, broadcasts as it is.
  requantized(e, *sums, may_be_list(e, 4) ? per_channel(e.op(OpKind::reshape, {&factor, &e.ints({-1})})) : factor,
              e.input(7));
  return {};
}

Reason q_linear_mat_mul(Emitter& e) {
  if (e.annotates()) {
    if (!e.constants({1, 2, 4, 5, 6, 7})) return kNotConstant;
    if (may_be_list(e, 1)) return "a has a scale a row";
    e.result(e.quantize(e.op(OpKind::mat_mul, {&real_at(e, 0), &real_at(e, 3, -1)}), e.input(6), e.input(7)));
    return {};
  }
  ir::Value& sums = e.op(OpKind::mat_mul_integer, {e.input(0), e.input(3), e.input(2), e.input(5)});
  requantized(e, sums, factor_of(e, 1, 4, 6), e.input(7));
  return {};
}

Reason q_gemm(Emitter& e) {
  if (e.annotates() && !e.constants({1, 2, 4, 5, 6, 7, 8})) return kNotConstant;
  const bool turned = e.integer("transB", 0) != 0;
  ir::Value* bias = nullptr;
  if (e.input(6) != nullptr) {
    const int rank = e.rank(6);
    if (may_be_list(e, 4) && rank < 1) return "the rank of C is not known";
    bias = &e.dequantize(e.input(6), &e.product(*e.input(1), *e.input(4)), nullptr, rank > 0 ? rank - 1 : 1);
  }
  ir::Value* y = &e.op_like(OpKind::gemm, {&real_at(e, 0), &real_at(e, 3, turned ? 0 : 1), bias}, "transA transB");
  if (e.real("alpha", 1) != 1) y = &e.op(OpKind::mul, {y, &e.scalar(e.real("alpha", 1), *y)});
  e.result(e.input(7) != nullptr ? e.quantize(*y, e.input(7), e.input(8)) : *y);
  return {};
}

Reason quantize_linear(Emitter& e) {
  e.result(e.op_like(OpKind::quantize_linear, {e.input(0), e.input(1), e.input(2)}, "axis block_size saturate"));
  return {};
}

Reason dequantize_linear(Emitter& e) {
  e.result(e.op_like(OpKind::dequantize_linear, {e.input(0), e.input(1), e.input(2)}, "axis block_size"));
  return {};
}

// a, b, scale of a, scale of b, zero points of a and b, bias.
Reason mat_mul_integer_to_float(Emitter& e) {
  ir::Value& sums = e.op(OpKind::mat_mul_integer, {e.input(0), e.input(1), e.input(4), e.input(5)});
  ir::Value& factor = e.op(OpKind::mul, {e.input(2), e.input(3)});
  ir::Value& y = e.op(OpKind::mul, {&e.as_float(sums), &factor});
  e.result(e.input(6) != nullptr ? e.op(OpKind::add, {&y, e.input(6)}) : y);
  return {};
}

namespace {

/// Reals of weights [directions, n, 4 * hidden] of an LSTM, turned as lstm has them. Scale and zero point: one for a
/// direction, or for each column.
ir::Value& lstm_weights(Emitter& e, ir::Value* codes, ir::Value* scale, ir::Value* zero_point) {
  const int64_t directions = e.attributes().get_string("direction", "forward") == "bidirectional" ? 2 : 1;
  ir::Value& spread = e.ints({directions, 1, -1});
  ir::Value* numbers = &e.as_float(*codes);
  if (zero_point != nullptr) {
    numbers = &e.op(OpKind::sub, {numbers, &e.op(OpKind::reshape, {&e.as_float(*zero_point), &spread})});
  }
  return e.transposed(e.op(OpKind::mul, {numbers, &e.op(OpKind::reshape, {scale, &spread})}));
}

}  // namespace

// x, codes of W and R, bias, sequence lengths, initial h and c, peepholes, scale and zero point of W and R. x is coded
// as a whole, as far as the longest sequence goes; h anew at every step, over all sequences that had not ended a step
// before.
Reason dynamic_quantize_lstm(Emitter& e) {
  ir::Value* steps = e.input(0);
  if (e.input(4) != nullptr) {
    ir::Value& longest = e.op(OpKind::reduce_max, {e.input(4)}, {{"keepdims", int64_t{1}}});
    ir::Value& end = e.op(OpKind::cast, {&longest}, {{"to", static_cast<int64_t>(ir::DType::i64)}});
    steps = &e.op(OpKind::slice, {steps, &e.ints({0}), &end, &e.ints({0})});
  }
  ir::Node& x = e.node(OpKind::dynamic_quantize_linear, {steps}, 3);
  ir::Value& codes = e.quantize(*e.input(0), &x.output(1), &x.output(2));
  ir::Value& reals = e.dequantize(&codes, &x.output(1), &x.output(2));
  ir::Value& w = lstm_weights(e, e.input(1), e.input(8), e.input(9));
  ir::Value& r = lstm_weights(e, e.input(2), e.input(10), e.input(11));
  ir::Node& y = e.node(OpKind::lstm, {&reals, &w, &r, e.input(3), e.input(4), e.input(5), e.input(6), e.input(7)}, 3);
  y.attributes() = e.attributes();
  y.attributes().set("quantized_states", int64_t{1});
  for (int i = 0; i < 3; ++i) e.result(y.output(i));
  return {};
}

// a (real), b, scale of b, zero point of b, bias.
Reason dynamic_quantize_mat_mul(Emitter& e) {
  ir::Node& a = e.node(OpKind::dynamic_quantize_linear, {e.input(0)}, 3);
  ir::Value& sums = e.op(OpKind::mat_mul_integer, {&a.output(0), e.input(1), &a.output(2), e.input(3)});
  ir::Value& factor = e.op(OpKind::mul, {&a.output(1), e.input(2)});
  ir::Value& y = e.op(OpKind::mul, {&e.as_float(sums), &factor});
  e.result(e.input(4) != nullptr ? e.op(OpKind::add, {&y, e.input(4)}) : y);
  return {};
}

}  // namespace edgesmith::onnx::compound
