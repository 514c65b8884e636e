// SPDX-License-Identifier: Apache-2.0
// The whole pass on small networks, through its row of the pass table.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "edgesmith/base/log.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/ir/verifier.h"
#include "edgesmith/onnx/export.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/ops/pair_sums.h"
#include "edgesmith/passes/pass.h"
#include "edgesmith/runtime/executor.h"
#include "pictures.h"

namespace edgesmith::passes {
namespace {

ir::Graph parse(const std::string& text) {
  auto graph = ir::parse(text);
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  const Status types = ops::infer_types(*graph);
  EXPECT_TRUE(types.ok()) << types.error().message;
  return std::move(*graph);
}

// A residual network with a pool and a classifier.
ir::Graph network() {
  return parse(R"(graph @net(%x: f32[N,3,8,8]) -> (scores) {
  %w1 = constant random(seed=1) : f32[8,3,3,3]
  %b1 = constant random(seed=2) : f32[8]
  %w2 = constant random(seed=3) : f32[8,1,3,3]
  %w3 = constant random(seed=4) : f32[8,8,1,1]
  %w4 = constant random(seed=5) : f32[5,8]
  %b4 = constant random(seed=6) : f32[5]
  %c1 = conv %x, %w1, %b1 {pads=[1,1,1,1]} : f32[N,8,8,8] @"first"
  %r1 = relu %c1 : f32[N,8,8,8]
  %c2 = conv %r1, %w2 {group=8, pads=[1,1,1,1]} : f32[N,8,8,8] @"depthwise"
  %c3 = conv %c2, %w3 : f32[N,8,8,8] @"point"
  %s = add %c3, %r1 : f32[N,8,8,8] @"join"
  %r2 = relu %s : f32[N,8,8,8]
  %g = global_average_pool %r2 : f32[N,8,1,1] @"pool"
  %f = flatten %g : f32[N,8]
  %y = gemm %f, %w4, %b4 {transB=1} : f32[N,5] @"classifier"
  return %y
}
)");
}

struct Outcome {
  Result<Change> change = Change::none;
  std::vector<std::string> notes;
  std::vector<LayerRecord> layers;
};

Outcome quantize_for(const targets::Target& target, ir::Graph& graph, const data::Dataset* calib,
                     const std::vector<std::pair<std::string, std::string>>& settings = {}, int threads = 2) {
  const PassInfo* pass = find_pass("quantize");
  Options options(pass->options());
  for (const auto& [name, value] : settings) {
    const Status status = options.set_text(name, value);
    EXPECT_TRUE(status.ok()) << status.error().text();
  }
  ThreadPool pool(threads);
  ProgressSink progress;
  const ir::Graph original = graph.clone();
  PassContext context;
  context.calib = calib;
  context.original = &original;
  context.target = &target;
  context.pool = &pool;
  context.progress = &progress;
  Outcome outcome;
  outcome.change = run_pass(*pass, graph, options, context);
  if (!outcome.change) {
    ADD_FAILURE() << outcome.change.error().text();
  }
  outcome.notes = context.notes;
  outcome.layers = context.layers;
  return outcome;
}

Outcome quantize(ir::Graph& graph, const data::Dataset* calib,
                 const std::vector<std::pair<std::string, std::string>>& settings = {}, int threads = 2,
                 const std::string& target = "ort-x86") {
  return quantize_for(*targets::find_target(target), graph, calib, settings, threads);
}

// The error of a run that must fail.
Error refused(ir::Graph& graph, const data::Dataset* calib,
              const std::vector<std::pair<std::string, std::string>>& settings = {}) {
  const PassInfo* pass = find_pass("quantize");
  Options options(pass->options());
  for (const auto& [name, value] : settings) EXPECT_TRUE(options.set_text(name, value).ok());
  ThreadPool pool(2);
  ProgressSink progress;
  PassContext context;
  context.calib = calib;
  context.target = targets::find_target("ort-x86");
  context.pool = &pool;
  context.progress = &progress;
  auto change = run_pass(*pass, graph, options, context);
  EXPECT_FALSE(change.ok());
  return change.ok() ? Error{} : change.error();
}

std::string text_of(const ir::Graph& graph) { return ir::print(graph, {.max_elements = 0}); }

double sqnr_db(const ir::Graph& original, const ir::Graph& quantized, const Pictures& pictures, int64_t first) {
  auto a = runtime::Executor::create(original), b = runtime::Executor::create(quantized);
  EXPECT_TRUE(a.ok() && b.ok());
  auto sa = (*a)->make_session(), sb = (*b)->make_session();
  double signal = 0, noise = 0;
  for (int64_t i = first; i < first + 50; ++i) {
    auto sample = pictures.sample(i);
    const std::vector<float> x = (*sa->run(sample->inputs))[0].to_floats(),
                             y = (*sb->run(sample->inputs))[0].to_floats();
    for (size_t k = 0; k < x.size(); ++k) {
      signal += static_cast<double>(x[k]) * x[k];
      noise += std::pow(static_cast<double>(x[k]) - y[k], 2);
    }
  }
  return 10 * std::log10(signal / noise);
}

ir::Value& value_of(ir::Graph& graph, const std::string& name) {
  for (ir::Node& node : graph.nodes()) {
    for (int i = 0; i < node.num_outputs(); ++i) {
      if (node.output(i).name() == name) return node.output(i);
    }
  }
  ADD_FAILURE() << "no value " << name;
  return graph.nodes().begin()->output();
}

TEST(Quantize, MakesEveryLayerIntegerAndKeepsTheAnswers) {
  for (const std::string target : {"ort-x86", "ort-x86-vnni"}) {
    ir::Graph graph = network();
    const ir::Graph original = graph.clone();
    const Pictures pictures({1, 3, 8, 8}, 100);
    const Outcome outcome = quantize(graph, &pictures, {}, 2, target);
    ASSERT_TRUE(outcome.change.ok());
    EXPECT_EQ(*outcome.change, Change::changed);
    for (const std::string name : {"x", "r1", "c2", "c3", "r2", "g", "f"}) {
      EXPECT_TRUE(value_of(graph, name).quant().has_value()) << name;
    }
    for (const std::string name : {"c1", "s", "y"}) EXPECT_FALSE(value_of(graph, name).quant().has_value()) << name;
    EXPECT_EQ(value_of(graph, "r1").quant()->zero_point[0], 0);
    EXPECT_EQ(value_of(graph, "r1").quant()->dtype, ir::DType::u8);
    EXPECT_TRUE(value_of(graph, "g").quant()->same_codes(*value_of(graph, "f").quant()));
    EXPECT_GT(sqnr_db(original, graph, pictures, 1000), 30) << target;
  }
}

TEST(Quantize, StoresWeightsAndBiasesAsCodesOfTheRightScales) {
  ir::Graph graph = network();
  const Pictures pictures({1, 3, 8, 8}, 20);
  ASSERT_TRUE(quantize(graph, &pictures).change.ok());
  for (const ir::Node& node : graph.nodes()) {
    if (!node.is(ir::OpKind::conv) && !node.is(ir::OpKind::gemm)) continue;
    const ir::Tensor& weight = *node.input(1)->constant();
    ASSERT_EQ(weight.encoding(), ir::Encoding::affine) << node.label();
    EXPECT_EQ(weight.quant().dtype, ir::DType::i8);
    EXPECT_EQ(weight.quant().axis, 0);
    ASSERT_NE(node.input(2), nullptr) << node.label() << ": bias correction adds a bias";
    const ir::Tensor& bias = *node.input(2)->constant();
    ASSERT_EQ(bias.encoding(), ir::Encoding::affine);
    EXPECT_EQ(bias.quant().dtype, ir::DType::i32);
    const float input_scale = node.input(0)->quant()->scale[0];
    for (size_t c = 0; c < bias.quant().scale.size(); ++c) {
      EXPECT_FLOAT_EQ(bias.quant().scale[c], input_scale * weight.quant().scale[c]);
    }
    // The pair rule of the default target.
    if (!ops::adds_pairs(node)) continue;
    const auto codes = weight.codes().data<int8_t>();
    const auto width = static_cast<int64_t>(codes.size() / weight.quant().scale.size());
    const int64_t taps = node.is(ir::OpKind::conv) ? width / weight.dims()[1] : 1;
    for (size_t c = 0; c < weight.quant().scale.size(); ++c) {
      const auto row = codes.subspan(c * static_cast<size_t>(width), static_cast<size_t>(width));
      for (const auto& [first, second] : ops::summed_pairs(width / taps, taps)) {
        EXPECT_FALSE(ops::pair_overflows(row[static_cast<size_t>(first)], row[static_cast<size_t>(second)]));
      }
    }
  }
}

TEST(Quantize, GivesTheSameBytesForAnyNumberOfThreadsAndEveryTime) {
  const Pictures pictures({1, 3, 8, 8}, 40);
  std::set<std::string> texts;
  for (const int threads : {1, 2, 3, 1}) {
    ir::Graph graph = network();
    ASSERT_TRUE(quantize(graph, &pictures, {}, threads).change.ok());
    texts.insert(text_of(graph));
  }
  EXPECT_EQ(texts.size(), 1u);
}

TEST(Quantize, FindsNothingToDoTheSecondTime) {
  ir::Graph graph = network();
  const Pictures pictures({1, 3, 8, 8}, 20);
  ASSERT_TRUE(quantize(graph, &pictures).change.ok());
  const std::string once = text_of(graph);
  const Outcome again = quantize(graph, &pictures);
  ASSERT_TRUE(again.change.ok());
  EXPECT_EQ(*again.change, Change::none);
  EXPECT_EQ(text_of(graph), once);
}

TEST(Quantize, LeavesValuesThatWereCodedBefore) {
  ir::Graph graph = network();
  const Pictures pictures({1, 3, 8, 8}, 20);
  const ir::Quant given{.dtype = ir::DType::u8, .scale = {0.25f}, .zero_point = {7}, .method = "imported"};
  value_of(graph, "c2").set_quant(given);
  ASSERT_TRUE(quantize(graph, &pictures).change.ok());
  EXPECT_TRUE(value_of(graph, "c2").quant()->same_codes(given));
}

TEST(Quantize, ReportsEveryLayerWithItsError) {
  ir::Graph graph = network();
  const Pictures pictures({1, 3, 8, 8}, 40);
  const Outcome outcome = quantize(graph, &pictures);
  std::set<std::string> nodes;
  for (const LayerRecord& record : outcome.layers) {
    nodes.insert(record.node);
    EXPECT_EQ(record.status, "int8") << record.node;
    ASSERT_EQ(record.numbers.count("sqnr_db"), 1u) << record.node;
    EXPECT_GT(record.numbers.at("sqnr_db"), 20) << record.node;
  }
  for (const std::string name : {"first", "depthwise", "point", "join", "pool", "classifier"}) {
    EXPECT_EQ(nodes.count(name), 1u) << name;
  }
  EXPECT_GE(outcome.notes.size(), 2u);
}

TEST(Quantize, AutoIsNeverWorseThanMinMaxOnCalibrationData) {
  // One picture in forty holds a spike, so that min-max is a poor choice somewhere.
  class Spiked : public Pictures {
   public:
    using Pictures::Pictures;
    Result<data::Sample> sample(int64_t index) const override {
      auto sample = Pictures::sample(index);
      if (index % 40 == 5) {
        ir::Tensor tensor = ir::Tensor::of<float>(sample->inputs[0].dims(), sample->inputs[0].data<float>());
        tensor.mutable_data<float>()[0] = 60;
        sample->inputs[0] = std::move(tensor);
      }
      return sample;
    }
  };
  const Spiked pictures({1, 3, 8, 8}, 80);
  std::vector<double> quality;
  for (const std::string calibrator : {"auto", "minmax"}) {
    ir::Graph graph = network();
    const Outcome outcome = quantize(graph, &pictures, {{"calibrator", calibrator}});
    ASSERT_TRUE(outcome.change.ok());
    for (const std::string& note : outcome.notes) {
      double db = 0;
      if (std::sscanf(note.c_str(), "outputs are at %lf dB", &db) == 1) quality.push_back(db);
    }
  }
  ASSERT_EQ(quality.size(), 2u);
  EXPECT_GE(quality[0], quality[1] - 0.051);  // notes are rounded to a tenth
}

TEST(Quantize, EveryCalibratorWorks) {
  const Pictures pictures({1, 3, 8, 8}, 40);
  for (const std::string calibrator : {"minmax", "moving-average", "percentile", "mse", "entropy"}) {
    ir::Graph graph = network();
    const ir::Graph original = graph.clone();
    // Nothing is left to choose: the error of the outputs comes from the report's samples.
    const Outcome outcome = quantize(graph, &pictures, {{"calibrator", calibrator}, {"bias_correction", "false"}});
    ASSERT_TRUE(outcome.change.ok());
    double db = 0;
    for (const std::string& note : outcome.notes) std::sscanf(note.c_str(), "outputs are at %lf dB", &db);
    EXPECT_GT(db, 15) << calibrator;
    EXPECT_LT(db, 100) << calibrator;
    EXPECT_EQ(value_of(graph, "c2").quant()->method, calibrator);
    EXPECT_EQ(value_of(graph, "x").quant()->method, "minmax") << "inputs are not clipped";
    EXPECT_GT(sqnr_db(original, graph, pictures, 0), 15) << calibrator;
  }
}

TEST(Quantize, PerTensorWeightsHaveOneScale) {
  ir::Graph graph = network();
  const Pictures pictures({1, 3, 8, 8}, 20);
  ASSERT_TRUE(quantize(graph, &pictures, {{"per_tensor", "true"}, {"rounding", "nearest"}}).change.ok());
  EXPECT_EQ(value_of(graph, "w1").constant()->quant().scale.size(), 1u);
}

// Large weights in a channel that hardly ever gets anything, as training with BatchNormalization leaves dead channels.
TEST(Quantize, SaysWhatOneScaleForStretchedChannelsCosts) {
  const auto stretched = [](const char* factors) {
    ir::Graph graph = parse(std::string(R"(graph @net(%x: f32[N,3,8,8]) -> (scores) {
  %w1 = constant random(seed=1) : f32[4,3,3,3]
  %b1 = constant {0, 0, -100, 0} : f32[4]
  %w2 = constant random(seed=3) : f32[4,1,3,3]
  %factors = constant )") + factors +
                            R"( : f32[4,1,1,1]
  %v2 = mul %w2, %factors : f32[4,1,3,3]
  %c1 = conv %x, %w1, %b1 {pads=[1,1,1,1]} : f32[N,4,8,8] @"first"
  %r1 = relu %c1 : f32[N,4,8,8]
  %c2 = conv %r1, %v2 {group=4} : f32[N,4,6,6] @"second"
  return %c2
}
)");
    PassContext context;
    const PassInfo& fold = *find_pass("fold-constants");
    EXPECT_TRUE(run_pass(fold, graph, Options(fold.options()), context).ok());
    return graph;
  };
  const Pictures calib({1, 3, 8, 8}, 16);
  ir::Graph graph = stretched("{1, 1, 1000, 1}");
  const size_t before = log::num_warnings();
  const Outcome outcome = quantize(graph, &calib, {{"per_tensor", "true"}});
  ASSERT_TRUE(outcome.change.ok());
  const auto warnings = log::warnings_after(before);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("one scale for each weight tensor costs "), std::string::npos) << warnings[0];
  EXPECT_NE(warnings[0].find("worst is 'second': channel 2 reaches "), std::string::npos) << warnings[0];
  EXPECT_NE(warnings[0].find("; leave --per-tensor out"), std::string::npos) << warnings[0];
  const auto second = std::find_if(outcome.layers.begin(), outcome.layers.end(),
                                   [](const LayerRecord& layer) { return layer.node == "second"; });
  EXPECT_EQ(second->advice, "leave --per-tensor out");

  ir::Graph alike = stretched("{1, 1, 1, 1}");
  ASSERT_TRUE(quantize(alike, &calib, {{"per_tensor", "true"}}).change.ok());
  ir::Graph per_channel = stretched("{1, 1, 1000, 1}");
  ASSERT_TRUE(quantize(per_channel, &calib).change.ok());
  EXPECT_EQ(log::num_warnings(), before + 1) << "nothing to say of the others";
}

