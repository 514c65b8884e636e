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
//
// Share of the peak of the instruction used, on a Zen 4 core (codes_bench; VNNI 232 GMAC/s, maddubs 116, words 98):
//                      VNNI   AVX2 safe   AVX2 any
//   512 -> 512, 1x1    97 %     93 %        93 %
//   64 x 8 x 8, 3x3    89 %     89 %        88 %
//   32 x 16 x 16, 3x3  85 %     86 %        86 %
//   16 x 32 x 32, 3x3  77 %     83 %        84 %
#include "runtime/native/conv_i8.h"

#include <algorithm>
#include <array>

#include "runtime/native/add_i8.h"
#include "runtime/native/code_planes.h"
#include "runtime/native/conv_common.h"
#include "runtime/native/int_packing.h"
#include "runtime/native/kernels.h"
#include "runtime/native/split.h"

namespace edgesmith::runtime::native {

namespace {

constexpr int64_t kSlack = 64;

class Convolution {
 public:
  Convolution(const KernelCall& call, const CodeGeometry& geometry, const PackedConv& conv)
      : call_(call),
        conv_(conv),
        geometry_(geometry),
        band_(geometry.band),
        window_(geometry.band.window),
        layer_(conv.layer),
        samples_(call.inputs[0]->dims()[0]),
        channels_(call.inputs[0]->dims()[1]),
        out_channels_(conv.weight[0]),
        input_(reinterpret_cast<const uint8_t*>(call.inputs[0]->bytes().data())),
        output_(call.outputs[0].as<uint8_t>()),
        residual_(call.residual) {}

  void run() {
    const int64_t sample_in = window_.height * window_.width * channels_;
    const int64_t row_out = window_.out_width * out_channels_;
    const int64_t products = layer_.segments * layer_.groups * (layer_.words ? 2 : 4) * row_out * window_.out_height;
    for (int64_t n = 0; n < samples_; ++n) {
      split(call_, window_.out_height, products / kCodeProductsNs, [&](int64_t first, int64_t end, std::byte* scratch) {
        auto* laid_out = reinterpret_cast<uint8_t*>(scratch);
        for (int64_t y = first; y < end; y += band_.rows) {
          const int64_t rows = std::min(band_.rows, end - y);
          const uint8_t* source = input_ + n * sample_in;
          if (band_.in_place) {
            source += band_.at(y * window_.stride_y, 0);
          } else {
            band_.lay_out(*layer_.table, source, y, rows, laid_out);
            source = laid_out;
          }
          multiply(source, rows * window_.out_width, output_ + (n * window_.out_height + y) * row_out);
        }
      });
    }
  }

 private:
  // Pixels 0 .. count - 1 of the band, all channels.
  void multiply(const uint8_t* source, int64_t count, uint8_t* out) const {
    multiply_band(conv_, geometry_, source, count, {.out = out}, [&](int64_t first, int64_t size) {
      if (residual_.data == nullptr) return;
      const int64_t at = out - output_ + first * out_channels_;
      add_codes(*layer_.table, residual_, output_ + at, at, size * out_channels_);
    });
  }

