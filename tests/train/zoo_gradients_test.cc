// SPDX-License-Identifier: Apache-2.0
// Gradients of real models: the slope of a loss along a random direction of all weights at once agrees with its
// differences, in double precision.
#include <gtest/gtest.h>

#include <cmath>

#include "edgesmith/base/random.h"
#include "edgesmith/data/seeded_inputs.h"
#include "edgesmith/ir/verifier.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/ops/gradient.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/train/differentiate.h"
#include "ops/gradient_rules.h"
#include "support/zoo.h"
#include "train/run_plainly.h"

namespace edgesmith::train {
namespace {

constexpr double kStep = 1e-9;  // relative to the weights; so short that it passes next to no kink

constexpr uintmax_t kLargestFile = 10'000'000;  // larger models are slow node by node in double

ir::Tensor as_doubles(const ir::Tensor& tensor) {
  const std::vector<float> values = tensor.to_floats();
  return ir::Tensor::of<double>(tensor.dims(), std::vector<double>(values.begin(), values.end()));
}

/// Makes every float of the model a double. Annotations stay behind: they are rounding, which has no slope.
void widen(ir::Graph& graph) {
  for (ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::constant)) {
      const ir::Tensor tensor = node.tensor();
      if (ir::is_float(tensor.dtype())) {
        node.output().set_quant(std::nullopt);
        graph.set_tensor(node, as_doubles(tensor));
      }
      continue;
    }
    if (node.is(ir::OpKind::cast) && ir::is_float(static_cast<ir::DType>(node.attributes().get_int("to", 0)))) {
      node.attributes().set("to", static_cast<int64_t>(ir::DType::f64));
    }
    if (const ir::Attribute* value = node.attributes().find("value"); value != nullptr) {
      const auto* tensor = std::get_if<ir::Tensor>(value);
      if (tensor != nullptr && ir::is_float(tensor->dtype())) node.attributes().set("value", as_doubles(*tensor));
    }
    for (int i = 0; i < node.num_outputs(); ++i) {
      ir::Type type = node.output(i).type();
      if (ir::is_float(type.dtype)) type.dtype = ir::DType::f64;
      node.output(i).set_type(std::move(type));
      node.output(i).set_quant(std::nullopt);
    }
  }
}

bool has_opaque_nodes(const ir::Graph& graph) {
  for (const ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::opaque)) return true;
  }
  return false;
}

/// Whether operators are there that are recurrent, or that compute on codes.
bool has_no_gradients(const ir::Graph& graph) {
  for (const ir::Node& node : graph.nodes()) {
    const ops::OpInfo* op = ops::find_op(node.op());
    if (op == nullptr) continue;
    for (const std::string_view reason : {ops::kRecurrent, ops::kIntegerCodes}) {
      if (op->no_gradient == reason && !node.is(ir::OpKind::quantize_linear) &&
          !node.is(ir::OpKind::dequantize_linear)) {
        return true;
      }
    }
  }
  return false;
}

/// Constants that layers compute with.
std::vector<ir::Value*> weights_of(const ir::Graph& graph) {
  std::vector<ir::Value*> weights;
  for (const ir::Node& node : graph.nodes()) {
    if (!node.is(ir::OpKind::constant) || !ir::is_float(node.tensor().dtype())) continue;
    bool layer = false;
    for (const ir::Use& use : node.output().uses()) {
      for (const ir::OpKind op : {ir::OpKind::conv, ir::OpKind::conv_transpose, ir::OpKind::gemm, ir::OpKind::mat_mul,
                                  ir::OpKind::batch_normalization, ir::OpKind::gather, ir::OpKind::prelu}) {
        layer = layer || use.node->is(op);
      }
    }
    if (layer) weights.push_back(&node.output());
  }
  return weights;
}

double norm(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return std::sqrt(sum);
}

/// The mean of the first result, weighted at random. Null when it holds no floats.
ir::Value* add_loss(ir::Graph& graph, const std::vector<ir::Tensor>& inputs, Random& random) {
  ir::Value& y = *graph.output_node().input(0);
  if (!ir::is_float(y.type().dtype)) return nullptr;
  const auto result = run_plainly(graph, inputs, {&y});
  EXPECT_TRUE(result.ok()) << result.error().text();
  if (!result) return nullptr;
  ir::Tensor weights = ir::Tensor::zeros(ir::DType::f64, (*result)[0].dims());
  for (double& weight : weights.mutable_data<double>()) weight = random.normal();
  ops::GradientBuilder build(graph);
  const ops::Term weighted = build.term(y) * build.term(graph.add_constant(weights), ir::DType::f64);
  return &build.append(ir::OpKind::reduce_mean, {weighted.value}, {{"keepdims", int64_t{0}}});
}

