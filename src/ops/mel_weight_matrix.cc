// SPDX-License-Identifier: Apache-2.0
// mel_weight_matrix: weights [bins of a spectrum, mel bins] that make a mel spectrum of a linear one: a triangle with
// peak 1 for each mel bin, between its neighbours on the scale mel(f) = 2595 log10(1 + f / 700). Operands (scalars):
// num_mel_bins, dft_length (bins = dft_length / 2 + 1), sample_rate (integers), lower_edge_hertz, upper_edge_hertz
// (floats). Attribute output_datatype = 1 (f32): any number type.
#include <cmath>
#include <string>
#include <vector>

#include "ops/cast.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/operands.h"

namespace edgesmith::ops::mel_weight_matrix_op {
namespace {

Result<ir::DType> dtype_of(const ir::Node& node) {
  const int64_t number = node.attributes().get_int("output_datatype", 1);
  if (number < 1 || number > static_cast<int64_t>(ir::DType::i2)) {
    return invalid_error("output_datatype is " + std::to_string(number) + ", no element type has that number");
  }
  return static_cast<ir::DType>(number);
}

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"output_datatype", AttributeKind::integer}}));
  const auto dtype = dtype_of(node);
  return dtype ? Status{} : dtype.error();
}

Result<int64_t> count(const ir::Tensor& tensor, std::string_view what) {
  const auto numbers = read_ints(tensor, what);
  if (!numbers) return numbers.error();
  constexpr int64_t kMost = 1 << 30;
  if (numbers->size() == 1 && numbers->front() > 0 && numbers->front() <= kMost) return numbers->front();
  return invalid_error(std::string(what) + " is " + tensor.type().text() + ", must be one number from 1 to 2^30");
}

Result<double> hertz(const ir::Tensor& tensor, std::string_view what) {
  if (!ir::is_float(tensor.dtype())) return unsupported_dtype(tensor.dtype());
  const std::vector<float> numbers = tensor.to_floats();
  if (numbers.size() == 1 && numbers[0] >= 0 && std::isfinite(numbers[0])) return static_cast<double>(numbers[0]);
  return invalid_error(std::string(what) + " is " + tensor.type().text() + ", must be one number, not negative");
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  const auto dtype = dtype_of(node);
  if (!dtype) return dtype.error();
  ir::Type type{*dtype, ir::Shape(2)};
  for (int i = 0; i < 2; ++i) {
    const ir::Tensor* operand = context.constant(node, i);
    if (operand == nullptr) continue;
    const auto number = count(*operand, i == 0 ? "num_mel_bins" : "dft_length");
    if (!number) return number.error();
    (*type.shape)[static_cast<size_t>(1 - i)] = ir::Dim(i == 0 ? *number : *number / 2 + 1);
  }
  return std::vector{type};
}

double to_mel(double frequency) { return 2595 * std::log10(1 + frequency / 700); }
double from_mel(double mel) { return 700 * (std::pow(10, mel / 2595) - 1); }

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const auto dtype = dtype_of(node);
  if (!dtype) return dtype.error();
  const auto mel_bins = count(*inputs[0], "num_mel_bins"), length = count(*inputs[1], "dft_length"),
             rate = count(*inputs[2], "sample_rate");
  for (const auto* number : {&mel_bins, &length, &rate}) {
    if (!*number) return number->error();
  }
  const auto low = hertz(*inputs[3], "lower_edge_hertz"), high = hertz(*inputs[4], "upper_edge_hertz");
  if (!low) return low.error();
  if (!high) return high.error();
  const int64_t bins = *length / 2 + 1;
  auto weights = make_tensor(ir::DType::f64, {bins, *mel_bins});
  if (!weights) return weights.error();
  const double step = (to_mel(*high) - to_mel(*low)) / static_cast<double>(*mel_bins + 2);
  std::vector<int64_t> edges;
  for (int64_t i = 0; i < *mel_bins + 2; ++i) {
    const double frequency = from_mel(to_mel(*low) + static_cast<double>(i) * step);
    edges.push_back(
        static_cast<int64_t>(std::floor(static_cast<double>(*length + 1) * frequency / static_cast<double>(*rate))));
    if (edges.back() < 0 || edges.back() >= bins) {
      return invalid_error("a mel bin at " + std::to_string(frequency) + " Hz is outside of " + std::to_string(bins) +
                           " bins at a sample rate of " + std::to_string(*rate));
    }
  }
  const auto to = weights->mutable_data<double>();
  for (int64_t m = 0; m < *mel_bins; ++m) {
    const auto at = static_cast<size_t>(m);
    const int64_t left = edges[at], center = edges[at + 1], right = edges[at + 2];
    const auto weight = [&](int64_t bin) -> double& { return to[static_cast<size_t>(bin * *mel_bins + m)]; };
    weight(center) = 1;
    for (int64_t bin = left; bin < center; ++bin) {
      weight(bin) = static_cast<double>(bin - left) / static_cast<double>(center - left);
    }
    for (int64_t bin = center; bin < right; ++bin) {
      weight(bin) = static_cast<double>(right - bin) / static_cast<double>(right - center);
    }
  }
  auto cast = cast_elements(*weights, *dtype);
  if (!cast) return cast.error();
  return std::vector{std::move(*cast)};
}

}  // namespace

extern const OpInfo mel_weight_matrix_info = {.kind = ir::OpKind::mel_weight_matrix,
                                              .min_inputs = 5,
                                              .max_inputs = 5,
                                              .min_outputs = 1,
                                              .max_outputs = 1,
                                              .verify = verify,
                                              .infer = infer,
                                              .eval = eval,
                                              .cost = no_cost,
                                              .quant = nullptr,
                                              .no_gradient = kShapeCode};

}  // namespace edgesmith::ops::mel_weight_matrix_op
