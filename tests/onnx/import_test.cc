// SPDX-License-Identifier: Apache-2.0
// Importing: what becomes of each older form, of what is not known, and of the source's odd corners.
#include <gtest/gtest.h>

#include "edgesmith/base/log.h"
#include "onnx/encode.h"
#include "onnx/onnx_helper.h"
#include "onnx/proto.h"
#include "onnx/tensor_io.h"

namespace edgesmith::onnx {
namespace {

using ir::OpKind;

std::vector<int64_t> ints_of(const ir::Node& node, int index) { return node.input(index)->constant()->to_int64s(); }

TEST(Import, MakesNodesValuesAndTheSignature) {
  const ir::Graph graph = must_import(13, R"(g (float[N, 4] x) => (float[N, 4] y) {
    h = Relu(x)
    y = Tanh(h)
  })");
  EXPECT_EQ(ir::print(graph), R"(graph @g(%x: f32[N,4]) -> (y: f32[N,4]) {
  %h = relu %x : f32[N,4]
  %y = tanh %h : f32[N,4]
  return %y
}
)");
  const SourceInfo info = source_info(graph);
  EXPECT_EQ(info.opset, 13);
  EXPECT_EQ(info.ir_version, 7);
  EXPECT_FALSE(info.external_data);
}

TEST(Import, TurnsAxesAttributesIntoOperands) {
  const ir::Graph squeeze = must_import(11, "g (float[2,1,3] x) => (float[2,3] y) { y = Squeeze <axes = [1]> (x) }");
  EXPECT_EQ(ints_of(*first_op(squeeze), 1), (std::vector<int64_t>{1}));
  EXPECT_FALSE(first_op(squeeze)->attributes().has("axes"));
  EXPECT_EQ(first_op(squeeze)->output().type().text(), "f32[2,3]");
  const ir::Graph mean = must_import(13, "g (float[2,3] x) => (float[2,1] y) { y = ReduceMean <axes = [-1]> (x) }");
  EXPECT_EQ(ints_of(*first_op(mean), 1), (std::vector<int64_t>{-1}));
}

TEST(Import, KeepsAReductionOverEverythingWithoutAxes) {
  const ir::Graph graph = must_import(11, "g (float[2,3] x) => (float y) { y = ReduceSum <keepdims = 0> (x) }");
  EXPECT_EQ(first_op(graph)->input(1), nullptr);
  EXPECT_EQ(first_op(graph)->output().type().text(), "f32[]");
}

TEST(Import, TurnsSliceSplitAndPadAttributesIntoOperands) {
  const ir::Graph slice =
      must_import(9, "g (float[4,4] x) => (float[2,4] y) { y = Slice <starts = [1], ends = [3], axes = [0]> (x) }");
  EXPECT_EQ(ints_of(*first_op(slice), 1), (std::vector<int64_t>{1}));
  EXPECT_EQ(ints_of(*first_op(slice), 2), (std::vector<int64_t>{3}));
  EXPECT_EQ(ints_of(*first_op(slice), 3), (std::vector<int64_t>{0}));
  const ir::Graph split =
      must_import(11, "g (float[4,4] x) => (float[1,4] y, float[3,4] z) { y, z = Split <split = [1, 3]> (x) }");
  EXPECT_EQ(ints_of(*first_op(split), 1), (std::vector<int64_t>{1, 3}));
  const ir::Graph halves = must_import(13, "g (float[4,4] x) => (float[2,4] y, float[2,4] z) { y, z = Split (x) }");
  EXPECT_EQ(first_op(halves)->attributes().get_int("num_outputs", 0), 2);
  const ir::Graph pad = must_import(
      10, "g (float[4,4] x) => (float[5,5] y) { y = Pad <mode = \"constant\", pads = [0, 1, 1, 0], value = 2.0> (x) }");
  EXPECT_EQ(ints_of(*first_op(pad), 1), (std::vector<int64_t>{0, 1, 1, 0}));
  EXPECT_EQ(first_op(pad)->input(2)->constant()->to_floats(), (std::vector<float>{2}));
}

