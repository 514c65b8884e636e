// SPDX-License-Identifier: Apache-2.0
// Transposed convolution of float32 planes by 3x3 and 5x5 kernels, stride 1: the gradient of the input of a convolution
// that Winograd's F(4x4, 3x3) or F(4x4, 5x5) makes. That convolution is A' ((G g G') * (B' d B)) A for each tile; this
// is the same matrix transposed, so that tiles are those of the small planes and there is no padding to multiply:
//
//   input planes ─turn─▶ rows of pixels, channels in vectors ─A d A'─▶ [tile][point][channels]
//     ─products with G g G'─▶ [tile][point][out channels] ─B m B'─▶ 6x6 or 8x8 outputs a tile, 4 apart: added up
//     ─turn, residual, epilogue─▶ planes
//
// Dilation 1, one group, any padding and size. Sums are reassociated: the results differ from conv_transpose_f32's by
// about 1e-6 of the largest one, so it runs only where ExecutorOptions::reassociate allows it. Still the same bits on
// every instruction set: tiles are added row by row, whatever is done at a time. Weights are transformed in every run,
// by floats. Scratch: blocked rows, transformed tiles and products of some rows of tiles (or of several small samples),
// the outputs of one sample in blocks of channels, and the weights.
#include <algorithm>

#include "runtime/native/conv_common.h"
#include "runtime/native/kernels.h"
#include "runtime/native/packing.h"
#include "runtime/native/split.h"
#include "runtime/native/table.h"
#include "runtime/native/winograd.h"

namespace edgesmith::runtime::native {

namespace {

bool is_constant(const ir::Value* value) { return value->node().is(ir::OpKind::constant); }

bool supports(const ir::Node& node) {
  if (!is_float_conv(node) || is_constant(node.input(1)) || node.attributes().has("output_shape")) return false;
  const auto weight = node.input(1)->type().static_dims();
  if (!weight || !is_winograd(node, *weight) || (*weight)[0] * (*weight)[1] > kWinogradMostPairs) return false;
  const std::string mode = node.attributes().get_string("auto_pad", "NOTSET");
  return (mode == "NOTSET" || mode == "VALID") &&
         std::ranges::all_of(node.attributes().get_ints("output_padding"), [](int64_t pad) { return pad == 0; }) &&
         std::ranges::all_of(node.attributes().get_ints("pads"), [](int64_t pad) { return pad >= 0; });
}

bool prefers(const ir::Node& node) { return winograd_pays(*node.input(0), *node.input(1)->type().static_dims()); }

struct Shape : WinogradShape {
  using WinogradShape::WinogradShape;

