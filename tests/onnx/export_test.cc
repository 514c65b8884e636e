// SPDX-License-Identifier: Apache-2.0
// Exporting: forms go back to the source's opset, names and interface stay, annotations become Q/DQ.
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>

#include "edgesmith/base/file.h"
#include "onnx/encode.h"
#include "onnx/onnx_helper.h"

namespace edgesmith::onnx {
namespace {

using Lines = std::vector<std::string>;

struct Form {
  int opset;
  const char* graph;
  const char* line;
};

class OldForm : public ::testing::TestWithParam<Form> {};

TEST_P(OldForm, GoesOutAsItCameIn) {
  const ir::Graph graph = must_import(GetParam().opset, GetParam().graph);
  EXPECT_EQ(first_opaque(graph), nullptr);
  const std::string bytes = must_export(graph);
  EXPECT_EQ(opset_of(bytes), GetParam().opset);
  EXPECT_EQ(node_lines(bytes), Lines{GetParam().line});
  EXPECT_EQ(initializer_lines(bytes), Lines{});
  EXPECT_EQ(check_model(bytes), "");
}

INSTANTIATE_TEST_SUITE_P(
    Export, OldForm,
    ::testing::Values(
        Form{11, "g (float[2,1,3] x) => (float[2,3] y) { y = Squeeze <axes = [1]> (x) }", "y = Squeeze(x) {axes=[1]}"},
        Form{11, "g (float[2,3] x) => (float[2,1,3] y) { y = Unsqueeze <axes = [1]> (x) }",
             "y = Unsqueeze(x) {axes=[1]}"},
        Form{11, "g (float[2,3] x) => (float[2] y) { y = ReduceSum <axes = [1], keepdims = 0> (x) }",
             "y = ReduceSum(x) {axes=[1], keepdims=0}"},
        Form{17, "g (float[2,3] x) => (float[2] y) { y = ReduceMean <axes = [1], keepdims = 0> (x) }",
             "y = ReduceMean(x) {axes=[1], keepdims=0}"},
        Form{9, "g (float[4,4] x) => (float[2,4] y) { y = Slice <axes = [0], ends = [3], starts = [1]> (x) }",
             "y = Slice(x) {axes=[0], ends=[3], starts=[1]}"},
        Form{11, "g (float[4,4] x) => (float[1,4] y, float[3,4] z) { y, z = Split <axis = 0, split = [1, 3]> (x) }",
             "y, z = Split(x) {axis=0, split=[1,3]}"},
        Form{11, "g (float[4,4] x) => (float[2,4] y, float[2,4] z) { y, z = Split <axis = 0> (x) }",
             "y, z = Split(x) {axis=0}"},
        Form{10, "g (float[4] x) => (float[6] y) { y = Pad <mode = \"constant\", pads = [1, 1], value = 2.0> (x) }",
             "y = Pad(x) {mode=constant, pads=[1,1], value=2.000000}"},
        Form{10, "g (float[4] x) => (float[4] y) { y = Clip <max = 6.0, min = 0.0> (x) }",
             "y = Clip(x) {max=6.000000, min=0.000000}"},
        Form{11, "g (float[2,3,4] x) => (float[2,3,4] y) { y = Softmax <axis = 1> (x) }", "y = Softmax(x) {axis=1}"},
        Form{10, "g (float[2,3] x) => (float[2,3] y) { y = Softmax <axis = 1> (x) }", "y = Softmax(x) {axis=1}"},
        Form{7,
             "g (float[1,1,2,2] x) => (float[1,1,4,4] y) { y = Upsample <mode = \"nearest\", scales = [1.0, 1.0, 2.0, "
             "2.0]> (x) }",
             "y = Upsample(x) {mode=nearest, scales=[1.000000,1.000000,2.000000,2.000000]}"},
        Form{9, "g (float[4,4] x) => (float[4] y) { y = ArgMax <axis = 1, keepdims = 0> (x) }",
             "y = ArgMax(x) {axis=1, keepdims=0}"}));

TEST(Export, KeepsTheInterfaceAndEveryName) {
  const std::string source = model_bytes(R"(<ir_version: 3, opset_import: ["" : 7], producer_name: "me",
      doc_string: "a model", metadata_props: ["k": "v", "l": "w"]>
    g (float[N, 2] x, float[2,2] w) => (float[N, 2] z, float[N, 2] y) <float[2,2] w = {1, 2, 3, 4}> {
      y = MatMul(x, w)
      z = Relu(y)
    })");
  auto graph = import_string(source);
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  const std::string bytes = must_export(*graph);
  EXPECT_EQ(signature(bytes), "x, w -> z, y");
  EXPECT_EQ(ir_version_of_bytes(bytes), 3);
  EXPECT_EQ(node_lines(bytes), node_lines(source));
  EXPECT_EQ(initializer_lines(bytes), (Lines{"w: FLOAT[2,2]"}));
  EXPECT_EQ(check_model(bytes), "");
  EXPECT_EQ(graph->metadata.size(), 2U);
  EXPECT_NE(bytes.find("a model"), std::string::npos);
}

// Another value would go into some of the places only.
TEST(Export, AnInputWithADefaultThatWasFoldedIsNoInputAnyMore) {
  const auto imported = [] {
    return must_import(13, R"(g (float[2] x, float[2] alpha) => (float[2] y)
      <float[2] alpha = {0.5, 1}, float[2] w = {1, 2}> { a = Mul(x, alpha) b = Add(a, w) y = Mul(b, alpha) })",
                       8);
  };
  const auto find_default = [](ir::Graph& graph) -> ir::Node& {
    return const_cast<ir::Node*>(first_op(graph))->input(1)->node();
  };
  ir::Graph graph = imported();
  EXPECT_EQ(signature(must_export(graph)), "x, alpha -> y");
  graph.set_tensor(find_default(graph), ir::Tensor::of<float>({2}, std::vector<float>{0.5F, 2}));
  EXPECT_EQ(signature(must_export(graph)), "x -> y");
  graph = imported();
  ir::Node& last = graph.output_node().input(0)->node();
  graph.set_input(last, 1, &graph.add_constant(ir::Tensor::of<float>({2}, std::vector<float>{0.5F, 1})));
  const std::string bytes = must_export(graph);
  EXPECT_EQ(signature(bytes), "x -> y");
  EXPECT_EQ(check_model(bytes), "");
}

TEST(Export, OldFilesGetConstantNodesInPlaceOfFreeInitializers) {
  ir::Graph graph = must_import(7, "g (float[2] x) => (float[2] y) { y = Relu(x) }", 3);
  ir::Node& relu = const_cast<ir::Node&>(*first_op(graph));
  ir::Value& half = graph.add_constant(ir::Tensor::of<float>({2}, std::vector<float>{0.5F, 1}));
  ir::Node& add = graph.insert_before(relu, ir::OpKind::add, {graph.inputs()[0], &half});
  graph.set_input(relu, 0, &add.output());
  const std::string bytes = must_export(graph);
  EXPECT_EQ(node_lines(bytes), (Lines{"0 = Constant() {value=...}", "1 = Add(x, 0)", "y = Relu(1)"}));
  EXPECT_EQ(check_model(bytes), "");
}

TEST(Export, OpaqueNodesGoOutByteForByte) {
  const std::string source = model_bytes(R"(<ir_version: 7, opset_import: ["" : 13, "com.acme" : 2]>
    g (float[2] x) => (float[2] y) { y = com.acme.Swish <gain = 2.0, mode = "fast"> (x) })");
  auto graph = import_string(source);
  ASSERT_TRUE(graph.ok());
  EXPECT_EQ(node_lines(must_export(*graph)), node_lines(source));
}

TEST(Export, AnUnknownNodeWhoseOnlyResultHasNoNameComesBack) {
  const std::string text = "g (float[2] x) => (float[2] y) { t = Acme(x) \n y = Tanh(x) }";
  const auto read = import_string(with_outputs(model_bytes(with_header(13, text)), {""}));
  ASSERT_TRUE(read.ok()) << read.error().text();
  const auto again = import_string(must_export(*read));
  ASSERT_TRUE(again.ok()) << again.error().text();
  EXPECT_NE(first_opaque(*again), nullptr);
}

TEST(Export, ASoftmaxOfOneNumberComesBack) {
  const auto read = import_string(model_bytes(R"(<ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1]>
    g (uint8 x) => (uint8 y) <float s = {0.03}, uint8 z = {60}, float t = {0.004}, uint8 u = {0}> {
      y = com.microsoft.QLinearSoftmax <axis = -1, opset = 1> (x, s, z, t, u)
    })"));
  ASSERT_TRUE(read.ok()) << read.error().text();
  const auto again = import_string(must_export(*read));
  EXPECT_TRUE(again.ok()) << again.error().text();
}

TEST(Export, UnknownFieldsStay) {
  std::string source = model_bytes(with_header(13, "g (float[2] x) => (float[2] y) { y = Relu(x) }"));
  wire::Writer extra;
  extra.text(900, "from the future");
  source += extra.str();
  auto graph = import_string(source);
  ASSERT_TRUE(graph.ok());
  EXPECT_NE(must_export(*graph).find("from the future"), std::string::npos);
}

TEST(Export, AResultThatIsAnInputOrNamedTwiceGetsAnIdentity) {
  ir::Graph graph = must_import(13, "g (float[2] x) => (float[2] y, float[2] z) { y = Relu(x) \n z = Tanh(x) }");
  graph.set_input(graph.output_node(), 1, graph.output_node().input(0));
  EXPECT_EQ(node_lines(must_export(graph)), (Lines{"y = Relu(x)", "0 = Tanh(x)", "z = Identity(y)"}));
  graph.set_input(graph.output_node(), 0, graph.inputs()[0]);
  graph.set_input(graph.output_node(), 1, graph.inputs()[0]);
  const std::string bytes = must_export(graph);
  EXPECT_EQ(signature(bytes), "x -> y, z");
  EXPECT_EQ(check_model(bytes), "");
}

TEST(Export, AddedNamesAvoidThoseOfTheSourceAndOfSubgraphs) {
  ir::Graph graph = must_import(13, R"(g (bool c, float[2] x) => (float[2] y) {
    h = Relu(x)
    i = If (c) <
      then_branch = a () => (float[2] t) { t = Identity(h) },
      else_branch = b () => (float[2] e) { e = Neg(h) }
    >
    y = Tanh(i)
  })");
  const_cast<ir::Node*>(first_op(graph))->output().set_name("");
  const std::string bytes = must_export(graph);
  const Lines lines = node_lines(bytes);
  EXPECT_EQ(lines[0], "0 = Relu(x)");
  EXPECT_EQ(check_model(bytes), "") << "the branches read the value under its new name";
}

// --- quantization ---

ir::Quant u8(float scale, int32_t zero_point) {
  ir::Quant quant;
  quant.dtype = ir::DType::u8;
  quant.scale = {scale};
  quant.zero_point = {zero_point};
  return quant;
}

TEST(ExportQdq, AnAnnotatedValueIsReadBehindQAndDq) {
  ir::Graph graph = must_import(13, "g (float[2] x) => (float[2] y) { h = Relu(x) \n y = Tanh(h) }");
  graph.inputs()[0]->set_quant(u8(0.5F, 3));
  const_cast<ir::Node*>(first_op(graph))->output().set_quant(u8(0.5F, 3));
  graph.output_node().input(0)->set_quant(u8(0.25F, 3));
  const std::string bytes = must_export(graph);
  EXPECT_EQ(node_lines(bytes), (Lines{"0 = QuantizeLinear(x, 1, 2)", "3 = DequantizeLinear(0, 1, 2)", "h = Relu(3)",
                                      "4 = QuantizeLinear(h, 1, 2)", "5 = DequantizeLinear(4, 1, 2)", "6 = Tanh(5)",
                                      "7 = QuantizeLinear(6, 8, 2)", "y = DequantizeLinear(7, 8, 2)"}));
  EXPECT_EQ(initializer_lines(bytes), (Lines{"1: FLOAT[]", "2: UINT8[]", "8: FLOAT[]"}))
      << "equal parameters are shared";
  EXPECT_EQ(check_model(bytes), "");
  auto again = import_string(bytes);
  ASSERT_TRUE(again.ok()) << again.error().text();
  EXPECT_TRUE(again->inputs()[0]->quant()->same_codes(u8(0.5F, 3)));
  EXPECT_EQ(must_export(*again), bytes);
}

ir::Graph with_per_channel_weight(int opset) {
  ir::Graph graph = must_import(opset, R"(g (float[1,2] x) => (float[1,2] y) <float[2,2] w = {1, 2, 3, 4}> {
    y = MatMul(x, w)
  })");
  ir::Quant quant;
  quant.dtype = ir::DType::i8;
  quant.scale = {0.5F, 0.25F};
  quant.zero_point = {0, 0};
  quant.axis = 1;
  const auto codes = ir::Tensor::of<int8_t>({2, 2}, std::vector<int8_t>{2, 8, 6, 16});
  graph.set_tensor(first_op(graph)->input(1)->node(), ir::Tensor::affine(codes, quant));
  return graph;
}

