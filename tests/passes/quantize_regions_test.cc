// SPDX-License-Identifier: Apache-2.0
// Which values get codes, which share a scale, and why the rest stays float, on the patterns of real models.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/targets/target.h"
#include "passes/quantize/index_code.h"
#include "passes/quantize/plan.h"
#include "passes/selectors.h"

namespace edgesmith::passes::quantize {
namespace {

// A graph with its plan; values are named as in the text, ranges are [-1, 1] unless given.
class Planned {
 public:
  explicit Planned(const std::string& text, const std::map<std::string, Range>& ranges = {},
                   const std::vector<std::string>& skip = {}, const std::string& target = "ort-x86") {
    auto graph = ir::parse(text);
    EXPECT_TRUE(graph.ok()) << graph.error().message;
    graph_ = std::move(*graph);
    const Status types = ops::infer_types(graph_);
    EXPECT_TRUE(types.ok()) << types.error().message;
    auto selected = select_nodes(graph_, {{}, skip, {}});
    EXPECT_TRUE(selected.ok());
    Regions regions = find_regions(graph_, *targets::find_target(target), *selected, "it was not selected");
    std::vector<Range> seen(static_cast<size_t>(graph_.num_value_ids()), Range{-1, 1});
    for (const auto& [name, range] : ranges) seen[static_cast<size_t>(value(name).id())] = range;
    plan_ = plan_scales(graph_, std::move(regions), *targets::find_target(target), seen);
  }

  ir::Value& value(const std::string& name) {
    for (ir::Node& node : graph_.nodes()) {
      for (int i = 0; i < node.num_outputs(); ++i) {
        if (node.output(i).name() == name) return node.output(i);
      }
    }
    ADD_FAILURE() << "no value " << name;
    return graph_.nodes().begin()->output();
  }
  bool coded(const std::string& name) { return plan_.set_index(value(name)) >= 0; }
  bool tied(const std::string& a, const std::string& b) {
    return coded(a) && plan_.set_index(value(a)) == plan_.set_index(value(b));
  }
  Role role(const std::string& name) { return plan_.of(value(name).node()).role; }
  std::string reason(const std::string& name) { return plan_.of(value(name).node()).reason; }
  const ScaleSet& set(const std::string& name) { return plan_.sets[static_cast<size_t>(plan_.set_index(value(name)))]; }
  /// Names of all coded values, in graph order.
  std::string all_coded() {
    std::string names;
    for (ir::Node& node : graph_.nodes()) {
      for (int i = 0; i < node.num_outputs(); ++i) {
        if (plan_.set_index(node.output(i)) >= 0) names += (names.empty() ? "" : " ") + node.output(i).name();
      }
    }
    return names;
  }

