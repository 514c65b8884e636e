// SPDX-License-Identifier: Apache-2.0
// Weights of few bits: their grids, and the whole pass on a small network.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <span>

#include "branches.h"
#include "edgesmith/ir/short_floats.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/onnx/export.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/pass.h"
#include "edgesmith/runtime/executor.h"
#include "passes/quantize/low_bit.h"
#include "pictures.h"

namespace edgesmith::passes {
namespace {

using Settings = std::vector<std::pair<std::string, std::string>>;

constexpr const char* kNetwork = R"(graph @net(%x: f32[N,3,9,9]) -> (scores) {
  %w1 = constant random(seed=1) : f32[8,3,3,3]
  %b1 = constant random(seed=2) : f32[8]
  %w2 = constant random(seed=3) : f32[8,1,3,3]
  %w3 = constant random(seed=4) : f32[8,8,1,1]
  %w4 = constant random(seed=5) : f32[5,8]
  %b4 = constant random(seed=6) : f32[5]
  %w5 = constant random(seed=7) : f32[5,3]
  %c1 = conv %x, %w1, %b1 {pads=[1,1,1,1]} : f32[N,8,9,9] @"first"
  %r1 = relu %c1 : f32[N,8,9,9]
  %c2 = conv %r1, %w2 {group=8, pads=[1,1,1,1]} : f32[N,8,9,9] @"depthwise"
  %c3 = conv %c2, %w3 : f32[N,8,9,9] @"point"
  %r2 = relu %c3 : f32[N,8,9,9]
  %g = global_average_pool %r2 : f32[N,8,1,1]
  %f = flatten %g : f32[N,8]
  %h = gemm %f, %w4, %b4 {transB=1} : f32[N,5] @"hidden"
  %y = mat_mul %h, %w5 : f32[N,3] @"classifier"
  return %y
}
)";

ir::Graph network() {
  auto graph = ir::parse(kNetwork);
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  return std::move(*graph);
}

Result<Change> quantize(ir::Graph& graph, const data::Dataset* calib, const Settings& settings, int threads = 2,
                        std::vector<std::string>* notes = nullptr, std::vector<LayerRecord>* layers = nullptr) {
  const PassInfo& pass = *find_pass("quantize");
  Options options(pass.options());
  for (const auto& [name, value] : settings) {
    const Status status = options.set_text(name, value);
    if (!status.ok()) return status.error();
  }
  ThreadPool pool(threads);
  ProgressSink progress;
  PassContext context;
  context.calib = calib;
  context.target = targets::find_target("ort-x86");
  context.pool = &pool;
  context.progress = &progress;
  auto change = run_pass(pass, graph, options, context);
  if (notes != nullptr) *notes = context.notes;
  if (layers != nullptr) *layers = context.layers;
  return change;
}

const ir::Tensor& weight(const ir::Graph& graph, const std::string& layer) {
  for (const ir::Node& node : graph.nodes()) {
    if (node.name() == layer) return *node.input(1)->constant();
  }
  ADD_FAILURE() << layer;
  return *graph.output_node().input(0)->constant();
}

std::vector<float> outputs_of(const ir::Graph& graph, const data::Dataset& samples, bool reference = false) {
  auto executor = runtime::Executor::create(graph, {.reference = reference});
  EXPECT_TRUE(executor.ok());
  auto session = (*executor)->make_session();
  std::vector<float> out;
  for (int64_t i = 0; i < samples.size(); ++i) {
    auto results = session->run(samples.sample(i)->inputs);
    EXPECT_TRUE(results.ok());
    for (const float number : (*results)[0].to_floats()) out.push_back(number);
  }
  return out;
}

double error_between(const std::vector<float>& a, const std::vector<float>& b) {
  double error = 0;
  for (size_t i = 0; i < a.size(); ++i) error += std::pow(static_cast<double>(a[i]) - b[i], 2);
  return error;
}