// Runtimes drop Q and DQ around what only moves values.
TEST(ExportQdq, NodesThatMoveCodesRaiseTheOpsetToWhereTheyMay) {
  for (const auto& [op, opset] : {std::pair{"ReduceMax", 12}, {"ReduceMin", 12}, {"DepthToSpace", 11}}) {
    const std::string attributes = op == std::string("DepthToSpace") ? "<blocksize = 1>" : "<axes = [1]>";
    ir::Graph graph = must_import(10, std::string("g (float[1,2,1,1] x) => (y) { y = ") + op + attributes + " (x) }");
    graph.inputs()[0]->set_quant(u8(0.5F, 3));
    const auto opset_of = [](const ir::Graph& made) { return source_info(*import_string(must_export(made))).opset; };
    EXPECT_EQ(opset_of(graph), 10) << op;
    const_cast<ir::Node*>(first_op(graph))->output().set_quant(u8(0.5F, 3));
    EXPECT_EQ(opset_of(graph), opset) << op;
  }
}

// An operator that is read as several leaves a value without a name, which nothing reads: its Q and DQ do.
TEST(ExportQdq, AnAnnotatedValueThatNothingReadsHasAName) {
  const ir::Graph graph = must_import(13, R"(g (float[1,4] x) => (uint8[1,4] q)
    <int8[4,3] w = {1,2,3,4,5,6,7,8,-1,-2,-3,127}, float[3] step = {0.02,0.1,0.5}, int8[3] zero = {0,0,0},
     float s = {0.01}, uint8 z = {128}, float t = {0.3}> {
    q = QuantizeLinear(x, s, z)
    h = QLinearMatMul(q, s, z, w, step, zero, t, z)
    y = DequantizeLinear(h, t, z)
  })");
  const std::string bytes = must_export(graph);
  EXPECT_EQ(check_model(bytes), "");
  EXPECT_TRUE(import_string(bytes).ok());
}

