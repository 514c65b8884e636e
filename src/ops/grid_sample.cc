// SPDX-License-Identifier: Apache-2.0
// grid_sample: x [N, C, spatial...] read at the places that grid [N, output..., axes] names: -1 to 1 from one side to
// the other, the last axis first (Jaderberg et al. 2015). Attributes: align_corners = 0 (1: -1 and 1 are the middles
// of the outer elements, not their far sides), mode = linear (or bilinear), nearest (halves to even), cubic (or
// bicubic; Keys 1981 with a = -0.75), padding_mode = zeros, border, reflection. f32, f64; f16 and bf16 through f32.
#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/grid_sample_gradient.h"

namespace edgesmith::ops::grid_sample_op {
namespace {

enum class Mode { nearest, linear, cubic };
enum class Padding { zeros, border, reflection };

Result<Mode> mode_of(const ir::Node& node) {
  const std::string mode = node.attributes().get_string("mode", "linear");
  if (mode == "nearest") return Mode::nearest;
  if (mode == "linear" || mode == "bilinear") return Mode::linear;
  if (mode == "cubic" || mode == "bicubic") return Mode::cubic;
  return invalid_error("mode is '" + mode + "', must be nearest, linear or cubic");
}

Result<Padding> padding_of(const ir::Node& node) {
  const std::string padding = node.attributes().get_string("padding_mode", "zeros");
  if (padding == "zeros") return Padding::zeros;
  if (padding == "border") return Padding::border;
  if (padding == "reflection") return Padding::reflection;
  return invalid_error("padding_mode is '" + padding + "', must be zeros, border or reflection");
}

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"align_corners", AttributeKind::integer},
                                        {"mode", AttributeKind::text},
                                        {"padding_mode", AttributeKind::text}}));
  EDGESMITH_TRY(check_flag(node, "align_corners"));
  const auto mode = mode_of(node);
  if (!mode) return mode.error();
  const auto padding = padding_of(node);
  return padding ? Status{} : padding.error();
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  const ir::Type &x = node.input(0)->type(), &grid = node.input(1)->type();
  ir::Type type{x.dtype, std::nullopt};
  if (!x.shape || !grid.shape) return std::vector{type};
  if (x.rank() < 3 || grid.rank() != x.rank()) return invalid_error("x is " + x.text() + ", grid " + grid.text());
  type.shape = ir::Shape{(*x.shape)[0], (*x.shape)[1]};
  type.shape->insert(type.shape->end(), grid.shape->begin() + 1, grid.shape->end() - 1);
  return std::vector{type};
}

// Elements of an axis that one place reads, and their shares; an element of -1 is a zero.
struct Taps {
  std::array<int64_t, 4> element{};
  std::array<double, 4> share{};
  int count = 0;
};

struct Axis {
  int64_t size;
  bool aligned;
  Mode mode;
  Padding padding;

  int64_t inside(int64_t element) const {
    if (element >= 0 && element < size) return element;
    if (padding == Padding::zeros) return -1;
    if (padding == Padding::border) return std::clamp<int64_t>(element, 0, size - 1);
    // About the middles of the outer elements, or about their far sides.
    const int64_t period = aligned ? 2 * (size - 1) : 2 * size;
    if (period == 0) return 0;
    int64_t folded = element % period;
    if (folded < 0) folded += period;
    return folded < size ? folded : (aligned ? period : period - 1) - folded;
  }

  Taps at(double place) const {
    const auto length = static_cast<double>(size);
    double x = aligned ? (place + 1) / 2 * (length - 1) : ((place + 1) * length - 1) / 2;
    if (!(std::fabs(x) < 0x1p52)) x = -2;  // nowhere: NaN and infinity
    Taps taps;
    if (mode == Mode::nearest) {
      taps.element[0] = inside(static_cast<int64_t>(std::nearbyint(x)));
      taps.share[0] = 1;
      taps.count = 1;
      return taps;
    }
    const double whole = std::floor(x), rest = x - whole;
    const auto first = static_cast<int64_t>(whole);
    if (mode == Mode::linear) {
      taps.share = {1 - rest, rest, 0, 0};
      taps.count = 2;
    } else {
      constexpr double a = -0.75;
      const auto near = [](double d) { return ((a + 2) * d - (a + 3)) * d * d + 1; };
      const auto far = [](double d) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; };
      taps.share = {far(1 + rest), near(rest), near(1 - rest), far(2 - rest)};
      taps.count = 4;
    }
    for (int t = 0; t < taps.count; ++t) {
      taps.element[static_cast<size_t>(t)] = inside(first + t - (mode == Mode::cubic ? 1 : 0));
    }
    return taps;
  }
};

