// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution of float32 planes. Square windows of 3 or 5 with stride 1 or 2 read the planes where they lie,
// a few rows of outputs at a time; for others each plane is padded first and read once for each of its output channels.
// Scratch: for the latter, a padded plane and the flat outputs of a narrow one.
#include <algorithm>

#include "runtime/native/conv_common.h"
#include "runtime/native/kernels.h"
#include "runtime/native/padded_planes.h"
#include "runtime/native/split.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

namespace {

bool supports(const ir::Node& node) { return is_float_conv(node) && is_depthwise(node); }

bool all_equal(const ir::Dims& values, int64_t value) {
  return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v == value; });
}

// Whether NativeTable::depthwise_window takes it.
bool is_small_square(const ops::Window& w) {
  return w.kernel.size() == 2 && (w.kernel[0] == 3 || w.kernel[0] == 5) && all_equal(w.kernel, w.kernel[0]) &&
         (w.strides[0] == 1 || w.strides[0] == 2) && all_equal(w.strides, w.strides[0]) && all_equal(w.dilations, 1);
}

// Floats of the scratch: the padded plane, then the flat outputs of narrow planes.
int64_t padded_floats(const PlaneLayout& layout) { return (layout.plane() + 15) / 16 * 16; }
int64_t flat_floats(const PlaneLayout& layout, const NativeTable& table) {
  return layout.out_height * layout.pitch + table.nr;
}

Result<int64_t> scratch_bytes(const ir::Node& node, const Prepared*, OperandDims inputs, const ir::Dims&, Isa isa) {
  const auto window = conv_window(node, *inputs[0], *inputs[1]);
  if (!window) return window.error();
  if (is_small_square(*window)) return 0;
  const PlaneLayout layout = layout_planes(*window);
  return (padded_floats(layout) + flat_floats(layout, native_table(isa))) * 4;
}

void run_where_planes_lie(const KernelCall& call, const ops::Window& w, const float* biases) {
  const ir::Dims &input = call.inputs[0]->dims(), &weight = call.inputs[1]->dims();
  DepthwiseWindow job = {};
  job.in = call.inputs[0]->data<float>().data();
  job.planes = input[1];
  job.multiplier = weight[0] / input[1];
  job.height = w.input[0];
  job.width = w.input[1];
  job.kernel = w.kernel[0];
  job.stride = w.strides[0];
  job.pad_top = w.pads_begin[0];
  job.pad_left = w.pads_begin[1];
  job.weights = call.inputs[1]->data<float>().data();
  job.bias = biases;
  job.out_height = w.output[0];
  job.out_width = w.output[1];
  job.out = call.outputs[0].as<float>();
  job.epilogue = &call.epilogue;
  const NativeTable& table = table_for_width(call.isa, job.out_width);
  const int64_t taps = job.kernel * job.kernel, out_plane = job.out_height * job.out_width;
  // Few products a number loaded: a third of the speed of other products.
  const int64_t nanoseconds = 3 * weight[0] * out_plane * taps / kFloatProductsNs;
  for (int64_t n = 0; n < input[0]; ++n) {
    split(call, input[1], nanoseconds, [&](int64_t first, int64_t end, std::byte*) {
      DepthwiseWindow part = job;
      part.planes = end - first;
      part.in += first * job.height * job.width;
      part.weights += first * job.multiplier * taps;
      if (part.bias != nullptr) part.bias += first * job.multiplier;
      part.out += first * job.multiplier * out_plane;
      table.depthwise_window(part);
    });
    job.in += input[1] * job.height * job.width;
    job.out += weight[0] * job.out_height * job.out_width;
  }
}

// What a call is made of.
struct Geometry : Prepared {
  ops::Window window;
  PlaneLayout layout;  // of windows that are no small squares
};

Result<std::shared_ptr<const Prepared>> bind(const ir::Node& node, const Prepared*, OperandDims inputs, const ir::Dims&,
                                             Isa) {
  auto window = conv_window(node, *inputs[0], *inputs[1]);
  if (!window) return window.error();
  auto geometry = std::make_shared<Geometry>();
  if (!is_small_square(*window)) geometry->layout = layout_planes(*window);
  geometry->window = std::move(*window);
  return std::shared_ptr<const Prepared>(std::move(geometry));
}

void run_padded(const KernelCall& call, const PlaneLayout& layout, const float* biases) {
  const ir::Dims &input = call.inputs[0]->dims(), &weight = call.inputs[1]->dims();
  const NativeTable& table = native_table(call.isa);
  const int64_t multiplier = weight[0] / input[1], plane = layout.height * layout.width;
  const int64_t out_plane = layout.out_height * layout.out_width;
  DepthwisePlane job = {};
  job.pitch = layout.pitch;
  job.offsets = layout.taps.data();
  job.taps = static_cast<int64_t>(layout.taps.size());
  job.height = layout.out_height;
  job.width = layout.out_width;
  auto* padded = reinterpret_cast<float*>(call.scratch);
  job.flat = padded + padded_floats(layout);
  job.epilogue = &call.epilogue;
  const float* in = call.inputs[0]->data<float>().data();
  const float* weights = call.inputs[1]->data<float>().data();
  job.out = call.outputs[0].as<float>();
  for (int64_t n = 0; n < input[0]; ++n) {
    for (int64_t c = 0; c < input[1]; ++c, in += plane) {
      if (!layout.in_place) layout.copy(table, in, padded, 0.0F);
      job.plane = layout.in_place ? in : padded;
      for (int64_t m = c * multiplier; m < (c + 1) * multiplier; ++m, job.out += out_plane) {
        job.weights = weights + m * job.taps;
        job.bias = biases == nullptr ? 0.0F : biases[m];
        table.depthwise(job);
      }
    }
  }
}

Status run(const KernelCall& call) {
  const ir::Dims& weight = call.inputs[1]->dims();
  const auto& geometry = static_cast<const Geometry&>(*call.bound);
  if (ir::num_elements(geometry.window.output) == 0) return {};
  const ir::Tensor* bias = call.inputs.size() > 2 ? call.inputs[2] : nullptr;
  if (bias != nullptr && bias->size() != weight[0]) {
    return invalid_error("bias has " + std::to_string(bias->size()) + " elements for " + std::to_string(weight[0]) +
                         " output channels");
  }
  const float* biases = bias == nullptr ? nullptr : bias->data<float>().data();
  if (is_small_square(geometry.window)) {
    run_where_planes_lie(call, geometry.window, biases);
  } else {
    run_padded(call, geometry.layout, biases);
  }
  return {};
}

}  // namespace

const Kernel kDepthwiseConvF32 = {.provider = "native",
                                  .name = "depthwise_conv_f32",
                                  .op = ir::OpKind::conv,
                                  .epilogue = true,
                                  .splits = true,
                                  .supports = supports,
                                  .output_dims = conv_output_dims,
                                  .scratch_bytes = scratch_bytes,
                                  .bind = bind,
                                  .run = run};

}  // namespace edgesmith::runtime::native
