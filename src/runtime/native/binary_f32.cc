// SPDX-License-Identifier: Apache-2.0
// Add, Sub, Mul and Div of float32 tensors with broadcasting.
#include <algorithm>
#include <utility>

#include "runtime/native/conv_common.h"
#include "runtime/native/kernels.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

namespace {

// One axis of the output after merging neighbours that both operands walk alike; steps are 0 where an operand repeats.
struct Axis {
  int64_t size;
  bool a_moves, b_moves;
};

std::optional<ir::Dims> broadcast(const ir::Dims& a, const ir::Dims& b) {
  ir::Dims out(std::max(a.size(), b.size()), 1);
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t left = i < a.size() ? a[a.size() - 1 - i] : 1, right = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (left != right && left != 1 && right != 1) return std::nullopt;
    out[out.size() - 1 - i] = left == 1 ? right : left;
  }
  return out;
}

std::optional<ir::Dims> output_dims(const ir::Node&, OperandDims inputs) { return broadcast(*inputs[0], *inputs[1]); }

// Outermost axis first; at least one.
std::vector<Axis> merged_axes(const ir::Dims& a, const ir::Dims& b, const ir::Dims& out) {
  std::vector<Axis> axes;
  for (size_t i = 0; i < out.size(); ++i) {
    const auto moves = [&](const ir::Dims& dims) {
      const size_t missing = out.size() - dims.size();
      return i >= missing && dims[i - missing] != 1;
    };
    if (out[i] == 1) continue;
    const Axis axis = {out[i], moves(a), moves(b)};
    if (!axes.empty() && axes.back().a_moves == axis.a_moves && axes.back().b_moves == axis.b_moves) {
      axes.back().size *= axis.size;
    } else {
      axes.push_back(axis);
    }
  }
  if (axes.empty()) axes.push_back({1, true, true});
  return axes;
}

// How a call walks its operands: over runs along the last axis.
struct Walk : Prepared {
  std::vector<Axis> axes;
  int64_t total = 0;
};

Result<std::shared_ptr<const Prepared>> bind(const ir::Node&, const Prepared*, OperandDims inputs, const ir::Dims&,
                                             Isa) {
  const auto dims = broadcast(*inputs[0], *inputs[1]);
  if (!dims) {
    return invalid_error("operands " + ir::type_of(ir::DType::f32, *inputs[0]).text() + " and " +
                         ir::type_of(ir::DType::f32, *inputs[1]).text() + " do not fit each other");
  }
  auto walk = std::make_shared<Walk>();
  walk->total = ir::num_elements(*dims);
  walk->axes = merged_axes(*inputs[0], *inputs[1], *dims);
  return std::shared_ptr<const Prepared>(std::move(walk));
}

template <Binary Op>
Status run(const KernelCall& call) {
  const auto& walk = static_cast<const Walk&>(*call.bound);
  const std::vector<Axis>& axes = walk.axes;
  const int64_t total = walk.total;
  if (total == 0) return {};
  const Axis inner = axes.back();
  const float* a = call.inputs[0]->data<float>().data();
  const float* b = call.inputs[1]->data<float>().data();
  float* out = call.outputs[0].as<float>();
  for (int64_t r = 0; r < total / inner.size; ++r, out += inner.size) {
    int64_t a_at = 0, b_at = 0, a_step = inner.a_moves ? inner.size : 1, b_step = inner.b_moves ? inner.size : 1;
    int64_t rest = r;
    for (size_t i = axes.size() - 1; i-- > 0; rest /= axes[i].size) {
      const int64_t index = rest % axes[i].size;
      if (axes[i].a_moves) a_at += index * std::exchange(a_step, a_step * axes[i].size);
      if (axes[i].b_moves) b_at += index * std::exchange(b_step, b_step * axes[i].size);
    }
    native_table(call.isa).binary(Op, a + a_at, inner.a_moves ? 1 : 0, b + b_at, inner.b_moves ? 1 : 0, out, inner.size,
                                  call.epilogue);
  }
  return {};
}

template <Binary Op>
constexpr Kernel row(std::string_view name, ir::OpKind op) {
  return {.provider = "native",
          .name = name,
          .op = op,
          .epilogue = true,
          .supports = all_float,
          .output_dims = output_dims,
          .bind = bind,
          .run = run<Op>};
}

}  // namespace

const Kernel kAddF32 = row<Binary::add>("add_f32", ir::OpKind::add);
const Kernel kSubF32 = row<Binary::sub>("sub_f32", ir::OpKind::sub);
const Kernel kMulF32 = row<Binary::mul>("mul_f32", ir::OpKind::mul);
const Kernel kDivF32 = row<Binary::div>("div_f32", ir::OpKind::div);

}  // namespace edgesmith::runtime::native