 private:
  ir::Graph graph_;
  Plan plan_;
};

const std::string kConv = "  %w = constant random(seed=1) : f32[4,4,1,1]\n";

TEST(Regions, AReluDisappearsIntoTheCodesOfTheConv) {
  Planned p("graph @g(%x: f32[1,4,2,2]) -> (z) {\n" + kConv +
            "  %c = conv %x, %w : f32[1,4,2,2]\n  %r = relu %c : f32[1,4,2,2]\n"
            "  %z = conv %r, %w : f32[1,4,2,2]\n  return %z\n}\n");
  EXPECT_EQ(p.all_coded(), "x r z");
  EXPECT_EQ(p.role("r"), Role::vanishes);
  EXPECT_EQ(p.set("r").bounds.min, 0);
  EXPECT_TRUE(p.set("x").holds_input);
}

TEST(Regions, ClampsInARowAllDisappearAndTheirBoundsMeet) {
  Planned p("graph @g(%x: f32[1,4,2,2]) -> (z) {\n" + kConv +
            "  %lo = constant {-1} : f32[]\n  %hi = constant {6} : f32[]\n  %c = conv %x, %w : f32[1,4,2,2]\n"
            "  %r = relu %c : f32[1,4,2,2]\n  %k = clip %r, %lo, %hi : f32[1,4,2,2]\n"
            "  %z = conv %k, %w : f32[1,4,2,2]\n  return %z\n}\n");
  EXPECT_EQ(p.all_coded(), "x k z");
  EXPECT_EQ(p.role("r"), Role::vanishes);
  EXPECT_EQ(p.role("k"), Role::vanishes);
  EXPECT_EQ(p.set("k").bounds.min, 0);
  EXPECT_EQ(p.set("k").bounds.max, 6);
}

TEST(Regions, AClipWithoutZeroIsNoPartOfTheCodes) {
  Planned p("graph @g(%x: f32[1,4,2,2]) -> (z) {\n" + kConv +
            "  %lo = constant {1} : f32[]\n  %c = conv %x, %w : f32[1,4,2,2]\n"
            "  %k = clip %c, %lo : f32[1,4,2,2]\n  %z = conv %k, %w : f32[1,4,2,2]\n  return %z\n}\n");
  EXPECT_EQ(p.all_coded(), "x c k z");
}

TEST(Regions, AConvReadBesideItsReluKeepsCodesOfItsOwn) {
  Planned p("graph @g(%x: f32[1,4,2,2]) -> (z) {\n" + kConv +
            "  %c = conv %x, %w : f32[1,4,2,2]\n  %r = relu %c : f32[1,4,2,2]\n"
            "  %z = add %c, %r : f32[1,4,2,2]\n  return %z\n}\n");
  EXPECT_EQ(p.all_coded(), "x c r z");
  EXPECT_FALSE(p.tied("c", "r"));
}

TEST(Regions, AResidualBlockIsIntegerThroughout) {
  Planned p("graph @g(%x: f32[1,4,2,2]) -> (z) {\n" + kConv +
            "  %a = conv %x, %w : f32[1,4,2,2]\n  %r = relu %a : f32[1,4,2,2]\n"
            "  %b = conv %r, %w : f32[1,4,2,2]\n  %s = add %b, %x : f32[1,4,2,2]\n"
            "  %z = relu %s : f32[1,4,2,2]\n  return %z\n}\n");
  EXPECT_EQ(p.all_coded(), "x r b z");
  EXPECT_EQ(p.role("s"), Role::integer);
}

TEST(Regions, TheLastGemmHandsOutFloatsAndTheSoftmaxAfterItStaysFloat) {
  Planned p(R"(graph @g(%x: f32[1,4]) -> (z) {
  %w = constant random(seed=1) : f32[3,4]
  %y = gemm %x, %w {transB=1} : f32[1,3]
  %z = softmax %y : f32[1,3]
  return %z
}
)");
  EXPECT_EQ(p.all_coded(), "x");
  EXPECT_EQ(p.role("y"), Role::integer);
  EXPECT_EQ(p.role("z"), Role::floating);
}

TEST(Regions, ASigmoidBetweenIntegerOperatorsHasItsFixedRange) {
  Planned p("graph @g(%x: f32[1,4,2,2]) -> (z) {\n" + kConv +
            "  %c = conv %x, %w : f32[1,4,2,2]\n  %s = sigmoid %c : f32[1,4,2,2]\n"
            "  %m = mul %c, %s : f32[1,4,2,2]\n  %z = conv %m, %w : f32[1,4,2,2]\n  return %z\n}\n");
  EXPECT_EQ(p.all_coded(), "x c s m z");
  ASSERT_TRUE(p.set("s").fixed.has_value());
  EXPECT_EQ(p.set("s").fixed->max, 1);
  EXPECT_FALSE(p.set("c").fixed.has_value());
}

TEST(Regions, PoolsAndReshapesCarryTheirScaleInBothDirections) {
  Planned p(R"(graph @g(%x: f32[1,4,4,4]) -> (z) {
  %w = constant random(seed=1) : f32[4,4,1,1]
  %v = constant random(seed=2) : f32[3,16]
  %t = transpose %x {perm=[0,1,3,2]} : f32[1,4,4,4]
  %c = conv %t, %w : f32[1,4,4,4]
  %p = max_pool %c {kernel_shape=[2,2], strides=[2,2]} : f32[1,4,2,2]
  %f = flatten %p : f32[1,16]
  %z = gemm %f, %v {transB=1} : f32[1,3]
  return %z
}
)");
  EXPECT_EQ(p.all_coded(), "x t c p f");
  EXPECT_TRUE(p.tied("x", "t"));
  EXPECT_TRUE(p.tied("c", "p"));
  EXPECT_TRUE(p.tied("p", "f"));
  EXPECT_FALSE(p.tied("t", "c"));
}

