// SPDX-License-Identifier: Apache-2.0
// Convolution of float32 planes (one or two spatial axes, any group that is not depthwise) as a matrix product: output
// channels by pixels, summed over input channels and taps. The right operand is never written out: tiles read it from
// padded planes by a table of offsets, or, where rows are short, from a panel packed for one tile of pixels at a time.
#include <algorithm>

#include "runtime/native/conv_common.h"
#include "runtime/native/kernels.h"
#include "runtime/native/packing.h"
#include "runtime/native/padded_planes.h"

namespace edgesmith::runtime::native {

namespace {

int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

// Sizes of one call.
struct Shape {
  PlaneLayout layout;
  int64_t samples, channels, group_channels, groups, out_channels, group_out, pixels, k;
  int64_t rows, width;    // runs of outputs that are neighbours in the padded plane, and how long each is
  bool packed;            // pack panels, over all samples; else read by offsets, sample by sample
  int64_t padded_floats;  // planes kept at a time, with room to read past the end
};

// Packing a vector costs about as much as multiplying it with this many weights.
constexpr int64_t kPackingCost = 6;

Result<Shape> shape_of(const ir::Node& node, const ir::Dims& input, const ir::Dims& weight, const NativeTable& table) {
  auto window = conv_window(node, input, weight);
  if (!window) return window.error();
  Shape s;
  s.layout = layout_planes(*window);
  s.samples = input[0];
  s.channels = input[1];
  s.group_channels = weight[1];
  s.groups = node.attributes().get_int("group", 1);
  s.out_channels = weight[0];
  s.group_out = s.out_channels / s.groups;
  s.pixels = s.layout.out_height * s.layout.out_width;
  s.k = s.group_channels * static_cast<int64_t>(s.layout.taps.size());
  // A plane without anything between its rows counts as one row.
  s.rows = s.layout.pitch == s.layout.out_width ? 1 : s.layout.out_height;
  s.width = s.pixels / std::max<int64_t>(1, s.rows);
  const int64_t direct = s.rows * round_up(s.width, table.lanes) * s.group_out * s.samples;
  const int64_t packed = round_up(s.samples * s.pixels, table.lanes) * (s.group_out + kPackingCost);
  s.packed = packed < direct;
  const int64_t kept = s.layout.in_place ? 0 : s.channels * (s.packed ? s.samples : 1);
  s.padded_floats = kept * s.layout.plane() + table.nr;
  return s;
}

// Scratch: padded planes, a panel, a tile, the offset of every k.
struct Scratch {
  Scratch(const Shape& s, const NativeTable& table, bool dynamic_weights, std::byte* base) {
    const auto take = [&](int64_t bytes) {
      std::byte* p = base == nullptr ? nullptr : base + used;
      used += round_up(bytes, 64);
      return p;
    };
    padded = reinterpret_cast<float*>(take(s.padded_floats * 4));
    panel = reinterpret_cast<float*>(take((s.k * table.nr + table.lanes) * 4));
    tile = reinterpret_cast<float*>(take(static_cast<int64_t>(table.mr) * table.nr * 4));
    offsets = reinterpret_cast<int64_t*>(take(s.k * 8));
    const int64_t weight_floats = s.groups * packed_rows_size(s.group_out, s.k, table.mr);
    weights = reinterpret_cast<float*>(take(dynamic_weights ? weight_floats * 4 : 0));
  }
  float *padded, *panel, *tile, *weights;
  int64_t* offsets;
  int64_t used = 0;
};

void pack_weights(const float* weight, const Shape& s, const NativeTable& table, float* out) {
  for (int64_t g = 0; g < s.groups; ++g) {
    const MatrixView rows = {weight + g * s.group_out * s.k, s.k, 1, s.group_out, s.k};
    pack_rows(rows, table.mr, out + g * packed_rows_size(s.group_out, s.k, table.mr));
  }
}

// A vector of outputs: where its inputs and its place in an output plane begin.
struct Spot {
  int64_t source, pixel;
  int count;
};

// A run of a tile's columns that are neighbours in the output, counted from the first plane.
struct Target {
  int64_t pixel;
  int column, length;
};

class Convolution {
 public:
  Convolution(const KernelCall& call, const Shape& shape, const NativeTable& table, const Scratch& scratch,
              const float* weights)
      : call_(call), s_(shape), table_(table), scratch_(scratch), weights_(weights) {
    input_ = call.inputs[0]->data<float>().data();
    output_ = call.outputs[0].as<float>();
    bias_ = call.inputs.size() > 2 && call.inputs[2] != nullptr ? call.inputs[2]->data<float>().data() : nullptr;
    const auto taps = static_cast<int64_t>(s_.layout.taps.size());
    for (int64_t k = 0; k < s_.k; ++k) {
      scratch_.offsets[k] = k / taps * s_.layout.plane() + s_.layout.taps[static_cast<size_t>(k % taps)];
    }
  }

