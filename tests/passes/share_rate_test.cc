// SPDX-License-Identifier: Apache-2.0
// Sharing where the bits that indices take when packed have a price.
#include <algorithm>
#include <cmath>
#include <map>

#include "edgesmith/base/random.h"
#include "edgesmith/ir/short_floats.h"
#include "graph_compare.h"
#include "passes/share/shared_rows.h"
#include "share_network.h"

namespace edgesmith::passes {
namespace {

Settings rated(int size, const Settings& more = {}) {
  Settings settings = {{"rounding", "rate-aware"}, {"size", std::to_string(size)}};
  settings.insert(settings.end(), more.begin(), more.end());
  return settings;
}

// What an ideal coder takes for the indices of all codebooks, with 16 bits for each entry.
double entropy_bytes(const ir::Graph& graph) {
  double bits = 0;
  for (const ir::Node& node : graph.nodes()) {
    const ir::Tensor* palette = node.is(ir::OpKind::constant) ? node.tensor().as_palette() : nullptr;
    if (palette == nullptr) continue;
    const ir::Dims& dims = palette->dims();
    const std::vector<int64_t> indices = palette->codes().to_int64s();
    const auto axis = static_cast<size_t>(palette->palette_axis());
    int64_t inner = 1;
    for (size_t d = axis + 1; d < dims.size(); ++d) inner *= dims[d];
    std::map<std::pair<int64_t, int64_t>, double> counts;  // by codebook and index
    std::map<int64_t, double> totals;
    for (size_t i = 0; i < indices.size(); ++i) {
      const int64_t codebook = static_cast<int64_t>(i) / inner % dims[axis] / palette->palette_group();
      counts[{codebook, indices[i]}] += 1;
      totals[codebook] += 1;
    }
    for (const auto& [key, count] : counts) bits += 16 - count * std::log2(count / totals[key.first]);
  }
  return bits / 8;
}

TEST(ShareRate, IndicesAndCodebooksTakeTheSizeAsked) {
  const Pictures calib({1, 4, 8, 8}, 200), others({1, 4, 8, 8}, 300);
  for (const Settings& form : {Settings{}, Settings{{"codebook", "tensor"}}, Settings{{"bits", "3"}}}) {
    double before = INFINITY;
    for (const int size : {420, 560, 700}) {
      ir::Graph graph = network();
      std::vector<std::string> notes;
      const auto change = run_named("share", graph, &calib, rated(size, form), 2, &notes);
      ASSERT_TRUE(change.ok()) << change.error().text();
      for (const std::string& note : notes) EXPECT_EQ(note.find("did not come down"), std::string::npos) << note;
      EXPECT_LE(entropy_bytes(graph), size);
      EXPECT_GT(entropy_bytes(graph), 0.8 * size);
      const double error = output_error(network(), graph, others);
      EXPECT_LT(error, before) << size;
      before = error;
    }
  }
}

TEST(ShareRate, BeatsFewerEntriesOfTheSameEntropy) {
  const Pictures calib({1, 8, 6, 6}, 300), others({1, 8, 6, 6}, 400);
  const ir::Graph wide = parsed(R"(graph @wide(%x: f32[N,8,6,6]) -> (y) {
  %w1 = constant random(seed=1) : f32[32,8,3,3]
  %w2 = constant random(seed=2) : f32[32,32,3,3]
  %a = conv %x, %w1 {pads=[1,1,1,1]}
  %r = relu %a
  %y = conv %r, %w2 {pads=[1,1,1,1]}
  return %y
}
)");
  ir::Graph plain = wide.clone(), aware = wide.clone();
  ASSERT_TRUE(share_weights(plain, &calib, {{"bits", "2"}}).ok());
  ASSERT_TRUE(share_weights(aware, &calib, rated(static_cast<int>(entropy_bytes(plain)))).ok());
  EXPECT_LE(entropy_bytes(aware), entropy_bytes(plain));
  EXPECT_LT(output_error(wide, aware, others), 0.9 * output_error(wide, plain, others));
}

TEST(ShareRate, KeepsPrunedZerosAndShortEntries) {
  const Pictures calib({1, 4, 8, 8}, 64);
  for (const Settings& form : {Settings{}, Settings{{"entries", "int8"}}, Settings{{"codebook", "scaled"}}}) {
    ir::Graph graph = network();
    ASSERT_TRUE(run_named("prune", graph, &calib, {{"sparsity", "0.5"}}).ok());
    const std::vector<float> before = weight_of(graph, "point").to_floats();
    ASSERT_TRUE(share_weights(graph, &calib, rated(400, form)).ok());
    ASSERT_NE(weight_of(graph, "point").as_palette(), nullptr);
    EXPECT_TRUE(ir::has_short_floats(weight_of(graph, "point")));
    const std::vector<float> after = weight_of(graph, "point").to_floats();
    for (size_t i = 0; i < before.size(); ++i) ASSERT_TRUE(before[i] != 0 || after[i] == 0) << i;
  }
}

TEST(ShareRate, ThreadsDoNotMatter) {
  const Pictures calib({1, 4, 8, 8}, 64);
  for (const char* codebook : {"group", "scaled"}) {
    ir::Graph one = network(), three = network();
    ASSERT_TRUE(share_weights(one, &calib, rated(500, {{"codebook", codebook}}), 1).ok());
    ASSERT_TRUE(share_weights(three, &calib, rated(500, {{"codebook", codebook}}), 3).ok());
    expect_identical(one, three);
  }
}

TEST(ShareRate, TiedWeightsStayOneConstantWhenLayersAreSharedAnew) {
  ir::Graph graph = parsed(R"(graph @tied(%x: f32[N,4,8,8]) -> (y) {
  %w = constant random(seed=1) : f32[4,4,3,3]
  %a = conv %x, %w {pads=[1,1,1,1]} @"a"
  %y = conv %a, %w {pads=[1,1,1,1]} @"b"
  return %y
}
)");
  const Pictures calib({1, 4, 8, 8}, 32);
  std::vector<std::string> notes;
  ASSERT_TRUE(run_named("share", graph, &calib, rated(36), 2, &notes).ok());
  EXPECT_NE(weight_of(graph, "a").as_palette(), nullptr);
  EXPECT_EQ(&weight_of(graph, "a"), &weight_of(graph, "b"));
}

