// SPDX-License-Identifier: Apache-2.0
// 1x1 convolution of float32 planes that has vectors across output channels, where few pixels would fill vectors badly
// or many input channels lie too far apart. Pixels are the rows of a product with the transposed weights (packed once),
// whose result [pixel][channel] is turned to planes. Stride 1, one group, no padding; the same sums as conv_f32, so the
// same bits. Scratch: that result, and the bias in whole vectors.
#include <algorithm>

#include "runtime/native/conv_common.h"
#include "runtime/native/kernels.h"
#include "runtime/native/packing.h"
#include "runtime/native/split.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

namespace {

// Turning the result costs about as much as 10 input channels. It pays where a panel of planes (so many pixels of every
// channel) does not fit the first-level cache, or where vectors of pixels would be this much longer than the pixels.
constexpr int64_t kPanelPixels = 48, kPanelFloats = 192 * kPanelPixels;
constexpr double kMostFill = 1.1;
constexpr int64_t kVector = 16;

bool fills_vectors(int64_t count) {
  return static_cast<double>(round_up(count, kVector)) <= kMostFill * static_cast<double>(count);
}

bool all_equal(const ir::Ints& values, int64_t value) {
  return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v == value; });
}

bool supports(const ir::Node& node) {
  if (!is_float_conv(node) || node.attributes().get_int("group", 1) != 1) return false;
  const auto weight = node.input(1)->type().static_dims();
  if (!weight || weight->size() != 4 || (*weight)[2] != 1 || (*weight)[3] != 1) return false;
  return node.input(1)->node().is(ir::OpKind::constant) && all_equal(node.attributes().get_ints("strides"), 1) &&
         all_equal(node.attributes().get_ints("pads"), 0);
}

bool prefers(const ir::Node& node) {
  const ir::Dims weight = *node.input(1)->type().static_dims();
  const auto& shape = node.input(0)->type().shape;
  if (!shape || shape->size() != 4 || !(*shape)[2].known() || !(*shape)[3].known()) return false;
  const int64_t pixels = (*shape)[2].value() * (*shape)[3].value();
  const int64_t panel = weight[1] * std::min(round_up(pixels, kVector), kPanelPixels);
  return fills_vectors(weight[0]) && (panel >= kPanelFloats || !fills_vectors(pixels));
}

Result<std::shared_ptr<const Prepared>> prepare(const ir::Node&, std::span<const ir::Tensor* const> constants,
                                                Isa isa) {
  const NativeTable& table = native_table(isa);
  auto packed = std::make_shared<PackedConstants>();
  const int64_t features = constants[1]->dims()[0], channels = constants[1]->dims()[1];
  packed->matrix.resize(static_cast<size_t>(packed_columns_size(features, channels, table)));
  pack_columns({constants[1]->data<float>().data(), 1, channels, channels, features}, 1.0F, table,
               packed->matrix.data());
  return std::shared_ptr<const Prepared>(std::move(packed));
}

// Floats from one pixel to the next: not a multiple of the size of a page, whose rows would evict each other.
int64_t row_floats(int64_t features) { return round_up(features, 16) + 16; }

Result<int64_t> scratch_bytes(const ir::Node& node, const Prepared*, OperandDims inputs, const ir::Dims&, Isa) {
  const auto window = conv_window(node, *inputs[0], *inputs[1]);
  if (!window) return window.error();
  return (ir::num_elements(window->output) + 1) * row_floats((*inputs[1])[0]) * 4;
}

Status run(const KernelCall& call) {
  const ir::Dims &input = call.inputs[0]->dims(), &weight = call.inputs[1]->dims();
  const NativeTable& table = native_table(call.isa);
  const int64_t features = weight[0], channels = weight[1], pixels = input[2] * input[3];
  if (input[1] != channels) {
    return invalid_error("input has " + std::to_string(input[1]) + " channels, weight is for " +
                         std::to_string(channels));
  }
  const ir::Tensor* offset = call.inputs.size() > 2 ? call.inputs[2] : nullptr;
  auto* bias = reinterpret_cast<float*>(call.scratch);
  float* result = bias + row_floats(features);
  if (offset != nullptr) {
    if (offset->size() != features) {
      return invalid_error("bias has " + std::to_string(offset->size()) + " elements for " + std::to_string(features) +
                           " output channels");
    }
    std::fill(std::ranges::copy(offset->data<float>(), bias).out, bias + row_floats(features), 0.0F);
  }
  const float* in = call.inputs[0]->data<float>().data();
  float* out = call.outputs[0].as<float>();
  const float* residual = call.residual.floats();
  for (int64_t n = 0; n < input[0]; ++n, in += channels * pixels, out += features * pixels) {
    split(call, pixels, pixels * features * channels / kFloatProductsNs, [&](int64_t first, int64_t end, std::byte*) {
      float* rows = result + first * row_floats(features);
      multiply(table,
               {{in + first, 1, pixels, end - first, channels},
                static_cast<const PackedConstants&>(*call.prepared).matrix.data(),
                features,
                offset == nullptr ? nullptr : bias,
                rows,
                row_floats(features)},
               residual == nullptr ? call.epilogue : Epilogue());
      const float* beside = residual == nullptr ? nullptr : residual + n * features * pixels + first;
      table.transpose(rows, end - first, features, row_floats(features), out + first, pixels, beside, call.epilogue);
    });
  }
  return {};
}

}  // namespace

const Kernel kPointwiseConvF32 = {.provider = "native",
                                  .name = "pointwise_conv_f32",
                                  .op = ir::OpKind::conv,
                                  .epilogue = true,
                                  .residual = true,
                                  .splits = true,
                                  .supports = supports,
                                  .prefers = prefers,
                                  .prepare = prepare,
                                  .output_dims = conv_output_dims,
                                  .scratch_bytes = scratch_bytes,
                                  .run = run};

}  // namespace edgesmith::runtime::native
