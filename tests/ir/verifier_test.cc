// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/ir/verifier.h"

#include <gtest/gtest.h>

#include "edgesmith/ir/text.h"

namespace edgesmith::ir {
namespace {

std::string problem(const char* text) {
  auto graph = parse(text);
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  const Status status = verify(*graph);
  return status.ok() ? "" : status.error().message;
}

TEST(Verifier, AcceptsAGoodGraph) {
  EXPECT_EQ(problem("graph @g(%x: f32[1]) -> (y) {\n %y = relu %x : f32[1] q(u8, scale=1.0, zp=0)\n return %y\n}"), "");
}

TEST(Verifier, RefusesBadAnnotations) {
  EXPECT_EQ(problem("graph @g(%x: f32[1]) -> (y) {\n %y = relu %x : f32[1] q(u8, scale=0.0, zp=0)\n return %y\n}"),
            "relu producing 'y': scale 0 is 0.000000");
  EXPECT_EQ(problem("graph @g(%x: f32[1]) -> (y) {\n %y = relu %x : f32[1] q(u8, scale=1.0, zp=-1)\n return %y\n}"),
            "relu producing 'y': zero point -1 is outside u8");
  EXPECT_EQ(problem("graph @g(%x: f32[3]) -> (y) {\n %y = relu %x : f32[3] q(i8, scale=[1.0, 1.0], zp=[0, 0], axis=0)\n"
                    " return %y\n}"),
            "relu producing 'y': annotation has 2 scales for 3 channels");
  EXPECT_EQ(problem("graph @g(%x: f32[3]) -> (y) {\n %y = relu %x : f32[3] q(f32, scale=1.0, zp=0)\n return %y\n}"),
            "relu producing 'y': annotation has dtype f32");
}

TEST(Verifier, RefusesReadersBeforeProducers) {
  auto graph = parse("graph @g(%x: f32[1]) -> (y) {\n %a = relu %x\n %y = relu %a\n return %y\n}");
  ASSERT_TRUE(graph.ok());
  Node* a = graph->output_node().input(0)->node().previous();
  graph->move_before(*a->next(), *a);
  EXPECT_EQ(verify(*graph).error().message, "relu producing 'y': reads 'a' before it is made");
}

}  // namespace
}  // namespace edgesmith::ir
