// SPDX-License-Identifier: Apache-2.0
// Dead and repeated channels planted into random nets and into every model of the zoo come out again: the parameters
// that were there before, and the same results.
#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "edgesmith/base/random.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/pass.h"
#include "golden_run.h"
#include "passes/channels/sparse_groups.h"
#include "plant_channels.h"
#include "support/zoo.h"

namespace edgesmith::testing {
namespace {

ir::Tensor noise(ir::Dims dims, Random& random) {
  std::vector<float> numbers(static_cast<size_t>(ir::num_elements(dims)));
  for (float& x : numbers) x = static_cast<float>(random.normal());
  return ir::Tensor::of<float>(std::move(dims), numbers);
}

/// Convolutions, activations, depthwise convolutions, pools, sums and concats at random; then a classifier.
class RandomNet {
 public:
  explicit RandomNet(uint64_t seed) : random_(seed) {}

  ir::Graph make() {
    value_ = &graph_.add_input("x", {ir::DType::f32, ir::Shape{ir::Dim("N"), 3, 9, 9}});
    const auto steps = 3 + below(4);
    for (int64_t i = 0; i < steps; ++i) step();
    ir::Node& last = below(2) == 0 ? graph_.append(ir::OpKind::global_average_pool, {value_}) : value_->node();
    ir::Node& flat = graph_.append(ir::OpKind::flatten, {&last.output()});
    EXPECT_TRUE(ops::infer_types(graph_).ok());
    const int64_t features = (*flat.output().type().shape)[1].value();
    ir::Node& hidden = gemm(flat.output(), features, 6);
    ir::Node& active = graph_.append(ir::OpKind::relu, {&hidden.output()});
    graph_.add_output("y", gemm(active.output(), 6, 4).output());
    EXPECT_TRUE(ops::infer_types(graph_).ok());
    return std::move(graph_);
  }

 private:
  int64_t below(int64_t n) { return static_cast<int64_t>(random_.below(static_cast<uint64_t>(n))); }

  ir::Node& gemm(ir::Value& in, int64_t from, int64_t to) {
    return graph_.append(ir::OpKind::gemm, {&in, &graph_.add_constant(noise({from, to}, random_)),
                                            &graph_.add_constant(noise({to}, random_))});
  }

  ir::Value& conv(ir::Value& in, int64_t from, int64_t to, int64_t groups = 1) {
    const int64_t kernel = below(2) == 0 ? 1 : 3;
    std::vector<ir::Value*> operands = {&in, &graph_.add_constant(noise({to, from / groups, kernel, kernel}, random_))};
    if (below(2) == 0) operands.push_back(&graph_.add_constant(noise({to}, random_)));
    ir::Node& node = graph_.append(ir::OpKind::conv, operands);
    if (kernel == 3) node.attributes().set("pads", ir::Ints{1, 1, 1, 1});
    node.attributes().set("group", groups);
    if (below(3) == 0) return node.output();
    return graph_.append(below(2) == 0 ? ir::OpKind::relu : ir::OpKind::hard_swish, {&node.output()}).output();
  }

  void step() {
    const int64_t wider = 2 + below(5);
    switch (below(5)) {
      case 0: value_ = &conv(*value_, channels_, channels_, channels_); return;
      case 1:
        value_ = &graph_.append(ir::OpKind::add, {value_, &conv(conv(*value_, channels_, wider), wider, channels_)})
                      .output();
        return;
      case 2: {
        ir::Node& node = graph_.append(ir::OpKind::concat, {value_, &conv(*value_, channels_, wider)});
        node.attributes().set("axis", int64_t{1});
        value_ = &node.output();
        channels_ += wider;
        return;
      }
      default: value_ = &conv(*value_, channels_, wider); channels_ = wider;
    }
  }

  Random random_;
  ir::Graph graph_;
  ir::Value* value_ = nullptr;
  int64_t channels_ = 3;
};

passes::Change eliminate(ir::Graph& graph) {
  passes::PassContext context;
  const passes::PassInfo& pass = *passes::find_pass("eliminate-dead-channels");
  const auto change = passes::run_pass(pass, graph, passes::Options(pass.options()), context);
  EXPECT_TRUE(change.ok()) << (change.ok() ? "" : change.error().text());
  return change.ok() ? *change : passes::Change::none;
}

// Returns how many channels were planted.
int check(const ir::Graph& graph, uint64_t seed, double tolerance) {
  Random random(seed);
  ir::Graph clean = graph.clone(), planted = graph.clone();
  eliminate(clean);
  const int count = plant_channels(planted, random);
  EXPECT_EQ(compare_by_running(graph, planted, tolerance, false), "") << "planting changes the results";
  eliminate(planted);
  EXPECT_EQ(count_parameters(planted), count_parameters(clean));
  EXPECT_EQ(compare_by_running(graph, planted, tolerance, false), "");
  EXPECT_EQ(eliminate(planted), passes::Change::none);
  return count;
}

// Models of known operators on floats.
bool runs_here(const ir::Graph& graph) {
  for (const ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::opaque)) return false;
  }
  for (const ir::Value* input : graph.inputs()) {
    if (input->type().dtype != ir::DType::f32 || !input->type().has_rank()) return false;
  }
  return true;
}

