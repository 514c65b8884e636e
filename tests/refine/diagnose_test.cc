// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/refine/diagnose.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/pass.h"
#include "edgesmith/runtime/executor.h"
#include "edgesmith/targets/target.h"
#include "passes/pictures.h"
#include "refine/diagnose/match.h"
#include "refine/diagnose/substitute.h"

namespace edgesmith::refine {
namespace {

// %h is read by %c2 alone; `planted` multiplies one channel of what makes it by 1000 and undoes that behind it.
constexpr const char* kNetwork = R"(graph @net(%x: f32[N,3,8,8]) -> (scores) {
  %w1 = constant random(seed=1) : f32[8,3,3,3]
  %w2 = constant random(seed=3) : f32[8,8,1,1]
  %w3 = constant random(seed=4) : f32[8,8,1,1]
  %w4 = constant random(seed=5) : f32[5,8]
  %c1 = conv %x, %w1 {pads=[1,1,1,1]} : f32[N,8,8,8]
  %r1 = relu %c1 : f32[N,8,8,8]
  %c2 = conv %r1, %w2 : f32[N,8,8,8]
  %h = relu %c2 : f32[N,8,8,8]
  %c3 = conv %h, %w3 : f32[N,8,8,8]
  %s = add %c3, %r1 : f32[N,8,8,8]
  %g = global_average_pool %s : f32[N,8,1,1]
  %f = flatten %g : f32[N,8]
  %y = gemm %f, %w4 {transB=1} : f32[N,5]
  return %y
}
)";
constexpr int64_t kChannel = 2;

ir::Graph parse(const std::string& text) {
  auto graph = ir::parse(text);
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  return std::move(*graph);
}

ir::Node& find_node(ir::Graph& graph, const std::string& value) {
  for (ir::Node& node : graph.nodes()) {
    for (int i = 0; i < node.num_outputs(); ++i) {
      if (node.output(i).name() == value) return node;
    }
  }
  ADD_FAILURE() << value;
  return graph.output_node();
}

void scale_channel(ir::Graph& graph, const std::string& weight, bool input, float factor) {
  ir::Node& node = find_node(graph, weight);
  const ir::Dims dims = node.tensor().dims();
  std::vector<float> numbers = node.tensor().to_floats();
  for (int64_t i = 0; i < static_cast<int64_t>(numbers.size()); ++i) {
    const int64_t channel = input ? i % dims[1] : i / dims[1];
    if (channel == kChannel) numbers[static_cast<size_t>(i)] *= factor;
  }
  graph.set_tensor(node, ir::Tensor::of<float>(dims, numbers));
}

ir::Graph planted() {
  ir::Graph graph = parse(kNetwork);
  scale_channel(graph, "w2", false, 1000);
  scale_channel(graph, "w3", true, 1e-3F);
  return graph;
}

class Diagnose : public ::testing::Test {
 protected:
  Diagnose() : pool_(2), data_({1, 3, 8, 8}, 24) {}

  ir::Graph quantized(const ir::Graph& graph, bool per_tensor = true) {
    ir::Graph copy = graph.clone();
    const passes::PassInfo& pass = *passes::find_pass("quantize");
    passes::Options options(pass.options());
    EXPECT_TRUE(options.set_text("per_tensor", per_tensor ? "true" : "false").ok());
    passes::PassContext context;
    context.calib = &data_;
    context.original = &graph;
    context.target = targets::find_target("ort-x86");
    context.pool = &pool_;
    context.progress = &progress_;
    const auto change = passes::run_pass(pass, copy, options, context);
    EXPECT_TRUE(change.ok()) << change.error().text();
    return copy;
  }
  DiagnoseContext context() {
    return {.pool = &pool_, .progress = &progress_, .executor = {.arithmetic = runtime::Arithmetic::exact_i32}};
  }
  Result<Diagnosis> run(const ir::Graph& original, const ir::Graph& other) {
    return diagnose_model(original, other, data_, context());
  }

  ThreadPool pool_;
  ProgressSink progress_;
  passes::Pictures data_;
};

const NodeDiagnosis& worst_of(const Diagnosis& diagnosis) {
  return *std::find_if(diagnosis.nodes.begin(), diagnosis.nodes.end(),
                       [](const NodeDiagnosis& node) { return node.rank == 1; });
}

