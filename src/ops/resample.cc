// SPDX-License-Identifier: Apache-2.0
#include "ops/resample.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <span>

#include "ops/dispatch.h"
#include "ops/elements.h"

namespace edgesmith::ops {
namespace {

constexpr std::array<std::string_view, 7> kCoordinates = {
    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
    "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize"};
constexpr std::array<std::string_view, 4> kRoundings = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
constexpr std::array<std::string_view, 3> kFilters = {"nearest", "linear", "cubic"};

template <typename Enum, size_t N>
std::optional<Enum> from_name(const std::array<std::string_view, N>& names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

float source_coordinate(const ResizeAxis& axis, Coordinates coordinates, float x) {
  const auto input = static_cast<float>(axis.input);
  switch (coordinates) {
    case Coordinates::half_pixel: return (x + 0.5f) / axis.scale - 0.5f;
    case Coordinates::half_pixel_symmetric: {
      // The offset in float, the rest in double: ONNX Runtime's arithmetic, found with NumPy.
      const float offset = input / 2 * (1 - static_cast<float>(axis.output) / (axis.scale * input));
      return static_cast<float>(static_cast<double>(offset) + (static_cast<double>(x) + 0.5) / axis.scale - 0.5);
    }
    case Coordinates::pytorch_half_pixel: return axis.output > 1 ? (x + 0.5f) / axis.scale - 0.5f : 0.0f;
    case Coordinates::align_corners: return axis.length == 1 ? 0.0f : x * (input - 1) / (axis.length - 1);
    case Coordinates::asymmetric: return x / axis.scale;
    case Coordinates::tf_half_pixel_for_nn: return (x + 0.5f) / axis.scale;
    case Coordinates::tf_crop_and_resize: {
      const float span = (axis.roi_end - axis.roi_start) * (input - 1);
      if (axis.output == 1) return 0.5f * (axis.roi_start + axis.roi_end) * (input - 1);
      return axis.roi_start * (input - 1) + x * span / static_cast<float>(axis.output - 1);
    }
  }
  return x;
}

bool outside(float x, const ResizeAxis& axis, Coordinates coordinates) {
  return coordinates == Coordinates::tf_crop_and_resize && !(x >= 0 && x <= static_cast<float>(axis.input - 1));
}

// The filters' kernels at distance x >= 0; the cubic one is Keys' ("Cubic convolution interpolation for digital image
// processing", 1981) with parameter a.
double kernel(Filter filter, double x, double a) {
  if (filter == Filter::linear) return std::max(0.0, 1 - x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

// The two inputs that a linear filter mixes, the coordinate brought into the input first. At the last one both are it,
// with halves for weights, as ONNX Runtime has them: beyond the edge a sum of two products is as it rounds there.
Mix two_neighbours(float x, const ResizeAxis& axis) {
  const double inside = std::max(0.0, static_cast<double>(x));
  const auto last = static_cast<double>(axis.input - 1);
  if (inside >= last) return {{axis.input - 1, axis.input - 1}, {0.5, 0.5}};
  const double first = std::floor(inside), ratio = inside - first;
  return {{static_cast<int64_t>(first), static_cast<int64_t>(first) + 1}, {1 - ratio, ratio}};
}

Mix mix_at(float x, const ResizeAxis& axis, const Resampling& resampling) {
  if (resampling.filter == Filter::linear && !resampling.antialias) return two_neighbours(x, axis);
  // Antialiasing stretches the kernel so that it covers all inputs that one output replaces.
  const double stretch = resampling.antialias ? std::min(1.0, static_cast<double>(axis.scale)) : 1.0;
  const double radius = (resampling.filter == Filter::linear ? 1 : 2) / stretch;
  const double base = std::ceil(static_cast<double>(x)) - 1, ratio = static_cast<double>(x) - base;
  const auto first = static_cast<int64_t>(std::floor(-radius)) + 1;
  Mix mix;
  double sum = 0;
  for (int64_t i = first; i < 2 - first; ++i) {
    const double position = base + static_cast<double>(i);
    const bool inside = position >= 0 && position < static_cast<double>(axis.input);
    if (!inside && resampling.exclude_outside) continue;
    const double weight =
        kernel(resampling.filter, std::abs(static_cast<double>(i) - ratio) * stretch, resampling.cubic_a);
    mix.indices.push_back(static_cast<int64_t>(std::clamp(position, 0.0, static_cast<double>(axis.input - 1))));
    mix.weights.push_back(weight);
    sum += weight;
  }
  for (double& weight : mix.weights) weight = sum != 0 ? weight / sum : 0;
  return mix;
}

}  // namespace

std::optional<Coordinates> coordinates_from_name(std::string_view name) {
  return from_name<Coordinates>(kCoordinates, name);
}
std::optional<Rounding> rounding_from_name(std::string_view name) { return from_name<Rounding>(kRoundings, name); }
std::optional<Filter> filter_from_name(std::string_view name) { return from_name<Filter>(kFilters, name); }

bool ResizeAxis::identity(Coordinates coordinates) const {
  const bool whole = coordinates != Coordinates::tf_crop_and_resize || (roi_start == 0 && roi_end == 1);
  return whole && input == output && scale == 1;
}

std::vector<float> source_coordinates(const ResizeAxis& axis, Coordinates coordinates) {
  std::vector<float> result;
  for (int64_t i = 0; i < axis.output; ++i) {
    result.push_back(source_coordinate(axis, coordinates, static_cast<float>(i)));
  }
  return result;
}

std::vector<int64_t> nearest_indices(const ResizeAxis& axis, const Resampling& resampling) {
  std::vector<int64_t> indices;
  for (float x : source_coordinates(axis, resampling.coordinates)) {
    if (outside(x, axis, resampling.coordinates)) {
      indices.push_back(-1);
      continue;
    }
    float rounded = 0;
    switch (resampling.rounding) {
      case Rounding::prefer_floor: rounded = std::ceil(x - 0.5f); break;
      case Rounding::prefer_ceil: rounded = std::floor(x + 0.5f); break;
      case Rounding::floor: rounded = std::floor(x); break;
      case Rounding::ceil: rounded = std::ceil(x); break;
    }
    const double last = static_cast<double>(axis.input - 1);
    indices.push_back(rounded > 0 ? static_cast<int64_t>(std::min(static_cast<double>(rounded), last)) : 0);
  }
  return indices;
}

std::vector<Mix> mixes(const ResizeAxis& axis, const Resampling& resampling) {
  std::vector<Mix> result;
  for (float x : source_coordinates(axis, resampling.coordinates)) {
    result.push_back(outside(x, axis, resampling.coordinates) ? Mix{} : mix_at(x, axis, resampling));
  }
  return result;
}

namespace {

// The mixes of all outputs of an axis, one after the other: those of output o are [begins[o], begins[o + 1]).
struct FlatMixes {
  std::vector<size_t> begins = {0};
  std::vector<int64_t> indices;
  std::vector<double> weights;

  bool all_pairs() const {
    for (size_t i = 0; i < begins.size(); ++i) {
      if (begins[i] != 2 * i) return false;
    }
    return true;
  }
};

FlatMixes flat_mixes(const ResizeAxis& axis, const Resampling& resampling) {
  FlatMixes out;
  for (const Mix& mix : mixes(axis, resampling)) {
    out.indices.insert(out.indices.end(), mix.indices.begin(), mix.indices.end());
    out.weights.insert(out.weights.end(), mix.weights.begin(), mix.weights.end());
    out.begins.push_back(out.indices.size());
  }
  return out;
}

// The last axis, where every output mixes two neighbours (linear, unless antialiasing): one row.
template <typename T>
void mix_row(const T* in, const FlatMixes& plan, T* out) {
  const int64_t* index = plan.indices.data();
  const double* weight = plan.weights.data();
  for (size_t i = 0; i + 1 < plan.begins.size(); ++i, index += 2, weight += 2) {
    *out++ = static_cast<T>(0.0 + weight[0] * static_cast<double>(in[index[0]]) +
                            weight[1] * static_cast<double>(in[index[1]]));
  }
}

// One position of the axis along which inputs are mixed: `inner` outputs from as many neighbours of every input.
template <typename T>
void mix_inputs(const T* in, std::span<const int64_t> indices, std::span<const double> weights, int64_t inner, T* out) {
  if (indices.size() == 2) {  // linear, unless antialiasing
    const T *a = in + indices[0] * inner, *b = in + indices[1] * inner;
    for (int64_t i = 0; i < inner; ++i) {
      out[i] = static_cast<T>(0.0 + weights[0] * static_cast<double>(a[i]) + weights[1] * static_cast<double>(b[i]));
    }
    return;
  }
  for (int64_t i = 0; i < inner; ++i) {
    double sum = 0;
    for (size_t k = 0; k < indices.size(); ++k) sum += weights[k] * static_cast<double>(in[indices[k] * inner + i]);
    out[i] = static_cast<T>(sum);
  }
}

}  // namespace

Result<ir::Tensor> resample(const ir::Tensor& x, size_t at, const ResizeAxis& axis, const Resampling& resampling) {
  ir::Dims dims = x.dims();
  dims[at] = axis.output;
  auto made = make_tensor(x.dtype(), dims);
  if (!made || made->size() == 0) return made;
  const int64_t inner =
      std::accumulate(dims.begin() + static_cast<int64_t>(at) + 1, dims.end(), int64_t{1}, std::multiplies<int64_t>());
  const int64_t outer = made->size() / (axis.output * inner);
  const FlatMixes plan = flat_mixes(axis, resampling);
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<ir::Tensor> {
    const T* in = x.data<T>().data();
    T* out = made->mutable_data<T>().data();
    if (inner == 1 && plan.all_pairs()) {
      for (int64_t o = 0; o < outer; ++o) mix_row<T>(in + o * axis.input, plan, out + o * axis.output);
      return std::move(*made);
    }
    for (int64_t o = 0; o < outer; ++o, in += axis.input * inner) {
      for (size_t at_output = 0; at_output + 1 < plan.begins.size(); ++at_output, out += inner) {
        const size_t begin = plan.begins[at_output], count = plan.begins[at_output + 1] - begin;
        if (count == 0) {
          std::fill_n(out, inner, static_cast<T>(resampling.extrapolation));
        } else {
          mix_inputs<T>(in, std::span(plan.indices).subspan(begin, count),
                        std::span(plan.weights).subspan(begin, count), inner, out);
        }
      }
    }
    return std::move(*made);
  });
}

}  // namespace edgesmith::ops
