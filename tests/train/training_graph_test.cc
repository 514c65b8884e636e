// SPDX-License-Identifier: Apache-2.0
// A whole training graph: forward, loss and backward of a small network in one graph. It prints, is simplified, runs in
// the runtime, learns by plain steps down the gradient, and is not exported by mistake.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "edgesmith/base/random.h"
#include "edgesmith/base/thread_pool.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/ir/verifier.h"
#include "edgesmith/onnx/export.h"
#include "edgesmith/passes/pass.h"
#include "edgesmith/runtime/executor.h"
#include "edgesmith/train/differentiate.h"
#include "train/run_plainly.h"

namespace edgesmith::train {
namespace {

constexpr int64_t kSamples = 24, kSize = 8;

// Weights are inputs; %labels holds one row of 0 and 1 a sample.
constexpr const char* kNetwork = R"(graph @net(%image: f32[N,1,8,8], %labels: f32[N,3], %w1: f32[4,1,3,3], %b1: f32[4],
    %w2: f32[3,64], %b2: f32[3]) -> (loss: f32[]) {
  %conv = conv %image, %w1, %b1 {pads=[1,1,1,1]} @"conv"
  %relu = relu %conv @"relu"
  %pool = max_pool %relu {kernel_shape=[2,2], strides=[2,2]} @"pool"
  %flat = flatten %pool
  %scores = gemm %flat, %w2, %b2 {transB=1} @"gemm"
  %log = log_softmax %scores
  %hits = mul %log, %labels
  %axis = constant {1} : i64[1]
  %each = reduce_sum %hits, %axis {keepdims=0}
  %mean = reduce_mean %each {keepdims=0}
  %loss = neg %mean
  return %loss
})";

ir::Tensor random_tensor(Random& random, const ir::Dims& dims, double scale) {
  ir::Tensor tensor = ir::Tensor::zeros(ir::DType::f32, dims);
  for (float& value : tensor.mutable_data<float>()) value = static_cast<float>(scale * random.normal());
  return tensor;
}

/// Noisy pictures with a bright bar: in the upper, middle or lower third.
std::vector<ir::Tensor> make_inputs() {
  Random random(5);
  ir::Tensor images = random_tensor(random, {kSamples, 1, kSize, kSize}, 0.3);
  ir::Tensor labels = ir::Tensor::zeros(ir::DType::f32, {kSamples, 3});
  for (int64_t n = 0; n < kSamples; ++n) {
    const int64_t label = n % 3;
    labels.mutable_data<float>()[static_cast<size_t>(n * 3 + label)] = 1;
    for (int64_t x = 0; x < kSize; ++x) {
      images.mutable_data<float>()[static_cast<size_t>((n * kSize + label * 3) * kSize + x)] += 1;
    }
  }
  return {images,
          labels,
          random_tensor(random, {4, 1, 3, 3}, 0.3),
          ir::Tensor::zeros(ir::DType::f32, {4}),
          random_tensor(random, {3, 64}, 0.1),
          ir::Tensor::zeros(ir::DType::f32, {3})};
}

/// The network with the gradients of its weights as results 1 to 4.
ir::Graph training_graph(const std::string& dtype = "f32") {
  std::string text = kNetwork;
  for (size_t at = text.find("f32"); at != std::string::npos; at = text.find("f32", at)) {
    text.replace(at++, 3, dtype);
  }
  auto graph = ir::parse(text);
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  const std::vector<ir::Value*> inputs = graph->inputs();
  const std::vector<ir::Value*> weights(inputs.begin() + 2, inputs.end());
  const auto gradients = differentiate(*graph, *graph->output_node().input(0), weights);
  EXPECT_TRUE(gradients.ok()) << gradients.error().text();
  for (size_t i = 0; i < weights.size(); ++i) {
    EXPECT_NE((*gradients)[i], nullptr);
    graph->add_output("d" + weights[i]->name(), *(*gradients)[i]);
  }
  const Status valid = ir::verify(*graph);
  EXPECT_TRUE(valid.ok()) << valid.error().text();
  return std::move(*graph);
}

std::vector<ir::Tensor> run(const ir::Graph& graph, const std::vector<ir::Tensor>& inputs, bool reference = false,
                            ThreadPool* pool = nullptr) {
  const auto executor = runtime::Executor::create(graph, {.reference = reference});
  EXPECT_TRUE(executor.ok()) << executor.error().text();
  auto results = (*executor)->make_session(pool)->run(inputs);
  EXPECT_TRUE(results.ok()) << results.error().text();
  return *results;
}

double distance(const ir::Tensor& a, const ir::Tensor& b) {
  EXPECT_EQ(a.dims(), b.dims());
  const std::vector<float> x = a.to_floats(), y = b.to_floats();
  double off = 0, size = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    off += std::pow(static_cast<double>(x[i]) - y[i], 2);
    size += std::pow(static_cast<double>(y[i]), 2);
  }
  return std::sqrt(off / size);
}

