// SPDX-License-Identifier: Apache-2.0
#include "ops/recurrent.h"

#include <algorithm>
#include <cmath>

#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/operands.h"

namespace edgesmith::ops {
namespace {

int64_t directions_of(const ir::Node& node) {
  return node.attributes().get_string("direction", "forward") == "bidirectional" ? 2 : 1;
}

bool batch_first(const ir::Node& node) { return node.attributes().get_int("layout", 0) != 0; }

struct KnownActivation {
  std::string_view name;
  bool alpha, beta;  ///< takes them
  double default_alpha, default_beta;
  double (*function)(double x, double alpha, double beta);
};

// In ONNX's spelling; names are compared without case.
constexpr KnownActivation kActivations[] = {
    {"affine", true, true, 1, 0, [](double x, double a, double b) { return a * x + b; }},
    {"elu", true, false, 1, 0, [](double x, double a, double) { return x < 0 ? a * std::expm1(x) : x; }},
    {"hardsigmoid", true, true, 0.2, 0.5, [](double x, double a, double b) { return std::clamp(a * x + b, 0.0, 1.0); }},
    {"leakyrelu", true, false, 0.01, 0, [](double x, double a, double) { return x < 0 ? a * x : x; }},
    {"relu", false, false, 0, 0, [](double x, double, double) { return std::max(0.0, x); }},
    {"scaledtanh", true, true, 1, 1, [](double x, double a, double b) { return a * std::tanh(b * x); }},
    {"sigmoid", false, false, 0, 0, [](double x, double, double) { return 1 / (1 + std::exp(-x)); }},
    {"softplus", false, false, 0, 0,
     [](double x, double, double) { return std::max(0.0, x) + std::log1p(std::exp(-std::fabs(x))); }},
    {"softsign", false, false, 0, 0, [](double x, double, double) { return x / (1 + std::fabs(x)); }},
    {"tanh", false, false, 0, 0, [](double x, double, double) { return std::tanh(x); }},
    {"thresholdedrelu", true, false, 1, 0, [](double x, double a, double) { return x > a ? x : 0.0; }},
};

Result<std::vector<Activation>> activations_of(const ir::Node& node, const RecurrentForm& form) {
  std::vector<std::string> names;
  if (const ir::Attribute* given = node.attributes().find("activations")) names = std::get<ir::Strings>(*given);
  const size_t wanted = form.activations.size() * static_cast<size_t>(directions_of(node));
  if (names.empty()) {
    for (size_t i = 0; i < wanted; ++i) names.emplace_back(form.activations[i % form.activations.size()]);
  }
  if (names.size() != wanted) {
    return invalid_error("there are " + std::to_string(names.size()) + " activations, must be " +
                         std::to_string(wanted));
  }
  const ir::Floats alphas = node.attributes().get_floats("activation_alpha");
  const ir::Floats betas = node.attributes().get_floats("activation_beta");
  size_t next_alpha = 0, next_beta = 0;
  std::vector<Activation> activations;
  for (std::string name : names) {
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    const auto* known = std::find_if(std::begin(kActivations), std::end(kActivations),
                                     [&](const KnownActivation& candidate) { return candidate.name == name; });
    if (known == std::end(kActivations)) return unsupported_error("the activation '" + name + "'");
    double alpha = known->default_alpha, beta = known->default_beta;
    if (known->alpha && next_alpha < alphas.size()) alpha = static_cast<double>(alphas[next_alpha++]);
    if (known->beta && next_beta < betas.size()) beta = static_cast<double>(betas[next_beta++]);
    activations.emplace_back([=](double x) { return known->function(x, alpha, beta); });
  }
  return activations;
}

std::vector<double> to_doubles(const ir::Tensor& tensor) {
  if (tensor.dtype() == ir::DType::f64) {
    const auto data = tensor.data<double>();
    return {data.begin(), data.end()};
  }
  const std::vector<float> data = tensor.to_floats();
  return {data.begin(), data.end()};
}

struct Sizes {
  int64_t steps = 0, batch = 0, inputs = 0, hidden = 0, directions = 1;
};

Result<Sizes> sizes_of(const ir::Node& node, std::span<const ir::Tensor* const> inputs, const RecurrentForm& form) {
  const ir::Tensor &x = *inputs[0], &w = *inputs[1], &r = *inputs[2];
  if (x.rank() != 3 || w.rank() != 3 || r.rank() != 3) {
    return invalid_error("x is " + x.type().text() + ", W " + w.type().text() + ", R " + r.type().text() +
                         ", must have three dims");
  }
  Sizes sizes;
  sizes.steps = x.dims()[batch_first(node) ? 1 : 0];
  sizes.batch = x.dims()[batch_first(node) ? 0 : 1];
  sizes.inputs = x.dims()[2];
  sizes.hidden = r.dims()[2];
  sizes.directions = directions_of(node);
  const int64_t rows = form.gates * sizes.hidden;
  const ir::Dims states = batch_first(node) ? ir::Dims{sizes.batch, sizes.directions, sizes.hidden}
                                            : ir::Dims{sizes.directions, sizes.batch, sizes.hidden};
  const std::pair<size_t, ir::Dims> expected[] = {{1, {sizes.directions, rows, sizes.inputs}},
                                                  {2, {sizes.directions, rows, sizes.hidden}},
                                                  {3, {sizes.directions, 2 * rows}},
                                                  {4, {sizes.batch}},
                                                  {5, states},
                                                  {6, states},
                                                  {7, {sizes.directions, 3 * sizes.hidden}}};
  for (const auto& [index, dims] : expected) {
    const ir::Tensor* tensor = operand(inputs, index);
    if (tensor == nullptr) continue;
    const bool fits =
        tensor->dims() == dims && (index == 4 ? tensor->dtype() == ir::DType::i32 : tensor->dtype() == x.dtype());
    if (!fits) return invalid_error("operand " + std::to_string(index) + " is " + tensor->type().text());
  }
  return sizes;
}

}  // namespace

Status verify_recurrent(const ir::Node& node, const RecurrentForm& form, std::string_view own,
                        std::string_view another) {
  EDGESMITH_TRY(check_attributes(node, {{"activation_alpha", AttributeKind::reals},
                                        {"activation_beta", AttributeKind::reals},
                                        {"activations", AttributeKind::texts},
                                        {"clip", AttributeKind::real},
                                        {"direction", AttributeKind::text},
                                        {"hidden_size", AttributeKind::integer},
                                        {"layout", AttributeKind::integer},
                                        {own, AttributeKind::integer},
                                        {another, AttributeKind::integer}}));
  EDGESMITH_TRY(check_flag(node, "layout"));
  const std::string direction = node.attributes().get_string("direction", "forward");
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional") {
    return invalid_error("direction is '" + direction + "', must be forward, reverse or bidirectional");
  }
  const auto activations = activations_of(node, form);
  return activations ? Status{} : activations.error();
}

