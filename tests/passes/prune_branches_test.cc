// SPDX-License-Identifier: Apache-2.0
// Residual branches that go as a whole: which they are, what stands in for them, and what the graph gives without them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/pass.h"
#include "graph_compare.h"
#include "passes/prune/structured/branch_trials.h"
#include "passes/prune/structured/branches.h"
#include "passes/prune/structured/budget.h"
#include "pictures.h"

namespace edgesmith::passes {
namespace {

using prune::Branch;
using Settings = std::vector<std::pair<std::string, std::string>>;

// The weights of "b2" and "project2" are zero, and their biases negative.
ir::Graph parse(const std::string& text) {
  auto graph = ir::parse(text);
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  for (ir::Node& node : graph->nodes()) {
    if (node.name() != "b2" && node.name() != "project2") continue;
    ir::Node& weight = node.input(1)->node();
    graph->set_tensor(weight, ir::Tensor::zeros(ir::DType::f32, weight.tensor().dims()));
    ir::Node& bias = node.input(2)->node();
    std::vector<float> numbers = bias.tensor().to_floats();
    for (float& number : numbers) number = -std::fabs(number);
    graph->set_tensor(bias, ir::Tensor::of<float>(bias.tensor().dims(), numbers));
  }
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  return std::move(*graph);
}

// Three residual blocks of one stage: the second gives a bias and nothing else.
const char* const kStage = R"(graph @net(%x: f32[N,3,8,8]) -> (scores) {
  %w0 = constant random(seed=1) : f32[8,3,3,3]
  %b0 = constant random(seed=2) : f32[8]
  %w1 = constant random(seed=3) : f32[8,8,3,3]
  %w2 = constant random(seed=4) : f32[8,8,3,3]
  %w3 = constant random(seed=5) : f32[16,8,3,3]
  %w4 = constant random(seed=11) : f32[8,16,3,3]
  %b4 = constant random(seed=6) : f32[8]
  %w5 = constant random(seed=7) : f32[8,8,3,3]
  %w6 = constant random(seed=8) : f32[8,8,3,3]
  %w7 = constant random(seed=9) : f32[5,8]
  %b7 = constant random(seed=10) : f32[5]
  %c0 = conv %x, %w0, %b0 {pads=[1,1,1,1]} : f32[N,8,8,8] @"stem"
  %r0 = relu %c0 : f32[N,8,8,8]
  %c1 = conv %r0, %w1 {pads=[1,1,1,1]} : f32[N,8,8,8] @"a1"
  %r1 = relu %c1 : f32[N,8,8,8]
  %c2 = conv %r1, %w2 {pads=[1,1,1,1]} : f32[N,8,8,8] @"a2"
  %s1 = add %c2, %r0 : f32[N,8,8,8]
  %r2 = relu %s1 : f32[N,8,8,8]
  %c3 = conv %r2, %w3 {pads=[1,1,1,1]} : f32[N,16,8,8] @"b1"
  %r3 = relu %c3 : f32[N,16,8,8]
  %c4 = conv %r3, %w4, %b4 {pads=[1,1,1,1]} : f32[N,8,8,8] @"b2"
  %s2 = add %r2, %c4 : f32[N,8,8,8]
  %r4 = relu %s2 : f32[N,8,8,8]
  %c5 = conv %r4, %w5 {pads=[1,1,1,1]} : f32[N,8,8,8] @"c1"
  %r5 = relu %c5 : f32[N,8,8,8]
  %c6 = conv %r5, %w6 {pads=[1,1,1,1]} : f32[N,8,8,8] @"c2"
  %s3 = add %c6, %r4 : f32[N,8,8,8]
  %r6 = relu %s3 : f32[N,8,8,8]
  %p = global_average_pool %r6 : f32[N,8,1,1]
  %f = flatten %p : f32[N,8]
  %y = gemm %f, %w7, %b7 {transB=1} : f32[N,5] @"classifier"
  return %y
}
)";