  void run() {
    if (s_.packed) {
      lay_out(0, s_.samples);
      for (int64_t g = 0; g < s_.groups; ++g) run_packed(g);
      return;
    }
    for (int64_t y = 0; y < s_.rows; ++y) {
      for (int64_t x = 0; x < s_.width; x += table_.lanes) {
        const auto count = static_cast<int>(std::min<int64_t>(table_.lanes, s_.width - x));
        spots_.push_back({y * s_.layout.pitch + x, y * s_.width + x, count});
      }
    }
    for (int64_t n = 0; n < s_.samples; ++n) {
      lay_out(n, 1);
      for (int64_t g = 0; g < s_.groups; ++g) run_direct(n, g);
    }
  }

 private:
  // Pads the planes of `count` samples from `first` on.
  void lay_out(int64_t first, int64_t count) {
    source_ = input_ + first * s_.channels * s_.layout.plane();
    if (s_.layout.in_place) return;
    const int64_t plane = s_.layout.height * s_.layout.width;
    const float* from = input_ + first * s_.channels * plane;
    for (int64_t c = 0; c < count * s_.channels; ++c) {
      s_.layout.copy(table_, from + c * plane, scratch_.padded + c * s_.layout.plane(), 0.0F);
    }
    float* end = scratch_.padded + count * s_.channels * s_.layout.plane();
    std::fill(end, end + table_.nr, 0.0F);
    source_ = scratch_.padded;
  }

  const float* group_source(int64_t group) const { return source_ + group * s_.group_channels * s_.layout.plane(); }

  // All output channels of one group for the columns of `tile`, whose targets count from the group's first plane.
  void run_channels(Tile& tile, int64_t group) {
    const float* weights = weights_ + group * packed_rows_size(s_.group_out, s_.k, table_.mr);
    tile.k = s_.k;
    tile.epilogue = &call_.epilogue;
    for (int64_t m = 0; m < s_.group_out; m += table_.mr) {
      const int64_t channel = group * s_.group_out + m;
      float* planes = output_ + channel * s_.pixels;
      tile.m = static_cast<int>(std::min<int64_t>(table_.mr, s_.group_out - m));
      tile.a = weights + m * s_.k;
      tile.row_bias = bias_ == nullptr ? nullptr : bias_ + channel;
      tile.c = targets_.empty() ? planes : scratch_.tile;
      tile.ldc = targets_.empty() ? s_.pixels : table_.nr;
      table_.gemm_tile(tile);
      for (int r = 0; r < (targets_.empty() ? 0 : tile.m); ++r) {
        const float* from = scratch_.tile + static_cast<int64_t>(r) * table_.nr;
        for (const Target& t : targets_) {
          std::copy(from + t.column, from + t.column + t.length, planes + r * s_.pixels + t.pixel);
        }
      }
    }
  }

  void run_direct(int64_t sample, int64_t group) {
    targets_.clear();
    for (size_t first = 0; first < spots_.size(); first += kTileVectors) {
      Tile tile = {};
      tile.b = group_source(group);
      tile.offsets = scratch_.offsets;
      tile.vectors = static_cast<int>(std::min<size_t>(kTileVectors, spots_.size() - first));
      bool past_end = false;
      for (int v = 0; v < tile.vectors; ++v) {
        const Spot& spot = spots_[first + static_cast<size_t>(v)];
        tile.source[v] = spot.source;
        tile.target[v] = sample * s_.out_channels * s_.pixels + spot.pixel;
        tile.count[v] = spot.count;
        past_end = past_end || spot.count < table_.lanes;
      }
      if (past_end && s_.layout.in_place) pack_spots(tile, first, group);
      run_channels(tile, group);
    }
  }

  // The vectors of a tile as a panel: where whole ones would be read past the end of the input.
  void pack_spots(Tile& tile, size_t first, int64_t group) {
    segments_.clear();
    for (int v = 0; v < tile.vectors; ++v) {
      const Spot& spot = spots_[first + static_cast<size_t>(v)];
      segments_.push_back({spot.source, spot.count});
      tile.source[v] = static_cast<int64_t>(v) * table_.lanes;  // only the last one may be short
    }
    pack(tile, group);
  }

  void pack(Tile& tile, int64_t group) {
    table_.pack_panel(group_source(group), scratch_.offsets, s_.k, segments_.data(), static_cast<int>(segments_.size()),
                      scratch_.panel);
    tile.b = scratch_.panel;
    tile.offsets = nullptr;
    tile.ldb = table_.nr;
  }

