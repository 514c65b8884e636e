// SPDX-License-Identifier: Apache-2.0
// Resize of float32 tensors, any filter but crops: axis by axis (ops::resize_order), every output a mix of a few
// inputs whose places and weights are made once for some dims. Vectors lie across what is behind the axis. Images and
// volumes under the linear filter are mixed from all their corners at once (linear_corners.h).
//
// Scratch: what two axes in turn leave behind for the next one; for corners, input rows spread over the outputs.
#include <algorithm>

#include "edgesmith/ops/resizing.h"
#include "runtime/native/conv_common.h"
#include "runtime/native/kernels.h"
#include "runtime/native/linear_corners.h"
#include "runtime/native/packing.h"
#include "runtime/native/split.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

namespace {

bool constant_or_absent(const ir::Value* value) { return value == nullptr || value->constant() != nullptr; }

bool supports(const ir::Node& node) {
  const ir::Attributes& attributes = node.attributes();
  const ir::Type& x = node.input(0)->type();
  return x.dtype == ir::DType::f32 && x.rank() >= 1 && constant_or_absent(node.input(2)) &&
         attributes.get_string("coordinate_transformation_mode", "half_pixel") != "tf_crop_and_resize" &&
         (constant_or_absent(node.input(3)) ||
          attributes.get_string("keep_aspect_ratio_policy", "stretch") == "stretch");
}

// An axis along which something happens: [outer][input][inner] to [outer][output][inner].
struct Pass {
  size_t axis;
  int64_t outer, input, output, inner;
  std::vector<int64_t> begins, indices;
  std::vector<float> weights;
  bool picks;  // every output is one of the inputs

  int64_t results() const { return outer * output * inner; }
};

struct Passes : Prepared {
  std::vector<Pass> passes;
  std::optional<LinearCorners> corners;
};

Result<Passes> passes_of(const ir::Node& node, const ir::Dims& input, const ir::Dims& output) {
  auto axes = ops::resize_mixes(node, input, output);
  if (!axes) return axes.error();
  Passes out;
  const ir::Attributes& attributes = node.attributes();
  if (attributes.get_string("mode", "nearest") == "linear" && attributes.get_int("antialias", 0) == 0) {
    out.corners = linear_corners(*axes, input, output);
    if (out.corners) return out;
  }
  ir::Dims dims = input;
  for (const size_t d : ops::resize_order(input, output)) {
    ops::AxisMixes& axis = (*axes)[d];
    if (axis.begins.empty()) continue;
    Pass pass = {d, 1, input[d], output[d], 1, std::move(axis.begins), std::move(axis.indices), {}, true};
    for (size_t i = 0; i < dims.size(); ++i) {
      if (i != d) (i < d ? pass.outer : pass.inner) *= dims[i];
    }
    pass.weights.assign(axis.weights.begin(), axis.weights.end());
    for (const float weight : pass.weights) pass.picks = pass.picks && weight == 1.0F;
    pass.picks = pass.picks && pass.indices.size() + 1 == pass.begins.size();
    dims[d] = output[d];
    out.passes.push_back(std::move(pass));
  }
  return out;
}

Result<std::shared_ptr<const Prepared>> bind(const ir::Node& node, const Prepared*, OperandDims inputs,
                                             const ir::Dims& output, Isa) {
  auto passes = passes_of(node, *inputs[0], output);
  if (!passes) return passes.error();
  return std::shared_ptr<const Prepared>(std::make_shared<Passes>(std::move(*passes)));
}

// Floats of what is left for the next axis.
int64_t left_floats(const Passes& passes) {
  int64_t floats = 0;
  for (size_t i = 0; i + 1 < passes.passes.size(); ++i) floats = std::max(floats, passes.passes[i].results());
  return round_up(floats, 16);
}

Result<int64_t> scratch_bytes(const ir::Node& node, const Prepared*, OperandDims inputs, const ir::Dims& output, Isa) {
  const auto passes = passes_of(node, *inputs[0], output);
  if (!passes) return passes.error();
  return (passes->corners ? passes->corners->scratch_floats() : 2 * left_floats(*passes)) * 4;
}

void run_pass(const NativeTable& table, const Pass& p, const float* in, float* out) {
  for (int64_t outer = 0; outer < p.outer; ++outer, in += p.input * p.inner) {
    if (p.inner == 1) {
      table.mix_neighbours(in, p.begins.data(), p.indices.data(), p.weights.data(), p.output, out);
      out += p.output;
      continue;
    }
    for (int64_t o = 0; o < p.output; ++o, out += p.inner) {
      const int64_t first = p.begins[static_cast<size_t>(o)], count = p.begins[static_cast<size_t>(o) + 1] - first;
      if (p.picks) {
        std::copy_n(in + p.indices[static_cast<size_t>(first)] * p.inner, p.inner, out);
      } else {
        table.mix(in, p.indices.data() + first, p.weights.data() + first, count, p.inner, out);
      }
    }
  }
}

Status run(const KernelCall& call) {
  const auto& all = static_cast<const Passes&>(*call.bound);
  const std::vector<Pass>& passes = all.passes;
  const NativeTable& table = native_table(call.isa);
  const float* in = call.inputs[0]->data<float>().data();
  float* out = call.outputs[0].as<float>();
  const int64_t results = ir::num_elements(*call.outputs[0].dims);
  if (results == 0) return {};
  auto* left = reinterpret_cast<float*>(call.scratch);
  if (all.corners) {
    run_linear_corners(table, *all.corners, in, left, out);
  } else if (passes.empty()) {
    std::copy_n(in, results, out);
  }
  for (size_t i = 0; i < passes.size(); ++i) {
    float* to = i + 1 == passes.size() ? out : left + static_cast<int64_t>(i % 2) * left_floats(all);
    run_pass(table, passes[i], in, to);
    in = to;
  }
  if (!call.epilogue.empty()) table.apply_epilogue(call.epilogue, out, out, results);
  return {};
}

}  // namespace

const Kernel kResizeF32 = {.provider = "native",
                           .name = "resize_f32",
                           .op = ir::OpKind::resize,
                           .epilogue = true,
                           .supports = supports,
                           .scratch_bytes = scratch_bytes,
                           .bind = bind,
                           .run = run};

}  // namespace edgesmith::runtime::native
