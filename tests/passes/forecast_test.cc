// SPDX-License-Identifier: Apache-2.0
// What `inspect` says of weights is what is in them, and a forecast is what the passes then do.
#include "edgesmith/passes/forecast.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "edgesmith/ir/text.h"
#include "edgesmith/ir/verifier.h"
#include "edgesmith/onnx/export.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/weight_facts.h"
#include "pictures.h"

namespace edgesmith::passes {
namespace {

ir::Graph parsed(const std::string& text) {
  auto graph = ir::parse(text);
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  return std::move(*graph);
}

ir::Graph network() {
  return parsed(R"(graph @net(%x: f32[N,4,8,8]) -> (scores) {
  %w1 = constant random(seed=1) : f32[20,4,3,3]
  %b1 = constant random(seed=2) : f32[20]
  %w2 = constant random(seed=3) : f32[40,20,1,1]
  %w3 = constant random(seed=4) : f32[10,40]
  %c1 = conv %x, %w1, %b1 {pads=[1,1,1,1]} : f32[N,20,8,8] @"first"
  %r1 = relu %c1 : f32[N,20,8,8]
  %c2 = conv %r1, %w2 : f32[N,40,8,8] @"point"
  %g = global_average_pool %c2 : f32[N,40,1,1]
  %f = flatten %g : f32[N,40]
  %y = gemm %f, %w3 {transB=1} : f32[N,10] @"classifier"
  return %y
}
)");
}

ir::Node& named(ir::Graph& graph, const std::string& name) {
  for (ir::Node& node : graph.nodes()) {
    if (node.name() == name) return node;
  }
  ADD_FAILURE() << "no node " << name;
  return graph.output_node();
}

const WeightFacts* facts_of(const ModelFacts& facts, const std::string& node) {
  for (const WeightFacts& own : facts.weights) {
    if (own.node->name() == node) return &own;
  }
  return nullptr;
}

ModelFacts look(const ir::Graph& graph) {
  ThreadPool pool(2);
  auto facts = find_weight_facts(graph, pool);
  EXPECT_TRUE(facts.ok());
  return facts.ok() ? *facts : ModelFacts();
}

TEST(WeightFacts, CountsZerosAndDifferentNumbers) {
  ir::Graph graph = parsed(R"(graph @g(%x: f32[N,3]) -> (y) {
  %w = constant {1, 0, -0.0, 2, 1, 1} : f32[3,2]
  %b = constant {0, 5} : f32[2]
  %y = gemm %x, %w, %b : f32[N,2] @"layer"
  return %y
}
)");
  const ModelFacts facts = look(graph);
  ASSERT_EQ(facts.weights.size(), 1u) << "a bias has one dim";
  EXPECT_EQ(facts.weights[0].elements, 6);
  EXPECT_EQ(facts.weights[0].nonzero, 4);
  EXPECT_EQ(facts.weights[0].distinct, 3) << "both zeros are one number";
  EXPECT_DOUBLE_EQ(facts.weights[0].density(), 4.0 / 6);
  EXPECT_EQ(facts.elements, 6);
  EXPECT_EQ(facts.nonzero, 4);
}

TEST(WeightFacts, OfCodesCountsCodes) {
  ir::Graph graph = network();
  ir::Value* weight = named(graph, "first").input(1);
  ir::Quant quant{.dtype = ir::DType::i8, .axis = 0};
  for (int c = 0; c < 20; ++c) {
    quant.scale.push_back(0.5F + static_cast<float>(c));
    quant.zero_point.push_back(0);
  }
  std::vector<int8_t> codes;
  for (int i = 0; i < 720; ++i) codes.push_back(static_cast<int8_t>(i % 5));
  graph.set_tensor(weight->node(), ir::Tensor::affine(ir::Tensor::of<int8_t>({20, 4, 3, 3}, codes), quant));
  const ModelFacts facts = look(graph);
  const WeightFacts* own = facts_of(facts, "first");
  ASSERT_NE(own, nullptr);
  EXPECT_EQ(own->distinct, 5);
  EXPECT_EQ(own->nonzero, 576);
  EXPECT_FALSE(own->channels.has_value()) << "channels of compressed weights are left alone";
}