TEST(DeadChannels, PlantedInRandomNetsComeOutAgain) {
  int planted = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    planted += check(RandomNet(seed).make(), seed, 1e-5);
    if (HasFailure()) return;
  }
  EXPECT_GT(planted, 200);
}

passes::LayerWeights weights_with(int64_t outputs, int64_t inputs, const std::function<bool(int64_t, int64_t)>& zero) {
  passes::LayerWeights weights{.outputs = outputs, .inputs = inputs};
  for (int64_t m = 0; m < outputs; ++m) {
    for (int64_t c = 0; c < inputs; ++c) weights.numbers.push_back(zero(m, c) ? 0.0F : 1.0F);
  }
  return weights;
}

TEST(DeadChannels, PatternsOfZerosAreSeen) {
  const auto groups = [](const std::function<bool(int64_t, int64_t)>& zero) {
    const passes::SparseGroups found = passes::sparse_groups(weights_with(16, 16, zero));
    return std::pair(found.outputs, found.inputs);
  };
  using Groups = std::pair<int64_t, int64_t>;
  EXPECT_EQ(groups([](int64_t, int64_t) { return false; }), Groups(1, 1));
  EXPECT_EQ(groups([](int64_t m, int64_t c) { return (m + c) % 2 == 0; }), Groups(1, 4)) << "2:4";
  EXPECT_EQ(groups([](int64_t m, int64_t c) { return (m + c) % 8 < 4; }), Groups(1, 8)) << "4:8";
  EXPECT_EQ(groups([](int64_t m, int64_t c) { return (m / 4 + c) % 3 == 0; }), Groups(4, 1)) << "4x1";
  EXPECT_EQ(groups([](int64_t m, int64_t c) { return (m / 2 + c) % 3 == 0; }), Groups(2, 1)) << "2x1";
  EXPECT_EQ(groups([](int64_t m, int64_t c) { return (m + c / 4) % 3 == 0; }), Groups(1, 4)) << "1x4";
  EXPECT_EQ(groups([](int64_t m, int64_t c) { return (m * 7 + c * 5) % 11 < 4; }), Groups(1, 1)) << "scattered";
  EXPECT_EQ(groups([](int64_t, int64_t c) { return c % 2 == 0; }), Groups(1, 1)) << "whole channels";
  EXPECT_EQ(groups([](int64_t m, int64_t c) { return m == 0 && c < 4; }), Groups(1, 1)) << "too few";
}

// A 2:4 layer behind a convolution of eight channels, of which some are zero.
TEST(DeadChannels, GroupsOfAPatternGoTogether) {
  const auto channels_left = [](const std::vector<int64_t>& dead) {
    ir::Graph graph;
    Random random(3);
    ir::Value& x = graph.add_input("x", {ir::DType::f32, ir::Shape{ir::Dim("N"), 3, 4, 4}});
    ir::Tensor first = noise({8, 3, 1, 1}, random), second = noise({16, 8, 1, 1}, random);
    for (const int64_t channel : dead) {
      for (int64_t c = 0; c < 3; ++c) first.mutable_data<float>()[static_cast<size_t>(channel * 3 + c)] = 0;
    }
    for (int64_t i = 0; i < 128; ++i) {
      if ((i / 8 + i) % 2 == 0) second.mutable_data<float>()[static_cast<size_t>(i)] = 0;
    }
    ir::Node& a = graph.append(ir::OpKind::conv, {&x, &graph.add_constant(std::move(first))});
    ir::Node& b = graph.append(ir::OpKind::conv, {&a.output(), &graph.add_constant(std::move(second))});
    graph.add_output("y", b.output());
    EXPECT_TRUE(ops::infer_types(graph).ok());
    eliminate(graph);
    return (*a.output().type().shape)[1].value();
  };
  EXPECT_EQ(channels_left({1}), 8);
  EXPECT_EQ(channels_left({0, 1, 2, 3}), 4);
  EXPECT_EQ(channels_left({2, 4, 5, 6, 7}), 4);
}

TEST(DeadChannels, PlantedInTheZooComeOutAgain) {
  if (zoo_models().empty()) GTEST_SKIP() << "no zoo in " << zoo_folder();
  int planted = 0;
  for (const std::string& path : zoo_models()) {
    SCOPED_TRACE(path);
    auto graph = onnx::import_file(path);
    ASSERT_TRUE(graph.ok()) << graph.error().text();
    if (!runs_here(*graph)) continue;
    passes::PassContext context;
    const passes::PassInfo& simplify = *passes::find_pass("simplify");
    ASSERT_TRUE(passes::run_pass(simplify, *graph, passes::Options(simplify.options()), context).ok());
    planted += check(*graph, 1, 2e-5);
  }
  EXPECT_GT(planted, 0);
}

}  // namespace
}  // namespace edgesmith::testing
