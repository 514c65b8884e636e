// SPDX-License-Identifier: Apache-2.0
// simplify runs the model before and after, and does without what changes the answers.
#include "passes/simplify/same_answers.h"

#include <gtest/gtest.h>

#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/pass.h"

namespace edgesmith::passes {
namespace {

using Verdict = Comparison::Verdict;

ir::Graph parsed(const std::string& signature, const std::string& body) {
  auto graph = ir::parse("graph @g" + signature + " {\n" + body + "\n  return %y\n}\n");
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  return *std::move(graph);
}

Comparison compared(const std::string& signature, const std::string& before, const std::string& after) {
  ThreadPool pool(1);
  return compare_answers(parsed(signature, before), parsed(signature, after), &pool);
}

TEST(SameAnswers, RoundingIsNoDifference) {
  const auto result = compared("(%x: f32[N,3]) -> (y)", "  %k = constant {3} : f32[]\n  %y = div %x, %k",
                               "  %k = constant {0.33333334} : f32[]\n  %y = mul %x, %k");
  EXPECT_EQ(result.verdict, Verdict::same) << result.reason;
}

TEST(SameAnswers, NegativeInputsAreTriedToo) {
  const auto result = compared("(%x: f32[2,3]) -> (y)", "  %y = relu %x", "  %y = identity %x");
  EXPECT_EQ(result.verdict, Verdict::different);
  EXPECT_NE(result.reason.find("output 'y' is off by"), std::string::npos) << result.reason;
}

TEST(SameAnswers, SizesAreTriedTwice) {
  // Right for a batch of one alone.
  const auto result = compared("(%x: f32[N,3]) -> (y)", "  %y = identity %x",
                               "  %s = constant {1, -1} : i64[2]\n  %y = reshape %x, %s");
  EXPECT_EQ(result.verdict, Verdict::different) << result.reason;
}

TEST(SameAnswers, NanStaysNan) {
  const std::string log = "  %k = constant {-1} : f32[]\n  %m = mul %x, %k\n  %y = log %m";
  EXPECT_EQ(compared("(%x: f32[2,3]) -> (y)", log, log).verdict, Verdict::same);
  EXPECT_EQ(compared("(%x: f32[2,3]) -> (y)", log, "  %y = log %x").verdict, Verdict::different);
}

TEST(SameAnswers, WholeNumbersAreEqual) {
  const auto result = compared("(%x: f32[4,8]) -> (y)", "  %y = arg_max %x {axis=1}", "  %y = arg_min %x {axis=1}");
  EXPECT_EQ(result.verdict, Verdict::different);
}

TEST(SameAnswers, WhatCannotBeRunIsNotKnown) {
  const std::string custom = "  %y = opaque(\"acme::Gate\") %x";
  const auto result = compared("(%x: f32[2,3]) -> (y)", custom, custom);
  EXPECT_EQ(result.verdict, Verdict::unknown);
  EXPECT_NE(result.reason.find("acme::Gate"), std::string::npos) << result.reason;
}

// Norms of 1e-14 are below the least one of the formula, which LpNormalization does not have.
constexpr const char* kTinyNorms =
    "  %k = constant {1e-14} : f32[]\n  %t = mul %x, %k\n  %axis = constant {1} : i64[1]\n"
    "  %least = constant {1e-12} : f32[]\n  %n = reduce_l2 %t, %axis\n  %c = clip %n, %least\n  %d = div %t, %c\n"
    "  %i = identity %d\n  %y = relu %i";

TEST(Simplify, DoesWithoutThePassThatChangesTheAnswers) {
  ir::Graph graph = parsed("(%x: f32[N,3]) -> (y)", kTinyNorms);
  const PassInfo& pass = *find_pass("simplify");
  PassContext context;
  const auto change = run_pass(pass, graph, Options(pass.options()), context);
  ASSERT_TRUE(change.ok()) << change.error().text();
  EXPECT_EQ(*change, Change::changed);  // the identity is gone
  const std::string text = ir::print(graph);
  EXPECT_EQ(text.find("identity"), std::string::npos) << text;
  EXPECT_EQ(text.find("lp_normalization"), std::string::npos) << text;
  ASSERT_FALSE(context.notes.empty());
  EXPECT_NE(context.notes[0].find("done without fuse-lp-normalization"), std::string::npos) << context.notes[0];
}

TEST(Simplify, VerifiesOnlyWhenAsked) {
  ir::Graph graph = parsed("(%x: f32[N,3]) -> (y)", kTinyNorms);
  const PassInfo& pass = *find_pass("simplify");
  Options options(pass.options());
  ASSERT_TRUE(options.set_text("verify", "never").ok());
  PassContext context;
  ASSERT_TRUE(run_pass(pass, graph, options, context).ok());
  EXPECT_NE(ir::print(graph).find("lp_normalization"), std::string::npos);
}

TEST(Simplify, FlushesDenormalWeightsWhenAsked) {
  const std::string body = "  %w = constant {1e-40, -2e-39, 1, 2e-38} : f32[4]\n  %y = mul %x, %w";
  const PassInfo& pass = *find_pass("simplify");
  for (const bool asked : {false, true}) {
    ir::Graph graph = parsed("(%x: f32[N,4]) -> (y)", body);
    Options options(pass.options());
    ASSERT_TRUE(options.set("flush_denormals", OptionValue(asked)).ok());
    PassContext context;
    const auto change = run_pass(pass, graph, options, context);
    ASSERT_TRUE(change.ok());
    EXPECT_EQ(*change, asked ? Change::changed : Change::none);
    const bool gone = ir::print(graph).find("{0, -0, 1, 2e-38}") != std::string::npos ||
                      ir::print(graph).find("{0, 0, 1, 2e-38}") != std::string::npos;
    EXPECT_EQ(gone, asked) << ir::print(graph);
    if (asked) {
      EXPECT_EQ(context.notes[0], "2 weights below 1.2e-38 are zero now");
    }
  }
}

TEST(Simplify, AddsNothingThatTheOpsetLacks) {
  const std::string mish = "  %s = softplus %x\n  %t = tanh %s\n  %y = mul %x, %t";
  const PassInfo& pass = *find_pass("simplify");
  for (const int64_t opset : {17, 18}) {
    ir::Graph graph = parsed("(%x: f32[N,4]) -> (y)", mish);
    PassContext context;
    context.opset = opset;
    const auto change = run_pass(pass, graph, Options(pass.options()), context);
    ASSERT_TRUE(change.ok());
    EXPECT_EQ(*change, opset >= 18 ? Change::changed : Change::none);
  }
}

}  // namespace
}  // namespace edgesmith::passes