TEST(Regions, AFloatOperatorIsNamedAndItsNeighboursKeepTheirCodes) {
  Planned p("graph @g(%x: f32[1,4,2,2]) -> (z) {\n" + kConv +
            "  %c = conv %x, %w : f32[1,4,2,2]\n  %h = hard_swish %c : f32[1,4,2,2]\n"
            "  %z = conv %h, %w : f32[1,4,2,2]\n  return %z\n}\n");
  EXPECT_EQ(p.all_coded(), "x c h z");
  EXPECT_EQ(p.role("h"), Role::floating);
  EXPECT_EQ(p.reason("h"), "ort-x86 computes HardSwish on floats");
}

TEST(Regions, AnAveragePoolWithDilationsStandsBeforeFloats) {
  const auto planned = [](const std::string& dilations) {
    return Planned("graph @g(%x: f32[1,4,5,5]) -> (z) {\n" + kConv +
                   "  %c = conv %x, %w : f32[1,4,5,5]\n"
                   "  %p = average_pool %c {kernel_shape=[2,2], dilations=" +
                   dilations +
                   "} : f32[1,4,3,3]\n  %r = relu %p : f32[1,4,3,3]\n"
                   "  %t = transpose %r {perm=[0,1,3,2]} : f32[1,4,3,3]\n"
                   "  %d = conv %t, %w : f32[1,4,3,3]\n  %z = conv %d, %w : f32[1,4,3,3]\n  return %z\n}\n");
  };
  Planned p = planned("[2,2]");
  EXPECT_EQ(p.all_coded(), "x c d z");
  EXPECT_EQ(p.reason("p"), "ort-x86 computes AveragePool on floats unless its dilations are 1");
  EXPECT_EQ(p.reason("d"), "it reads what an AveragePool with dilations gives, which must have no codes");
}

const std::string kJoin = R"(graph @g(%x: f32[1,4,2,2]) -> (z) {
  %w = constant random(seed=1) : f32[4,4,1,1]
  %v = constant random(seed=2) : f32[4,8,1,1]
  %a = conv %x, %w : f32[1,4,2,2]
  %b = conv %a, %w : f32[1,4,2,2]
  %j = concat %a, %b {axis=1} : f32[1,8,2,2]
)";

TEST(Regions, AJoinOfLikeRangesHasOneScale) {
  Planned p(kJoin + "  %z = conv %j, %v : f32[1,4,2,2]\n  return %z\n}\n", {{"a", {-3, 3}}, {"b", {-1, 1}}});
  EXPECT_TRUE(p.tied("a", "b"));
  EXPECT_TRUE(p.tied("a", "j"));
  EXPECT_EQ(p.role("j"), Role::moves);
}

TEST(Regions, AJoinOfUnlikeRangesKeepsOneScaleEach) {
  Planned p(kJoin + "  %z = conv %j, %v : f32[1,4,2,2]\n  return %z\n}\n", {{"a", {0, 640}}, {"b", {0, 1}}});
  EXPECT_TRUE(p.coded("j"));
  EXPECT_FALSE(p.tied("a", "b"));
  EXPECT_FALSE(p.tied("a", "j"));
  EXPECT_NE(p.reason("j").find("factor of 640"), std::string::npos) << p.reason("j");
}

TEST(Regions, CoordinatesBesideProbabilitiesAtTheEndAreJoinedAsFloats) {
  Planned p(kJoin + "  return %j\n}\n", {{"a", {0, 640}}, {"b", {0, 1}}});
  EXPECT_TRUE(p.coded("a") && p.coded("b"));
  EXPECT_FALSE(p.coded("j"));
  EXPECT_EQ(p.role("j"), Role::floating);
}

