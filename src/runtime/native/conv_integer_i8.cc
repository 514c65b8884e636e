// SPDX-License-Identifier: Apache-2.0
// ConvInteger by constant weights, as dynamically quantized models have it: sums of the codes themselves, less the zero
// point of each call (one for all of x) times the sums of the weights; the padding holds that zero point. Exact, by the
// tiles of conv_i8.cc.
//
// Layout: row-major in and out: samples are turned to channels last in the scratch, sums back to planes. Scratch: a
// sample of codes, what sums start with, a band of padded rows, its sums.
//
// common_old of ddddocr (21 of them, u8 weights, so products of words), one core with VNNI: 91 ms by the plain
// evaluation, 2.2 ms.
#include <algorithm>

#include "runtime/native/conv_common.h"
#include "runtime/native/conv_i8.h"
#include "runtime/native/convert_codes.h"
#include "runtime/native/kernels.h"
#include "runtime/native/packing.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

namespace {

constexpr int64_t kSlack = 64;  // kernels read so far past the end

bool is_code(const ir::Value& value) {
  return value.type().dtype == ir::DType::u8 || value.type().dtype == ir::DType::i8;
}

bool supports(const ir::Node& node) {
  const ir::Tensor* weight = node.input(1)->constant();
  if (!is_code(*node.input(0)) || !is_code(*node.input(1)) || weight == nullptr || weight->size() == 0 ||
      weight->encoding() != ir::Encoding::dense || (weight->rank() != 3 && weight->rank() != 4) ||
      (node.input(2) != nullptr && !is_one_number(node.input(2)->type()))) {
    return false;
  }
  const ir::Value* zero = node.input(3);
  return zero == nullptr || (zero->constant() != nullptr && (zero->constant()->size() == 1 ||
                                                             zero->constant()->dims() == ir::Dims{weight->dims()[0]}));
}

struct PackedSums : Prepared {
  std::shared_ptr<PackedConv> conv;
  std::vector<int32_t> weights;  // by lane, as PackedLayer::start: the sum of the weights of each output
};

Result<std::shared_ptr<const Prepared>> prepare(const ir::Node& node, std::span<const ir::Tensor* const> constants,
                                                Isa isa) {
  const ir::Dims& dims = constants[1]->dims();
  const std::vector<int64_t> codes = constants[1]->to_int64s();
  std::vector<int64_t> zeros = {0};
  if (constants.size() > 3 && constants[3] != nullptr) zeros = constants[3]->to_int64s();
  integer::WeightLayer layer;
  layer.outputs = dims[0];
  layer.k = constants[1]->size() / dims[0];
  layer.weight.resize(codes.size());
  layer.bias.assign(static_cast<size_t>(layer.outputs), 0);
  layer.requantize.scale = {1};
  const int64_t channels = dims[1], taps = layer.k / channels;
  std::vector<int32_t> sums;
  for (int64_t m = 0; m < layer.outputs; ++m) {
    const int64_t zero = zeros[zeros.size() == 1 ? 0 : static_cast<size_t>(m)];
    int64_t sum = 0;
    for (int64_t i = 0; i < layer.k; ++i) {  // channels innermost
      const int64_t weight = codes[static_cast<size_t>(m * layer.k + i % channels * taps + i / channels)] - zero;
      layer.weight[static_cast<size_t>(m * layer.k + i)] = static_cast<int16_t>(weight);
      sum += weight;
    }
    sums.push_back(static_cast<int32_t>(sum));
  }
  integer::Form form;
  form.operands = {integer::CodeType{.dtype = node.input(0)->type().dtype}};
  form.result.dtype = ir::DType::u8;
  auto conv = pack_conv(node, dims, layer, form, int_table(isa));
  if (!conv) return conv.error();
  auto packed = std::make_shared<PackedSums>();
  packed->conv = std::move(*conv);
  const PackedLayer& tiles = packed->conv->layer;
  packed->weights.resize(tiles.start.size());
  for (const LayerBlock& block : tiles.blocks) {
    const int64_t outputs = (block.vectors - 1) * tiles.table->lanes + block.last;
    std::copy_n(sums.data() + block.output, outputs, packed->weights.data() + block.lanes);
  }
  return std::shared_ptr<const Prepared>(std::move(packed));
}

struct Geometry : Prepared {
  CodeGeometry geometry;
  ir::Dims sample;  // dims of one
};

Result<std::shared_ptr<const Prepared>> bind(const ir::Node& node, const Prepared* prepared, OperandDims inputs,
                                             const ir::Dims&, Isa) {
  auto geometry = conv_geometry(node, *inputs[0], *static_cast<const PackedSums&>(*prepared).conv);
  if (!geometry) return geometry.error();
  auto bound = std::make_shared<Geometry>();
  bound->geometry = std::move(*geometry);
  bound->sample = *inputs[0];
  bound->sample[0] = 1;
  return std::shared_ptr<const Prepared>(std::move(bound));
}

std::optional<ir::Dims> output_dims(const ir::Node& node, OperandDims inputs) {
  const ir::Dims weight = node.input(1)->constant()->dims();
  const std::array<const ir::Dims*, 2> operands = {inputs[0], &weight};
  return conv_output_dims(node, operands);
}

struct Scratch {
  Scratch(const PackedConv& conv, const CodeBand& band, const ir::Dims& input, std::byte* base) {
    const auto take = [&](int64_t bytes) {
      std::byte* p = base == nullptr ? nullptr : base + used;
      used += round_up(bytes, 64);
      return p;
    };
    sample = reinterpret_cast<uint8_t*>(take(ir::num_elements(input) / std::max<int64_t>(1, input[0]) + kSlack));
    start = reinterpret_cast<int32_t*>(take(static_cast<int64_t>(conv.layer.start.size()) * 4));
    rows = reinterpret_cast<uint8_t*>(take(band.bytes + kSlack));
    sums = reinterpret_cast<float*>(take(band.rows * band.window.out_width * conv.weight[0] * 4));
  }
  uint8_t *sample, *rows;
  int32_t* start;
  float* sums;  // integers: only moved
  int64_t used = 0;
};

Result<int64_t> scratch_bytes(const ir::Node& node, const Prepared* prepared, OperandDims inputs, const ir::Dims&,
                              Isa) {
  const PackedConv& conv = *static_cast<const PackedSums&>(*prepared).conv;
  const auto geometry = conv_geometry(node, *inputs[0], conv);
  if (!geometry) return geometry.error();
  return Scratch(conv, geometry->band, *inputs[0], nullptr).used;
}

Status run(const KernelCall& call) {
  const auto& packed = static_cast<const PackedSums&>(*call.prepared);
  const PackedConv& conv = *packed.conv;
  const CodeGeometry& geometry = static_cast<const Geometry&>(*call.bound).geometry;
  const ir::Dims& sample = static_cast<const Geometry&>(*call.bound).sample;
  CodeBand band = geometry.band;
  const ir::Dims& input = call.inputs[0]->dims();
  if (ir::num_elements(*call.outputs[0].dims) == 0) return {};
  const Scratch scratch(conv, band, input, call.scratch);
  int32_t zero = 0;
  if (call.inputs.size() > 2 && call.inputs[2] != nullptr) {
    const std::byte code = call.inputs[2]->bytes()[0];
    const bool is_signed = call.inputs[2]->dtype() == ir::DType::i8;
    zero = is_signed ? static_cast<int8_t>(code) : static_cast<int32_t>(code);
    band.codes.padding = static_cast<uint8_t>(code) ^ conv.layer.flip;
  }
  for (size_t i = 0; i < packed.weights.size(); ++i) scratch.start[i] = conv.layer.start[i] - zero * packed.weights[i];
  const int64_t outputs = conv.weight[0], width = band.window.out_width, plane = band.window.out_height * width;
  const int64_t sample_bytes = ir::num_elements(sample);
  const NativeTable& table = native_table(call.isa);
  for (int64_t n = 0; n < input[0]; ++n) {
    change_code_layout(sample, call.inputs[0]->bytes().data() + n * sample_bytes, Layout::channels_last,
                       reinterpret_cast<std::byte*>(scratch.sample));
    for (int64_t y = 0; y < band.window.out_height; y += band.rows) {
      const int64_t rows = std::min(band.rows, band.window.out_height - y);
      const uint8_t* source = scratch.sample;
      if (band.in_place) {
        source += band.at(y * band.window.stride_y, 0);
      } else {
        band.lay_out(*conv.layer.table, source, y, rows, scratch.rows);
        source = scratch.rows;
      }
      multiply_band(conv, geometry, source, rows * width,
                    {.out = reinterpret_cast<uint8_t*>(scratch.sums), .sums = true, .start = scratch.start},
                    [](int64_t, int64_t) {});
      table.transpose(scratch.sums, rows * width, outputs, outputs,
                      call.outputs[0].as<float>() + n * outputs * plane + y * width, plane, nullptr, {});
    }
  }
  return {};
}

}  // namespace

const Kernel kConvIntegerI8 = {.provider = "native",
                               .name = "conv_integer_i8",
                               .op = ir::OpKind::conv_integer,
                               .supports = supports,
                               .prepare = prepare,
                               .output_dims = output_dims,
                               .scratch_bytes = scratch_bytes,
                               .bind = bind,
                               .run = run};

}  // namespace edgesmith::runtime::native
