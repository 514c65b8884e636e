// SPDX-License-Identifier: Apache-2.0
// resize: x resampled to another size, axis by axis (resample.h holds coordinates and filters).
//
// Operands: x, roi (starts, then ends, of the axes; only for tf_crop_and_resize), scales (f32) or sizes (i64); an empty
// one counts as absent. Attributes: antialias, axes (default all), coordinate_transformation_mode, cubic_coeff_a,
// exclude_outside, extrapolation_value, keep_aspect_ratio_policy, mode, nearest_mode. Mode nearest takes any element
// type, linear and cubic f32 and f64 (f16 and bf16 through f32), and i8, u8 and i32, cut off at the point.
#include "edgesmith/ops/resizing.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/operands.h"
#include "ops/resample.h"
#include "ops/slices.h"

namespace edgesmith::ops::resize_op {
namespace {

// What is asked for, from operands that are known; empty lists are absent.
struct Request {
  std::vector<float> roi, scales;
  ir::Ints sizes;
};

Result<Resampling> resampling_of(const ir::Node& node) {
  const ir::Attributes& attributes = node.attributes();
  const std::string coordinates = attributes.get_string("coordinate_transformation_mode", "half_pixel");
  const std::string rounding = attributes.get_string("nearest_mode", "round_prefer_floor");
  const std::string filter = attributes.get_string("mode", "nearest");
  const auto named_coordinates = coordinates_from_name(coordinates);
  const auto named_rounding = rounding_from_name(rounding);
  const auto named_filter = filter_from_name(filter);
  if (!named_coordinates) return invalid_error("coordinate_transformation_mode '" + coordinates + "' does not exist");
  if (!named_rounding) return invalid_error("nearest_mode '" + rounding + "' does not exist");
  if (!named_filter) return invalid_error("mode '" + filter + "' does not exist");
  return Resampling{.coordinates = *named_coordinates,
                    .rounding = *named_rounding,
                    .filter = *named_filter,
                    .cubic_a = attributes.get_float("cubic_coeff_a", -0.75f),
                    .exclude_outside = attributes.get_int("exclude_outside", 0) != 0,
                    .antialias = attributes.get_int("antialias", 0) != 0,
                    .extrapolation = attributes.get_float("extrapolation_value", 0)};
}

Status verify(const ir::Node& node) {
  using enum AttributeKind;
  EDGESMITH_TRY(check_attributes(node, {{"antialias", integer},
                                        {"axes", integers},
                                        {"coordinate_transformation_mode", text},
                                        {"cubic_coeff_a", real},
                                        {"exclude_outside", integer},
                                        {"extrapolation_value", real},
                                        {"keep_aspect_ratio_policy", text},
                                        {"mode", text},
                                        {"nearest_mode", text}}));
  const auto resampling = resampling_of(node);
  if (!resampling) return resampling.error();
  const std::string policy = node.attributes().get_string("keep_aspect_ratio_policy", "stretch");
  if (policy != "stretch" && policy != "not_larger" && policy != "not_smaller") {
    return invalid_error("keep_aspect_ratio_policy '" + policy + "' does not exist");
  }
  if (node.input(2) == nullptr && node.input(3) == nullptr) return invalid_error("neither scales nor sizes are given");
  return {};
}

// The axes to resize, from the front.
Result<std::vector<int>> axes_of(const ir::Node& node, size_t rank) {
  ir::Ints all(rank);
  std::iota(all.begin(), all.end(), 0);
  return normalize_axes(node.attributes().get_ints("axes", all), static_cast<int>(rank));
}

Status check_lengths(const Request& request, size_t axes) {
  const size_t roi = request.roi.empty() ? 2 * axes : request.roi.size();
  const size_t scales = request.scales.empty() ? axes : request.scales.size();
  const size_t sizes = request.sizes.empty() ? axes : request.sizes.size();
  if (roi == 2 * axes && scales == axes && sizes == axes && (request.scales.empty() || request.sizes.empty()))
    return {};
  return invalid_error("there are " + std::to_string(request.roi.size()) + " roi numbers, " +
                       std::to_string(request.scales.size()) + " scales and " + std::to_string(request.sizes.size()) +
                       " sizes for " + std::to_string(axes) + " axes");
}

// An axis of size `input` that is scaled, or brought to a size.
Result<ResizeAxis> scaled_axis(int64_t input, float scale) {
  const float length = scale * static_cast<float>(input);
  if (!(scale > 0) || !(length < 0x1p40f)) return invalid_error("a scale is " + std::to_string(scale));
  return ResizeAxis{.input = input, .output = static_cast<int64_t>(length), .scale = scale, .length = length};
}
Result<ResizeAxis> sized_axis(int64_t input, int64_t output, float scale) {
  if (output < 0 || (input == 0 && output > 0)) {
    return invalid_error("cannot bring " + std::to_string(input) + " elements to " + std::to_string(output));
  }
  return ResizeAxis{.input = input, .output = output, .scale = scale, .length = static_cast<float>(output)};
}

// Every axis of x and what happens to it.
Result<std::vector<ResizeAxis>> plan(const ir::Node& node, const ir::Dims& dims, const Request& request) {
  const auto axes = axes_of(node, dims.size());
  if (!axes) return axes.error();
  EDGESMITH_TRY(check_lengths(request, axes->size()));
  std::vector<ResizeAxis> result;
  for (int64_t dim : dims) {
    result.push_back({.input = dim, .output = dim, .scale = 1, .length = static_cast<float>(dim)});
  }
  const std::string policy = node.attributes().get_string("keep_aspect_ratio_policy", "stretch");
  float common = policy == "not_larger" ? INFINITY : 0;
  for (size_t i = 0; i < request.sizes.size(); ++i) {
    const float scale =
        static_cast<float>(request.sizes[i]) / static_cast<float>(dims[static_cast<size_t>((*axes)[i])]);
    common = policy == "not_larger" ? std::fmin(common, scale) : std::fmax(common, scale);
  }
  for (size_t i = 0; i < axes->size(); ++i) {
    const auto at = static_cast<size_t>((*axes)[i]);
    const auto input = static_cast<float>(dims[at]);
    Result<ResizeAxis> axis = result[at];
    if (!request.scales.empty()) {
      axis = scaled_axis(dims[at], request.scales[i]);
    } else if (!request.sizes.empty() && policy == "stretch") {
      axis = sized_axis(dims[at], request.sizes[i], static_cast<float>(request.sizes[i]) / std::fmax(input, 1));
    } else if (!request.sizes.empty()) {
      if (!(common * input < 0x1p40f)) return invalid_error("sizes cannot keep the aspect ratio");
      axis = sized_axis(dims[at], static_cast<int64_t>(common * input + 0.5f), common);
    }
    if (!axis) return axis.error();
    if (!request.roi.empty()) {
      axis->roi_start = request.roi[i];
      axis->roi_end = request.roi[i + axes->size()];
    }
    result[at] = *axis;
  }
  return result;
}

// Known scales; the outer optional is empty when the operand is there but not known.
std::optional<std::vector<float>> known_scales(const ir::Node& node, const InferContext& context) {
  const ir::Tensor* scales = context.constant(node, 2);
  if (scales == nullptr && known_length(node, 2) != 0 && node.input(2) != nullptr) return std::nullopt;
  if (scales == nullptr || !ir::is_float(scales->dtype())) return std::vector<float>();
  return scales->to_floats();
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  const ir::Type& x = node.input(0)->type();
  ir::Type type{x.dtype, std::nullopt};
  if (!x.shape) return std::vector{type};
  const auto axes = axes_of(node, x.shape->size());
  if (!axes) return axes.error();
  type.shape = x.shape;
  const auto scales = known_scales(node, context);
  const auto sizes = contents_or_unknowns(node, 3, context);
  const bool stretch = node.attributes().get_string("keep_aspect_ratio_policy", "stretch") == "stretch";
  const auto numbers = known_ints(node, 3, context, "sizes");
  if (!numbers) return numbers.error();
  if (const auto dims = x.static_dims(); dims && scales && (*numbers || node.input(3) == nullptr)) {
    const auto planned = plan(node, *dims, {{}, *scales, numbers->value_or(ir::Ints{})});
    if (!planned) return planned.error();
    for (size_t d = 0; d < dims->size(); ++d) (*type.shape)[d] = ir::Dim((*planned)[d].output);
    return std::vector{type};
  }
  for (size_t i = 0; i < axes->size(); ++i) {
    ir::Dim& dim = (*type.shape)[static_cast<size_t>((*axes)[i])];
    if (scales && scales->size() == axes->size()) {
      const float scale = (*scales)[i];
      if (scale == 1) continue;
      const auto axis = scaled_axis(dim.known() ? dim.value() : 1, scale);
      if (!axis) return axis.error();
      dim = dim.known() ? ir::Dim(axis->output) : ir::Dim();
    } else {
      dim = sizes && stretch && sizes->size() == axes->size() ? (*sizes)[i] : ir::Dim();
    }
  }
  return std::vector{type};
}

Result<Request> request_of(std::span<const ir::Tensor* const> inputs, bool crops) {
  Request request;
  for (size_t i = 1; i < 3; ++i) {
    const ir::Tensor* tensor = operand(inputs, i);
    if (tensor == nullptr || (i == 1 && !crops)) continue;
    if (!ir::is_float(tensor->dtype())) return invalid_error("operand " + std::to_string(i) + " must hold floats");
    (i == 1 ? request.roi : request.scales) = tensor->to_floats();
  }
  if (const ir::Tensor* sizes = operand(inputs, 3)) {
    auto ints = read_ints(*sizes, "sizes");
    if (!ints) return ints.error();
    request.sizes = std::move(*ints);
  }
  if (request.scales.empty() && request.sizes.empty() && inputs[0]->rank() > 0) {
    return invalid_error("neither scales nor sizes are given");
  }
  return request;
}

// A tensor of one element: `value` as `dtype`; zero bits for types without such numbers.
ir::Tensor filler(ir::DType dtype, float value) {
  if (dtype == ir::DType::f16 || dtype == ir::DType::bf16) return round_to_half(ir::Tensor::scalar(value), dtype);
  auto made = dispatch(NumberTypes{}, dtype, [&]<typename T>() -> Result<ir::Tensor> {
    return ir::Tensor::scalar<T>(static_cast<T>(std::fmax(-128, std::fmin(127, value))));
  });
  if (dtype == ir::DType::f32) return ir::Tensor::scalar(value);
  if (dtype == ir::DType::f64) return ir::Tensor::scalar(static_cast<double>(value));
  return made ? *made : ir::Tensor::zeros(dtype, {});
}

Result<ir::Tensor> resize_nearest(const ir::Tensor& x, const std::vector<ResizeAxis>& axes,
                                  const Resampling& resampling) {
  auto maps = identity_maps(x.dims());
  bool fills = false;
  for (size_t d = 0; d < axes.size(); ++d) {
    if (axes[d].identity(resampling.coordinates)) continue;
    maps[d] = nearest_indices(axes[d], resampling);
    for (int64_t index : maps[d]) fills = fills || index < 0;
  }
  if (!fills) return take(x, maps);
  const ir::Tensor fill = filler(x.dtype(), resampling.extrapolation);
  return take(x, maps, &fill);
}

// Those that ONNX Runtime interpolates between.
using BlendedIntegers = Types<int8_t, uint8_t, int32_t>;

// Integers of what was interpolated between integers: as ONNX and its runtime have it, cut off at the point.
Result<ir::Tensor> cut_off(const ir::Tensor& reals, ir::DType dtype) {
  return dispatch(BlendedIntegers{}, dtype, [&]<typename T>() -> Result<ir::Tensor> {
    std::vector<T> codes;
    for (const float real : reals.data<float>()) {
      const double most = std::numeric_limits<T>::max(), least = std::numeric_limits<T>::min();
      codes.push_back(static_cast<T>(std::clamp<double>(real, least, most)));
    }
    return ir::Tensor::of<T>(reals.dims(), codes);
  });
}

Result<std::vector<ir::Tensor>> resize(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  const auto resampling = resampling_of(node);
  if (!resampling) return resampling.error();
  const auto request = request_of(inputs, resampling->coordinates == Coordinates::tf_crop_and_resize);
  if (!request) return request.error();
  const auto axes = plan(node, x.dims(), *request);
  if (!axes) return axes.error();
  ir::Dims dims;
  for (const ResizeAxis& axis : *axes) dims.push_back(axis.output);
  EDGESMITH_TRY(check_size(x.dtype(), dims));
  if (resampling->filter == Filter::nearest) {
    auto y = resize_nearest(x, *axes, *resampling);
    if (!y) return y.error();
    return std::vector{std::move(*y)};
  }
  const bool integers = is_one_of(x.dtype(), BlendedIntegers{});
  if (!integers && !is_one_of(x.dtype(), FloatTypes{})) return unsupported_dtype(x.dtype());
  ir::Tensor y = integers ? ir::Tensor::of<float>(x.dims(), x.to_floats()) : x;
  for (const size_t d : resize_order(x.dims(), dims)) {
    if ((*axes)[d].identity(resampling->coordinates)) continue;
    auto resized = resample(y, d, (*axes)[d], *resampling);
    if (!resized) return resized.error();
    y = std::move(*resized);
  }
  if (!integers) return std::vector{std::move(y)};
  auto codes = cut_off(y, x.dtype());
  if (!codes) return codes.error();
  return std::vector{std::move(*codes)};
}

// Only x decides about half floats: scales and roi may be f16 beside it.
Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::DType dtype = inputs[0]->dtype();
  if (dtype != ir::DType::f16 && dtype != ir::DType::bf16) return resize(node, inputs);
  return evaluate_half_as_float(resize, node, inputs);
}

QuantFacts quant(const ir::Node& node) {
  if (node.attributes().get_string("mode", "nearest") != "nearest") return {};
  return transparent_one(node);
}

// Axes whose size stays (their scale is 1 then).
std::optional<ChannelRelation> channels(const ir::Node& node, int axis) { return untouched_slices(node, axis, false); }

// The axes as they will be when the node runs. An axis that stays as it is may have any size (here: 1). Errors:
// unsupported when a size that matters is not known.
Result<std::vector<ResizeAxis>> known_axes(const ir::Node& node) {
  const ir::Shape &from = *node.input(0)->type().shape, &to = *node.output().type().shape;
  const bool crops =
      node.attributes().get_string("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize";
  const auto named = axes_of(node, from.size());
  if (!named) return named.error();
  const auto operand = [&](int index) -> const ir::Tensor* {
    const ir::Tensor* tensor = node.input(index) != nullptr ? node.input(index)->constant() : nullptr;
    return tensor != nullptr && tensor->size() > 0 ? tensor : nullptr;
  };
  Request request;
  if (const ir::Tensor* scales = operand(2)) request.scales = scales->to_floats();
  if (const ir::Tensor* roi = operand(1); roi != nullptr && crops) request.roi = roi->to_floats();
  ir::Dims dims;
  for (size_t d = 0; d < from.size(); ++d) dims.push_back(from[d].known() ? from[d].value() : 1);
  for (size_t i = 0; i < named->size(); ++i) {
    const auto d = static_cast<size_t>((*named)[i]);
    const bool stays = request.scales.empty() ? to[d].same_as(from[d]) : request.scales[i] == 1;
    if (!(from[d].known() && to[d].known()) && !stays) {
      return unsupported_error(
          "the size of axis " + std::to_string(d) + " is not known before or after, which its gradient needs",
          "give the input fixed dims");
    }
    if (request.scales.empty()) request.sizes.push_back(to[d].known() ? to[d].value() : 1);
  }
  if (request.scales.empty() && node.attributes().get_string("keep_aspect_ratio_policy", "stretch") != "stretch") {
    const auto sizes = constant_ints(node, 3, "sizes");
    if (!sizes) return sizes.error();
    request.sizes = *sizes;
  }
  if (crops && request.roi.empty())
    return unsupported_error("its operand roi is not constant, which its gradient needs");
  return plan(node, dims, request);
}

// Axis d taken back to its size before: elements are added up where their nearest inputs lie, or mixed with the
// transposed matrix of the filter, [output, input].
Term undo_axis(GradientBuilder& build, ir::Value& x, size_t d, const ResizeAxis& axis, const Resampling& resampling,
               const Term& dy) {
  std::vector<Mix> rows;
  if (resampling.filter == Filter::nearest) {
    const std::vector<int64_t> map = nearest_indices(axis, resampling);
    if (std::none_of(map.begin(), map.end(), [](int64_t index) { return index < 0; })) {
      ir::Value& size = build.size_of(x, static_cast<int>(d));
      return {&build,
              &build.append(ir::OpKind::gather_gradient, {dy.value, &build.ints(map), &size},
                            {{"axis", static_cast<int64_t>(d)}}),
              dy.dtype};
    }
    for (const int64_t index : map) rows.push_back(index < 0 ? Mix{} : Mix{{index}, {1}});
  } else {
    rows = mixes(axis, resampling);
  }
  std::vector<double> matrix(static_cast<size_t>(axis.output * axis.input));
  for (size_t o = 0; o < rows.size(); ++o) {
    for (size_t i = 0; i < rows[o].indices.size(); ++i) {
      matrix[o * static_cast<size_t>(axis.input) + static_cast<size_t>(rows[o].indices[i])] += rows[o].weights[i];
    }
  }
  const Term filter = build.constant({axis.output, axis.input}, matrix, dy.dtype);
  // The axis last, and back.
  ir::Ints perm(x.type().shape->size());
  std::iota(perm.begin(), perm.end(), 0);
  std::swap(perm[d], perm.back());
  ir::Value& last = build.append(ir::OpKind::transpose, {dy.value}, {{"perm", perm}});
  const Term mixed = apply(ir::OpKind::mat_mul, build.term(last, dy.dtype), filter);
  return {&build, &build.append(ir::OpKind::transpose, {mixed.value}, {{"perm", perm}}), dy.dtype};
}

// Resizing is linear along every axis; the axes are undone one by one.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  ir::Value& x = *node.input(0);
  const auto axes = known_axes(node);
  if (!axes) return axes.error();
  const auto resampling = resampling_of(node);
  if (!resampling) return resampling.error();
  Term dx = build.term(*outputs[0], x.type().dtype);
  for (size_t d = 0; d < axes->size(); ++d) {
    if (!(*axes)[d].identity(resampling->coordinates)) dx = undo_axis(build, x, d, (*axes)[d], *resampling, dx);
  }
  return std::vector{dx.value};
}

Result<std::vector<AxisMixes>> axis_mixes(const ir::Node& node, const ir::Dims& input, const ir::Dims& output) {
  const auto resampling = resampling_of(node);
  if (!resampling) return resampling.error();
  if (resampling->coordinates == Coordinates::tf_crop_and_resize) return unsupported_error("a roi");
  const auto axes = axes_of(node, input.size());
  if (!axes) return axes.error();
  Request request;
  const ir::Value *scales = node.input(2), *sizes = node.input(3);
  if (scales != nullptr) {
    if (scales->constant() == nullptr) return unsupported_error("scales are not constant");
    request.scales = scales->constant()->to_floats();
  }
  if (sizes != nullptr && request.scales.empty()) {
    const std::string policy = node.attributes().get_string("keep_aspect_ratio_policy", "stretch");
    if (sizes->constant() != nullptr) {
      request.sizes = sizes->constant()->to_int64s();
    } else if (policy != "stretch") {
      return unsupported_error("sizes are not constant");
    } else {
      for (const int axis : *axes) request.sizes.push_back(output[static_cast<size_t>(axis)]);
    }
  }
  const auto planned = plan(node, input, request);
  if (!planned) return planned.error();
  std::vector<AxisMixes> out(input.size());
  for (size_t d = 0; d < input.size(); ++d) {
    const ResizeAxis& axis = (*planned)[d];
    if (d >= output.size() || axis.output != output[d]) return invalid_error("the result has other dims");
    if (axis.identity(resampling->coordinates)) continue;
    out[d].begins = {0};
    if (resampling->filter == Filter::nearest) {
      out[d].indices = nearest_indices(axis, *resampling);
      out[d].weights.resize(out[d].indices.size(), 1);
      for (size_t o = 1; o <= out[d].indices.size(); ++o) out[d].begins.push_back(static_cast<int64_t>(o));
      continue;
    }
    for (const Mix& mix : mixes(axis, *resampling)) {
      out[d].indices.insert(out[d].indices.end(), mix.indices.begin(), mix.indices.end());
      out[d].weights.insert(out[d].weights.end(), mix.weights.begin(), mix.weights.end());
      if (mix.indices.empty()) return unsupported_error("an output without inputs");
      out[d].begins.push_back(static_cast<int64_t>(out[d].indices.size()));
    }
  }
  return out;
}

}  // namespace

extern const OpInfo resize_info = {.kind = ir::OpKind::resize,
                                   .min_inputs = 1,
                                   .max_inputs = 4,
                                   .min_outputs = 1,
                                   .max_outputs = 1,
                                   .verify = verify,
                                   .infer = infer,
                                   .eval = eval,
                                   .cost = nullptr,
                                   .quant = quant,
                                   .channels = channels,
                                   .gradient = gradient};

}  // namespace edgesmith::ops::resize_op

namespace edgesmith::ops {

std::vector<size_t> resize_order(const ir::Dims& input, const ir::Dims& output) {
  std::vector<size_t> order;
  for (size_t d = 0; d < input.size(); ++d) {
    if (output[d] <= input[d]) order.push_back(d);
  }
  for (size_t d = input.size(); d-- > 0;) {
    if (output[d] > input[d]) order.push_back(d);
  }
  return order;
}

Result<std::vector<AxisMixes>> resize_mixes(const ir::Node& node, const ir::Dims& input, const ir::Dims& output) {
  return resize_op::axis_mixes(node, input, output);
}

}  // namespace edgesmith::ops
