// SPDX-License-Identifier: Apache-2.0
// dft: the discrete Fourier transform along one axis (fourier.h).
//
// Operands: x [..., 1] (reals) or [..., 2] (real and imaginary parts), optional dft_length N (a scalar; x is cut or
// filled with zeros to it; default: the axis' dim), optional axis (a scalar, default -2; never the last one). Result:
// [..., N, ..., 2]. Attributes: inverse = 0 (1: the inverse transform, divided by N), onesided = 0 (1: only the first
// N / 2 + 1 of the axis; with inverse, x is onesided and the result real, [..., 1], N = 2 (dim - 1) by default). f32,
// f64; f16 and bf16 through f32.
#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/fourier.h"
#include "ops/fourier_gradient.h"
#include "ops/gradient_rules.h"
#include "ops/operands.h"

namespace edgesmith::ops::dft_op {
namespace {

constexpr int64_t kDefaultAxis = -2;

bool flag(const ir::Node& node, std::string_view name) { return node.attributes().get_int(name, 0) != 0; }

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"inverse", AttributeKind::integer}, {"onesided", AttributeKind::integer}}));
  EDGESMITH_TRY(check_flag(node, "inverse"));
  EDGESMITH_TRY(check_flag(node, "onesided"));
  const auto& shape = node.input(0)->type().shape;
  if (!shape) return {};
  if (shape->size() < 2) return invalid_error("x has rank " + std::to_string(shape->size()) + ", must be 2 or more");
  const ir::Dim& parts = shape->back();
  if (!parts.known() || parts.value() == 1 || parts.value() == 2) return {};
  return invalid_error("the last dim of x is " + parts.text() + ", must be 1 or 2");
}

// The number in a scalar operand.
Result<int64_t> number(const ir::Tensor& tensor, std::string_view what) {
  const auto numbers = read_ints(tensor, what);
  if (!numbers) return numbers.error();
  if (numbers->size() == 1) return numbers->front();
  return invalid_error(std::string(what) + " is " + tensor.type().text() + ", must be one number");
}

// The axis counted from the front.
Result<size_t> axis_of(const ir::Tensor* operand, int rank) {
  Result<int64_t> stated = kDefaultAxis;
  if (operand != nullptr) stated = number(*operand, "axis");
  if (!stated) return stated.error();
  const auto axis = normalize_axis(*stated, rank);
  if (!axis) return axis.error();
  if (*axis == rank - 1) return invalid_error("axis is the last one, which holds real and imaginary parts");
  return static_cast<size_t>(*axis);
}

int64_t default_length(const ir::Node& node, int64_t dim) {
  return flag(node, "inverse") && flag(node, "onesided") ? std::max<int64_t>(2 * (dim - 1), 0) : dim;
}