TEST(WeightFacts, NamesDeadAndRepeatedChannelsOfEveryLayer) {
  ir::Graph graph = network();
  const ModelFacts before = look(graph);
  EXPECT_EQ(before.removable, 0);
  ASSERT_TRUE(facts_of(before, "first")->channels.has_value());
  EXPECT_EQ(facts_of(before, "first")->channels->channels, 20);

  // first: channel 3 is constant, 7 repeats 2, and nobody reads 11. point: 0 is read by nobody.
  std::vector<float> w1 = named(graph, "first").input(1)->constant()->to_floats();
  std::vector<float> b1 = named(graph, "first").input(2)->constant()->to_floats();
  std::fill_n(w1.begin() + 3 * 36, 36, 0.0F);
  std::copy_n(w1.begin() + 2 * 36, 36, w1.begin() + 7 * 36);
  b1[7] = b1[2];
  graph.set_tensor(named(graph, "first").input(1)->node(), ir::Tensor::of<float>({20, 4, 3, 3}, w1));
  graph.set_tensor(named(graph, "first").input(2)->node(), ir::Tensor::of<float>({20}, b1));
  std::vector<float> w2 = named(graph, "point").input(1)->constant()->to_floats();
  for (size_t m = 0; m < 40; ++m) w2[m * 20 + 11] = 0;
  graph.set_tensor(named(graph, "point").input(1)->node(), ir::Tensor::of<float>({40, 20, 1, 1}, w2));
  std::vector<float> w3 = named(graph, "classifier").input(1)->constant()->to_floats();
  for (size_t m = 0; m < 10; ++m) w3[m * 40] = 0;
  graph.set_tensor(named(graph, "classifier").input(1)->node(), ir::Tensor::of<float>({10, 40}, w3));

  const ir::Graph untouched = graph.clone();
  const ModelFacts facts = look(graph);
  EXPECT_EQ(facts_of(facts, "first")->channels->dead, 2);
  EXPECT_EQ(facts_of(facts, "first")->channels->duplicate, 1);
  EXPECT_EQ(facts_of(facts, "point")->channels->dead, 1);
  EXPECT_EQ(facts_of(facts, "point")->channels->duplicate, 0);
  EXPECT_EQ(facts.dead, 3);
  EXPECT_EQ(facts.duplicate, 1);
  EXPECT_EQ(facts.removable, 4);
  EXPECT_EQ(ir::print(graph), ir::print(untouched)) << "looking changes nothing";
}

int64_t exported(const ir::Graph& graph) {
  const auto bytes = onnx::export_bytes(graph);
  EXPECT_TRUE(bytes.ok());
  return bytes.ok() ? static_cast<int64_t>(bytes->size()) : 0;
}

class ForecastTest : public ::testing::Test {
 protected:
  ForecastTest() : target_(*targets::load_target("ort-x86")) {}

  const Technique& technique(std::string_view name) {
    for (const Technique& one : forecast_techniques()) {
      if (one.name == name) return one;
    }
    ADD_FAILURE() << name;
    return forecast_techniques()[0];
  }

  // The graph after the technique.
  ir::Graph after(std::string_view name, const ir::Graph& graph) {
    ir::Graph copy = graph.clone();
    const auto change = forecast(technique(name), target_, pool_, copy);
    EXPECT_TRUE(change.ok()) << name << ": " << change.error().message;
    EXPECT_TRUE(ir::verify(copy).ok()) << name;
    return copy;
  }

  ir::Graph really(const char* pass, const std::vector<std::pair<std::string, std::string>>& settings,
                   const ir::Graph& graph, const data::Dataset* calib = nullptr) {
    ir::Graph copy = graph.clone();
    Options options(find_pass(pass)->options());
    for (const auto& [option, text] : settings) EXPECT_TRUE(options.set_text(option, text).ok());
    ProgressSink progress;
    PassContext context;
    context.calib = calib;
    context.original = &graph;
    context.target = &target_;
    context.pool = &pool_;
    context.progress = &progress;
    const auto change = run_pass(*find_pass(pass), copy, options, context);
    EXPECT_TRUE(change.ok()) << change.error().message;
    return copy;
  }