  const KernelCall& call_;
  const PackedConv& conv_;
  const CodeGeometry& geometry_;
  const CodeBand& band_;
  const PlaneWindow& window_;
  const PackedLayer& layer_;
  const int64_t samples_, channels_, out_channels_;
  const uint8_t* input_;
  uint8_t* output_;
  const Residual residual_;
};

bool supports_form(const integer::Form& form) {
  if (!integer::has_weight_layer(form)) return false;
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
  const auto geometry = conv_geometry(node, *inputs[0], static_cast<const PackedConv&>(*prepared));
  if (!geometry) return geometry.error();
  return geometry->band.bytes;
}

std::optional<ir::Dims> output_dims(const ir::Node& node, OperandDims inputs) {
  const ir::Dims weight = node.input(1)->constant()->dims();
  const std::array<const ir::Dims*, 2> operands = {inputs[0], &weight};
  return conv_output_dims(node, operands);
}

Status run(const KernelCall& call) {
  const auto& conv = static_cast<const PackedConv&>(*call.prepared);
  const bool known = conv.known && conv.known->fits(call.inputs[0]->dims());
  const auto other =
      known ? Result<CodeGeometry>(CodeGeometry()) : conv_geometry(call.node, call.inputs[0]->dims(), conv);
  if (!other) return other.error();
  if (ir::num_elements(*call.outputs[0].dims) > 0) Convolution(call, known ? *conv.known : *other, conv).run();
  return {};
}

}  // namespace

Result<std::shared_ptr<const Prepared>> prepare_conv_i8(const integer::Form& form, const IntTable& table) {
  const auto layer = integer::make_weight_layer(form);
  if (!layer) return layer.error();
  auto conv = pack_conv(*form.node, form.node->input(1)->constant()->dims(), *layer, form, table);
  if (!conv) return conv.error();
  if (const auto dims = dims_of_one_sample(*form.node)) {
    auto geometry = conv_geometry(*form.node, *dims, **conv);
    if (geometry) (*conv)->known = std::move(*geometry);
  }
  return std::shared_ptr<const Prepared>(std::move(*conv));
}

Result<std::shared_ptr<PackedConv>> pack_conv(const ir::Node& node, const ir::Dims& weight,
                                              const integer::WeightLayer& layer, const integer::Form& form,
                                              const IntTable& table) {
  const ir::Attributes& attributes = node.attributes();
  const int64_t groups = attributes.get_int("group", 1);
  auto conv = std::make_shared<PackedConv>();
  conv->weight = weight;
  const int64_t kernel_width = conv->weight.back();
  const ir::Ints dilations = attributes.get_ints("dilations");
  conv->taps_apart = kernel_width > 1 && (groups > 1 || (!dilations.empty() && dilations.back() != 1));
  const int64_t kernel_height = conv->weight.size() == 4 ? conv->weight[2] : 1;
  const int64_t length = conv->weight[1] * (conv->taps_apart ? 1 : kernel_width);
  const int64_t segments = kernel_height * (conv->taps_apart ? kernel_width : 1);
  if (groups < 1 || layer.outputs % groups != 0) {
    return invalid_error(std::to_string(layer.outputs) + " output channels in " + std::to_string(groups) + " groups");
  }
  conv->layer = pack_layer(layer, form, table, groups, segments, length);
  return conv;
}

Result<CodeGeometry> conv_geometry(const ir::Node& node, const ir::Dims& input, const PackedConv& conv) {
  const auto window = conv_window(node, input, conv.weight);
  if (!window) return window.error();
  const PackedLayer& layer = conv.layer;
  const StoredCodes codes = {.element_bytes = layer.element_bytes(), .flip = layer.flip, .padding = layer.zero_input};
  const PlaneWindow plane = plane_window(*window);
  CodeGeometry out = {window->input, make_code_band(plane, codes, input[1], false, kSlack), {}};
  for (int64_t y = 0; y < plane.kernel_height; ++y) {
    for (int64_t x = 0; x < (conv.taps_apart ? plane.kernel_width : 1); ++x) {
      out.taps.push_back(out.band.at(y * plane.dilation_y, x * plane.dilation_x));
    }
  }
  return out;
}

void multiply_band(const PackedConv& conv, const CodeGeometry& geometry, const uint8_t* source, int64_t count,
                   const BandResult& result, const std::function<void(int64_t, int64_t)>& done) {
  const CodeBand& band = geometry.band;
  const PackedLayer& layer = conv.layer;
  const int64_t outputs = conv.weight[0], bytes = result.sums ? 4 : 1;
  std::array<int64_t, kMaxChunk> pixels;
  const int64_t chunk = layer.chunk(band.at(0, band.window.stride_x) * band.window.stride_y);
  const int64_t chunks = (count + chunk - 1) / chunk;
  const int64_t right = band.at(0, band.window.stride_x), down = band.at(band.window.stride_y, 0);
  int64_t row = 0, x = 0;
  for (int64_t first = 0, c = 0; c < chunks; ++c) {
    const int64_t size = (count - first) / (chunks - c);
    for (int64_t i = 0; i < size; ++i) {
      pixels[static_cast<size_t>(i)] = row + x * right;
      if (++x == band.window.out_width) {
        x = 0;
        row += down;
      }
    }
    for (const LayerBlock& block : layer.blocks) {
      IntTiles tiles = layer.tiles(block);
      tiles.input = source + block.group * conv.weight[1] * layer.element_bytes();
      tiles.pixels = pixels.data();
      tiles.count = size;
      tiles.segment = geometry.taps.data();
      tiles.out = result.out + (first * outputs + block.output) * bytes;
      tiles.out_stride = outputs * bytes;
      if (result.sums) tiles.result = IntTiles::Result::sums;
      if (result.start != nullptr) tiles.start = result.start + block.lanes;
      layer.run(tiles, block);
    }
    done(first, size);
    first += size;
  }
}

const Kernel kConvI8 = {.provider = "native",
                        .name = "conv_i8",
                        .op = ir::OpKind::conv,
                        .residual = true,
                        .splits = true,
                        .supports_form = supports_form,
                        .layout = Layout::channels_last,
                        .prepare_form = prepare_form,
                        .output_dims = output_dims,
                        .scratch_bytes = scratch_bytes,
                        .run = run};

}  // namespace edgesmith::runtime::native
