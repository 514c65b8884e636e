// SPDX-License-Identifier: Apache-2.0
// The whole pass on a small network, through its row of the pass table.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <tuple>

#include "edgesmith/base/log.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/pass.h"
#include "graph_compare.h"
#include "pictures.h"

namespace edgesmith::passes {
namespace {

using Settings = std::vector<std::pair<std::string, std::string>>;

ir::Graph network() {
  auto graph = ir::parse(R"(graph @net(%x: f32[N,4,8,8]) -> (scores) {
  %w1 = constant random(seed=1) : f32[8,4,3,3]
  %b1 = constant random(seed=2) : f32[8]
  %w2 = constant random(seed=3) : f32[8,1,3,3]
  %w3 = constant random(seed=4) : f32[8,8,1,1]
  %w4 = constant random(seed=5) : f32[5,8]
  %b4 = constant random(seed=6) : f32[5]
  %w5 = constant random(seed=7) : f32[5,3]
  %c1 = conv %x, %w1, %b1 {pads=[1,1,1,1]} : f32[N,8,8,8] @"first"
  %r1 = relu %c1 : f32[N,8,8,8]
  %c2 = conv %r1, %w2 {group=8, pads=[1,1,1,1]} : f32[N,8,8,8] @"depthwise"
  %c3 = conv %c2, %w3 : f32[N,8,8,8] @"point"
  %r2 = relu %c3 : f32[N,8,8,8]
  %g = global_average_pool %r2 : f32[N,8,1,1]
  %f = flatten %g : f32[N,8]
  %h = gemm %f, %w4, %b4 {transB=1} : f32[N,5] @"hidden"
  %y = mat_mul %h, %w5 : f32[N,3] @"classifier"
  return %y
}
)");
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  return std::move(*graph);
}

Result<Change> prune(ir::Graph& graph, const data::Dataset* calib, const Settings& settings, int threads = 2,
                     std::vector<std::string>* notes = nullptr) {
  const PassInfo& pass = *find_pass("prune");
  Options options(pass.options());
  for (const auto& [name, value] : settings) {
    const Status status = options.set_text(name, value);
    if (!status.ok()) return status.error();
  }
  ThreadPool pool(threads);
  ProgressSink progress;
  PassContext context;
  context.calib = calib;
  context.pool = &pool;
  context.progress = &progress;
  auto change = run_pass(pass, graph, options, context);
  if (notes != nullptr) *notes = context.notes;
  return change;
}

struct Counts {
  int64_t zeros = 0, size = 0;
};

Counts count_weights(const ir::Graph& graph) {
  Counts counts;
  for (const ir::Node& node : graph.nodes()) {
    if (!node.is(ir::OpKind::constant) || node.tensor().rank() < 2) continue;
    for (const float number : node.tensor().to_floats()) {
      counts.zeros += number == 0 ? 1 : 0;
      ++counts.size;
    }
  }
  return counts;
}

std::vector<float> weight_of(const ir::Graph& graph, const std::string& name) {
  for (const ir::Node& node : graph.nodes()) {
    if (node.name() == name) return node.input(1)->constant()->to_floats();
  }
  ADD_FAILURE() << "no node " << name;
  return {};
}

TEST(Prune, GivesTheSparsityThatIsAskedFor) {
  const Pictures pictures({1, 4, 8, 8}, 64);
  for (const Settings& extra : {Settings{}, Settings{{"criterion", "wanda"}}, Settings{{"budgets", "uniform"}},
                                Settings{{"criterion", "magnitude"}}, Settings{{"criterion", "lamp"}},
                                Settings{{"criterion", "lamp"}, {"repair", "none"}}}) {
    ir::Graph graph = network();
    Settings settings = {{"sparsity", "0.5"}};
    settings.insert(settings.end(), extra.begin(), extra.end());
    const auto change = prune(graph, &pictures, settings);
    ASSERT_TRUE(change.ok()) << change.error().text();
    EXPECT_EQ(*change, Change::changed);
    const Counts counts = count_weights(graph);
    EXPECT_NEAR(static_cast<double>(counts.zeros), 0.5 * static_cast<double>(counts.size), 4);
  }
}

TEST(Prune, WarnsWhereFewerWeightsGoThanWereAskedFor) {
  const auto warnings = [](const std::string& sparsity) {
    log::take_warnings();
    ir::Graph graph = network();
    EXPECT_TRUE(prune(graph, nullptr, {{"sparsity", sparsity}, {"repair", "none"}}).ok());
    return log::take_warnings();
  };
  EXPECT_TRUE(warnings("0.5").empty());
  const std::vector<std::string> told = warnings("1");
  ASSERT_EQ(told.size(), 1u);
  EXPECT_TRUE(told[0].starts_with("prune: sparsity 1 was asked for, 98.")) << told[0];
  EXPECT_TRUE(told[0].ends_with(" of the weights are zero: every layer keeps at least one in 100")) << told[0];
}

TEST(Prune, RepairAndCriterionLowerTheErrorOnOtherSamples) {
  const Pictures pictures({1, 4, 8, 8}, 256);
  const ir::Graph original = network();
  const auto error_with = [&](const Settings& settings) {
    ir::Graph graph = network();
    const auto change = prune(graph, &pictures, settings);
    EXPECT_TRUE(change.ok()) << (change.ok() ? "" : change.error().text());
    return output_error(original, graph, Pictures({1, 4, 8, 8}, 300));
  };
  const double plain = error_with({{"sparsity", "0.5"}, {"criterion", "magnitude"}, {"repair", "none"}});
  const double repaired = error_with({{"sparsity", "0.5"}, {"criterion", "magnitude"}});
  const double surgeon = error_with({{"sparsity", "0.5"}, {"budgets", "uniform"}});
  EXPECT_LT(repaired, 0.5 * plain);
  EXPECT_LT(surgeon, repaired);
}

TEST(Prune, LeavesSeveralMatricesDenseWhereDataAreNeeded) {
  const auto parse = [] {
    auto graph = ir::parse(R"(graph @net(%x: f32[N,4,8,8]) -> (y) {
  %w = constant random(seed=1) : f32[4,8,8]
  %v = constant random(seed=2) : f32[8,8]
  %h = mat_mul %x, %w : f32[N,4,8,8] @"several"
  %y = mat_mul %h, %v : f32[N,4,8,8]
  return %y
}
)");
    EXPECT_TRUE(graph.ok() && ops::infer_types(*graph).ok());
    return std::move(*graph);
  };
  const Pictures pictures({1, 4, 8, 8}, 16);
  ir::Graph repaired = parse(), plain = parse();
  std::vector<std::string> notes;
  ASSERT_TRUE(prune(repaired, &pictures, {{"sparsity", "0.5"}}, 2, &notes).ok());
  EXPECT_EQ(count_weights(repaired).zeros, 32);
  EXPECT_EQ(notes.at(0), "mat_mul 'several' is left dense: what meets its weights cannot be collected");
  ASSERT_TRUE(prune(plain, &pictures, {{"sparsity", "0.5"}, {"repair", "none"}, {"criterion", "magnitude"}}).ok());
  EXPECT_EQ(count_weights(plain).zeros, 32 + 128);
}

