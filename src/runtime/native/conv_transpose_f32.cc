// SPDX-License-Identifier: Apache-2.0
// Transposed convolution of float32 planes (one or two spatial axes, any group): the input gradient of a convolution,
// too. Outputs whose windows meet the same taps, a stride apart, are a phase; each phase is a convolution of stride 1
// with its taps, turned around, whose outputs are then put side by side:
//
//   stride 2, kernel 3, pad 1     outputs 0 2 4 ..: tap 1 of inputs 0 1 2 ..
//                                 outputs 1 3 5 ..: tap 2 of inputs 0 1 2 .., tap 0 of inputs 1 2 3 ..
//
// No product with a zero is made but in padding. Where that is much (large kernels on small planes, without padding in
// the convolution whose gradient it is), the products of every input with every tap are made first, and summed up then.
// Weights are packed in every run. Scratch: the weights of all phases, one sample's outputs of all phases where there
// are several, and what the convolution of one needs; or the packed input of one sample, and the products.
#include <algorithm>
#include <span>
#include <utility>

#include "runtime/native/conv_common.h"
#include "runtime/native/kernels.h"
#include "runtime/native/packing.h"
#include "runtime/native/plane_conv.h"

namespace edgesmith::runtime::native {

namespace {

// The outputs of one phase along one axis: first, first + stride, ...
struct AxisPhase {
  int64_t first = 0, count = 0;
  std::vector<int64_t> taps;     // of the kernel
  std::vector<int64_t> sources;  // where each reads the input for the first output; may lie outside
};

struct Phase {
  AxisPhase y, x;
  PlaneConv conv;
  std::vector<int64_t> taps;  // of the kernel, row-major, in the order of the layout
  int64_t weights = 0;        // floats before its packed weights
  int64_t outputs = 0;        // floats before its outputs, where there are several phases
};

// Adding up a product costs about as much as making three.
constexpr int64_t kSumCost = 3;
// Planes are taken to be read in vectors of so many numbers; the same for every instruction set, since both ways give
// different bits.
constexpr int64_t kVector = 16;

struct Shape : Prepared {
  std::vector<Phase> phases;
  bool depthwise = false;   // by NativeTable::depthwise_window
  bool by_columns = false;  // products first
  ops::Window window;
  int64_t positions = 0, position_step = 0, packed_floats = 0;  // with by_columns: of an input plane
  int64_t stride_y = 1, stride_x = 1, out_height = 1, out_width = 1, plane = 0, kernel_taps = 1;
  int64_t weight_floats = 0, output_floats = 0, conv_bytes = 0;
};

std::vector<AxisPhase> phases_of(int64_t output, int64_t kernel, int64_t stride, int64_t dilation, int64_t pad) {
  std::vector<AxisPhase> phases;
  for (int64_t first = 0; first < std::min(stride, output); ++first) {
    AxisPhase phase;
    phase.first = first;
    phase.count = (output - first + stride - 1) / stride;
    for (int64_t t = 0; t < kernel; ++t) {
      // Output i takes tap t of input (i + pad - t * dilation) / stride where that is whole.
      const int64_t position = first + pad - t * dilation;
      if (position % stride != 0) continue;
      phase.taps.push_back(t);
      phase.sources.push_back(position / stride);
    }
    phases.push_back(std::move(phase));
  }
  return phases;
}

// Planes of the input with room for whatever the taps of a phase read.
PlaneLayout layout_of(const AxisPhase& y, const AxisPhase& x, int64_t height, int64_t width) {
  const auto reach = [](const AxisPhase& phase, int64_t& pad, int64_t& size) {
    const auto [least, most] = std::minmax_element(phase.sources.begin(), phase.sources.end());
    pad = std::max<int64_t>(0, -*least);
    size = std::max<int64_t>(phase.count + *most + pad, 1);
  };
  PlaneLayout out;
  out.height = height;
  out.width = width;
  out.out_height = y.count;
  out.out_width = x.count;
  out.row_phases = out.column_phases = {0};
  reach(y, out.pad_top, out.rows);
  reach(x, out.pad_left, out.pitch);
  out.in_place = out.pad_top == 0 && out.pad_left == 0 && out.rows == height && out.pitch == width;
  for (const int64_t row : y.sources) {
    for (const int64_t column : x.sources) out.taps.push_back((row + out.pad_top) * out.pitch + column + out.pad_left);
  }
  return out;
}

int64_t groups_of(const ir::Node& node) { return node.attributes().get_int("group", 1); }

Result<ops::Window> window_of(const ir::Node& node, const ir::Dims& input, const ir::Dims& weight) {
  const int64_t groups = groups_of(node);
  if (input.size() != weight.size() || input.size() < 3 || input.size() > 4) {
    return invalid_error("input of rank " + std::to_string(input.size()) + ", weight of rank " +
                         std::to_string(weight.size()));
  }
  if (groups < 1 || input[1] != weight[0] || weight[0] % groups != 0) {
    return invalid_error("input has " + std::to_string(input[1]) + " channels, weight is for " +
                         std::to_string(weight[0]) + " in " + std::to_string(groups) + " groups");
  }
  return ops::resolve_transposed_window(node, ir::Dims(input.begin() + 2, input.end()),
                                        ir::Dims(weight.begin() + 2, weight.end()));
}

// Whether it is depthwise by a window that NativeTable::depthwise_window takes, turned around.
bool is_small_depthwise(const ops::Window& w, const ir::Dims& weight, int64_t groups) {
  if (groups == 1 || groups != weight[0] || weight[1] != 1 || w.kernel.size() != 2) return false;
  if (w.kernel[0] != 3 && w.kernel[0] != 5) return false;
  if (w.kernel[1] != w.kernel[0] || w.strides[0] > 2 || w.strides[1] != w.strides[0]) return false;
  return w.dilations[0] == 1 && w.dilations[1] == 1 && w.pads_begin[0] >= 0 && w.pads_begin[0] < w.kernel[0] &&
         w.pads_begin[1] >= 0 && w.pads_begin[1] < w.kernel[1];
}

// Numbers of a line of the input with strides between them.
int64_t spread_size(const ops::Window& w, size_t axis) {
  return std::max<int64_t>(0, (w.input[axis] - 1) * w.strides[axis] + 1);
}

Result<std::shared_ptr<Shape>> shape_of(const ir::Node& node, const ir::Dims& input, const ir::Dims& weight,
                                        const NativeTable& table) {
  const auto window = window_of(node, input, weight);
  if (!window) return window.error();
  const bool flat = window->input.size() == 1;
  const size_t last = flat ? 0 : 1;
  const int64_t groups = groups_of(node), out_channels = weight[1] * groups;
  auto s = std::make_shared<Shape>();
  s->stride_y = flat ? 1 : window->strides[0];
  s->stride_x = window->strides[last];
  s->out_height = flat ? 1 : window->output[0];
  s->out_width = window->output[last];
  s->plane = s->out_height * s->out_width;
  s->kernel_taps = ir::num_elements(window->kernel);
  const int64_t kernel_x = window->kernel[last];
  const auto rows =
      flat ? phases_of(1, 1, 1, 1, 0)
           : phases_of(s->out_height, window->kernel[0], s->stride_y, window->dilations[0], window->pads_begin[0]);
  const auto columns =
      phases_of(s->out_width, kernel_x, s->stride_x, window->dilations[last], window->pads_begin[last]);
  const bool several = rows.size() * columns.size() > 1;
  for (const AxisPhase& y : rows) {
    for (const AxisPhase& x : columns) {
      Phase phase;
      phase.y = y;
      phase.x = x;
      phase.weights = s->weight_floats;
      phase.outputs = s->output_floats;
      for (const int64_t ty : y.taps) {
        for (const int64_t tx : x.taps) phase.taps.push_back(ty * kernel_x + tx);
      }
      if (!phase.taps.empty()) {
        const int64_t height = flat ? 1 : window->input[0], width = window->input[last];
        phase.conv =
            plane_conv(layout_of(y, x, height, width), several ? 1 : input[0], input[1], groups, out_channels, table);
        s->weight_floats += round_up(out_channels * phase.conv.k, 16);
        s->conv_bytes = std::max(s->conv_bytes, plane_conv_scratch(phase.conv, table));
      }
      if (several) s->output_floats += round_up(out_channels * y.count * x.count, 16);
      s->phases.push_back(std::move(phase));
    }
  }
  s->window = *window;
  s->positions = ir::num_elements(window->input);
  s->position_step = round_up(s->positions, kVector);
  const int64_t sums = kSumCost * s->out_height * round_up(s->out_width, kVector);
  s->depthwise = is_small_depthwise(s->window, weight, groups);
  if (s->depthwise) {
    s->conv_bytes = 0;
    s->weight_floats = round_up(ir::num_elements(weight), 16);
    s->packed_floats = s->stride_y == 1 ? 0 : round_up(spread_size(s->window, 0) * spread_size(s->window, 1), 16);
    s->output_floats = 0;
    return s;
  }
  s->by_columns = !several && s->stride_y == 1 && s->stride_x == 1 && groups == 1 &&
                  10 * (s->position_step * input[1] + sums) < 9 * s->plane * input[1];
  if (s->by_columns) {
    s->packed_floats = round_up(packed_columns_size(s->positions, input[1], table), 16);
    s->weight_floats = s->conv_bytes = 0;
    s->output_floats = out_channels * s->kernel_taps * s->position_step;
  }
  return s;
}

// One sample of a depthwise one. `turned`: the weights, the last tap first; `spread`: scratch for a plane.
void run_depthwise(const Shape& s, const NativeTable& table, int64_t channels, const float* in, const float* turned,
                   const float* bias, float* spread, float* out) {
  const ops::Window& w = s.window;
  const Epilogue none;
  DepthwiseWindow job = {};
  job.multiplier = job.stride = 1;
  job.kernel = w.kernel[0];
  job.height = spread_size(w, 0);
  job.width = spread_size(w, 1);
  job.pad_top = w.kernel[0] - 1 - w.pads_begin[0];
  job.pad_left = w.kernel[1] - 1 - w.pads_begin[1];
  job.out_height = s.out_height;
  job.out_width = s.out_width;
  job.epilogue = &none;
  const auto run = [&](const float* planes, int64_t first, int64_t count) {
    job.in = planes;
    job.planes = count;
    job.weights = turned + first * s.kernel_taps;
    job.bias = bias == nullptr ? nullptr : bias + first;
    job.out = out + first * s.plane;
    table.depthwise_window(job);
  };
  if (s.stride_y == 1) return run(in, 0, channels);
  std::fill_n(spread, job.height * job.width, 0.0F);
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t y = 0; y < w.input[0]; ++y) {
      float* row = spread + y * s.stride_y * job.width;
      for (int64_t x = 0; x < w.input[1]; ++x) row[x * s.stride_x] = *in++;
    }
    run(spread, c, 1);
  }
}