/// Pictures of free size are made large enough for every pool.
std::vector<std::pair<std::string, int64_t>> picture_sizes(const ir::Graph& graph) {
  std::vector<std::pair<std::string, int64_t>> sizes;
  for (const ir::Value* input : graph.inputs()) {
    for (int d = 2; input->type().rank() == 4 && d < 4; ++d) {
      const ir::Dim& dim = (*input->type().shape)[static_cast<size_t>(d)];
      if (dim.symbolic()) sizes.emplace_back(dim.symbol(), 32);
    }
  }
  return sizes;
}

/// Checks a model; false when it has nothing to differentiate.
bool check(const std::string& path) {
  SCOPED_TRACE(path);
  if (std::filesystem::file_size(path) > kLargestFile) return false;
  auto graph = onnx::import_file(path, {.keep_quantized_operators = true});
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  if (!graph || has_opaque_nodes(*graph) || has_no_gradients(*graph)) return false;
  auto inputs = data::seeded_inputs(
      *graph, {.batch = 0, .free_dims = picture_sizes(*graph), .seed = 3, .memory_limit = int64_t{1} << 30});
  if (!inputs) return false;  // text
  for (ir::Tensor& input : *inputs) {
    if (ir::is_float(input.dtype())) input = as_doubles(input);
  }
  widen(*graph);
  // The gradient of a Resize needs sizes.
  const bool free_pictures = !picture_sizes(*graph).empty();
  for (size_t i = 0; free_pictures && i < inputs->size(); ++i) graph->inputs()[i]->set_type((*inputs)[i].type());
  const Status inferred = ops::infer_types(*graph);
  EXPECT_TRUE(inferred.ok()) << inferred.error().text();
  Random random(17);
  ir::Value* loss = add_loss(*graph, *inputs, random);
  const std::vector<ir::Value*> weights = weights_of(*graph);
  if (loss == nullptr || weights.empty()) return false;
  const auto gradients = differentiate(*graph, *loss, weights);
  EXPECT_TRUE(gradients.ok()) << gradients.error().text();
  if (!gradients) return true;
  EXPECT_TRUE(ir::verify(*graph).ok());

  std::vector<ir::Value*> asked;
  std::vector<const ir::Value*> wanted;
  for (size_t i = 0; i < weights.size(); ++i) {
    if ((*gradients)[i] == nullptr) continue;
    asked.push_back(weights[i]);
    wanted.push_back((*gradients)[i]);
  }
  const auto slopes = run_plainly(*graph, *inputs, wanted);
  EXPECT_TRUE(slopes.ok()) << slopes.error().text();
  if (!slopes) return true;
  double slope = 0;
  std::vector<ir::Tensor> origins;
  std::vector<std::vector<double>> directions;
  for (size_t i = 0; i < asked.size(); ++i) {
    const ir::Tensor origin = *asked[i]->constant();
    const auto values = origin.data<double>(), gradient = (*slopes)[i].data<double>();
    const double scale = norm(values) / std::sqrt(static_cast<double>(values.size())) + 1e-3;
    std::vector<double> direction;
    for (size_t k = 0; k < values.size(); ++k) {
      direction.push_back(scale * random.normal());
      slope += direction.back() * gradient[k];
    }
    origins.push_back(origin);
    directions.push_back(std::move(direction));
  }
  double losses[2] = {0, 0};
  for (const int side : {0, 1}) {
    for (size_t i = 0; i < asked.size(); ++i) {
      const auto values = origins[i].data<double>();
      std::vector<double> moved(values.begin(), values.end());
      for (size_t k = 0; k < moved.size(); ++k) moved[k] += (side == 0 ? -kStep : kStep) * directions[i][k];
      graph->set_tensor(asked[i]->node(), ir::Tensor::of<double>(origins[i].dims(), moved));
    }
    const auto run = run_plainly(*graph, *inputs, {loss});
    EXPECT_TRUE(run.ok()) << run.error().text();
    if (run) losses[side] = (*run)[0].data<double>()[0];
  }
  const double expected = (losses[1] - losses[0]) / (2 * kStep);
  EXPECT_GT(std::fabs(expected), 1e-7);
  EXPECT_NEAR(slope, expected, 1e-4 * std::fabs(expected));
  ::testing::Test::RecordProperty(path.substr(path.rfind('/') + 1), std::to_string(slope / expected));
  return true;
}

TEST(ZooGradients, AgreeWithDifferencesAlongARandomDirection) {
  const std::vector<std::string> paths = testing::zoo_models();
  if (paths.empty()) GTEST_SKIP() << "no zoo at " << testing::zoo_folder() << " (set EDGESMITH_ZOO)";
  int checked = 0;
  for (const std::string& path : paths) checked += check(path) ? 1 : 0;
  EXPECT_GE(checked, 8);
}

}  // namespace
}  // namespace edgesmith::train
