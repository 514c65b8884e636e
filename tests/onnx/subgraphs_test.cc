// SPDX-License-Identifier: Apache-2.0
// Nodes that graphs say the meaning of: If, Loop, Scan, functions of the model, compound operators. What they compute,
// which types follow, and that they go out as they came in.
#include "edgesmith/ir/subgraphs.h"
#include "edgesmith/onnx/compound_node.h"
#include "edgesmith/ops/op_info.h"
#include "onnx/compound.h"
#include "onnx_helper.h"
#include "support/reference_run.h"

namespace edgesmith::onnx {
namespace {

using ir::OpKind;
using ir::Tensor;

Tensor f32(ir::Dims dims, const std::vector<float>& values) { return Tensor::of<float>(std::move(dims), values); }
Tensor flag(bool value) { return Tensor::scalar<bool>(value); }

std::vector<Tensor> must_run(const ir::Graph& graph, const std::vector<Tensor>& inputs) {
  auto results = testing::reference_run(graph, inputs);
  if (!results) {
    ADD_FAILURE() << results.error().text();
    return std::vector<Tensor>(static_cast<size_t>(graph.num_outputs()), Tensor::scalar<float>(0));
  }
  return *std::move(results);
}

ir::Graph import_model_text(const std::string& text) {
  auto graph = import_string(model_bytes(text));
  if (!graph) {
    ADD_FAILURE() << graph.error().text();
    return ir::Graph();
  }
  return *std::move(graph);
}

constexpr const char* kIf = R"(g (bool c, float[2] x) => (float[2] y) {
    h = Relu(x)
    y = If (c) <
      then_branch = a () => (float[2] t) { t = Add(h, x) },
      else_branch = b () => (float[2] e) { h2 = Neg(h) e = Mul(h2, x) }
    >
  })";

TEST(Subgraphs, IfRunsTheBranchThatItsConditionChooses) {
  const ir::Graph graph = must_import(13, kIf);
  EXPECT_EQ(must_run(graph, {flag(true), f32({2}, {3, -4})})[0].to_floats(), (std::vector<float>{6, -4}));
  EXPECT_EQ(must_run(graph, {flag(false), f32({2}, {3, -4})})[0].to_floats(), (std::vector<float>{-9, 0}));
}

TEST(Subgraphs, IfGoesOutAsItCameIn) {
  const ir::Graph graph = must_import(13, kIf);
  auto again = import_string(must_export(graph));
  ASSERT_TRUE(again.ok()) << again.error().text();
  EXPECT_EQ(ir::print(*again), ir::print(graph));
  EXPECT_EQ(must_run(*again, {flag(false), f32({2}, {3, -4})})[0].to_floats(), (std::vector<float>{-9, 0}));
}

TEST(Subgraphs, WhatBothBranchesSayOfATypeIsKnown) {
  const ir::Graph graph = must_import(13, R"(g (bool c, float[N,4] x, float[N,6] z) => (y) {
    y = If (c) <
      then_branch = a () => (t) { t = Relu(x) },
      else_branch = b () => (e) { e = Neg(z) }
    >
  })");
  EXPECT_EQ(first_opaque(graph)->output().type().text(), "f32[N,?]");
}

// Doubles x until the sum passes 20, at most 10 times; a slice a step.
constexpr const char* kLoop = R"(g (float[2] x, int64 most) => (last, all) {
    go = Constant <value = bool {1}> ()
    limit = Constant <value = float {20.0}> ()
    last, all = Loop (most, go, x) <
      body = b (int64 i, bool c, float[2] s) => (c2, s2, step) {
        s2 = Add(s, s)
        sum = ReduceSum <keepdims = 0> (s2)
        c2 = Less(sum, limit)
        n = Cast <to = 1> (i)
        step = Add(s2, n)
      }
    >
  })";

TEST(Subgraphs, LoopStopsByItsConditionOrItsCount) {
  const ir::Graph graph = must_import(13, kLoop);
  const auto by_condition = must_run(graph, {f32({2}, {1, 2}), Tensor::scalar<int64_t>(10)});
  EXPECT_EQ(by_condition[0].to_floats(), (std::vector<float>{8, 16}));
  EXPECT_EQ(by_condition[1].dims(), (ir::Dims{3, 2}));
  EXPECT_EQ(by_condition[1].to_floats(), (std::vector<float>{2, 4, 5, 9, 10, 18}));
  const auto by_count = must_run(graph, {f32({2}, {1, 2}), Tensor::scalar<int64_t>(1)});
  EXPECT_EQ(by_count[1].to_floats(), (std::vector<float>{2, 4}));
}