TEST(Grids, HoldTheirCodesAndZero) {
  for (const bool symmetric : {true, false}) {
    for (int bits = 2; bits <= 8; ++bits) {
      for (const quantize::Grid& grid : quantize::candidate_grids(-0.7, 1.3, {.bits = bits, .symmetric = symmetric})) {
        EXPECT_EQ(grid.high - grid.low, (1 << bits) - 1);
        EXPECT_EQ(grid.nearest(0), 0);
        EXPECT_GE(grid.zero, grid.low);
        EXPECT_LE(grid.zero, grid.high);
        EXPECT_NEAR(grid.nearest(1e9), (grid.high - grid.zero) * static_cast<double>(grid.scale), 1e-9);
        EXPECT_GE(grid.low, symmetric ? (bits <= 4 ? -8 : -128) : 0);
        EXPECT_LE(grid.high, symmetric ? (bits <= 4 ? 7 : 127) : (1 << bits) - 1);
      }
    }
  }
}

TEST(Grids, OfEqualWeightsAreUsable) {
  for (const bool symmetric : {true, false}) {
    const auto grids = quantize::candidate_grids(0, 0, {.bits = 4, .symmetric = symmetric});
    ASSERT_EQ(grids.size(), 1u);
    EXPECT_EQ(grids[0].nearest(0), 0);
    // All negative.
    for (const auto& grid : quantize::candidate_grids(-1, 0, {.bits = 4, .symmetric = symmetric})) {
      EXPECT_EQ(grid.nearest(0), 0);
      EXPECT_LT(grid.nearest(-1), 0);
    }
  }
}

TEST(LowBit, EveryFormKeepsTheOutputsBetterThanTheNearestCodes) {
  const Pictures calib({1, 3, 9, 9}, 200);
  const ir::Graph original = network();
  const std::vector<float> expected = outputs_of(original, calib);
  for (const std::string type : {"int2", "int3", "int4", "int8"}) {
    for (const std::string asymmetric : {"false", "true"}) {
      ir::Graph engine = network(), nearest = network();
      Settings settings = {{"weights", type}, {"asymmetric", asymmetric}, {"activations", "float"}};
      ASSERT_TRUE(quantize(engine, &calib, settings).ok());
      settings.emplace_back("repair", "none");
      ASSERT_TRUE(quantize(nearest, nullptr, settings).ok());
      const double ours = error_between(expected, outputs_of(engine, calib)),
                   theirs = error_between(expected, outputs_of(nearest, calib));
      EXPECT_LT(ours, 0.6 * theirs) << type << " " << asymmetric;
      const ir::Tensor& codes = weight(engine, "first");
      ASSERT_EQ(codes.encoding(), ir::Encoding::affine);
      const ir::DType dtype = codes.quant().dtype;
      EXPECT_EQ(ir::dtype_bits(dtype), type == "int8" ? 8 : 4);
      EXPECT_EQ(ir::min_code(dtype) < 0, asymmetric == "false");
      const std::vector<int64_t> numbers = codes.codes().to_int64s();
      for (size_t m = 0; m < 8; ++m) {
        const auto [low, high] = std::minmax_element(numbers.begin() + static_cast<int64_t>(m) * 27,
                                                     numbers.begin() + static_cast<int64_t>(m + 1) * 27);
        EXPECT_LT(*high - *low, 1 << (type.back() - '0')) << type;
      }
      // The fast runtime, the reference and the file mean the same.
      EXPECT_LT(error_between(outputs_of(engine, calib), outputs_of(engine, calib, true)), 1e-6);
    }
  }
}

TEST(LowBit, LaterLayersMakeUpForEarlierOnes) {
  // Coded one pass a layer, none knows what the ones before it should have given.
  const Pictures calib({1, 3, 9, 9}, 300);
  const std::vector<float> expected = outputs_of(network(), calib);
  ir::Graph whole = network(), apart = network();
  ASSERT_TRUE(quantize(whole, &calib, {{"weights", "int2"}}).ok());
  for (const char* layer : {"first", "depthwise", "point", "hidden", "classifier"}) {
    ASSERT_TRUE(quantize(apart, &calib, {{"weights", "int2"}, {"only", layer}}).ok());
  }
  EXPECT_TRUE(weight(whole, "first").identical_to(weight(apart, "first")));
  EXPECT_LT(error_between(expected, outputs_of(whole, calib)), 0.9 * error_between(expected, outputs_of(apart, calib)));
}