Result<std::vector<ir::Type>> infer_recurrent(const ir::Node& node, const RecurrentForm& form) {
  const auto &x = node.input(0)->type().shape, &r = node.input(2)->type().shape;
  if ((x && x->size() != 3) || (r && r->size() != 3)) return invalid_error("x or R has no three dims");
  const bool first = batch_first(node);
  const ir::Dim steps = x ? (*x)[first ? 1 : 0] : ir::Dim(), batch = x ? (*x)[first ? 0 : 1] : ir::Dim();
  const ir::Dim hidden = r ? (*r)[2] : ir::Dim(), directions(directions_of(node));
  const ir::DType dtype = node.input(0)->type().dtype;
  const ir::Shape states = first ? ir::Shape{batch, directions, hidden} : ir::Shape{directions, batch, hidden};
  std::vector<ir::Type> types = {
      {dtype, first ? ir::Shape{batch, steps, directions, hidden} : ir::Shape{steps, directions, batch, hidden}}};
  for (int i = 0; i < form.states; ++i) types.push_back({dtype, states});
  types.resize(static_cast<size_t>(node.num_outputs()));
  return types;
}

Cost recurrent_cost(const ir::Node& node, const RecurrentForm&) {
  const auto known = [](const ir::Value* value, size_t d) {
    const auto& shape = value->type().shape;
    return shape && d < shape->size() && (*shape)[d].known() ? (*shape)[d].value() : int64_t{1};
  };
  const ir::Value *x = node.input(0), *w = node.input(1), *r = node.input(2);
  int64_t weights = known(w, 0) * known(w, 1), macs = 0;
  if (__builtin_mul_overflow(weights, known(w, 2) + known(r, 2), &weights) ||
      __builtin_mul_overflow(weights, known(x, 0), &macs) || __builtin_mul_overflow(macs, known(x, 1), &macs)) {
    return {};
  }
  return {.macs = macs};
}

double CellInputs::product(int64_t row, const double* vector) const {
  const double* weights = r + row * hidden;
  double sum = 0;
  for (int64_t i = 0; i < hidden; ++i) sum += weights[i] * vector[i];
  return sum;
}