TEST(Prune, SaysHowManySamplesARepairNeeds) {
  // 'hidden' has 8 weights an output and one row a sample.
  const auto told = [](const Settings& settings, size_t samples) {
    ir::Graph graph = network();
    std::vector<std::string> notes, found;
    const Pictures pictures({1, 4, 8, 8}, samples);
    EXPECT_TRUE(prune(graph, &pictures, settings, 2, &notes).ok());
    for (const std::string& note : notes) {
      if (note.find("too few samples") != std::string::npos) found.push_back(note);
    }
    return found;
  };
  for (const Settings& settings : {Settings{{"sparsity", "0.5"}}, Settings{{"macs", "0.6"}}}) {
    const auto notes = told(settings, 3);
    ASSERT_EQ(notes.size(), 1u);
    EXPECT_NE(notes[0].find("gemm 'hidden' saw 3 rows of inputs for "), std::string::npos) << notes[0];
    EXPECT_NE(notes[0].find(" samples or more instead of 3"), std::string::npos) << notes[0];
    EXPECT_TRUE(told(settings, 64).empty());
  }
  EXPECT_NE(told({{"sparsity", "0.5"}}, 3)[0].find("for 8 weights an output; give 8 samples"), std::string::npos);
  EXPECT_TRUE(told({{"sparsity", "0.5"}, {"repair", "none"}}, 3).empty());
}

