// SPDX-License-Identifier: Apache-2.0
// Attention of float32 numbers without a past: head by head, a few steps of Q at a time, so that their scores stay in
// the cache between the two products.
//
//   K of a head, packed by columns and scaled ─┐
//   64 steps of Q ── product ── softcap, mask, softmax of the rows ── product ── 64 steps of Y
//   V of a head, packed ───────────────────────────────────────────────┘
//
// Layout: row-major, [batch, heads, steps, size] or [batch, steps, heads * size], which is read and written where it
// lies. Threads share the heads. Scratch: both packed operands and the scores.
#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/native/conv_common.h"
#include "runtime/native/kernels.h"
#include "runtime/native/packing.h"
#include "runtime/native/split.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

namespace {

enum Operand { kQ, kK, kV, kMask };
constexpr float kOut = -std::numeric_limits<float>::infinity();
constexpr int64_t kRows = 64;  // steps of Q at a time

// A mask that reaches every step of K.
bool takes_mask(const ir::Node& node) {
  const ir::Value* mask = node.input(kMask);
  if (mask == nullptr) return true;
  const ir::Type &type = mask->type(), &k = node.input(kK)->type();
  if (type.dtype != ir::DType::f32 && type.dtype != ir::DType::boolean) return false;
  if (type.rank() < 1 || type.rank() > 4) return false;
  return type.shape->back().same_as((*k.shape)[k.rank() == 4 ? 2 : 1]);
}

bool supports(const ir::Node& node) {
  for (int i = kMask + 1; i < node.num_inputs(); ++i) {
    if (node.input(i) != nullptr) return false;
  }
  for (const int i : {kQ, kK, kV}) {
    const ir::Type& type = node.input(i)->type();
    if (type.dtype != ir::DType::f32 || (type.rank() != 3 && type.rank() != 4)) return false;
  }
  return node.num_outputs() == 1 && takes_mask(node);
}

// An operand as [batch, heads, steps, size].
struct Heads {
  int64_t batch = 0, heads = 0, steps = 0, size = 0;
  int64_t row = 0;  // from step to step
  int64_t of_head = 0, of_batch = 0;

  int64_t at(int64_t b, int64_t h) const { return b * of_batch + h * of_head; }
};

std::optional<Heads> heads_of(const ir::Dims& dims, int64_t heads) {
  if (dims.size() == 4) {
    return Heads{dims[0], dims[1], dims[2], dims[3], dims[3], dims[2] * dims[3], dims[1] * dims[2] * dims[3]};
  }
  if (dims.size() != 3 || heads <= 0 || dims[2] % heads != 0) return std::nullopt;
  return Heads{dims[0], heads, dims[1], dims[2] / heads, dims[2], dims[2] / heads, dims[1] * dims[2]};
}

struct Sizes : Prepared {
  Heads q, k, v;
  int64_t mask_strides[3] = {0, 0, 0};  // over batch, heads, steps of Q
  float scale = 1;
};

std::optional<Sizes> sizes_of(const ir::Node& node, OperandDims inputs) {
  const int64_t of_kv = node.attributes().get_int("kv_num_heads", 0);
  const auto q = heads_of(*inputs[kQ], node.attributes().get_int("q_num_heads", 0));
  const auto k = heads_of(*inputs[kK], of_kv), v = heads_of(*inputs[kV], of_kv);
  if (!q || !k || !v || k->batch != q->batch || v->batch != q->batch || k->heads != v->heads || k->heads == 0 ||
      q->heads % k->heads != 0 || k->steps != v->steps || k->size != q->size) {
    return std::nullopt;
  }
  Sizes sizes;
  sizes.q = *q;
  sizes.k = *k;
  sizes.v = *v;
  const auto size = static_cast<double>(std::max<int64_t>(q->size, 1));
  sizes.scale = node.attributes().get_float("scale", static_cast<float>(1 / std::sqrt(size)));
  if (inputs.size() <= kMask || inputs[kMask] == nullptr) return sizes;
  const ir::Dims &mask = *inputs[kMask], scores = {q->batch, q->heads, q->steps, k->steps};
  int64_t stride = k->steps;
  if (mask.back() != k->steps) return std::nullopt;
  for (size_t back = 1; back < mask.size(); ++back) {
    const int64_t dim = mask[mask.size() - 1 - back];
    if (dim != 1 && dim != scores[3 - back]) return std::nullopt;
    sizes.mask_strides[3 - back] = dim == 1 ? 0 : stride;
    stride *= dim;
  }
  return sizes;
}

std::optional<ir::Dims> output_dims(const ir::Node& node, OperandDims inputs) {
  const auto sizes = sizes_of(node, inputs);
  if (!sizes) return std::nullopt;
  const Heads& q = sizes->q;
  if (inputs[kQ]->size() == 3) return ir::Dims{q.batch, q.steps, q.heads * sizes->v.size};
  return ir::Dims{q.batch, q.heads, q.steps, sizes->v.size};
}

Result<std::shared_ptr<const Prepared>> bind(const ir::Node& node, const Prepared*, OperandDims inputs, const ir::Dims&,
                                             Isa) {
  auto sizes = sizes_of(node, inputs);
  if (!sizes) return invalid_error("Q, K, V and the mask do not fit each other");
  return std::shared_ptr<const Prepared>(std::make_shared<Sizes>(std::move(*sizes)));
}

// Floats of scratch: packed K, packed V, scores.
struct Room {
  int64_t k, v, scores;
  Room(const Sizes& s, const NativeTable& table)
      : k(round_up(packed_columns_size(s.k.steps, s.k.size, table), 16)),
        v(round_up(packed_columns_size(s.v.size, s.v.steps, table), 16)),
        scores(kRows * s.k.steps) {}
};

Result<int64_t> scratch_bytes(const ir::Node& node, const Prepared*, OperandDims inputs, const ir::Dims&, Isa isa) {
  const auto sizes = sizes_of(node, inputs);
  if (!sizes) return invalid_error("Q, K, V and the mask do not fit each other");
  const Room room(*sizes, native_table(isa));
  return (room.k + room.v + room.scores) * 4;
}

// What is done to a row of scores before its softmax.
struct Bias {
  const KernelCall& call;
  const Sizes& sizes;
  bool causal;
  int64_t left, right;
  float cap;