TEST(Quantize, WeightsOfLayersThatComputeOnFloatsAreCodesToo) {
  auto graph = ir::parse(R"(graph @g(%x: f32[5,1,16], %p: f32[1,8,4,4]) -> (y, z) {
  %w = constant random(seed=1) : f32[1,128,16]
  %r = constant random(seed=2) : f32[1,128,32]
  %y, %h, %c = lstm %x, %w, %r {hidden_size=32}
  %t = constant random(seed=3) : f32[8,16,3,3]
  %z = conv_transpose %p, %t
  return %y, %z
}
)");
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  const Outcome outcome = quantize(*graph, nullptr, {{"weights_only", "true"}});
  ASSERT_TRUE(outcome.change.ok()) << outcome.change.error().text();
  int codes = 0;
  for (const ir::Node& node : graph->nodes()) {
    if (!node.is(ir::OpKind::constant)) continue;
    const ir::Tensor& tensor = node.tensor();
    ASSERT_EQ(tensor.encoding(), ir::Encoding::affine) << node.output().name();
    EXPECT_EQ(tensor.quant().axis, 1);
    EXPECT_EQ(static_cast<int64_t>(tensor.quant().scale.size()), tensor.dims()[1]);
    ++codes;
  }
  EXPECT_EQ(codes, 3);
}