TEST(Prune, KeepsTwoOfFourAlongInputChannels) {
  const Pictures pictures({1, 4, 8, 8}, 64);
  ir::Graph graph = network();
  ASSERT_TRUE(prune(graph, &pictures, {{"pattern", "2:4"}}).ok());
  for (const ir::Node& node : graph.nodes()) {
    if (node.name() != "first" && node.name() != "point") continue;
    const ir::Tensor& weight = *node.input(1)->constant();
    const int64_t channels = weight.dims()[1], taps = weight.size() / (weight.dims()[0] * channels);
    const auto data = weight.data<float>();
    for (int64_t m = 0; m < weight.dims()[0]; ++m) {
      for (int64_t tap = 0; tap < taps; ++tap) {
        for (int64_t c = 0; c < channels; c += 4) {
          int zeros = 0;
          for (int64_t i = 0; i < 4; ++i)
            zeros += data[static_cast<size_t>((m * channels + c + i) * taps + tap)] == 0 ? 1 : 0;
          EXPECT_EQ(zeros, 2);
        }
      }
    }
  }
}

// Weights of a Conv as [outputs][channels][taps], with the outputs and channels of every block counted.
std::map<std::string, int> block_fills(const ir::Graph& graph, const std::string& name, int64_t outputs,
                                       int64_t inputs) {
  std::map<std::string, int> fills;  // "mixed", "full", "empty"
  for (const ir::Node& node : graph.nodes()) {
    if (node.name() != name) continue;
    const ir::Tensor& weight = *node.input(1)->constant();
    const int64_t channels = weight.dims()[1], taps = weight.size() / (weight.dims()[0] * channels);
    const auto data = weight.data<float>();
    for (int64_t m = 0; m < weight.dims()[0]; m += outputs) {
      for (int64_t c = 0; c < channels; c += inputs) {
        for (int64_t tap = 0; tap < taps; ++tap) {
          int64_t zeros = 0;
          for (int64_t i = 0; i < outputs * inputs; ++i) {
            const int64_t at = ((m + i / inputs) * channels + c + i % inputs) * taps + tap;
            zeros += data[static_cast<size_t>(at)] == 0 ? 1 : 0;
          }
          ++fills[zeros == 0 ? "full" : zeros == outputs * inputs ? "empty" : "mixed"];
        }
      }
    }
  }
  return fills;
}

TEST(Prune, BlocksAreEmptyOrFull) {
  const Pictures pictures({1, 4, 8, 8}, 64);
  for (const auto& [pattern, outputs, inputs] :
       {std::tuple{"4x1", 4, 1}, std::tuple{"1x4", 1, 4}, std::tuple{"2x2", 2, 2}}) {
    for (const char* criterion : {"obs", "wanda", "lamp"}) {
      ir::Graph graph = network();
      ASSERT_TRUE(prune(graph, &pictures, {{"pattern", pattern}, {"sparsity", "0.5"}, {"criterion", criterion}}).ok());
      int empty = 0, full = 0;
      for (const char* layer : {"first", "point"}) {
        auto fills = block_fills(graph, layer, outputs, inputs);
        EXPECT_EQ(fills["mixed"], 0) << pattern << " " << criterion << " " << layer;
        empty += fills["empty"];
        full += fills["full"];
      }
      EXPECT_GT(empty, 0);
      EXPECT_GT(full, 0);
      EXPECT_EQ(block_fills(graph, "depthwise", 1, 1)["empty"], 0) << "one channel a group takes no blocks";
    }
  }
}

