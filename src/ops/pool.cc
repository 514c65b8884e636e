// SPDX-License-Identifier: Apache-2.0
#include "ops/pool.h"

#include <string>

namespace edgesmith::ops {
namespace {

constexpr AttributeRule kWindowRules[] = {
    {"auto_pad", AttributeKind::text},      {"ceil_mode", AttributeKind::integer},
    {"dilations", AttributeKind::integers}, {"kernel_shape", AttributeKind::integers},
    {"pads", AttributeKind::integers},      {"strides", AttributeKind::integers}};

// Attributes are the window's or one of `extra`.
Status check_pool_attributes(const ir::Node& node, std::initializer_list<AttributeRule> extra) {
  for (const auto& [name, value] : node.attributes()) {
    const auto named = [&name = name](const AttributeRule& rule) { return rule.name == name; };
    const AttributeRule* rule = std::find_if(std::begin(kWindowRules), std::end(kWindowRules), named);
    if (rule == std::end(kWindowRules)) rule = std::find_if(extra.begin(), extra.end(), named);
    if (rule == extra.end()) return unsupported_error("attribute '" + name + "' is not known for this operator");
    if (value.index() != static_cast<size_t>(rule->kind)) {
      return invalid_error("attribute '" + name + "' is of the wrong kind");
    }
  }
  return {};
}

}  // namespace

Status verify_pool(const ir::Node& node, std::initializer_list<AttributeRule> extra) {
  EDGESMITH_TRY(check_pool_attributes(node, extra));
  EDGESMITH_TRY(check_flag(node, "ceil_mode"));
  const ir::Ints kernel = node.attributes().get_ints("kernel_shape");
  if (kernel.empty()) return invalid_error("attribute 'kernel_shape' is missing or empty");
  const int rank = static_cast<int>(kernel.size());
  EDGESMITH_TRY(check_window(node, rank));
  const auto& x = node.input(0)->type().shape;
  if (!x || static_cast<int>(x->size()) == rank + 2) return {};
  return invalid_error("input has rank " + std::to_string(x->size()) + ", kernel_shape needs rank " +
                       std::to_string(rank + 2));
}

Result<std::vector<ir::Type>> infer_pool(const ir::Node& node, InferContext&) {
  const ir::Type& x = node.input(0)->type();
  ir::Type pooled{x.dtype, std::nullopt};
  if (x.shape) {
    const ir::Ints kernel = node.attributes().get_ints("kernel_shape");
    auto spatial = infer_window(node, ir::Shape(x.shape->begin() + 2, x.shape->end()), ir::to_shape(kernel));
    if (!spatial) return spatial.error();
    pooled.shape = ir::Shape{(*x.shape)[0], (*x.shape)[1]};
    pooled.shape->insert(pooled.shape->end(), spatial->begin(), spatial->end());
  }
  std::vector<ir::Type> types = {pooled};
  pooled.dtype = ir::DType::i64;
  for (int i = 1; i < node.num_outputs(); ++i) types.push_back(pooled);
  return types;
}

Result<Window> pool_window(const ir::Node& node, const ir::Tensor& x) {
  if (x.rank() < 3) return invalid_error("input has rank " + std::to_string(x.rank()) + ", must be at least 3");
  const ir::Dims spatial(x.dims().begin() + 2, x.dims().end());
  auto window = resolve_window(node, spatial, node.attributes().get_ints("kernel_shape"));
  if (!window) return window;
  // find_taps lists the taps one by one.
  if (Status status = check_size(ir::DType::i64, window->kernel); !status.ok()) return status.error();
  return window;
}

Status check_global_pool(const ir::Dims& dims) {
  if (dims.size() >= 3) return {};
  return invalid_error("input has rank " + std::to_string(dims.size()) + ", must be at least 3");
}

Status verify_global_pool(const ir::Node& node, std::initializer_list<AttributeRule> attributes) {
  EDGESMITH_TRY(check_attributes(node, attributes));
  const auto& x = node.input(0)->type().shape;
  return x ? check_global_pool(ir::Dims(x->size(), 1)) : Status{};
}

Result<std::vector<ir::Type>> infer_global_pool(const ir::Node& node, InferContext&) {
  ir::Type type = node.input(0)->type();
  for (size_t d = 2; type.shape && d < type.shape->size(); ++d) (*type.shape)[d] = ir::Dim(1);
  return std::vector{type};
}

Window global_window(const ir::Tensor& x) {
  const ir::Dims spatial(x.dims().begin() + 2, x.dims().end());
  const ir::Dims ones(spatial.size(), 1), zeros(spatial.size(), 0);
  return {spatial, spatial, ones, ones, zeros, zeros, ones};
}

ir::Ints spatial_axes(const ir::Value& x) {
  ir::Ints axes;
  for (int d = 2; d < x.type().rank(); ++d) axes.push_back(d);
  return axes;
}

Term lp_norm_share(const Term& x, int64_t p) {
  if (p == 2) return x;
  const Term sign = apply(ir::OpKind::sign, x);
  return p == 1 ? sign : sign * power(apply(ir::OpKind::abs, x), static_cast<double>(p - 1));
}

Term lp_norm_slope(const Term& dy, const Term& y, int64_t p) {
  if (p == 1) return dy;
  return where(equal(y, 0), y, dy / power(y, static_cast<double>(p - 1)));
}

ir::Dims pooled_dims(const ir::Tensor& x, const Window& window) {
  ir::Dims dims = {x.dims()[0], x.dims()[1]};
  dims.insert(dims.end(), window.output.begin(), window.output.end());
  return dims;
}

Status check_pooled(const ir::Tensor& dy, const ir::Dims& dims, ir::DType dtype) {
  if (dy.dims() == dims && dy.dtype() == dtype) return {};
  return invalid_error("the gradient is " + dy.type().text() + ", the result is " + ir::type_of(dtype, dims).text());
}

void find_taps(const Window& window, int64_t output, Taps& taps) {
  taps.positions.assign(1, 0);
  taps.padded_count = 1;
  int64_t scale = 1;
  std::vector<int64_t> longer;
  // From the last axis to the first: the taps along this axis times those found so far.
  for (size_t axis = window.kernel.size(); axis-- > 0;) {
    const int64_t start = output % window.output[axis] * window.strides[axis] - window.pads_begin[axis];
    output /= window.output[axis];
    int64_t padded = 0;
    longer.clear();
    for (int64_t k = 0; k < window.kernel[axis]; ++k) {
      const int64_t position = start + k * window.dilations[axis];
      if (position < window.input[axis] + window.pads_end[axis]) ++padded;
      if (position < 0 || position >= window.input[axis]) continue;
      for (int64_t inner : taps.positions) longer.push_back(position * scale + inner);
    }
    taps.positions.swap(longer);
    taps.padded_count *= padded;
    scale *= window.input[axis];
  }
  std::sort(taps.positions.begin(), taps.positions.end());
}

}  // namespace edgesmith::ops
