// SPDX-License-Identifier: Apache-2.0
// Every rule of check_target with a model that breaks it and one that does not.
#include "edgesmith/refine/target_check.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "edgesmith/ir/text.h"
#include "edgesmith/onnx/export.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/ops/op_info.h"

namespace edgesmith::refine {
namespace {

ir::Graph parse(const std::string& text) {
  auto graph = ir::parse(text);
  EXPECT_TRUE(graph.ok()) << graph.error().text() << "\n" << text;
  const Status types = ops::infer_types(*graph);
  EXPECT_TRUE(types.ok()) << types.error().text();
  return std::move(*graph);
}

/// A profile without any limit; tests set the one they are about.
targets::Target lenient() {
  targets::Target target;
  target.name = "toaster";
  target.runtime = "Toast";
  target.activation_dtype = ir::DType::i8;
  target.integer_ops = {ir::OpKind::conv, ir::OpKind::concat, ir::OpKind::softmax, ir::OpKind::gemm};
  return target;
}

std::vector<Finding> by_rule(const std::vector<Finding>& findings, const std::string& rule) {
  std::vector<Finding> found;
  for (const Finding& finding : findings) {
    if (finding.rule == rule) found.push_back(finding);
  }
  return found;
}

/// Expects `bad` to break `rule` alone, once, and `good` to be taken. Returns what was found.
Finding broken(const std::string& rule, const targets::Target& target, const std::string& bad,
               const std::string& good) {
  const TargetCheck taken = check_target(parse(good), target);
  EXPECT_TRUE(taken.takes()) << taken.violations[0].rule << " " << taken.violations[0].node;
  const TargetCheck refused = check_target(parse(bad), target);
  EXPECT_FALSE(refused.takes());
  EXPECT_EQ(refused.violations.size(), 1u);
  if (refused.takes()) return {};
  EXPECT_EQ(refused.violations[0].rule, rule);
  EXPECT_FALSE(refused.violations[0].fix.empty());
  return refused.violations[0];
}

std::string conv(const std::string& attributes, const std::string& weight = "f32[8,8,3,3]",
                 const std::string& operands = "%x, %w") {
  return "graph @g(%x: f32[1,8,16,16]) -> (y) {\n  %w = constant random(seed=1) : " + weight +
         "\n  %b = constant random(seed=2) : f32[8]\n  %y = conv " + operands + " " + attributes +
         " @\"stem\"\n  return %y\n}\n";
}

std::string input_of(const std::string& type) {
  return "graph @g(%x: " + type + ") -> (y) {\n  %y = relu %x @\"act\"\n  return %y\n}\n";
}

TEST(TargetCheck, Kernels) {
  targets::Target target = lenient();
  target.limits.kernel = 3;
  const Finding finding = broken("kernel", target, conv("", "f32[8,8,1,5]"), conv(""));
  EXPECT_EQ(finding.node, "conv 'stem'");
  EXPECT_EQ(finding.value, "5");
  EXPECT_EQ(finding.limit, "3");
  const auto pool = [](const char* side) {
    return "graph @g(%x: f32[1,8,16,16]) -> (y) {\n  %y = max_pool %x {kernel_shape=[2," + std::string(side) +
           "]}\n  return %y\n}\n";
  };
  EXPECT_EQ(broken("kernel", target, pool("4"), pool("3")).value, "4");
}

TEST(TargetCheck, StridesAndDilations) {
  targets::Target target = lenient();
  target.limits.stride = 2;
  EXPECT_EQ(broken("stride", target, conv("{strides=[1,3]}"), conv("{strides=[2,2]}")).value, "3");
  target = lenient();
  target.limits.dilation = 1;
  EXPECT_EQ(broken("dilation", target, conv("{dilations=[2,2]}"), conv("{dilations=[1,1]}")).value, "2");
}

TEST(TargetCheck, Groups) {
  targets::Target target = lenient();
  target.limits.grouped_conv = false;
  EXPECT_EQ(broken("group", target, conv("{group=2}", "f32[8,4,3,3]"), conv("{group=8}", "f32[8,1,3,3]")).value, "2");
  EXPECT_TRUE(check_target(parse(conv("")), target).takes());
}

TEST(TargetCheck, Biases) {
  targets::Target target = lenient();
  target.limits.bias_required = true;
  EXPECT_EQ(broken("bias", target, conv(""), conv("", "f32[8,8,3,3]", "%x, %w, %b")).value, "none");
}

TEST(TargetCheck, Operators) {
  targets::Target target = lenient();
  target.limits.unsupported_ops = {ir::OpKind::conv};
  EXPECT_EQ(broken("operator", target, conv(""), input_of("f32[1,4]")).value, "Conv");
  target = lenient();
  target.limits.only_ops = {ir::OpKind::relu};
  EXPECT_EQ(broken("operator", target, conv(""), input_of("f32[1,4]")).limit, "an operator of Toast");
  // What simplify removes is said so.
  const ir::Graph graph = parse(R"(graph @g(%x: f32[1,4]) -> (y, z) {
  %a = constant random(seed=1) : f32[4]
  %s = exp %a
  %y = relu %x
  return %y, %s
}
)");
  const TargetCheck check = check_target(graph, target);
  ASSERT_EQ(check.violations.size(), 1u);
  EXPECT_EQ(check.violations[0].fix, "simplify the model first: edgesmith simplify");
}

TEST(TargetCheck, InputsOfConcat) {
  targets::Target target = lenient();
  target.limits.concat_inputs = 2;
  const auto join = [](const std::string& operands) {
    return "graph @g(%x: f32[1,4]) -> (y) {\n  %y = concat " + operands + " {axis=1}\n  return %y\n}\n";
  };
  EXPECT_EQ(broken("concat-inputs", target, join("%x, %x, %x"), join("%x, %x")).value, "3");
}

TEST(TargetCheck, Batches) {
  targets::Target target = lenient();
  target.limits.batch = 1;
  EXPECT_EQ(broken("batch", target, input_of("f32[2,4]"), input_of("f32[1,4]")).value, "2 in input 'x'");
  EXPECT_TRUE(check_target(parse(input_of("f32[N,4]")), target).takes()) << "a free batch can be 1";
  EXPECT_TRUE(check_target(parse(input_of("f32[7]")), target).takes()) << "one dim is no batch";
}

TEST(TargetCheck, FreeDims) {
  targets::Target target = lenient();
  EXPECT_TRUE(check_target(parse(input_of("f32[N,H]")), target).takes());
  target.limits.free_dims = targets::FreeDims::batch;
  EXPECT_EQ(broken("free-dims", target, input_of("f32[N,H]"), input_of("f32[N,4]")).value, "dim 1 of input 'x' is H");
  target.limits.free_dims = targets::FreeDims::none;
  EXPECT_EQ(broken("free-dims", target, input_of("f32[N,4]"), input_of("f32[1,4]")).limit, "none");
}

TEST(TargetCheck, Ranks) {
  targets::Target target = lenient();
  target.limits.rank = 4;
  const TargetCheck check = check_target(parse(input_of("f32[1,1,1,1,4]")), target);
  ASSERT_EQ(check.violations.size(), 2u) << "the input and the result";
  EXPECT_EQ(check.violations[1].rule, "rank");
  EXPECT_EQ(check.violations[1].value, "5");
  EXPECT_TRUE(check_target(parse(input_of("f32[1,1,1,4]")), target).takes());
}

TEST(TargetCheck, Opsets) {
  targets::Target target = lenient();
  target.limits.opset = {7, 12};
  EXPECT_TRUE(check_target(parse(input_of("f32[4]")), target).takes()) << "it came from no file";
  const auto bytes = onnx::export_bytes(parse(input_of("f32[4]")));
  ASSERT_TRUE(bytes.ok());
  const auto read = onnx::import_bytes(std::as_bytes(std::span(*bytes)), nullptr, "", "m.onnx");
  ASSERT_TRUE(read.ok()) << read.error().text();
  const int64_t opset = onnx::source_info(*read).opset;
  target.limits.opset = {opset + 1, opset + 2};
  const TargetCheck check = check_target(*read, target);
  ASSERT_EQ(check.violations.size(), 1u);
  EXPECT_EQ(check.violations[0].rule, "opset");
  EXPECT_EQ(check.violations[0].value, std::to_string(opset));
  target.limits.opset = {opset, opset};
  EXPECT_TRUE(check_target(*read, target).takes());
}

TEST(TargetCheck, Memory) {
  targets::Target target = lenient();
  const std::string model = conv("{pads=[1,1,1,1]}");  // 8 KiB in, 8 KiB out; 2304 bytes of weights, 32 of bias
  const TargetCheck free = check_target(parse(model), target);
  EXPECT_TRUE(free.takes());
  EXPECT_EQ(free.memory.activation_bytes, 16384);
  EXPECT_EQ(free.memory.weight_bytes, 8 * 8 * 9 * 4 + 32);
  EXPECT_EQ(free.memory.ram_bytes, 16384 + 2336);
  EXPECT_FALSE(free.memory.flash_bytes.has_value());
  target.device.ram_bytes = 16384 + 2336;
  EXPECT_TRUE(check_target(parse(model), target).takes());
  target.device.ram_bytes = 16384 + 2335;
  const TargetCheck refused = check_target(parse(model), target);
  ASSERT_EQ(refused.violations.size(), 1u);
  EXPECT_EQ(refused.violations[0].rule, "ram");
  EXPECT_EQ(refused.violations[0].value, "18720 bytes");
  EXPECT_EQ(refused.violations[0].limit, "18719 bytes");
  // In flash, weights need no RAM.
  target.limits.weights = targets::WeightMemory::flash;
  target.device.flash_bytes = 2336;
  EXPECT_TRUE(check_target(parse(model), target).takes());
  target.device.flash_bytes = 2335;
  EXPECT_EQ(check_target(parse(model), target).violations[0].rule, "flash");
}

/// A quantized layer, one thing changed.
struct Layer {
  std::string input = "i8, scale=0.5, zp=-3", weights = "1, -2, 127, -127",
              weight = "i8, scale=[0.5, 0.25], zp=[0, 0], axis=0", bias = "i32, scale=[0.25, 0.125], zp=[0, 0], axis=0",
              output = "i8, scale=0.5, zp=4";
  std::string text() const {
    return "graph @g(%x: f32[1,2] q(" + input + ")) -> (y) {\n  %w = constant codes {" + weights + "} : f32[2,2] q(" +
           weight + ")\n  %b = constant " +
           (bias.empty() ? "{1, 2} : f32[2]" : "codes {1, 2} : f32[2] q(" + bias + ")") +
           "\n  %y = gemm %x, %w, %b {transB=1} : f32[1,2]" + (output.empty() ? "" : " q(" + output + ")") +
           " @\"fc\"\n  return %y\n}\n";
  }
};

TEST(TargetCheck, DataTypesOfActivations) {
  targets::Target target = lenient();
  const Finding finding =
      broken("activation-dtype", target, Layer{.output = "u8, scale=0.5, zp=4"}.text(), Layer().text());
  EXPECT_EQ(finding.value, "u8");
  EXPECT_EQ(finding.limit, "i8");
  EXPECT_EQ(finding.fix, "requantize the float model with --target toaster");
  target.either_activation = true;
  EXPECT_TRUE(check_target(parse(Layer{.output = "u8, scale=0.5, zp=4"}.text()), target).takes());
  EXPECT_FALSE(check_target(parse(Layer{.output = "u16, scale=0.5, zp=4"}.text()), target).takes());
}

TEST(TargetCheck, ZeroPointsOfActivations) {
  targets::Target target = lenient();
  target.symmetric_activations = true;
  const std::string input = "i8, scale=0.5, zp=0";
  EXPECT_EQ(broken("activation-zero-point", target, Layer{.input = input}.text(),
                   Layer{.input = input, .output = "i8, scale=0.5, zp=0"}.text())
                .value,
            "4");
}

TEST(TargetCheck, Weights) {
  targets::Target target = lenient();
  EXPECT_EQ(broken("weight-dtype", target,
                   Layer{.weights = "1, 2, 3, 4", .weight = "u8, scale=[0.5, 0.25], zp=[0, 0], axis=0"}.text(),
                   Layer().text())
                .value,
            "u8");
  EXPECT_EQ(broken("weight-zero-point", target, Layer{.weight = "i8, scale=[0.5, 0.25], zp=[0, 7], axis=0"}.text(),
                   Layer().text())
                .value,
            "7");
  EXPECT_EQ(broken("weight-range", target, Layer{.weights = "1, -128, 0, 0"}.text(), Layer().text()).value, "-128");
  target.weight_min = -128;
  EXPECT_TRUE(check_target(parse(Layer{.weights = "1, -128, 0, 0"}.text()), target).takes());
  EXPECT_EQ(broken("weight-scales", target, Layer{.weight = "i8, scale=[0.5, 0.25], zp=[0, 0], axis=1"}.text(),
                   Layer().text())
                .value,
            "along axis 1");
  target.per_channel = false;
  EXPECT_EQ(broken("weight-scales", target, Layer().text(), Layer{.weight = "i8, scale=0.5, zp=0"}.text()).limit,
            "one a tensor");
}

TEST(TargetCheck, DataTypesOfBiases) {
  targets::Target target = lenient();
  target.float_bias = true;
  EXPECT_EQ(broken("bias-dtype", target, Layer().text(), Layer{.bias = ""}.text()).value, "i32");
}

TEST(TargetCheck, FloatsWhereThereAreNone) {
  targets::Target target = lenient();
  target.limits.integer_only = true;
  EXPECT_EQ(broken("float-value", target, Layer{.output = ""}.text(), Layer().text()).value, "value 'y' is float");
  EXPECT_EQ(broken("quantized", target, input_of("f32[1,4]"), Layer().text()).fix,
            "quantize it: edgesmith quantize --target toaster");
  const std::string end = "graph @g(%x: f32[1,4] q(i8, scale=1, zp=0)) -> (y) {\n  %y = identity %x\n  return %y\n}\n";
  EXPECT_EQ(broken("float-value", target, end, Layer().text()).fix,
            "simplify the model before it is quantized: that takes the operator out");
  target.limits.integer_only = false;
  EXPECT_TRUE(check_target(parse(Layer{.output = ""}.text()), target).takes());
}

TEST(TargetCheck, AClampIsOneOperatorWithTheNodeBeforeIt) {
  targets::Target target = lenient();
  target.limits.integer_only = true;
  const std::string model = R"(graph @g(%x: f32[1,2] q(i8, scale=0.5, zp=0)) -> (y) {
  %w = constant codes {1, 2, 3, 4} : f32[2,2] q(i8, scale=0.5, zp=0)
  %s = gemm %x, %w {transB=1} : f32[1,2]
  %y = relu %s : f32[1,2] q(i8, scale=0.5, zp=-128)
  return %y
}
)";
  EXPECT_TRUE(check_target(parse(model), target).takes());
}