TEST(Prune, BlocksByOutputErrorBeatBlocksByMagnitude) {
  const auto parsed = ir::parse(R"(graph @net(%x: f32[N,4,8,8]) -> (y) {
  %w1 = constant random(seed=1) : f32[16,4,3,3]
  %w2 = constant random(seed=4) : f32[8,16,1,1]
  %c1 = conv %x, %w1 {pads=[1,1,1,1]} : f32[N,16,8,8] @"first"
  %r1 = relu %c1 : f32[N,16,8,8]
  %y = conv %r1, %w2 : f32[N,8,8,8] @"point"
  return %y
}
)");
  ASSERT_TRUE(parsed.ok());
  const Pictures pictures({1, 4, 8, 8}, 128);
  for (const char* pattern : {"2x1", "1x2"}) {
    const auto error_with = [&](const char* criterion) {
      ir::Graph graph = parsed->clone();
      EXPECT_TRUE(ops::infer_types(graph).ok());
      const auto change = prune(
          graph, &pictures, {{"pattern", pattern}, {"sparsity", "0.5"}, {"only", "point"}, {"criterion", criterion}});
      EXPECT_TRUE(change.ok()) << (change.ok() ? "" : change.error().text());
      return output_error(*parsed, graph, Pictures({1, 4, 8, 8}, 60));
    };
    const double surgeon = error_with("obs");
    EXPECT_LT(surgeon, 0.95 * error_with("magnitude")) << pattern;
    EXPECT_LE(surgeon, 1.02 * error_with("wanda")) << pattern;
  }
}

TEST(Prune, RepairsTransposedConvolutions) {
  const Pictures pictures({1, 4, 5, 5}, 64);
  const auto original = [] {
    auto graph = ir::parse(R"(graph @net(%x: f32[N,4,5,5]) -> (y) {
  %w1 = constant random(seed=1) : f32[8,4,1,1]
  %w2 = constant random(seed=2) : f32[8,6,3,3]
  %b2 = constant random(seed=3) : f32[6]
  %c = conv %x, %w1 : f32[N,8,5,5] @"mixed"
  %y = conv_transpose %c, %w2, %b2 {pads=[1,1,0,0], strides=[2,2]} : f32[N,6,10,10] @"up"
  return %y
}
)");
    EXPECT_TRUE(graph.ok() && ops::infer_types(*graph).ok());
    return std::move(*graph);
  };
  const auto pruned = [&](const Settings& settings) {
    ir::Graph graph = original();
    Settings all = settings;
    all.emplace_back("only", "up");
    EXPECT_TRUE(prune(graph, &pictures, all).ok());
    return graph;
  };
  for (const Settings& settings :
       {Settings{{"sparsity", "0.5"}}, Settings{{"pattern", "2:4"}, {"keep_order", "true"}}}) {
    Settings unrepaired = settings;
    unrepaired.emplace_back("criterion", "magnitude");
    unrepaired.emplace_back("repair", "none");
    const auto error_of = [&](const ir::Graph& graph) {
      return output_error(original(), graph, Pictures({1, 4, 5, 5}, 100));
    };
    EXPECT_LT(error_of(pruned(settings)), 0.1 * error_of(pruned(unrepaired)));
  }
  // Neighbours are input channels at one place of the kernel: [channels][outputs][taps].
  const std::vector<float> weight = weight_of(pruned({{"pattern", "2:4"}}), "up");
  for (size_t first = 0; first < 8; first += 4) {
    for (size_t i = 0; i < 6 * 9; ++i) {
      int zeros = 0;
      for (size_t channel = first; channel < first + 4; ++channel) zeros += weight[channel * 6 * 9 + i] == 0 ? 1 : 0;
      EXPECT_EQ(zeros, 2) << first << " " << i;
    }
  }
}

