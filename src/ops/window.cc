// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/ops/window.h"

#include <algorithm>
#include <limits>
#include <string>

namespace edgesmith::ops {
namespace {

// Far above any real window or image, far below where the arithmetic of this file could overflow.
constexpr int64_t kMaxAttribute = std::numeric_limits<int32_t>::max();
constexpr int64_t kMaxDim = int64_t{1} << 31;

enum class AutoPad { notset, same_upper, same_lower, valid };

std::optional<AutoPad> auto_pad_of(const ir::Node& node) {
  const std::string text = node.attributes().get_string("auto_pad", "NOTSET");
  if (text == "NOTSET" || text.empty()) return AutoPad::notset;
  if (text == "SAME_UPPER") return AutoPad::same_upper;
  if (text == "SAME_LOWER") return AutoPad::same_lower;
  if (text == "VALID") return AutoPad::valid;
  return std::nullopt;
}

// The attributes with their defaults for `rank` spatial axes.
struct Settings {
  ir::Dims strides, dilations, pads, output_padding, output_shape;
  AutoPad auto_pad = AutoPad::notset;
  bool ceil_mode = false;
};

Result<Settings> settings_of(const ir::Node& node, size_t rank) {
  EDGESMITH_TRY(check_window(node, static_cast<int>(rank)));
  const ir::Attributes& attributes = node.attributes();
  Settings settings;
  settings.strides = attributes.get_ints("strides", ir::Dims(rank, 1));
  settings.dilations = attributes.get_ints("dilations", ir::Dims(rank, 1));
  settings.pads = attributes.get_ints("pads", ir::Dims(2 * rank, 0));
  settings.output_padding = attributes.get_ints("output_padding", ir::Dims(rank, 0));
  settings.output_shape = attributes.get_ints("output_shape");
  settings.auto_pad = *auto_pad_of(node);
  settings.ceil_mode = attributes.get_int("ceil_mode", 0) != 0;
  return settings;
}

// What the window comes to along one axis.
struct Axis {
  int64_t pad_begin = 0, pad_end = 0, output = 0;
};

std::string axis_text(size_t axis) { return "spatial axis " + std::to_string(axis) + ": "; }

Status check_dims(size_t axis, int64_t input, int64_t kernel) {
  if (input >= 0 && input <= kMaxDim && kernel >= 1 && kernel <= kMaxDim) return {};
  return invalid_error(axis_text(axis) + "a window of " + std::to_string(kernel) + " over " + std::to_string(input) +
                       " elements is not possible");
}

Result<Axis> resolve_axis(const Settings& settings, size_t axis, size_t rank, int64_t input, int64_t kernel) {
  EDGESMITH_TRY(check_dims(axis, input, kernel));
  const int64_t stride = settings.strides[axis];
  const int64_t extent = (kernel - 1) * settings.dilations[axis] + 1;
  Axis result;
  if (settings.auto_pad == AutoPad::same_upper || settings.auto_pad == AutoPad::same_lower) {
    result.output = (input + stride - 1) / stride;
    const int64_t total = std::max<int64_t>(0, (result.output - 1) * stride + extent - input);
    result.pad_begin = settings.auto_pad == AutoPad::same_upper ? total / 2 : total - total / 2;
    result.pad_end = total - result.pad_begin;
    return result;
  }
  if (settings.auto_pad == AutoPad::notset) {
    result.pad_begin = settings.pads[axis];
    result.pad_end = settings.pads[rank + axis];
  }
  const int64_t room = input + result.pad_begin + result.pad_end - extent;
  if (room < 0) {
    if (input == 0) return result;
    return invalid_error(axis_text(axis) + "a window of " + std::to_string(extent) + " does not fit into " +
                         std::to_string(input) + " elements and pads of " + std::to_string(result.pad_begin) + " and " +
                         std::to_string(result.pad_end));
  }
  result.output = room / stride + 1;
  if (settings.ceil_mode && room % stride != 0) {
    ++result.output;
    // The last window must start on the input or in front of it, not in the padding behind.
    if ((result.output - 1) * stride >= input + result.pad_begin) --result.output;
  }
  return result;
}

Result<Axis> resolve_transposed_axis(const Settings& settings, size_t axis, size_t rank, int64_t input,
                                     int64_t kernel) {
  EDGESMITH_TRY(check_dims(axis, input, kernel));
  const int64_t stride = settings.strides[axis];
  const int64_t extent = (kernel - 1) * settings.dilations[axis] + 1;
  const int64_t full = input == 0 ? 0 : (input - 1) * stride + extent + settings.output_padding[axis];
  const bool same = settings.auto_pad == AutoPad::same_upper || settings.auto_pad == AutoPad::same_lower;
  Axis result;
  if (!settings.output_shape.empty() || same) {
    const int64_t wanted = settings.output_shape.empty() ? input * stride : settings.output_shape[axis];
    const int64_t total = std::max<int64_t>(0, full - wanted);
    result.pad_begin = settings.auto_pad == AutoPad::same_upper ? total / 2 : total - total / 2;
    // Where less is reached than output_shape wants, the rest of the output stays empty.
    result.pad_end = settings.output_shape.empty() ? total - result.pad_begin : full - result.pad_begin - wanted;
  } else if (settings.auto_pad == AutoPad::notset) {
    result.pad_begin = settings.pads[axis];
    result.pad_end = settings.pads[rank + axis];
  }
  result.output = full - result.pad_begin - result.pad_end;
  if (result.output < 0) {
    if (input != 0) return invalid_error(axis_text(axis) + "pads cut away more than the whole output");
    result.output = 0;
  }
  return result;
}

using ResolveAxis = Result<Axis> (*)(const Settings&, size_t axis, size_t rank, int64_t input, int64_t kernel);

Result<Window> resolve(const ir::Node& node, const ir::Dims& input, const ir::Dims& kernel, ResolveAxis resolve_one) {
  if (input.size() != kernel.size()) {
    return invalid_error("a window with " + std::to_string(kernel.size()) + " axes over " +
                         std::to_string(input.size()) + " spatial axes");
  }
  const auto settings = settings_of(node, input.size());
  if (!settings) return settings.error();
  Window window{input, kernel, settings->strides, settings->dilations, {}, {}, {}};
  for (size_t axis = 0; axis < input.size(); ++axis) {
    const auto resolved = resolve_one(*settings, axis, input.size(), input[axis], kernel[axis]);
    if (!resolved) return resolved.error();
    window.pads_begin.push_back(resolved->pad_begin);
    window.pads_end.push_back(resolved->pad_end);
    window.output.push_back(resolved->output);
  }
  return window;
}

Result<ir::Shape> infer(const ir::Node& node, const ir::Shape& input, const ir::Shape& kernel, ResolveAxis resolve_one,
                        bool transposed) {
  if (input.size() != kernel.size()) {
    return invalid_error("a window with " + std::to_string(kernel.size()) + " axes over " +
                         std::to_string(input.size()) + " spatial axes");
  }
  const auto settings = settings_of(node, input.size());
  if (!settings) return settings.error();
  ir::Shape output(input.size());
  for (size_t axis = 0; axis < input.size(); ++axis) {
    if (input[axis].known() && kernel[axis].known()) {
      const auto resolved = resolve_one(*settings, axis, input.size(), input[axis].value(), kernel[axis].value());
      if (!resolved) return resolved.error();
      output[axis] = ir::Dim(resolved->output);
      continue;
    }
    if (transposed && !settings->output_shape.empty()) {
      output[axis] = ir::Dim(settings->output_shape[axis]);
      continue;
    }
    if (settings->strides[axis] != 1) continue;
    // Stride 1: does a probe keep its size? Then every size is kept, symbols too.
    const bool same = settings->auto_pad == AutoPad::same_upper || settings->auto_pad == AutoPad::same_lower;
    if (!same && !kernel[axis].known()) continue;
    const int64_t size = kernel[axis].known() ? kernel[axis].value() : 1;
    if (size > (kMaxDim - 1) / settings->dilations[axis]) continue;
    const int64_t probe = size * settings->dilations[axis] + 1;
    const auto resolved = resolve_one(*settings, axis, input.size(), probe, size);
    if (resolved && resolved->output == probe) output[axis] = input[axis];
  }
  return output;
}

// One list attribute: its length (when `length` is not negative) and the range of its numbers.
Status check_list(const ir::Node& node, const char* name, int64_t length, int64_t least) {
  if (!node.attributes().has(name)) return {};
  const ir::Ints numbers = node.attributes().get_ints(name);
  if (length >= 0 && static_cast<int64_t>(numbers.size()) != length) {
    return invalid_error("attribute '" + std::string(name) + "' has " + std::to_string(numbers.size()) +
                         " numbers, must have " + std::to_string(length));
  }
  for (int64_t number : numbers) {
    if (number >= least && number <= kMaxAttribute) continue;
    return invalid_error("attribute '" + std::string(name) + "' contains " + std::to_string(number) +
                         ", must be at least " + std::to_string(least) + " and at most " +
                         std::to_string(kMaxAttribute));
  }
  return {};
}

}  // namespace

Status check_window(const ir::Node& node, int spatial_rank) {
  if (!auto_pad_of(node)) {
    return invalid_error("auto_pad is '" + node.attributes().get_string("auto_pad", "") + "'",
                         "it must be NOTSET, SAME_UPPER, SAME_LOWER or VALID");
  }
  int64_t rank = spatial_rank;
  for (const char* name : {"kernel_shape", "strides", "dilations", "output_padding"}) {
    if (rank < 0 && node.attributes().has(name)) {
      rank = static_cast<int64_t>(node.attributes().get_ints(name).size());
    }
  }
  for (const char* name : {"kernel_shape", "strides", "dilations"}) EDGESMITH_TRY(check_list(node, name, rank, 1));
  EDGESMITH_TRY(check_list(node, "output_padding", rank, 0));
  EDGESMITH_TRY(check_list(node, "output_shape", rank, 1));
  return check_list(node, "pads", rank < 0 ? -1 : 2 * rank, 0);
}

Result<Window> resolve_window(const ir::Node& node, const ir::Dims& input, const ir::Dims& kernel) {
  return resolve(node, input, kernel, resolve_axis);
}

Result<Window> resolve_transposed_window(const ir::Node& node, const ir::Dims& input, const ir::Dims& kernel) {
  return resolve(node, input, kernel, resolve_transposed_axis);
}

Result<ir::Shape> infer_window(const ir::Node& node, const ir::Shape& input, const ir::Shape& kernel) {
  return infer(node, input, kernel, resolve_axis, false);
}

Result<ir::Shape> infer_transposed_window(const ir::Node& node, const ir::Shape& input, const ir::Shape& kernel) {
  return infer(node, input, kernel, resolve_transposed_axis, true);
}

}  // namespace edgesmith::ops
