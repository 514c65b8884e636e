// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution of float32 planes: each padded plane is read once for each of its output channels.
#include <algorithm>

#include "runtime/native/conv_common.h"
#include "runtime/native/kernels.h"
#include "runtime/native/padded_planes.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

namespace {

bool supports(const ir::Node& node) { return is_float_conv(node) && is_depthwise(node); }

// Floats of the scratch: the padded plane, then the flat outputs of narrow planes.
int64_t padded_floats(const PlaneLayout& layout) { return (layout.plane() + 15) / 16 * 16; }
int64_t flat_floats(const PlaneLayout& layout, const NativeTable& table) {
  return layout.out_height * layout.pitch + table.nr;
}

Result<int64_t> scratch_bytes(const ir::Node& node, const Prepared*, OperandDims inputs, const ir::Dims&, Isa isa) {
  const auto window = conv_window(node, *inputs[0], *inputs[1]);
  if (!window) return window.error();
  const PlaneLayout layout = layout_planes(*window);
  return (padded_floats(layout) + flat_floats(layout, native_table(isa))) * 4;
}

Status run(const KernelCall& call) {
  const ir::Dims &input = call.inputs[0]->dims(), &weight = call.inputs[1]->dims();
  const auto window = conv_window(call.node, input, weight);
  if (!window) return window.error();
  const PlaneLayout layout = layout_planes(*window);
  const NativeTable& table = native_table(call.isa);
  const int64_t multiplier = weight[0] / input[1], plane = layout.height * layout.width;
  const int64_t out_plane = layout.out_height * layout.out_width;
  if (out_plane == 0) return {};
  const ir::Tensor* bias = call.inputs.size() > 2 ? call.inputs[2] : nullptr;
  if (bias != nullptr && bias->size() != weight[0]) {
    return invalid_error("bias has " + std::to_string(bias->size()) + " elements for " + std::to_string(weight[0]) +
                         " output channels");
  }
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
  const float* biases = bias == nullptr ? nullptr : bias->data<float>().data();
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
  return {};
}

}  // namespace

const Kernel kDepthwiseConvF32 = {.provider = "native",
                                  .name = "depthwise_conv_f32",
                                  .op = ir::OpKind::conv,
                                  .epilogue = true,
                                  .supports = supports,
                                  .output_dims = conv_output_dims,
                                  .scratch_bytes = scratch_bytes,
                                  .run = run};

}  // namespace edgesmith::runtime::native
