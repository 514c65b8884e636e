// SPDX-License-Identifier: Apache-2.0
#include "ops/convolution.h"

#include <limits>
#include <string>

#include "ops/check.h"
#include "ops/gradient_rules.h"

namespace edgesmith::ops {
namespace {

// Larger than any padded kernel, so that a window fits.
constexpr int64_t kMadeUpSize = int64_t{1} << 30;

std::string number(int64_t value) { return std::to_string(value); }

// The rules that hold for known dims, and for dims of running tensors; unknown dims agree with everything.
Status check_shapes(const ir::Node& node, const ir::Shape& x, const ir::Shape& weight, const ir::Shape* bias,
                    WeightLayout layout) {
  if (x.size() < 3 || weight.size() != x.size()) {
    return invalid_error("input has rank " + std::to_string(x.size()) + " and weight has rank " +
                         std::to_string(weight.size()) + ", both must be the same and at least 3");
  }
  const int64_t group = node.attributes().get_int("group", 1);
  if (group < 1) return invalid_error("group is " + number(group) + ", must be at least 1");
  const ir::Dim &in = layout == WeightLayout::out_in ? weight[1] : weight[0], &channels = x[1];
  if (weight[0].known() && weight[0].value() % group != 0) {
    return invalid_error("weight has " + number(weight[0].value()) + " channels, not a multiple of group " +
                         number(group));
  }
  const int64_t groups_of_in = layout == WeightLayout::out_in ? group : 1;
  if (in.known() && channels.known() &&
      (channels.value() % groups_of_in != 0 || channels.value() / groups_of_in != in.value())) {
    return invalid_error("input has " + number(channels.value()) + " channels, the weight fits " + number(in.value()) +
                         " times group " + number(groups_of_in));
  }
  for (size_t d = 2; d < weight.size(); ++d) {
    if (weight[d].known() && weight[d].value() == 0) return invalid_error("weight has an empty kernel");
  }
  const ir::Ints kernel = node.attributes().get_ints("kernel_shape");
  for (size_t i = 0; i < kernel.size() && i + 2 < weight.size(); ++i) {
    if (!weight[i + 2].known() || weight[i + 2].value() == kernel[i]) continue;
    return invalid_error("kernel_shape says " + number(kernel[i]) + " along spatial axis " + std::to_string(i) +
                         ", the weight has " + number(weight[i + 2].value()));
  }
  if (bias == nullptr) return {};
  if (bias->size() != 1) return invalid_error("bias has rank " + std::to_string(bias->size()) + ", must be 1");
  const ir::Dim& out = layout == WeightLayout::out_in ? weight[0] : weight[1];
  const int64_t groups_of_out = layout == WeightLayout::out_in ? 1 : group;
  if (out.known() && bias->front().known() &&
      (bias->front().value() % groups_of_out != 0 || bias->front().value() / groups_of_out != out.value())) {
    return invalid_error("bias has " + number(bias->front().value()) + " elements for " + number(out.value()) +
                         " times " + number(groups_of_out) + " output channels");
  }
  return {};
}

}  // namespace

Status verify_convolution(const ir::Node& node, WeightLayout layout) {
  using enum AttributeKind;
  if (layout == WeightLayout::out_in) {
    EDGESMITH_TRY(check_attributes(node, {{"auto_pad", text},
                                          {"dilations", integers},
                                          {"group", integer},
                                          {"kernel_shape", integers},
                                          {"pads", integers},
                                          {"strides", integers}}));
  } else {
    EDGESMITH_TRY(check_attributes(node, {{"auto_pad", text},
                                          {"dilations", integers},
                                          {"group", integer},
                                          {"kernel_shape", integers},
                                          {"output_padding", integers},
                                          {"output_shape", integers},
                                          {"pads", integers},
                                          {"strides", integers}}));
  }
  EDGESMITH_TRY(check_same_dtype(node, {0, 1, 2}));
  const auto& x = node.input(0)->type().shape;
  const auto& weight = node.input(1)->type().shape;
  const bool ranked = x || weight;
  EDGESMITH_TRY(check_window(node, ranked ? static_cast<int>(x ? x->size() : weight->size()) - 2 : -1));
  const int64_t group = node.attributes().get_int("group", 1);
  if (group < 1) return invalid_error("group is " + number(group) + ", must be at least 1");
  if (!x || !weight) return {};
  const ir::Value* bias = node.input(2);
  return check_shapes(node, *x, *weight, bias != nullptr && bias->type().shape ? &*bias->type().shape : nullptr,
                      layout);
}

Status check_convolution(const ir::Node& node, const ir::Tensor& x, const ir::Tensor& weight, const ir::Tensor* bias,
                         WeightLayout layout) {
  for (const ir::Tensor* other : {&weight, bias}) {
    if (other == nullptr || other->dtype() == x.dtype()) continue;
    return invalid_error("operands have types " + x.type().text() + " and " + other->type().text() +
                         ", their element types must be the same");
  }
  const ir::Shape bias_shape = bias != nullptr ? ir::to_shape(bias->dims()) : ir::Shape{};
  return check_shapes(node, ir::to_shape(x.dims()), ir::to_shape(weight.dims()),
                      bias != nullptr ? &bias_shape : nullptr, layout);
}

Result<std::vector<ir::Type>> infer_convolution(const ir::Node& node, WeightLayout layout, InferWindow infer_spatial) {
  const ir::Type &x = node.input(0)->type(), &weight = node.input(1)->type();
  ir::Type output{x.dtype, std::nullopt};
  if (!x.shape && !weight.shape) return std::vector{output};
  const size_t rank = x.shape ? x.shape->size() : weight.shape->size();
  if (rank < 3) return invalid_error("operands have rank " + std::to_string(rank) + ", must be at least 3");
  if (weight.shape && weight.shape->size() != rank) {
    return invalid_error("input has rank " + std::to_string(rank) + " and weight has rank " +
                         std::to_string(weight.shape->size()) + ", must be equal");
  }
  const ir::Shape input = x.shape ? *x.shape : ir::Shape(rank);
  ir::Shape kernel(rank - 2);
  const ir::Ints stated = node.attributes().get_ints("kernel_shape");
  for (size_t i = 0; i + 2 < rank; ++i) {
    if (weight.shape && i + 2 < weight.shape->size()) {
      kernel[i] = (*weight.shape)[i + 2];
    } else if (i < stated.size()) {
      kernel[i] = ir::Dim(stated[i]);
    }
  }
  auto spatial = infer_spatial(node, ir::Shape(input.begin() + 2, input.end()), kernel);
  if (!spatial) return spatial.error();
  ir::Dim channels;
  if (weight.shape && layout == WeightLayout::out_in) channels = weight.shape->front();
  if (weight.shape && layout == WeightLayout::in_out && (*weight.shape)[1].known()) {
    int64_t out = 0;
    const int64_t group = node.attributes().get_int("group", 1);
    if (!__builtin_mul_overflow((*weight.shape)[1].value(), group, &out)) channels = ir::Dim(out);
  }
  output.shape = ir::Shape{input[0], channels};
  output.shape->insert(output.shape->end(), spatial->begin(), spatial->end());
  return std::vector{output};
}

int64_t known_elements(const ir::Type& type) {
  int64_t product = 1;
  if (!type.shape) return product;
  for (const ir::Dim& dim : *type.shape) {
    if (!dim.known()) continue;
    if (__builtin_mul_overflow(product, dim.value(), &product)) return std::numeric_limits<int64_t>::max();
  }
  return product;
}

Cost convolution_cost(const ir::Node& node, const ir::Type& positions) {
  Cost cost;
  if (!positions.shape || positions.shape->size() < 3) return cost;
  const ir::Type spatial{positions.dtype, ir::Shape(positions.shape->begin() + 2, positions.shape->end())};
  const int64_t batch = positions.shape->front().known() ? positions.shape->front().value() : 1;
  if (__builtin_mul_overflow(known_elements(node.input(1)->type()), known_elements(spatial), &cost.macs) ||
      __builtin_mul_overflow(cost.macs, batch, &cost.macs)) {
    cost.macs = std::numeric_limits<int64_t>::max();
  }
  return cost;
}

Result<ir::Ints> gradient_pads(const ir::Node& node, WeightLayout layout) {
  const ir::Shape &x = *node.input(0)->type().shape, &weight = *node.input(1)->type().shape;
  const size_t rank = x.size() - 2;
  const bool transposed = layout == WeightLayout::in_out;
  const std::string mode = node.attributes().get_string("auto_pad", "NOTSET");
  const bool same = mode == "SAME_UPPER" || mode == "SAME_LOWER";
  const ir::Ints strides = node.attributes().get_ints("strides", ir::Ints(rank, 1));
  // Pads that are given, or the same for every size, come out of a size that is made up.
  ir::Dims input, kernel;
  for (size_t axis = 0; axis < rank; ++axis) {
    if (!weight[axis + 2].known()) {
      return unsupported_error("the size of its kernel is not known, which its gradient needs");
    }
    const bool depends = node.attributes().has("output_shape") || (same && !transposed && strides[axis] != 1);
    if (!x[axis + 2].known() && depends) {
      return unsupported_error("its padding depends on the size of spatial axis " + std::to_string(axis) +
                                   ", which is not known, and its gradient on the padding",
                               "give the input fixed dims");
    }
    kernel.push_back(weight[axis + 2].value());
    input.push_back(x[axis + 2].known() ? x[axis + 2].value() : kMadeUpSize);
  }
  const auto window = transposed ? resolve_transposed_window(node, input, kernel) : resolve_window(node, input, kernel);
  if (!window) return window.error();
  ir::Ints pads = window->pads_begin;
  pads.insert(pads.end(), window->pads_end.begin(), window->pads_end.end());
  return pads;
}

ir::Value* bias_gradient(GradientBuilder& build, const ir::Node& node, ir::Value& dy) {
  const ir::Type& type = node.output().type();
  return sum_over_channel(build.term(dy, type.dtype), type.rank()).value;
}

ir::Value* weight_gradient(GradientBuilder& build, const ir::Node& node, const ir::Ints& pads, ir::Value& image,
                           ir::Value& positions) {
  const ir::Shape& weight = *node.input(1)->type().shape;
  ir::Ints kernel, begins = pads;
  for (size_t d = 2; d < weight.size(); ++d) kernel.push_back(weight[d].value());
  for (size_t i = pads.size() / 2; i < pads.size(); ++i) begins[i] = 0;
  ir::Node& made = build.append_node(ir::OpKind::conv_weight_gradient, {&image, &positions}, 1,
                                     {{"kernel_shape", kernel}, {"pads", begins}});
  for (const char* name : {"dilations", "group", "strides"}) {
    if (const ir::Attribute* value = node.attributes().find(name)) made.attributes().set(name, *value);
  }
  return &made.output();
}

Term crop_like(const Term& term, const std::vector<int>& axes, ir::Value& target) {
  Term cropped = term;
  for (const int axis : axes) {
    ir::Value& size = term.build->size_of(target, axis);
    cropped.value = &term.build->append(ir::OpKind::slice,
                                        {cropped.value, &term.build->ints({0}), &size, &term.build->ints({axis})});
  }
  return cropped;
}

ir::Dims spatial_dims(const ir::Dims& dims) { return ir::Dims(dims.begin() + 2, dims.end()); }

}  // namespace edgesmith::ops