TEST(ExportQdq, PerChannelCodesRaiseTheOpsetTo13AndSaySo) {
  const ir::Graph graph = with_per_channel_weight(11);
  const std::string path = (std::filesystem::temp_directory_path() / "edgesmith_export_test.onnx").string();
  const auto summary = export_file(graph, path);
  ASSERT_TRUE(summary.ok()) << summary.error().text();
  EXPECT_EQ(summary->opset, 13);
  EXPECT_EQ(summary->notes, (Lines{"opset raised from 11 to 13: per-channel i8 DequantizeLinear needs it"}));
  const std::string bytes = *read_file(path);
  EXPECT_EQ(summary->bytes, bytes.size());
  EXPECT_EQ(node_lines(bytes), (Lines{"w = DequantizeLinear(0, 1)", "y = MatMul(x, w)"}));
  EXPECT_EQ(initializer_lines(bytes), (Lines{"0: INT8[2,2]", "1: FLOAT[2]"}));
  EXPECT_EQ(check_model(bytes), "");
  std::filesystem::remove(path);
}

// Found by a fuzzer: what is no operator in the source's opset would become a wrong one.
TEST(ExportQdq, DoesNotRaiseTheOpsetToWhereAnUnknownOperatorExists) {
  ir::Graph graph = must_import(9, "g (float[2,3] x) => (y, z) { y = Relu(x) z = QuantizeLinear(x) }");
  ir::Quant quant = u8(0.5F, 0);
  graph.inputs()[0]->set_quant(quant);
  const auto bytes = export_bytes(graph);
  ASSERT_FALSE(bytes.ok());
  EXPECT_EQ(bytes.error().text(),
            "QuantizeLinear producing 'z': the opset would have to be raised from 9 to 10 (u8 DequantizeLinear needs "
            "it), where QuantizeLinear means something else; convert the model with onnx.version_converter first");
}