TEST(Subgraphs, ALoopThatNeverRunsHasSlicesOfTheRightType) {
  const auto results = must_run(must_import(13, kLoop), {f32({2}, {1, 2}), Tensor::scalar<int64_t>(0)});
  EXPECT_EQ(results[0].to_floats(), (std::vector<float>{1, 2}));
  EXPECT_EQ(results[1].type().text(), "f32[0,2]");
}

TEST(Subgraphs, AStateThatGrowsHasAnUnknownDim) {
  const ir::Graph graph = must_import(13, R"(g (float[1] x) => (last, all) {
    most = Constant <value = int64 {3}> ()
    last, all = Loop (most, , x) <
      body = b (int64 i, bool c, float[1] s) => (c2, s2, first) {
        c2 = Identity(c)
        s2 = Concat <axis = 0> (s, s)
        first = ReduceMax <keepdims = 1> (s)
      }
    >
  })");
  const ir::Node& loop = *first_opaque(graph);
  EXPECT_EQ(loop.output(0).type().text(), "f32[?]");
  EXPECT_EQ(loop.output(1).type().text(), "f32[3,1]");
  EXPECT_EQ(must_run(graph, {f32({1}, {5})})[0].size(), 8);
}

TEST(Subgraphs, ALoopWithoutEndIsAnError) {
  const ir::Graph graph = must_import(13, R"(g (float x) => (y) {
    most = Constant <value = int64 {9000000000}> ()
    y = Loop (most, , x) <
      body = b (int64 i, bool c, float s) => (c2, s2) {
        c2 = Identity(c)
        s2 = Identity(s)
      }
    >
  })");
  const auto results = testing::reference_run(graph, std::vector<Tensor>{Tensor::scalar<float>(0)});
  ASSERT_FALSE(results.ok());
  EXPECT_EQ(results.error().kind, ErrorKind::io);
  EXPECT_NE(results.error().message.find("more than 1000000 steps"), std::string::npos) << results.error().message;
}

TEST(Subgraphs, ScanGoesAlongItsAxesAndDirections) {
  // Sums of the columns of x from the last to the first; the results, newest first, along axis 1.
  const ir::Graph graph = must_import(13, R"(g (float[2] s0, float[2,3] x) => (last, all) {
    last, all = Scan <num_scan_inputs = 1, scan_input_axes = [1], scan_input_directions = [1],
                      scan_output_axes = [1], scan_output_directions = [1],
      body = b (float[2] s, float[2] column) => (s2, out) {
        s2 = Add(s, column)
        out = Identity(s2)
      }
    > (s0, x)
  })");
  EXPECT_EQ(first_opaque(graph)->output(1).type().text(), "f32[2,3]");
  const auto results = must_run(graph, {f32({2}, {0, 100}), f32({2, 3}, {1, 2, 3, 10, 20, 30})});
  EXPECT_EQ(results[0].to_floats(), (std::vector<float>{6, 160}));
  EXPECT_EQ(results[1].to_floats(), (std::vector<float>{6, 5, 3, 160, 150, 130}));
}

TEST(Subgraphs, ValuesOfAllScopesAroundAreSeen) {
  const ir::Graph graph = must_import(13, R"(g (float x, bool c) => (y) {
    two = Constant <value = float {2.0}> ()
    most = Constant <value = int64 {3}> ()
    y = Loop (most, , x) <
      body = b (int64 i, bool go, float s) => (go2, s2) {
        go2 = Identity(go)
        s2 = If (c) <
          then_branch = t () => (p) { p = Mul(s, two) },
          else_branch = e () => (q) { q = Add(s, x) }
        >
      }
    >
  })");
  EXPECT_EQ(must_run(graph, {Tensor::scalar<float>(5), flag(true)})[0].to_floats(), std::vector<float>{40});
  EXPECT_EQ(must_run(graph, {Tensor::scalar<float>(5), flag(false)})[0].to_floats(), std::vector<float>{20});
}