TEST(Import, GivesTheBoundsOfAnOldClipTheDtypeOfItsInput) {
  const ir::Graph graph = must_import(9, R"(g (float16[2] x) => (float16[2] y) {
    h = Relu(x)
    y = Clip <min = 0.0, max = 6.0> (h)
  })");
  for (const ir::Node& node : graph.nodes()) {
    if (!node.is(OpKind::clip)) continue;
    EXPECT_EQ(node.input(1)->type().text(), "f16[]");
    EXPECT_EQ(node.input(2)->constant()->to_floats(), (std::vector<float>{6}));
  }
}

TEST(Import, AnOldClipWithoutBoundsHasNone) {
  const ir::Graph graph = must_import(9, "g (float[2] x) => (float[2] y) { y = Clip <max = 6.0> (x) }");
  EXPECT_EQ(first_op(graph)->input(1), nullptr);
  EXPECT_NE(first_op(graph)->input(2), nullptr);
}

TEST(Import, ReadsAnOldSoftmaxAsAMatrixUnlessItRunsAlongTheLastAxis) {
  const ir::Graph last = must_import(11, R"(g (float[2,3] x) => (float[2,3] y) {
    h = Relu(x)
    y = Softmax <axis = 1> (h)
  })");
  const ir::Graph inner = must_import(11, "g (float[2,3,4] x) => (float[2,3,4] y) { y = Softmax (x) }");
  for (const ir::Node& node : last.nodes()) EXPECT_FALSE(node.attributes().has("coerce_2d"));
  EXPECT_EQ(first_op(inner)->attributes().get_int("coerce_2d", 0), 1);
  EXPECT_EQ(first_op(inner)->attributes().get_int("axis", 0), 1);
}

TEST(Import, TurnsUpsampleIntoResize) {
  const ir::Graph graph = must_import(7,
                                      "g (float[1,1,2,2] x) => (float[1,1,4,4] y) { y = Upsample <mode = \"nearest\", "
                                      "scales = [1.0, 1.0, 2.0, 2.0]> (x) }");
  const ir::Node& node = *first_op(graph);
  EXPECT_TRUE(node.is(OpKind::resize));
  EXPECT_EQ(node.attributes().get_string("coordinate_transformation_mode", ""), "asymmetric");
  EXPECT_EQ(node.attributes().get_string("nearest_mode", ""), "floor");
  EXPECT_EQ(node.input(1), nullptr);
  EXPECT_EQ(node.input(2)->constant()->to_floats(), (std::vector<float>{1, 1, 2, 2}));
  EXPECT_EQ(node.output().type().text(), "f32[1,1,4,4]");
}

TEST(Import, DropoutIsAnIdentityInInference) {
  const ir::Graph ratio = must_import(10, "g (float[2] x) => (float[2] y) { y, mask = Dropout <ratio = 0.5> (x) }");
  EXPECT_TRUE(first_op(ratio)->is(OpKind::identity));
  EXPECT_EQ(first_op(ratio)->num_outputs(), 1);
  const ir::Graph off = must_import(13, R"(g (float[2] x) => (float[2] y) {
    ratio = Constant <value = float {0.5}> ()
    training = Constant <value = bool {0}> ()
    y = Dropout (x, ratio, training)
  })");
  EXPECT_TRUE(first_op(off)->is(OpKind::identity));
}

TEST(Import, TrainingFormsAreOpaque) {
  const ir::Graph mask =
      must_import(10, "g (float[2] x) => (float[2] y, bool[2] mask) { y, mask = Dropout <ratio = 0.5> (x) }");
  EXPECT_EQ(first_opaque(mask)->opaque_op, "Dropout");
  const ir::Graph training = must_import(13, R"(g (float[2] x, bool t) => (float[2] y) {
    ratio = Constant <value = float {0.5}> ()
    y = Dropout (x, ratio, t)
  })");
  EXPECT_NE(first_opaque(training), nullptr);
  const ir::Graph norm =
      must_import(14, R"(g (float[2,3] x, float[3] s, float[3] b, float[3] m, float[3] v) => (float[2,3] y) {
    y, rm, rv = BatchNormalization <training_mode = 1> (x, s, b, m, v)
  })");
  EXPECT_EQ(first_opaque(norm)->opaque_op, "BatchNormalization");
}