TEST(LowBit, BlocksHaveTheirOwnScales) {
  const Pictures calib({1, 3, 9, 9}, 100);
  ir::Graph graph = network();
  std::vector<std::string> notes;
  ASSERT_TRUE(quantize(graph, &calib, {{"weights", "int4"}, {"block", "4"}}, 2, &notes).ok());
  const ir::Quant& point = weight(graph, "point").quant();
  EXPECT_EQ(point.block_size, 4);
  EXPECT_EQ(point.axis, 1);
  EXPECT_EQ(point.scale.size(), 16u);
  const ir::Quant& hidden = weight(graph, "hidden").quant();
  EXPECT_EQ(hidden.block_size, 4);
  EXPECT_EQ(hidden.axis, 1);
  EXPECT_EQ(hidden.scale.size(), 10u);
  EXPECT_EQ(weight(graph, "first").quant().block_size, 0);
  EXPECT_EQ(std::count_if(notes.begin(), notes.end(),
                          [](const std::string& note) { return note.find("no multiple of 4") != note.npos; }),
            3);
  const auto expected = outputs_of(network(), calib), ours = outputs_of(graph, calib);
  EXPECT_LT(error_between(expected, ours), 0.1 * error_between(expected, std::vector<float>(expected.size(), 0.0F)));
  EXPECT_LT(error_between(ours, outputs_of(graph, calib, true)), 1e-6);
}

TEST(LowBit, BlocksOfATransposedConvolutionRunAlongItsInputChannels) {
  const Pictures calib({1, 4, 5, 5}, 60);
  auto original = ir::parse(R"(graph @net(%x: f32[N,4,5,5]) -> (y) {
  %w = constant random(seed=1) : f32[4,6,3,2]
  %y = conv_transpose %x, %w {strides=[2,2]} @"up"
  return %y
}
)");
  ASSERT_TRUE(original.ok() && ops::infer_types(*original).ok());
  const auto expected = outputs_of(*original, calib);
  const auto error_with = [&](const Settings& more) {
    ir::Graph graph = original->clone();
    Settings settings = {{"weights", "int4"}, {"repair", "none"}};
    settings.insert(settings.end(), more.begin(), more.end());
    EXPECT_TRUE(quantize(graph, nullptr, settings).ok());
    EXPECT_LT(error_between(outputs_of(graph, calib), outputs_of(graph, calib, true)), 1e-6);
    if (!more.empty()) {
      const ir::Quant& up = weight(graph, "up").quant();
      EXPECT_EQ(up.axis, 0);
      EXPECT_EQ(up.block_size, 2);
      EXPECT_EQ(up.scale.size(), 2u * 6 * 3 * 2);
    }
    return error_between(expected, outputs_of(graph, calib));
  };
  EXPECT_LT(error_with({{"block", "2"}}), error_with({}));
}

TEST(LowBit, FilesComeBackAsTheyWere) {
  // 8 * 27 = 216 codes, and 5 * 3 = 15: an odd number.
  const Pictures calib({1, 3, 9, 9}, 50);
  for (const Settings& settings : {Settings{{"weights", "int4"}}, Settings{{"weights", "int3"}, {"asymmetric", "true"}},
                                   Settings{{"weights", "int4"}, {"block", "4"}}}) {
    ir::Graph graph = network();
    ASSERT_TRUE(quantize(graph, &calib, settings).ok());
    auto file = onnx::export_bytes(graph);
    ASSERT_TRUE(file.ok()) << file.error().text();
    const auto bytes = std::make_shared<const std::string>(*std::move(file));
    auto back = onnx::import_bytes(std::as_bytes(std::span(*bytes)), bytes, "m.onnx", ".");
    ASSERT_TRUE(back.ok()) << back.error().text();
    for (const char* layer : {"first", "depthwise", "point", "hidden", "classifier"}) {
      EXPECT_TRUE(weight(graph, layer).identical_to(weight(*back, layer))) << layer;
    }
    EXPECT_EQ(outputs_of(graph, calib), outputs_of(*back, calib));
  }
}