// Linear bottlenecks with depthwise convolutions; the second Add has nobody to stand in for it, as the sum before it is
// read elsewhere too.
const char* const kInverted = R"(graph @net(%x: f32[N,4,8,8]) -> (y) {
  %lo = constant {0} : f32[]
  %hi = constant {6} : f32[]
  %w1 = constant random(seed=1) : f32[12,4,1,1]
  %w2 = constant random(seed=2) : f32[12,1,3,3]
  %w3 = constant random(seed=3) : f32[4,12,1,1]
  %w4 = constant random(seed=4) : f32[12,4,1,1]
  %w5 = constant random(seed=5) : f32[12,1,3,3]
  %w6 = constant random(seed=9) : f32[4,12,1,1]
  %b6 = constant random(seed=6) : f32[4]
  %w7 = constant random(seed=7) : f32[3,4,1,1]
  %w8 = constant random(seed=8) : f32[3,4,1,1]
  %w9 = constant random(seed=9) : f32[4,4,1,1]
  %i = conv %x, %w9 : f32[N,4,8,8] @"stem"
  %a = conv %i, %w1 : f32[N,12,8,8] @"expand1"
  %b = clip %a, %lo, %hi : f32[N,12,8,8]
  %c = conv %b, %w2 {group=12, pads=[1,1,1,1]} : f32[N,12,8,8] @"depthwise1"
  %d = clip %c, %lo, %hi : f32[N,12,8,8]
  %e = conv %d, %w3 : f32[N,4,8,8] @"project1"
  %s = add %i, %e : f32[N,4,8,8]
  %g = conv %s, %w4 : f32[N,12,8,8] @"expand2"
  %h = clip %g, %lo, %hi : f32[N,12,8,8]
  %j = conv %h, %w5 {group=12, pads=[1,1,1,1]} : f32[N,12,8,8] @"depthwise2"
  %k = clip %j, %lo, %hi : f32[N,12,8,8]
  %l = conv %k, %w6, %b6 : f32[N,4,8,8] @"project2"
  %t = add %s, %l : f32[N,4,8,8]
  %u = conv %t, %w7 : f32[N,3,8,8] @"head"
  %v = conv %s, %w8 : f32[N,3,8,8] @"side"
  %y = sub %u, %v : f32[N,3,8,8]
  return %y
}
)";

std::vector<Branch> branches_of(ir::Graph& graph, const std::string& without = {}) {
  const ChannelMap map(graph);
  std::vector<bool> selected(static_cast<size_t>(graph.num_node_ids()), true);
  for (const ir::Node& node : graph.nodes()) {
    if (node.name() == without) selected[static_cast<size_t>(node.id())] = false;
  }
  return prune::find_branches(graph, map, prune::find_layers(graph, map), selected);
}

std::string stand_in_of(ir::Graph& graph, const Branch& branch) {
  const ChannelMap map(graph);
  return branch.stand_in < 0 ? "" : prune::find_layers(graph, map)[static_cast<size_t>(branch.stand_in)].node->name();
}

Result<Change> prune(ir::Graph& graph, const data::Dataset* calib, const Settings& settings, int threads = 2) {
  const PassInfo& pass = *find_pass("prune");
  Options options(pass.options());
  for (const auto& [name, value] : settings) EDGESMITH_TRY(options.set_text(name, value));
  ThreadPool pool(threads);
  ProgressSink progress;
  PassContext context;
  context.calib = calib;
  context.pool = &pool;
  context.progress = &progress;
  return run_pass(pass, graph, options, context);
}

bool has(const ir::Graph& graph, const std::string& name) {
  for (const ir::Node& node : graph.nodes()) {
    if (node.name() == name) return true;
  }
  return false;
}

int count(const ir::Graph& graph, ir::OpKind op) {
  int result = 0;
  for (const ir::Node& node : graph.nodes()) result += node.is(op) ? 1 : 0;
  return result;
}

TEST(PruneBranches, AreWhatEndsInOneAddAndTheLayerBeforeStandsIn) {
  ir::Graph graph = parse(kStage);
  const std::vector<Branch> branches = branches_of(graph);
  ASSERT_EQ(branches.size(), 3U);
  EXPECT_EQ(branches[0].name, "a2");
  EXPECT_EQ(branches[1].name, "b2");
  EXPECT_EQ(branches[2].name, "c2");
  EXPECT_EQ(branches[1].layers, 2);
  EXPECT_EQ(branches[1].nodes.size(), 3U);
  EXPECT_EQ(stand_in_of(graph, branches[0]), "stem");
  EXPECT_EQ(stand_in_of(graph, branches[1]), "a2");
  EXPECT_EQ(stand_in_of(graph, branches[2]), "b2");
  EXPECT_EQ(branches_of(graph, "b1").size(), 2U) << "its layers are not all selected";
  graph = parse(kInverted);
  const std::vector<Branch> inverted = branches_of(graph);
  ASSERT_EQ(inverted.size(), 2U);
  EXPECT_EQ(stand_in_of(graph, inverted[0]), "stem");
  EXPECT_EQ(stand_in_of(graph, inverted[1]), "") << "another layer reads the sum before";
}