TEST(Import, AnAttributeThatIsNotKnownMakesANodeOpaque) {
  const ir::Graph graph = must_import(13, "g (float[2] x) => (float[2] y) { y = Relu <slope = 0.1> (x) }");
  EXPECT_EQ(first_op(graph), nullptr);
  EXPECT_EQ(first_opaque(graph)->opaque_op, "Relu");
  EXPECT_EQ(first_opaque(graph)->output().type().text(), "f32[2]");
}

TEST(Import, UnknownDomainsAreOpaqueWithTheirDeclaredTypes) {
  auto graph = import_string(model_bytes(R"(<ir_version: 7, opset_import: ["" : 13, "com.acme" : 2]>
    g (float[2] x) => (float[2] y) <float[2] h> {
    h = com.acme.Swish <gain = 2.0> (x)
    y = Relu(h)
  })"));
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  EXPECT_EQ(first_opaque(*graph)->opaque_op, "com.acme::Swish");
}

TEST(Import, ReadsEveryKindOfConstantNode) {
  const ir::Graph graph =
      must_import(13, R"(g (float[2] x) => (float[2] y, int64 i, int64[2] is, float f, float[2] fs) {
    y = Identity(x)
    i = Constant <value_int = 7> ()
    is = Constant <value_ints = [1, 2]> ()
    f = Constant <value_float = 0.5> ()
    fs = Constant <value_floats = [1.0, 2.0]> ()
  })");
  const ir::Node& results = graph.output_node();
  EXPECT_EQ(results.input(1)->constant()->to_int64s(), (std::vector<int64_t>{7}));
  EXPECT_EQ(results.input(1)->type().text(), "i64[]");
  EXPECT_EQ(results.input(2)->constant()->to_int64s(), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(results.input(3)->constant()->to_floats(), (std::vector<float>{0.5F}));
  EXPECT_EQ(results.input(4)->constant()->to_floats(), (std::vector<float>{1, 2}));
}

TEST(Import, AnAbsentOptionalInputIsANullOperand) {
  const ir::Graph graph = must_import(13, R"(g (float[2] x) => (float[2] y) {
    high = Constant <value = float {6.0}> ()
    y = Clip(x, , high)
  })");
  const ir::Node& clip = *first_op(graph);
  EXPECT_EQ(clip.num_inputs(), 3);
  EXPECT_EQ(clip.input(1), nullptr);
}

TEST(Import, OuterValuesOfSubgraphsAreUses) {
  const ir::Graph graph = must_import(13, R"(g (bool c, float[2] x) => (float[2] y) {
    h = Relu(x)
    y = If (c) <
      then_branch = a () => (float[2] t) { t = Identity(h) },
      else_branch = b () => (float[2] e) { e = Neg(h) }
    >
  })");
  const ir::Node& node = *first_opaque(graph);
  ASSERT_EQ(node.num_inputs(), 2);
  EXPECT_EQ(node.input(0)->name(), "c");
  EXPECT_EQ(node.input(1)->name(), "h");
}

TEST(Import, SortsNodesAndSaysSo) {
  log::take_warnings();
  const ir::Graph graph = must_import(13, R"(g (float[2] x) => (float[2] y) {
    y = Tanh(h)
    h = Relu(x)
  })");
  EXPECT_TRUE(first_op(graph)->is(OpKind::relu));
  const auto warnings = log::take_warnings();
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].find("not in topological order"), std::string::npos);
}

TEST(Import, NamesInputsWithDefaultsThatAreTakenForConstants) {
  const auto warnings = [](int ir_version, const std::string& inputs, const std::string& inner) {
    log::take_warnings();
    const std::string nodes = "{ a = Mul(x, alpha)\n y = Mul(a, v) }";
    EXPECT_TRUE(
        import_text(13, "g (float[2] x" + inputs + ") => (float[2] y) <" + inner + "> " + nodes, ir_version).ok());
    return log::take_warnings();
  };
  const std::string alpha = "float[1] alpha = {0.5}", v = "float[2] v = {1, 2}";
  EXPECT_EQ(warnings(8, ", " + alpha, v),
            std::vector<std::string>{"inputs with defaults are taken for constants, here and in files that are written "
                                     "from this one: 'alpha'"});
  EXPECT_TRUE(warnings(8, "", alpha + ", " + v).empty());
  EXPECT_TRUE(warnings(8, ", " + alpha + ", " + v, "").empty()) << "how weights were written before";
  EXPECT_TRUE(warnings(3, ", " + alpha, v).empty());
}