TEST(LowBit, ZerosOfPrunedWeightsStay) {
  ir::Graph graph = network();
  for (ir::Node& node : graph.nodes()) {
    if (!node.is(ir::OpKind::constant) || node.tensor().rank() < 2) continue;
    std::vector<float> numbers = node.tensor().to_floats();
    for (size_t i = 0; i < numbers.size(); i += 2) numbers[i] = 0;
    graph.set_tensor(node, ir::Tensor::of<float>(node.tensor().dims(), numbers));
  }
  const Pictures calib({1, 3, 9, 9}, 60);
  for (const std::string asymmetric : {"false", "true"}) {
    ir::Graph coded = graph.clone();
    ASSERT_TRUE(quantize(coded, &calib, {{"weights", "int3"}, {"asymmetric", asymmetric}}).ok());
    for (const char* layer : {"first", "depthwise", "point", "hidden", "classifier"}) {
      const std::vector<float> numbers = weight(coded, layer).to_floats();
      for (size_t i = 0; i < numbers.size(); i += 2) EXPECT_EQ(numbers[i], 0) << layer << " " << i;
    }
  }
}

TEST(LowBit, ThreadsDoNotMatter) {
  const Pictures calib({1, 3, 9, 9}, 50);
  std::vector<std::string> texts;
  for (const int threads : {1, 2, 3}) {
    ir::Graph graph = network();
    ASSERT_TRUE(quantize(graph, &calib, {{"weights", "int3"}}, threads).ok());
    texts.push_back(ir::print(graph, {.max_elements = 0}));
  }
  EXPECT_EQ(texts[0], texts[1]);
  EXPECT_EQ(texts[0], texts[2]);
}

TEST(LowBit, ActivationsOfEightBitsComeAfterTheWeights) {
  const Pictures calib({1, 3, 9, 9}, 60);
  const auto expected = outputs_of(network(), calib);
  for (const std::string type : {"int8", "uint8", "int16"}) {
    ir::Graph graph = network();
    ASSERT_TRUE(quantize(graph, &calib, {{"weights", "int4"}, {"activations", type}}).ok());
    EXPECT_EQ(weight(graph, "first").quant().dtype, ir::DType::i4);
    const ir::Value& input = *graph.inputs()[0];
    ASSERT_TRUE(input.quant().has_value());
    EXPECT_EQ(input.quant()->dtype, type == "int8" ? ir::DType::i8 : type == "uint8" ? ir::DType::u8 : ir::DType::i16);
    const auto ours = outputs_of(graph, calib);
    EXPECT_LT(error_between(expected, ours), 0.1 * error_between(expected, std::vector<float>(expected.size(), 0.0F)));
    EXPECT_LT(error_between(ours, outputs_of(graph, calib, true)), 1e-2 * error_between(expected, ours)) << type;
  }
}

constexpr const char* kLayers[] = {"first", "depthwise", "point", "hidden", "classifier"};

// Bits of all codes at the layers' widths, with scales of 32 bits.
double counted_bits(const std::vector<LayerRecord>& layers) {
  double bits = 32 * (8 + 8 + 8 + 5 + 3);
  const double sizes[] = {216, 72, 64, 40, 15};
  for (size_t l = 0; l < layers.size(); ++l) bits += sizes[l] * layers[l].numbers.at("bits");
  return bits;
}

