// SPDX-License-Identifier: Apache-2.0
// The gradients of max and average pools of float32 planes, plane by plane: numbers of dy are added in order to what
// won their window, or shared out over it. Max pools by windows of 2 x 2 side by side have an inner loop of their own.
#include <algorithm>

#include "edgesmith/ops/window.h"
#include "runtime/native/conv_common.h"
#include "runtime/native/kernels.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

namespace {

// The taps of each output along one axis: those that lie inside, and how many an average counts.
struct AxisTaps {
  int64_t size = 1, outputs = 1, step = 1;    // of planes; between taps
  std::vector<int64_t> first, taps, counted;  // by output
};

AxisTaps taps_along(const ops::Window& window, size_t axis, bool count_pads) {
  AxisTaps out;
  out.size = window.input[axis];
  out.outputs = window.output[axis];
  out.step = window.dilations[axis];
  for (int64_t o = 0; o < out.outputs; ++o) {
    int64_t first = 0, taps = 0, counted = 0;
    for (int64_t k = 0; k < window.kernel[axis]; ++k) {
      const int64_t at = o * window.strides[axis] + k * out.step - window.pads_begin[axis];
      const bool inside = at >= 0 && at < out.size;
      if (inside && taps++ == 0) first = at;
      counted += inside || (count_pads && at < out.size + window.pads_end[axis]) ? 1 : 0;
    }
    out.first.push_back(first);
    out.taps.push_back(taps);
    out.counted.push_back(counted);
  }
  return out;
}

struct Geometry : Prepared {
  AxisTaps y, x;
  bool small_square = false;  // NativeTable::max_pool_gradient takes it
  bool sum = false;           // nothing is divided
};

bool has_known_rank(const ir::Node& node) {
  const size_t rank = node.attributes().get_ints("kernel_shape").size();
  return rank == 1 || rank == 2;
}

Result<std::shared_ptr<const Prepared>> make_geometry(const ir::Node& node, const ir::Dims& x, const ir::Dims& dy) {
  const ir::Ints kernel = node.attributes().get_ints("kernel_shape");
  if (x.size() != kernel.size() + 2 || dy.size() != x.size()) {
    return invalid_error("operands of rank " + std::to_string(x.size()) + " and " + std::to_string(dy.size()) +
                         ", kernel of rank " + std::to_string(kernel.size()));
  }
  const auto window = ops::resolve_window(node, ir::Dims(x.begin() + 2, x.end()), kernel);
  if (!window) return window.error();
  if (dy[0] != x[0] || dy[1] != x[1] || !std::equal(dy.begin() + 2, dy.end(), window->output.begin())) {
    return invalid_error("the gradient is " + ir::type_of(ir::DType::f32, dy).text() + ", the operand of the pool " +
                         ir::type_of(ir::DType::f32, x).text());
  }
  const bool count_pads = node.attributes().get_int("count_include_pad", 0) != 0;
  auto out = std::make_shared<Geometry>();
  out->sum = node.attributes().get_int("sum", 0) != 0;
  if (kernel.size() == 2) {
    out->y = taps_along(*window, 0, count_pads);
  } else {
    out->y.first = {0};
    out->y.taps = out->y.counted = {1};
  }
  out->x = taps_along(*window, kernel.size() - 1, count_pads);
  out->small_square = kernel.size() == 2;
  for (size_t i = 0; i < kernel.size(); ++i) {
    out->small_square = out->small_square && kernel[i] == 2 && window->strides[i] == 2 && window->dilations[i] == 1 &&
                        window->pads_begin[i] == 0 && 2 * window->output[i] <= window->input[i];
  }
  return std::shared_ptr<const Prepared>(std::move(out));
}

Result<std::shared_ptr<const Prepared>> bind_max(const ir::Node& node, const Prepared*, OperandDims inputs,
                                                 const ir::Dims&, Isa) {
  return make_geometry(node, *inputs[0], *inputs[1]);
}

Result<std::shared_ptr<const Prepared>> bind_average(const ir::Node& node, const Prepared*, OperandDims inputs,
                                                     const ir::Dims& output, Isa) {
  return make_geometry(node, output, *inputs[0]);
}

// Calls body(position in the plane of the first tap, output, index along y and along x) for every output of a plane.
template <typename Body>
void for_windows(const Geometry& g, const Body& body) {
  for (int64_t oy = 0, o = 0; oy < g.y.outputs; ++oy) {
    const auto y = static_cast<size_t>(oy);
    for (int64_t ox = 0; ox < g.x.outputs; ++ox, ++o) {
      const auto x = static_cast<size_t>(ox);
      body(g.y.first[y] * g.x.size + g.x.first[x], o, y, x);
    }
  }
}

Status run_max(const KernelCall& call) {
  const auto& g = static_cast<const Geometry&>(*call.bound);
  const ir::Dims& dims = *call.outputs[0].dims;
  const float* in = call.inputs[0]->data<float>().data();
  const float* dy = call.inputs[1]->data<float>().data();
  float* dx = call.outputs[0].as<float>();
  const int64_t planes = dims[0] * dims[1], size = g.y.size * g.x.size, outputs = g.y.outputs * g.x.outputs;
  if (g.small_square) {
    native_table(call.isa).max_pool_gradient({in, dy, planes, g.y.size, g.x.size, g.y.outputs, g.x.outputs, dx});
    return {};
  }
  std::fill_n(dx, planes * size, 0.0F);
  for (int64_t p = 0; p < planes; ++p, in += size, dx += size, dy += outputs) {
    for_windows(g, [&](int64_t corner, int64_t o, size_t y, size_t x) {
      int64_t best = -1;
      for (int64_t ky = 0; ky < g.y.taps[y]; ++ky) {
        for (int64_t kx = 0; kx < g.x.taps[x]; ++kx) {
          const int64_t at = corner + ky * g.y.step * g.x.size + kx * g.x.step;
          // Not-a-number loses against every number.
          if (best < 0 || in[at] > in[best] || (in[best] != in[best] && in[at] == in[at])) best = at;
        }
      }
      if (best >= 0) dx[best] += dy[o];
    });
  }
  return {};
}

Status run_average(const KernelCall& call) {
  const auto& g = static_cast<const Geometry&>(*call.bound);
  const ir::Dims& dims = *call.outputs[0].dims;
  const float* dy = call.inputs[0]->data<float>().data();
  float* dx = call.outputs[0].as<float>();
  const int64_t planes = dims[0] * dims[1], size = g.y.size * g.x.size, outputs = g.y.outputs * g.x.outputs;
  std::fill_n(dx, planes * size, 0.0F);
  for (int64_t p = 0; p < planes; ++p, dx += size, dy += outputs) {
    for_windows(g, [&](int64_t corner, int64_t o, size_t y, size_t x) {
      const int64_t count = g.sum ? 1 : g.y.counted[y] * g.x.counted[x];
      const float share = count == 0 ? 0.0F : dy[o] / static_cast<float>(count);
      for (int64_t ky = 0; ky < g.y.taps[y]; ++ky) {
        float* row = dx + corner + ky * g.y.step * g.x.size;
        for (int64_t kx = 0; kx < g.x.taps[x]; ++kx) row[kx * g.x.step] += share;
      }
    });
  }
  return {};
}

bool supports_max(const ir::Node& node) { return all_float(node) && has_known_rank(node); }
bool supports_average(const ir::Node& node) {
  return node.input(0)->type().dtype == ir::DType::f32 && has_known_rank(node);
}

}  // namespace

const Kernel kMaxPoolGradientF32 = {.provider = "native",
                                    .name = "max_pool_gradient_f32",
                                    .op = ir::OpKind::max_pool_gradient,
                                    .supports = supports_max,
                                    .bind = bind_max,
                                    .run = run_max};

const Kernel kAveragePoolGradientF32 = {.provider = "native",
                                        .name = "average_pool_gradient_f32",
                                        .op = ir::OpKind::average_pool_gradient,
                                        .supports = supports_average,
                                        .bind = bind_average,
                                        .run = run_average};

}  // namespace edgesmith::runtime::native
