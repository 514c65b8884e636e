// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/data/seeded_inputs.h"

#include <gtest/gtest.h>

#include "edgesmith/data/dataset.h"
#include "support/tiny_model.h"

namespace edgesmith::data {
namespace {

constexpr int64_t kPlenty = int64_t{1} << 30;

ir::Graph graph_of(const std::string& text) {
  auto graph = ir::parse(text);
  EXPECT_TRUE(graph.ok()) << (graph.ok() ? "" : graph.error().text());
  return graph.ok() ? std::move(*graph) : ir::Graph();
}

ir::Graph graph_with_input(const std::string& type) {
  return graph_of("graph @g(%x: " + type + ") -> (y: " + type + ") {\n  return %x\n}\n");
}

TEST(SeededInputs, FreeDimsAreOneAndTheBatchIsWhatIsAskedFor) {
  const ir::Graph graph = graph_with_input("f32[N,3,H,5]");
  EXPECT_EQ((*seeded_inputs(graph, {.batch = 0, .seed = 0, .memory_limit = kPlenty}))[0].dims(),
            (ir::Dims{1, 3, 1, 5}));
  EXPECT_EQ((*seeded_inputs(graph, {.batch = 7, .seed = 0, .memory_limit = kPlenty}))[0].dims(),
            (ir::Dims{7, 3, 1, 5}));
}

TEST(SeededInputs, GiveNamedDimsTheSizesAskedFor) {
  const ir::Graph graph = graph_with_input("f32[N,3,H,W]");
  SeededOptions options{.batch = 2, .free_dims = {{"H", 6}}, .memory_limit = kPlenty};
  EXPECT_EQ((*seeded_inputs(graph, options))[0].dims(), (ir::Dims{2, 3, 6, 1}));
  options.free_dims = {{"h", 6}};
  const auto unknown = seeded_inputs(graph, options);
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().text(), "no input has a dim 'h'; they have N, H, W");
}

TEST(SeededInputs, AreTheSameForTheSameSeedOnly) {
  const ir::Graph graph = graph_with_input("f32[N,50]");
  const auto a = seeded_inputs(graph, {.batch = 2, .seed = 1, .memory_limit = kPlenty}),
             b = seeded_inputs(graph, {.batch = 2, .seed = 1, .memory_limit = kPlenty}),
             c = seeded_inputs(graph, {.batch = 2, .seed = 2, .memory_limit = kPlenty});
  EXPECT_TRUE((*a)[0].identical_to((*b)[0]));
  EXPECT_FALSE((*a)[0].identical_to((*c)[0]));
  for (const float x : (*a)[0].to_floats()) {
    EXPECT_GE(x, 0);
    EXPECT_LT(x, 1);
  }
}

TEST(SeededInputs, SuitTheDtype) {
  for (const char* dtype : {"f64", "f16", "bf16"}) {
    const auto inputs = seeded_inputs(graph_with_input(std::string(dtype) + "[N,40]"),
                                      {.batch = 0, .seed = 0, .memory_limit = kPlenty});
    ASSERT_TRUE(inputs.ok()) << dtype;
    double sum = 0;
    for (const float x : (*inputs)[0].to_floats()) {
      EXPECT_GE(x, 0) << dtype;
      EXPECT_LE(x, 1) << dtype;
      sum += x;
    }
    EXPECT_GT(sum, 0) << dtype;
  }
  for (const char* dtype : {"u16", "i16", "u32", "i32", "u64", "i64"}) {
    const auto inputs = seeded_inputs(graph_with_input(std::string(dtype) + "[N,40]"),
                                      {.batch = 0, .seed = 0, .memory_limit = kPlenty});
    ASSERT_TRUE(inputs.ok()) << dtype;
    int64_t sum = 0;
    for (const int64_t x : (*inputs)[0].to_int64s()) {
      EXPECT_TRUE(x == 0 || x == 1) << dtype;
      sum += x;
    }
    EXPECT_GT(sum, 0) << dtype;
    EXPECT_LT(sum, 40) << dtype;
  }
  int64_t low = 0, high = 0;
  for (const int64_t x :
       (*seeded_inputs(graph_with_input("i8[N,400]"), {.batch = 0, .seed = 0, .memory_limit = kPlenty}))[0]
           .to_int64s()) {
    low = std::min(low, x);
    high = std::max(high, x);
  }
  EXPECT_LT(low, -100);
  EXPECT_GT(high, 100);
}

TEST(SeededInputs, RefuseWhatTheyCannotMake) {
  EXPECT_EQ(seeded_inputs(graph_with_input("f32[4,3]"), {.batch = 8, .seed = 0, .memory_limit = kPlenty}).error().kind,
            ErrorKind::usage);
  EXPECT_TRUE(seeded_inputs(graph_with_input("f32[4,3]"), {.batch = 4, .seed = 0, .memory_limit = kPlenty}).ok());
  EXPECT_EQ(seeded_inputs(graph_with_input("f32[]"), {.batch = 2, .seed = 0, .memory_limit = kPlenty}).error().kind,
            ErrorKind::usage);
  const SeededOptions none{.free_dims = {{"N", 0}}, .memory_limit = kPlenty};
  EXPECT_EQ(seeded_inputs(graph_with_input("f32[N,3]"), none).error().text(),
            "input 'x' f32[0,3] holds no sample; its first dim must be above 0");
  EXPECT_EQ(seeded_inputs(graph_with_input("f32[*]"), {.batch = 0, .seed = 0, .memory_limit = kPlenty}).error().kind,
            ErrorKind::unsupported);
  EXPECT_EQ(seeded_inputs(graph_with_input("string[N]"), {.batch = 0, .seed = 0, .memory_limit = kPlenty}).error().kind,
            ErrorKind::unsupported);
}

TEST(SeededInputs, RefuseSizesBeyondTheLimitWithTheNumbers) {
  const auto large = seeded_inputs(graph_with_input("f32[1,1000]"), {.batch = 0, .seed = 0, .memory_limit = 3999});
  ASSERT_FALSE(large.ok());
  EXPECT_EQ(large.error().kind, ErrorKind::io);
  EXPECT_EQ(large.error().message, "input 'x' f32[1,1000] takes 4000 bytes, the limit is 3999");
  EXPECT_TRUE(seeded_inputs(graph_with_input("f32[1,1000]"), {.batch = 0, .seed = 0, .memory_limit = 4000}).ok());
  const auto huge =
      seeded_inputs(graph_with_input("f32[3000000000,3000000000,3]"), {.batch = 0, .seed = 0, .memory_limit = kPlenty});
  EXPECT_EQ(huge.error().kind, ErrorKind::io) << huge.error().text();
  EXPECT_EQ((*seeded_inputs(graph_with_input("f32[0,3]"), {.batch = 0, .seed = 0, .memory_limit = kPlenty}))[0].size(),
            0);
}

TEST(SeededInputs, AreReadBackAsTheyWereWhateverTheModelRemembers) {
  const testing::TemporaryFolder folder;
  ir::Graph graph = graph_with_input("f32[N,3]");
  graph.set_metadata("edgesmith.preprocess", "{\"scale\":0.5}");
  const auto inputs = seeded_inputs(graph, {.batch = 2, .seed = 0, .memory_limit = kPlenty});
  ASSERT_TRUE(save_inputs(folder / "in \"put.npz", graph, *inputs).ok());
  DataSpec spec;
  spec.path = folder / "in \"put.toml";
  const auto data = open_dataset(spec, graph);
  ASSERT_TRUE(data.ok()) << data.error().text();
  ASSERT_EQ((*data)->size(), 2);
  const auto rows = (*inputs)[0].to_floats();
  for (int64_t i = 0; i < 2; ++i) {
    const std::vector<float> row(rows.begin() + 3 * i, rows.begin() + 3 * (i + 1));
    EXPECT_EQ((*data)->sample(i)->inputs[0].to_floats(), row);
  }
  EXPECT_EQ(save_inputs(folder / "input.bin", graph, *inputs).error().kind, ErrorKind::usage);
}

}  // namespace
}  // namespace edgesmith::data