int64_t result_length(const ir::Node& node, int64_t length) {
  return flag(node, "onesided") && !flag(node, "inverse") ? length / 2 + 1 : length;
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  ir::Type type = node.input(0)->type();
  if (!type.shape) return std::vector{type};
  const bool real = flag(node, "inverse") && flag(node, "onesided");
  const ir::Tensor* stated = context.constant(node, 2);
  if (node.input(2) != nullptr && stated == nullptr) {
    for (ir::Dim& dim : *type.shape) dim = ir::Dim();
    type.shape->back() = ir::Dim(real ? 1 : 2);
    return std::vector{type};
  }
  const auto axis = axis_of(stated, type.rank());
  if (!axis) return axis.error();
  ir::Dim& dim = (*type.shape)[*axis];
  if (const ir::Tensor* length = context.constant(node, 1)) {
    const auto known = number(*length, "dft_length");
    if (!known) return known.error();
    if (*known < 1) return invalid_error("dft_length is " + std::to_string(*known));
    dim = ir::Dim(result_length(node, *known));
  } else if (node.input(1) != nullptr) {
    dim = ir::Dim();
  } else if (dim.known()) {
    dim = ir::Dim(result_length(node, default_length(node, dim.value())));
  } else if (flag(node, "onesided")) {
    dim = ir::Dim();
  }
  type.shape->back() = ir::Dim(real ? 1 : 2);
  return std::vector{type};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  if (x.rank() < 2 || (x.dims().back() != 1 && x.dims().back() != 2)) {
    return invalid_error("x is " + x.type().text() + ", its last dim must be 1 or 2");
  }
  const auto axis = axis_of(operand(inputs, 2), x.rank());
  if (!axis) return axis.error();
  const int64_t parts = x.dims().back(), dim = x.dims()[*axis];
  const bool inverse = flag(node, "inverse"), real = inverse && flag(node, "onesided");
  Result<int64_t> length = default_length(node, dim);
  if (const ir::Tensor* stated = operand(inputs, 1)) length = number(*stated, "dft_length");
  if (!length) return length.error();
  if (*length < 1) return invalid_error("dft_length is " + std::to_string(*length));
  if (real && parts == 1)
    return invalid_error("x is real, its inverse onesided transform needs real and imaginary parts");
  const int64_t out_length = result_length(node, *length), out_parts = real ? 1 : 2;
  ir::Dims dims = x.dims();
  dims[*axis] = out_length;
  dims.back() = out_parts;
  EDGESMITH_TRY(check_size(ir::DType::f64, {*length, 2}));
  auto made = make_tensor(x.dtype(), dims);
  if (!made) return made.error();
  int64_t inner = 1, outer = 1;
  for (size_t d = 0; d < *axis; ++d) outer *= x.dims()[d];
  for (size_t d = *axis + 1; d + 1 < dims.size(); ++d) inner *= x.dims()[d];
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    const T* from = x.data<T>().data();
    T* to = made->mutable_data<T>().data();
    FourierPlan plan(static_cast<size_t>(*length), inverse);
    std::vector<Complex> line(plan.length());
    const auto size = static_cast<size_t>(*length);
    const auto first_of = [&](int64_t index, int64_t count) { return index / inner * count * inner + index % inner; };
    const double divisor = inverse ? static_cast<double>(*length) : 1;
    const auto put = [&](T* line_at, int64_t k, const Complex& number) {
      T* at = line_at + k * inner * out_parts;
      at[0] = static_cast<T>(number.real() / divisor);
      if (!real) at[1] = static_cast<T>(number.imag() / divisor);
    };
    // Two lines of reals of a sample at a time, as real and imaginary parts: their spectra are told apart by their
    // symmetry.
    const int64_t lines = outer * inner / (*axis == 0 ? 1 : std::max<int64_t>(1, x.dims()[0]));
    for (int64_t index = 0; index < outer * inner; ++index) {
      const bool pair = parts == 1 && index % lines + 1 < lines;
      T* const result = to + first_of(index, out_length) * out_parts;
      const T* const one = from + first_of(index, dim) * parts;
      const T* const other = pair ? from + first_of(index + 1, dim) : parts == 2 ? one + 1 : nullptr;
      const int64_t stored = real ? *length / 2 + 1 : *length;
      std::fill(line.begin(), line.end(), 0);
      for (int64_t n = 0; n < std::min(dim, stored); ++n) {
        const int64_t at = n * inner * parts;
        line[static_cast<size_t>(n)] = {static_cast<double>(one[at]),
                                        other != nullptr ? static_cast<double>(other[at]) : 0};
      }
      // The other half of the spectrum of a real signal; what cannot be real at its ends is dropped.
      if (real) {
        line[0] = line[0].real();
        if (*length % 2 == 0) line[size / 2] = line[size / 2].real();
        for (size_t n = size / 2 + 1; n < size; ++n) line[n] = std::conj(line[size - n]);
      }
      plan.run(line.data());
      if (!pair) {
        for (int64_t k = 0; k < out_length; ++k) put(result, k, line[static_cast<size_t>(k)]);
        continue;
      }
      T* const second = to + first_of(index + 1, out_length) * out_parts;
      for (int64_t k = 0; k < out_length; ++k) {
        const auto at = static_cast<size_t>(k);
        const Complex mirrored = std::conj(line[at == 0 ? 0 : size - at]), twice = line[at] - mirrored;
        put(result, k, (line[at] + mirrored) * 0.5);
        put(second, k, {twice.imag() * 0.5, -twice.real() * 0.5});  // `twice` is 2 i times the second one
      }
      ++index;
    }
    return std::vector{std::move(*made)};
  });
}

