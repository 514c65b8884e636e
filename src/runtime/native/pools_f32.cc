// SPDX-License-Identifier: Apache-2.0
// Max and average pools of float32 planes. Square windows of 2 or 3 without padding read the planes where they lie;
// others take one pass over a padded plane for each tap of the window, or, with few outputs, one output after the other
// for several planes at once. Scratch: the padded plane and the running results.
#include <algorithm>
#include <limits>

#include "runtime/native/conv_common.h"
#include "runtime/native/kernels.h"
#include "runtime/native/padded_planes.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

namespace {

bool supports(const ir::Node& node) {
  if (!all_float(node) || node.num_outputs() != 1) return false;
  const size_t rank = node.attributes().get_ints("kernel_shape").size();
  return rank == 1 || rank == 2;
}

Result<ops::Window> pool_window(const ir::Node& node, const ir::Dims& input) {
  const ir::Ints kernel = node.attributes().get_ints("kernel_shape");
  if (input.size() != kernel.size() + 2) {
    return invalid_error("input of rank " + std::to_string(input.size()) + ", kernel of rank " +
                         std::to_string(kernel.size()));
  }
  return ops::resolve_window(node, ir::Dims(input.begin() + 2, input.end()), kernel);
}

std::optional<ir::Dims> output_dims(const ir::Node& node, OperandDims inputs) {
  const auto window = pool_window(node, *inputs[0]);
  if (!window) return std::nullopt;
  ir::Dims out((*inputs[0]).begin(), (*inputs[0]).begin() + 2);
  out.insert(out.end(), window->output.begin(), window->output.end());
  return out;
}

int64_t padded_floats(const PlaneLayout& layout) { return (layout.plane() + 15) / 16 * 16; }

// What a call is made of.
struct Geometry : Prepared {
  ops::Window window;
  PlaneLayout layout;
  std::vector<float> divisors;  // of an average, in the layout of the running results
};

// Scratch: the padded plane, the running results with the padding between rows.
Result<int64_t> scratch_bytes(const ir::Node& node, const Prepared*, OperandDims inputs, const ir::Dims&, Isa) {
  const auto window = pool_window(node, *inputs[0]);
  if (!window) return window.error();
  const PlaneLayout layout = layout_planes(*window);
  return (padded_floats(layout) + layout.out_height * layout.pitch + 16) * 4;
}

// How many taps of each position of an axis count in the divisor of an average.
std::vector<int64_t> counts(const ops::Window& window, size_t axis, bool count_pads) {
  std::vector<int64_t> out;
  for (int64_t o = 0; o < window.output[axis]; ++o) {
    int64_t count = 0;
    for (int64_t k = 0; k < window.kernel[axis]; ++k) {
      const int64_t at = o * window.strides[axis] + k * window.dilations[axis] - window.pads_begin[axis];
      const bool inside = at >= 0 && at < window.input[axis];
      const bool padded = at >= -window.pads_begin[axis] && at < window.input[axis] + window.pads_end[axis];
      count += inside || (count_pads && padded) ? 1 : 0;
    }
    out.push_back(count);
  }
  return out;
}

// The divisors in the layout of the running results.
void fill_divisors(const ops::Window& window, const PlaneLayout& layout, bool count_pads, float* out) {
  const bool flat = window.input.size() == 1;
  const std::vector<int64_t> rows = flat ? std::vector<int64_t>{1} : counts(window, 0, count_pads);
  const std::vector<int64_t> columns = counts(window, flat ? 0 : 1, count_pads);
  std::fill(out, out + layout.out_height * layout.pitch, 1.0F);
  for (int64_t y = 0; y < layout.out_height; ++y) {
    for (int64_t x = 0; x < layout.out_width; ++x) {
      const int64_t count = rows[static_cast<size_t>(y)] * columns[static_cast<size_t>(x)];
      out[y * layout.pitch + x] = static_cast<float>(std::max<int64_t>(1, count));
    }
  }
}

// Planes whose sums are made together: each waits for its last addition, so several keep the CPU busy.
constexpr int64_t kTogether = 8;

// Few outputs with large windows: one output after the other, over the taps that lie inside, of so many
// planes. The same bits as below, since padding changes neither a sum nor a maximum.
template <bool Max, int64_t Planes>
void pool_window_by_window(const ops::Window& window, const PlaneLayout& layout, const float* in, const float* divisors,
                           float* out) {
  const int64_t plane = layout.height * layout.width, outputs = layout.out_height * layout.out_width;
  const bool flat = window.input.size() == 1;
  const int64_t kernel_h = flat ? 1 : window.kernel[0], kernel_w = window.kernel[flat ? 0 : 1];
  const int64_t dilation_y = flat ? 1 : window.dilations[0], dilation_x = window.dilations[flat ? 0 : 1];
  for (int64_t y = 0; y < layout.out_height; ++y) {
    for (int64_t x = 0; x < layout.out_width; ++x) {
      float results[Planes];
      std::fill(results, results + Planes, Max ? -std::numeric_limits<float>::infinity() : 0.0F);
      for (int64_t ky = 0; ky < kernel_h; ++ky) {
        const int64_t row = y * layout.stride_y + ky * dilation_y - layout.pad_top;
        if (row < 0 || row >= layout.height) continue;
        for (int64_t kx = 0; kx < kernel_w; ++kx) {
          const int64_t column = x * layout.stride_x + kx * dilation_x - layout.pad_left;
          if (column < 0 || column >= layout.width) continue;
          const float* value = in + row * layout.width + column;
#pragma GCC unroll 8
          for (int64_t p = 0; p < Planes; ++p) {
            const float tap = value[p * plane];
            results[p] = !Max ? results[p] + tap : tap > results[p] ? tap : results[p];
          }
        }
      }
#pragma GCC unroll 8
      for (int64_t p = 0; p < Planes; ++p) {
        out[p * outputs + y * layout.out_width + x] = Max ? results[p] : results[p] / divisors[y * layout.pitch + x];
      }
    }
  }
}

// Every plane: the taps one after the other over whole rows of outputs.
template <bool Max>
void pool_tap_by_tap(const NativeTable& table, const PlaneLayout& layout, const float* from, const float* divisors,
                     float* results, float* out, const Epilogue& epilogue) {
  const int64_t span = layout.span();
  std::fill(results, results + span, Max ? -std::numeric_limits<float>::infinity() : 0.0F);
  for (const int64_t tap : layout.taps) (Max ? table.max_into : table.add_into)(from + tap, results, span);
  if (!Max) table.binary(Binary::div, results, 1, divisors, 1, results, span, {});
  for (int64_t y = 0; y < layout.out_height; ++y, out += layout.out_width) {
    table.apply_epilogue(epilogue, results + y * layout.pitch, out, layout.out_width);
  }
}

constexpr int64_t kFewOutputs = 4;

// Whether NativeTable::max_pool_window takes it: all windows lie inside, and no tap is left out.
bool is_small_square(const ops::Window& w) {
  if (w.kernel.size() != 2 || w.kernel[0] < 2 || w.kernel[0] > 3 || w.strides[0] > 2) return false;
  for (size_t i = 0; i < 2; ++i) {
    if (w.kernel[i] != w.kernel[0] || w.strides[i] != w.strides[0] || w.dilations[i] != 1 || w.pads_begin[i] != 0 ||
        (w.output[i] - 1) * w.strides[i] + w.kernel[i] > w.input[i]) {
      return false;
    }
  }
  return true;
}

template <bool Max>
Result<std::shared_ptr<const Prepared>> bind(const ir::Node& node, const Prepared*, OperandDims inputs, const ir::Dims&,
                                             Isa) {
  auto window = pool_window(node, *inputs[0]);
  if (!window) return window.error();
  auto geometry = std::make_shared<Geometry>();
  geometry->layout = layout_planes(*window);
  if (!Max) {
    const bool count_pads = node.attributes().get_int("count_include_pad", 0) != 0;
    geometry->divisors.resize(static_cast<size_t>(geometry->layout.out_height * geometry->layout.pitch));
    fill_divisors(*window, geometry->layout, count_pads, geometry->divisors.data());
  }
  geometry->window = std::move(*window);
  return std::shared_ptr<const Prepared>(std::move(geometry));
}

template <bool Max>
Status run(const KernelCall& call) {
  const ir::Dims& input = call.inputs[0]->dims();
  const auto& geometry = static_cast<const Geometry&>(*call.bound);
  const ops::Window& window = geometry.window;
  const PlaneLayout& layout = geometry.layout;
  const NativeTable& table = native_table(call.isa);
  const int64_t plane = layout.height * layout.width, outputs = layout.out_height * layout.out_width;
  if (outputs == 0) return {};
  if (is_small_square(window)) {
    const NativeTable& narrow = table_for_width(call.isa, layout.out_width);
    (Max ? narrow.max_pool_window : narrow.average_pool_window)(
        {call.inputs[0]->data<float>().data(), input[0] * input[1], layout.height, layout.width, window.kernel[0],
         window.strides[0], layout.out_height, layout.out_width, call.outputs[0].as<float>(), &call.epilogue});
    return {};
  }
  auto* padded = reinterpret_cast<float*>(call.scratch);
  float* results = padded + padded_floats(layout);
  const float* divisors = geometry.divisors.data();
  const float* in = call.inputs[0]->data<float>().data();
  float* out = call.outputs[0].as<float>();
  const int64_t planes = input[0] * input[1];
  if (layout.out_width < kFewOutputs) {
    int64_t p = 0;
    for (; p + kTogether <= planes; p += kTogether) {
      pool_window_by_window<Max, kTogether>(window, layout, in + p * plane, divisors, out + p * outputs);
    }
    for (; p < planes; ++p) {
      pool_window_by_window<Max, 1>(window, layout, in + p * plane, divisors, out + p * outputs);
    }
    table.apply_epilogue(call.epilogue, out, out, planes * outputs);
    return {};
  }
  for (int64_t p = 0; p < planes; ++p, in += plane, out += outputs) {
    if (!layout.in_place) layout.copy(table, in, padded, Max ? -std::numeric_limits<float>::infinity() : 0.0F);
    pool_tap_by_tap<Max>(table, layout, layout.in_place ? in : padded, divisors, results, out, call.epilogue);
  }
  return {};
}

}  // namespace

const Kernel kMaxPoolF32 = {.provider = "native",
                            .name = "max_pool_f32",
                            .op = ir::OpKind::max_pool,
                            .epilogue = true,
                            .supports = supports,
                            .output_dims = output_dims,
                            .scratch_bytes = scratch_bytes,
                            .bind = bind<true>,
                            .run = run<true>};

const Kernel kAveragePoolF32 = {.provider = "native",
                                .name = "average_pool_f32",
                                .op = ir::OpKind::average_pool,
                                .epilogue = true,
                                .supports = supports,
                                .output_dims = output_dims,
                                .scratch_bytes = scratch_bytes,
                                .bind = bind<false>,
                                .run = run<false>};

}  // namespace edgesmith::runtime::native