// pack sees indices: small weights should have the same ones in every codebook.
TEST(ShareRate, EntriesNextToZeroHaveTheSameIndexInEveryCodebook) {
  const Pictures calib({1, 4, 8, 8}, 64);
  ir::Graph graph = network();
  ASSERT_TRUE(share_weights(graph, &calib, rated(420, {{"group", "5"}})).ok());
  int padded = 0;
  for (const char* layer : kLayers) {
    const ir::Tensor* palette = weight_of(graph, layer).as_palette();
    if (palette == nullptr) continue;
    const auto entries = palette->codebooks().to_floats();
    const auto size = static_cast<size_t>(palette->codebooks().dims()[1]);
    size_t middle = 0;
    for (size_t g = 0; g * size < entries.size(); ++g) {
      const auto own = std::span(entries).subspan(g * size, size);
      EXPECT_TRUE(std::is_sorted(own.begin(), own.end()));
      const bool full = std::adjacent_find(own.begin(), own.end()) == own.end();
      padded += full ? 0 : 1;
      const auto at = static_cast<size_t>(
          std::min_element(own.begin(), own.end(), [](float a, float b) { return std::fabs(a) < std::fabs(b); }) -
          own.begin());
      if (g == 0) middle = at;
      if (!full) {
        EXPECT_NEAR(static_cast<double>(at), static_cast<double>(middle), 1) << layer << " " << g;
      }
    }
  }
  EXPECT_GT(padded, 0);
}

TEST(ShareRate, RefusesWhatItCannotDo) {
  const Pictures calib({1, 4, 8, 8}, 8);
  const auto expect = [&](const Settings& settings, const char* what) {
    ir::Graph graph = network();
    const auto change = share_weights(graph, &calib, settings);
    ASSERT_FALSE(change.ok()) << what;
    EXPECT_EQ(change.error().kind, ErrorKind::usage);
    EXPECT_NE(change.error().text().find(what), std::string::npos) << change.error().text();
  };
  expect({{"rounding", "rate-aware"}}, "takes a size");
  expect({{"rounding", "rate-aware"}, {"sqnr", "20"}}, "takes a size");
  expect(rated(20), "more than the size of 20");
  expect(rated(500, {{"bits", "1"}}), "give --bits 2 or more");
  expect(rated(500, {{"bits_per_layer", "auto"}}), "leave --bits-per-layer out");
  expect(rated(500, {{"repair", "none"}}), "leave --repair none out");
}

TEST(ShareRate, TheEntryWithTheLeastErrorAndPriceIsChosen) {
  Random random(9);
  for (int round = 0; round < 300; ++round) {
    share::SharedRows rows{.outputs = 1, .width = 1, .scale = {0.5 + random.uniform()}, .price = random.uniform()};
    const int count = 1 + round % 9;
    std::vector<double> codebook, bits;
    for (int q = 0; q < count; ++q) {
      codebook.push_back(random.normal());
      bits.push_back(6 * random.uniform());
    }
    std::sort(codebook.begin(), codebook.end());
    rows.codebooks = {codebook};
    rows.bits = {bits};
    const double value = 2 * random.normal(), weight = 5 * random.uniform();
    const auto cost = [&](size_t q) {
      const double off = value - rows.scale[0] * codebook[q];
      return weight * off * off + rows.price * bits[q];
    };
    double least = INFINITY;
    for (size_t q = 0; q < codebook.size(); ++q) least = std::min(least, cost(q));
    EXPECT_DOUBLE_EQ(cost(share::choose_entry(rows, 0, value, weight)), least);
  }
}

TEST(ShareRate, BitsAreThoseOfAnIdealCoder) {
  share::SharedRows rows{.outputs = 4, .width = 4, .group = 2, .codebooks = {{-1, 0, 1}, {0, 2}}};
  rows.index = {0, 1, 1, 1, 1, 1, 2, 1, /**/ 0, 0, 0, 0, 0, 0, 0, 1};
  share::count_bits(rows);
  EXPECT_DOUBLE_EQ(rows.bits[0][1], -std::log2(6.5 / 9.5));
  EXPECT_DOUBLE_EQ(rows.bits[1][1], -std::log2(1.5 / 9));
  EXPECT_NEAR(share::index_bits(rows),
              6 * rows.bits[0][1] + 2 * rows.bits[0][0] + 7 * rows.bits[1][0] + rows.bits[1][1], 1e-12);
}

}  // namespace
}  // namespace edgesmith::passes
