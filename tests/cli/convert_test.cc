// SPDX-License-Identifier: Apache-2.0
// `edgesmith convert` and `quantize --dynamic` as a user runs them.
#include <algorithm>
#include <filesystem>

#include "cli/tool_test.h"
#include "edgesmith/ir/structural.h"
#include "edgesmith/onnx/import.h"

namespace edgesmith::testing {
namespace {

class CliConvert : public ToolTest {
 protected:
  void SetUp() override {
    write_model(kTinyModel, folder_ / "m.onnx");
    write_data(folder_ / "eval.npz", 40, 2);
  }
  /// Element types of the model's weights, as inspect lists nothing of the kind.
  std::vector<ir::DType> weight_types(const std::string& file) {
    std::vector<ir::DType> types;
    const auto graph = onnx::import_file(folder_ / file);
    EXPECT_TRUE(graph.ok()) << graph.error().text();
    if (!graph.ok()) return types;
    for (const ir::Node& node : graph->nodes()) {
      if (node.is(ir::OpKind::constant) && node.tensor().rank() > 1) types.push_back(node.tensor().dtype());
    }
    return types;
  }
};

TEST_F(CliConvert, HalvesWeightsAndKeepsTheInterface) {
  const Json report = json_of({"convert", "m.onnx", "--to", "fp16", "-o", "h.onnx", "--eval", "eval.npz"});
  EXPECT_EQ(report["steps"][0]["status"], "accepted");
  EXPECT_EQ(report["steps"][0]["metric"]["drop"], 0.0);
  EXPECT_EQ(weight_types("h.onnx"), std::vector<ir::DType>{ir::DType::f16});
  const auto graph = onnx::import_file(folder_ / "h.onnx");
  EXPECT_EQ(graph->inputs()[0]->type().dtype, ir::DType::f32);
  EXPECT_EQ(graph->output_node().input(0)->type().dtype, ir::DType::f32);

  json_of({"convert", "m.onnx", "--to", "fp16", "-o", "io.onnx", "--no-keep-io"});
  const auto all = onnx::import_file(folder_ / "io.onnx");
  EXPECT_EQ(all->inputs()[0]->type().dtype, ir::DType::f16);
  EXPECT_EQ(all->output_node().input(0)->type().dtype, ir::DType::f16);

  json_of({"convert", "h.onnx", "--to", "fp32", "-o", "back.onnx"});
  EXPECT_EQ(weight_types("back.onnx"), std::vector<ir::DType>{ir::DType::f32});
  json_of({"convert", "m.onnx", "--to", "bf16", "-o", "b.onnx"});
  EXPECT_EQ(weight_types("b.onnx"), std::vector<ir::DType>{ir::DType::bf16});
}

TEST_F(CliConvert, NamesWhatWouldOverflow) {
  write_model(R"(graph @far(%x: f32[N,3]) -> (y: f32[N,3]) {
  %w = constant {1e5, 0, 0, 0, 1, 0, 0, 0, 1} : f32[3,3]
  %v = constant {1, 0, 0, 0, 1, 0, 0, 0, 1} : f32[3,3]
  %far = mat_mul %x, %w : f32[N,3]
  %p = softmax %far : f32[N,3]
  %y = mat_mul %p, %v : f32[N,3]
  return %y
}
)",
              folder_ / "far.onnx");
  const Json report = json_of({"convert", "far.onnx", "-o", "h.onnx", "--calib", "eval.npz"});
  EXPECT_NE(report["steps"][0]["notes"].dump().find("'far' stays as it was"), std::string::npos)
      << report["steps"][0]["notes"];
  const std::vector<ir::DType> types = weight_types("h.onnx");
  EXPECT_EQ(std::count(types.begin(), types.end(), ir::DType::f32), 1);
  EXPECT_EQ(std::count(types.begin(), types.end(), ir::DType::f16), 1);
}

