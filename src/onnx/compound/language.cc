// SPDX-License-Identifier: Apache-2.0
// Operators of language models: products with weights of 4 or 8 bits in blocks, and the sum of embeddings.
#include <algorithm>
#include <string>

#include "onnx/compound/compounds.h"

namespace edgesmith::onnx::compound {
namespace {

using ir::OpKind;

/// Two codes of 4 bits out of every byte along the last axis, the lower half first: [..., n] -> [..., n, 2].
ir::Value& halves(Emitter& e, ir::Value& bytes) {
  ir::Value& mask = e.constant(ir::Tensor::of<uint8_t>({}, std::vector<uint8_t>{15}));
  ir::Value& four = e.constant(ir::Tensor::of<uint8_t>({}, std::vector<uint8_t>{4}));
  ir::Value& low = e.op(OpKind::bitwise_and, {&bytes, &mask});
  ir::Value& high = e.op(OpKind::bit_shift, {&bytes, &four}, {{"direction", std::string("RIGHT")}});
  ir::Value& last = e.ints({-1});
  return e.op(OpKind::concat, {&e.op(OpKind::unsqueeze, {&low, &last}), &e.op(OpKind::unsqueeze, {&high, &last})},
              {{"axis", int64_t{-1}}});
}

/// No weight is longer along an axis, nor its blocks.
constexpr int64_t kMostAlong = int64_t{1} << 31;

}  // namespace

// a [..., K]; codes [N, blocks, bytes]; scales [N * blocks]; zero points, as codes or reals; order of inputs; bias [N].
Reason mat_mul_n_bits(Emitter& e) {
  const int64_t bits = e.integer("bits", 4), block = e.integer("block_size", 0);
  const int64_t inputs = e.integer("K", 0), outputs = e.integer("N", 0);
  if (bits != 4 && bits != 8) return "its codes have " + std::to_string(bits) + " bits";
  if (e.integer("weight_prepacked", 0) != 0) return "its weights are packed for one kernel";
  if (block < 1 || inputs < 1 || outputs < 1) return "K, N or block_size is missing";
  if (std::max({block, inputs, outputs}) > kMostAlong) return "K, N or block_size is too large";
  if (e.input(4) != nullptr) return "it reorders its inputs (g_idx)";
  const int64_t blocks = (inputs + block - 1) / block;
  ir::Value& b = bits == 4 ? halves(e, *e.input(1)) : *e.input(1);
  ir::Value& codes = e.as_float(e.op(OpKind::reshape, {&b, &e.ints({outputs, blocks, block})}));
  ir::Value& per_block = e.ints({outputs, blocks, 1});
  ir::Value* zero = e.input(3);
  if (zero == nullptr) {
    zero = &e.constant(ir::Tensor::scalar<float>(bits == 4 ? 8 : 128));
  } else if (e.dtype(3) == ir::DType::u8 && bits == 4) {
    // A row of blocks begins with a byte of its own.
    ir::Value& all = e.op(OpKind::reshape, {&halves(e, *zero), &e.ints({outputs, -1})});
    ir::Value& own = e.op(OpKind::slice, {&all, &e.ints({0}), &e.ints({blocks}), &e.ints({1})});
    zero = &e.op(OpKind::reshape, {&e.as_float(own), &per_block});
  } else if (e.dtype(3) == ir::DType::u8 || e.dtype(3) == ir::DType::f32) {
    zero = &e.op(OpKind::reshape, {&e.as_float(*zero), &per_block});
  } else {
    return "the type of its zero points is not known";
  }
  ir::Value& scales = e.op(OpKind::reshape, {&e.as_float(*e.input(2)), &per_block});
  ir::Value& reals = e.op(OpKind::mul, {&e.op(OpKind::sub, {&codes, zero}), &scales});
  ir::Value* rows = &e.op(OpKind::reshape, {&reals, &e.ints({outputs, blocks * block})});
  if (blocks * block > inputs) rows = &e.op(OpKind::slice, {rows, &e.ints({0}), &e.ints({inputs}), &e.ints({1})});
  ir::Value* y = &e.op(OpKind::mat_mul, {&e.as_float(*e.input(0)), &e.transposed(*rows)});
  if (e.input(5) != nullptr) y = &e.op(OpKind::add, {y, &e.as_float(*e.input(5))});
  e.result(e.op(OpKind::cast_like, {y, e.input(0)}));
  return {};
}

// Ids, segments, tables of words, positions and segments, scale, shift, mask, positions; outputs: y, how many tokens
// the mask of each sample has, the sum.
Reason embed_layer_normalization(Emitter& e) {
  ir::Value& ids = *e.input(0);
  ir::Value* positions = nullptr;
  if (e.input(8) != nullptr) {
    positions = &e.op(OpKind::gather, {e.input(3), e.input(8)}, {{"axis", int64_t{0}}});
  } else {
    ir::Value& length = e.op(OpKind::shape, {&ids}, {{"start", int64_t{1}}, {"end", int64_t{2}}});
    positions = &e.op(OpKind::slice, {e.input(3), &e.ints({0}), &length, &e.ints({0})});
  }
  ir::Value* sum = &e.op(OpKind::add, {&e.op(OpKind::gather, {e.input(2), &ids}, {{"axis", int64_t{0}}}), positions});
  if (e.input(1) != nullptr && e.input(4) != nullptr) {
    sum = &e.op(OpKind::add, {sum, &e.op(OpKind::gather, {e.input(4), e.input(1)}, {{"axis", int64_t{0}}})});
  }
  e.result(e.op(OpKind::layer_normalization, {sum, e.input(5), e.input(6)}, {{"epsilon", e.real("epsilon", 1e-12F)}}));
  ir::Value& counted = e.input(7) != nullptr ? *e.input(7) : e.op(OpKind::sub, {&ids, &ids});
  e.result(e.op(OpKind::reduce_sum, {&counted, &e.ints({1})}, {{"keepdims", int64_t{0}}}));
  e.result(*sum);
  return {};
}

}  // namespace edgesmith::onnx::compound
