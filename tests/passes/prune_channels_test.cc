// SPDX-License-Identifier: Apache-2.0
// Pruning of channels: least squares against Eigen on plain data, channels that cost nothing, budgets, and bad input.
#include <gtest/gtest.h>

#include <Eigen/QR>
#include <algorithm>
#include <cmath>

#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/pass.h"
#include "graph_compare.h"
#include "passes/prune/structured/budget.h"
#include "passes/prune/structured/fit.h"
#include "pictures.h"

namespace edgesmith::passes {
namespace {

using Settings = std::vector<std::pair<std::string, std::string>>;

// A residual block, a concat, a depthwise convolution, squeeze-excite, a transposed convolution and a classifier.
ir::Graph network() {
  auto graph = ir::parse(R"(graph @net(%x: f32[N,3,8,8]) -> (scores) {
  %w0 = constant random(seed=1) : f32[8,3,3,3]
  %b0 = constant random(seed=2) : f32[8]
  %w1 = constant random(seed=3) : f32[16,8,3,3]
  %b1 = constant random(seed=4) : f32[16]
  %w2 = constant random(seed=5) : f32[8,16,3,3]
  %w3 = constant random(seed=6) : f32[8,8,1,1]
  %w4 = constant random(seed=7) : f32[16,1,3,3]
  %w5 = constant random(seed=8) : f32[4,16,1,1]
  %w6 = constant random(seed=9) : f32[16,4,1,1]
  %w7 = constant random(seed=10) : f32[16,8,2,2]
  %w8 = constant random(seed=11) : f32[5,8]
  %c0 = conv %x, %w0, %b0 {pads=[1,1,1,1]} : f32[N,8,8,8] @"stem"
  %r0 = relu %c0 : f32[N,8,8,8]
  %c1 = conv %r0, %w1, %b1 {pads=[1,1,1,1]} : f32[N,16,8,8] @"inner"
  %r1 = relu %c1 : f32[N,16,8,8]
  %c2 = conv %r1, %w2 {pads=[1,1,1,1]} : f32[N,8,8,8] @"outer"
  %s = add %c2, %r0 : f32[N,8,8,8]
  %r2 = relu %s : f32[N,8,8,8]
  %c3 = conv %r2, %w3 : f32[N,8,8,8] @"point"
  %j = concat %r2, %c3 {axis=1} : f32[N,16,8,8]
  %c4 = conv %j, %w4 {group=16, pads=[1,1,1,1]} : f32[N,16,8,8] @"depthwise"
  %g = global_average_pool %c4 : f32[N,16,1,1]
  %e1 = conv %g, %w5 : f32[N,4,1,1] @"squeeze"
  %e2 = relu %e1 : f32[N,4,1,1]
  %e3 = conv %e2, %w6 : f32[N,16,1,1] @"excite"
  %e4 = sigmoid %e3 : f32[N,16,1,1]
  %m = mul %c4, %e4 : f32[N,16,8,8]
  %t = conv_transpose %m, %w7 {strides=[2,2]} : f32[N,8,16,16] @"up"
  %p = global_average_pool %t : f32[N,8,1,1]
  %f = flatten %p : f32[N,8]
  %y = gemm %f, %w8 {transB=1} : f32[N,5] @"classifier"
  return %y
}
)");
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  return std::move(*graph);
}

Result<Change> prune(ir::Graph& graph, const data::Dataset* calib, const Settings& settings, PassContext& context,
                     int threads = 2) {
  const PassInfo& pass = *find_pass("prune");
  Options options(pass.options());
  for (const auto& [name, value] : settings) {
    const Status status = options.set_text(name, value);
    if (!status.ok()) return status.error();
  }
  ThreadPool pool(threads);
  ProgressSink progress;
  context.calib = calib;
  context.pool = &pool;
  context.progress = &progress;
  return run_pass(pass, graph, options, context);
}

Result<Change> prune(ir::Graph& graph, const data::Dataset* calib, const Settings& settings, int threads = 2) {
  PassContext context;
  return prune(graph, calib, settings, context, threads);
}

int64_t macs_of(const ir::Graph& graph) {
  int64_t macs = 0;
  for (const ir::Node& node : graph.nodes()) macs += ops::cost_of(node).macs;
  return macs;
}

int64_t channels_of(const ir::Graph& graph, const std::string& name) {
  for (const ir::Node& node : graph.nodes()) {
    if (node.name() == name) return (*node.output().type().shape)[1].value();
  }
  return -1;
}

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// Rows of correlated numbers, their moments, and weights.
struct Data {
  Data() {
    Random random(7);
    Matrix mix(6, 6);
    x = Matrix(200, 6);
    for (Eigen::Index i = 0; i < mix.size(); ++i) mix.data()[i] = random.normal();
    for (Eigen::Index i = 0; i < x.size(); ++i) x.data()[i] = random.normal();
    x *= mix;
    const Matrix h = x.transpose() * x / 200;
    moments.assign(h.data(), h.data() + 36);
    linear.outputs = 3;
    linear.width = 6;
    for (int i = 0; i < 18; ++i) linear.weights.push_back(random.normal());
  }
  Matrix weights(const prune::Linear& of) const { return Eigen::Map<const Matrix>(of.weights.data(), 3, 6); }

