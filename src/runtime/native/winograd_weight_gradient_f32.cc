// SPDX-License-Identifier: Apache-2.0
// The gradient of a 3x3 convolution's weight by Winograd's F(4x4, 3x3): 36 products for 4x4 places where the definition
// has 144.
//
//   x planes ─turn, B'dB─▶ [tile][36][channels]      ┐  36 products, summed over the tiles of all samples, each
//   dy planes ─turn, A d A'─▶ [tile][36][features]   ┘  [features][channels] ─G's G─▶ [features][9][channels] ─turn─▶
//   dw
//
// Stride 1, dilation 1, one group, any padding and size. Sums are reassociated: the results differ from those of
// conv_weight_gradient_f32 by about 1e-5 of the largest one, so it runs only where ExecutorOptions::reassociate allows
// it. Still the same bits on every instruction set: tiles are summed in ascending order, whatever is done at a time.
// Scratch: one blocked sample, the transformed tiles of some rows of tiles or samples, and the sums.
#include <algorithm>

#include "runtime/native/conv_common.h"
#include "runtime/native/kernels.h"
#include "runtime/native/packing.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

namespace {

constexpr int64_t kTile = 4, kPoints = 36;
// As in winograd_conv_f32.cc.
constexpr int64_t kBlockBytes = int64_t{512} << 10, kMinChannels = 8, kMostPairs = int64_t{1} << 16;

bool all_equal(const ir::Ints& values, int64_t value) {
  return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v == value; });
}

bool supports(const ir::Node& node) {
  const ir::Attributes& attributes = node.attributes();
  if (!all_float(node) || attributes.get_int("group", 1) != 1) return false;
  const ir::Ints kernel = attributes.get_ints("kernel_shape");
  const auto weight = node.output().type().static_dims();
  if (kernel.size() != 2 || !all_equal(kernel, 3) || !weight) return false;
  if ((*weight)[0] < kMinChannels || (*weight)[1] < kMinChannels || (*weight)[0] * (*weight)[1] > kMostPairs)
    return false;
  return all_equal(attributes.get_ints("strides"), 1) && all_equal(attributes.get_ints("dilations"), 1);
}

struct Shape : Prepared {
  int64_t samples = 0, channels = 0, height = 0, width = 0, features = 0, out_height = 0, out_width = 0;
  int64_t pad_top = 0, pad_left = 0, padded_channels = 0, padded_features = 0, tiles_x = 0, tiles_y = 0;
  int64_t rows_at_once = 1, samples_at_once = 1;  // rows of tiles of a sample

  int64_t tiles() const { return rows_at_once * tiles_x * samples_at_once; }
};

// What lies where in scratch, in floats.
struct Parts {
  int64_t blocked, inputs, gradients, sums, taps;
  explicit Parts(const Shape& s)
      : blocked(round_up(std::max(s.padded_channels * (kTile * s.rows_at_once + 2) * (kTile * s.tiles_x + 2),
                                  s.padded_features * kTile * s.rows_at_once * kTile * s.tiles_x),
                         16)),
        inputs(round_up(s.tiles() * kPoints * s.padded_channels, 16)),
        gradients(round_up(s.tiles() * kPoints * s.padded_features, 16)),
        sums(kPoints * s.features * s.padded_channels),
        taps(9 * s.features * s.padded_channels) {}
  int64_t all() const { return blocked + inputs + gradients + sums + taps; }
};

Result<Shape> shape_of(const ir::Node& node, const ir::Dims& x, const ir::Dims& dy, const NativeTable& table) {
  if (x.size() != 4 || dy.size() != 4 || x[0] != dy[0]) {
    return invalid_error("operands " + ir::type_of(ir::DType::f32, x).text() + " and " +
                         ir::type_of(ir::DType::f32, dy).text() + " do not fit each other");
  }
  const ir::Ints pads = node.attributes().get_ints("pads", ir::Ints(4, 0));
  Shape s;
  s.samples = x[0];
  s.channels = x[1];
  s.height = x[2];
  s.width = x[3];
  s.features = dy[1];
  s.out_height = dy[2];
  s.out_width = dy[3];
  s.pad_top = pads[0];
  s.pad_left = pads[1];
  s.padded_channels = round_up(s.channels, table.lanes);
  s.padded_features = round_up(s.features, table.lanes);
  // A blocked row has room for all of the input, also for what no window reads.
  s.tiles_x = (std::max(s.out_width, s.pad_left + s.width - 2) + kTile - 1) / kTile;
  s.tiles_y = (s.out_height + kTile - 1) / kTile;
  const int64_t row_bytes = std::max<int64_t>(1, s.tiles_x * kPoints * (s.padded_channels + s.padded_features) * 4);
  s.rows_at_once = std::clamp<int64_t>(kBlockBytes / row_bytes, 1, std::max<int64_t>(1, s.tiles_y));
  if (s.rows_at_once == s.tiles_y) {
    s.samples_at_once = std::clamp<int64_t>(kBlockBytes / (row_bytes * s.tiles_y), 1, std::max<int64_t>(1, s.samples));
  }
  return s;
}