  explicit Bias(const KernelCall& of, const Sizes& s)
      : call(of),
        sizes(s),
        causal(of.node.attributes().get_int("is_causal", 0) != 0),
        left(of.node.attributes().get_int("left_window_size", -1)),
        right(of.node.attributes().get_int("right_window_size", -1)),
        cap(of.node.attributes().get_float("softcap", 0)) {
    if (causal) right = 0;
  }

  void apply(const NativeTable& table, int64_t b, int64_t h, int64_t i, float* row) const {
    const int64_t steps = sizes.k.steps;
    if (cap > 0) {
      table.unary(Unary::scale, row, 1 / cap, row, steps, {});
      table.unary(Unary::tanh, row, 0, row, steps, {});
      table.unary(Unary::scale, row, cap, row, steps, {});
    }
    const ir::Tensor* mask = call.inputs.size() > kMask ? call.inputs[kMask] : nullptr;
    if (mask != nullptr) {
      const int64_t* strides = sizes.mask_strides;
      const int64_t at = b * strides[0] + h * strides[1] + i * strides[2];
      if (mask->dtype() == ir::DType::boolean) {
        const auto* bits = reinterpret_cast<const uint8_t*>(mask->data<bool>().data());
        table.select(bits + at, row, 1, &kOut, 0, row, steps);
      } else {
        table.binary(Binary::add, row, 1, mask->data<float>().data() + at, 1, row, steps, {});
      }
    }
    if (left >= 0) std::fill_n(row, std::clamp<int64_t>(i - left, 0, steps), kOut);
    if (right >= 0) {
      const int64_t end = std::clamp<int64_t>(i + right + 1, 0, steps);
      std::fill_n(row + end, steps - end, kOut);
    }
  }
};

// One head of a sample.
void attend(const KernelCall& call, const Sizes& s, const Bias& bias, int64_t b, int64_t h, float* scratch) {
  const NativeTable& table = native_table(call.isa);
  const Room room(s, table);
  float *k = scratch, *v = k + room.k, *scores = v + room.v;
  const int64_t shared = h / (s.q.heads / s.k.heads), steps = s.k.steps;
  const float* keys = call.inputs[kK]->data<float>().data() + s.k.at(b, shared);
  const float* values = call.inputs[kV]->data<float>().data() + s.v.at(b, shared);
  const float* queries = call.inputs[kQ]->data<float>().data() + s.q.at(b, h);
  pack_columns({keys, 1, s.k.row, s.k.size, steps}, s.scale, table, k);
  pack_columns({values, s.v.row, 1, steps, s.v.size}, 1.0F, table, v);
  const bool flat = call.inputs[kQ]->rank() == 3;
  const int64_t ldc = flat ? s.q.heads * s.v.size : s.v.size;
  float* out =
      call.outputs[0].as<float>() + (flat ? b * s.q.steps * ldc + h * s.v.size : (b * s.q.heads + h) * s.q.steps * ldc);
  for (int64_t i = 0; i < s.q.steps; i += kRows) {
    const int64_t rows = std::min(kRows, s.q.steps - i);
    multiply(table, {{queries + i * s.q.row, s.q.row, 1, rows, s.q.size}, k, steps, nullptr, scores, steps}, {});
    for (int64_t r = 0; r < rows; ++r) {
      float* row = scores + r * steps;
      bias.apply(table, b, h, i + r, row);
      if (table.row_max(row, steps) == kOut) {
        std::fill_n(row, steps, 0.0F);  // it sees nothing
      } else {
        table.softmax_row(row, steps, /*log=*/false, row, {});
      }
    }
    multiply(table, {{scores, steps, 1, rows, steps}, v, s.v.size, nullptr, out + i * ldc, ldc}, call.epilogue);
  }
}

Status run(const KernelCall& call) {
  const auto& s = static_cast<const Sizes&>(*call.bound);
  const int64_t heads = s.q.batch * s.q.heads, outputs = heads * s.q.steps * s.v.size;
  if (outputs == 0) return {};
  if (s.k.steps == 0) {
    std::fill_n(call.outputs[0].as<float>(), outputs, 0.0F);
    return {};
  }
  const Bias bias(call, s);
  const int64_t products = heads * s.q.steps * s.k.steps * (s.q.size + s.v.size);
  split(call, heads, products / kFloatProductsNs, [&](int64_t first, int64_t end, std::byte* scratch) {
    for (int64_t at = first; at < end; ++at) {
      attend(call, s, bias, at / s.q.heads, at % s.q.heads, reinterpret_cast<float*>(scratch));
    }
  });
  return {};
}

}  // namespace

const Kernel kAttentionF32 = {.provider = "native",
                              .name = "attention_f32",
                              .op = ir::OpKind::attention,
                              .epilogue = true,
                              .splits = true,
                              .supports = supports,
                              .output_dims = output_dims,
                              .scratch_bytes = scratch_bytes,
                              .bind = bind,
                              .run = run};

}  // namespace edgesmith::runtime::native