TEST_F(CliConvert, LeavesWhatReadsValuesOfUnknownType) {
  write_model(R"(graph @odd(%x: f32[N,3]) -> (y: f32[N,3], z: f32[N,3]) {
  %w = constant {1, 0, 0, 0, 1, 0, 0, 0, 1} : f32[3,3]
  %v = constant {0, 1, 0, 1, 0, 0, 0, 0, 1} : f32[3,3]
  %h = mat_mul %x, %v : f32[N,3]
  %m = opaque("com.acme::Mystery") %h : undefined[*]
  %p = mat_mul %m, %w : undefined[*]
  %y = relu %p : undefined[*]
  %z = tanh %h : f32[N,3]
  return %y, %z
}
)",
              folder_ / "odd.onnx");
  json_of({"convert", "odd.onnx", "-o", "h.onnx", "--no-keep-io"});
  const auto graph = onnx::import_file(folder_ / "h.onnx");
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  std::string types;
  for (const ir::Node& node : graph->nodes()) {
    if (ir::is_structural(node) && !node.is(ir::OpKind::opaque)) continue;
    types += node.label();
    for (int i = 0; i < node.num_inputs(); ++i) types += " " + std::string(dtype_name(node.input(i)->type().dtype));
    types += "\n";
  }
  EXPECT_EQ(types,
            "mat_mul producing 'h' f16 f16\ncast producing '0' f16\ncom.acme::Mystery producing 'm' f32\n"
            "mat_mul producing 'p' undefined f32\nrelu producing '1' undefined\ncast producing 'y' undefined\n"
            "tanh producing 'z' f16\n");
}

TEST_F(CliConvert, IsWhatPassesProposeThatFindNoFloat32) {
  write_model(kSaturatingModel, folder_ / "m.onnx");
  const std::string half =
      ": weights are float16; first make them float32: 'edgesmith convert MODEL --to fp32 -o FLOAT.onnx'";
  json_of({"convert", "m.onnx", "--to", "fp16", "--no-keep-io", "-o", "h.onnx"});
  for (const auto& [arguments, said] : {std::pair{std::vector<std::string>{"quantize"},
                                                  "quantize changed nothing: no operator of the model computes on "
                                                  "integers on ort-x86"},
                                        std::pair{std::vector<std::string>{"quantize", "--weights", "int4"},
                                                  "quantize changed nothing: there are no float32 weights to quantize"},
                                        std::pair{std::vector<std::string>{"prune", "--sparsity", "0.5"},
                                                  "prune changed nothing: there are no float32 weights to prune"},
                                        std::pair{std::vector<std::string>{"prune", "--channels", "0.5"},
                                                  "prune changed nothing: there are no channels that may go"},
                                        std::pair{std::vector<std::string>{"share", "--bits", "2"},
                                                  "share changed nothing: there are no float32 weights to share"}}) {
    std::vector<std::string> all = arguments;
    all.insert(all.end(), {"h.onnx", "-o", "q.onnx", "--force", "--calib", "eval.npz"});
    const ToolResult result = run(all);
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_NE(result.err.find(said + half), std::string::npos) << result.err;
  }
  const ToolResult dynamic = run({"quantize", "h.onnx", "-o", "q.onnx", "--force", "--dynamic"});
  EXPECT_NE(dynamic.err.find("it is not float32" + half), std::string::npos) << dynamic.err;
  json_of({"convert", "h.onnx", "--to", "fp32", "-o", "f.onnx"});
  EXPECT_EQ(json_of({"quantize", "f.onnx", "-o", "i.onnx", "--calib", "eval.npz"})["steps"][0]["status"], "accepted");
}

TEST_F(CliConvert, AModelOfThatTypeIsUnchanged) {
  const ToolResult result = run({"convert", "m.onnx", "--to", "fp32", "-o", "same.onnx"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.err.find("convert changed nothing"), std::string::npos) << result.err;
  EXPECT_EQ(run({"convert", "m.onnx", "--to", "fp8", "-o", "none.onnx"}).exit_code, 2);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "none.onnx"));
}