TEST(Quantize, WeightsAloneNeedNoDataAndKeepFloatArithmetic) {
  ir::Graph graph = network();
  const ir::Graph original = graph.clone();
  const Outcome outcome = quantize(graph, nullptr, {{"weights_only", "true"}});
  ASSERT_TRUE(outcome.change.ok());
  EXPECT_EQ(*outcome.change, Change::changed);
  for (const ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::constant) || node.num_outputs() == 0) continue;
    EXPECT_FALSE(node.output().quant().has_value());
  }
  EXPECT_EQ(value_of(graph, "w3").constant()->encoding(), ir::Encoding::affine);
  EXPECT_EQ(value_of(graph, "b1").constant()->encoding(), ir::Encoding::dense);
  EXPECT_GT(sqnr_db(original, graph, Pictures({1, 3, 8, 8}, 1), 0), 35);
  const Outcome again = quantize(graph, nullptr, {{"weights_only", "true"}});
  EXPECT_EQ(*again.change, Change::none);
}

TEST(Quantize, WithoutDataIsAUsageError) {
  ir::Graph graph = network();
  EXPECT_EQ(refused(graph, nullptr).kind, ErrorKind::usage);
  const Pictures none({1, 3, 8, 8}, 0);
  EXPECT_EQ(refused(graph, &none).kind, ErrorKind::usage);
}