TEST(LowBit, SharedBitsBeatEqualOnesInTheirBytes) {
  const Pictures calib({1, 3, 9, 9}, 300), others({1, 3, 9, 9}, 400);
  auto branched = ir::parse(branches(3, 9, 8));
  ASSERT_TRUE(branched.ok()) << branched.error().text();
  ASSERT_TRUE(ops::infer_types(*branched).ok());
  const std::vector<float> expected = outputs_of(*branched, others);
  for (const std::string type : {"int3", "int4"}) {
    ir::Graph mixed = branched->clone(), uniform = branched->clone();
    std::vector<LayerRecord> layers;
    std::vector<std::string> notes;
    ASSERT_TRUE(quantize(uniform, &calib, {{"weights", type}}).ok());
    ASSERT_TRUE(quantize(mixed, &calib, {{"weights", type}, {"bits_per_layer", "auto"}}, 2, &notes, &layers).ok());
    ASSERT_EQ(layers.size(), 2u);
    int sum = 0;
    for (const LayerRecord& layer : layers) {
      const auto bits = static_cast<int>(layer.numbers.at("bits"));
      sum += bits;
      EXPECT_EQ(layer.status, "int" + std::to_string(bits) + " weights");
      EXPECT_EQ(ir::dtype_bits(weight(mixed, layer.node).quant().dtype), bits <= 4 ? 4 : 8);
    }
    EXPECT_EQ(sum, 2 * (type.back() - '0'));
    EXPECT_GT(layers[0].numbers.at("bits"), layers[1].numbers.at("bits"));
    EXPECT_NE(notes[0].find("bits are shared out for an expected output error of"), std::string::npos);
    EXPECT_NE(notes[0].find(type + " everywhere"), std::string::npos);
    EXPECT_NE(notes[1].find(" bits everywhere, so they are shared"), std::string::npos) << notes[1];
    EXPECT_LT(error_between(expected, outputs_of(mixed, others)),
              0.5 * error_between(expected, outputs_of(uniform, others)))
        << type;
  }
}

TEST(LowBit, SharedBitsKeepTheirBudget) {
  const Pictures calib({1, 3, 9, 9}, 200);
  const std::vector<float> expected = outputs_of(network(), calib);
  const double signal = error_between(expected, std::vector<float>(expected.size(), 0.0F));
  double before = INFINITY;
  for (const int size : {240, 280, 340, 420, 530}) {
    ir::Graph graph = network();
    std::vector<LayerRecord> layers;
    ASSERT_TRUE(
        quantize(graph, &calib, {{"bits_per_layer", "auto"}, {"size", std::to_string(size)}}, 2, nullptr, &layers)
            .ok());
    EXPECT_LE(counted_bits(layers), 8.0 * size);
    const double error = error_between(expected, outputs_of(graph, calib));
    EXPECT_LT(error, before) << size;
    before = error;
  }
  double bits = 0;
  for (const double sqnr : {12.0, 20.0, 30.0}) {
    ir::Graph graph = network();
    std::vector<LayerRecord> layers;
    const Settings settings = {{"bits_per_layer", "auto"}, {"sqnr", std::to_string(sqnr)}, {"asymmetric", "true"}};
    ASSERT_TRUE(quantize(graph, &calib, settings, 2, nullptr, &layers).ok());
    EXPECT_GT(counted_bits(layers), bits);
    bits = counted_bits(layers);
    // Expected errors are estimates; later layers make up for some of them.
    EXPECT_GT(10 * std::log10(signal / error_between(expected, outputs_of(graph, calib))), sqnr - 3);
  }
}

// Bits for each code if every layer had a code book of its own: what no packer that knows nothing else beats.
double entropy_bytes(const ir::Graph& graph) {
  double bits = 0;
  for (const char* layer : kLayers) {
    std::map<int64_t, double> counts;
    const std::vector<int64_t> codes = weight(graph, layer).codes().to_int64s();
    for (const int64_t code : codes) counts[code] += 1;
    for (const auto& [code, count] : counts) bits -= count * std::log2(count / static_cast<double>(codes.size()));
  }
  return bits / 8;
}

TEST(LowBit, RateAwareCodesTakeTheSizeAsked) {
  const Pictures calib({1, 3, 9, 9}, 200);
  const std::vector<float> expected = outputs_of(network(), calib);
  double before = INFINITY;
  for (const int size : {166, 206, 246}) {
    ir::Graph graph = network();
    std::vector<std::string> notes;
    std::vector<LayerRecord> layers;
    const Settings settings = {{"weights", "int4"}, {"rounding", "rate-aware"}, {"size", std::to_string(size)}};
    const auto change = quantize(graph, &calib, settings, 2, &notes, &layers);
    ASSERT_TRUE(change.ok()) << change.error().text();
    ASSERT_EQ(layers.size(), 5u) << "a second attempt leaves no records of the first";
    double bits = 32 * 16;
    const double sizes[] = {216, 72, 64, 40, 15};
    for (size_t l = 0; l < layers.size(); ++l) bits += sizes[l] * layers[l].numbers.at("packed_bits");
    EXPECT_LE(bits / 8, size);
    EXPECT_GT(bits / 8, 0.9 * size);
    EXPECT_LT(entropy_bytes(graph) + 64, size);
    const double error = error_between(expected, outputs_of(graph, calib));
    EXPECT_LT(error, before) << size;
    before = error;
    EXPECT_LT(error_between(outputs_of(graph, calib), outputs_of(graph, calib, true)), 1e-6);
  }
}