TEST_F(CliConvert, DynamicQuantizationSaysWhatItIsFor) {
  write_model("graph @g(%x: f32[N,3]) -> (y: f32[N,3]) {\n  %y = relu %x : f32[N,3]\n  return %y\n}\n",
              folder_ / "relu.onnx");
  const ToolResult result = run({"quantize", "relu.onnx", "-o", "none.onnx", "--dynamic"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.err.find("quantize changed nothing: no operator computes on codes of the run: those that can are "
                            "MatMul, Gemm and LSTM with constant weights"),
            std::string::npos)
      << result.err;
}

TEST_F(CliConvert, DynamicQuantizationNeedsNoData) {
  write_model(kSaturatingModel, folder_ / "m.onnx");
  const Json report = json_of({"quantize", "m.onnx", "-o", "d.onnx", "--dynamic", "--eval", "eval.npz"});
  EXPECT_EQ(report["steps"][0]["status"], "accepted");
  EXPECT_LE(report["steps"][0]["metric"]["drop"].get<double>(), 2.5);
  const auto graph = onnx::import_file(folder_ / "d.onnx");
  ASSERT_TRUE(graph.ok());
  int products = 0;
  for (const ir::Node& node : graph->nodes()) products += node.is(ir::OpKind::mat_mul_integer) ? 1 : 0;
  EXPECT_EQ(products, 2);
  expect_error({"quantize", "m.onnx", "-o", "n.onnx", "--dynamic", "--calibrator", "mse"}, 2,
               "--dynamic and --calibrator do not go together; leave one of them out");
}

constexpr const char* kLstm = R"(graph @rnn(%x: f32[T,1,2]) -> (h: f32[1,1,2]) {
  %w = constant {1, 0.5, 0.25, 2, -1, 0.5, 0.125, -2, 1, 0.5, 0.25, 1, -1, 0.5, 0.125, -1} : f32[1,8,2]
  %r = constant {0.5, 0.25, -0.5, 1, 0.5, 0.25, -0.5, 1, 0.5, 0.25, -0.5, 1, 0.5, 0.25, -0.5, 1} : f32[1,8,2]
  %y, %h = lstm %x, %w, %r {hidden_size=2} : f32[T,1,1,2], f32[1,1,2] @rnn
  return %h
}
)";

TEST_F(CliConvert, DynamicQuantizationOfAnLstmHasCodesOfTheRun) {
  environment_["EDGESMITH_CACHE"] = folder_ / "cache";
  write_model(kLstm, folder_ / "l.onnx");
  const Json report = json_of({"quantize", "l.onnx", "-o", "d.onnx", "--dynamic"});
  EXPECT_EQ(report["steps"][0]["notes"][0],
            "1 operator computes on codes of the run, 1 LSTM of them (com.microsoft's DynamicQuantizeLSTM)");
  EXPECT_EQ(json_of({"quantize", "l.onnx", "-o", "again.onnx", "--dynamic"})["steps"][0]["cached"], (Json{"pass"}));
  EXPECT_EQ(*read_file(folder_ / "again.onnx"), *read_file(folder_ / "d.onnx"));
  const ToolResult shown = run({"inspect", "d.onnx", "--no-forecast"});
  EXPECT_NE(shown.out.find("quantized      1 operator on codes of the run"), std::string::npos) << shown.out;
  EXPECT_NE(shown.out.find("parameters     48"), std::string::npos) << "32 codes, 16 scales: " << shown.out;
  EXPECT_EQ(run({"check", "d.onnx", "--target", "ort-x86", "-q"}).exit_code, 0);
  // Coded once.
  const Json twice = json_of({"quantize", "d.onnx", "-o", "t.onnx", "--dynamic"});
  EXPECT_EQ(twice["steps"][0]["status"], "unchanged");
  EXPECT_EQ(twice["steps"][0]["notes"][0], "1 operator computes on codes of the run already, and no other can");
  // A runtime that lacks the operator gets codes of the weights alone, and the reason is said.
  const Json other = json_of({"quantize", "l.onnx", "-o", "o.onnx", "--dynamic", "--target", "openvino-x86"});
  EXPECT_EQ(other["steps"][0]["notes"][1],
            "weights of 1 recurrent operator are codes, arithmetic there is float: the runtime of openvino-x86 lacks "
            "DynamicQuantizeLSTM");
}

}  // namespace
}  // namespace edgesmith::testing
