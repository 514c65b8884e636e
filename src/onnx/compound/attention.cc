// SPDX-License-Identifier: Apache-2.0
// Attention and MultiHeadAttention of com.microsoft by the attention of ONNX, without a past.
#include "onnx/compound/compounds.h"

namespace edgesmith::onnx::compound {
namespace {

using ir::OpKind;

/// 0 where a step of K counts, `mask_filter_value` where it does not, as [batch, 1, 1, steps] or [batch, 1, steps of Q,
/// steps of K], for a mask of 1 and 0 of rank 2 or 3.
ir::Value& added(Emitter& e, ir::Value& mask, int rank, ir::Value& like) {
  ir::Value& numbers = e.op(OpKind::cast_like, {&mask, &like});
  ir::Value& out = e.op(OpKind::sub, {&e.scalar(1, like), &numbers});
  ir::Value& filtered = e.op(OpKind::mul, {&out, &e.scalar(e.real("mask_filter_value", -10000), like)});
  return e.op(OpKind::unsqueeze, {&filtered, &e.ints(rank == 2 ? ir::Ints{1, 2} : ir::Ints{1})});
}

/// The sum of a mask and a bias; either may be null.
ir::Value* together(Emitter& e, ir::Value* mask, ir::Value* bias) {
  if (mask == nullptr || bias == nullptr) return mask != nullptr ? mask : bias;
  return &e.op(OpKind::add, {mask, bias});
}

Reason attend(Emitter& e, const std::vector<ir::Value*>& qkv, ir::Value* mask) {
  const int64_t heads = e.integer("num_heads", 0);
  if (heads <= 0) return "num_heads is missing";
  ir::Value& y = e.op(OpKind::attention, {qkv[0], qkv[1], qkv[2], mask},
                      {{"is_causal", e.integer("unidirectional", 0)}, {"kv_num_heads", heads}, {"q_num_heads", heads}});
  if (const float scale = e.real("scale", 0); scale != 0) y.node().attributes().set("scale", scale);
  e.result(y);
  return {};
}

}  // namespace

// x [batch, steps, width], weights [width, 3 * hidden], bias [3 * hidden], mask_index, past, attention_bias, ...
Reason attention(Emitter& e) {
  if (e.input(4) != nullptr || e.input(6) != nullptr) return "it has a past";
  if (e.integer("do_rotary", 0) != 0) return "do_rotary is set";
  const ir::Ints sizes = e.attributes().get_ints("qkv_hidden_sizes");
  for (const int64_t size : sizes) {
    if (size != sizes.front()) return "qkv_hidden_sizes differ";
  }
  ir::Value* mask = e.input(3);
  if (mask != nullptr && e.rank(3) != 2 && e.rank(3) != 3) return "its mask is no matrix, or of unknown rank";
  ir::Value* x = &e.op(OpKind::mat_mul, {e.input(0), e.input(1)});
  if (e.input(2) != nullptr) x = &e.op(OpKind::add, {x, e.input(2)});
  ir::Node& parts = e.node(OpKind::split, {x}, 3, {{"axis", int64_t{-1}}});
  if (mask != nullptr) mask = &added(e, *mask, e.rank(3), *x);
  return attend(e, {&parts.output(0), &parts.output(1), &parts.output(2)}, together(e, mask, e.input(5)));
}

// query, key, value [batch, steps, hidden], bias [3 * hidden], key_padding_mask, attention_bias, past key and value,
// ...
Reason multi_head_attention(Emitter& e) {
  if (e.num_inputs() > 6) return "it has a past";
  if (e.rank(0) != 3 || e.rank(1) != 3 || e.rank(2) != 3) return "query, key and value are not all of rank 3";
  ir::Value* mask = e.input(4);
  if (mask != nullptr && e.rank(4) != 2 && e.rank(4) != 3) return "its mask is no matrix, or of unknown rank";
  std::vector<ir::Value*> qkv = {e.input(0), e.input(1), e.input(2)};
  if (e.input(3) != nullptr) {
    ir::Node& parts = e.node(OpKind::split, {e.input(3)}, 3, {{"axis", int64_t{0}}});
    for (int i = 0; i < 3; ++i) {
      qkv[static_cast<size_t>(i)] = &e.op(OpKind::add, {qkv[static_cast<size_t>(i)], &parts.output(i)});
    }
  }
  if (mask != nullptr) mask = &added(e, *mask, e.rank(4), *qkv[0]);
  return attend(e, qkv, together(e, mask, e.input(5)));
}

}  // namespace edgesmith::onnx::compound