TEST(LowBit, RateAwareCodesBeatPlainOnesOfTheSameEntropy) {
  const Pictures calib({1, 3, 9, 9}, 300), others({1, 3, 9, 9}, 400);
  const std::vector<float> expected = outputs_of(network(), others);
  ir::Graph plain = network(), rated = network();
  ASSERT_TRUE(quantize(plain, &calib, {{"weights", "int2"}}).ok());
  const Settings settings = {{"weights", "int4"},
                             {"rounding", "rate-aware"},
                             {"size", std::to_string(static_cast<int>(entropy_bytes(plain)) + 64)}};
  ASSERT_TRUE(quantize(rated, &calib, settings).ok());
  EXPECT_LE(entropy_bytes(rated), entropy_bytes(plain));
  EXPECT_LT(error_between(expected, outputs_of(rated, others)),
            0.8 * error_between(expected, outputs_of(plain, others)));
}

TEST(LowBit, ScalesAndBiasesOfRateAwareCodesHaveEightBits) {
  ir::Graph graph = network();
  const Pictures calib({1, 3, 9, 9}, 60);
  ASSERT_TRUE(quantize(graph, &calib, {{"weights", "int4"}, {"rounding", "rate-aware"}, {"size", "260"}}).ok());
  int64_t floats = 0;
  for (const ir::Node& node : graph.nodes()) {
    if (!node.is(ir::OpKind::constant) || node.tensor().dtype() != ir::DType::f32) continue;
    const bool codes = node.tensor().encoding() == ir::Encoding::affine;
    if (!codes && node.tensor().rank() != 1) continue;
    for (const float number : codes ? node.tensor().quant().scale : node.tensor().to_floats()) {
      EXPECT_EQ(number, ir::short_float(number));
      ++floats;
    }
  }
  EXPECT_EQ(floats, 32 + 29);  // the last layer has no bias
}

TEST(LowBit, RateAwareCodesKeepPrunedZeros) {
  ir::Graph graph = network();
  for (ir::Node& node : graph.nodes()) {
    if (!node.is(ir::OpKind::constant) || node.tensor().rank() < 2) continue;
    std::vector<float> numbers = node.tensor().to_floats();
    for (size_t i = 0; i < numbers.size(); i += 2) numbers[i] = 0;
    graph.set_tensor(node, ir::Tensor::of<float>(node.tensor().dims(), numbers));
  }
  const Pictures calib({1, 3, 9, 9}, 60);
  ASSERT_TRUE(quantize(graph, &calib, {{"weights", "int4"}, {"rounding", "rate-aware"}, {"size", "260"}}).ok());
  for (const char* layer : kLayers) {
    const std::vector<float> numbers = weight(graph, layer).to_floats();
    for (size_t i = 0; i < numbers.size(); i += 2) EXPECT_EQ(numbers[i], 0) << layer << " " << i;
  }
}

TEST(LowBit, ThreadsDoNotMatterForSharedBits) {
  const Pictures calib({1, 3, 9, 9}, 50);
  for (const Settings& settings : {Settings{{"weights", "int3"}, {"bits_per_layer", "auto"}},
                                   Settings{{"weights", "int4"}, {"rounding", "rate-aware"}, {"size", "260"}}}) {
    std::vector<std::string> texts;
    for (const int threads : {1, 2, 3}) {
      ir::Graph graph = network();
      ASSERT_TRUE(quantize(graph, &calib, settings, threads).ok());
      texts.push_back(ir::print(graph, {.max_elements = 0}));
    }
    EXPECT_EQ(texts[0], texts[1]);
    EXPECT_EQ(texts[0], texts[2]);
  }
}