  int64_t blocked_pitch() const { return kWinogradTile * tiles_x; }
  int64_t image_rows() const { return kWinogradTile * tiles_y + kernel.halo(); }
  int64_t image_pitch() const { return kWinogradTile * tiles_x + kernel.halo(); }
};

Result<Shape> shape_of(const ir::Node& node, const ir::Dims& input, const ir::Dims& weight, const NativeTable& table) {
  if (input.size() != 4 || weight.size() != 4 || input[1] != weight[0]) {
    return invalid_error("input " + ir::type_of(ir::DType::f32, input).text() + " does not fit weight " +
                         ir::type_of(ir::DType::f32, weight).text());
  }
  const auto window = ops::resolve_transposed_window(node, {input[2], input[3]}, {weight[2], weight[3]});
  if (!window) return window.error();
  const ir::Dims output = {input[0], weight[1], window->output[0], window->output[1]};
  Shape s(weight[2], input, output, window->pads_begin);
  s.tile(table.lanes, s.height, s.width);
  return s;
}

// What lies in scratch, in floats. The weights come last: they are not a thread's own.
struct Parts {
  int64_t blocked, transformed, products, image, bias, taps, points;
  explicit Parts(const Shape& s)
      : blocked(round_up(s.padded_channels * kWinogradTile * s.at_once.rows * s.blocked_pitch(), 16)),
        transformed(round_up(s.tiles() * s.kernel.tile_step(s.padded_channels), 16)),
        products(round_up(s.tiles() * s.kernel.tile_step(s.padded_features), 16)),
        image(round_up(s.padded_features * s.image_rows() * s.image_pitch(), 16)),
        bias(round_up(s.padded_features, 16)),
        taps(round_up(s.channels * s.kernel.taps() * s.padded_features, 16)),
        points(s.kernel.points() * s.channels * s.padded_features) {}
  int64_t own() const { return blocked + transformed + products + image; }
  int64_t all() const { return own() + bias + taps + points; }
};

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

// The transformed weights and the bias in whole vectors.
struct WeightPointers {
  const float *points, *bias;
};

WeightPointers transform_weights(const KernelCall& call, const Shape& s, const NativeTable& table) {
  const Parts parts(s);
  float* bias = reinterpret_cast<float*>(call.scratch) + parts.own();
  float* taps = bias + parts.bias;
  float* points = taps + parts.taps;
  const float* weight = call.inputs[1]->data<float>().data();
  const int64_t size = s.kernel.taps();
  if (s.padded_features != s.features) std::fill_n(taps, s.channels * size * s.padded_features, 0.0F);
  for (int64_t c = 0; c < s.channels; ++c) {
    table.transpose(weight + c * s.features * size, s.features, size, size, taps + c * size * s.padded_features,
                    s.padded_features, nullptr, {});
  }
  s.kernel.loops(table).weights({taps, s.channels, s.padded_features, points});
  std::fill_n(bias, s.padded_features, 0.0F);
  const ir::Tensor* offset = call.inputs.size() > 2 ? call.inputs[2] : nullptr;
  if (offset != nullptr) std::ranges::copy(offset->data<float>(), bias);
  return {points, bias};
}

class Transposed {
 public:
  Transposed(const KernelCall& call, const Shape& shape, const WeightPointers& weights, std::byte* scratch)
      : call_(call),
        s_(shape),
        table_(native_table(call.isa)),
        loops_(shape.kernel.loops(table_)),
        bias_(weights.bias) {
    const Parts parts(s_);
    blocked_ = reinterpret_cast<float*>(scratch);
    transformed_ = blocked_ + parts.blocked;
    products_ = transformed_ + parts.transformed;
    image_ = products_ + parts.products;
    tiles_.points = s_.kernel.points();
    tiles_.transformed_step = s_.kernel.tile_step(s_.padded_channels);
    tiles_.product_step = s_.kernel.tile_step(s_.padded_features);
    tiles_.tiles_x = s_.tiles_x;
    tiles_.blocked = blocked_;
    tiles_.pitch = s_.blocked_pitch();
    tiles_.channels = s_.padded_channels;
    tiles_.transformed = transformed_;
    tiles_.weights = weights.points;
    tiles_.products_of = s_.channels;
    tiles_.products = products_;
    tiles_.padded_out = s_.padded_features;
  }

  // Samples [first, first + count), whose products are made together where all rows of tiles are.
  void run(int64_t first, int64_t count) {
    if (count > 1) {
      for (int64_t i = 0; i < count; ++i) transform(first + i, 0, s_.tiles_y, i);
      multiply(count * s_.tiles_y);
    }
    for (int64_t i = 0; i < count; ++i) {
      begin_image();
      int64_t finished = 0;  // rows of the image
      for_even_runs(s_.tiles_y, s_.at_once.rows, [&](int64_t row, int64_t rows) {
        if (count == 1) {
          transform(first, row, rows, 0);
          multiply(rows);
        }
        loops_.image({rows, s_.tiles_x, products_ + i * s_.tiles_y * s_.tiles_x * tiles_.product_step,
                      tiles_.product_step, s_.padded_features, bias_,
                      image_ + row * kWinogradTile * s_.image_pitch() * table_.lanes, s_.image_rows(),
                      s_.image_pitch()});
        if (row + rows == s_.tiles_y) return;
        store(first + i, finished, (row + rows) * kWinogradTile);
        finished = (row + rows) * kWinogradTile;
      });
      store(first + i, finished, s_.image_rows());
    }
  }

 private:
  // Tile rows [row, row + rows) of a sample become the tiles of the i-th sample that is worked on.
  void transform(int64_t sample, int64_t row, int64_t rows, int64_t i) {
    tiles_.tiles_y = rows;
    tiles_.rows = kWinogradTile * rows;
    tiles_.transformed = transformed_ + i * rows * s_.tiles_x * tiles_.transformed_step;
    table_.block_rows({call_.inputs[0]->data<float>().data() + sample * s_.channels * s_.height * s_.width, s_.channels,
                       s_.height, s_.width, row * kWinogradTile, tiles_.rows, 0, tiles_.pitch, blocked_});
    loops_.gradient(tiles_);
  }