Result<std::vector<ir::Tensor>> run_recurrent(const ir::Node& node, std::span<const ir::Tensor* const> inputs,
                                              const RecurrentForm& form, const Cell& cell, const CodeStates& code) {
  const auto sizes = sizes_of(node, inputs, form);
  if (!sizes) return sizes.error();
  const auto [steps, batch, width, hidden, directions] = *sizes;
  const ir::DType dtype = inputs[0]->dtype();
  if (!is_one_of(dtype, FloatTypes{})) return unsupported_dtype(dtype);
  const auto activations = activations_of(node, form);
  if (!activations) return activations.error();
  std::vector<int64_t> lengths(static_cast<size_t>(batch), steps);
  if (const ir::Tensor* given = operand(inputs, 4)) lengths = given->to_int64s();
  for (const int64_t length : lengths) {
    if (length < 0 || length > steps) {
      return invalid_error("a sequence has " + std::to_string(length) + " of " + std::to_string(steps) + " steps");
    }
  }
  const bool first = batch_first(node);
  EDGESMITH_TRY(check_size(ir::DType::f64, {steps, directions, batch, hidden}));
  const int64_t rows = form.gates * hidden;
  const std::vector<double> x = to_doubles(*inputs[0]), w = to_doubles(*inputs[1]), r = to_doubles(*inputs[2]);
  std::vector<double> bias(static_cast<size_t>(directions * 2 * rows), 0.0);
  if (const ir::Tensor* given = operand(inputs, 3)) bias = to_doubles(*given);
  const auto state_count = static_cast<size_t>(directions * batch * hidden);
  std::vector<std::vector<double>> states;
  for (int s = 0; s < 2; ++s) {
    const ir::Tensor* given = s < form.states ? operand(inputs, static_cast<size_t>(5 + s)) : nullptr;
    states.push_back(given != nullptr ? to_doubles(*given) : std::vector<double>(state_count, 0.0));
  }
  const auto clip_at = static_cast<double>(node.attributes().get_float("clip", 0.0F));
  CellInputs given;
  given.hidden = hidden;
  given.clip = [clip_at](double value) { return clip_at > 0 ? std::clamp(value, -clip_at, clip_at) : value; };
  std::vector<double> y(static_cast<size_t>(steps) * state_count, 0.0), of_x(static_cast<size_t>(rows));
  const bool reverse = node.attributes().get_string("direction", "forward") == "reverse";
  for (int64_t d = 0; d < directions; ++d) {
    given.direction = d;
    given.r = r.data() + d * rows * hidden;
    given.bias_of_r = bias.data() + (2 * d + 1) * rows;
    given.activations = activations->data() + static_cast<size_t>(d) * form.activations.size();
    const auto state_of = [&, d = d](int64_t b) { return (first ? b * directions + d : d * batch + b) * hidden; };
    std::vector<double> coded(code ? state_count : 0);
    for (int64_t i = 0; i < steps; ++i) {
      if (code) {
        // A sequence counts as long as its last state stands where it was put: up to the step after its end.
        std::vector<double*> states_of_r;
        coded = states[0];
        for (int64_t b = 0; b < batch; ++b) {
          if (i <= lengths[static_cast<size_t>(b)]) states_of_r.push_back(coded.data() + state_of(b));
        }
        code(states_of_r, hidden);
      }
      for (int64_t b = 0; b < batch; ++b) {
        const int64_t state = state_of(b), length = lengths[static_cast<size_t>(b)];
        if (i >= length) continue;
        const int64_t t = reverse || d == 1 ? length - 1 - i : i;
        const double* row = x.data() + (first ? b * steps + t : t * batch + b) * width;
        for (int64_t g = 0; g < rows; ++g) {
          double sum = bias[static_cast<size_t>(2 * d * rows + g)];
          const double* weights = w.data() + (d * rows + g) * width;
          for (int64_t k = 0; k < width; ++k) sum += weights[k] * row[k];
          of_x[static_cast<size_t>(g)] = sum;
        }
        given.of_x = of_x.data();
        given.of_r = (code ? coded : states[0]).data() + state;
        cell(given, states[0].data() + state, states[1].data() + state);
        const int64_t to = first ? (b * steps + t) * directions + d : (t * directions + d) * batch + b;
        std::copy_n(states[0].begin() + state, hidden, y.begin() + to * hidden);
      }
    }
  }
  const ir::Dims state_dims = first ? ir::Dims{batch, directions, hidden} : ir::Dims{directions, batch, hidden};
  const ir::Dims y_dims =
      first ? ir::Dims{batch, steps, directions, hidden} : ir::Dims{steps, directions, batch, hidden};
  return dispatch(FloatTypes{}, dtype, [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    const auto tensor = [&](const ir::Dims& dims, const std::vector<double>& values) {
      return ir::Tensor::of<T>(dims, std::vector<T>(values.begin(), values.end()));
    };
    std::vector<ir::Tensor> results = {tensor(y_dims, y)};
    for (int s = 0; s < form.states; ++s) results.push_back(tensor(state_dims, states[static_cast<size_t>(s)]));
    results.resize(static_cast<size_t>(node.num_outputs()));
    return results;
  });
}

}  // namespace edgesmith::ops
