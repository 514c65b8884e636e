// SPDX-License-Identifier: Apache-2.0
#include "runtime/native/broadcast_walk.h"

#include <algorithm>

namespace edgesmith::runtime::native {

namespace {

using Axis = BroadcastWalk::Axis;

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

}  // namespace

std::optional<ir::Dims> broadcast_dims(const ir::Dims& a, const ir::Dims& b) {
  ir::Dims out(std::max(a.size(), b.size()), 1);
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t left = i < a.size() ? a[a.size() - 1 - i] : 1, right = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (left != right && left != 1 && right != 1) return std::nullopt;
    out[out.size() - 1 - i] = left == 1 ? right : left;
  }
  return out;
}

std::optional<ir::Dims> broadcast_output_dims(const ir::Node&, OperandDims inputs) {
  return broadcast_dims(*inputs[0], *inputs[1]);
}

Result<std::shared_ptr<const Prepared>> bind_broadcast(const ir::Node&, const Prepared*, OperandDims inputs,
                                                       const ir::Dims&, Isa) {
  const auto dims = broadcast_dims(*inputs[0], *inputs[1]);
  if (!dims) {
    return invalid_error("operands " + ir::type_of(ir::DType::f32, *inputs[0]).text() + " and " +
                         ir::type_of(ir::DType::f32, *inputs[1]).text() + " do not fit each other");
  }
  auto walk = std::make_shared<BroadcastWalk>();
  walk->total = ir::num_elements(*dims);
  walk->axes = merged_axes(*inputs[0], *inputs[1], *dims);
  return std::shared_ptr<const Prepared>(std::move(walk));
}

}  // namespace edgesmith::runtime::native
