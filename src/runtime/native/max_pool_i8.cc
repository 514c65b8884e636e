// SPDX-License-Identifier: Apache-2.0
// max_pool of codes, channels last: a row of outputs is one run of neighbouring bytes (see depthwise_conv_i8.cc), of
// which each tap adds a candidate. Signed codes are compared with their top bit flipped, and padding is the smallest.
// Scratch: a band of padded rows, unless windows never leave the image.
#include <algorithm>

#include "runtime/integer/form.h"
#include "runtime/integer/plain.h"
#include "runtime/native/code_planes.h"
#include "runtime/native/kernels.h"

namespace edgesmith::runtime::native {

namespace {

constexpr int64_t kSlack = 64;

Result<CodeBand> band_of(const ir::Node& node, const ir::Dims& input, uint8_t flip) {
  const auto window =
      ops::resolve_window(node, ir::Dims(input.begin() + 2, input.end()), node.attributes().get_ints("kernel_shape"));
  if (!window) return window.error();
  const PlaneWindow plane = plane_window(*window);
  return make_code_band(plane, {.flip = flip}, input[1], plane.stride_x > 1, kSlack);
}

struct PackedMax : Prepared {
  uint8_t flip = 0;
};

bool supports_form(const integer::Form& form) {
  const int rank = form.node->input(0)->type().rank();
  return (rank == 3 || rank == 4) && integer::is_move(form);
}

Result<std::shared_ptr<const Prepared>> prepare_form(const integer::Form& form, Isa) {
  auto packed = std::make_shared<PackedMax>();
  packed->flip = form.result.dtype == ir::DType::i8 ? 128 : 0;
  return std::shared_ptr<const Prepared>(std::move(packed));
}

Result<int64_t> scratch_bytes(const ir::Node& node, const Prepared* prepared, OperandDims inputs, const ir::Dims&,
                              Isa) {
  const auto band = band_of(node, *inputs[0], static_cast<const PackedMax*>(prepared)->flip);
  if (!band) return band.error();
  return band->bytes;
}

Status run(const KernelCall& call) {
  const ir::Dims& input = call.inputs[0]->dims();
  const auto band = band_of(call.node, input, static_cast<const PackedMax*>(call.prepared)->flip);
  if (!band) return band.error();
  if (ir::num_elements(*call.outputs[0].dims) == 0) return {};
  const IntTable& table = int_table(call.isa);
  const PlaneWindow& w = band->window;
  std::vector<int64_t> taps;
  for (int64_t y = 0; y < w.kernel_height; ++y) {
    for (int64_t x = 0; x < w.kernel_width; ++x) taps.push_back(band->at(y * w.dilation_y, x * w.dilation_x));
  }
  IntMax job = {.taps = taps.data(),
                .num_taps = static_cast<int64_t>(taps.size()),
                .flip = band->codes.flip,
                .count = w.out_width * input[1],
                .out = call.outputs[0].as<uint8_t>()};
  const auto* image = reinterpret_cast<const uint8_t*>(call.inputs[0]->bytes().data());
  auto* scratch = reinterpret_cast<uint8_t*>(call.scratch);
  for (int64_t n = 0; n < input[0]; ++n, image += w.height * w.width * input[1]) {
    for (int64_t first = 0; first < w.out_height; first += band->rows) {
      const int64_t rows = std::min(band->rows, w.out_height - first);
      if (!band->in_place) band->lay_out(table, image, first, rows, scratch);
      for (int64_t y = 0; y < rows; ++y, job.out += job.count) {
        job.input = (band->in_place ? image : scratch) + band->at(y * w.stride_y, 0);
        table.max(job);
      }
    }
  }
  return {};
}

}  // namespace

const Kernel kMaxPoolI8 = {.provider = "native",
                           .name = "max_pool_i8",
                           .op = ir::OpKind::max_pool,
                           .supports_form = supports_form,
                           .layout = Layout::channels_last,
                           .prepare_form = prepare_form,
                           .scratch_bytes = scratch_bytes,
                           .run = run};

}  // namespace edgesmith::runtime::native