// The shares of all combinations of taps of the axes, summed over the plane.
template <typename T>
double sum_of(const T* plane, const std::vector<Taps>& taps, const std::vector<int64_t>& strides, size_t axis,
              int64_t offset) {
  if (axis == taps.size()) return static_cast<double>(plane[offset]);
  double sum = 0;
  for (int t = 0; t < taps[axis].count; ++t) {
    const int64_t element = taps[axis].element[static_cast<size_t>(t)];
    if (element < 0) continue;
    sum += taps[axis].share[static_cast<size_t>(t)] *
           sum_of(plane, taps, strides, axis + 1, offset + element * strides[axis]);
  }
  return sum;
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor &x = *inputs[0], &grid = *inputs[1];
  const size_t axes = static_cast<size_t>(std::max(0, x.rank() - 2));
  const bool fits = axes >= 1 && axes <= 3 && grid.rank() == x.rank() && grid.dims()[0] == x.dims()[0] &&
                    grid.dims().back() == static_cast<int64_t>(axes) && grid.dtype() == x.dtype();
  if (!fits) return invalid_error("x is " + x.type().text() + ", grid " + grid.type().text());
  const auto mode = mode_of(node);
  if (!mode) return mode.error();
  const auto padding = padding_of(node);
  if (!padding) return padding.error();
  const bool aligned = node.attributes().get_int("align_corners", 0) != 0;
  ir::Dims dims(x.dims().begin(), x.dims().begin() + 2);
  dims.insert(dims.end(), grid.dims().begin() + 1, grid.dims().end() - 1);
  auto y = make_tensor(x.dtype(), dims);
  if (!y) return y.error();
  std::vector<Axis> axis_of;
  for (size_t a = 0; a < axes; ++a) {
    if (x.dims()[a + 2] == 0) return invalid_error("x is " + x.type().text() + ": nothing to read");
    axis_of.push_back({x.dims()[a + 2], aligned, *mode, *padding});
  }
  const ir::Dims strides = strides_of(x.dims());
  const std::vector<int64_t> steps(strides.begin() + 2, strides.end());
  const int64_t channels = dims[1], plane = strides[1],
                places = dims[0] == 0 ? 0 : grid.size() / dims[0] / grid.dims().back();
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    const T* from = x.data<T>().data();
    const T* where = grid.data<T>().data();
    T* to = y->mutable_data<T>().data();
    std::vector<Taps> taps(axes);
    for (int64_t n = 0; n < dims[0]; ++n) {
      for (int64_t p = 0; p < places; ++p, where += axes) {
        for (size_t a = 0; a < axes; ++a) taps[a] = axis_of[a].at(static_cast<double>(where[axes - 1 - a]));
        for (int64_t c = 0; c < channels; ++c) {
          const int64_t at = n * channels + c;
          to[at * places + p] = static_cast<T>(sum_of(from + at * plane, taps, steps, 0, 0));
        }
      }
    }
    return std::vector{std::move(*y)};
  });
}

}  // namespace

extern const OpInfo grid_sample_info = {.kind = ir::OpKind::grid_sample,
                                        .min_inputs = 2,
                                        .max_inputs = 2,
                                        .min_outputs = 1,
                                        .max_outputs = 1,
                                        .verify = verify,
                                        .infer = infer,
                                        .eval = half_as_float<eval>,
                                        .cost = nullptr,
                                        .quant = nullptr,
                                        .gradient = grid_sample_gradient};

}  // namespace edgesmith::ops::grid_sample_op
