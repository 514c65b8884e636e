// SPDX-License-Identifier: Apache-2.0
// Upsample (opset 7: scales as attribute, 9: as input, gone from 10 on) and Resize (10: X, scales; 11: X, roi, scales,
// sizes and modes; 13: the last three optional; 18: axes, antialias; 19: half_pixel_symmetric).
//
// Upsample and Resize-10 sample at x_out / scale: asymmetric coordinates, rounded down, or up where ONNX Runtime does
// so (when it shrinks).
#include <algorithm>

#include "onnx/forms/forms.h"

namespace edgesmith::onnx::forms {
namespace {

const ir::Tensor* constant_of(const ir::Value* value) { return value != nullptr ? value->constant() : nullptr; }

struct Factors {
  bool grow = false, shrink = false;
};
/// Scales that are not constant are taken to grow (Upsample knows no other).
Factors factors_of(const ir::Tensor* scales) {
  if (scales == nullptr) return {true, false};
  Factors factors;
  for (float scale : scales->to_floats()) {
    factors.grow |= scale > 1;
    factors.shrink |= scale < 1;
  }
  return factors;
}

/// Sets the modes that an old node implies. `scales` may be null when they are not constant.
Reason set_old_modes(RaisedNode& node, const ir::Tensor* scales) {
  node.attributes.set("coordinate_transformation_mode", std::string("asymmetric"));
  if (node.attributes.get_string("mode", "nearest") != "nearest") return {};
  const Factors factors = factors_of(scales);
  if (factors.grow && factors.shrink) return "nearest in one axis up and in another down";
  node.attributes.set("nearest_mode", std::string(factors.shrink ? "ceil" : "floor"));
  return {};
}

/// The form of 10 and before: asymmetric, rounding down (or up where all scales shrink), from scales alone.
bool is_old_form(const ir::Node& node) {
  const ir::Attributes& a = node.attributes();
  const ir::Tensor* scales = constant_of(node.input(2));
  if (node.input(1) != nullptr || node.input(2) == nullptr || node.input(3) != nullptr) return false;
  if (a.get_string("coordinate_transformation_mode", "half_pixel") != "asymmetric") return false;
  if (a.get_int("exclude_outside", 0) != 0 || a.get_int("antialias", 0) != 0 || a.has("axes")) return false;
  const std::string mode = a.get_string("mode", "nearest");
  if (mode != "nearest") return mode == "linear";
  const Factors factors = factors_of(scales);
  const bool same_rounding = a.get_string("nearest_mode", "round_prefer_floor") == (factors.shrink ? "ceil" : "floor");
  return same_rounding && !(factors.grow && factors.shrink);
}

}  // namespace

Reason raise_upsample(RaisedNode& node, RaiseContext& context) {
  if (context.opset() >= 10) return "Upsample is gone from opset 10 on";
  node.op = "Resize";
  if (context.opset() < 9) {
    const ir::Floats scales = node.attributes.get_floats("scales");
    node.attributes.erase("scales");
    node.set_input(1, context.constant(ir::Tensor::of<float>({static_cast<int64_t>(scales.size())}, scales)));
  }
  node.inputs = {node.input(0), nullptr, node.input(1)};
  return set_old_modes(node, constant_of(node.inputs[2]));
}

Reason raise_resize(RaisedNode& node, RaiseContext& context) {
  if (context.opset() == 10) {
    node.inputs = {node.input(0), nullptr, node.input(1)};
    return set_old_modes(node, constant_of(node.inputs[2]));
  }
  // An empty roi or list of scales stands for an absent one.
  for (size_t index : {size_t{1}, size_t{2}, size_t{3}}) {
    const ir::Tensor* tensor = constant_of(node.input(index));
    if (tensor != nullptr && tensor->size() == 0) node.set_input(index, nullptr);
  }
  // roi means something to tf_crop_and_resize only.
  if (node.attributes.get_string("coordinate_transformation_mode", "half_pixel") != "tf_crop_and_resize" &&
      node.input(1) != nullptr) {
    node.set_input(1, nullptr);
  }
  return {};
}

int needs_resize(const ir::Node& node) {
  const ir::Attributes& a = node.attributes();
  if (a.get_string("coordinate_transformation_mode", "half_pixel") == "half_pixel_symmetric") return 19;
  if (a.get_int("antialias", 0) != 0 || a.has("axes") || a.has("keep_aspect_ratio_policy")) return 18;
  if (!is_old_form(node)) return 11;
  const ir::Tensor* scales = constant_of(node.input(2));
  if (factors_of(scales).shrink) return 10;
  return scales != nullptr ? 7 : 9;
}

void lower_resize(const ir::Node& node, LoweredNode& out, LowerContext& context) {
  const int64_t opset = context.opset();
  if (opset < 18) out.attributes.erase("antialias");
  if (opset >= 13) return;
  if (opset >= 11) {
    // Here roi and scales are required, and may be empty.
    out.inputs.resize(std::max<size_t>(out.inputs.size(), 3));
    const ir::Tensor empty = ir::Tensor::of<float>({0}, std::vector<float>{});
    if (out.inputs[1].empty()) out.inputs[1] = context.constant(empty);
    if (out.inputs[2].empty()) out.inputs[2] = context.constant(empty);
    return;
  }
  const std::string mode = node.attributes().get_string("mode", "nearest");
  out.attributes = {};
  out.attributes.set("mode", mode);
  out.inputs = {out.inputs[0], out.inputs[2]};
  if (opset == 10) return;
  out.op = "Upsample";
  if (opset == 9) return;
  out.drop_inputs_from(1);
  out.attributes.set("scales", constant_of(node.input(2))->to_floats());
}

}  // namespace edgesmith::onnx::forms
