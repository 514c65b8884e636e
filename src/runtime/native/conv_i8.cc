// SPDX-License-Identifier: Apache-2.0
// Convolution of codes (one or two spatial axes, any group), channels last: a matrix product of pixels by output
// channels, summed over runs of bytes that lie side by side in the input. A run is a row of the kernel (all of its
// taps and channels), or the channels of one tap where taps do not touch (dilation, groups).
//
// The product reads the input itself when there is nothing to pad and codes are unsigned bytes; else a band of padded
// rows is written first (signed codes with their top bit flipped, 16-bit words where bytes would not add exactly), and
// the padding holds the zero point. What lies past a run meets zero weights.
//
// Layout: channels last. Scratch: one band. Exact on every instruction set: bytes where the instruction adds them
// exactly (VNNI) or where the packed weights prove that no pair leaves 16 bits, words elsewhere.
#include "runtime/native/conv_i8.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "runtime/native/conv_common.h"
#include "runtime/native/int_packing.h"
#include "runtime/native/kernels.h"

namespace edgesmith::runtime::native {

namespace {

// Padded rows written at a time: less than the second-level cache. Pixels that run through all blocks of output
// channels before the next ones: few enough to stay in the first-level cache.
constexpr int64_t kBandBytes = 128 * 1024;
constexpr int64_t kMaxChunk = 128, kMinChunk = 24, kChunkBytes = 12 * 1024;
constexpr int64_t kSlack = 64;

int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

struct PackedConv : Prepared {
  PackedLayer layer;
  ir::Dims weight;  // as the graph has it
  bool taps_apart;  // segments are taps; else rows of the kernel
};

// Sizes of one call; a conv with one spatial axis has a height of 1.
struct Shape {
  int64_t samples, channels, group_channels, out_channels;
  int64_t height, width, out_height, out_width, kernel_height, kernel_width;
  int64_t stride_y, stride_x, dilation_y, dilation_x, pad_top, pad_left;
  bool in_place;       // the product reads the input
  int64_t row_pixels;  // of the input, or of a padded row
  int64_t band;        // rows of output at a time
  int64_t band_bytes;

  int64_t padded_rows(int64_t rows) const { return (rows - 1) * stride_y + (kernel_height - 1) * dilation_y + 1; }
};

Result<Shape> shape_of(const ir::Node& node, const ir::Dims& input, const PackedConv& conv) {
  const auto window = conv_window(node, input, conv.weight);
  if (!window) return window.error();
  const bool line = input.size() == 3;
  const auto along = [&](const ir::Dims& list, int axis, int64_t missing) {
    if (line && axis == 0) return missing;
    return list[line ? 0 : static_cast<size_t>(axis)];
  };
  Shape s = {};
  s.samples = input[0];
  s.channels = input[1];
  s.group_channels = conv.weight[1];
  s.out_channels = conv.weight[0];
  s.height = along(window->input, 0, 1);
  s.width = along(window->input, 1, 1);
  s.out_height = along(window->output, 0, 1);
  s.out_width = along(window->output, 1, 1);
  s.kernel_height = along(window->kernel, 0, 1);
  s.kernel_width = along(window->kernel, 1, 1);
  s.stride_y = along(window->strides, 0, 1);
  s.stride_x = along(window->strides, 1, 1);
  s.dilation_y = along(window->dilations, 0, 1);
  s.dilation_x = along(window->dilations, 1, 1);
  s.pad_top = along(window->pads_begin, 0, 0);
  s.pad_left = along(window->pads_begin, 1, 0);
  const int64_t covered = (s.out_width - 1) * s.stride_x + (s.kernel_width - 1) * s.dilation_x + 1;
  s.in_place = conv.layer.element_bytes() == 1 && conv.layer.flip == 0 && s.pad_top == 0 && s.pad_left == 0 &&
               s.padded_rows(s.out_height) <= s.height && covered <= s.width;
  s.row_pixels = s.in_place ? s.width : covered;
  s.band = s.out_height;
  if (s.in_place || s.out_height == 0) return s;
  const int64_t row_bytes = s.row_pixels * s.channels * conv.layer.element_bytes();
  const int64_t room = kBandBytes / std::max<int64_t>(1, row_bytes) - s.padded_rows(1);
  if (s.padded_rows(s.out_height) * row_bytes > kBandBytes) s.band = std::max<int64_t>(1, room / s.stride_y + 1);
  s.band = std::min(s.band, s.out_height);
  s.band_bytes = s.padded_rows(s.band) * row_bytes + kSlack;
  return s;
}

class Convolution {
 public:
  Convolution(const KernelCall& call, const Shape& shape, const PackedConv& conv)
      : s_(shape),
        layer_(conv.layer),
        element_(conv.layer.element_bytes()),
        input_(reinterpret_cast<const uint8_t*>(call.inputs[0]->bytes().data())),
        output_(call.outputs[0].as<uint8_t>()),
        band_(reinterpret_cast<uint8_t*>(call.scratch)) {
    for (int64_t y = 0; y < s_.kernel_height; ++y) {
      for (int64_t x = 0; x < (conv.taps_apart ? s_.kernel_width : 1); ++x) {
        segments_.push_back(at(y * s_.dilation_y, x * s_.dilation_x));
      }
    }
  }

