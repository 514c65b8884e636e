// SPDX-License-Identifier: Apache-2.0
#include "ops/convolution.h"

#include <limits>
#include <string>

#include "ops/check.h"

namespace edgesmith::ops {
namespace {

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

ir::Dims spatial_dims(const ir::Dims& dims) { return ir::Dims(dims.begin() + 2, dims.end()); }

}  // namespace edgesmith::ops
