// SPDX-License-Identifier: Apache-2.0
// The whole pass on a small network, through its row of the pass table.
#include <cmath>
#include <set>

#include "branches.h"
#include "edgesmith/ir/short_floats.h"
#include "graph_compare.h"
#include "share_network.h"

namespace edgesmith::passes {
namespace {

size_t distinct(const std::vector<float>& numbers) { return std::set<float>(numbers.begin(), numbers.end()).size(); }

TEST(Share, EveryCodebookHasAtMostTheEntriesAskedFor) {
  const Pictures pictures({1, 4, 8, 8}, 64);
  for (const Settings& extra :
       {Settings{}, Settings{{"codebook", "tensor"}}, Settings{{"entries", "int8"}}, Settings{{"codebook", "scaled"}},
        Settings{{"repair", "none"}}, Settings{{"repair", "none"}, {"entries", "int8"}}}) {
    ir::Graph graph = network();
    Settings settings = {{"bits", "3"}};
    settings.insert(settings.end(), extra.begin(), extra.end());
    const auto change = share_weights(graph, &pictures, settings);
    ASSERT_TRUE(change.ok()) << change.error().text();
    EXPECT_EQ(*change, Change::changed);
    for (const char* layer : kLayers) {
      const ir::Tensor& weight = weight_of(graph, layer);
      const ir::Tensor* palette = weight.as_palette();
      if (palette == nullptr) continue;
      EXPECT_LE(palette->codebooks().dims()[1], 8) << layer;
      EXPECT_TRUE(ir::has_short_floats(weight)) << layer;
      EXPECT_EQ(palette->codes().dtype(), ir::DType::u4);
      EXPECT_LE(distinct(weight.codes().to_floats()), 8U * static_cast<size_t>(palette->codebooks().dims()[0]));
    }
    EXPECT_NE(weight_of(graph, "point").as_palette(), nullptr);
  }
}

TEST(Share, GroupsThatDoNotDivideAreAsEqualAsCanBe) {
  ir::Graph graph = network();
  ASSERT_TRUE(share_weights(graph, nullptr, {{"bits", "2"}, {"repair", "none"}}).ok());
  const ir::Tensor& point = weight_of(graph, "point");
  EXPECT_EQ(point.codebooks().dims(), (ir::Dims{3, 4}));
  EXPECT_EQ(point.palette_group(), 14);  // 40 channels: 14, 14, 12
  EXPECT_EQ(weight_of(graph, "classifier").palette_axis(), 1);
}

TEST(Share, FittingToTheOutputsLowersTheErrorOnOtherSamples) {
  const Pictures pictures({1, 4, 8, 8}, 256), others({1, 4, 8, 8}, 300);
  const auto error_with = [&](const Settings& settings) {
    ir::Graph graph = network();
    const auto change = share_weights(graph, &pictures, settings);
    EXPECT_TRUE(change.ok()) << (change.ok() ? "" : change.error().text());
    return output_error(network(), graph, others);
  };
  const double plain = error_with({{"bits", "3"}, {"repair", "none"}});
  const double fitted = error_with({{"bits", "3"}});
  const double whole = error_with({{"bits", "3"}, {"codebook", "tensor"}});
  const double finer = error_with({{"bits", "5"}});
  EXPECT_LT(fitted, 0.5 * plain);
  EXPECT_LT(fitted, whole);
  EXPECT_LT(finer, 0.5 * fitted);
}

TEST(Share, FitsTransposedConvolutionsToTheirOutputs) {
  const Pictures pictures({1, 4, 5, 5}, 64), others({1, 4, 5, 5}, 100);
  const ir::Graph original = parsed(R"(graph @net(%x: f32[N,4,5,5]) -> (y) {
  %w1 = constant random(seed=1) : f32[8,4,1,1]
  %w2 = constant random(seed=2) : f32[8,20,3,3]
  %c = conv %x, %w1 : f32[N,8,5,5] @"mixed"
  %y = conv_transpose %c, %w2 {strides=[2,2]} : f32[N,20,11,11] @"up"
  return %y
}
)");
  const auto error_with = [&](Settings settings) {
    ir::Graph graph = original.clone();
    settings.insert(settings.end(), {{"bits", "3"}, {"only", "up"}});
    EXPECT_TRUE(share_weights(graph, &pictures, settings).ok());
    return output_error(original, graph, others);
  };
  EXPECT_LT(error_with({}), 0.5 * error_with({{"repair", "none"}}));
}

TEST(Share, PrunedZerosStayZero) {
  const Pictures pictures({1, 4, 8, 8}, 64);
  for (const Settings& extra : {Settings{}, Settings{{"entries", "int8"}}, Settings{{"codebook", "scaled"}}}) {
    ir::Graph graph = network();
    ASSERT_TRUE(run_named("prune", graph, &pictures, {{"sparsity", "0.5"}}).ok());
    const std::vector<float> before = weight_of(graph, "point").to_floats();
    Settings settings = {{"bits", "2"}};
    settings.insert(settings.end(), extra.begin(), extra.end());
    ASSERT_TRUE(share_weights(graph, &pictures, settings).ok());
    const std::vector<float> after = weight_of(graph, "point").to_floats();
    for (size_t i = 0; i < before.size(); ++i) {
      ASSERT_TRUE(before[i] != 0 || after[i] == 0) << i;
    }
  }
}

TEST(Share, QuantizeKeepsCodebooks) {
  const Pictures pictures({1, 4, 8, 8}, 64);
  for (const char* pairs : {"off", "on"}) {
    ir::Graph graph = network();
    ASSERT_TRUE(share_weights(graph, &pictures, {{"bits", "3"}}).ok());
    const ir::Graph shared = graph.clone();
    ASSERT_TRUE(run_named("quantize", graph, &pictures, {{"pair_safe", pairs}}).ok());
    const ir::Tensor &before = weight_of(shared, "point"), &after = weight_of(graph, "point");
    ASSERT_EQ(after.encoding(), ir::Encoding::affine);
    ASSERT_NE(after.as_palette(), nullptr);
    EXPECT_TRUE(after.as_palette()->codes().identical_to(before.codes()));
    EXPECT_EQ(after.as_palette()->codebooks().dims(), before.codebooks().dims());
    const std::vector<float> reals = before.to_floats(), rounded = after.to_floats();
    const std::vector<int64_t> codes = after.codes().to_int64s();
    for (size_t i = 0; i < reals.size(); ++i) {
      const float scale = after.quant().scale[i / 20];
      EXPECT_LE(std::fabs(reals[i] - rounded[i]), 0.501F * scale);
      EXPECT_LE(std::abs(codes[i]), std::string(pairs) == "on" ? 64 : 127);
    }
  }
}

TEST(Share, QuantizeTakesEntriesOfInt8AsTheyAre) {
  const Pictures pictures({1, 4, 8, 8}, 64);
  ir::Graph graph = network();
  ASSERT_TRUE(share_weights(graph, &pictures, {{"bits", "4"}, {"entries", "int8"}}).ok());
  const ir::Tensor before = weight_of(graph, "point");
  ASSERT_TRUE(run_named("quantize", graph, &pictures, {}).ok());
  EXPECT_TRUE(weight_of(graph, "point").identical_to(before));
}

TEST(Share, BiasesBesideCodebooksHaveEightBits) {
  const Pictures pictures({1, 4, 8, 8}, 64);
  ir::Graph graph = network();
  ASSERT_TRUE(share_weights(graph, &pictures, {{"bits", "3"}}).ok());
  int64_t biases = 0;
  for (const ir::Node& node : graph.nodes()) {
    if (node.num_inputs() < 3 || node.input(1)->constant() == nullptr) continue;
    if (node.input(1)->constant()->as_palette() == nullptr || node.input(2) == nullptr) continue;
    for (const float number : node.input(2)->constant()->to_floats()) EXPECT_EQ(number, ir::short_float(number));
    ++biases;
  }
  EXPECT_GT(biases, 0);
}

TEST(Share, TiedWeightsShareOneConstant) {
  ir::Graph graph = parsed(R"(graph @tied(%x: f32[N,4,8,8]) -> (y) {
  %w = constant random(seed=1) : f32[4,4,3,3]
  %a = conv %x, %w {pads=[1,1,1,1]} @"a"
  %y = conv %a, %w {pads=[1,1,1,1]} @"b"
  return %y
}
)");
  const Pictures pictures({1, 4, 8, 8}, 32);
  ASSERT_TRUE(share_weights(graph, &pictures, {{"bits", "2"}}).ok());
  EXPECT_NE(weight_of(graph, "a").as_palette(), nullptr);
  EXPECT_EQ(&weight_of(graph, "a"), &weight_of(graph, "b"));
  ir::Graph skipped = network();
  EXPECT_EQ(*share_weights(skipped, nullptr, {{"repair", "none"}, {"skip", "*"}}), Change::none);
}