Result<int64_t> scratch_bytes(const ir::Node& node, const Prepared*, OperandDims inputs, const ir::Dims&, Isa isa) {
  const auto s = shape_of(node, *inputs[0], *inputs[1], native_table(isa));
  if (!s) return s.error();
  return Parts(*s).all() * 4;
}

Result<std::shared_ptr<const Prepared>> bind(const ir::Node& node, const Prepared*, OperandDims inputs, const ir::Dims&,
                                             Isa isa) {
  const auto s = shape_of(node, *inputs[0], *inputs[1], native_table(isa));
  if (!s) return s.error();
  return std::shared_ptr<const Prepared>(std::make_shared<Shape>(*s));
}

class WeightGradient {
 public:
  WeightGradient(const KernelCall& call, const Shape& shape)
      : s_(shape),
        table_(native_table(call.isa)),
        x_(call.inputs[0]->data<float>().data()),
        dy_(call.inputs[1]->data<float>().data()) {
    const Parts parts(s_);
    blocked_ = reinterpret_cast<float*>(call.scratch);
    inputs_ = blocked_ + parts.blocked;
    gradients_ = inputs_ + parts.inputs;
    sums_ = gradients_ + parts.gradients;
    taps_ = sums_ + parts.sums;
  }

  void run(float* out) {
    std::fill(sums_, taps_, 0.0F);
    for (int64_t n = 0; n < s_.samples; n += s_.samples_at_once) {
      const int64_t count = std::min(s_.samples_at_once, s_.samples - n);
      for_even_runs(s_.tiles_y, s_.rows_at_once, [&](int64_t first, int64_t rows) {
        for (int64_t i = 0; i < count; ++i) transform(n + i, first, rows, i * rows * s_.tiles_x);
        add_products(count * rows * s_.tiles_x);
      });
    }
    table_.winograd_sums({sums_, s_.features, s_.padded_channels, taps_});
    for (int64_t m = 0; m < s_.features; ++m) {
      table_.transpose(taps_ + m * 9 * s_.padded_channels, 9, s_.channels, s_.padded_channels,
                       out + m * s_.channels * 9, 9, nullptr, {});
    }
  }

 private:
  // Tile rows [first, first + rows) of one sample become the tiles from `tile` on.
  void transform(int64_t sample, int64_t first, int64_t rows, int64_t tile) {
    WinogradTiles t = {};
    t.tiles_y = rows;
    t.tiles_x = s_.tiles_x;
    t.blocked = blocked_;
    t.rows = kTile * rows + 2;
    t.pitch = kTile * s_.tiles_x + 2;
    t.channels = s_.padded_channels;
    t.transformed = inputs_ + tile * kPoints * s_.padded_channels;
    table_.block_rows({x_ + sample * s_.channels * s_.height * s_.width, s_.channels, s_.height, s_.width,
                       first * kTile - s_.pad_top, t.rows, s_.pad_left, t.pitch, blocked_});
    table_.winograd_input(t);
    t.rows = kTile * rows;
    t.pitch = kTile * s_.tiles_x;
    t.channels = s_.padded_features;
    t.transformed = gradients_ + tile * kPoints * s_.padded_features;
    table_.block_rows({dy_ + sample * s_.features * s_.out_height * s_.out_width, s_.features, s_.out_height,
                       s_.out_width, first * kTile, t.rows, 0, t.pitch, blocked_});
    table_.winograd_gradient(t);
  }

  void add_products(int64_t tiles) {
    const Epilogue none;
    Tile tile = {};
    tile.a_row = 1;
    tile.a_k = kPoints * s_.padded_features;
    tile.ldb = kPoints * s_.padded_channels;
    tile.rows = s_.features;
    tile.k = tiles;
    tile.add = true;
    tile.ldc = s_.padded_channels;
    tile.epilogue = &none;
    for (int64_t point = 0; point < kPoints; ++point) {
      tile.a = gradients_ + point * s_.padded_features;
      for_even_runs(s_.padded_channels / table_.lanes, table_.tile_vectors, [&](int64_t first, int64_t count) {
        set_vectors(tile, table_, count * table_.lanes);
        tile.b = inputs_ + point * s_.padded_channels + first * table_.lanes;
        tile.c = sums_ + point * s_.features * s_.padded_channels + first * table_.lanes;
        table_.gemm_tile(tile);
      });
    }
  }

  const Shape& s_;
  const NativeTable& table_;
  const float *x_, *dy_;
  float *blocked_, *inputs_, *gradients_, *sums_, *taps_;
};

Status run(const KernelCall& call) {
  WeightGradient(call, static_cast<const Shape&>(*call.bound)).run(call.outputs[0].as<float>());
  return {};
}

}  // namespace

const Kernel kWinogradWeightGradientF32 = {.provider = "native",
                                           .name = "winograd_weight_gradient_f32",
                                           .op = ir::OpKind::conv_weight_gradient,
                                           .reassociates = true,
                                           .supports = supports,
                                           .scratch_bytes = scratch_bytes,
                                           .bind = bind,
                                           .run = run};

}  // namespace edgesmith::runtime::native