TEST(PruneBranches, TheOnlyWayInIsNoBranch) {
  ir::Graph graph = parse(R"(graph @net(%x: f32[N,4], %z: f32[N,4]) -> (y) {
  %w1 = constant random(seed=1) : f32[4,4]
  %w2 = constant random(seed=2) : f32[4,4]
  %w3 = constant random(seed=3) : f32[4,2]
  %a = mat_mul %x, %w1 : f32[N,4] @"one"
  %b = mat_mul %z, %w2 : f32[N,4] @"two"
  %s = add %a, %b : f32[N,4]
  %y = mat_mul %s, %w3 : f32[N,2]
  return %y
}
)");
  EXPECT_TRUE(branches_of(graph).empty());
}

// A branch of zero weights gives its bias: its mean in its place changes nothing.
TEST(PruneBranches, AMeanInPlaceOfAConstantBranchGivesTheSame) {
  for (const char* text : {kStage, kInverted}) {
    ir::Graph graph = parse(text);
    const ir::Graph before = graph.clone();
    const ChannelMap map(graph);
    const std::vector<Branch> branches = branches_of(graph);
    const ir::Dims dims = {1, (*graph.inputs()[0]->type().shape)[1].value(), 8, 8};
    const Pictures pictures(dims, 16);
    ThreadPool pool(2);
    ProgressSink progress;
    const quantize::Stream stream(pictures, graph, pool, progress);
    const auto means = prune::branch_means(graph, map, branches, stream);
    ASSERT_TRUE(means.ok());
    prune::remove_branch(graph, branches[1], &(*means)[1]);
    ASSERT_TRUE(ops::infer_types(graph).ok());
    EXPECT_LT(graph.num_nodes(), before.num_nodes());
    EXPECT_LT(relative_error(before, graph, pictures), 1e-10);
  }
}

TEST(PruneBranches, AreGoneWhereTheyCostNothing) {
  const Pictures pictures({1, 4, 8, 8}, 64), other({1, 4, 8, 8}, 100);
  const ir::Graph before = parse(kInverted);
  ir::Graph graph = before.clone();
  const auto change = prune(graph, &pictures, {{"macs", "0.55"}, {"branches", "true"}});
  ASSERT_TRUE(change.ok()) << change.error().text();
  for (const char* gone : {"expand2", "depthwise2", "project2"}) EXPECT_FALSE(has(graph, gone));
  EXPECT_TRUE(has(graph, "expand1") && has(graph, "project1"));
  EXPECT_EQ(count(graph, ir::OpKind::clip), 2);
  EXPECT_LT(relative_error(before, graph, other), 1e-6);
  EXPECT_EQ(ir::Shape(*graph.output_node().input(0)->type().shape), *before.output_node().input(0)->type().shape);
}

// The layer before makes up for the branch: the Add goes, and of two Relus in a row the second.
TEST(PruneBranches, TakeTheirAddAndASecondReluAlong) {
  ir::Graph graph = parse(kStage);
  const std::vector<Branch> branches = branches_of(graph);
  prune::remove_branch(graph, branches[1], nullptr);
  ASSERT_TRUE(ops::infer_types(graph).ok());
  EXPECT_FALSE(has(graph, "b1") || has(graph, "b2"));
  EXPECT_EQ(count(graph, ir::OpKind::add), 2);
  EXPECT_EQ(count(graph, ir::OpKind::relu), 5);
}

TEST(PruneBranches, ANetLosesNoMoreThanItsBudgetAsksForAndKeepsItsInterface) {
  const ir::Graph before = parse(kStage);
  const Pictures pictures({1, 3, 8, 8}, 32);
  const auto macs_of = [](const ir::Graph& graph) {
    double macs = 0;
    for (const ir::Node& node : graph.nodes()) macs += static_cast<double>(ops::cost_of(node).macs);
    return macs;
  };
  for (const char* share : {"0.8", "0.5", "0.3", "0.1"}) {
    ir::Graph graph = before.clone();
    ASSERT_TRUE(prune(graph, &pictures, {{"macs", share}, {"branches", "true"}}).ok()) << share;
    EXPECT_LE(macs_of(graph), std::stod(share) * macs_of(before));
    EXPECT_EQ(graph.output_names(), before.output_names());
    EXPECT_TRUE(std::isfinite(relative_error(before, graph, pictures)));
  }
}

TEST(PruneBranches, GiveTheSameBytesForAnyNumberOfThreads) {
  const Pictures pictures({1, 3, 8, 8}, 48);
  ir::Graph one = parse(kStage), four = parse(kStage);
  const Settings settings = {{"macs", "0.4"}, {"branches", "true"}, {"time", "0.5"}, {"lanes", "8"}};
  ASSERT_TRUE(prune(one, &pictures, settings, 1).ok());
  ASSERT_TRUE(prune(four, &pictures, settings, 4).ok());
  expect_identical(one, four);
}