TEST(TargetCheck, FixedOutputs) {
  targets::Target target = lenient();
  target.fixed_outputs = {{ir::OpKind::softmax, 1.0f / 256, -128}};
  const auto softmax = [](const std::string& quant) {
    return "graph @g(%x: f32[1,4] q(i8, scale=1, zp=0)) -> (y) {\n  %y = softmax %x : f32[1,4] q(" + quant +
           ")\n  return %y\n}\n";
  };
  EXPECT_EQ(
      broken("fixed-output", target, softmax("i8, scale=0.00390625, zp=-127"), softmax("i8, scale=0.00390625, zp=-128"))
          .value,
      "scale 0.00390625, zero point -127");
}

TEST(TargetCheck, DilatedMeansOfCodes) {
  const auto pool = [](const std::string& dilations, const std::string& quant) {
    return "graph @g(%x: f32[1,4,5,5] q(i8, scale=1, zp=0)) -> (y) {\n  %y = average_pool %x {kernel_shape=[2,2], "
           "dilations=" +
           dilations + "} : f32[1,4,?,?]" + quant + "\n  return %y\n}\n";
  };
  const std::string codes = " q(i8, scale=1, zp=0)";
  broken("dilation", lenient(), pool("[1,2]", codes), pool("[1,1]", codes));
  EXPECT_TRUE(check_target(parse(pool("[1,2]", "")), lenient()).takes());
}