// One sample by the products of every input with every tap. `packed` and `products`: scratch.
void run_by_columns(const Shape& s, const NativeTable& table, int64_t channels, int64_t out_channels, const float* in,
                    const float* weight, const float* bias, float* packed, float* products, float* out) {
  const int64_t rows = out_channels * s.kernel_taps;
  pack_columns({in, s.positions, 1, channels, s.positions}, 1.0F, table, packed);
  multiply(table, {{weight, 1, rows, rows, channels}, packed, s.positions, nullptr, products, s.position_step}, {});
  const ops::Window& w = s.window;
  const bool flat = w.input.size() == 1;
  const size_t last = flat ? 0 : 1;
  ColumnSums sums = {};
  sums.step = s.position_step;
  sums.kernel_h = flat ? 1 : w.kernel[0];
  sums.kernel_w = w.kernel[last];
  sums.dilation_y = flat ? 1 : w.dilations[0];
  sums.dilation_x = w.dilations[last];
  sums.height = flat ? 1 : w.input[0];
  sums.width = w.input[last];
  sums.pad_top = flat ? 0 : w.pads_begin[0];
  sums.pad_left = w.pads_begin[last];
  sums.out_height = s.out_height;
  sums.out_width = s.out_width;
  for (int64_t c = 0; c < out_channels; ++c) {
    sums.columns = products + c * s.kernel_taps * s.position_step;
    sums.start = bias == nullptr ? 0.0F : bias[c];
    sums.out = out + c * s.plane;
    table.sum_columns(sums);
  }
}