  void run_packed(int64_t group) {
    const int64_t total = s_.samples * s_.pixels, width = s_.width, pitch = s_.layout.pitch;
    const int64_t sample_floats = s_.channels * s_.layout.plane();
    for (int64_t first = 0; first < total; first += table_.nr) {
      const int64_t columns = std::min<int64_t>(table_.nr, total - first);
      targets_.clear();
      segments_.clear();
      for (int64_t p = first; p < first + columns;) {
        const int64_t sample = p / s_.pixels, pixel = p % s_.pixels;
        const int64_t y = pixel / width, x = pixel % width;
        const auto length = static_cast<int>(std::min(width - x, first + columns - p));
        segments_.push_back({sample * sample_floats + y * pitch + x, length});
        add_target(sample * s_.out_channels * s_.pixels + pixel, static_cast<int>(p - first), length);
        p += length;
      }
      Tile tile = {};
      set_vectors(tile, table_, columns);
      if (targets_straight(tile)) targets_.clear();
      pack(tile, group);
      run_channels(tile, group);
    }
  }

  // Adds a run, or lengthens the last one when both are neighbours in the output.
  void add_target(int64_t pixel, int column, int length) {
    if (!targets_.empty() && targets_.back().pixel + targets_.back().length == pixel) {
      targets_.back().length += length;
    } else {
      targets_.push_back({pixel, column, length});
    }
  }

  // Whether every vector of the tile lies in one run; then the tile stores straight into the output.
  bool targets_straight(Tile& tile) const {
    size_t t = 0;
    for (int v = 0; v < tile.vectors; ++v) {
      const int column = v * table_.lanes;
      while (targets_[t].column + targets_[t].length <= column) ++t;
      if (targets_[t].column + targets_[t].length < column + tile.count[v]) {
        set_vectors(tile, table_, (tile.vectors - 1) * table_.lanes + tile.count[tile.vectors - 1]);
        return false;
      }
      tile.target[v] = targets_[t].pixel + column - targets_[t].column;
    }
    return true;
  }

  const KernelCall& call_;
  const Shape& s_;
  const NativeTable& table_;
  const Scratch& scratch_;
  const float* weights_;
  const float *input_, *bias_, *source_ = nullptr;
  float* output_;
  std::vector<Spot> spots_;
  std::vector<Segment> segments_;
  std::vector<Target> targets_;
};

Result<std::shared_ptr<const Prepared>> prepare(const ir::Node& node, std::span<const ir::Tensor* const> constants,
                                                Isa isa) {
  auto packed = std::make_shared<PackedConstants>();
  if (constants[1] != nullptr) {
    const ir::Dims& weight = constants[1]->dims();
    const NativeTable& table = native_table(isa);
    Shape s = {};
    s.groups = node.attributes().get_int("group", 1);
    s.group_out = weight[0] / s.groups;
    s.k = constants[1]->size() / std::max<int64_t>(1, weight[0]);
    packed->matrix.resize(static_cast<size_t>(s.groups * packed_rows_size(s.group_out, s.k, table.mr)));
    pack_weights(constants[1]->data<float>().data(), s, table, packed->matrix.data());
  }
  return std::shared_ptr<const Prepared>(std::move(packed));
}

bool dynamic_weights(const Prepared* prepared) { return static_cast<const PackedConstants*>(prepared)->matrix.empty(); }

Result<int64_t> scratch_bytes(const ir::Node& node, const Prepared* prepared, OperandDims inputs, const ir::Dims&,
                              Isa isa) {
  const NativeTable& table = native_table(isa);
  auto shape = shape_of(node, *inputs[0], *inputs[1], table);
  if (!shape) return shape.error();
  return Scratch(*shape, table, dynamic_weights(prepared), nullptr).used;
}

Status run(const KernelCall& call) {
  const NativeTable& table = native_table(call.isa);
  auto shape = shape_of(call.node, call.inputs[0]->dims(), call.inputs[1]->dims(), table);
  if (!shape) return shape.error();
  if (shape->samples * shape->out_channels * shape->pixels == 0) return {};
  const ir::Tensor* bias = call.inputs.size() > 2 ? call.inputs[2] : nullptr;
  if (bias != nullptr && bias->size() != shape->out_channels) {
    return invalid_error("bias has " + std::to_string(bias->size()) + " elements for " +
                         std::to_string(shape->out_channels) + " output channels");
  }
  const Scratch scratch(*shape, table, dynamic_weights(call.prepared), call.scratch);
  const auto& packed = static_cast<const PackedConstants&>(*call.prepared);
  const float* weights = packed.matrix.data();
  if (packed.matrix.empty()) {
    pack_weights(call.inputs[1]->data<float>().data(), *shape, table, scratch.weights);
    weights = scratch.weights;
  }
  Convolution(call, *shape, table, scratch, weights).run();
  return {};
}

bool supports(const ir::Node& node) { return is_float_conv(node) && !is_depthwise(node); }

}  // namespace

const Kernel kConvF32 = {.provider = "native",
                         .name = "conv_f32",
                         .op = ir::OpKind::conv,
                         .epilogue = true,
                         .supports = supports,
                         .prepare = prepare,
                         .output_dims = conv_output_dims,
                         .scratch_bytes = scratch_bytes,
                         .run = run};

}  // namespace edgesmith::runtime::native