TEST(Quantize, ASelectorThatMatchesNothingIsAUsageError) {
  ir::Graph graph = network();
  const Pictures pictures({1, 3, 8, 8}, 4);
  const Error error = refused(graph, &pictures, {{"skip", "clasifier"}});
  EXPECT_EQ(error.kind, ErrorKind::usage);
  EXPECT_NE(error.hint.find("classifier"), std::string::npos);
}

TEST(Quantize, SkippedLayersStayFloat) {
  ir::Graph graph = network();
  const Pictures pictures({1, 3, 8, 8}, 20);
  const Outcome outcome = quantize(graph, &pictures, {{"skip", "first"}, {"skip_op", "Gemm"}});
  ASSERT_TRUE(outcome.change.ok());
  EXPECT_EQ(value_of(graph, "w1").constant()->encoding(), ir::Encoding::dense);
  EXPECT_EQ(value_of(graph, "w4").constant()->encoding(), ir::Encoding::dense);
  EXPECT_EQ(value_of(graph, "w3").constant()->encoding(), ir::Encoding::affine);
  EXPECT_FALSE(value_of(graph, "x").quant().has_value());
}

TEST(Quantize, ASampleWithNaNIsNamed) {
  ir::Graph graph = network();
  Pictures pictures({1, 3, 8, 8}, 20);
  pictures.poison(13);
  const Error error = refused(graph, &pictures);
  EXPECT_EQ(error.kind, ErrorKind::invalid);
  EXPECT_NE(error.message.find("pictures[13]"), std::string::npos) << error.message;
}

