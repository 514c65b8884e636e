// SPDX-License-Identifier: Apache-2.0
// Convolution of float32 planes (one or two spatial axes, any group that is not depthwise): plane_conv.h says how.
// Weights that are not constant are packed in every run. Scratch: theirs, then that of the convolution.
#include <utility>

#include "runtime/native/conv_common.h"
#include "runtime/native/kernels.h"
#include "runtime/native/packing.h"
#include "runtime/native/plane_conv.h"

namespace edgesmith::runtime::native {

namespace {

struct Shape : Prepared {
  PlaneConv conv;
};

Result<PlaneConv> shape_of(const ir::Node& node, const ir::Dims& input, const ir::Dims& weight,
                           const NativeTable& table) {
  auto window = conv_window(node, input, weight);
  if (!window) return window.error();
  return plane_conv(layout_planes(*window), input[0], input[1], node.attributes().get_int("group", 1), weight[0],
                    table);
}

// out[group], each packed by pack_rows().
void pack_weights(const float* weight, int64_t groups, int64_t group_out, int64_t k, const NativeTable& table,
                  float* out) {
  for (int64_t g = 0; g < groups; ++g) {
    const int64_t at = g * group_out * k;
    pack_rows({weight + at, k, 1, group_out, k}, table, out + at);
  }
}

Result<std::shared_ptr<const Prepared>> prepare(const ir::Node& node, std::span<const ir::Tensor* const> constants,
                                                Isa isa) {
  auto packed = std::make_shared<PackedConstants>();
  if (constants[1] != nullptr && constants[1]->size() > 0) {
    const int64_t groups = node.attributes().get_int("group", 1), features = constants[1]->dims()[0];
    packed->matrix.resize(static_cast<size_t>(constants[1]->size()));
    pack_weights(constants[1]->data<float>().data(), groups, features / groups, constants[1]->size() / features,
                 native_table(isa), packed->matrix.data());
  }
  return std::shared_ptr<const Prepared>(std::move(packed));
}

bool dynamic_weights(const Prepared* prepared) { return static_cast<const PackedConstants*>(prepared)->matrix.empty(); }

int64_t weight_bytes(const PlaneConv& conv, const Prepared* prepared) {
  return dynamic_weights(prepared) ? round_up(conv.out_channels * conv.k * 4, 64) : 0;
}

Result<int64_t> scratch_bytes(const ir::Node& node, const Prepared* prepared, OperandDims inputs, const ir::Dims&,
                              Isa isa) {
  const NativeTable& table = native_table(isa);
  const auto conv = shape_of(node, *inputs[0], *inputs[1], table);
  if (!conv) return conv.error();
  return plane_conv_scratch(*conv, table) + weight_bytes(*conv, prepared);
}

Result<std::shared_ptr<const Prepared>> bind(const ir::Node& node, const Prepared*, OperandDims inputs, const ir::Dims&,
                                             Isa isa) {
  auto conv = shape_of(node, *inputs[0], *inputs[1], native_table(isa));
  if (!conv) return conv.error();
  auto shape = std::make_shared<Shape>();
  shape->conv = std::move(*conv);
  return std::shared_ptr<const Prepared>(std::move(shape));
}

Status run(const KernelCall& call) {
  const NativeTable& table = native_table(call.isa);
  const PlaneConv& conv = static_cast<const Shape*>(call.bound)->conv;
  if (conv.samples * conv.out_channels * conv.pixels == 0) return {};
  const ir::Tensor* bias = call.inputs.size() > 2 ? call.inputs[2] : nullptr;
  if (bias != nullptr && bias->size() != conv.out_channels) {
    return invalid_error("bias has " + std::to_string(bias->size()) + " elements for " +
                         std::to_string(conv.out_channels) + " output channels");
  }
  const float* weights = static_cast<const PackedConstants&>(*call.prepared).matrix.data();
  if (dynamic_weights(call.prepared)) {  // behind what every thread has of its own
    auto* packed = reinterpret_cast<float*>(call.scratch + plane_conv_scratch(conv, table));
    pack_weights(call.inputs[1]->data<float>().data(), conv.groups, conv.group_out, conv.k, table, packed);
    weights = packed;
  }
  run_plane_conv(call, conv, table,
                 {call.inputs[0]->data<float>().data(), weights, bias == nullptr ? nullptr : bias->data<float>().data(),
                  call.residual.floats(), call.outputs[0].as<float>()});
  return {};
}

bool supports(const ir::Node& node) { return is_float_conv(node) && !is_depthwise(node); }

}  // namespace

const Kernel kConvF32 = {.provider = "native",
                         .name = "conv_f32",
                         .op = ir::OpKind::conv,
                         .epilogue = true,
                         .residual = true,
                         .splits = true,
                         .supports = supports,
                         .prepare = prepare,
                         .output_dims = conv_output_dims,
                         .scratch_bytes = scratch_bytes,
                         .bind = bind,
                         .run = run};

}  // namespace edgesmith::runtime::native
