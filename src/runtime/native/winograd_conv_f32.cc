// SPDX-License-Identifier: Apache-2.0
// 3x3 and 5x5 convolution of float32 planes by Winograd's F(4x4, 3x3) and F(4x4, 5x5): 36 products for a tile where the
// definition has 144, and 64 where it has 400.
//
//   input planes ─turn─▶ rows of pixels, channels in vectors ─B'dB─▶ [tile][point][channels]
//     ─products with G g G'─▶ [tile][point][out channels] ─A'mA, bias, epilogue─▶ 4x4 outputs a tile ─turn─▶ planes
//
// Stride 1, dilation 1, one group, any padding and size. Sums are reassociated: the results differ from conv_f32's by
// about 1e-6 of the largest one, so it runs only where ExecutorOptions::reassociate allows it. Still the same bits on
// every instruction set. Scratch: blocked input rows, transformed tiles and products of some rows of tiles at a time
// (or of several small samples), and the weights where they are not constant: those are transformed in every run, by
// floats.
#include <algorithm>

#include "runtime/native/conv_common.h"
#include "runtime/native/kernels.h"
#include "runtime/native/packing.h"
#include "runtime/native/split.h"
#include "runtime/native/table.h"
#include "runtime/native/winograd.h"

namespace edgesmith::runtime::native {

namespace {

bool is_constant(const ir::Value* value) { return value == nullptr || value->node().is(ir::OpKind::constant); }

bool supports(const ir::Node& node) {
  if (!is_float_conv(node)) return false;
  const auto weight = node.input(1)->type().static_dims();
  if (!weight || !is_winograd(node, *weight)) return false;
  const bool constant = is_constant(node.input(1)) && is_constant(node.input(2));
  return constant || (*weight)[0] * (*weight)[1] <= kWinogradMostPairs;
}

bool prefers(const ir::Node& node) { return winograd_pays(node.output(), *node.input(1)->type().static_dims()); }

// U = G g G' of every pair of channels: for each point a packed matrix of input by output channels; then the bias. Both
// are empty when weights or bias are not constant.
struct Weights : Prepared {
  std::vector<float> points, bias;
};

Result<std::shared_ptr<const Prepared>> prepare(const ir::Node& node, std::span<const ir::Tensor* const> constants,
                                                Isa isa) {
  auto out = std::make_shared<Weights>();
  const bool has_bias = constants.size() > 2 && node.input(2) != nullptr;
  if (constants[1] == nullptr || (has_bias && constants[2] == nullptr)) {
    return std::shared_ptr<const Prepared>(std::move(out));
  }
  const NativeTable& table = native_table(isa);
  const int64_t features = constants[1]->dims()[0], channels = constants[1]->dims()[1];
  const int64_t padded = round_up(features, table.lanes);
  const WinogradKernel kernel = {constants[1]->dims()[2]};
  const std::vector<float> points = winograd_points(constants[1]->data<float>().data(), features, channels, kernel);
  out->points.resize(static_cast<size_t>(kernel.points() * channels * padded));
  for (int64_t p = 0; p < kernel.points(); ++p) {
    pack_columns({points.data() + p * channels * features, features, 1, channels, features}, 1.0F, table,
                 out->points.data() + p * channels * padded);
  }
  out->bias.resize(static_cast<size_t>(padded), 0.0F);
  if (constants.size() > 2 && constants[2] != nullptr) {
    if (constants[2]->size() != features) {
      return invalid_error("bias has " + std::to_string(constants[2]->size()) + " elements for " +
                           std::to_string(features) + " output channels");
    }
    std::ranges::copy(constants[2]->data<float>(), out->bias.begin());
  }
  return std::shared_ptr<const Prepared>(std::move(out));
}

struct Shape : WinogradShape {
  using WinogradShape::WinogradShape;

