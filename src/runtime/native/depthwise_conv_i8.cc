// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution of codes (one output a channel), channels last. A row of outputs is one long run of
// neighbouring bytes: whatever the number of channels, vectors are full, and the weights of a vector repeat after a
// few of them ("phases"). Where that would take too many weights (many channels, an odd number of them), each pixel is
// a run of its own.
//
//   8 channels, 32 bytes a vector:  | 0..7 0..7 0..7 0..7 | 0..7 0..7 ..    one phase
//   24 channels:                    | 0..23 0..7 | 8..23 0..15 | 16..23 0..23 |    three phases
//
// Windows 3 high that move down by one read four rows for two rows of outputs: taps are interleaved once for both.
//
// Layout: channels last. Scratch: a band of padded rows, the columns apart by their remainder when they are strided.
// Exact on every instruction set, as in conv_i8.cc. On a Zen 4 core with VNNI, 144 x 56 x 56 by 3 x 3 takes 84 us (48
// GMAC/s; 105 us row by row, 8 ms as one group of conv_i8 a channel), with AVX2 135 us for weights proven safe and 204
// us for any.
#include "runtime/native/depthwise_conv_i8.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

#include "edgesmith/ops/pair_sums.h"
#include "runtime/native/code_planes.h"
#include "runtime/native/conv_common.h"
#include "runtime/native/int_packing.h"
#include "runtime/native/kernels.h"
#include "runtime/native/packing.h"
#include "runtime/native/split.h"

