// SPDX-License-Identifier: Apache-2.0
// Expand of float32 tensors: runs are copied, or filled with one number.
#include <algorithm>
#include <utility>

#include "runtime/native/conv_common.h"
#include "runtime/native/kernels.h"

namespace edgesmith::runtime::native {

namespace {

// One axis of the result after merging neighbours; the operand repeats along some.
struct Axis {
  int64_t size;
  bool moves;
};

struct Walk : Prepared {
  std::vector<Axis> axes;  // outermost first, at least one
  int64_t total = 0;
};

// Constants are left to what runs once for all runs with the same dims.
bool supports(const ir::Node& node) {
  return node.input(0)->type().dtype == ir::DType::f32 && !node.input(0)->node().is(ir::OpKind::constant);
}

Result<std::shared_ptr<const Prepared>> bind(const ir::Node&, const Prepared*, OperandDims inputs,
                                             const ir::Dims& output, Isa) {
  const ir::Dims& x = *inputs[0];
  auto walk = std::make_shared<Walk>();
  walk->total = ir::num_elements(output);
  if (x.size() > output.size()) return invalid_error("fewer dims than the operand has");
  for (size_t i = 0; i < output.size(); ++i) {
    const size_t missing = output.size() - x.size();
    const int64_t own = i < missing ? 1 : x[i - missing];
    if (own != 1 && own != output[i]) {
      return invalid_error(ir::type_of(ir::DType::f32, x).text() + " does not stretch to " +
                           ir::type_of(ir::DType::f32, output).text());
    }
    if (output[i] == 1) continue;
    if (!walk->axes.empty() && walk->axes.back().moves == (own != 1)) {
      walk->axes.back().size *= output[i];
    } else {
      walk->axes.push_back({output[i], own != 1});
    }
  }
  if (walk->axes.empty()) walk->axes.push_back({1, true});
  return std::shared_ptr<const Prepared>(std::move(walk));
}

Status run(const KernelCall& call) {
  const auto& walk = static_cast<const Walk&>(*call.bound);
  if (walk.total == 0) return {};
  const std::vector<Axis>& axes = walk.axes;
  const Axis inner = axes.back();
  const float* in = call.inputs[0]->data<float>().data();
  float* out = call.outputs[0].as<float>();
  for (int64_t r = 0; r < walk.total / inner.size; ++r, out += inner.size) {
    int64_t at = 0, step = inner.moves ? inner.size : 1, rest = r;
    for (size_t i = axes.size() - 1; i-- > 0; rest /= axes[i].size) {
      if (axes[i].moves) at += rest % axes[i].size * std::exchange(step, step * axes[i].size);
    }
    if (inner.moves) {
      std::copy_n(in + at, inner.size, out);
    } else {
      std::fill_n(out, inner.size, in[at]);
    }
  }
  return {};
}

}  // namespace

const Kernel kExpandF32 = {.provider = "native",
                           .name = "expand_f32",
                           .op = ir::OpKind::expand,
                           .supports = supports,
                           .bind = bind,
                           .run = run};

}  // namespace edgesmith::runtime::native