  void run() {
    const int64_t sample_in = s_.height * s_.width * s_.channels;
    const int64_t sample_out = s_.out_height * s_.out_width * s_.out_channels;
    // Samples whose pixels follow each other alike are one long sample.
    for (int64_t n = 0; n < s_.samples; ++n) {
      for (int64_t y = 0; y < s_.out_height; y += s_.band) {
        const int64_t rows = std::min(s_.band, s_.out_height - y);
        const uint8_t* source = input_ + n * sample_in;
        if (!s_.in_place) {
          lay_out(source, y * s_.stride_y - s_.pad_top, s_.padded_rows(rows));
          source = band_;
        }
        multiply(source, rows * s_.out_width, output_ + n * sample_out + y * s_.out_width * s_.out_channels);
      }
    }
  }

 private:
  // Bytes from the first pixel of the rows at hand.
  int64_t at(int64_t y, int64_t x) const { return (y * s_.row_pixels + x) * s_.channels * element_; }

  void fill(uint8_t* to, int64_t pixels) const {
    const int64_t count = pixels * s_.channels;
    if (element_ == 1) {
      std::memset(to, layer_.zero_input, static_cast<size_t>(count));
    } else {
      std::fill_n(reinterpret_cast<int16_t*>(to), count, static_cast<int16_t>(layer_.zero_input));
    }
  }

  void copy(const uint8_t* from, int64_t pixels, uint8_t* to) const {
    const int64_t count = pixels * s_.channels;
    if (element_ == 2) {
      layer_.table->widen(from, layer_.flip, reinterpret_cast<int16_t*>(to), count);
    } else if (layer_.flip != 0) {
      layer_.table->flip_bytes(from, layer_.flip, to, count);
    } else {
      std::memcpy(to, from, static_cast<size_t>(count));
    }
  }

  // Writes `rows` padded rows, the first of them row `first` of the input (which may lie outside).
  void lay_out(const uint8_t* input, int64_t first, int64_t rows) {
    const int64_t left = std::min(s_.pad_left, s_.row_pixels);
    const int64_t inside = std::clamp<int64_t>(s_.row_pixels - left, 0, s_.width);
    uint8_t* to = band_;
    for (int64_t y = first; y < first + rows; ++y, to += at(1, 0)) {
      if (y < 0 || y >= s_.height) {
        fill(to, s_.row_pixels);
        continue;
      }
      fill(to, left);
      copy(input + y * s_.width * s_.channels, inside, to + at(0, left));
      fill(to + at(0, left + inside), s_.row_pixels - left - inside);
    }
  }