// Zeros behind the entries of `axis`, or entries cut off there, so that there are `want` in place of `have` (i64 [1]).
Term resized(const Term& term, int64_t axis, ir::Value& have, ir::Value& want) {
  GradientBuilder& build = *term.build;
  ir::Value& more = build.append(ir::OpKind::sub, {&want, &have});
  ir::Value& pads = build.append(ir::OpKind::concat, {&build.ints({0}), &more}, {{"axis", int64_t{0}}});
  return {&build, &build.append(ir::OpKind::pad, {term.value, &pads, nullptr, &build.ints({axis})}), term.dtype};
}

// 1 for the first and the middle entry of half a spectrum of a signal of `length`, 2 for those that stand for two.
// Along an axis with `behind` more ones.
Term entries_stood_for(GradientBuilder& build, ir::Value& length, ir::Value& bins, int64_t behind, ir::DType dtype) {
  const Term twice = build.term(positions(build, bins), ir::DType::i64) * build.term(build.ints({2}));
  const Term first = equal(twice, build.term(build.ints({0})));
  const Term middle = equal(twice, build.term(length, ir::DType::i64));
  ir::Ints axes(static_cast<size_t>(behind));
  std::iota(axes.begin(), axes.end(), 1);
  return unsqueeze(2 - cast(first, dtype) - cast(middle, dtype), axes);
}

// A transform is linear in x: back by the conjugate roots, then by what cut or filled x to the length.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  ir::Value& x = *node.input(0);
  const ir::Shape& shape = *x.type().shape;
  const ir::DType dtype = x.type().dtype;
  if (node.input(2) != nullptr && node.input(2)->constant() == nullptr) return constant_ints(node, 2, "axis").error();
  if (!shape.back().known()) return unsupported_error("the last dim of x is not known, which its gradient needs");
  const auto known = axis_of(node.input(2) != nullptr ? node.input(2)->constant() : nullptr, x.type().rank());
  if (!known) return known.error();
  const auto axis = static_cast<int64_t>(*known), last = static_cast<int64_t>(shape.size()) - 1;
  const bool inverse = flag(node, "inverse"), onesided = flag(node, "onesided");
  ir::Value& size = build.size_of(x, static_cast<int>(axis));
  ir::Value* length = &size;
  if (inverse) {
    length = &build.size_of(node.output(), static_cast<int>(axis));
  } else if (node.input(1) != nullptr) {
    length = &one_number(build, *node.input(1));
  }
  ir::Node& back = build.append_node(ir::OpKind::dft, {outputs[0], length, &build.ints({axis})}, 1,
                                     {{"inverse", int64_t{inverse ? 0 : 1}}});
  const Term spectrum = build.term(back.output(), dtype), scale = cast(build.term(*length, ir::DType::i64), dtype);
  Term dx = inverse ? spectrum / scale : spectrum * scale;
  ir::Value* entries = length;
  if (inverse && onesided) {
    back.attributes().set("onesided", int64_t{1});
    const Term half = build.term(*length, ir::DType::i64) / build.term(build.ints({2}));
    entries = (half + build.term(build.ints({1}))).value;
    dx = dx * entries_stood_for(build, *length, *entries, last - axis, dtype);
  }
  if (shape.back().value() == 1) dx = real_part(dx, last);
  if (node.input(1) != nullptr) dx = resized(dx, axis, *entries, size);
  return std::vector{dx.value};
}

}  // namespace

extern const OpInfo dft_info = {.kind = ir::OpKind::dft,
                                .min_inputs = 1,
                                .max_inputs = 3,
                                .min_outputs = 1,
                                .max_outputs = 1,
                                .verify = verify,
                                .infer = infer,
                                .eval = half_as_float<eval>,
                                .cost = nullptr,
                                .quant = nullptr,
                                .gradient = gradient};

}  // namespace edgesmith::ops::dft_op