  Matrix x;
  std::vector<double> moments;
  prune::Linear linear;
};

TEST(PruneChannelsFit, KeptWeightsAreThoseOfLeastSquaresOnTheData) {
  const Data data;
  ThreadPool pool(1);
  prune::Linear refitted = data.linear;
  prune::refit_kept(refitted, {true, false, true, true, false, true}, data.moments, pool);
  const std::vector<int> kept = {0, 2, 3, 5};
  const Matrix target = data.x * data.weights(data.linear).transpose();
  const Matrix expected = Matrix(data.x(Eigen::all, kept)).colPivHouseholderQr().solve(target);
  for (int m = 0; m < 3; ++m) {
    for (int k = 0; k < 4; ++k)
      EXPECT_NEAR(data.weights(refitted)(m, kept[static_cast<size_t>(k)]), expected(k, m), 1e-9);
    EXPECT_EQ(data.weights(refitted)(m, 1), 0);
  }
}

TEST(PruneChannelsFit, TheTraceNamesTheErrorThatRefittingLeavesAndStartsWithTheCheapest) {
  const Data data;
  ThreadPool pool(2);
  prune::Reader reader{data.linear, data.moments, {{0, 1}, {2, 3}, {4, 5}}, 1};
  const prune::UnitTrace trace = prune::trace_units({reader}, 3, "obs", pool);
  const auto error_without = [&](const std::vector<bool>& kept) {
    prune::Linear refitted = data.linear;
    prune::refit_kept(refitted, kept, data.moments, pool);
    const Matrix difference = data.x * (data.weights(data.linear) - data.weights(refitted)).transpose();
    return difference.squaredNorm() / 200;
  };
  std::vector<bool> kept(6, true);
  for (size_t step = 0; step < 2; ++step) {
    std::vector<double> costs;
    for (size_t unit = 0; unit < 3; ++unit) {
      std::vector<bool> without = kept;
      without[2 * unit] = without[2 * unit + 1] = false;
      costs.push_back(kept[2 * unit] ? error_without(without) : INFINITY);
    }
    const size_t best = static_cast<size_t>(std::min_element(costs.begin(), costs.end()) - costs.begin());
    EXPECT_EQ(trace.order[step], best);
    EXPECT_NEAR(trace.errors[step + 1], costs[best], 1e-8 * costs[best]);
    kept[2 * best] = kept[2 * best + 1] = false;
  }
}

TEST(PruneChannelsBudget, StepsLeaveMultiplesAndSmallGroupsAreCutFiner) {
  prune::ChannelGroup group;
  group.units.resize(64);
  EXPECT_EQ(prune::steps_of(group, 16, false), (std::vector<int64_t>{0, 16, 32, 48}));
  group.units.resize(10);
  EXPECT_EQ(prune::steps_of(group, 8, false), (std::vector<int64_t>{0, 2, 6}));
  EXPECT_EQ(prune::steps_of(group, 8, true), (std::vector<int64_t>{0, 2}));
  group.units.resize(3);
  EXPECT_EQ(prune::steps_of(group, 8, false), (std::vector<int64_t>{0, 1, 2}));
  group.reason = "a result";
  EXPECT_EQ(prune::steps_of(group, 8, false), (std::vector<int64_t>{0}));
}

TEST(PruneChannels, MeetsBudgetsAndKeepsTheInterface) {
  const Pictures pictures({1, 3, 8, 8}, 32);
  const ir::Graph before = network();
  for (const Settings& settings : {Settings{{"macs", "0.5"}}, Settings{{"macs", "0.5"}, {"budgets", "uniform"}},
                                   Settings{{"macs", "0.7"}, {"criterion", "wanda"}}}) {
    ir::Graph graph = network();
    const auto change = prune(graph, &pictures, settings);
    ASSERT_TRUE(change.ok()) << change.error().text();
    EXPECT_EQ(*change, Change::changed);
    const double share = std::stod(settings[0].second);
    EXPECT_LE(macs_of(graph), share * static_cast<double>(macs_of(before)));
    EXPECT_GT(macs_of(graph), (share - 0.25) * static_cast<double>(macs_of(before)));
    EXPECT_EQ(ir::Shape(*graph.output_node().input(0)->type().shape), *before.output_node().input(0)->type().shape);
    EXPECT_TRUE(std::isfinite(relative_error(before, graph, pictures)));
  }
}

TEST(PruneChannels, ParametersAndSharesAreCountedToo) {
  const Pictures pictures({1, 3, 8, 8}, 16);
  const auto size_of = [](const ir::Graph& graph) {
    int64_t size = 0;
    for (const ir::Node& node : graph.nodes())
      size += node.is(ir::OpKind::constant) && node.tensor().dtype() == ir::DType::f32 ? node.tensor().size() : 0;
    return size;
  };
  ir::Graph graph = network();
  const int64_t before = size_of(graph);
  ASSERT_TRUE(prune(graph, &pictures, {{"params", "0.6"}}).ok());
  EXPECT_LT(size_of(graph), 0.6 * static_cast<double>(before) + 16 + 8) << "biases may be added";
  graph = network();
  ASSERT_TRUE(prune(graph, &pictures, {{"channels", "0.5"}, {"multiple", "1"}}).ok());
  EXPECT_EQ(channels_of(graph, "inner"), 8);
  EXPECT_EQ(channels_of(graph, "stem"), 4);
  EXPECT_EQ(channels_of(graph, "outer"), 4) << "coupled by the residual add";
  EXPECT_EQ(channels_of(graph, "depthwise"), 8) << "half of both operands of the concat";
  EXPECT_EQ(channels_of(graph, "excite"), 8);
  EXPECT_EQ(channels_of(graph, "up"), 4);
}

TEST(PruneChannels, ErrorsAndRepairLowerTheDifferenceOnOtherSamples) {
  const Pictures pictures({1, 3, 8, 8}, 256);
  const ir::Graph original = network();
  const auto error_with = [&](Settings settings) {
    ir::Graph graph = network();
    settings.insert(settings.begin(), {{"channels", "0.25"}, {"multiple", "1"}});
    const auto change = prune(graph, &pictures, settings);
    EXPECT_TRUE(change.ok()) << (change.ok() ? "" : change.error().text());
    return relative_error(original, graph, Pictures({1, 3, 8, 8}, 300));
  };
  const double plain = error_with({{"criterion", "magnitude"}, {"repair", "none"}});
  const double repaired = error_with({{"criterion", "magnitude"}});
  const double surgeon = error_with({});
  EXPECT_LT(repaired, 0.5 * plain);
  EXPECT_LT(surgeon, repaired);
}

// Eight linear channels of four inputs: four of them are sums of the others.
TEST(PruneChannels, ChannelsThatAreSumsOfOthersCostNothing) {
  auto graph = ir::parse(R"(graph @net(%x: f32[N,4,6,6]) -> (y) {
  %w1 = constant random(seed=1) : f32[8,4,1,1]
  %w2 = constant random(seed=2) : f32[3,8,3,3]
  %b2 = constant random(seed=3) : f32[3]
  %c1 = conv %x, %w1 : f32[N,8,6,6] @"sums"
  %c2 = conv %c1, %w2, %b2 : f32[N,3,4,4] @"reader"
  return %c2
}
)");
  ASSERT_TRUE(graph.ok());
  ASSERT_TRUE(ops::infer_types(*graph).ok());
  const ir::Graph before = graph->clone();
  const Pictures pictures({1, 4, 6, 6}, 64);
  ASSERT_TRUE(prune(*graph, &pictures, {{"channels", "0.5"}, {"multiple", "1"}}).ok());
  EXPECT_EQ(channels_of(*graph, "sums"), 4);
  EXPECT_LT(relative_error(before, *graph, Pictures({1, 4, 6, 6}, 80)), 1e-6);
}