TEST(Subgraphs, AnUnknownOperatorInsideIsNamed) {
  const ir::Graph graph = import_model_text(R"(<ir_version: 7, opset_import: ["" : 13, "com.acme" : 2]>
    g (bool c, float[2] x) => (float[2] y) {
    y = If (c) <
      then_branch = a () => (t) { t = com.acme.Swirl(x) },
      else_branch = b () => (e) { e = Neg(x) }
    >
  })");
  const ir::Node* unknown = ops::find_unknown(*first_opaque(graph));
  ASSERT_NE(unknown, nullptr);
  EXPECT_EQ(unknown->opaque_op, "com.acme::Swirl");
}

constexpr const char* kFunction = R"(<ir_version: 8, opset_import: ["" : 13, "acme" : 1]>
  g (float[2] x) => (float[2] y) {
    h = acme.Twice(x)
    y = Neg(h)
  }
  <opset_import: ["" : 13, "acme" : 1], domain: "acme">
  Twice (a) => (b) {
    m = acme.Half(a)
    b = Add(a, m)
  }
  <opset_import: ["" : 13], domain: "acme">
  Half (a) => (b) {
    two = Constant <value = float {2.0}> ()
    b = Div(a, two)
  })";

TEST(Subgraphs, FunctionsRunAndStay) {
  const ir::Graph graph = import_model_text(kFunction);
  const ir::Node& call = *first_opaque(graph);
  ASSERT_NE(call.subgraphs, nullptr);
  EXPECT_TRUE(call.subgraphs->local && call.subgraphs->movable);
  EXPECT_EQ(call.output().type().text(), "f32[2]");
  EXPECT_EQ(must_run(graph, {f32({2}, {2, 4})})[0].to_floats(), (std::vector<float>{-3, -6}));
  const std::string bytes = must_export(graph);
  EXPECT_NE(bytes.find("Twice"), std::string::npos);
  EXPECT_NE(bytes.find("Half"), std::string::npos);
}

TEST(Subgraphs, FunctionsWhoseCallsAreGoneAreNotWritten) {
  ir::Graph graph = import_model_text(kFunction);
  while (ir::Node* call = const_cast<ir::Node*>(first_opaque(graph))) {
    const auto subgraphs = call->subgraphs;
    const std::vector<ir::Value*> operands = {call->input(0)};
    ASSERT_TRUE(ir::inline_graph(graph, *call, subgraphs->graphs.front(), operands));
  }
  ASSERT_TRUE(ops::infer_types(graph).ok());
  EXPECT_EQ(must_run(graph, {f32({2}, {2, 4})})[0].to_floats(), (std::vector<float>{-3, -6}));
  const std::string bytes = must_export(graph);
  EXPECT_EQ(bytes.find("Twice"), std::string::npos);
  EXPECT_EQ(bytes.find("Half"), std::string::npos);
  auto again = import_string(bytes);
  ASSERT_TRUE(again.ok()) << again.error().text();
  EXPECT_EQ(must_run(*again, {f32({2}, {2, 4})})[0].to_floats(), (std::vector<float>{-3, -6}));
}

TEST(Subgraphs, AFunctionThatCallsItselfCannotBeRun) {
  const ir::Graph graph = import_model_text(R"(<ir_version: 8, opset_import: ["" : 13, "acme" : 1]>
    g (float[2] x) => (float[2] y) { y = acme.Again(x) }
    <opset_import: ["acme" : 1], domain: "acme"> Again (a) => (b) { b = acme.Again(a) })");
  EXPECT_NE(ops::find_unknown(*first_opaque(graph)), nullptr);
}

constexpr const char* kMicrosoft = "<ir_version: 8, opset_import: [\"\" : 17, \"com.microsoft\" : 1]>\n";

TEST(Subgraphs, CompoundOperatorsStayAndRun) {
  const ir::Graph graph = import_model_text(std::string(kMicrosoft) + R"(g (float[2] x, float[2] b) => (float[2] y) {
    y = com.microsoft.BiasGelu(x, b)
  })");
  EXPECT_EQ(first_opaque(graph)->opaque_op, "com.microsoft::BiasGelu");
  const auto y = must_run(graph, {f32({2}, {0.5F, -3}), f32({2}, {0.5F, 3})})[0].to_floats();
  EXPECT_NEAR(y[0], 0.8413447, 1e-6);  // x = 1: the normal distribution function at 1
  EXPECT_EQ(y[1], 0);
}