TEST(TargetCheck, ScalesOfConcat) {
  targets::Target target = lenient();
  target.one_concat_scale = true;
  const auto join = [](const std::string& quant) {
    return "graph @g(%x: f32[1,4] q(i8, scale=1, zp=0), %z: f32[1,4] q(" + quant +
           ")) -> (y) {\n  %y = concat %x, %z {axis=1} : f32[1,8] q(i8, scale=1, zp=0)\n  return %y\n}\n";
  };
  EXPECT_EQ(broken("concat-scales", target, join("i8, scale=2, zp=0"), join("i8, scale=1, zp=0")).value,
            "scale 2 of input 1");
  target.one_concat_scale = false;
  EXPECT_TRUE(check_target(parse(join("i8, scale=2, zp=0")), target).takes());
}

TEST(TargetCheck, PairsThatOverflow16Bits) {
  targets::Target target = lenient();
  target.pair_rule = targets::PairRule::pairs_to_128;
  // 64 + 64 is the most; weights of unlike signs never overflow.
  const Finding finding = broken("saturation", target, Layer{.weights = "64, 65, 127, -127"}.text(),
                                 Layer{.weights = "64, 64, 127, -127"}.text());
  EXPECT_EQ(finding.node, "gemm 'fc'");
  EXPECT_EQ(finding.value, "1 of 2 channels, 1 of 2 pairs");
  broken("saturation", target, Layer{.weights = "-64, -65, 1, 1"}.text(), Layer{.weights = "-64, -64, 1, 1"}.text());
  target.pair_rule = targets::PairRule::none;
  EXPECT_TRUE(check_target(parse(Layer{.weights = "127, 127, 127, 127"}.text()), target).takes());
}