TEST_F(Diagnose, RanksThePlantedNodeFirstAndNamesTheChannel) {
  const ir::Graph original = planted();
  const auto diagnosis = run(original, quantized(original));
  ASSERT_TRUE(diagnosis.ok()) << diagnosis.error().text();
  EXPECT_EQ(diagnosis->unmatched_float + diagnosis->unmatched_other, 0);
  const NodeDiagnosis& worst = worst_of(*diagnosis);
  EXPECT_EQ(worst.node, "conv producing 'c2'");
  EXPECT_EQ(worst.selector, "c2") << "without a name of its own, by what it makes";
  EXPECT_GT(worst.share, 0.5);
  ASSERT_FALSE(worst.causes.empty());
  EXPECT_EQ(worst.causes[0].kind, "channel_ranges");
  EXPECT_EQ(worst.causes[0].channels, std::vector<int64_t>{kChannel});
  EXPECT_NE(worst.causes[0].text.find("channel 2 reaches"), std::string::npos) << worst.causes[0].text;
  const auto outlier = std::find_if(worst.causes.begin(), worst.causes.end(),
                                    [](const Cause& cause) { return cause.kind == "outlier_channel"; });
  ASSERT_NE(outlier, worst.causes.end());
  EXPECT_EQ(outlier->channels, std::vector<int64_t>{kChannel});
  double sum = 0;
  for (const NodeDiagnosis& node : diagnosis->nodes) sum += node.share;
  EXPECT_NEAR(sum, 1, 1e-9);
}

TEST_F(Diagnose, AdviceWasTriedAndHelps) {
  const ir::Graph original = planted();
  const auto diagnosis = run(original, quantized(original));
  ASSERT_TRUE(diagnosis.ok()) << diagnosis.error().text();
  ASSERT_FALSE(diagnosis->advice.empty());
  for (const Advice& advice : diagnosis->advice) {
    EXPECT_GE(advice.after_db, advice.before_db + 1) << advice.flags;
    EXPECT_NEAR(advice.before_db, diagnosis->output_db, 0.5);
  }
  const auto skips = std::find_if(diagnosis->advice.begin(), diagnosis->advice.end(), [](const Advice& advice) {
    return advice.flags.find("--skip 'c2'") != std::string::npos;
  });
  EXPECT_NE(skips, diagnosis->advice.end());
}

TEST_F(Diagnose, PerChannelScalesAreAdvisedWhereAClipHidesTheChannel) {
  std::string text = kNetwork;
  const std::string relu = "  %h = relu %c2 : f32[N,8,8,8]\n";
  text.replace(text.find(relu), relu.size(),
               "  %low = constant {0} : f32[]\n  %high = constant {6} : f32[]\n"
               "  %h = clip %c2, %low, %high : f32[N,8,8,8]\n");
  ir::Graph original = parse(text);
  scale_channel(original, "w2", false, 100);
  const auto diagnosis = run(original, quantized(original));
  ASSERT_TRUE(diagnosis.ok()) << diagnosis.error().text();
  ASSERT_FALSE(diagnosis->advice.empty());
  const bool advised = std::any_of(diagnosis->advice.begin(), diagnosis->advice.end(),
                                   [](const Advice& advice) { return advice.leave_out == "--per-tensor"; });
  EXPECT_TRUE(advised);
}

TEST_F(Diagnose, FindsTheFewestNodesForTheBudget) {
  const ir::Graph original = planted();
  const auto diagnosis = run(original, quantized(original));
  ASSERT_TRUE(diagnosis.ok()) << diagnosis.error().text();
  AutoSkipOptions options;
  options.max_drop = 5;
  const auto skip = find_auto_skip(*diagnosis, data_, &data_, options, context());
  ASSERT_TRUE(skip.ok()) << skip.error().text();
  EXPECT_TRUE(skip->met);
  EXPECT_TRUE(skip->complete);
  EXPECT_EQ(skip->metric->name, "agreement") << "the data have no labels";
  EXPECT_GT(skip->compressed_drop, options.max_drop) << "there was something to do";
  EXPECT_LE(skip->calib_drop, options.max_drop);
  EXPECT_LE(skip->nodes.size(), 2u);
  ASSERT_FALSE(skip->nodes.empty());
  EXPECT_EQ(diagnosis->nodes[skip->nodes[0]].selector, "c2");
  EXPECT_EQ(skip->eval_drop->drop, skip->calib_drop) << "the same samples";
}

TEST_F(Diagnose, WithTheBudgetMetNothingIsLeftFloat) {
  const ir::Graph original = parse(kNetwork);
  const ir::Graph other = quantized(original, false);
  const auto diagnosis = run(original, other);
  ASSERT_TRUE(diagnosis.ok()) << diagnosis.error().text();
  AutoSkipOptions options;
  options.max_drop = 100;
  const auto skip = find_auto_skip(*diagnosis, data_, nullptr, options, context());
  ASSERT_TRUE(skip.ok()) << skip.error().text();
  EXPECT_TRUE(skip->nodes.empty());
  EXPECT_EQ(skip->trials, 1);
  EXPECT_EQ(ir::print(skip->graph, {.max_elements = 0}), ir::print(diagnosis->other, {.max_elements = 0}));
}

