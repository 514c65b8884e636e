// SPDX-License-Identifier: Apache-2.0
// Every operator of the table either has a gradient, which is held against central differences in double precision, or
// says why not. A new operator without a sample or a reason fails here.
#include <gtest/gtest.h>

#include <cmath>
#include <optional>

#include "edgesmith/base/random.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/ir/verifier.h"
#include "edgesmith/ops/gradient.h"
#include "edgesmith/train/differentiate.h"
#include "train/gradient_samples.h"
#include "train/run_plainly.h"

namespace edgesmith::train {
namespace {

constexpr double kTolerance = 1e-6;  // norm of the difference over norm of the gradient
constexpr double kStep = 1e-5;       // the error of central differences is about its square

/// A sample's graph with a scalar loss: the sum of its results, weighted at random so that no gradients cancel.
struct Trial {
  ir::Graph graph;
  std::vector<ir::Tensor> inputs;
  ir::Value* loss = nullptr;
  std::vector<std::vector<double>> slopes = {};  ///< by input: central differences of the loss
};

ir::Dims fed_dims(const ir::Type& type) {
  ir::Dims dims;
  for (const ir::Dim& dim : *type.shape) dims.push_back(dim.known() ? dim.value() : size_of_symbol(dim.symbol()));
  return dims;
}

ir::Tensor draw(Random& random, const ir::Dims& dims, const GradientSample& sample) {
  ir::Tensor tensor = ir::Tensor::zeros(ir::DType::f64, dims);
  for (double& value : tensor.mutable_data<double>()) {
    value = sample.low + (sample.high - sample.low) * random.uniform();
    if (!sample.positive && random.uniform() < 0.5) value = -value;
  }
  return tensor;
}

std::string text_of(const GradientSample& sample) {
  std::string names, results(sample.results);
  for (const char c : results) {
    if (c != '%') names += c;
  }
  return "graph @sample(" + std::string(sample.inputs) + ") -> (" + names + ") {\n" + std::string(sample.lines) +
         "\nreturn " + results + "\n}";
}

bool add_loss(Trial& trial, Random& random) {
  std::vector<const ir::Value*> results;
  for (int i = 0; i < trial.graph.num_outputs(); ++i) results.push_back(trial.graph.output_node().input(i));
  const auto tensors = run_plainly(trial.graph, trial.inputs, results);
  EXPECT_TRUE(tensors.ok()) << tensors.error().text();
  if (!tensors) return false;
  ops::GradientBuilder build(trial.graph);
  ops::Term loss;
  for (size_t i = 0; i < results.size(); ++i) {
    const ir::Tensor& y = (*tensors)[i];
    EXPECT_GT(y.size(), 0);
    ir::Tensor weights = ir::Tensor::zeros(ir::DType::f64, y.dims());
    for (double& weight : weights.mutable_data<double>()) weight = 0.5 + random.uniform();
    const ops::Term weighted = build.term(trial.graph.add_constant(weights), ir::DType::f64) *
                               build.term(*trial.graph.output_node().input(static_cast<int>(i)), ir::DType::f64);
    const ops::Term sum{&build, &build.append(ir::OpKind::reduce_sum, {weighted.value}, {{"keepdims", int64_t{0}}}),
                        ir::DType::f64};
    loss = loss.value == nullptr ? sum : loss + sum;
  }
  trial.loss = loss.value;
  return true;
}

double loss_of(const Trial& trial, const std::vector<ir::Tensor>& inputs) {
  const auto loss = run_plainly(trial.graph, inputs, {trial.loss});
  EXPECT_TRUE(loss.ok()) << loss.error().text();
  return loss.ok() ? (*loss)[0].data<double>()[0] : 0;
}

/// Central differences of the loss by input `at`.
std::vector<double> differences(const Trial& trial, size_t at) {
  std::vector<double> slopes;
  std::vector<ir::Tensor> inputs = trial.inputs;
  for (int64_t i = 0; i < trial.inputs[at].size(); ++i) {
    double losses[2];
    for (const int side : {0, 1}) {
      const auto values = trial.inputs[at].data<double>();
      std::vector<double> moved(values.begin(), values.end());
      moved[static_cast<size_t>(i)] += side == 0 ? -kStep : kStep;
      inputs[at] = ir::Tensor::of<double>(trial.inputs[at].dims(), moved);
      losses[side] = loss_of(trial, inputs);
    }
    slopes.push_back((losses[1] - losses[0]) / (2 * kStep));
  }
  return slopes;
}

double norm(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return std::sqrt(sum);
}

void expect_close(const ir::Tensor& gradient, const std::vector<double>& expected, const ir::Dims& dims) {
  ASSERT_EQ(gradient.dtype(), ir::DType::f64);
  ASSERT_EQ(gradient.dims(), dims);
  std::vector<double> off = expected;
  for (size_t i = 0; i < off.size(); ++i) off[i] -= gradient.data<double>()[i];
  EXPECT_LT(norm(off) / norm(expected), kTolerance);
}

/// The backward graph is ordinary IR.
void expect_ordinary(const ir::Graph& graph) {
  const Status valid = ir::verify(graph);
  EXPECT_TRUE(valid.ok()) << valid.error().text();
  for (const ir::Node& node : graph.nodes()) {
    const Status status = ops::verify_node(node);
    EXPECT_TRUE(status.ok()) << status.error().text();
  }
  const std::string text = ir::print(graph, {.max_elements = 0});
  const auto parsed = ir::parse(text);
  ASSERT_TRUE(parsed.ok()) << parsed.error().text();
  EXPECT_EQ(ir::print(*parsed, {.max_elements = 0}), text);
}

// A seed for a sample that does not change when others come or go (FNV-1a of its text).
uint64_t seed_of(const std::string& text) {
  uint64_t hash = 14695981039346656037U;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211U;
  return hash;
}

/// A trial in which every input moves the loss. Of a draw in which one does not (it never wins a Max) nothing would be
/// checked: then the next one.
std::optional<Trial> draw_trial(const GradientSample& sample, const std::string& text) {
  constexpr uint64_t kDraws = 8;
  for (uint64_t draw_index = 0; draw_index < kDraws; ++draw_index) {
    Random random(seed_of(text) + draw_index);
    auto parsed = ir::parse(text);
    EXPECT_TRUE(parsed.ok()) << parsed.error().text();
    if (!parsed) return std::nullopt;
    Trial trial{std::move(*parsed), {}, nullptr, {}};
    for (const ir::Value* input : trial.graph.inputs()) {
      trial.inputs.push_back(draw(random, fed_dims(input->type()), sample));
    }
    if (!add_loss(trial, random)) return std::nullopt;
    bool all_move = true;
    for (size_t i = 0; i < trial.inputs.size(); ++i) {
      trial.slopes.push_back(differences(trial, i));
      all_move = all_move && norm(trial.slopes.back()) > 1e-3;
    }
    if (all_move) return trial;
  }
  ADD_FAILURE() << "an input does not move the loss in any of " << kDraws << " draws";
  return std::nullopt;
}

void check(const GradientSample& sample) {
  const std::string text = text_of(sample);
  SCOPED_TRACE(text);
  std::optional<Trial> trial = draw_trial(sample, text);
  if (!trial) return;
  bool holds_op = false;
  for (const ir::Node& node : trial->graph.nodes()) holds_op = holds_op || node.is(sample.op);
  EXPECT_TRUE(holds_op);
  const std::vector<ir::Value*> inputs = trial->graph.inputs();
  const auto gradients = differentiate(trial->graph, *trial->loss, inputs);
  ASSERT_TRUE(gradients.ok()) << gradients.error().text();
  std::vector<const ir::Value*> wanted;
  for (size_t i = 0; i < inputs.size(); ++i) {
    ASSERT_NE((*gradients)[i], nullptr) << inputs[i]->name();
    EXPECT_TRUE(ir::merge((*gradients)[i]->type(), inputs[i]->type())) << (*gradients)[i]->type().text();
    wanted.push_back((*gradients)[i]);
  }
  expect_ordinary(trial->graph);
  const auto tensors = run_plainly(trial->graph, trial->inputs, wanted);
  ASSERT_TRUE(tensors.ok()) << tensors.error().text();
  for (size_t i = 0; i < inputs.size(); ++i) {
    SCOPED_TRACE("gradient of " + inputs[i]->name());
    expect_close((*tensors)[i], trial->slopes[i], trial->inputs[i].dims());
  }
}

TEST(EveryGradient, AgreesWithCentralDifferences) {
  for (const GradientSample& sample : gradient_samples()) check(sample);
}

TEST(EveryGradient, IsThereOrItsAbsenceHasAReason) {
  for (int i = 0; i < ir::num_op_kinds(); ++i) {
    const ops::OpInfo* op = ops::find_op(static_cast<ir::OpKind>(i));
    if (op == nullptr) continue;
    SCOPED_TRACE(std::string(ir::op_name(op->kind)));
    bool sampled = false;
    for (const GradientSample& sample : gradient_samples()) sampled = sampled || sample.op == op->kind;
    EXPECT_EQ(sampled, op->gradient != nullptr) << "a gradient needs a sample in gradient_samples.cc";
    EXPECT_EQ(op->no_gradient.empty(), op->gradient != nullptr) << "an operator has a gradient or a reason, not both";
  }
}

}  // namespace
}  // namespace edgesmith::train
