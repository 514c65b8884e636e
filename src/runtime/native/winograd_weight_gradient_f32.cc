// SPDX-License-Identifier: Apache-2.0
// The gradient of a 3x3 or 5x5 convolution's weight by Winograd's F(4x4, 3x3) or F(4x4, 5x5): 36 products for 4x4
// places where the definition has 144, or 64 where it has 400.
//
//   x planes ─turn, B'dB─▶ [tile][point][channels]      ┐  products at every point, summed over the tiles of all
//   samples, dy planes ─turn, A d A'─▶ [tile][point][features]   ┘  each [features][channels] ─G's G─▶
//   [features][tap][channels] ─turn─▶ dw
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
#include "runtime/native/winograd.h"

namespace edgesmith::runtime::native {

namespace {

bool supports(const ir::Node& node) {
  if (!all_float(node)) return false;
  const auto weight = node.output().type().static_dims();
  return weight && is_winograd(node, *weight) && (*weight)[0] * (*weight)[1] <= kWinogradMostPairs;
}

bool prefers(const ir::Node& node) { return winograd_pays(*node.input(1), *node.output().type().static_dims()); }

using Shape = WinogradShape;

// What lies where in scratch, in floats.
struct Parts {
  int64_t blocked, inputs, gradients, sums, taps;
  explicit Parts(const Shape& s)
      : blocked(round_up(std::max(s.padded_channels * (kWinogradTile * s.at_once.rows + s.kernel.halo()) *
                                      (kWinogradTile * s.tiles_x + s.kernel.halo()),
                                  s.padded_features * kWinogradTile * s.at_once.rows * kWinogradTile * s.tiles_x),
                         16)),
        inputs(round_up(s.tiles() * s.kernel.tile_step(s.padded_channels), 16)),
        gradients(round_up(s.tiles() * s.kernel.tile_step(s.padded_features), 16)),
        sums(s.kernel.points() * s.features * s.padded_channels),
        taps(s.kernel.taps() * s.features * s.padded_channels) {}
  int64_t all() const { return blocked + inputs + gradients + sums + taps; }
};

Result<Shape> shape_of(const ir::Node& node, const ir::Dims& x, const ir::Dims& dy, const NativeTable& table) {
  if (x.size() != 4 || dy.size() != 4 || x[0] != dy[0]) {
    return invalid_error("operands " + ir::type_of(ir::DType::f32, x).text() + " and " +
                         ir::type_of(ir::DType::f32, dy).text() + " do not fit each other");
  }
  const ir::Ints pads = node.attributes().get_ints("pads", ir::Ints(4, 0));
  Shape s(node.attributes().get_ints("kernel_shape").at(0), x, dy, pads);
  // A blocked row has room for all of the input, also for what no window reads.
  s.tile(table.lanes, s.out_height, std::max(s.out_width, s.pad_left + s.width - s.kernel.halo()));
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
        loops_(shape.kernel.loops(table_)),
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
    for (int64_t n = 0; n < s_.samples; n += s_.at_once.samples) {
      const int64_t count = std::min(s_.at_once.samples, s_.samples - n);
      for_even_runs(s_.tiles_y, s_.at_once.rows, [&](int64_t first, int64_t rows) {
        for (int64_t i = 0; i < count; ++i) transform(n + i, first, rows, i * rows * s_.tiles_x);
        add_products(count * rows * s_.tiles_x);
      });
    }
    loops_.sums({sums_, s_.features, s_.padded_channels, taps_});
    const int64_t taps = s_.kernel.taps();
    for (int64_t m = 0; m < s_.features; ++m) {
      table_.transpose(taps_ + m * taps * s_.padded_channels, taps, s_.channels, s_.padded_channels,
                       out + m * s_.channels * taps, taps, nullptr, {});
    }
  }

 private:
  // Tile rows [first, first + rows) of one sample become the tiles from `tile` on.
  void transform(int64_t sample, int64_t first, int64_t rows, int64_t tile) {
    WinogradTiles t = {};
    t.points = s_.kernel.points();
    t.tiles_y = rows;
    t.tiles_x = s_.tiles_x;
    t.blocked = blocked_;
    t.rows = kWinogradTile * rows + s_.kernel.halo();
    t.pitch = kWinogradTile * s_.tiles_x + s_.kernel.halo();
    t.channels = s_.padded_channels;
    t.transformed_step = s_.kernel.tile_step(s_.padded_channels);
    t.transformed = inputs_ + tile * t.transformed_step;
    table_.block_rows({x_ + sample * s_.channels * s_.height * s_.width, s_.channels, s_.height, s_.width,
                       first * kWinogradTile - s_.pad_top, t.rows, s_.pad_left, t.pitch, blocked_});
    loops_.input(t);
    t.rows = kWinogradTile * rows;
    t.pitch = kWinogradTile * s_.tiles_x;
    t.channels = s_.padded_features;
    t.transformed_step = s_.kernel.tile_step(s_.padded_features);
    t.transformed = gradients_ + tile * t.transformed_step;
    table_.block_rows({dy_ + sample * s_.features * s_.out_height * s_.out_width, s_.features, s_.out_height,
                       s_.out_width, first * kWinogradTile, t.rows, 0, t.pitch, blocked_});
    loops_.gradient(t);
  }

  void add_products(int64_t tiles) {
    const Epilogue none;
    Tile tile = {};
    tile.a_row = 1;
    tile.a_k = s_.kernel.tile_step(s_.padded_features);
    tile.ldb = s_.kernel.tile_step(s_.padded_channels);
    tile.rows = s_.features;
    tile.k = tiles;
    tile.add = true;
    tile.ldc = s_.padded_channels;
    tile.epilogue = &none;
    for (int64_t point = 0; point < s_.kernel.points(); ++point) {
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
  const WinogradLoops& loops_;
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
                                           .prefers = prefers,
                                           .scratch_bytes = scratch_bytes,
                                           .bind = bind,
                                           .run = run};

}  // namespace edgesmith::runtime::native