// They ask for ranks, which inference tells, one after the other.
TEST(Subgraphs, CompoundOperatorsRunBehindOperators) {
  const ir::Graph graph = import_model_text(std::string(kMicrosoft) + R"(g (float[1,2,2] x, float[1,2] m) => (y) {
    q = Relu(x)
    mask = Abs(m)
    h = com.microsoft.MultiHeadAttention <num_heads = 1> (q, q, q, , mask)
    y = com.microsoft.MultiHeadAttention <num_heads = 1> (h, h, h)
  })");
  for (const ir::Node& node : graph.nodes()) EXPECT_EQ(ops::find_unknown(node), nullptr) << node.label();
  // The mask leaves the first step alone, whose value every step gets.
  const auto y = must_run(graph, {f32({1, 2, 2}, {3, -1, -2, 5}), f32({1, 2}, {-1, 0})})[0].to_floats();
  EXPECT_EQ(y, (std::vector<float>{3, 0, 3, 0}));
}

TEST(Subgraphs, AProductWithMoreColumnsThanThereCanBeIsNotSpelledOut) {
  const ir::Graph graph = import_model_text(std::string(kMicrosoft) + R"(g (float[2,4] x, float[2] s) => (float[2,2] y)
      <uint8[2,1,2] b = {1, 2, 3, 4}> {
    y = com.microsoft.MatMulNBits <K = 9223372036854775807, N = 2, bits = 4, block_size = 16> (x, b, s)
  })");
  EXPECT_NE(ops::find_unknown(*first_opaque(graph)), nullptr);
}

TEST(Subgraphs, APackedWeightIsNotSpelledOut) {
  for (const int packed : {0, 1}) {
    const ir::Graph graph =
        import_model_text(std::string(kMicrosoft) + R"(g (float[2,4] x, float[2] s) => (float[2,2] y)
        <uint8[2,1,8] b = {1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8}> {
      y = com.microsoft.MatMulNBits <K = 4, N = 2, bits = 4, block_size = 16, weight_prepacked = )" +
                          std::to_string(packed) + "> (x, b, s) }");
    EXPECT_EQ(ops::find_unknown(*first_opaque(graph)) == nullptr, packed == 0);
  }
}

TEST(Subgraphs, APassMakesACompoundOperator) {
  ir::Graph graph = must_import(13, "g (float[2] x, float[2] b) => (float[2] y) { y = Add(x, b) }");
  ir::Node& add = const_cast<ir::Node&>(*first_op(graph));
  const std::vector<ir::Value*> operands = {add.input(0), add.input(1)};
  EXPECT_FALSE(insert_compound(graph, add, "com.microsoft::Nothing", operands, 1, {}).ok());
  EXPECT_FALSE(insert_compound(graph, add, "com.microsoft::BiasGelu", {add.input(0), nullptr}, 1, {}).ok());
  EXPECT_EQ(first_opaque(graph), nullptr) << "nothing is left of what failed";
  auto made = insert_compound(graph, add, "com.microsoft::BiasGelu", operands, 1, {});
  ASSERT_TRUE(made.ok()) << made.error().text();
  (*made)->set_name("gelu");
  graph.replace_all_uses(add.output(), (*made)->output());
  graph.erase(add);
  ASSERT_TRUE(ops::infer_types(graph).ok());
  const std::vector<Tensor> fed = {f32({2}, {0.5F, -3}), f32({2}, {0.5F, 3})};
  EXPECT_NEAR(must_run(graph, fed)[0].to_floats()[0], 0.8413447, 1e-6);
  auto again = import_string(must_export(graph));  // which knows the domain
  ASSERT_TRUE(again.ok()) << again.error().text();
  EXPECT_EQ(first_opaque(*again)->name(), "gelu");
  EXPECT_NEAR(must_run(*again, fed)[0].to_floats()[0], 0.8413447, 1e-6);
}