  void multiply(int64_t rows_of_tiles) {
    tiles_.transformed = transformed_;
    tiles_.tiles_y = rows_of_tiles;
    table_.winograd_multiply(tiles_);
  }

  // Sums begin with the bias.
  void begin_image() {
    const int64_t pixels = s_.image_rows() * s_.image_pitch();
    const int64_t first = s_.tiles_y > 0 ? s_.kernel.halo() * s_.image_pitch() : pixels;
    for (int64_t c = 0; c < s_.padded_features; c += table_.lanes) {
      float* to = image_ + c * pixels;
      for (int64_t p = 0; p < first; ++p, to += table_.lanes) std::copy_n(bias_ + c, table_.lanes, to);
    }
  }

  // Rows [begin, end) of the image, as far as they are outputs, to planes.
  void store(int64_t sample, int64_t begin, int64_t end) {
    begin = std::max<int64_t>(0, begin - s_.pad_top);
    end = std::min(s_.out_height, end - s_.pad_top);
    if (begin >= end) return;
    const bool whole = s_.image_pitch() == s_.out_width;  // rows are neighbours
    const int64_t rows = whole ? 1 : end - begin, width = whole ? (end - begin) * s_.out_width : s_.out_width;
    const int64_t plane = s_.out_height * s_.out_width, block = s_.image_rows() * s_.image_pitch();
    const Epilogue& epilogue = call_.epilogue;
    for (int64_t c = 0; c < s_.features; c += table_.lanes) {
      const int64_t channels = std::min<int64_t>(table_.lanes, s_.features - c);
      for (int64_t y = begin; y < begin + rows; ++y) {
        const int64_t at = (sample * s_.features + c) * plane + y * s_.out_width;
        float* out = call_.outputs[0].as<float>() + at;
        const float* residual = call_.residual.floats();
        table_.transpose(image_ + c * block + ((y + s_.pad_top) * s_.image_pitch() + s_.pad_left) * table_.lanes, width,
                         channels, table_.lanes, out, plane, residual == nullptr ? nullptr : residual + at, epilogue);
        if (residual != nullptr || epilogue.empty()) continue;
        for (int64_t i = 0; i < channels; ++i) {
          table_.apply_epilogue(epilogue, out + i * plane, out + i * plane, width);
        }
      }
    }
  }

  const KernelCall& call_;
  const Shape& s_;
  const NativeTable& table_;
  const WinogradLoops& loops_;
  const float* bias_;
  float *blocked_, *transformed_, *products_, *image_;
  WinogradTiles tiles_ = {};
};

Status run(const KernelCall& call) {
  const auto& s = static_cast<const Shape&>(*call.bound);
  if (s.samples * s.out_height * s.out_width == 0) return {};
  const ir::Tensor* bias = call.inputs.size() > 2 ? call.inputs[2] : nullptr;
  if (bias != nullptr && bias->size() != s.features) {
    return invalid_error("bias has " + std::to_string(bias->size()) + " elements for " + std::to_string(s.features) +
                         " output channels");
  }
  const WeightPointers weights = transform_weights(call, s, native_table(call.isa));
  // The transforms take about as long as the products.
  const int64_t products = s.samples * s.tiles_y * s.tiles_x * s.kernel.points() * s.channels * s.features;
  split(call, s.samples, 2 * products / kFloatProductsNs, [&](int64_t begin, int64_t end, std::byte* scratch) {
    Transposed transposed(call, s, weights, scratch);
    for_even_runs(end - begin, s.at_once.samples,
                  [&](int64_t first, int64_t count) { transposed.run(begin + first, count); });
  });
  return {};
}

}  // namespace

const Kernel kWinogradConvTransposeF32 = {.provider = "native",
                                          .name = "winograd_conv_transpose_f32",
                                          .op = ir::OpKind::conv_transpose,
                                          .epilogue = true,
                                          .residual = true,
                                          .splits = true,
                                          .reassociates = true,
                                          .supports = supports,
                                          .prefers = prefers,
                                          .scratch_bytes = scratch_bytes,
                                          .bind = bind,
                                          .run = run};

}  // namespace edgesmith::runtime::native
