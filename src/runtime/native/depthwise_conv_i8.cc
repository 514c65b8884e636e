// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution of codes (one output a channel), channels last. A row of outputs is one long run of
// neighbouring bytes: whatever the number of channels, vectors are full, and the weights of a vector repeat after a
// few of them ("phases"). Where that would take too many weights (many channels, an odd number of them), each pixel is
// a run of its own.
//
//   8 channels, 32 bytes a vector:  | 0..7 0..7 0..7 0..7 | 0..7 0..7 ..    one phase
//   24 channels:                    | 0..23 0..7 | 8..23 0..15 | 16..23 0..23 |    three phases
//
// Layout: channels last. Scratch: a band of padded rows, the columns apart by their remainder when they are strided.
// Exact on every instruction set, as in conv_i8.cc.
#include "runtime/native/depthwise_conv_i8.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <numeric>

#include "runtime/native/code_planes.h"
#include "runtime/native/conv_common.h"
#include "runtime/native/int_packing.h"
#include "runtime/native/kernels.h"

namespace edgesmith::runtime::native {

namespace {

// Vectors read whole: past the last pixel they meet what is not used.
constexpr int64_t kSlack = 128;
// Bytes of weights up to which rows are runs, whatever the channels.
constexpr int64_t kFewWeights = 16 * 1024;

struct PackedDepthwise : Prepared {
  const IntTable* table = nullptr;
  ir::Dims weight;
  int64_t channels = 0, taps = 0;
  bool words = false;
  bool rows = false;  // a run is a row of outputs; else a pixel
  int64_t phases = 0, groups = 0;
  StoredCodes input;
  std::optional<CodeGeometry> known;
  CodeStore store;
  AlignedBytes64 weights;      // [phases][groups][4 vectors][lanes] groups
  std::vector<int32_t> start;  // [phases][4 vectors][lanes]
  std::vector<float> scale;
};

// Whether no pair of taps that an instruction adds in 16 bits can leave them.
bool pairs_safe(const integer::WeightLayer& layer) {
  for (int64_t m = 0; m < layer.outputs; ++m) {
    const int16_t* weight = layer.weight.data() + m * layer.k;
    for (int64_t t = 0; t < layer.k; t += 2) {
      const int second = t + 1 < layer.k ? weight[t + 1] : 0;
      if (255 * (std::abs(static_cast<int>(weight[t])) + std::abs(second)) > 32767) return false;
    }
  }
  return true;
}

void pack(const integer::WeightLayer& layer, PackedDepthwise& packed) {
  const int lanes = packed.table->lanes, per_group = packed.words ? 2 : 4;
  const int64_t size = packed.input.element_bytes, block = 4 * lanes;
  packed.weights.resize(packed.phases * packed.groups * block * 4);
  packed.start.resize(static_cast<size_t>(packed.phases * block));
  packed.scale.resize(static_cast<size_t>(packed.phases * block));
  for (int64_t i = 0; i < packed.phases * block; ++i) {
    const int64_t phase = i / block, lane = i % block;
    const int64_t position = phase * block + depthwise_output(lanes, packed.words, static_cast<int>(lane / lanes),
                                                              static_cast<int>(lane % lanes));
    if (!packed.rows && position >= packed.channels) continue;
    const auto channel = static_cast<size_t>(position % packed.channels);
    const int16_t* weight = layer.weight.data() + static_cast<int64_t>(channel) * layer.k;
    auto start = static_cast<uint32_t>(layer.bias[channel]);
    for (int64_t t = 0; t < layer.k; ++t) {
      start -= static_cast<uint32_t>(weight[t] * static_cast<int32_t>(packed.input.padding));
      const int64_t group = (phase * packed.groups + t / per_group) * block + lane;
      uint8_t* to = packed.weights.data() + group * 4 + t % per_group * size;
      if (packed.words) {
        std::memcpy(to, weight + t, 2);
      } else {
        *to = static_cast<uint8_t>(weight[t]);
      }
    }
    packed.start[static_cast<size_t>(i)] = static_cast<int32_t>(start);
    const std::vector<float>& scale = layer.requantize.scale;
    packed.scale[static_cast<size_t>(i)] = scale[scale.size() == 1 ? 0 : channel];
  }
}

Result<CodeGeometry> geometry_of(const ir::Node& node, const ir::Dims& input, const PackedDepthwise& packed) {
  const auto window = conv_window(node, input, packed.weight);
  if (!window) return window.error();
  const PlaneWindow w = plane_window(*window);
  CodeGeometry out = {window->input, make_code_band(w, packed.input, input[1], packed.rows, kSlack), {}};
  for (int64_t t = 0; t < packed.taps; ++t) {
    out.taps.push_back(out.band.at(t / w.kernel_width * w.dilation_y, t % w.kernel_width * w.dilation_x));
  }
  // What fills up the last group has zero weights.
  out.taps.resize(static_cast<size_t>(packed.groups * (packed.words ? 2 : 4)), out.taps.empty() ? 0 : out.taps.back());
  return out;
}

void run_on(const KernelCall& call, const PackedDepthwise& packed, const CodeGeometry& geometry) {
  const CodeBand& band = geometry.band;
  const PlaneWindow& w = band.window;
  IntDepthwise job = {.taps = geometry.taps.data(),
                      .groups = packed.groups,
                      .words = packed.words,
                      .weights = packed.weights.data(),
                      .phases = packed.phases,
                      .start = packed.start.data(),
                      .scale = packed.scale.data(),
                      .out = call.outputs[0].as<uint8_t>(),
                      .store = packed.store};
  const int64_t runs = packed.rows ? 1 : w.out_width;  // in a row
  const int64_t down = band.at(w.stride_y, 0), right = packed.rows ? 0 : band.at(0, w.stride_x);
  job.count = packed.rows ? w.out_width * packed.channels : packed.channels;
  const auto* image = reinterpret_cast<const uint8_t*>(call.inputs[0]->bytes().data());
  auto* scratch = reinterpret_cast<uint8_t*>(call.scratch);
  for (int64_t n = 0; n < call.inputs[0]->dims()[0]; ++n, image += w.height * w.width * packed.channels) {
    for (int64_t first = 0; first < w.out_height; first += band.rows) {
      const int64_t rows = std::min(band.rows, w.out_height - first);
      if (!band.in_place) band.lay_out(*packed.table, image, first, rows, scratch);
      const uint8_t* source = band.in_place ? image : scratch;
      for (int64_t y = 0; y < rows; ++y, source += down) {
        job.input = source;
        for (int64_t x = 0; x < runs; ++x, job.out += job.count, job.input += right) packed.table->depthwise(job);
      }
    }
  }
}

Status run(const KernelCall& call) {
  const auto& packed = static_cast<const PackedDepthwise&>(*call.prepared);
  const bool known = packed.known && packed.known->fits(call.inputs[0]->dims());
  const auto other =
      known ? Result<CodeGeometry>(CodeGeometry()) : geometry_of(call.node, call.inputs[0]->dims(), packed);
  if (!other) return other.error();
  if (ir::num_elements(*call.outputs[0].dims) > 0) run_on(call, packed, known ? *packed.known : *other);
  return {};
}

bool supports_form(const integer::Form& form) {
  if (!integer::has_weight_layer(form) || form.fixed_point()) return false;
  const ir::Dims& weight = form.node->input(1)->constant()->dims();
  const int64_t group = form.node->attributes().get_int("group", 1);
  return (weight.size() == 3 || weight.size() == 4) && weight[1] == 1 && group > 1 && weight[0] == group;
}

Result<std::shared_ptr<const Prepared>> prepare_form(const integer::Form& form, Isa isa) {
  return prepare_depthwise_conv_i8(form, int_table(isa));
}

Result<int64_t> scratch_bytes(const ir::Node& node, const Prepared* prepared, OperandDims inputs, const ir::Dims&,
                              Isa) {
  const auto geometry = geometry_of(node, *inputs[0], static_cast<const PackedDepthwise&>(*prepared));
  if (!geometry) return geometry.error();
  return geometry->band.bytes;
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
  packed->table = &table;
  packed->weight = form.node->input(1)->constant()->dims();
  packed->channels = layer->outputs;
  packed->taps = layer->k;
  packed->words = !layer->fits_i8() || (!table.exact_bytes && !pairs_safe(*layer));
  const int64_t per_group = packed->words ? 2 : 4, block = 4 * table.lanes;
  packed->groups = (layer->k + per_group - 1) / per_group;
  packed->input.element_bytes = packed->words ? 2 : 1;
  packed->input.flip = form.operands[0]->dtype == ir::DType::i8 ? 128 : 0;
  packed->input.padding = static_cast<uint8_t>(layer->input_zero_point + packed->input.flip);
  packed->store = code_store(form.result);
  const int64_t row_phases = layer->outputs / std::gcd(layer->outputs, block);
  const int64_t pixel_phases = (layer->outputs + block - 1) / block;
  const int64_t row_weights = row_phases * packed->groups * block * 4;
  packed->rows = row_phases <= pixel_phases || row_weights <= kFewWeights;
  packed->phases = packed->rows ? row_phases : pixel_phases;
  pack(*layer, *packed);
  if (const auto dims = dims_of_one_sample(*form.node)) {
    auto geometry = geometry_of(*form.node, *dims, *packed);
    if (geometry) packed->known = std::move(*geometry);
  }
  return std::shared_ptr<const Prepared>(std::move(packed));
}

const Kernel kDepthwiseConvI8 = {.provider = "native",
                                 .name = "depthwise_conv_i8",
                                 .op = ir::OpKind::conv,
                                 .supports_form = supports_form,
                                 .layout = Layout::channels_last,
                                 .prepare_form = prepare_form,
                                 .output_dims = output_dims,
                                 .scratch_bytes = scratch_bytes,
                                 .run = run};

}  // namespace edgesmith::runtime::native
