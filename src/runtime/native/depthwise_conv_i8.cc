// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution of codes (one output a channel): over interleaved rows where that can be (depthwise_columns.h),
// else over runs of taps (depthwise_runs.h).
//
// Layout: channels last. Exact on every instruction set, as in conv_i8.cc.
#include "runtime/native/depthwise_conv_i8.h"

#include <array>

#include "runtime/native/conv_common.h"
#include "runtime/native/depthwise_columns.h"
#include "runtime/native/depthwise_runs.h"
#include "runtime/native/kernels.h"

namespace edgesmith::runtime::native {

namespace {

struct PackedDepthwise : Prepared {
  ir::Dims weight;
  std::optional<DepthwiseColumns> columns;
  std::optional<DepthwiseRuns> runs;  // without columns
  std::optional<CodeGeometry> known;
};

Result<CodeGeometry> geometry_of(const ir::Node& node, const ir::Dims& input, const PackedDepthwise& packed) {
  const auto window = conv_window(node, input, packed.weight);
  if (!window) return window.error();
  if (packed.runs) return packed.runs->geometry(plane_window(*window), input);
  CodeGeometry out;
  out.spatial = window->input;
  out.band.window = plane_window(*window);
  return out;
}

Status run(const KernelCall& call) {
  const auto& packed = static_cast<const PackedDepthwise&>(*call.prepared);
  const bool known = packed.known && packed.known->fits(call.inputs[0]->dims());
  const auto other =
      known ? Result<CodeGeometry>(CodeGeometry()) : geometry_of(call.node, call.inputs[0]->dims(), packed);
  if (!other) return other.error();
  if (ir::num_elements(*call.outputs[0].dims) == 0) return {};
  const CodeGeometry& geometry = known ? *packed.known : *other;
  if (packed.columns) {
    packed.columns->run(call, geometry.band.window);
  } else {
    packed.runs->run(call, geometry);
  }
  return {};
}

bool supports_form(const integer::Form& form) {
  if (!integer::has_weight_layer(form)) return false;
  const ir::Dims& weight = form.node->input(1)->constant()->dims();
  const int64_t group = form.node->attributes().get_int("group", 1);
  return (weight.size() == 3 || weight.size() == 4) && weight[1] == 1 && group > 1 && weight[0] == group;
}

Result<std::shared_ptr<const Prepared>> prepare_form(const integer::Form& form, Isa isa) {
  return prepare_depthwise_conv_i8(form, int_table(isa));
}

Result<int64_t> scratch_bytes(const ir::Node& node, const Prepared* prepared, OperandDims inputs, const ir::Dims&,
                              Isa) {
  const auto& packed = static_cast<const PackedDepthwise&>(*prepared);
  const auto geometry = geometry_of(node, *inputs[0], packed);
  if (!geometry) return geometry.error();
  const CodeBand& band = geometry->band;
  return packed.columns ? packed.columns->scratch_bytes(band.window) : packed.runs->scratch_bytes(band);
}

std::optional<ir::Dims> output_dims(const ir::Node& node, OperandDims inputs) {
  const ir::Dims weight = node.input(1)->constant()->dims();
  const std::array<const ir::Dims*, 2> operands = {inputs[0], &weight};
  return conv_output_dims(node, operands);
}

}  // namespace

Result<std::shared_ptr<const Prepared>> prepare_depthwise_conv_i8(const integer::Form& form, const IntTable& table) {
  const auto layer = integer::make_weight_layer(form);
  if (!layer) return layer.error();
  auto packed = std::make_shared<PackedDepthwise>();
  packed->weight = form.node->input(1)->constant()->dims();
  packed->columns = DepthwiseColumns::make(*layer, form, table);
  if (!packed->columns) packed->runs.emplace(*layer, form, table);
  if (const auto dims = dims_of_one_sample(*form.node)) {
    auto geometry = geometry_of(*form.node, *dims, *packed);
    if (geometry) packed->known = std::move(*geometry);
  }
  return std::shared_ptr<const Prepared>(std::move(packed));
}

const Kernel kDepthwiseConvI8 = {.provider = "native",
                                 .name = "depthwise_conv_i8",
                                 .op = ir::OpKind::conv,
                                 .splits = true,
                                 .supports_form = supports_form,
                                 .layout = Layout::channels_last,
                                 .prepare_form = prepare_form,
                                 .output_dims = output_dims,
                                 .scratch_bytes = scratch_bytes,
                                 .run = run};

}  // namespace edgesmith::runtime::native