TEST(ExportQdq, DoesNotRaiseTheOpsetUnderAnOpaqueNodeThatWouldChange) {
  ir::Graph graph = must_import(11, R"(g (bool c, float[2,3] x) => (float[2,3] y) {
    y = If (c) <
      then_branch = a () => (float[2,3] t) { t = Softmax(x) },
      else_branch = b () => (float[2,3] e) { e = Neg(x) }
    >
  })");
  ir::Quant quant = u8(0.5F, 0);
  quant.axis = 1;
  quant.scale = {1, 2, 3};
  quant.zero_point = {0, 0, 0};
  graph.inputs()[1]->set_quant(quant);
  const auto bytes = export_bytes(graph);
  ASSERT_FALSE(bytes.ok());
  EXPECT_EQ(bytes.error().kind, ErrorKind::unsupported);
  EXPECT_EQ(bytes.error().text(),
            "If producing 'y': the opset would have to be raised from 11 to 13 (per-channel u8 DequantizeLinear needs "
            "it), where Softmax means something else; convert the model with onnx.version_converter first");
}

TEST(ExportQdq, RaisingTheOpsetRewritesWhatChangedOnTheWay) {
  ir::Graph graph = must_import(11, "g (float[2,3,4] x) => (float[2,3,4] y) { y = Softmax <axis = 1> (x) }");
  ir::Quant quant = u8(0.5F, 0);
  quant.axis = 1;
  quant.scale = {1, 2, 3};
  quant.zero_point = {0, 0, 0};
  graph.inputs()[0]->set_quant(quant);
  const std::string bytes = must_export(graph);
  EXPECT_EQ(opset_of(bytes), 13);
  EXPECT_EQ(check_model(bytes), "");
  const Lines lines = node_lines(bytes);
  ASSERT_EQ(lines.size(), 6U);
  EXPECT_NE(lines[3].find("Flatten"), std::string::npos);
  EXPECT_NE(lines[5].find("y = Reshape"), std::string::npos);
}