TEST(Prune, PruningAgainKeepsTheZeros) {
  const Pictures pictures({1, 4, 8, 8}, 64);
  ir::Graph graph = network();
  ASSERT_TRUE(prune(graph, &pictures, {{"sparsity", "0.5"}}).ok());
  for (const Settings& again :
       {Settings{{"sparsity", "0.2"}}, Settings{{"sparsity", "0.6"}},
        Settings{{"pattern", "2:4"}, {"keep_order", "true"}}, Settings{{"pattern", "4x1"}, {"sparsity", "0.4"}}}) {
    const ir::Graph before = graph.clone();
    ASSERT_TRUE(prune(graph, &pictures, again).ok());
    for (const char* layer : {"first", "depthwise", "point", "hidden", "classifier"}) {
      const std::vector<float> old = weight_of(before, layer), now = weight_of(graph, layer);
      for (size_t i = 0; i < old.size(); ++i) ASSERT_TRUE(old[i] != 0 || now[i] == 0) << layer << " " << i;
    }
  }
}

TEST(Prune, GivesTheSameBytesForAnyNumberOfThreads) {
  const Pictures pictures({1, 4, 8, 8}, 64);
  ir::Graph one = network(), four = network();
  ASSERT_TRUE(prune(one, &pictures, {{"sparsity", "0.6"}}, 1).ok());
  ASSERT_TRUE(prune(four, &pictures, {{"sparsity", "0.6"}}, 4).ok());
  expect_identical(one, four);
}

TEST(Prune, SelectorsLeaveLayersDense) {
  const Pictures pictures({1, 4, 8, 8}, 64);
  ir::Graph graph = network();
  ASSERT_TRUE(prune(graph, &pictures, {{"sparsity", "0.5"}, {"only", "point"}}).ok());
  EXPECT_EQ(count_weights(graph).zeros, 32);
}

TEST(Prune, RefusesWhatItCannotDo) {
  const Pictures pictures({1, 4, 8, 8}, 8);
  const auto refused = [&](const data::Dataset* calib, const Settings& settings) {
    ir::Graph graph = network();
    const auto change = prune(graph, calib, settings);
    EXPECT_FALSE(change.ok());
    return change.ok() ? ErrorKind::internal : change.error().kind;
  };
  EXPECT_EQ(refused(nullptr, {{"sparsity", "0.5"}}), ErrorKind::usage);
  EXPECT_EQ(refused(&pictures, {}), ErrorKind::usage);
  EXPECT_EQ(refused(&pictures, {{"sparsity", "0.5"}, {"pattern", "2:4"}}), ErrorKind::usage);
  EXPECT_EQ(refused(&pictures, {{"sparsity", "1.5"}}), ErrorKind::usage);
  EXPECT_EQ(refused(&pictures, {{"pattern", "4:4"}}), ErrorKind::usage);
  EXPECT_EQ(refused(&pictures, {{"pattern", "4x1"}}), ErrorKind::usage);
  EXPECT_EQ(refused(&pictures, {{"pattern", "1x1"}, {"sparsity", "0.5"}}), ErrorKind::usage);
  EXPECT_EQ(refused(&pictures, {{"pattern", "4x1"}, {"channels", "0.5"}}), ErrorKind::usage);
  EXPECT_EQ(refused(&pictures, {{"channels", "0.5"}, {"criterion", "lamp"}}), ErrorKind::usage);
  EXPECT_EQ(refused(&pictures, {{"sparsity", "0.5"}, {"only", "nothing"}}), ErrorKind::usage);
  EXPECT_EQ(refused(&pictures, {{"sparsity", "0.5"}, {"criterion", "magnitude"}, {"budgets", "error"}}),
            ErrorKind::usage);
  ir::Graph graph = network();
  EXPECT_TRUE(prune(graph, nullptr, {{"sparsity", "0.5"}, {"repair", "none"}}).ok()) << "magnitudes need no data";
}

}  // namespace
}  // namespace edgesmith::passes
