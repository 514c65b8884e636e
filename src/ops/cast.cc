// SPDX-License-Identifier: Apache-2.0
// cast: the elements of x as type `to` (attribute, ONNX's number of the type). f32, f64, f16, bf16, bool, all integers.
//
// Floats become integers by dropping the fraction; integers that do not fit wrap around; floats beyond an integer type
// give what x86 processors give (ONNX leaves that open, numpy and ONNX Runtime agree on it); 4- and 2-bit integers are
// the low bits of that, as in ONNX's reference. Everything but zero is true. To f16 and bf16: to nearest, ties to even.
// Strings and 8-bit floats are not supported; the attributes saturate and round_mode matter only to the latter.
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>

#include "ops/cast.h"
#include "ops/check.h"
#include "ops/contents.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"

namespace edgesmith::ops::cast_op {
namespace {

using ir::DType;

bool castable(DType dtype) { return ir::is_float(dtype) || ir::is_integer(dtype) || dtype == DType::boolean; }

DType target_of(const ir::Node& node) {
  const int64_t to = node.attributes().get_int("to", 0);
  return to > 0 && to <= static_cast<int64_t>(DType::i2) ? static_cast<DType>(to) : DType::undefined;
}

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(
      node,
      {{"round_mode", AttributeKind::text}, {"saturate", AttributeKind::integer}, {"to", AttributeKind::integer}}));
  const DType to = target_of(node);
  if (to == DType::undefined) {
    return invalid_error("attribute 'to' is " + std::to_string(node.attributes().get_int("to", 0)) +
                         ", no element type has that number");
  }
  return castable(to) ? Status{} : Status(unsupported_dtype(to));
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  const ir::Type& x = node.input(0)->type();
  const ir::Type type{target_of(node), x.shape};
  const bool to_index = type.dtype == DType::i64 || type.dtype == DType::i32;
  if (to_index && (x.dtype == DType::i64 || x.dtype == DType::i32)) pass_contents(node, context, type);
  return std::vector{type};
}

// Truncation as the x86 conversions do it: what does not fit becomes the smallest number.
template <typename Wide>
Wide truncate(double value) {
  constexpr double kLimit = -static_cast<double>(std::numeric_limits<Wide>::min());
  const double whole = std::trunc(value);
  if (whole >= -kLimit && whole < kLimit) return static_cast<Wide>(whole);
  return std::numeric_limits<Wide>::min();
}

template <typename To, typename From>
To convert(From value) {
  if constexpr (std::is_same_v<To, bool>) {
    return value != From{0};
  } else if constexpr (std::is_floating_point_v<To> || !std::is_floating_point_v<From>) {
    return static_cast<To>(value);
  } else if constexpr (std::is_same_v<To, uint64_t>) {
    const double whole = std::trunc(static_cast<double>(value));
    if (whole >= 0x1p63 && whole < 0x1p64) return static_cast<uint64_t>(whole);
    return static_cast<uint64_t>(truncate<int64_t>(whole));
  } else if constexpr (sizeof(To) == 8 || std::is_same_v<To, uint32_t>) {
    return static_cast<To>(truncate<int64_t>(static_cast<double>(value)));
  } else {
    return static_cast<To>(truncate<int32_t>(static_cast<double>(value)));
  }
}

// A double as a float such that rounding it on to a half gives the half nearest to the double: inexact results are made
// odd (Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums", 2008).
float to_odd_float(double value) {
  const auto nearest = static_cast<float>(value);
  if (!std::isfinite(nearest) || static_cast<double>(nearest) == value) return nearest;
  float below = nearest, above = nearest;
  if (static_cast<double>(nearest) > value) below = std::nextafter(nearest, -INFINITY);
  if (static_cast<double>(nearest) < value) above = std::nextafter(nearest, INFINITY);
  uint32_t bits = 0;
  std::memcpy(&bits, &below, sizeof(bits));
  return (bits & 1u) != 0 ? below : above;
}

template <typename From>
ir::Tensor convert_all(const ir::Tensor& x, DType to) {
  const auto from = x.data<From>();
  const auto fill = [&]<typename To>(ir::Tensor out, To (*function)(From)) {
    const auto data = out.mutable_data<To>();
    for (size_t i = 0; i < from.size(); ++i) data[i] = function(from[i]);
    return out;
  };
  if (to == DType::f16 || to == DType::bf16) {
    const auto function = [](From value) -> float { return to_odd_float(static_cast<double>(value)); };
    return round_to_half(fill.template operator()<float>(ir::Tensor::zeros(DType::f32, x.dims()), function), to);
  }
  if (ir::dtype_bits(to) < 8) {
    std::vector<int8_t> codes;
    codes.reserve(from.size());
    for (From value : from) codes.push_back(static_cast<int8_t>(convert<int32_t, From>(value)));
    return pack(ir::Tensor::of<int8_t>(x.dims(), codes), to);
  }
  auto converted = dispatch(NumberOrBoolTypes{}, to, [&]<typename To>() -> Result<ir::Tensor> {
    return fill.template operator()<To>(ir::Tensor::zeros(to, x.dims()), convert<To, From>);
  });
  return std::move(converted.value());
}

Result<ir::Tensor> converted(const ir::Tensor& tensor, DType to) {
  const DType from = tensor.dtype();
  for (DType dtype : {from, to}) {
    if (!castable(dtype)) return unsupported_dtype(dtype);
  }
  if (from == to) return tensor;
  const bool half = from == DType::f16 || from == DType::bf16;
  const ir::Tensor x = half ? widen_half(tensor) : unpack(tensor);
  return dispatch(NumberOrBoolTypes{}, x.dtype(),
                  [&]<typename From>() -> Result<ir::Tensor> { return convert_all<From>(x, to); });
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  auto y = converted(*inputs[0], target_of(node));
  if (!y) return y.error();
  return std::vector{std::move(*y)};
}

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const Term dy = build.term(*outputs[0], node.output().type().dtype);
  return std::vector{cast(dy, node.input(0)->type().dtype).value};
}

}  // namespace

extern const OpInfo cast_info = {.kind = ir::OpKind::cast,
                                 .min_inputs = 1,
                                 .max_inputs = 1,
                                 .min_outputs = 1,
                                 .max_outputs = 1,
                                 .verify = verify,
                                 .infer = infer,
                                 .eval = eval,
                                 .cost = nullptr,
                                 .quant = nullptr,
                                 .gradient = gradient};

}  // namespace edgesmith::ops::cast_op

namespace edgesmith::ops {

Result<ir::Tensor> cast_elements(const ir::Tensor& tensor, ir::DType to) { return cast_op::converted(tensor, to); }

}  // namespace edgesmith::ops