TEST(PruneChannels, GivesTheSameBytesForAnyNumberOfThreads) {
  const Pictures pictures({1, 3, 8, 8}, 64);
  ir::Graph one = network(), four = network();
  ASSERT_TRUE(prune(one, &pictures, {{"macs", "0.6"}}, 1).ok());
  ASSERT_TRUE(prune(four, &pictures, {{"macs", "0.6"}}, 4).ok());
  expect_identical(one, four);
}

TEST(PruneChannels, SelectorsKeepChannelsAndReasonsAreGiven) {
  const Pictures pictures({1, 3, 8, 8}, 16);
  ir::Graph graph = network();
  PassContext context;
  ASSERT_TRUE(prune(graph, &pictures, {{"channels", "0.5"}, {"multiple", "1"}, {"only", "inner"}}, context).ok());
  EXPECT_EQ(channels_of(graph, "inner"), 8);
  EXPECT_EQ(channels_of(graph, "stem"), 8);
  bool result = false, selector = false;
  for (const LayerRecord& layer : context.layers) {
    result = result || (layer.node == "classifier" && layer.reason.find("a result of the model") != std::string::npos);
    selector = selector || (layer.node == "stem" && layer.reason.find("selectors") != std::string::npos);
  }
  EXPECT_TRUE(result && selector);
}