namespace edgesmith::runtime::native {

namespace {

// Vectors read whole: past the last pixel they meet what is not used.
constexpr int64_t kSlack = 128;
// Bytes of weights up to which rows are runs, whatever the channels.
constexpr int64_t kFewWeights = 16 * 1024;

// How the taps of a window are cut into groups: for one row of outputs, or for two rows from the same taps.
struct TapGroups {
  int rows = 1;
  int64_t kernel_rows = 0;  // taps of a column of the window, one more for two rows
  int64_t column_taps = 0;  // the same, filled up to whole groups where columns begin groups of their own; else 0
  int64_t groups = 0;
  AlignedBytes64 weights;  // as IntDepthwise has them
};

struct Geometry {
  CodeGeometry one_row;
  std::vector<int64_t> two_row_taps;
};

struct PackedDepthwise : Prepared {
  const IntTable* table = nullptr;
  ir::Dims weight;
  int64_t channels = 0, kernel_height = 1, kernel_width = 1;
  bool words = false;
  bool rows = false;  // a run is a row of outputs; else a pixel
  int64_t phases = 0;
  TapGroups one_row;
  std::optional<TapGroups> two_rows;
  StoredCodes input;
  CodeStore store;
  std::vector<int32_t> start;  // [phases][4 vectors][lanes]
  std::vector<float> scale;
  std::optional<integer::Requantize> fixed_point;  // makes codes instead of scale and store
  std::optional<Geometry> known;
};

// Tap i of a list: its row and column in the window, for output row `row` of the list. Row by row for one row of
// outputs; column by column for two. Rows outside of the window have no weight.
struct Tap {
  int64_t y, x;
};
Tap tap_of(const TapGroups& groups, int64_t kernel_width, int64_t i) {
  if (groups.column_taps == 0) return {i / kernel_width, i % kernel_width};
  return {i % groups.column_taps, i / groups.column_taps};
}

// The weight of tap i of a list for output row `row`.
int16_t weight_of(const PackedDepthwise& packed, const TapGroups& groups, const int16_t* weight, int64_t i, int row) {
  const Tap tap = tap_of(groups, packed.kernel_width, i);
  const int64_t y = tap.y - row;
  if (y < 0 || y >= packed.kernel_height || tap.x >= packed.kernel_width) return 0;
  return weight[y * packed.kernel_width + tap.x];
}

TapGroups tap_groups(const PackedDepthwise& packed, int rows) {
  const int64_t per_group = packed.words ? 2 : 4;
  TapGroups out;
  out.rows = rows;
  out.kernel_rows = packed.kernel_height + rows - 1;
  const auto whole = [&](int64_t taps) { return (taps + per_group - 1) / per_group; };
  if (rows == 2) {
    out.column_taps = whole(out.kernel_rows) * per_group;
    out.groups = whole(out.kernel_rows) * packed.kernel_width;
  } else {
    out.groups = whole(packed.kernel_height * packed.kernel_width);
  }
  return out;
}

// Whether no pair of taps that an instruction adds in 16 bits can leave them.
bool pairs_safe(const PackedDepthwise& packed, const TapGroups& groups, const integer::WeightLayer& layer) {
  for (int64_t m = 0; m < layer.outputs; ++m) {
    const int16_t* weight = layer.weight.data() + m * layer.k;
    for (int row = 0; row < groups.rows; ++row) {
      for (int64_t t = 0; t < groups.groups * 4; t += 2) {
        const int a = weight_of(packed, groups, weight, t, row), b = weight_of(packed, groups, weight, t + 1, row);
        if (!pair_safe(*packed.table, a, b)) return false;
      }
    }
  }
  return true;
}

// The channel in lane `lane` (of 4 vectors) of a phase, or nothing past the last one.
std::optional<size_t> channel_of(const PackedDepthwise& packed, int64_t phase, int64_t lane) {
  const int lanes = packed.table->lanes;
  const int64_t position = phase * 4 * lanes + depthwise_output(lanes, packed.words, static_cast<int>(lane / lanes),
                                                                static_cast<int>(lane % lanes));
  if (!packed.rows && position >= packed.channels) return std::nullopt;
  return static_cast<size_t>(position % packed.channels);
}

void pack_weights(const integer::WeightLayer& layer, const PackedDepthwise& packed, TapGroups& groups) {
  const int64_t block = 4 * packed.table->lanes, per_group = packed.words ? 2 : 4;
  groups.weights.resize(packed.phases * groups.groups * groups.rows * block * 4);
  for (int64_t i = 0; i < packed.phases * block; ++i) {
    const int64_t phase = i / block, lane = i % block;
    const auto channel = channel_of(packed, phase, lane);
    if (!channel) continue;
    const int16_t* weights = layer.weight.data() + static_cast<int64_t>(*channel) * layer.k;
    for (int64_t t = 0; t < groups.groups * per_group; ++t) {
      for (int row = 0; row < groups.rows; ++row) {
        const int16_t weight = weight_of(packed, groups, weights, t, row);
        const int64_t group = ((phase * groups.groups + t / per_group) * groups.rows + row) * block + lane;
        uint8_t* to = groups.weights.data() + group * 4 + t % per_group * packed.input.element_bytes;
        if (packed.words) {
          std::memcpy(to, &weight, 2);
        } else {
          *to = static_cast<uint8_t>(weight);
        }
      }
    }
  }
}

void pack_constants(const integer::WeightLayer& layer, PackedDepthwise& packed) {
  const int zero = packed.input.padding - (packed.words ? 0 : packed.table->byte_offset);
  const int64_t block = 4 * packed.table->lanes;
  packed.start.resize(static_cast<size_t>(packed.phases * block));
  packed.scale.resize(static_cast<size_t>(packed.phases * block));
  for (int64_t i = 0; i < packed.phases * block; ++i) {
    const auto channel = channel_of(packed, i / block, i % block);
    if (!channel) continue;
    auto start = static_cast<uint32_t>(layer.bias[*channel]);
    for (int64_t t = 0; t < layer.k; ++t) {
      const int32_t weight = layer.weight[*channel * static_cast<size_t>(layer.k) + static_cast<size_t>(t)];
      start -= static_cast<uint32_t>(weight * zero);
    }
    packed.start[static_cast<size_t>(i)] = static_cast<int32_t>(start);
    const std::vector<float>& scale = layer.requantize.scale;
    packed.scale[static_cast<size_t>(i)] = scale[scale.size() == 1 ? 0 : *channel];
  }
}

// Where the taps of a list lie. Those without weights are read from the place of a tap that has one.
std::vector<int64_t> places(const PackedDepthwise& packed, const TapGroups& groups, const CodeBand& band) {
  std::vector<int64_t> out;
  for (int64_t i = 0; i < groups.groups * (packed.words ? 2 : 4); ++i) {
    const Tap tap = tap_of(groups, packed.kernel_width, i);
    const int64_t y = std::min(tap.y, groups.kernel_rows - 1);
    out.push_back(band.at(y * band.window.dilation_y, tap.x * band.window.dilation_x));
  }
  return out;
}

Result<Geometry> geometry_of(const ir::Node& node, const ir::Dims& input, const PackedDepthwise& packed) {
  const auto window = conv_window(node, input, packed.weight);
  if (!window) return window.error();
  Geometry out;
  out.one_row.spatial = window->input;
  out.one_row.band = make_code_band(plane_window(*window), packed.input, input[1], packed.rows, kSlack);
  out.one_row.taps = places(packed, packed.one_row, out.one_row.band);
  if (packed.two_rows) out.two_row_taps = places(packed, *packed.two_rows, out.one_row.band);
  return out;
}

// Sums of one run of outputs, in whole blocks.
int64_t run_sums(const PackedDepthwise& packed, int64_t count) {
  return round_up(count, 4 * packed.table->lanes) * (packed.two_rows ? 2 : 1);
}

int64_t outputs_of_run(const PackedDepthwise& packed, const CodeBand& band) {
  return packed.rows ? band.window.out_width * packed.channels : packed.channels;
}

// Codes by the fixed-point multipliers, out of the sums that a job stored.
void store_fixed_point(const PackedDepthwise& packed, const IntDepthwise& job) {
  const int lanes = packed.table->lanes;
  const int64_t blocks = (job.count + 4 * lanes - 1) / (4 * lanes);
  const int32_t* sum = job.sums;
  for (int row = 0; row < job.rows; ++row) {
    for (int64_t first = 0; first < blocks * 4 * lanes; first += 4 * lanes) {
      for (int lane = 0; lane < 4 * lanes; ++lane, ++sum) {
        const int64_t at = first + depthwise_output(lanes, packed.words, lane / lanes, lane % lanes);
        if (at >= job.count) continue;
        job.out[row * job.out_step + at] =
            static_cast<uint8_t>(packed.fixed_point->fixed_code(*sum, at % packed.channels));
      }
    }
  }
}

void run_on(const KernelCall& call, const PackedDepthwise& packed, const Geometry& geometry) {
  const CodeBand& band = geometry.one_row.band;
  const PlaneWindow& w = band.window;
  const int64_t runs = packed.rows ? 1 : w.out_width;  // in a row
  const int64_t down = band.at(w.stride_y, 0), right = packed.rows ? 0 : band.at(0, w.stride_x);
  const IntDepthwise all = {.count = outputs_of_run(packed, band),
                            .words = packed.words,
                            .phases = packed.phases,
                            .start = packed.start.data(),
                            .scale = packed.scale.data(),
                            .out = call.outputs[0].as<uint8_t>(),
                            .out_step = w.out_width * packed.channels,
                            .store = packed.store,
                            .sums = nullptr};
  const auto* image = reinterpret_cast<const uint8_t*>(call.inputs[0]->bytes().data());
  // Rows of outputs [begin, end) of one sample.
  const auto run_rows = [&](int64_t n, int64_t begin, int64_t end, uint8_t* scratch) {
    IntDepthwise job = all;
    if (packed.fixed_point) job.sums = reinterpret_cast<int32_t*>(scratch + round_up(band.bytes, 64));
    job.out += (n * w.out_height + begin) * job.out_step;
    for (int64_t first = begin; first < end; first += band.rows) {
      const int64_t rows = std::min(band.rows, end - first);
      const uint8_t* source = image + n * w.height * w.width * packed.channels;
      if (band.in_place) {
        source += first * down;
      } else {
        band.lay_out(*packed.table, source, first, rows, scratch);
        source = scratch;
      }
      for (int64_t y = 0; y < rows; y += job.rows) {
        const bool two = packed.two_rows && y + 2 <= rows;
        const TapGroups& groups = two ? *packed.two_rows : packed.one_row;
        job.taps = two ? geometry.two_row_taps.data() : geometry.one_row.taps.data();
        job.groups = groups.groups;
        job.rows = groups.rows;
        job.weights = groups.weights.data();
        job.input = source + y * down;
        for (int64_t x = 0; x < runs; ++x, job.out += job.count, job.input += right) {
          packed.table->depthwise(job);
          if (packed.fixed_point) store_fixed_point(packed, job);
        }
        job.out += (job.rows - 1) * job.out_step;
      }
    }
  };
  const int64_t products = w.out_height * all.out_step * packed.kernel_height * packed.kernel_width;
  // Taps are interleaved before they are multiplied: a fifth of the speed of other products.
  for (int64_t n = 0; n < call.inputs[0]->dims()[0]; ++n) {
    split(call, w.out_height, 5 * products / kCodeProductsNs, [&](int64_t begin, int64_t end, std::byte* scratch) {
      run_rows(n, begin, end, reinterpret_cast<uint8_t*>(scratch));
    });
  }
}

Status run(const KernelCall& call) {
  const auto& packed = static_cast<const PackedDepthwise&>(*call.prepared);
  const bool known = packed.known && packed.known->one_row.fits(call.inputs[0]->dims());
  const auto other = known ? Result<Geometry>(Geometry()) : geometry_of(call.node, call.inputs[0]->dims(), packed);
  if (!other) return other.error();
  if (ir::num_elements(*call.outputs[0].dims) > 0) run_on(call, packed, known ? *packed.known : *other);
  return {};
}

bool supports_form(const integer::Form& form) {
  if (!integer::has_weight_layer(form)) return false;
  const ir::Dims& weight = form.node->input(1)->constant()->dims();
  const int64_t group = form.node->attributes().get_int("group", 1);
  return (weight.size() == 3 || weight.size() == 4) && weight[1] == 1 && group > 1 && weight[0] == group;
}

// Whether two rows of outputs read so many of the same rows that they are best made together: windows 2 or 3 high,
// which move down by one.
bool rows_overlap(const ir::Node& node, const PackedDepthwise& packed) {
  const auto first_is_one = [&](const char* name) {
    const ir::Ints values = node.attributes().get_ints(name);
    return values.empty() || values[0] == 1;
  };
  return packed.weight.size() == 4 && (packed.kernel_height == 2 || packed.kernel_height == 3) &&
         first_is_one("strides") && first_is_one("dilations");
}

Result<std::shared_ptr<const Prepared>> prepare_form(const integer::Form& form, Isa isa) {
  return prepare_depthwise_conv_i8(form, int_table(isa));
}

Result<int64_t> scratch_bytes(const ir::Node& node, const Prepared* prepared, OperandDims inputs, const ir::Dims&,
                              Isa) {
  const auto& packed = static_cast<const PackedDepthwise&>(*prepared);
  const auto geometry = geometry_of(node, *inputs[0], packed);
  if (!geometry) return geometry.error();
  const CodeBand& band = geometry->one_row.band;
  if (!packed.fixed_point) return band.bytes;
  return round_up(band.bytes, 64) + run_sums(packed, outputs_of_run(packed, band)) * 4;
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
  packed->kernel_height = packed->weight.size() == 4 ? packed->weight[2] : 1;
  packed->kernel_width = packed->weight.back();
  packed->one_row = tap_groups(*packed, 1);
  if (!layer->fits_i8() || (!table.exact_bytes && !pairs_safe(*packed, packed->one_row, *layer))) {
    packed->words = true;
    packed->one_row = tap_groups(*packed, 1);
  }
  packed->input.element_bytes = packed->words ? 2 : 1;
  packed->input.flip = form.operands[0]->dtype == ir::DType::i8 ? 128 : 0;
  packed->input.padding = static_cast<uint8_t>(layer->input_zero_point + packed->input.flip);
  packed->store = code_store(form.result);
  if (form.fixed_point()) packed->fixed_point = layer->requantize;
  const int64_t block = 4 * table.lanes;
  const int64_t row_phases = layer->outputs / std::gcd(layer->outputs, block);
  const int64_t pixel_phases = (layer->outputs + block - 1) / block;
  const int64_t row_weights = row_phases * packed->one_row.groups * block * 4;
  packed->rows = row_phases <= pixel_phases || row_weights <= kFewWeights;
  packed->phases = packed->rows ? row_phases : pixel_phases;
  pack_constants(*layer, *packed);
  pack_weights(*layer, *packed, packed->one_row);
  if (!packed->words && rows_overlap(*form.node, *packed)) {
    TapGroups two_rows = tap_groups(*packed, 2);
    if (table.exact_bytes || pairs_safe(*packed, two_rows, *layer)) {
      pack_weights(*layer, *packed, two_rows);
      packed->two_rows = std::move(two_rows);
    }
  }
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