TEST(Export, ExternalDataGoBesideTheModelAndComeBack) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("edgesmith_external_" + std::to_string(getpid()));
  fs::create_directories(folder);
  std::vector<float> weights(16 * 32);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(i % 23);
  const std::string_view raw(reinterpret_cast<const char*>(weights.data()), weights.size() * sizeof(float));
  ASSERT_TRUE(write_file((folder / "w.bin").string(), std::string(64, '\0') + std::string(raw)).ok());
  const std::string source = with_external_data(
      model_bytes(with_header(13, "g (float[1,16] x) => (float[1,32] y) <float[16,32] w = {0}> { y = MatMul(x, w) }")),
      {{"location", "w.bin"}, {"offset", "64"}, {"length", "2048"}});
  auto graph = import_string(source, folder.string());
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  EXPECT_TRUE(source_info(*graph).external_data);
  EXPECT_EQ(first_op(*graph)->input(1)->constant()->to_floats(), weights);
  const auto summary = export_file(*graph, (folder / "out.onnx").string());
  ASSERT_TRUE(summary.ok()) << summary.error().text();
  EXPECT_EQ(fs::file_size(folder / "out.onnx.data"), 2048U);
  EXPECT_EQ(summary->bytes, fs::file_size(folder / "out.onnx") + 2048);
  const auto again = import_file((folder / "out.onnx").string());
  ASSERT_TRUE(again.ok()) << again.error().text();
  EXPECT_EQ(first_op(*again)->input(1)->constant()->to_floats(), weights);
  fs::remove_all(folder);
}

// The constant behind operand 1 of the first node, or an invalid tensor.
ir::Tensor weight_of_first(const ir::Graph& graph) {
  const ir::Node* node = first_op(graph);
  const ir::Tensor* tensor = node != nullptr && node->input(1) != nullptr ? node->input(1)->constant() : nullptr;
  return tensor != nullptr ? *tensor : ir::Tensor();
}

ir::Graph conv_with(const std::string& weight) {
  auto graph = ir::parse("graph @g(%x: f32[1,2,4,4]) -> (y) {\n  %w = constant " + weight +
                         "\n  %0 = conv %x, %w : f32[1,3,4,4]\n  return %0\n}\n");
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  return graph.ok() ? std::move(*graph) : ir::Graph();
}