TEST(Quantize, DeadChannelsAndTinyWeightsWithLargeBiasesAreSafe) {
  ir::Graph graph = parse(R"(graph @g(%x: f32[N,2,4,4]) -> (z) {
  %w = constant {0, 0, 1e-9, -1e-9, 0.5, -0.25, -3, -3} : f32[4,2,1,1]
  %b = constant {5, -1.2, 0, -100} : f32[4]
  %v = constant {1, 1, 1, 1} : f32[1,4,1,1]
  %c = conv %x, %w, %b : f32[N,4,4,4]
  %r = relu %c : f32[N,4,4,4]
  %z = conv %r, %v : f32[N,1,4,4]
  return %z
}
)");
  const ir::Graph original = graph.clone();
  const Pictures pictures({1, 2, 4, 4}, 30);
  ASSERT_TRUE(quantize(graph, &pictures).change.ok());
  for (const float scale : value_of(graph, "w").constant()->quant().scale) EXPECT_TRUE(std::isnormal(scale));
  const std::vector<float> biases = value_of(graph, "b").constant()->to_floats();
  EXPECT_NEAR(biases[0], 5, 1e-5);
  EXPECT_NEAR(biases[1], -1.2, 1e-5);
  EXPECT_GT(sqnr_db(original, graph, pictures, 0), 35);
}

TEST(Quantize, AReluThatNeverFiresIsSafe) {
  ir::Graph graph = parse(R"(graph @g(%x: f32[N,2,4,4]) -> (z) {
  %w = constant {0.1, 0.1} : f32[1,2,1,1]
  %b = constant {-50} : f32[1]
  %c = conv %x, %w, %b : f32[N,1,4,4]
  %r = relu %c : f32[N,1,4,4]
  %z = add %r, %x : f32[N,2,4,4]
  return %z
}
)");
  const Pictures pictures({1, 2, 4, 4}, 10);
  ASSERT_TRUE(quantize(graph, &pictures).change.ok());
  EXPECT_TRUE(std::isnormal(value_of(graph, "r").quant()->scale[0]));
  EXPECT_EQ(value_of(graph, "r").quant()->zero_point[0], 0);
}

TEST(Quantize, LayersThatShareWeightsKeepSharingThem) {
  ir::Graph graph = parse(R"(graph @g(%x: f32[N,2,4,4]) -> (z) {
  %w = constant random(seed=1) : f32[2,2,3,3]
  %a = conv %x, %w {pads=[1,1,1,1]} : f32[N,2,4,4]
  %z = conv %a, %w {pads=[1,1,1,1]} : f32[N,2,4,4]
  return %z
}
)");
  const Pictures pictures({1, 2, 4, 4}, 10);
  ASSERT_TRUE(quantize(graph, &pictures).change.ok());
  EXPECT_EQ(value_of(graph, "a").node().input(1), value_of(graph, "z").node().input(1));
  EXPECT_EQ(value_of(graph, "w").constant()->encoding(), ir::Encoding::affine);
}