TEST(Import, LoadsAnOpsetNewerThanTheNewestKnown) {
  log::take_warnings();
  const ir::Graph graph = must_import(99, "g (float[2] x) => (float[2] y) { y = Relu(x) }");
  EXPECT_TRUE(first_op(graph)->is(OpKind::relu));
  EXPECT_EQ(log::take_warnings().size(), 1U);
}

TEST(Import, BelowOpset7LoadsWhatMeantTheSame) {
  EXPECT_TRUE(import_text(6, "g (float[2] x) => (float[2] y) { y = Relu(x) }").ok());
  const auto prelu = import_text(6, "g (float[2,3] x, float[3] s) => (float[2,3] y) { y = PRelu(x, s) }");
  ASSERT_FALSE(prelu.ok());
  EXPECT_EQ(prelu.error().kind, ErrorKind::unsupported);
  EXPECT_EQ(prelu.error().text(),
            "m.onnx: prelu producing 'y': opset 6 is older than 7 (its form in opset 6 is not known); "
            "convert the model with onnx.version_converter");
}

TEST(Import, SparseInitializersStaySparse) {
  wire::Writer values, indices, sparse, input, node, output, graph, opset, model;
  const std::vector<float> numbers = {1.5F, -2};
  const std::vector<int64_t> positions = {1, 3};
  values = encode_tensor(ir::Tensor::of<float>({2}, numbers), "w");
  indices = encode_tensor(ir::Tensor::of<int64_t>({2}, positions), "");
  sparse.message(1, std::move(values));
  sparse.message(2, std::move(indices));
  sparse.integer(3, 2);
  sparse.integer(3, 2);
  node.text(node_field::input, "w");
  node.text(node_field::output, "y");
  node.text(node_field::op_type, "Relu");
  graph.message(graph_field::node, std::move(node));
  graph.text(graph_field::name, "g");
  graph.message(graph_field::sparse_initializer, std::move(sparse));
  graph.message(graph_field::output, encode_value_info("y", ir::type_of(ir::DType::f32, {2, 2})));
  opset.integer(2, 13);
  model.integer(model_field::ir_version, 7);
  model.message(model_field::graph, std::move(graph));
  model.message(model_field::opset_import, std::move(opset));
  for (std::string bytes = model.str(), round = "12"; !round.empty(); round.pop_back()) {
    const auto imported = import_string(bytes);
    ASSERT_TRUE(imported.ok()) << imported.error().text();
    const ir::Tensor& tensor = *first_op(*imported)->input(0)->constant();
    EXPECT_EQ(tensor.encoding(), ir::Encoding::sparse);
    EXPECT_EQ(tensor.to_floats(), (std::vector<float>{0, 1.5F, 0, -2}));
    bytes = must_export(*imported);
    EXPECT_EQ(check_model(bytes), "");
  }
}

// --- quantization ---

constexpr const char* kPair = R"(
    s = Constant <value = float {0.5}> ()
    z = Constant <value = uint8 {3}> ()
    q = QuantizeLinear(h, s, z)
    d = DequantizeLinear(q, s, z)
)";

TEST(ImportQdq, APairOnAValueThatNobodyElseReadsAnnotatesIt) {
  const ir::Graph graph =
      must_import(13, std::string("g (float[2] x) => (float[2] y) { h = Relu(x)") + kPair + "y = Tanh(d) }");
  EXPECT_EQ(ir::print(graph), R"(graph @g(%x: f32[2]) -> (y: f32[2]) {
  %h = relu %x : f32[2] q(u8, scale=0.5, zp=3)
  %y = tanh %h : f32[2]
  return %y
}
)");
}

TEST(ImportQdq, AnotherReaderOfTheFloatsGetsTheFloats) {
  const ir::Graph graph = must_import(
      13, std::string("g (float[2] x) => (float[2] y, float[2] h) { h = Relu(x)") + kPair + "y = Tanh(d) }");
  EXPECT_EQ(ir::print(graph), R"(graph @g(%x: f32[2]) -> (y: f32[2], h: f32[2]) {
  %h = relu %x : f32[2]
  %d = identity %h : f32[2] q(u8, scale=0.5, zp=3)
  %y = tanh %d : f32[2]
  return %y, %h
}
)");
}