TEST(Regions, AJoinWithAClampedOperandDoesNotWidenTheClamp) {
  Planned p(R"(graph @g(%x: f32[1,4,2,2]) -> (z) {
  %w = constant random(seed=1) : f32[4,4,1,1]
  %v = constant random(seed=2) : f32[4,8,1,1]
  %c = conv %x, %w : f32[1,4,2,2]
  %a = relu %c : f32[1,4,2,2]
  %b = conv %a, %w : f32[1,4,2,2]
  %j = concat %a, %b {axis=1} : f32[1,8,2,2]
  %z = conv %j, %v : f32[1,4,2,2]
  return %z
}
)",
            {{"a", {0, 1}}, {"b", {-1, 1}}});
  EXPECT_FALSE(p.tied("a", "b"));
  EXPECT_EQ(p.set("a").bounds.min, 0);
}

TEST(Regions, ShapeCodeAndIndicesAreLeftAlone) {
  Planned p(R"(graph @g(%x: f32[1,4,2,2]) -> (z) {
  %w = constant random(seed=1) : f32[4,4,1,1]
  %c = conv %x, %w : f32[1,4,2,2]
  %s = shape %c : i64[4]
  %f = cast %s {to=1} : f32[4]
  %two = constant {1, 1, 2, 2} : f32[4]
  %g = mul %f, %two : f32[4]
  %i = cast %g {to=7} : i64[4]
  %u = resize %c, _, _, %i {mode="nearest"} : f32[1,4,4,4]
  %z = conv %u, %w : f32[1,4,4,4]
  return %z
}
)");
  EXPECT_EQ(p.all_coded(), "x c u z");
  EXPECT_TRUE(p.tied("c", "u"));
  EXPECT_EQ(p.role("g"), Role::none);
}

TEST(IndexCode, ValuesThatEndAsIndicesAreMarkedBackToWhereTheyAreMade) {
  auto graph = ir::parse(R"(graph @g(%x: f32[4,4], %where: f32[2]) -> (z) {
  %half = constant {0.5} : f32[]
  %m = mul %where, %half : f32[2]
  %i = cast %m {to=7} : i64[2]
  %z = gather %x, %i : f32[2,4]
  return %z
}
)");
  ASSERT_TRUE(graph.ok());
  const std::vector<bool> marked = find_index_code(*graph);
  std::string names;
  for (const ir::Node& node : graph->nodes()) {
    for (int i = 0; i < node.num_outputs(); ++i) {
      if (marked[static_cast<size_t>(node.output(i).id())]) names += node.output(i).name() + " ";
    }
  }
  EXPECT_EQ(names, "where half m i ");
}

TEST(Regions, ZerosThatPadAConvStayBetweenTheCodesAndTheConv) {
  Planned p("graph @g(%x: f32[1,4,2,2]) -> (z) {\n" + kConv +
            "  %a = constant {0, 0, 1, 1, 0, 0, 1, 1} : i64[8]\n  %p = pad %x, %a : f32[1,4,4,4]\n"
            "  %z = conv %p, %w : f32[1,4,4,4]\n  return %z\n}\n");
  EXPECT_EQ(p.all_coded(), "x z");
  EXPECT_EQ(p.role("p"), Role::vanishes);
}

TEST(Regions, AFloatPadBetweenIntegerOperatorsKeepsTheScale) {
  Planned p("graph @g(%x: f32[1,4,2,2]) -> (z) {\n" + kConv +
            "  %a = constant {0, 0, 0, 0, 0, 4, 0, 0} : i64[8]\n  %c = conv %x, %w : f32[1,4,2,2]\n"
            "  %p = pad %c, %a : f32[1,8,2,2]\n  %z = add %p, %p : f32[1,8,2,2]\n  return %z\n}\n");
  EXPECT_TRUE(p.tied("c", "p"));
  EXPECT_EQ(p.role("p"), Role::floating);
}