TEST(PruneBranches, TimeCountsWholeVectors) {
  ir::Graph graph = parse(kStage);
  const ChannelMap map(graph);
  const std::vector<prune::MixLayer> layers = prune::find_layers(graph, map);
  const std::vector<bool> selected(static_cast<size_t>(graph.num_node_ids()), true);
  const std::vector<prune::ChannelGroup> groups = prune::find_groups(map, layers, selected);
  const std::vector<Branch> branches = branches_of(graph);
  const prune::CostModel time(graph, map, groups, branches, prune::Cost::time, 8);
  const prune::CostModel macs(graph, map, groups, branches, prune::Cost::macs);
  const auto wide = static_cast<size_t>(
      std::find_if(groups.begin(), groups.end(), [](const prune::ChannelGroup& group) { return group.name == "b1"; }) -
      groups.begin());
  ASSERT_LT(wide, groups.size());
  std::vector<int64_t> removed(groups.size() + branches.size(), 0);
  const double whole = time.of(removed), all = macs.of(removed);
  removed[wide] = 1;
  EXPECT_GT(time.of(removed), whole) << "15 channels are no whole vectors";
  EXPECT_LT(macs.of(removed), all);
  removed[wide] = 8;
  EXPECT_LT(time.of(removed), whole);
  // Its two layers have 2 * 64 * 8 * 16 * 9 multiply-adds, whatever is left of them.
  removed[groups.size() + 1] = 1;
  EXPECT_DOUBLE_EQ(macs.of(removed), all - 2 * 64 * 8 * 16 * 9);
}

// Two cheap branches and channels: the best choice is found though the greedy one is worse.
TEST(PruneBranches, TheSearchFindsTheCheapestOfAFewChoices) {
  ir::Graph graph = parse(kStage);
  const ChannelMap map(graph);
  const std::vector<Branch> branches = branches_of(graph);
  const prune::CostModel macs(graph, map, {}, branches, prune::Cost::macs);
  prune::Removals removals;
  for (const double error : {1.0, 1.5, 1.0}) {
    removals.steps.push_back({0, 1});
    removals.traces.push_back({{}, {0.0, error}});
    removals.inside.emplace_back();
  }
  const std::vector<int64_t> none(3, 0);
  const double whole = macs.of(none);
  for (const double share : {0.9, 0.6, 0.5, 0.3}) {
    const prune::Limit limit{&macs, share * whole};
    const std::vector<int64_t> found = prune::share_by_error({limit}, removals, none);
    ASSERT_EQ(found.size(), 3U);
    double best = INFINITY, error = 0;
    for (int choice = 0; choice < 8; ++choice) {
      double sum = 0;
      std::vector<int64_t> removed;
      for (int b = 0; b < 3; ++b) {
        removed.push_back(choice >> b & 1);
        sum += removed.back() * removals.traces[static_cast<size_t>(b)].errors[1];
      }
      if (macs.of(removed) <= limit.most) best = std::min(best, sum);
    }
    for (size_t b = 0; b < 3; ++b) error += static_cast<double>(found[b]) * removals.traces[b].errors[1];
    EXPECT_DOUBLE_EQ(error, best) << share;
  }
}

TEST(PruneBranches, RefuseWhatTheyCannotDo) {
  const Pictures pictures({1, 3, 8, 8}, 8);
  const auto refused = [&](const Settings& settings, const std::string& part) {
    ir::Graph graph = parse(kStage);
    const auto change = prune(graph, &pictures, settings);
    EXPECT_FALSE(change.ok());
    return !change.ok() && change.error().text().find(part) != std::string::npos;
  };
  EXPECT_TRUE(refused({{"channels", "0.5"}, {"branches", "true"}}, "branches"));
  EXPECT_TRUE(refused({{"macs", "0.5"}, {"branches", "true"}, {"repair", "none"}}, "make up"));
  EXPECT_TRUE(refused({{"macs", "0.5"}, {"branches", "true"}, {"budgets", "uniform"}}, "make up"));
  EXPECT_TRUE(refused({{"channels", "0.5"}, {"time", "0.5"}}, "time"));
  EXPECT_TRUE(refused({{"macs", "0.5"}, {"time", "0.5"}, {"budgets", "uniform"}}, "time"));
  EXPECT_TRUE(refused({{"macs", "0.5"}, {"time", "0.01"}}, "cannot be reached"));
  EXPECT_TRUE(refused({{"macs", "0.5"}, {"time", "1.5"}}, "1.5"));
}

}  // namespace
}  // namespace edgesmith::passes