TEST(TargetCheck, PairsAreUnsafeEvenWhenTheyAreNoNeighbours) {
  targets::Target target = lenient();
  target.pair_rule = targets::PairRule::pairs_to_128;
  // Two channels of one tap each are neighbours in the order of the kernels; here 100 and 100 lie in taps 0 and 1.
  const std::string model = R"(graph @g(%x: f32[1,2,1,2] q(i8, scale=0.5, zp=0)) -> (y) {
  %w = constant codes {100, 100, 1, 1} : f32[1,2,1,2] q(i8, scale=0.5, zp=0)
  %y = conv %x, %w : f32[1,1,1,1] q(i8, scale=0.5, zp=0)
  return %y
}
)";
  const TargetCheck check = check_target(parse(model), target);
  ASSERT_EQ(check.violations.size(), 1u);
  EXPECT_EQ(check.violations[0].value, "1 of 1 channels, 0 of 2 pairs");
  EXPECT_EQ(check.pairs.pairs, 2);
  EXPECT_EQ(check.pairs.unsafe_pairs, 0);
  EXPECT_EQ(check.pairs.unsafe_channels, 1);
}

TEST(TargetCheck, NeighboursAreTheOnlyPairsWhereTheKernelsAreKnown) {
  targets::Target target = lenient();
  target.pair_rule = targets::PairRule::neighbours_to_128;
  const auto conv = [](const std::string& codes, const std::string& dims, const std::string& group) {
    return "graph @g(%x: f32[1,2,1,2] q(i8, scale=0.5, zp=0)) -> (y) {\n  %w = constant codes {" + codes + "} : f32[" +
           dims + "] q(i8, scale=0.5, zp=0)\n  %y = conv %x, %w {group=" + group +
           "} : f32[1,2,1,1] q(i8, scale=0.5, zp=0)\n  return %y\n}\n";
  };
  // Channel 0 holds {100, 100}, channel 1 {1, 1}: the hundreds meet ones.
  EXPECT_TRUE(check_target(parse(conv("100, 100, 1, 1, 1, 1, 1, 1", "2,2,1,2", "1")), target).takes());
  const TargetCheck check = check_target(parse(conv("100, 1, 100, 1, 1, 1, 1, 1", "2,2,1,2", "1")), target);
  ASSERT_EQ(check.violations.size(), 1u);
  EXPECT_EQ(check.violations[0].value, "1 of 2 channels, 1 of 4 pairs");
  EXPECT_EQ(check.violations[0].limit, "the weights of a pair sum to at most 128");
  EXPECT_TRUE(check_target(parse(conv("127, 127, 127, 127", "2,1,1,2", "2")), target).takes()) << "depthwise";
}