TEST(PruneChannels, ZeroPaddedShortcutsCoupleTheirChannels) {
  auto graph = ir::parse(R"(graph @net(%x: f32[N,3,8,8]) -> (y) {
  %w1 = constant random(seed=1) : f32[4,3,3,3]
  %w2 = constant random(seed=2) : f32[8,4,3,3]
  %w3 = constant random(seed=3) : f32[2,8,1,1]
  %p = constant {0, 2, 0, 0, 0, 2, 0, 0} : i64[8]
  %c1 = conv %x, %w1 {pads=[1,1,1,1]} : f32[N,4,8,8] @"first"
  %c2 = conv %c1, %w2 {pads=[1,1,1,1]} : f32[N,8,8,8] @"second"
  %s = pad %c1, %p : f32[N,8,8,8]
  %a = add %c2, %s : f32[N,8,8,8]
  %y = conv %a, %w3 : f32[N,2,8,8] @"last"
  return %y
}
)");
  ASSERT_TRUE(graph.ok());
  ASSERT_TRUE(ops::infer_types(*graph).ok());
  const ir::Graph before = graph->clone();
  const Pictures pictures({1, 3, 8, 8}, 16);
  ASSERT_TRUE(prune(*graph, &pictures, {{"channels", "0.5"}, {"multiple", "1"}}).ok());
  EXPECT_EQ(channels_of(*graph, "first"), 2);
  EXPECT_EQ(channels_of(*graph, "second"), 4);
  EXPECT_LT(relative_error(before, *graph, pictures), 1);
}