  int64_t blocked_rows(int64_t rows_of_tiles) const { return kWinogradTile * rows_of_tiles + kernel.halo(); }
  int64_t pitch() const { return kWinogradTile * tiles_x + kernel.halo(); }
  int64_t blocked_floats() const { return padded_channels * blocked_rows(at_once.rows) * pitch(); }
  int64_t transformed_floats() const { return tiles() * kernel.tile_step(padded_channels); }
  int64_t product_floats() const { return tiles() * kernel.tile_step(padded_features); }
};

Result<Shape> shape_of(const ir::Node& node, const ir::Dims& input, const ir::Dims& weight, const NativeTable& table) {
  const auto window = conv_window(node, input, weight);
  if (!window) return window.error();
  const ir::Dims output = {input[0], weight[0], window->output[0], window->output[1]};
  Shape s(weight[2], input, output, window->pads_begin);
  s.tile(table.lanes, s.out_height, s.out_width);
  return s;
}

bool transforms_weights(const Prepared* prepared) {
  return prepared == nullptr || static_cast<const Weights*>(prepared)->points.empty();
}

// What lies in scratch, in floats. The weights come last: they are not a thread's own.
struct Parts {
  int64_t blocked, transformed, products, bias = 0, taps = 0, points = 0;
  Parts(const Shape& s, const Prepared* prepared)
      : blocked(round_up(s.blocked_floats(), 16)),
        transformed(round_up(s.transformed_floats(), 16)),
        products(round_up(s.product_floats(), 16)) {
    if (!transforms_weights(prepared)) return;
    bias = round_up(s.padded_features, 16);
    taps = round_up(s.channels * s.kernel.taps() * s.padded_features, 16);
    points = s.kernel.points() * s.channels * s.padded_features;
  }
  int64_t own() const { return blocked + transformed + products; }
  int64_t all() const { return own() + bias + taps + points; }
};

Result<int64_t> scratch_bytes(const ir::Node& node, const Prepared* prepared, OperandDims inputs, const ir::Dims&,
                              Isa isa) {
  const auto s = shape_of(node, *inputs[0], *inputs[1], native_table(isa));
  if (!s) return s.error();
  return Parts(*s, prepared).all() * 4;
}

// The transformed weights and the bias in whole vectors.
struct WeightPointers {
  const float *points, *bias;
};

// Transforms the weights of a call into scratch.
WeightPointers transform_weights(const KernelCall& call, const Shape& s, const NativeTable& table, const Parts& parts) {
  float* bias = reinterpret_cast<float*>(call.scratch) + parts.own();
  float* taps = bias + parts.bias;
  float* points = taps + parts.taps;
  const float* weight = call.inputs[1]->data<float>().data();
  const int64_t size = s.kernel.taps();
  if (s.padded_features != s.features) std::fill_n(taps, s.channels * size * s.padded_features, 0.0F);
  table.transpose(weight, s.features, s.channels * size, s.channels * size, taps, s.padded_features, nullptr, {});
  s.kernel.loops(table).weights({taps, s.channels, s.padded_features, points});
  const ir::Tensor* offset = call.inputs.size() > 2 ? call.inputs[2] : nullptr;
  std::fill_n(bias, s.padded_features, 0.0F);
  if (offset != nullptr) std::ranges::copy(offset->data<float>(), bias);
  return {points, bias};
}

class Convolution {
 public:
  Convolution(const KernelCall& call, const Shape& shape, const WeightPointers& weights, std::byte* scratch)
      : s_(shape), table_(native_table(call.isa)), loops_(shape.kernel.loops(table_)) {
    const Parts parts(s_, call.prepared);
    blocked_ = reinterpret_cast<float*>(scratch);
    transformed_ = blocked_ + parts.blocked;
    products_ = transformed_ + parts.transformed;
    tiles_.points = s_.kernel.points();
    tiles_.transformed_step = s_.kernel.tile_step(s_.padded_channels);
    tiles_.product_step = s_.kernel.tile_step(s_.padded_features);
    tiles_.tiles_x = s_.tiles_x;
    tiles_.blocked = blocked_;
    tiles_.pitch = s_.pitch();
    tiles_.channels = s_.padded_channels;
    tiles_.transformed = transformed_;
    tiles_.weights = weights.points;
    tiles_.products_of = s_.channels;
    tiles_.products = products_;
    tiles_.bias = weights.bias;
    tiles_.out_channels = s_.features;
    tiles_.padded_out = s_.padded_features;
    tiles_.out_width = s_.out_width;
    tiles_.out_plane = s_.out_height * s_.out_width;
    tiles_.epilogue = &call.epilogue;
    output_ = call.outputs[0].as<float>();
    residual_ = call.residual.floats();
  }

  // Outputs of tile rows [first, first + count) of one sample.
  void run(const float* in, int64_t first, int64_t count, float* out) {
    tiles_.tiles_y = count;
    tiles_.rows = s_.blocked_rows(count);
    tiles_.out = out + first * kWinogradTile * s_.out_width;
    tiles_.residual = residual_ == nullptr ? nullptr : residual_ + (tiles_.out - output_);
    tiles_.out_rows = s_.out_height - first * kWinogradTile;
    table_.block_rows({in, s_.channels, s_.height, s_.width, first * kWinogradTile - s_.pad_top, tiles_.rows,
                       s_.pad_left, tiles_.pitch, blocked_});
    loops_.input(tiles_);
    table_.winograd_multiply(tiles_);
    loops_.output(tiles_);
  }

