// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/ir/align_inputs.h"

#include <gtest/gtest.h>

#include "edgesmith/ir/text.h"
#include "edgesmith/ir/verifier.h"

namespace edgesmith::ir {
namespace {

Graph adding(const std::string& inputs, const std::string& a, const std::string& b) {
  auto graph = parse("graph @g(" + inputs + ") -> (y) {\n  %y = sub %" + a + ", %" + b + "\n  return %y\n}");
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  return std::move(*graph);
}

std::vector<std::string> names(const Graph& graph) {
  std::vector<std::string> out;
  for (const Value* input : graph.inputs()) out.push_back(input->name());
  return out;
}

std::vector<std::string> aligned(Graph graph, const Graph& fed) {
  align_inputs(graph, fed);
  EXPECT_TRUE(verify(graph).ok());
  const Node& node = graph.output_node().input(0)->node();
  EXPECT_EQ(node.input(0)->name(), "left") << "the function stays";
  return names(graph);
}

const char *const kLeft = "%left: f32[N,4]", *const kRight = "%right: f32[N,4]", *const kMask = "%mask: f32[N,4]";

TEST(AlignInputs, PutsThemInTheOrderOfTheOther) {
  const std::string l = kLeft, r = kRight, m = kMask;
  const std::vector<std::string> two = {"left", "right"}, three = {"left", "mask", "right"};
  const Graph fed = adding(l + ", " + r, "left", "right"), more = adding(l + ", " + m + ", " + r, "left", "right");
  EXPECT_EQ(aligned(adding(r + ", " + l, "left", "right"), fed), two);
  EXPECT_EQ(aligned(adding(l + ", " + r, "left", "right"), fed), two);
  EXPECT_EQ(aligned(adding(r + ", " + m + ", " + l, "left", "mask"), more), three);
  EXPECT_EQ(aligned(adding(r + ", " + l, "left", "right"), more), three) << "one that is not read is there, too";
}

TEST(AlignInputs, LeavesOtherNamesInPlace) {
  const std::string l = kLeft, r = kRight, m = kMask;
  const Graph fed = adding(l + ", " + r, "left", "right");
  EXPECT_EQ(aligned(adding(m + ", " + l, "left", "mask"), fed), (std::vector<std::string>{"mask", "left"}));
}

}  // namespace
}  // namespace edgesmith::ir