TEST(Share, EqualWeightsTakeOneEntry) {
  ir::Graph graph = parsed(R"(graph @g(%x: f32[N,4,8,8]) -> (y) {
  %w = constant splat(0.25) : f32[32,4,3,3]
  %y = conv %x, %w @"a"
  return %y
}
)");
  const Pictures pictures({1, 4, 8, 8}, 16);
  ASSERT_TRUE(share_weights(graph, &pictures, {}).ok());
  EXPECT_EQ(weight_of(graph, "a").codebooks().dims(), (ir::Dims{2, 1}));
  for (const float number : weight_of(graph, "a").to_floats()) EXPECT_FLOAT_EQ(number, 0.25F);
}

TEST(Share, GivesTheSameBytesForAnyNumberOfThreads) {
  const Pictures pictures({1, 4, 8, 8}, 64);
  for (const char* codebook : {"group", "tensor", "scaled"}) {
    ir::Graph one = network(), four = network();
    ASSERT_TRUE(share_weights(one, &pictures, {{"codebook", codebook}}, 1).ok());
    ASSERT_TRUE(share_weights(four, &pictures, {{"codebook", codebook}}, 4).ok());
    expect_identical(one, four);
  }
}

TEST(Share, SimplifyDenseWritesTheSameNumbersOut) {
  for (const char* entries : {"float", "int8"}) {
    ir::Graph graph = network();
    ASSERT_TRUE(share_weights(graph, nullptr, {{"repair", "none"}, {"entries", entries}}).ok());
    const ir::Tensor before = weight_of(graph, "point");
    ASSERT_TRUE(run_named("simplify", graph, nullptr, {}).ok());
    EXPECT_TRUE(weight_of(graph, "point").identical_to(before)) << "simplify alone keeps codebooks";
    EXPECT_EQ(*run_named("simplify", graph, nullptr, {{"dense", "true"}}), Change::changed);
    EXPECT_EQ(weight_of(graph, "point").as_palette(), nullptr);
    EXPECT_EQ(weight_of(graph, "point").to_floats(), before.to_floats());
    EXPECT_EQ(*run_named("simplify", graph, nullptr, {{"dense", "true"}}), Change::none);
  }
}