TEST(TargetCheck, WeightOnlyModelsSumNoPairs) {
  targets::Target target = lenient();
  target.pair_rule = targets::PairRule::pairs_to_128;
  const std::string model = R"(graph @g(%x: f32[1,2]) -> (y) {
  %w = constant codes {127, 127, 127, 127} : f32[2,2] q(i8, scale=0.5, zp=0)
  %y = gemm %x, %w {transB=1} : f32[1,2]
  return %y
}
)";
  EXPECT_TRUE(check_target(parse(model), target).takes());
}

TEST(TargetCheck, HintsAtChannelsThatLeaveVectorsEmpty) {
  targets::Target target = lenient();
  target.limits.output_channels = 16;
  target.limits.input_channels = 4;
  const TargetCheck check = check_target(parse(conv("")), target);
  EXPECT_TRUE(check.takes());
  ASSERT_EQ(check.hints.size(), 1u);
  EXPECT_EQ(check.hints[0].rule, "output-channels");
  EXPECT_EQ(check.hints[0].fix, "as fast with 16 channels");
  target.limits.output_channels = 8;
  EXPECT_TRUE(check_target(parse(conv("")), target).hints.empty());
}

TEST(TargetCheck, CannotJudgeOperatorsThatItDoesNotKnow) {
  auto graph = ir::parse("graph @g(%x: f32[4]) -> (y) {\n  %y = opaque(\"com.acme::Swish\") %x\n  return %y\n}\n");
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  const TargetCheck open = check_target(*graph, lenient());
  EXPECT_TRUE(open.takes());
  ASSERT_EQ(by_rule(open.hints, "operator").size(), 1u);
  targets::Target closed = lenient();
  closed.limits.only_ops = {ir::OpKind::relu};
  EXPECT_EQ(by_rule(check_target(*graph, closed).violations, "operator").size(), 1u);
}

}  // namespace
}  // namespace edgesmith::refine