TEST(PruneChannels, SaysWhenSimplifyWouldFreeChannels) {
  auto graph = ir::parse(R"(graph @gated(%x: f32[N,6]) -> (y) {
  %w1 = constant random(seed=1) : f32[6,16]
  %w2 = constant random(seed=2) : f32[8,3]
  %zero = constant {0} : i64[1]
  %one = constant {1} : i64[1]
  %two = constant {2} : i64[1]
  %h = mat_mul %x, %w1 : f32[N,16] @"wide"
  %s = shape %h : i64[2]
  %n = gather %s, %one : i64[1]
  %half = div %n, %two : i64[1]
  %a = slice %h, %zero, %half, %one : f32[N,8]
  %b = slice %h, %half, %n, %one : f32[N,8]
  %g = mul %a, %b : f32[N,8]
  %y = mat_mul %g, %w2 : f32[N,3]
  return %y
}
)");
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  ASSERT_TRUE(ops::infer_types(*graph).ok());
  const Pictures rows({1, 6}, 16);
  PassContext context;
  const auto change = prune(*graph, &rows, {{"channels", "0.5"}, {"multiple", "1"}}, context);
  ASSERT_TRUE(change.ok()) << change.error().message;
  EXPECT_EQ(*change, Change::none);
  ASSERT_EQ(context.notes.size(), 1U);
  EXPECT_EQ(context.notes[0],
            "there are no channels that may go; of the simplified model 8 may: first 'edgesmith simplify MODEL -o "
            "SIMPLE.onnx'");
  PassContext more;
  ASSERT_TRUE(prune(*graph, &rows, {{"channels", "0.5"}, {"skip", "wide"}}, more).ok());
  EXPECT_EQ(more.notes[0], "there are no channels that may go");
  const PassInfo& simplify = *find_pass("simplify");
  ThreadPool pool(1);
  ProgressSink progress;
  more.pool = &pool;
  more.progress = &progress;
  ASSERT_TRUE(run_pass(simplify, *graph, Options(simplify.options()), more).ok());
  const auto after = prune(*graph, &rows, {{"channels", "0.5"}, {"multiple", "1"}});
  ASSERT_TRUE(after.ok());
  EXPECT_EQ(*after, Change::changed);
}

TEST(PruneChannels, RefusesWhatItCannotDo) {
  const Pictures pictures({1, 3, 8, 8}, 8);
  const auto refused = [&](const data::Dataset* calib, const Settings& settings) {
    ir::Graph graph = network();
    const auto change = prune(graph, calib, settings);
    EXPECT_FALSE(change.ok());
    return change.ok() ? std::string()
                       : std::string(error_kind_name(change.error().kind)) + ": " + change.error().text();
  };
  const auto names = [](const std::string& text, const std::string& part) {
    return text.rfind("usage: ", 0) == 0 && text.find(part) != std::string::npos;
  };
  EXPECT_TRUE(names(refused(nullptr, {{"channels", "0.5"}}), "calibration data"));
  EXPECT_TRUE(names(refused(&pictures, {{"channels", "1.5"}}), "1.5"));
  EXPECT_TRUE(names(refused(&pictures, {{"macs", "-0.1"}}), "-0.1"));
  EXPECT_TRUE(names(refused(&pictures, {{"channels", "0.5"}, {"sparsity", "0.5"}}), "not both"));
  EXPECT_TRUE(names(refused(&pictures, {{"macs", "0.5"}, {"params", "0.5"}}), "not both"));
  EXPECT_TRUE(names(refused(&pictures, {{"sparsity", "0.5"}, {"multiple", "4"}}), "multiple"));
  EXPECT_TRUE(names(refused(&pictures, {{"sparsity", "0.5"}, {"groups", "even"}}), "groups"));
  EXPECT_TRUE(names(refused(&pictures, {{"macs", "0.0001"}}), "cannot be reached"));
  EXPECT_TRUE(names(refused(&pictures, {{"macs", "0.0001"}}), "channels stay: they are a result of the model"));
  EXPECT_TRUE(names(refused(&pictures, {{"macs", "0.5"}, {"criterion", "magnitude"}, {"budgets", "error"}}), "errors"));
  EXPECT_TRUE(names(refused(&pictures, {{"macs", "0.5"}, {"only", "nothing"}}), "nothing"));
  ir::Graph graph = network();
  const auto none = prune(graph, &pictures, {{"macs", "0.5"}, {"only", "classifier"}});
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(*none, Change::none) << "a result keeps its channels";
  EXPECT_TRUE(prune(graph, nullptr, {{"channels", "0.5"}, {"repair", "none"}}).ok()) << "magnitudes need no data";
}

}  // namespace
}  // namespace edgesmith::passes