TEST(Share, SharedBitsBeatEqualOnesInTheirBytes) {
  const Pictures pictures({1, 4, 8, 8}, 256), others({1, 4, 8, 8}, 300);
  const ir::Graph branched = parsed(branches(4, 8, 32));
  for (const Settings& extra : {Settings{}, Settings{{"codebook", "scaled"}}}) {
    ir::Graph uniform = branched.clone(), mixed = branched.clone();
    Settings settings = {{"bits", "3"}};
    settings.insert(settings.end(), extra.begin(), extra.end());
    ASSERT_TRUE(share_weights(uniform, &pictures, settings).ok());
    settings.emplace_back("bits_per_layer", "auto");
    std::vector<std::string> notes;
    ASSERT_TRUE(run_named("share", mixed, &pictures, settings, 2, &notes).ok());
    EXPECT_NE(notes[0].find("bits are shared out for an expected output error of"), std::string::npos) << notes[0];
    EXPECT_NE(notes[1].find("3 bits everywhere, so they are shared"), std::string::npos) << notes[1];
    EXPECT_LT(output_error(branched, mixed, others), 0.5 * output_error(branched, uniform, others));
    EXPECT_LT(weight_of(mixed, "low").as_palette()->codebooks().dims()[1], 8);
    EXPECT_GT(weight_of(mixed, "loud").as_palette()->codebooks().dims()[1], 8);
  }
}