  // Pixels 0 .. count - 1 of rows of out_width, all channels.
  void multiply(const uint8_t* source, int64_t count, uint8_t* out) {
    std::array<int64_t, kMaxChunk> pixels;
    const int64_t bytes = s_.stride_x * s_.stride_y * s_.channels * element_;  // that one pixel adds
    const int64_t chunk = std::clamp(kChunkBytes / std::max<int64_t>(1, bytes), kMinChunk, kMaxChunk);
    const int64_t chunks = (count + chunk - 1) / chunk;
    int64_t y = 0, x = 0;
    for (int64_t first = 0, c = 0; c < chunks; ++c) {
      const int64_t size = (count - first) / (chunks - c);
      for (int64_t i = 0; i < size; ++i) {
        pixels[static_cast<size_t>(i)] = at(y * s_.stride_y, x * s_.stride_x);
        if (++x == s_.out_width) {
          x = 0;
          ++y;
        }
      }
      for (const LayerBlock& block : layer_.blocks) {
        IntTiles tiles = layer_.tiles(block);
        tiles.input = source + block.group * s_.group_channels * element_;
        tiles.pixels = pixels.data();
        tiles.count = size;
        tiles.segment = segments_.data();
        tiles.out = out + first * s_.out_channels + block.output;
        tiles.out_stride = s_.out_channels;
        layer_.table->tiles(tiles);
      }
      first += size;
    }
  }

  const Shape& s_;
  const PackedLayer& layer_;
  const int64_t element_;
  const uint8_t* input_;
  uint8_t* output_;
  uint8_t* band_;
  std::vector<int64_t> segments_;
};

bool supports_form(const integer::Form& form) {
  if (!integer::has_weight_layer(form) || form.fixed_point()) return false;
  const int rank = form.node->input(1)->constant()->rank();
  if (rank != 3 && rank != 4) return false;
  if (!form.saturating()) return true;
  const auto layer = integer::make_weight_layer(form);
  return layer && layer->pairs_safe();
}

Result<std::shared_ptr<const Prepared>> prepare_form(const integer::Form& form, Isa isa) {
  return prepare_conv_i8(form, int_table(isa));
}

Result<int64_t> scratch_bytes(const ir::Node& node, const Prepared* prepared, OperandDims inputs, const ir::Dims&,
                              Isa) {
  const auto shape = shape_of(node, *inputs[0], static_cast<const PackedConv&>(*prepared));
  if (!shape) return shape.error();
  return round_up(shape->band_bytes, 64);
}

std::optional<ir::Dims> output_dims(const ir::Node& node, OperandDims inputs) {
  const ir::Dims weight = node.input(1)->constant()->dims();
  const std::array<const ir::Dims*, 2> operands = {inputs[0], &weight};
  return conv_output_dims(node, operands);
}

Status run(const KernelCall& call) {
  const auto& conv = static_cast<const PackedConv&>(*call.prepared);
  const auto shape = shape_of(call.node, call.inputs[0]->dims(), conv);
  if (!shape) return shape.error();
  if (shape->samples * shape->out_channels * shape->out_height * shape->out_width == 0) return {};
  Convolution(call, *shape, conv).run();
  return {};
}

}  // namespace

Result<std::shared_ptr<const Prepared>> prepare_conv_i8(const integer::Form& form, const IntTable& table) {
  const auto layer = integer::make_weight_layer(form);
  if (!layer) return layer.error();
  const ir::Attributes& attributes = form.node->attributes();
  const int64_t groups = attributes.get_int("group", 1);
  auto conv = std::make_shared<PackedConv>();
  conv->weight = form.node->input(1)->constant()->dims();
  const int64_t kernel_width = conv->weight.back();
  const ir::Ints dilations = attributes.get_ints("dilations");
  conv->taps_apart = kernel_width > 1 && (groups > 1 || (!dilations.empty() && dilations.back() != 1));
  const int64_t kernel_height = conv->weight.size() == 4 ? conv->weight[2] : 1;
  const int64_t length = conv->weight[1] * (conv->taps_apart ? 1 : kernel_width);
  const int64_t segments = kernel_height * (conv->taps_apart ? kernel_width : 1);
  if (groups < 1 || layer->outputs % groups != 0) {
    return invalid_error(std::to_string(layer->outputs) + " output channels in " + std::to_string(groups) + " groups");
  }
  conv->layer = pack_layer(*layer, form, table, groups, segments, length);
  return std::shared_ptr<const Prepared>(std::move(conv));
}

const Kernel kConvI8 = {.provider = "native",
                        .name = "conv_i8",
                        .op = ir::OpKind::conv,
                        .supports_form = supports_form,
                        .layout = Layout::channels_last,
                        .prepare_form = prepare_form,
                        .output_dims = output_dims,
                        .scratch_bytes = scratch_bytes,
                        .run = run};

}  // namespace edgesmith::runtime::native