// Packs the weights [in][out of a group][taps] of one phase as pack_rows() does those of a convolution, whose rows are
// its output channels and whose columns are input channels by taps.
void pack_phase(const float* weight, const Phase& phase, int64_t kernel_taps, const NativeTable& table, float* out) {
  const PlaneConv& conv = phase.conv;
  const auto taps = static_cast<int64_t>(phase.taps.size());
  for (int64_t g = 0; g < conv.groups; ++g) {
    for_even_runs(conv.group_out, table.packed_rows, [&](int64_t first, int64_t count) {
      for (int64_t c = 0; c < conv.group_channels; ++c) {
        const float* from = weight + ((g * conv.group_channels + c) * conv.group_out + first) * kernel_taps;
        for (int64_t r = 0; r < count; ++r) {
          for (int64_t t = 0; t < taps; ++t) {
            out[t * count + r] = from[r * kernel_taps + phase.taps[static_cast<size_t>(t)]];
          }
        }
        out += taps * count;
      }
    });
  }
}

void pack_weights(const float* weight, const Shape& shape, const NativeTable& table, float* out) {
  for (const Phase& phase : shape.phases) {
    if (!phase.taps.empty()) pack_phase(weight, phase, shape.kernel_taps, table, out + phase.weights);
  }
}

bool supports(const ir::Node& node) { return is_float_conv(node); }