TEST(LowBit, BudgetsThatMakeNoSenseAreRefused) {
  const Pictures calib({1, 3, 9, 9}, 20);
  ir::Graph graph = network();
  const auto refused = [&](const data::Dataset* data, const Settings& settings) {
    auto change = quantize(graph, data, settings);
    EXPECT_FALSE(change.ok());
    if (change.ok()) return std::string();
    EXPECT_EQ(change.error().kind, ErrorKind::usage);
    return change.error().text();
  };
  const auto expect = [&](const Settings& settings, const std::string& text, const data::Dataset* data) {
    EXPECT_NE(refused(data, settings).find(text), std::string::npos) << refused(data, settings);
  };
  expect({{"bits_per_layer", "auto"}, {"repair", "none"}}, "leave --repair none", nullptr);
  expect({{"bits_per_layer", "auto"}}, "needs calibration data", nullptr);
  expect({{"size", "300"}}, "size is a budget for bits that layers share", &calib);
  expect({{"weights", "int4"}, {"sqnr", "20"}}, "sqnr is a budget for bits that layers share", &calib);
  expect({{"bits_per_layer", "auto"}, {"size", "300"}, {"sqnr", "20"}}, "size and sqnr are two budgets", &calib);
  expect({{"bits_per_layer", "auto"}, {"size", "300"}, {"weights", "int4"}}, "size and weights are two budgets",
         &calib);
  expect({{"bits_per_layer", "auto"}, {"size", "229"}}, "out of reach: the fewest bits take 230", &calib);
  expect({{"bits_per_layer", "auto"}, {"sqnr", "150"}}, "out of reach", &calib);
  expect({{"bits_per_layer", "auto"}, {"size", "0"}}, "outside", &calib);
  expect({{"rounding", "rate-aware"}}, "takes a size", &calib);
  expect({{"rounding", "rate-aware"}, {"sqnr", "20"}}, "takes a size", &calib);
  expect({{"rounding", "rate-aware"}, {"size", "60"}}, "more than the size of 60", &calib);
  expect({{"rounding", "rate-aware"}, {"size", "300"}, {"block", "4"}}, "leave --asymmetric and --block out", &calib);
  expect({{"rounding", "rate-aware"}, {"size", "300"}, {"bits_per_layer", "auto"}}, "leave --bits-per-layer out",
         &calib);
}

TEST(LowBit, WhatCannotBeIsRefused) {
  const Pictures calib({1, 3, 9, 9}, 20);
  ir::Graph graph = network();
  const auto kind = [&](const data::Dataset* data, const Settings& settings) {
    auto change = quantize(graph, data, settings);
    EXPECT_FALSE(change.ok());
    return change.ok() ? ErrorKind::internal : change.error().kind;
  };
  EXPECT_EQ(kind(nullptr, {{"weights", "int4"}}), ErrorKind::usage);
  EXPECT_EQ(kind(&calib, {{"weights", "int1"}}), ErrorKind::usage);
  EXPECT_EQ(kind(&calib, {{"weights", "int4"}, {"block", "0"}}), ErrorKind::usage);
  EXPECT_EQ(kind(&calib, {{"weights", "int4"}, {"block", "7"}}), ErrorKind::usage);
  EXPECT_EQ(kind(nullptr, {{"weights", "int8"}, {"repair", "none"}}), ErrorKind::usage);
  for (ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::constant) && node.tensor().rank() == 4) {
      std::vector<float> numbers = node.tensor().to_floats();
      numbers[1] = NAN;
      graph.set_tensor(node, ir::Tensor::of<float>(node.tensor().dims(), numbers));
      break;
    }
  }
  EXPECT_EQ(kind(&calib, {{"weights", "int4"}}), ErrorKind::invalid);
}

TEST(LowBit, CodesAreLeftAlone) {
  const Pictures calib({1, 3, 9, 9}, 20);
  ir::Graph graph = network();
  ASSERT_TRUE(quantize(graph, &calib, {{"weights", "int4"}}).ok());
  auto again = quantize(graph, &calib, {{"weights", "int2"}});
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again, Change::none);
}

}  // namespace
}  // namespace edgesmith::passes