TEST(Regions, AConstantOperandOfAnAddGetsCodes) {
  Planned p(R"(graph @g(%x: f32[1,4]) -> (z) {
  %k = constant {1, 2, 3, 4} : f32[4]
  %z = add %x, %k : f32[1,4]
  return %z
}
)");
  EXPECT_EQ(p.all_coded(), "x k z");
}

TEST(Regions, ComputedWeightsAndScaledGemmsStayFloatWithTheReason) {
  Planned p(R"(graph @g(%x: f32[1,4,2,2], %w: f32[4,4,1,1], %m: f32[1,4]) -> (z, y) {
  %v = constant random(seed=1) : f32[3,4]
  %z = conv %x, %w : f32[1,4,2,2]
  %y = gemm %m, %v {alpha=0.5, transB=1} : f32[1,3]
  return %z, %y
}
)");
  EXPECT_EQ(p.all_coded(), "");
  EXPECT_EQ(p.reason("z"), "its weights are computed, not constant");
  EXPECT_EQ(p.reason("y"), "its alpha or beta is not 1");
}

TEST(Regions, AProductWithAConstantStackOfMatricesStaysFloat) {
  Planned p(R"(graph @g(%x: f32[2,3,4], %m: f32[3,4]) -> (z, y) {
  %v = constant random(seed=1) : f32[2,4,5]
  %w = constant random(seed=2) : f32[4,5]
  %z = mat_mul %x, %v : f32[2,3,5]
  %y = mat_mul %m, %w : f32[3,5]
  return %z, %y
}
)");
  EXPECT_EQ(p.all_coded(), "m");
  EXPECT_EQ(p.reason("z"), "its constant operand is no matrix");
}

TEST(Regions, ASkippedNodeStaysFloat) {
  Planned p("graph @g(%x: f32[1,4,2,2]) -> (z) {\n" + kConv +
                "  %c = conv %x, %w : f32[1,4,2,2]\n  %z = conv %c, %w : f32[1,4,2,2]\n  return %z\n}\n",
            {}, {"z"});
  EXPECT_EQ(p.all_coded(), "x c");
  EXPECT_EQ(p.reason("z"), "it was not selected");
}

TEST(Regions, ValuesThatAreNotF32AreLeftAlone) {
  Planned p(R"(graph @g(%x: f16[1,4], %i: i32[1,4]) -> (z, j) {
  %z = add %x, %x : f16[1,4]
  %j = add %i, %i : i32[1,4]
  return %z, %j
}
)");
  EXPECT_EQ(p.all_coded(), "");
  EXPECT_EQ(p.reason("z"), "its values are not 32-bit floats");
  EXPECT_EQ(p.role("j"), Role::none);
}

TEST(RegionsOfTargets, ResultsMayStayFloatWhereCodesAreOnInputs) {
  const std::string model = "graph @g(%x: f32[1,4,2,2]) -> (z) {\n" + kConv +
                            "  %c = conv %x, %w : f32[1,4,2,2]\n  %d = conv %c, %w : f32[1,4,2,2]\n"
                            "  %z = softplus %d : f32[1,4,2,2]\n  return %z\n}\n";
  EXPECT_EQ(Planned(model).all_coded(), "x c d");
  EXPECT_EQ(Planned(model, {}, {}, "openvino-x86").all_coded(), "x c");
  EXPECT_EQ(Planned(model, {}, {}, "tensorrt-orin").all_coded(), "x c");
}

TEST(RegionsOfTargets, AMicrocontrollerHasNoFloatsAtTheEnd) {
  const std::string model = R"(graph @g(%x: f32[1,4]) -> (z) {
  %w = constant random(seed=1) : f32[3,4]
  %y = gemm %x, %w {transB=1} : f32[1,3]
  %z = softmax %y : f32[1,3]
  return %z
}
)";
  EXPECT_EQ(Planned(model).all_coded(), "x");
  EXPECT_EQ(Planned(model, {}, {}, "tflite-xnnpack-a72").all_coded(), "x");
  Planned p(model, {}, {}, "cmsis-nn-l4r5");
  EXPECT_EQ(p.all_coded(), "x y z");
  ASSERT_TRUE(p.set("z").fixed.has_value());
  const ir::Quant quant = activation_quant(*p.set("z").fixed, {}, ir::DType::i8, "");
  EXPECT_EQ(quant.scale[0], 1.0f / 256);
  EXPECT_EQ(quant.zero_point[0], -128);
}