TEST(Quantize, AFloatReaderOfAWeightKeepsTheOldConstant) {
  ir::Graph graph = parse(R"(graph @g(%x: f32[N,2,4,4]) -> (z, t) {
  %w = constant random(seed=1) : f32[2,2,3,3]
  %z = conv %x, %w {pads=[1,1,1,1]} : f32[N,2,4,4]
  %t = tanh %w : f32[2,2,3,3]
  return %z, %t
}
)");
  const Pictures pictures({1, 2, 4, 4}, 10);
  ASSERT_TRUE(quantize(graph, &pictures).change.ok());
  EXPECT_EQ(value_of(graph, "t").node().input(0)->constant()->encoding(), ir::Encoding::dense);
  EXPECT_EQ(value_of(graph, "z").node().input(1)->constant()->encoding(), ir::Encoding::affine);
}

// As PyTorch's exporter writes them: a list of pads from the last dim on, reversed by operators.
TEST(Quantize, APadWhoseAmountsAreComputedFromConstantsVanishes) {
  ir::Graph graph = parse(R"(graph @g(%x: f32[N,2,4,4]) -> (z) {
  %list = constant {1, 1, 0, 2, 0, 0, 0, 0} : i64[8]
  %two = constant {-1, 2} : i64[2]
  %pairs = reshape %list, %two : i64[4,2]
  %starts = constant {-1} : i64[1]
  %ends = constant {-9} : i64[1]
  %axes = constant {0} : i64[1]
  %steps = constant {-1} : i64[1]
  %reversed = slice %pairs, %starts, %ends, %axes, %steps : i64[4,2]
  %turned = transpose %reversed {perm=[1,0]} : i64[2,4]
  %one = constant {-1} : i64[1]
  %amounts = reshape %turned, %one : i64[8]
  %p = pad %x, %amounts : f32[N,2,6,6]
  %w = constant random(seed=1) : f32[3,2,3,3]
  %z = conv %p, %w : f32[N,3,4,4]
  return %z
}
)");
  const ir::Graph original = graph.clone();
  const Pictures pictures({1, 2, 4, 4}, 20);
  const Outcome outcome = quantize(graph, &pictures);
  ASSERT_TRUE(outcome.change.ok());
  const ir::Node& conv = value_of(graph, "z").node();
  EXPECT_EQ(conv.attributes().get_ints("pads"), (ir::Ints{0, 1, 2, 1}));
  EXPECT_TRUE(conv.input(0)->quant().has_value());
  EXPECT_GT(sqnr_db(original, graph, pictures, 1000), 30);
  for (const ir::Node& node : graph.nodes()) EXPECT_FALSE(node.is(ir::OpKind::slice) || node.is(ir::OpKind::pad));
}

// A trained export as it comes: Conv, BatchNormalization, Relu.
ir::Graph network_with_norms() {
  return parse(R"(graph @net(%x: f32[N,3,8,8]) -> (scores) {
  %w1 = constant random(seed=1) : f32[8,3,3,3]
  %w2 = constant random(seed=3) : f32[8,8,1,1]
  %scale = constant {0.5, 1.5, 1, 0.75, 1.25, 1, 2, 0.5} : f32[8]
  %shift = constant random(seed=5) : f32[8]
  %mean = constant random(seed=6) : f32[8]
  %var = constant {0.5, 1, 2, 1, 0.25, 1, 3, 1} : f32[8]
  %w4 = constant random(seed=8) : f32[5,8]
  %c1 = conv %x, %w1 {pads=[1,1,1,1]} : f32[N,8,8,8] @"first"
  %n1 = batch_normalization %c1, %scale, %shift, %mean, %var : f32[N,8,8,8] @"first.norm"
  %r1 = relu %n1 : f32[N,8,8,8]
  %c2 = conv %r1, %w2 : f32[N,8,8,8] @"second"
  %n2 = batch_normalization %c2, %scale, %shift, %mean, %var : f32[N,8,8,8] @"second.norm"
  %r2 = relu %n2 : f32[N,8,8,8]
  %g = global_average_pool %r2 : f32[N,8,1,1]
  %f = flatten %g : f32[N,8]
  %y = gemm %f, %w4 {transB=1} : f32[N,5] @"classifier"
  return %y
}
)");
}

int count_norms(const ir::Graph& graph) {
  int norms = 0;
  for (const ir::Node& node : graph.nodes()) norms += node.is(ir::OpKind::batch_normalization) ? 1 : 0;
  return norms;
}