TEST(Palette, GoesOutAsALookUpAndComesBack) {
  for (const char* weight :
       {"palette(axis=0, f32[1,3] {-1, 0, 2}, u8[3,2,1,1] {0, 1, 2, 2, 1, 0}) : f32[3,2,1,1]",
        "palette(axis=0, f32[2,2] {-1, 0, 2, 5}, u8[3,2,1,1] {0, 1, 1, 1, 1, 0}) : f32[3,2,1,1]",
        "palette(axis=0, f32[2,2] {-1, 0, 2, 5}, u4[3,2,1,1] {0, 1, 1, 1, 1, 0}) : f32[3,2,1,1]",
        "palette(axis=1, f32[2,2] {-1, 0, 2, 5}, u8[3,2,1,1] {0, 1, 1, 1, 1, 0}) : f32[3,2,1,1]",
        "codes palette(axis=0, i8[2,2] {-1, 0, 2, 5}, u4[3,2,1,1] {0, 1, 1, 1, 1, 0}) : f32[3,2,1,1] q(i8, "
        "scale=[0.5, 0.5, 2], zp=[0, 0, 0], axis=0)"}) {
    const ir::Graph graph = conv_with(weight);
    const std::string bytes = must_export(graph);
    const bool packed = std::string(weight).find("u4") != std::string::npos;
    EXPECT_EQ(opset_of(bytes), packed ? 21 : 13) << weight;
    // The checker of libonnx 1.12 knows opsets up to 17.
    EXPECT_EQ(packed ? "" : check_model(bytes), "") << weight;
    const auto again = import_string(bytes);
    ASSERT_TRUE(again.ok()) << again.error().text();
    EXPECT_TRUE(weight_of_first(*again).identical_to(weight_of_first(graph))) << weight << "\n" << ir::print(*again);
    EXPECT_EQ(must_export(*again), bytes) << weight;
  }
}

TEST(Palette, IsALookUpInTheFile) {
  const std::string bytes =
      must_export(conv_with("palette(axis=0, f32[2,2] {-1, 0, 2, 5}, u8[3,2,1,1] {0, 1, 1, 1, 1, 0}) : f32[3,2,1,1]"));
  EXPECT_EQ(node_lines(bytes),
            (Lines{"1 = Cast(0) {to=6}", "2 = Add(1, 3)", "w = Gather(4, 2) {axis=0}", "y = Conv(x, w)"}));
}

constexpr const char* kLookUp = R"(g (float[1,2,4,4] x) => (float[1,3,4,4] y)
  <uint8[3,2,1,1] i = {0,1,1,1,1,INDEX}, int32[3,1,1,1] o = {OFFSETS}, float[4] c = {-1.0, 0.0, 2.0, 5.0}> {
  j = Cast <to = 6> (i)
  k = Add (j, o)
  w = Gather <axis = 0> (c, k)
  y = Conv (x, w)
})";

ir::Graph look_up(const std::string& index, const std::string& offsets) {
  std::string text = kLookUp;
  text.replace(text.find("INDEX"), 5, index);
  text.replace(text.find("OFFSETS"), 7, offsets);
  return must_import(13, text);
}

TEST(Palette, OnlyGroupsOfEqualCodebooksAreRead) {
  EXPECT_EQ(weight_of_first(look_up("1", "0,0,2")).encoding(), ir::Encoding::palette);
  for (const auto& [index, offsets] : std::vector<std::pair<std::string, std::string>>{
           {"1", "0,2,2"}, {"1", "1,1,1"}, {"2", "0,0,2"}, {"1", "2,2,0"}}) {
    const ir::Graph graph = look_up(index, offsets);
    EXPECT_EQ(first_op(graph)->op(), ir::OpKind::cast) << index << " " << offsets;
  }
}

// Found by a fuzzer: the attribute got lost, and the file could not be read.
TEST(Export, AnEmptyListOfAxesStays) {
  wire::Writer axes, node, graph, opset, model;
  axes.text(1, "axes");
  axes.integer(20, 7);  // ints
  node.text(1, "x");
  node.text(2, "y");
  node.text(4, "Unsqueeze");
  node.message(5, std::move(axes));
  graph.message(1, std::move(node));
  graph.text(2, "g");
  graph.message(11, encode_value_info("x", ir::type_of(ir::DType::f32, {3, 4})));
  graph.message(12, encode_value_info("y", ir::type_of(ir::DType::f32, {3, 4})));
  opset.integer(2, 11);
  model.integer(1, 6);
  model.message(7, std::move(graph));
  model.message(8, std::move(opset));
  const auto imported = import_string(model.str());
  ASSERT_TRUE(imported.ok()) << imported.error().text();
  EXPECT_EQ(node_lines(must_export(*imported)), (std::vector<std::string>{"y = Unsqueeze(x) {axes=[]}"}));
  EXPECT_TRUE(import_string(must_export(*imported)).ok());
}

}  // namespace
}  // namespace edgesmith::onnx