TEST(RegionsOfTargets, FixedOutputsHaveTheScaleThatTheTargetNames) {
  const std::string model = "graph @g(%x: f32[1,4,2,2]) -> (z) {\n" + kConv +
                            "  %s = sigmoid %x : f32[1,4,2,2]\n  %t = tanh %x : f32[1,4,2,2]\n"
                            "  %y = add %s, %t : f32[1,4,2,2]\n  %z = conv %y, %w : f32[1,4,2,2]\n  return %z\n}\n";
  Planned p(model, {}, {}, "tflite-xnnpack-a72");
  const ir::Quant sigmoid = activation_quant(*p.set("s").fixed, {}, ir::DType::i8, "");
  EXPECT_EQ(sigmoid.scale[0], 1.0f / 256);
  EXPECT_EQ(sigmoid.zero_point[0], -128);
  const ir::Quant tanh = activation_quant(*p.set("t").fixed, {}, ir::DType::i8, "");
  EXPECT_EQ(tanh.scale[0], 1.0f / 128);
  EXPECT_EQ(tanh.zero_point[0], 0);
  EXPECT_EQ(Planned(model).set("s").fixed->max, 1) << "elsewhere the whole interval";
}

TEST(RegionsOfTargets, OnlyTheSkipOfAResidualAddHasCodesWhereTheRuntimeFusesTheOther) {
  const std::string model = "graph @g(%x: f32[1,4,2,2]) -> (z) {\n" + kConv +
                            "  %a = conv %x, %w : f32[1,4,2,2]\n  %r = relu %a : f32[1,4,2,2]\n"
                            "  %b = conv %r, %w : f32[1,4,2,2]\n  %y = add %b, %x : f32[1,4,2,2]\n"
                            "  %q = relu %y : f32[1,4,2,2]\n  %z = conv %q, %w : f32[1,4,2,2]\n  return %z\n}\n";
  EXPECT_EQ(Planned(model).all_coded(), "x r b q z");
  EXPECT_EQ(Planned(model, {}, {}, "tensorrt-orin").all_coded(), "x r q");
  EXPECT_EQ(Planned(model, {}, {}, "openvino-x86").all_coded(), "x r b q");
}

TEST(RegionsOfTargets, TheLongerBranchOfAResidualAddStaysRaw) {
  // Both operands come out of a Conv: the shortcut (one Conv) has codes, the branch of two does not.
  const std::string model = "graph @g(%x: f32[1,4,2,2]) -> (z) {\n" + kConv +
                            "  %s = conv %x, %w : f32[1,4,2,2]\n  %a = conv %x, %w : f32[1,4,2,2]\n"
                            "  %b = conv %a, %w : f32[1,4,2,2]\n  %y = add %s, %b : f32[1,4,2,2]\n"
                            "  %z = conv %y, %w : f32[1,4,2,2]\n  return %z\n}\n";
  EXPECT_EQ(Planned(model, {}, {}, "tensorrt-orin").all_coded(), "x s a y");
}

TEST(RegionsOfTargets, ConcatHasOneScaleWhereTheTargetWantsIt) {
  const std::string model = "graph @g(%x: f32[1,4,2,2]) -> (z) {\n" + kConv +
                            "  %a = conv %x, %w : f32[1,4,2,2]\n  %b = conv %x, %w : f32[1,4,2,2]\n"
                            "  %r = relu %b : f32[1,4,2,2]\n  %j = concat %a, %r {axis=2} : f32[1,4,4,2]\n"
                            "  %z = conv %j, %w : f32[1,4,4,2]\n  return %z\n}\n";
  const std::map<std::string, Range> unlike = {{"a", {-100, 100}}, {"r", {0, 1}}};
  EXPECT_FALSE(Planned(model, unlike).tied("a", "r"));
  Planned p(model, unlike, {}, "tflite-xnnpack-a72");
  EXPECT_TRUE(p.tied("a", "r") && p.tied("a", "j"));
  EXPECT_EQ(p.set("j").bounds, Bounds{}) << "codes below zero are for the other input; the Relu stays";
}