TEST(Quantize, SaysWhereNormsStayBehindLayers) {
  const Pictures pictures({1, 3, 8, 8}, 32);
  ir::Graph graph = network_with_norms();
  const Outcome outcome = quantize(graph, &pictures, {{"weights", "int4"}});
  EXPECT_EQ(count_norms(graph), 2);
  ASSERT_FALSE(outcome.notes.empty());
  EXPECT_EQ(outcome.notes[0],
            "2 BatchNormalization stay behind layers: run simplify first, which folds them into weights, for a smaller "
            "model");
}

TEST(Quantize, SaysWhenRangesComeFromFewSamples) {
  const auto told = [](int64_t samples) {
    const Pictures pictures({1, 3, 8, 8}, samples);
    ir::Graph graph = network();
    const std::vector<std::string> notes = quantize(graph, &pictures).notes;
    return std::count_if(notes.begin(), notes.end(), [&](const std::string& note) {
      return note == "ranges come from " + std::to_string(samples) + (samples == 1 ? " sample" : " samples") +
                         ", too few to stand for others: give 16 or more";
    });
  };
  EXPECT_EQ(told(1), 1);
  EXPECT_EQ(told(15), 1);
  EXPECT_EQ(told(16), 0);
}

TEST(Quantize, FoldsBatchNormalizationAsSimplifyDoes) {
  ir::Graph graph = network_with_norms(), cleaned = network_with_norms();
  const PassInfo* simplify = find_pass("simplify");
  ThreadPool pool(1);
  ProgressSink progress;
  const ir::Graph original = cleaned.clone();
  PassContext context;
  context.original = &original;
  context.target = targets::find_target("ort-x86");
  context.pool = &pool;
  context.progress = &progress;
  ASSERT_TRUE(run_pass(*simplify, cleaned, Options(simplify->options()), context).ok());
  const Pictures pictures({1, 3, 8, 8}, 32);
  (void)quantize(cleaned, &pictures);
  const Outcome outcome = quantize(graph, &pictures);
  EXPECT_EQ(count_norms(graph), 0);
  ASSERT_FALSE(outcome.notes.empty());
  EXPECT_EQ(outcome.notes[0], "BatchNormalization folded into the layers before it: 2");
  // Nothing is left of the norms, not even their numbers, and the codes are the same.
  for (const ir::Node& node : graph.nodes()) {
    EXPECT_FALSE(node.is(ir::OpKind::constant) && node.output().unused()) << node.label();
  }
  EXPECT_GT(sqnr_db(cleaned, graph, pictures, 1000), 120);
}

TEST(Quantize, LeavesTheNormOfALayerThatIsNotSelected) {
  ir::Graph graph = network_with_norms();
  const Pictures pictures({1, 3, 8, 8}, 32);
  (void)quantize(graph, &pictures, {{"skip", "second.norm"}});
  EXPECT_EQ(count_norms(graph), 1);
  ir::Graph tensors = network_with_norms();
  (void)quantize(tensors, &pictures, {{"per_tensor", "true"}});
  EXPECT_EQ(count_norms(tensors), 2) << "one scale a tensor does not bear what norms do to channels";
  ir::Graph weights = network_with_norms();
  (void)quantize(weights, &pictures, {{"weights", "int4"}});
  EXPECT_EQ(count_norms(weights), 2) << "what runs is float: nothing stands between codes";
}

TEST(Quantize, AFixedBatchIsFedWhole) {
  ir::Graph graph = parse(R"(graph @g(%x: f32[4,2,4,4]) -> (z) {
  %w = constant random(seed=1) : f32[2,2,3,3]
  %z = conv %x, %w {pads=[1,1,1,1]} : f32[4,2,4,4]
  return %z
}
)");
  const Pictures pictures({1, 2, 4, 4}, 10);  // the last batch is filled up
  EXPECT_TRUE(quantize(graph, &pictures).change.ok());
  EXPECT_TRUE(value_of(graph, "z").quant().has_value());
}

TEST(Quantize, SaysWhyNothingCouldBeDone) {
  ir::Graph graph = parse("graph @g(%x: f32[N,4]) -> (z) {\n  %z = tanh %x : f32[N,4]\n  return %z\n}\n");
  const Pictures pictures({1, 4}, 4);
  const Outcome outcome = quantize(graph, &pictures);
  ASSERT_TRUE(outcome.change.ok());
  EXPECT_EQ(*outcome.change, Change::none);
  ASSERT_EQ(outcome.layers.size(), 1u);
  EXPECT_EQ(outcome.layers[0].reason, "ort-x86 computes Tanh on floats");
}

