// SPDX-License-Identifier: Apache-2.0
// The gradient of the weight of a convolution with one input channel a group, depthwise or of a single plane: for every
// tap the sum of the products of dy and of the input moved by that tap. Rows are read where NativeTable's layouts of
// planes have them. The numbers of a row go to 16 lanes, which are kept over all rows and samples and meet in a tree at
// the end: one order on every instruction set. Scratch: one laid out plane, and the lanes of one channel.
#include <algorithm>

#include "runtime/native/conv_common.h"
#include "runtime/native/kernels.h"
#include "runtime/native/packing.h"
#include "runtime/native/padded_planes.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

namespace {

constexpr int64_t kStripes = 16;

struct Shape : Prepared {
  PlaneLayout layout;
  int64_t samples = 0, channels = 0, multiplier = 1;
  int64_t plane_floats() const { return round_up(layout.in_place ? 0 : layout.plane(), 16); }
  int64_t taps() const { return static_cast<int64_t>(layout.taps.size()); }
};

bool supports(const ir::Node& node) {
  if (!all_float(node)) return false;
  const size_t rank = node.attributes().get_ints("kernel_shape").size();
  const auto weight = node.output().type().static_dims();
  return (rank == 1 || rank == 2) && weight && (*weight)[1] == 1;
}

// One input channel and one group: a matrix product would have few columns, which are copied for every place. Rows that
// fill lanes badly, and planes of few numbers, are left to it.
bool prefers(const ir::Node& node) {
  if (node.attributes().get_int("group", 1) > 1) return true;
  constexpr int64_t kLeastPlaces = 256;
  const auto& dy = node.input(1)->type().shape;
  if (!dy || dy->size() != 4 || !(*dy)[2].known() || !(*dy)[3].known()) return false;
  const int64_t height = (*dy)[2].value(), width = (*dy)[3].value();
  return height * width >= kLeastPlaces && 4 * width >= 3 * round_up(width, kStripes);
}

Result<Shape> shape_of(const ir::Node& node, const ir::Dims& x, const ir::Dims& dy) {
  const ir::Ints kernel = node.attributes().get_ints("kernel_shape");
  const size_t rank = kernel.size();
  const int64_t groups = node.attributes().get_int("group", 1);
  if (x.size() != rank + 2 || dy.size() != rank + 2 || x[0] != dy[0] || x[1] != groups || dy[1] % groups != 0) {
    return invalid_error("operands " + ir::type_of(ir::DType::f32, x).text() + " and " +
                         ir::type_of(ir::DType::f32, dy).text() + " do not fit " + std::to_string(groups) + " groups");
  }
  const ir::Ints pads = node.attributes().get_ints("pads", ir::Ints(2 * rank, 0));
  Shape s;
  s.layout = layout_planes({.input = ir::Dims(x.begin() + 2, x.end()),
                            .kernel = kernel,
                            .strides = node.attributes().get_ints("strides", ir::Ints(rank, 1)),
                            .dilations = node.attributes().get_ints("dilations", ir::Ints(rank, 1)),
                            .pads_begin = ir::Dims(pads.begin(), pads.begin() + static_cast<int64_t>(rank)),
                            .pads_end = ir::Dims(rank, 0),
                            .output = ir::Dims(dy.begin() + 2, dy.end())});
  s.samples = x[0];
  s.channels = x[1];
  s.multiplier = dy[1] / groups;
  return s;
}

Result<int64_t> scratch_bytes(const ir::Node& node, const Prepared*, OperandDims inputs, const ir::Dims&, Isa) {
  const auto s = shape_of(node, *inputs[0], *inputs[1]);
  if (!s) return s.error();
  return (s->plane_floats() + s->multiplier * s->taps() * kStripes) * 4;
}

Result<std::shared_ptr<const Prepared>> bind(const ir::Node& node, const Prepared*, OperandDims inputs, const ir::Dims&,
                                             Isa) {
  auto s = shape_of(node, *inputs[0], *inputs[1]);
  if (!s) return s.error();
  return std::shared_ptr<const Prepared>(std::make_shared<Shape>(std::move(*s)));
}

Status run(const KernelCall& call) {
  const auto& s = static_cast<const Shape&>(*call.bound);
  const NativeTable& table = native_table(call.isa);
  const float* x = call.inputs[0]->data<float>().data();
  const float* dy = call.inputs[1]->data<float>().data();
  float* out = call.outputs[0].as<float>();
  auto* laid_out = reinterpret_cast<float*>(call.scratch);
  float* stripes = laid_out + s.plane_floats();
  const PlaneLayout& layout = s.layout;
  const int64_t taps = s.taps(), plane = layout.height * layout.width, places = layout.out_height * layout.out_width;
  for (int64_t c = 0; c < s.channels; ++c) {
    std::fill_n(stripes, s.multiplier * taps * kStripes, 0.0F);
    for (int64_t n = 0; n < s.samples && places > 0; ++n) {
      const float* in = x + (n * s.channels + c) * plane;
      if (!layout.in_place) layout.copy(table, in, laid_out, 0.0F);
      table.correlate({layout.in_place ? in : laid_out, layout.pitch, layout.taps.data(), taps,
                       dy + (n * s.channels + c) * s.multiplier * places, s.multiplier, layout.out_height,
                       layout.out_width, stripes});
    }
    for (int64_t i = 0; i < s.multiplier * taps; ++i) *out++ = table.row_sum(stripes + i * kStripes, kStripes);
  }
  return {};
}

}  // namespace

const Kernel kDepthwiseWeightGradientF32 = {.provider = "native",
                                            .name = "depthwise_weight_gradient_f32",
                                            .op = ir::OpKind::conv_weight_gradient,
                                            .supports = supports,
                                            .prefers = prefers,
                                            .scratch_bytes = scratch_bytes,
                                            .bind = bind,
                                            .run = run};

}  // namespace edgesmith::runtime::native
