// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/passes/costs.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "edgesmith/base/file.h"
#include "edgesmith/ir/text.h"

namespace edgesmith::passes {
namespace {

std::string in_temp(const std::string& name) { return (std::filesystem::path(::testing::TempDir()) / name).string(); }

Costs sample() {
  Costs costs{.runtime = "ONNX Runtime", .version = "1.32.0", .cpu = "AMD EPYC"};
  costs.float32 = {"float.onnx", "aa", 100.5};
  costs.int8 = {"int8.onnx", "bb", 60};
  costs.quantize = {2, 0.25};
  costs.dequantize = {1, 0.5};
  costs.nodes = {{"conv", "Conv", NodeTime{40, ""}, NodeTime{10, ""}}, {"add", "Add", NodeTime{0, "conv"}, {}}};
  costs.mixtures = {{{"mixed.onnx", "cc", 50}, {"conv"}}};
  return costs;
}

Result<Costs> read_text(const std::string& text) {
  const std::string path = in_temp("costs.json");
  EXPECT_TRUE(write_file(path, text).ok());
  return read_costs(path);
}

TEST(Costs, AreReadAsTheyWereWritten) {
  const auto costs = read_text(costs_json(sample()));
  ASSERT_TRUE(costs.ok()) << costs.error().text();
  EXPECT_EQ(costs_json(*costs), costs_json(sample()));
  EXPECT_EQ(costs->nodes[1].float32->inside, "conv");
  EXPECT_FALSE(costs->nodes[1].int8);
  EXPECT_DOUBLE_EQ(costs->quantize.of(8), 4);
}

std::string replaced(const std::string& from, const std::string& to) {
  std::string text = costs_json(sample());
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Costs, WrongFilesAreRefusedByMember) {
  const std::pair<std::string, std::string> cases[] = {
      {"not JSON", "it is not JSON"},
      {"[]", "it is not JSON"},
      {"{}", "its schema is ''"},
      {replaced("edgesmith.costs/1", "edgesmith.plan/1"), "its schema is 'edgesmith.plan/1'"},
      {replaced("\"time_us\": 40.0", "\"time_us\": -1"), "'nodes[0].float32.time_us'"},
      {replaced("\"time_us\": 40.0", "\"time_us\": \"40\""), "'nodes[0].float32.time_us'"},
      {replaced("\"inside\": \"conv\"", "\"inside\": 3"), "'nodes[1].float32.inside'"},
      {replaced("\"dequantize\"", "\"decode\""), "'conversions.dequantize'"},
      {replaced("\"sha256\": \"bb\"", "\"sha\": \"bb\""), "'models.int8.sha256'"},
      {replaced("\"time_us\": 50.0", "\"time\": 50.0"), "'mixtures[0].time_us'"},
      {replaced("\"cpu\"", "\"gpu\""), "'measured_by.cpu'"}};
  for (const auto& [text, said] : cases) {
    const auto costs = read_text(text);
    ASSERT_FALSE(costs.ok()) << said;
    EXPECT_EQ(costs.error().kind, ErrorKind::invalid);
    EXPECT_NE(costs.error().message.find(said), std::string::npos) << costs.error().message;
  }
  EXPECT_EQ(read_costs(in_temp("none.json")).error().kind, ErrorKind::io);
}

TEST(Costs, KeysAreNamesWhereTheyAreTheOnlyOnes) {
  const auto graph = ir::parse(R"(graph @g(%x: f32[4]) -> (y) {
    %a = relu %x @"one"
    %b = relu %a @"two"
    %c = relu %b @"two"
    %y = relu %c
    return %y
  })");
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  const std::vector<std::string> keys = node_keys(*graph);
  std::vector<std::string> relus;
  for (const ir::Node& node : graph->nodes()) {
    if (node.is(ir::OpKind::relu)) relus.push_back(keys[static_cast<size_t>(node.id())]);
  }
  EXPECT_EQ(relus, (std::vector<std::string>{"one", "b", "c", "y"}));
}

}  // namespace
}  // namespace edgesmith::passes