TEST(QuantizeForTargets, KeepsTheAnswersInEveryProgramsCodes) {
  const Pictures pictures({1, 3, 8, 8}, 100);
  for (const targets::Target& target : targets::all_targets()) {
    ir::Graph graph = network();
    const ir::Graph original = graph.clone();
    const Outcome outcome = quantize_for(target, graph, &pictures);
    ASSERT_TRUE(outcome.change.ok()) << target.name;
    for (const ir::Node& node : graph.nodes()) {
      for (int i = 0; i < node.num_outputs(); ++i) {
        const auto& quant = node.output(i).quant();
        if (!quant || node.is(ir::OpKind::constant)) continue;
        EXPECT_EQ(quant->dtype, target.activation_dtype) << target.name << ": " << node.label();
        EXPECT_TRUE(quant->zero_point[0] == 0 || !target.symmetric_activations) << node.label();
      }
    }
    EXPECT_GT(sqnr_db(original, graph, pictures, 1000), target.symmetric_activations ? 25 : 30) << target.name;
  }
}

TEST(QuantizeForTargets, LeavesBiasesFloatWhereTheTargetWantsThat) {
  const Pictures pictures({1, 3, 8, 8}, 50);
  ir::Graph graph = network();
  ASSERT_TRUE(quantize(graph, &pictures, {}, 2, "tensorrt-orin").change.ok());
  int layers = 0;
  for (const ir::Node& node : graph.nodes()) {
    if (!node.is(ir::OpKind::conv) && !node.is(ir::OpKind::gemm)) continue;
    ++layers;
    EXPECT_EQ(node.input(1)->constant()->encoding(), ir::Encoding::affine) << node.label();
    const ir::Value* bias = node.input(2);
    EXPECT_TRUE(bias == nullptr || bias->constant()->encoding() == ir::Encoding::dense) << node.label();
  }
  EXPECT_EQ(layers, 4);
}

TEST(QuantizeForTargets, GivesOneScaleAWeightWhereTheTargetHasNoMore) {
  targets::Target target = *targets::find_target("tflite-xnnpack-a72");
  target.per_channel = false;
  const Pictures pictures({1, 3, 8, 8}, 20);
  ir::Graph graph = network();
  ASSERT_TRUE(quantize_for(target, graph, &pictures).change.ok());
  EXPECT_TRUE(value_of(graph, "w1").constant()->quant().per_tensor());
  ir::Graph fine = network();
  ASSERT_TRUE(quantize(fine, &pictures, {}, 2, "tflite-xnnpack-a72").change.ok());
  EXPECT_FALSE(value_of(fine, "w1").constant()->quant().per_tensor());
}

TEST(QuantizeForTargets, MakesAMicrocontrollersModelIntegerThroughout) {
  ir::Graph graph = network();
  const Pictures pictures({1, 3, 8, 8}, 50);
  ASSERT_TRUE(quantize(graph, &pictures, {}, 2, "cmsis-nn-h7a3").change.ok());
  for (const std::string name : {"x", "r1", "c2", "c3", "r2", "g", "f", "y"}) {
    ASSERT_TRUE(value_of(graph, name).quant().has_value()) << name;
  }
  EXPECT_EQ(value_of(graph, "r1").quant()->zero_point[0], -128) << "after a Relu zero is the lowest code";
  for (const ir::Node& node : graph.nodes()) {
    if (!node.is(ir::OpKind::conv)) continue;
    for (const int8_t code : node.input(1)->constant()->codes().data<int8_t>()) EXPECT_GE(code, -127);
  }
}

TEST(Quantize, ConstantsThatAreDataHaveTheTypeOfTheActivations) {
  const Pictures calib({1, 4, 6, 6}, 60);
  for (const auto& [type, dtype] :
       {std::pair{"int8", ir::DType::i8}, std::pair{"uint8", ir::DType::u8}, std::pair{"int16", ir::DType::i16}}) {
    ir::Graph graph = parse(R"(graph @shifted(%x: f32[1,4,6,6]) -> (y) {
  %w = constant random(seed=1) : f32[4,4,1,1]
  %k = constant random(seed=2) : f32[4,1,1]
  %c = conv %x, %w
  %s = add %c, %k @"shift"
  %y = conv %s, %w
  return %y
})");
    const ir::Graph original = graph.clone();
    quantize(graph, &calib, {{"activations", type}});
    const ir::Value& shift = value_of(graph, "k");
    ASSERT_NE(shift.constant(), nullptr);
    EXPECT_EQ(shift.constant()->quant().dtype, dtype);
    const auto model = onnx::export_bytes(graph);
    ASSERT_TRUE(model.ok()) << model.error().text();
    const auto again = onnx::import_bytes(std::as_bytes(std::span(*model)), nullptr, "", "model");
    ASSERT_TRUE(again.ok()) << type << ": " << again.error().text();
    EXPECT_GT(sqnr_db(original, *again, calib, 0), 30) << type;
  }
}

}  // namespace
}  // namespace edgesmith::passes