TEST_F(Diagnose, TheSameForAnyNumberOfThreads) {
  const ir::Graph original = planted();
  const ir::Graph other = quantized(original);
  const auto two = run(original, other);
  ThreadPool one(1);
  DiagnoseContext alone = context();
  alone.pool = &one;
  const auto single = diagnose_model(original, other, data_, alone);
  ASSERT_TRUE(two.ok() && single.ok());
  EXPECT_EQ(two->output_error, single->output_error);
  for (size_t u = 0; u < two->nodes.size(); ++u) {
    EXPECT_EQ(two->nodes[u].alone, single->nodes[u].alone);
    EXPECT_EQ(two->nodes[u].accumulated_db, single->nodes[u].accumulated_db);
  }
}

TEST_F(Diagnose, NothingCompressedIsNothingToBlame) {
  const ir::Graph original = parse(kNetwork);
  const auto diagnosis = run(original, original.clone());
  ASSERT_TRUE(diagnosis.ok()) << diagnosis.error().text();
  EXPECT_EQ(diagnosis->output_error, 0);
  EXPECT_TRUE(diagnosis->advice.empty());
  for (const NodeDiagnosis& node : diagnosis->nodes) EXPECT_FALSE(node.differs) << node.node;
}

TEST_F(Diagnose, RefusesModelsThatHaveNothingInCommon) {
  const ir::Graph original = parse(kNetwork);
  const ir::Graph other = parse(R"(graph @other(%x: f32[N,3,8,8]) -> (y) {
  %z = tanh %x : f32[N,3,8,8]
  return %z
}
)");
  const auto diagnosis = run(original, other);
  ASSERT_FALSE(diagnosis.ok());
  EXPECT_EQ(diagnosis.error().kind, ErrorKind::invalid);
}

TEST(MatchGraphs, SeesThroughIdentitiesAndDroppedClamps) {
  ir::Graph original = parse(kNetwork);
  ir::Graph other = parse(kNetwork);
  // As a runtime's quantizer leaves it: the second Relu is gone, its value comes from the Conv, names are lost.
  ir::Node& relu = find_node(other, "h");
  ir::Node& conv = find_node(other, "c2");
  other.replace_all_uses(relu.output(), conv.output());
  other.erase(relu);
  ir::Node& add = find_node(other, "s");
  ir::Node& copy = other.insert_before(add, ir::OpKind::identity, {add.input(0)});
  other.set_input(add, 0, &copy.output());
  for (ir::Node& node : other.nodes()) {
    for (int i = 0; i < node.num_outputs(); ++i) {
      if (!node.is(ir::OpKind::input)) node.output(i).set_name("");
    }
  }
  const auto match = diagnose::match_graphs(original, other);
  EXPECT_EQ(match.unmatched_float, 0);
  EXPECT_EQ(match.unmatched_other, 0);
  EXPECT_EQ(match.other_node[diagnose::at(find_node(original, "c2").id())], conv.id());
  EXPECT_EQ(match.other_node[diagnose::at(find_node(original, "h").id())], conv.id());
  EXPECT_EQ(match.float_value[diagnose::at(conv.output().id())], find_node(original, "h").output().id());
}

TEST_F(Diagnose, SubstitutingEveryNodeGivesTheOtherModel) {
  const ir::Graph original = planted();
  const ir::Graph other = quantized(original);
  const auto match = diagnose::match_graphs(original, other);
  const std::vector<bool> all(diagnose::at(original.num_node_ids()), true);
  ir::Graph whole = diagnose::substitute(original, other, {match.other_node, match.float_value}, all);
  ASSERT_TRUE(ops::infer_types(whole).ok());
  const auto sample = data_.sample(0);
  const auto outputs = [&](const ir::Graph& graph) {
    auto executor = runtime::Executor::create(graph);
    EXPECT_TRUE(executor.ok());
    auto results = (*executor)->make_session()->run(sample->inputs);
    EXPECT_TRUE(results.ok());
    return (*results)[0].to_floats();
  };
  const std::vector<float> expected = outputs(other), actual = outputs(whole), reals = outputs(original);
  double off = 0, apart = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    off = std::max<double>(off, std::abs(expected[i] - actual[i]));
    apart = std::max<double>(apart, std::abs(expected[i] - reals[i]));
  }
  // But for the codes of the graph's input, which belong to no node.
  EXPECT_LT(off, 0.1 * apart);
}

}  // namespace
}  // namespace edgesmith::refine
