// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/ir/text.h"

#include <gtest/gtest.h>

namespace edgesmith::ir {
namespace {

constexpr const char* kEverything =
    R"(graph @"my net"(%image: f32[N,3,8,8], %"odd name": i64[] q(u8, scale=0.5, zp=3)) -> (scores: f32[N,4], "second out") {
  metadata "edgesmith.preprocess" = "{\"scale\": 1}"
  %w = constant {1, -2.5, inf, 0.1} : f32[4]
  %c = constant codes {-128, 127} : f32[2] q(i8, scale=[0.5, 0.25], zp=[0, 0], axis=0)
  %p = constant palette(axis=0, f32[1,2] {0.5, 1}, u8[3] {0, 1, 1}) : f32[3]
  %pc = constant codes palette(axis=0, i8[2,2] {-4, 5, 0, 7}, u4[3] {0, 1, 1}) : f32[3] q(i8, scale=[0.5, 0.5, 0.25], zp=[0, 0, 0], axis=0)
  %s = constant sparse(i64[2] {0, 3}, f32[2] {1, 2}) : f32[2,2]
  %t = constant {"a", "b\"c"} : string[2]
  %h = constant {0.5, -2} : f16[2]
  %q = constant {-8, 7, 1} : i4[3]
  %0 = relu %image : f32[N,3,8,8] q(u8, scale=0.02, zp=0)
  %"1" = resize %0, _, _, %w {mode="nearest", f=1.0, fs=floats[1.0, 2.5], i=3, is=[1, -2], ss=strings["x"], t=tensor(f32[1] {3})} : f32[N,?,H/2,*] @"node 1"
  return %0, %w
}
)";

TEST(GraphText, PrintsWhatItParses) {
  std::string text = kEverything;
  // "*" is not a dim: the line above is made legal here, so that the error test below can use the same text.
  text.replace(text.find(",*]"), 3, "]");
  // Attributes print in order of name.
  const auto graph = parse(text);
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  const std::string printed = print(*graph);
  const auto again = parse(printed);
  ASSERT_TRUE(again.ok()) << again.error().message << "\n" << printed;
  EXPECT_EQ(print(*again), printed);
  text.replace(text.find("mode=\"nearest\", f=1.0, fs=floats[1.0, 2.5], i=3, is=[1, -2], ss"),
               std::string("mode=\"nearest\", f=1.0, fs=floats[1.0, 2.5], i=3, is=[1, -2], ss").size(),
               "f=1.0, fs=floats[1.0, 2.5], i=3, is=[1, -2], mode=\"nearest\", ss");
  EXPECT_EQ(printed, text);
}

TEST(GraphText, DuplicateValueNamesGetASuffixThatIsNotPartOfTheName) {
  const auto graph = parse("graph @g(%x: f32[1]) -> (y) {\n  %x#2 = relu %x : f32[1]\n  return %x#2\n}\n");
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  for (const Node& node : graph->nodes()) {
    if (node.num_outputs() > 0) {
      EXPECT_EQ(node.output().name(), "x");
    }
  }
  EXPECT_NE(print(*graph).find("%x#2 = relu %x : f32[1]"), std::string::npos);
}

TEST(GraphText, LargeConstantsAreElidedAndDoNotParse) {
  const auto graph = parse("graph @g() -> (y) {\n  %c = constant splat(0.5) : f32[100]\n  return %c\n}\n");
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  const std::string printed = print(*graph);
  EXPECT_NE(printed.find("constant {...} : f32[100]"), std::string::npos);
  const auto again = parse(printed);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().message, "line 2: the constant is elided; print it in full");
  EXPECT_TRUE(parse(print(*graph, {.max_elements = 0})).ok());
}

TEST(GraphText, ErrorsNameTheLine) {
  const auto message = [](const char* text) {
    const auto graph = parse(text);
    return graph.ok() ? std::string("ok") : graph.error().message;
  };
  EXPECT_EQ(message("graph @g() -> (y) {\n  %y = frobnicate %x\n}"), "line 2: unknown op 'frobnicate'");
  EXPECT_EQ(message("graph @g() -> (y) {\n  %y = relu %x\n}"), "line 2: value 'x' is not defined");
  EXPECT_EQ(message("graph @g() -> (y) {\n  %y = constant {1} : f32[2]\n return %y\n}"),
            "line 2: constant has 1 elements, its type needs 2");
  EXPECT_EQ(message("graph @g(%x: f32[1]) -> (y) {\n  %x = relu %x\n}"), "line 2: value 'x' is defined twice");
  EXPECT_EQ(message("graph @g(%x: f33[1]) -> (y) {"), "line 1: unknown dtype 'f33'");
  EXPECT_EQ(message("graph @g() -> (y) {\n \"abc"), "line 2: text without closing quote");
  EXPECT_EQ(message("graph @g() -> (y) {\n  constant {1}\n}"),
            "line 2: a constant is one value");  // found by ir_fuzzer
}

TEST(GraphText, EveryPrefixOfATextIsRefusedNotCrashed) {
  const std::string text = kEverything;
  for (size_t n = 0; n + 1 < text.size(); ++n) EXPECT_FALSE(parse(text.substr(0, n)).ok()) << n;
}

}  // namespace
}  // namespace edgesmith::ir