TEST(ImportQdq, CodesThatSomebodyElseReadsStayNodes) {
  const ir::Graph graph = must_import(
      13, std::string("g (float[2] x) => (float[2] y, uint8[2] q) { h = Relu(x)") + kPair + "y = Tanh(d) }");
  int nodes = 0;
  for (const ir::Node& node : graph.nodes()) {
    nodes += node.is(OpKind::quantize_linear) || node.is(OpKind::dequantize_linear) ? 1 : 0;
  }
  EXPECT_EQ(nodes, 2);
}

TEST(ImportQdq, ConstantCodesBecomeAnAffineConstant) {
  const ir::Graph graph = must_import(13, R"(g (float[1,2] x) => (float[1,2] y) {
    w = Constant <value = int8[2,2] {1, -2, 3, -4}> ()
    s = Constant <value = float[2] {0.5, 0.25}> ()
    d = DequantizeLinear <axis = -1> (w, s)
    y = MatMul(x, d)
  })");
  const ir::Value& weight = *first_op(graph)->input(1);
  ASSERT_NE(weight.constant(), nullptr);
  EXPECT_EQ(weight.constant()->encoding(), ir::Encoding::affine);
  EXPECT_EQ(weight.quant()->axis, 1);
  EXPECT_EQ(weight.constant()->to_floats(), (std::vector<float>{0.5F, -0.5F, 1.5F, -1.0F}));
  EXPECT_EQ(weight.name(), "d");
}

TEST(ImportQdq, APairOnAConstantIsQuantizedHere) {
  const ir::Graph graph = must_import(13, R"(g (float[1,2] x) => (float[1,2] y) {
    w = Constant <value = float[2,2] {0.9, -2.1, 300.0, 0.75}> ()
    s = Constant <value = float {0.5}> ()
    z = Constant <value = int8 {0}> ()
    q = QuantizeLinear(w, s, z)
    d = DequantizeLinear(q, s, z)
    y = MatMul(x, d)
  })");
  const ir::Value& weight = *first_op(graph)->input(1);
  ASSERT_NE(weight.constant(), nullptr);
  // 0.9 / 0.5 = 1.8 -> 2; -4.2 -> -4; 600 saturates at 127; 1.5 rounds half to even, 2.
  EXPECT_EQ(weight.constant()->codes().to_int64s(), (std::vector<int64_t>{2, -4, 127, 2}));
}

// Those at the end are not made, but count as parts of a Split: 6 elements in 3, of which two are read.
TEST(Import, OutputsWithoutANameAtTheEnd) {
  const std::string constant = model_bytes(with_header(13, R"(g (float[2] x) => (float[2] y) {
    c = Constant <value = float {0.5}> ()
    y = Mul(x, c)
  })"));
  const auto read = import_string(with_outputs(constant, {"c", ""}));
  ASSERT_TRUE(read.ok()) << read.error().text();
  EXPECT_EQ(first_opaque(*read), nullptr);
  const std::string split =
      model_bytes(with_header(13, "g (float[6] x) => (float[2] a, float[2] b) { a, b = Split(x) }"));
  const auto parts = import_string(with_outputs(split, {"a", "b", ""}));
  ASSERT_TRUE(parts.ok()) << parts.error().text();
  EXPECT_EQ((*first_op(*parts)->output(1).type().shape)[0].value(), 2);
}

TEST(ImportQdq, DifferentParametersOrComputedScalesStayNodes) {
  const ir::Graph other = must_import(13, R"(g (float[2] x) => (float[2] y) {
    s = Constant <value = float {0.5}> ()
    t = Constant <value = float {0.25}> ()
    z = Constant <value = uint8 {3}> ()
    q = QuantizeLinear(x, s, z)
    y = DequantizeLinear(q, t, z)
  })");
  EXPECT_TRUE(first_op(other)->is(OpKind::quantize_linear));
  const ir::Graph computed = must_import(13, R"(g (float[2] x, float s) => (float[2] y) {
    z = Constant <value = uint8 {3}> ()
    q = QuantizeLinear(x, s, z)
    y = DequantizeLinear(q, s, z)
  })");
  EXPECT_TRUE(first_op(computed)->is(OpKind::quantize_linear));
}

}  // namespace
}  // namespace edgesmith::onnx