// A fuzzer left one out.
TEST(Subgraphs, CompoundOperatorsWithoutTheirOperandsStayAsTheyAre) {
  for (const CompoundRow& row : all_compounds()) {
    std::string op(row.op);
    if (const size_t colons = op.find("::"); colons != op.npos) op.replace(colons, 2, ".");
    for (size_t present = 0; present <= row.operands.size(); ++present) {
      std::string inputs = "x";
      for (size_t i = 1; i < 12; ++i) inputs += i < present ? ", x" : i + 1 == 12 ? ", x" : ", ";
      const std::string text =
          "<ir_version: 8, opset_import: [\"\" : 17, \"com.microsoft\" : 1]>\n"
          "g (float[2,3,4] x) => (y) { y = " +
          op + "(" + (present == 0 ? "" : inputs) + ") }";
      for (const bool keep : {false, true}) {
        const std::string bytes = model_bytes(text);
        const auto graph =
            import_bytes(wire::as_bytes(bytes), nullptr, ".", "m.onnx", {.keep_quantized_operators = keep});
        EXPECT_TRUE(graph.ok() || graph.error().kind == ErrorKind::invalid) << text << graph.error().text();
      }
    }
  }
}

TEST(Subgraphs, AQuantizedOperatorWithConstantScalesBecomesAnnotations) {
  const ir::Graph graph = must_import(13, R"(g (uint8[1,2] a) => (uint8[1,1] y)
      <float as = {0.5}, uint8 az = {10}, int8[2,1] b = {3, -2}, float bs = {0.25}, int8 bz = {0}, float ys = {1.0},
       uint8 yz = {100}> {
    y = QLinearMatMul(a, as, az, b, bs, bz, ys, yz)
  })");
  const ir::Node* product = nullptr;
  for (const ir::Node& node : graph.nodes()) product = node.is(OpKind::mat_mul) ? &node : product;
  ASSERT_NE(product, nullptr) << ir::print(graph);
  EXPECT_EQ(first_opaque(graph), nullptr);
  ASSERT_NE(product->input(1)->constant(), nullptr);
  EXPECT_EQ(product->input(1)->constant()->encoding(), ir::Encoding::affine);
  // (5 * 3 - 5 * -2) * 0.5 * 0.25 = 3.125
  const Tensor a = Tensor::of<uint8_t>({1, 2}, std::vector<uint8_t>{15, 5});
  EXPECT_EQ(must_run(graph, {a})[0].to_int64s(), std::vector<int64_t>{103});
}

// As ONNX Runtime writes what it fuses.
TEST(Subgraphs, AQuantizedOperatorMayHaveOneZeroPointForAListOfScales) {
  const ir::Graph graph = must_import(13, R"(g (uint8[1,2] a) => (uint8[1,2] y)
      <float as = {0.5}, uint8 az = {10}, int8[2,2] b = {3, 1, -2, 0}, float[2] bs = {0.25, 2}, int8 bz = {1},
       float ys = {1.0}, uint8 yz = {100}> {
    y = QLinearMatMul(a, as, az, b, bs, bz, ys, yz)
  })");
  EXPECT_EQ(first_opaque(graph), nullptr);
  // (5 * 2 - 5 * -3) * 0.5 * 0.25 = 3.125, (5 * 0 - 5 * -1) * 0.5 * 2 = 5
  const Tensor a = Tensor::of<uint8_t>({1, 2}, std::vector<uint8_t>{15, 5});
  EXPECT_EQ(must_run(graph, {a})[0].to_int64s(), (std::vector<int64_t>{103, 105}));
}

TEST(Subgraphs, AQuantizedOperatorWithOtherScalesStaysAndAddsIntegers) {
  const ir::Graph graph = must_import(13, R"(g (uint8[1,2] a, float as) => (uint8[1,1] y)
      <uint8 az = {10}, int8[2,1] b = {3, -2}, float bs = {0.25}, int8 bz = {0}, float ys = {1.0}, uint8 yz = {100}> {
    y = QLinearMatMul(a, as, az, b, bs, bz, ys, yz)
  })");
  EXPECT_EQ(first_opaque(graph)->opaque_op, "QLinearMatMul");
  EXPECT_EQ(first_opaque(graph)->output().type().text(), "u8[1,1]");
  const Tensor a = Tensor::of<uint8_t>({1, 2}, std::vector<uint8_t>{15, 5});
  EXPECT_EQ(must_run(graph, {a, Tensor::scalar<float>(0.5F)})[0].to_int64s(), std::vector<int64_t>{103});
}

}  // namespace
}  // namespace edgesmith::onnx