Result<int64_t> scratch_bytes(const ir::Node& node, const Prepared*, OperandDims inputs, const ir::Dims&, Isa isa) {
  const auto shape = shape_of(node, *inputs[0], *inputs[1], native_table(isa));
  if (!shape) return shape.error();
  return (*shape)->conv_bytes + ((*shape)->weight_floats + (*shape)->packed_floats + (*shape)->output_floats) * 4;
}

Result<std::shared_ptr<const Prepared>> bind(const ir::Node& node, const Prepared*, OperandDims inputs, const ir::Dims&,
                                             Isa isa) {
  auto shape = shape_of(node, *inputs[0], *inputs[1], native_table(isa));
  if (!shape) return shape.error();
  return std::shared_ptr<const Prepared>(std::move(*shape));
}

std::optional<ir::Dims> output_dims(const ir::Node& node, OperandDims inputs) {
  const auto window = window_of(node, *inputs[0], *inputs[1]);
  if (!window) return std::nullopt;
  ir::Dims out = {(*inputs[0])[0], (*inputs[1])[1] * groups_of(node)};
  out.insert(out.end(), window->output.begin(), window->output.end());
  return out;
}

// The outputs of one phase of one sample, put between those of the others.
void spread(const Shape& s, const Phase& phase, int64_t channels, const float* from, const float* bias, float* to) {
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t y = 0; y < phase.y.count; ++y) {
      float* row = to + (c * s.out_height + phase.y.first + y * s.stride_y) * s.out_width + phase.x.first;
      if (phase.taps.empty()) {
        for (int64_t x = 0; x < phase.x.count; ++x) row[x * s.stride_x] = bias == nullptr ? 0.0F : bias[c];
      } else {
        for (int64_t x = 0; x < phase.x.count; ++x) row[x * s.stride_x] = *from++;
      }
    }
  }
}