TEST(RegionsOfTargets, AConcatThatTheRuntimeElidesHasOneScaleToo) {
  // TensorRT gives Concat no codes of its own, but the codes around it must agree.
  const std::string model = "graph @g(%x: f32[1,4,2,2]) -> (z, q) {\n" + kConv +
                            "  %a = conv %x, %w : f32[1,4,2,2]\n  %b = conv %x, %w : f32[1,4,2,2]\n"
                            "  %j = concat %a, %b {axis=2} : f32[1,4,4,2]\n  %z = conv %j, %w : f32[1,4,4,2]\n"
                            "  %q = conv %a, %w : f32[1,4,2,2]\n  return %z, %q\n}\n";
  const std::map<std::string, Range> unlike = {{"a", {-100, 100}}, {"j", {-100, 100}}, {"b", {-1, 1}}};
  Planned p(model, unlike, {}, "tensorrt-orin");
  EXPECT_EQ(p.all_coded(), "x a j");
  EXPECT_TRUE(p.tied("a", "j"));
  EXPECT_FALSE(Planned(model, unlike).tied("a", "b")) << "elsewhere unlike ranges keep a scale each";
}

TEST(RegionsOfTargets, AConvTransposeStaysFloatWhateverTheProfileSays) {
  targets::Target target = *targets::find_target("ort-x86");
  target.integer_ops.push_back(ir::OpKind::conv_transpose);
  auto graph = ir::parse(
      "graph @g(%x: f32[1,4,2,2]) -> (z) {\n  %w = constant random(seed=1) : f32[4,4,1,1]\n  %z = conv_transpose %x, "
      "%w : f32[1,4,2,2]\n  return %z\n}\n");
  ASSERT_TRUE(graph.ok());
  ASSERT_TRUE(ops::infer_types(*graph).ok());
  const Regions regions = find_regions(*graph, target, std::vector<bool>(8, true), "");
  bool found = false;
  for (const NodePlan& plan : regions.nodes) {
    found = found || plan.reason == "edgesmith cannot round the weights of ConvTranspose";
  }
  EXPECT_TRUE(found);
}

TEST(Selectors, MatchNamesOfNodesValuesAndOperators) {
  auto graph = ir::parse(R"(graph @g(%x: f32[1,4]) -> (z) {
  %a = relu %x : f32[1,4] @"block1/act"
  %b = sigmoid %a : f32[1,4] @"block2/act"
  %z = relu %b : f32[1,4]
  return %z
}
)");
  ASSERT_TRUE(graph.ok());
  const auto chosen = [&](const std::vector<std::string>& only, const std::vector<std::string>& skip,
                          const std::vector<std::string>& ops) {
    auto selected = select_nodes(*graph, {only, skip, ops});
    EXPECT_TRUE(selected.ok());
    std::string names;
    for (const ir::Node& node : graph->nodes()) {
      if (node.num_inputs() == 0 || node.is(ir::OpKind::output)) continue;
      if ((*selected)[static_cast<size_t>(node.id())]) names += node.output().name();
    }
    return names;
  };
  EXPECT_EQ(chosen({}, {}, {}), "abz");
  EXPECT_EQ(chosen({"block*"}, {}, {}), "ab");
  EXPECT_EQ(chosen({}, {"*1/act", "z"}, {}), "b");
  EXPECT_EQ(chosen({}, {}, {"Relu"}), "b");
  EXPECT_EQ(chosen({"block*"}, {}, {"sigmoid"}), "a");
  const auto none = select_nodes(*graph, {{}, {"block3/act"}, {}});
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().kind, ErrorKind::usage);
  EXPECT_NE(none.error().hint.find("block"), std::string::npos);
}

}  // namespace
}  // namespace edgesmith::passes::quantize