TEST(TrainingGraph, RunsLikeItsReferenceForAnyNumberOfThreads) {
  const ir::Graph graph = training_graph();
  const std::vector<ir::Tensor> inputs = make_inputs();
  const auto reference = run(graph, inputs, /*reference=*/true), alone = run(graph, inputs);
  ThreadPool pool(2);
  const auto shared = run(graph, inputs, /*reference=*/false, &pool);
  for (size_t i = 0; i < reference.size(); ++i) {
    SCOPED_TRACE(graph.output_names()[i]);
    EXPECT_LT(distance(alone[i], reference[i]), 1e-5);
    EXPECT_TRUE(shared[i].identical_to(alone[i]));
  }
}

ir::Tensor moved(const ir::Tensor& tensor, const std::vector<float>& direction, double step) {
  const std::vector<float> from = tensor.to_floats();
  std::vector<double> values(from.begin(), from.end());
  for (size_t k = 0; k < direction.size(); ++k) values[k] += step * static_cast<double>(direction[k]);
  return ir::Tensor::of<double>(tensor.dims(), values);
}

TEST(TrainingGraph, AgreesWithDifferencesOfTheLossFromEndToEnd) {
  const ir::Graph graph = training_graph("f64");
  const std::vector<ir::Tensor> inputs = make_inputs();
  std::vector<const ir::Value*> results;
  for (int i = 0; i < graph.num_outputs(); ++i) results.push_back(graph.output_node().input(i));
  // Along a random direction of all weights at once.
  constexpr double kStep = 1e-6;
  Random random(9);
  std::vector<std::vector<float>> directions(inputs.size());
  for (size_t i = 2; i < inputs.size(); ++i) directions[i] = random_tensor(random, inputs[i].dims(), 1).to_floats();
  std::vector<ir::Tensor> at[3];
  for (const int side : {0, 1, 2}) {
    for (size_t i = 0; i < inputs.size(); ++i) at[side].push_back(moved(inputs[i], directions[i], (side - 1) * kStep));
  }
  const auto before = run_plainly(graph, at[0], results), here = run_plainly(graph, at[1], results),
             behind = run_plainly(graph, at[2], results);
  ASSERT_TRUE(before.ok() && here.ok() && behind.ok());
  double slope = 0;
  for (size_t i = 2; i < inputs.size(); ++i) {
    const auto gradient = (*here)[i - 1].data<double>();
    for (size_t k = 0; k < gradient.size(); ++k) slope += static_cast<double>(directions[i][k]) * gradient[k];
  }
  const double rise = (*behind)[0].data<double>()[0] - (*before)[0].data<double>()[0];
  EXPECT_NEAR(rise / (2 * kStep), slope, 1e-6 * std::fabs(slope));
}

TEST(TrainingGraph, LearnsByStepsDownTheGradient) {
  const ir::Graph graph = training_graph();
  std::vector<ir::Tensor> inputs = make_inputs();
  const auto executor = runtime::Executor::create(graph);
  ASSERT_TRUE(executor.ok()) << executor.error().text();
  const auto session = (*executor)->make_session();
  std::vector<float> losses;
  for (int step = 0; step < 60; ++step) {
    const auto results = session->run(inputs);
    ASSERT_TRUE(results.ok()) << results.error().text();
    losses.push_back((*results)[0].to_floats()[0]);
    for (size_t i = 2; i < inputs.size(); ++i) {
      std::vector<float> weight = inputs[i].to_floats();
      const std::vector<float> gradient = (*results)[i - 1].to_floats();
      for (size_t k = 0; k < weight.size(); ++k) weight[k] -= 0.2f * gradient[k];
      inputs[i] = ir::Tensor::of<float>(inputs[i].dims(), weight);
    }
  }
  EXPECT_GT(losses.front(), 0.8f);
  EXPECT_LT(losses.back(), 0.1f * losses.front());
  for (size_t step = 1; step < losses.size(); ++step) EXPECT_LT(losses[step], losses[step - 1]) << step;
}

TEST(TrainingGraph, PrintsAndIsSimplifiedWithTheSameResults) {
  const ir::Graph before = training_graph();
  const std::string text = ir::print(before, {.max_elements = 0});
  auto after = ir::parse(text);
  ASSERT_TRUE(after.ok()) << after.error().text();
  const passes::PassInfo* simplify = passes::find_pass("simplify");
  passes::PassContext context;
  const auto change = passes::run_pass(*simplify, *after, passes::Options(simplify->options()), context);
  ASSERT_TRUE(change.ok()) << change.error().text();
  EXPECT_LE(after->num_nodes(), before.num_nodes());
  const std::vector<ir::Tensor> inputs = make_inputs();
  const auto expected = run(before, inputs), actual = run(*after, inputs);
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) EXPECT_LT(distance(actual[i], expected[i]), 1e-6) << i;
}

TEST(TrainingGraph, IsNotExportedWithOperatorsThatOnnxLacks) {
  const auto bytes = onnx::export_bytes(training_graph());
  ASSERT_FALSE(bytes.ok());
  EXPECT_EQ(bytes.error().kind, ErrorKind::unsupported);
  EXPECT_NE(bytes.error().message.find("max_pool_gradient"), std::string::npos) << bytes.error().text();
}

}  // namespace
}  // namespace edgesmith::train