Status run(const KernelCall& call) {
  const auto& s = static_cast<const Shape&>(*call.bound);
  const NativeTable& table = native_table(call.isa);
  const ir::Dims& input = call.inputs[0]->dims();
  const int64_t channels = (*call.outputs[0].dims)[1], samples = input[0];
  if (samples * channels * s.plane == 0) return {};
  const ir::Tensor* offset = call.inputs.size() > 2 ? call.inputs[2] : nullptr;
  if (offset != nullptr && offset->size() != channels) {
    return invalid_error("bias has " + std::to_string(offset->size()) + " elements for " + std::to_string(channels) +
                         " output channels");
  }
  const float* bias = offset == nullptr ? nullptr : offset->data<float>().data();
  auto* weights = reinterpret_cast<float*>(call.scratch + s.conv_bytes);
  float* packed = weights + s.weight_floats;
  float* outputs = packed + s.packed_floats;
  const float* weight = call.inputs[1]->data<float>().data();
  if (s.depthwise) {
    for (int64_t c = 0; c < channels; ++c) {
      std::reverse_copy(weight + c * s.kernel_taps, weight + (c + 1) * s.kernel_taps, weights + c * s.kernel_taps);
    }
  } else if (!s.by_columns) {
    pack_weights(weight, s, table, weights);
  }
  const bool phase_by_phase = !s.depthwise && !s.by_columns;
  const float* in = call.inputs[0]->data<float>().data();
  float* out = call.outputs[0].as<float>();
  const float* residual = call.residual.floats();
  if (phase_by_phase && s.phases.size() == 1 && !s.phases[0].taps.empty()) {
    run_plane_conv(call, s.phases[0].conv, table, {in, weights, bias, residual, out});
    return {};
  }
  const KernelCall plain = {.node = call.node,
                            .inputs = call.inputs,
                            .outputs = call.outputs,
                            .prepared = call.prepared,
                            .scratch = call.scratch,
                            .epilogue = {},
                            .isa = call.isa};
  const int64_t in_floats = samples == 0 ? 0 : call.inputs[0]->size() / samples, out_floats = channels * s.plane;
  for (int64_t n = 0; n < samples; ++n, in += in_floats, out += out_floats) {
    if (s.by_columns) run_by_columns(s, table, input[1], channels, in, weight, bias, packed, outputs, out);
    if (s.depthwise) {
      run_depthwise(s, table_for_width(call.isa, s.out_width), channels, in, weights, bias, packed, out);
    }
    for (const Phase& phase : phase_by_phase ? std::span(s.phases) : std::span<const Phase>()) {
      float* made = outputs + phase.outputs;
      if (!phase.taps.empty()) {
        run_plane_conv(plain, phase.conv, table, {in, weights + phase.weights, bias, nullptr, made});
      }
      spread(s, phase, channels, made, bias, out);
    }
    if (residual != nullptr) {
      table.binary(Binary::add, out, 1, residual + n * out_floats, 1, out, out_floats, call.epilogue);
    } else if (!call.epilogue.empty()) {
      table.apply_epilogue(call.epilogue, out, out, out_floats);
    }
  }
  return {};
}

}  // namespace

const Kernel kConvTransposeF32 = {.provider = "native",
                                  .name = "conv_transpose_f32",
                                  .op = ir::OpKind::conv_transpose,
                                  .epilogue = true,
                                  .residual = true,
                                  .supports = supports,
                                  .output_dims = output_dims,
                                  .scratch_bytes = scratch_bytes,
                                  .bind = bind,
                                  .run = run};

}  // namespace edgesmith::runtime::native