  // All outputs of `count` samples, whose products are made together.
  void run_samples(const float* in, int64_t count, float* out) {
    const int64_t tiles = s_.tiles_y * s_.tiles_x;
    tiles_.rows = s_.blocked_rows(s_.tiles_y);
    tiles_.out_rows = s_.out_height;
    tiles_.tiles_y = s_.tiles_y;
    for (int64_t n = 0; n < count; ++n) {
      table_.block_rows({in + n * s_.channels * s_.height * s_.width, s_.channels, s_.height, s_.width, -s_.pad_top,
                         tiles_.rows, s_.pad_left, tiles_.pitch, blocked_});
      tiles_.transformed = transformed_ + n * tiles * tiles_.transformed_step;
      loops_.input(tiles_);
    }
    tiles_.transformed = transformed_;
    tiles_.tiles_y = count * s_.tiles_y;
    table_.winograd_multiply(tiles_);
    tiles_.tiles_y = s_.tiles_y;
    for (int64_t n = 0; n < count; ++n) {
      tiles_.out = out + n * s_.features * s_.out_height * s_.out_width;
      tiles_.residual = residual_ == nullptr ? nullptr : residual_ + (tiles_.out - output_);
      tiles_.products = products_ + n * tiles * tiles_.product_step;
      loops_.output(tiles_);
    }
    tiles_.products = products_;
  }

 private:
  const Shape& s_;
  const NativeTable& table_;
  const WinogradLoops& loops_;
  const float *output_, *residual_;
  float *blocked_, *transformed_, *products_;
  WinogradTiles tiles_ = {};
};

Result<std::shared_ptr<const Prepared>> bind(const ir::Node& node, const Prepared*, OperandDims inputs, const ir::Dims&,
                                             Isa isa) {
  const auto s = shape_of(node, *inputs[0], *inputs[1], native_table(isa));
  if (!s) return s.error();
  return std::shared_ptr<const Prepared>(std::make_shared<Shape>(*s));
}

Status run(const KernelCall& call) {
  const auto* s = static_cast<const Shape*>(call.bound);
  const float* in = call.inputs[0]->data<float>().data();
  float* out = call.outputs[0].as<float>();
  if (s->samples * s->tiles_y * s->tiles_x == 0) return {};
  WeightPointers weights = {};
  if (transforms_weights(call.prepared)) {
    const ir::Tensor* bias = call.inputs.size() > 2 ? call.inputs[2] : nullptr;
    if (bias != nullptr && bias->size() != s->features) {
      return invalid_error("bias has " + std::to_string(bias->size()) + " elements for " + std::to_string(s->features) +
                           " output channels");
    }
    weights = transform_weights(call, *s, native_table(call.isa), Parts(*s, call.prepared));
  } else {
    const auto& prepared = static_cast<const Weights&>(*call.prepared);
    weights = {prepared.points.data(), prepared.bias.data()};
  }
  const int64_t in_floats = s->channels * s->height * s->width, out_floats = s->features * s->out_height * s->out_width;
  if (call.pool == nullptr && s->at_once.samples > 1) {
    Convolution convolution(call, *s, weights, call.scratch);
    for_even_runs(s->samples, s->at_once.samples, [&](int64_t first, int64_t count) {
      convolution.run_samples(in + first * in_floats, count, out + first * out_floats);
    });
    return {};
  }
  // The transforms take about as long as the products.
  const int64_t products = s->tiles_y * s->tiles_x * s->kernel.points() * s->channels * s->features;
  for (int64_t n = 0; n < s->samples; ++n, in += in_floats, out += out_floats) {
    split(call, s->tiles_y, 2 * products / kFloatProductsNs, [&](int64_t begin, int64_t end, std::byte* scratch) {
      Convolution convolution(call, *s, weights, scratch);
      for_even_runs(end - begin, s->at_once.rows,
                    [&](int64_t first, int64_t count) { convolution.run(in, begin + first, count, out); });
    });
  }
  return {};
}

}  // namespace

const Kernel kWinogradConvF32 = {.provider = "native",
                                 .name = "winograd_conv_f32",
                                 .op = ir::OpKind::conv,
                                 .epilogue = true,
                                 .residual = true,
                                 .splits = true,
                                 .reassociates = true,
                                 .supports = supports,
                                 .prefers = prefers,
                                 .prepare = prepare,
                                 .output_dims = conv_output_dims,
                                 .scratch_bytes = scratch_bytes,
                                 .bind = bind,
                                 .run = run};

}  // namespace edgesmith::runtime::native