TEST(Share, SharedBitsKeepTheirBudgetOnAnyNumberOfThreads) {
  const Pictures pictures({1, 4, 8, 8}, 64);
  double before = INFINITY;
  for (const int size : {900, 1100, 1500}) {
    ir::Graph one = network(), three = network();
    const Settings settings = {{"bits_per_layer", "auto"}, {"size", std::to_string(size)}};
    ASSERT_TRUE(share_weights(one, &pictures, settings, 1).ok());
    ASSERT_TRUE(share_weights(three, &pictures, settings, 3).ok());
    expect_identical(one, three);
    double bits = 0;
    for (const char* layer : kLayers) {
      const ir::Tensor& weight = weight_of(one, layer);
      const ir::Tensor* palette = weight.as_palette();
      if (palette == nullptr) {
        bits += 32.0 * static_cast<double>(weight.size());
        continue;
      }
      const auto entries = static_cast<double>(palette->codebooks().dims()[1]);
      bits += static_cast<double>(weight.size()) * std::ceil(std::log2(entries)) +
              32 * static_cast<double>(palette->codebooks().size());
    }
    EXPECT_LE(bits, 8.0 * size);
    const double error = output_error(network(), one, pictures);
    EXPECT_LT(error, before);
    before = error;
  }
}

TEST(Share, RefusesWhatItCannotDo) {
  const Pictures pictures({1, 4, 8, 8}, 8);
  const auto refused = [&](const data::Dataset* calib, const Settings& settings, ir::Graph graph = network()) {
    const auto change = share_weights(graph, calib, settings);
    EXPECT_FALSE(change.ok());
    return change.ok() ? std::string() : change.error().text();
  };
  EXPECT_NE(refused(nullptr, {}).find("needs calibration data"), std::string::npos);
  EXPECT_NE(refused(&pictures, {{"bits", "0"}}).find("bits"), std::string::npos);
  EXPECT_NE(refused(&pictures, {{"bits", "9"}}).find("bits"), std::string::npos);
  EXPECT_NE(refused(&pictures, {{"group", "0"}}).find("group"), std::string::npos);
  EXPECT_NE(refused(&pictures, {{"only", "nothing"}}).find("matches nothing"), std::string::npos);
  EXPECT_NE(refused(&pictures, {{"codebook", "scaled"}, {"entries", "float"}}).find("int8"), std::string::npos);
  EXPECT_NE(refused(&pictures, {{"size", "900"}}).find("give --bits-per-layer auto"), std::string::npos);
  EXPECT_NE(refused(&pictures, {{"bits_per_layer", "auto"}, {"repair", "none"}}).find("leave --repair none out"),
            std::string::npos);
  EXPECT_NE(refused(&pictures, {{"bits_per_layer", "auto"}, {"bits", "3"}, {"size", "900"}}).find("two budgets"),
            std::string::npos);
  EXPECT_NE(refused(&pictures, {{"bits_per_layer", "auto"}, {"size", "9"}}).find("out of reach"), std::string::npos);
  ir::Graph shared = network();
  ASSERT_TRUE(share_weights(shared, nullptr, {{"repair", "none"}}).ok());
  EXPECT_NE(refused(&pictures, {}, shared.clone()).find("shared already"), std::string::npos);
  ir::Graph quantized = network();
  ASSERT_TRUE(run_named("quantize", quantized, &pictures, {}).ok());
  EXPECT_NE(refused(&pictures, {}, quantized.clone()).find("share before quantize"), std::string::npos);
  ir::Graph broken = parsed(R"(graph @g(%x: f32[N,2,1,1]) -> (y) {
  %w = constant {1, nan} : f32[1,2,1,1]
  %y = conv %x, %w @"a"
  return %y
}
)");
  EXPECT_NE(refused(nullptr, {{"repair", "none"}}, broken.clone()).find("NaN"), std::string::npos);
}

}  // namespace
}  // namespace edgesmith::passes