  targets::Target target_;
  ThreadPool pool_{2};
};

TEST_F(ForecastTest, TakesTheBytesThatThePassesTake) {
  const ir::Graph graph = network();
  EXPECT_EQ(exported(after("int4 weights", graph)),
            exported(really("quantize", {{"weights", "int4"}, {"repair", "none"}}, graph)));
  EXPECT_EQ(exported(after("share 4 bits", graph)),
            exported(really("share", {{"bits", "4"}, {"repair", "none"}}, graph)));
  const ModelFacts pruned = look(after("prune 50 %", graph));
  EXPECT_NEAR(static_cast<double>(pruned.nonzero), 0.5 * static_cast<double>(pruned.elements), 2);
}

// Names of values with codes.
std::set<std::string> coded_values(const ir::Graph& graph) {
  std::set<std::string> names;
  for (const ir::Node& node : graph.nodes()) {
    for (int o = 0; o < node.num_outputs(); ++o) {
      if (node.output(o).quant()) names.insert(node.output(o).name());
    }
  }
  return names;
}

TEST_F(ForecastTest, Int8CodesWhatQuantizeWould) {
  const ir::Graph graph = network();
  const Pictures pictures({1, 4, 8, 8}, 16);
  const ir::Graph coded = after("int8", graph), real = really("quantize", {}, graph, &pictures);
  std::set<std::string> wanted = coded_values(real);
  wanted.erase("");  // the bias that bias correction gave to `point`
  EXPECT_EQ(coded_values(coded), wanted);
  EXPECT_GT(coded_values(coded).size(), 5u);
  const auto real_bytes = static_cast<double>(exported(real));
  EXPECT_NEAR(static_cast<double>(exported(coded)), real_bytes, 0.2 * real_bytes);
  EXPECT_LT(exported(coded), exported(graph));
}

TEST_F(ForecastTest, Int8FoldsNormsAsQuantizeDoes) {
  const ir::Graph graph = parsed(R"(graph @net(%x: f32[N,4,8,8]) -> (y) {
  %w = constant random(seed=1) : f32[64,4,3,3]
  %scale = constant random(seed=2) : f32[64]
  %shift = constant random(seed=3) : f32[64]
  %var = constant random(seed=4) : f32[64]
  %square = mul %var, %var : f32[64]
  %c = conv %x, %w : f32[N,64,6,6] @"first"
  %n = batch_normalization %c, %scale, %shift, %shift, %square : f32[N,64,6,6]
  %y = relu %n : f32[N,64,6,6]
  return %y
}
)");
  ir::Graph folded = graph.clone();
  folded = really("fold-constants", {}, folded);
  const Pictures pictures({1, 4, 8, 8}, 16);
  const ir::Graph coded = after("int8", folded), real = really("quantize", {}, folded, &pictures);
  EXPECT_EQ(coded_values(coded), coded_values(real));
  const auto real_bytes = static_cast<double>(exported(real));
  EXPECT_NEAR(static_cast<double>(exported(coded)), real_bytes, 0.02 * real_bytes);
}

TEST_F(ForecastTest, SaysWhatCannotBeDone) {
  ir::Graph graph = network();
  std::vector<float> weight = named(graph, "point").input(1)->constant()->to_floats();
  weight[5] = NAN;
  graph.set_tensor(named(graph, "point").input(1)->node(), ir::Tensor::of<float>({40, 20, 1, 1}, weight));
  for (const char* name : {"share 4 bits", "int8", "int4 weights"}) {
    ir::Graph copy = graph.clone();
    const auto change = forecast(technique(name), target_, pool_, copy);
    ASSERT_FALSE(change.ok()) << name;
    EXPECT_NE(change.error().message.find("NaN"), std::string::npos) << change.error().message;
  }
  ir::Graph coded = after("int8", network());
  const auto again = forecast(technique("int8"), target_, pool_, coded);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again, Change::none);
}

}  // namespace
}  // namespace edgesmith::passes
