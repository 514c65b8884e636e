// SPDX-License-Identifier: Apache-2.0
// max_pool of codes, channels last: a row of outputs is one run of neighbouring bytes (see depthwise_conv_i8.cc), of
// which each tap adds a candidate. Signed codes are compared with their top bit flipped, and padding is the smallest.
// Scratch: a band of padded rows, unless windows never leave the image. A Zen 4 core makes 10 bytes of 3 x 3 maxima a
// nanosecond.
#include <algorithm>

#include "runtime/integer/form.h"
#include "runtime/integer/plain.h"
#include "runtime/native/code_planes.h"
#include "runtime/native/kernels.h"

namespace edgesmith::runtime::native {

namespace {

constexpr int64_t kSlack = 64;

struct PackedMax : Prepared {
  uint8_t flip = 0;
  std::optional<CodeGeometry> known;
};

Result<CodeGeometry> geometry_of(const ir::Node& node, const ir::Dims& input, const PackedMax& packed) {
  const auto window =
      ops::resolve_window(node, ir::Dims(input.begin() + 2, input.end()), node.attributes().get_ints("kernel_shape"));
  if (!window) return window.error();
  const PlaneWindow w = plane_window(*window);
  CodeGeometry out = {window->input, make_code_band(w, {.flip = packed.flip}, input[1], w.stride_x > 1, kSlack), {}};
  for (int64_t y = 0; y < w.kernel_height; ++y) {
    for (int64_t x = 0; x < w.kernel_width; ++x) out.taps.push_back(out.band.at(y * w.dilation_y, x * w.dilation_x));
  }
  return out;
}

bool supports_form(const integer::Form& form) {
  const int rank = form.node->input(0)->type().rank();
  return (rank == 3 || rank == 4) && integer::is_move(form);
}

Result<std::shared_ptr<const Prepared>> prepare_form(const integer::Form& form, Isa) {
  auto packed = std::make_shared<PackedMax>();
  packed->flip = form.result.dtype == ir::DType::i8 ? 128 : 0;
  if (const auto dims = dims_of_one_sample(*form.node)) {
    auto geometry = geometry_of(*form.node, *dims, *packed);
    if (geometry) packed->known = std::move(*geometry);
  }
  return std::shared_ptr<const Prepared>(std::move(packed));
}

Result<int64_t> scratch_bytes(const ir::Node& node, const Prepared* prepared, OperandDims inputs, const ir::Dims&,
                              Isa) {
  const auto geometry = geometry_of(node, *inputs[0], static_cast<const PackedMax&>(*prepared));
  if (!geometry) return geometry.error();
  return geometry->band.bytes;
}

void run_on(const KernelCall& call, const CodeGeometry& geometry) {
  const CodeBand& band = geometry.band;
  const PlaneWindow& w = band.window;
  const IntTable& table = int_table(call.isa);
  IntMax job = {.taps = geometry.taps.data(),
                .num_taps = static_cast<int64_t>(geometry.taps.size()),
                .flip = band.codes.flip,
                .count = w.out_width * band.channels,
                .out = call.outputs[0].as<uint8_t>()};
  const auto* image = reinterpret_cast<const uint8_t*>(call.inputs[0]->bytes().data());
  auto* scratch = reinterpret_cast<uint8_t*>(call.scratch);
  for (int64_t n = 0; n < call.inputs[0]->dims()[0]; ++n, image += w.height * w.width * band.channels) {
    for (int64_t first = 0; first < w.out_height; first += band.rows) {
      const int64_t rows = std::min(band.rows, w.out_height - first);
      if (!band.in_place) band.lay_out(table, image, first, rows, scratch);
      for (int64_t y = 0; y < rows; ++y, job.out += job.count) {
        job.input = (band.in_place ? image : scratch) + band.at(y * w.stride_y, 0);
        table.max(job);
      }
    }
  }
}

Status run(const KernelCall& call) {
  const auto& packed = static_cast<const PackedMax&>(*call.prepared);
  const ir::Dims& input = call.inputs[0]->dims();
  const bool known = packed.known && packed.known->fits(input);
  const auto other = known ? Result<CodeGeometry>(CodeGeometry()) : geometry_of(call.node, input, packed);
  if (!other) return other.error();
  if (ir::num_elements(*call.outputs[0].dims) > 0) run_on(call, known ? *packed.known : *other);
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
