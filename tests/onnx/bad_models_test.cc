// SPDX-License-Identifier: Apache-2.0
// Files that are no models, broken models and hostile ones: each ends in one exact error line, none in a crash.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "edgesmith/base/file.h"
#include "edgesmith/base/log.h"
#include "onnx/onnx_helper.h"
#include "onnx/proto.h"

namespace edgesmith::onnx {
namespace {

namespace fs = std::filesystem;

/// The error and its advice, which is the general one when `text` names none.
void expect_invalid(const Result<ir::Graph>& result, const std::string& text) {
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::invalid);
  const bool has_advice = text.find("; ") != std::string::npos;
  EXPECT_EQ(result.error().text(), has_advice ? text : text + "; export the model again");
}

void expect_not_onnx(std::string bytes, const std::string& text) {
  expect_invalid(import_string(std::move(bytes)), "m.onnx: not an ONNX model: " + text);
}

// --- not ONNX at all ---

TEST(BadModels, SaysWhatAFileThatIsNotOnnxLooksLike) {
  expect_not_onnx("", "is empty; the download or the export failed");
  expect_not_onnx("\n<!DOCTYPE html>\n<html><body>404</body></html>",
                  "looks like an HTML page; download the file itself, not the page that shows it");
  expect_not_onnx("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 17\n",
                  "is a git-lfs pointer, not the model; run 'git lfs pull'");
  expect_not_onnx("\x1f\x8b\x08 gzip", "looks like a gzip file; unpack it first (gunzip)");
  expect_not_onnx("PK\x03\x04 archive/data.pkl",
                  "looks like a PyTorch checkpoint; export the model with torch.onnx.export");
  expect_not_onnx("PK\x03\x04 weights.npy",
                  "looks like a zip archive; unpack it first; a PyTorch or Keras model must be exported to ONNX");
  expect_not_onnx("\x80\x02}q\x01.",
                  "looks like a Python pickle (an old PyTorch checkpoint?); export the model with torch.onnx.export");
  expect_not_onnx(std::string("\x1c\0\0\0TFL3 flatbuffer", 18),
                  "looks like a TensorFlow Lite model; convert it with tf2onnx --tflite");
  expect_not_onnx("\x89HDF\r\n\x1a\n weights",
                  "looks like an HDF5 file (Keras weights?); convert the model with tf2onnx");
  expect_not_onnx("<?xml version=\"1.0\"?><net/>", "looks like an XML file (OpenVINO?); give the .onnx file");
  expect_not_onnx("hello, world\n", "looks like a text file; give the .onnx file");
  expect_not_onnx("\xff\xfe\xfd\xfc", "has no ONNX graph in it; is it really an .onnx file, and complete?");
}

TEST(BadModels, KnowsTensorFlowFilesByTheirMessages) {
  wire::Writer node, graph;
  node.text(1, "input");
  node.text(2, "Placeholder");
  graph.message(1, std::move(node));
  expect_not_onnx(graph.str(), "looks like a frozen TensorFlow graph; convert it with tf2onnx --graphdef");
  wire::Writer meta, info, saved;
  info.text(5, "1.15");
  meta.message(1, std::move(info));
  saved.integer(1, 1);
  saved.message(2, std::move(meta));
  expect_not_onnx(saved.str(), "looks like a TensorFlow SavedModel; convert it with tf2onnx --saved-model");
}

// A fuzzer found the second one: what we had written was not read.
TEST(BadModels, TakesAnyProducerOfAModel) {
  for (const std::string& producer : {std::string("ORTModule"), std::string("TFL3"), std::string("\n\2\b\1\0est", 8)}) {
    const std::string model = model_bytes(with_header(13, "g (float[2] x) => (float[2] y) { y = Relu(x) }"));
    wire::Writer head, rest;
    head.integer(1, 1);
    head.text(2, producer);
    wire::Reader reader({wire::as_bytes(model), nullptr});
    for (wire::Field field; reader.next(field);) {
      if (field.number > 2) rest.encoded(field.whole);
    }
    const auto result = import_string(head.str() + rest.str());
    EXPECT_TRUE(result.ok()) << result.error().text();
  }
}

// Found by a fuzzer: a tensor of strings without strings.
TEST(BadModels, StringsAreNotExternalData) {
  const std::string model =
      model_bytes(with_header(13, "g (float[2] x) => (float[2] y) <float[1] w = {1}> { y = Relu(x) }"));
  const std::string strings = with_initializer(model, {0}, 8, 0);
  expect_invalid(import_string(with_external_data(strings, {{"location", "w.bin"}})),
                 "m.onnx: tensor 'w': strings cannot be external data; store them in string_data");
}

// Found by a fuzzer: scales that are no numbers.
TEST(BadModels, ResultsHaveNames) {
  const std::string text = "g (float[2] x) => (float[2] y) <float[2] c = {1, 2}> { y = Add(x, c) }";
  expect_invalid(import_string(with_result(model_bytes(with_header(13, text)), "")),
                 "m.onnx: a graph output has no name");
}

TEST(BadModels, ScalesOfStringsAreNotMultiplied) {
  const auto graph = import_string(model_bytes(
      "<ir_version: 8, opset_import: [\"\" : 17, \"com.microsoft\" : 1]>\n"
      "g (uint8[2,2] a, uint8[2,2] b, int32[2] c) => (float[2,2] y) <string[1] w = {\"half\"}, uint8[1] z = {0}> {\n"
      "  y = com.microsoft.QGemm(a, w, z, b, w, z, c)\n}"));
  EXPECT_TRUE(graph.ok() || graph.error().kind != ErrorKind::internal);
}

// Found by a fuzzer.
TEST(BadModels, ATruthValueOfAnyByteIsTrue) {
  const std::string model = with_initializer(
      model_bytes(with_header(13, "g (bool[3] x) => (bool[3] y) <bool[3] w = {0, 1, 1}> { y = And(x, w) }")), {3}, 9,
      3);
  std::string bytes = model;
  const size_t at = bytes.find(std::string(3, '\0'), bytes.find("w"));
  ASSERT_NE(at, std::string::npos);
  const auto graph = import_string(bytes.replace(at, 3, std::string("\0\x39\xff", 3)));
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  EXPECT_NE(ir::print(*graph).find("{0, 1, 1} : bool[3]"), std::string::npos) << ir::print(*graph);
}

TEST(BadModels, KnowsAnOnnxTensor) {
  wire::Writer tensor;
  tensor.integer(1, 2);
  tensor.integer(2, 1);
  tensor.text(9, "12345678");
  expect_not_onnx(tensor.str(), "looks like a tensor (ONNX test data), not a model; give the model.onnx beside it");
}

TEST(BadModels, AMissingFileIsAnIoError) {
  const auto result = import_file("/nonexistent/folder/m.onnx");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::io);
}

// --- cut off and damaged ---

std::string small_model() {
  return model_bytes(with_header(13, R"(g (float[N, 2] x) => (float[N, 2] y) <float[2,2] w = {1, 2, 3, 4}> {
    h = MatMul(x, w)
    y = Relu(h)
  })"));
}

TEST(BadModels, ATruncatedFileNamesTheBytes) {
  const std::string whole = small_model();
  const std::string cut = whole.substr(0, whole.size() / 2);
  const auto result = import_string(cut);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().text(), "m.onnx: is cut off after " + std::to_string(cut.size()) +
                                       " bytes (at byte 2: field 7 needs " + std::to_string(whole.size() - 4 - 6) +
                                       " bytes, " + std::to_string(cut.size() - 4) +
                                       " are left); download or copy the file again");
}

TEST(BadModels, EveryPrefixIsAnErrorOrAWholeModel) {
  const std::string whole = small_model();
  for (size_t length = 0; length < whole.size(); ++length) {
    const auto result = import_string(whole.substr(0, length));
    if (result.ok()) continue;  // cut between two fields, after the graph
    EXPECT_EQ(result.error().kind, ErrorKind::invalid) << length;
  }
}

TEST(BadModels, DamagedBytesNeverCrash) {
  log::set_level(log::Level::off);
  const std::string whole = small_model();
  uint32_t state = 1;
  const auto next = [&] { return state = state * 1664525 + 1013904223; };
  for (int round = 0; round < 20000; ++round) {
    std::string damaged = whole;
    for (int flips = 0; flips <= round % 3; ++flips) {
      damaged[(next() >> 8) % damaged.size()] = static_cast<char>(next() >> 24);
    }
    const auto result = import_string(std::move(damaged));
    if (!result.ok()) continue;
    EXPECT_TRUE(export_bytes(*result).ok());
  }
  log::set_level(log::Level::warning);
  log::take_warnings();
}

TEST(BadModels, SubgraphsNestedTooDeeplyAreRefused) {
  wire::Writer graph;
  graph.text(graph_field::name, "g");
  for (int depth = 0; depth < 60; ++depth) {
    wire::Writer attribute, node, outer;
    attribute.text(attribute_field::name, "then_branch");
    attribute.message(attribute_field::g, std::move(graph));
    attribute.integer(attribute_field::type, 5);
    node.text(node_field::output, "y");
    node.text(node_field::op_type, "If");
    node.message(node_field::attribute, std::move(attribute));
    outer.message(graph_field::node, std::move(node));
    outer.text(graph_field::name, "g");
    graph = std::move(outer);
  }
  wire::Writer model, opset;
  opset.integer(2, 13);
  model.integer(model_field::ir_version, 7);
  model.message(model_field::graph, std::move(graph));
  model.message(model_field::opset_import, std::move(opset));
  expect_invalid(import_string(model.str()), "m.onnx: If producing 'y': subgraphs are nested more than 32 deep");
}

// --- broken graphs ---

TEST(BadModels, NamesTheNodesOfACycle) {
  expect_invalid(import_text(13, R"(g (float[2] x) => (float[2] y) {
    a = Add(x, c)
    b = Relu(a)
    c = Neg(b)
    y = Tanh(c)
  })"),
                 "m.onnx: the graph has a cycle: add producing 'a' -> relu producing 'b' -> neg producing 'c' -> add "
                 "producing 'a'; a node cannot depend on its own result");
  expect_invalid(
      import_text(13, "g (float[2] x) => (float[2] y) { y = Add(x, y) }"),
      "m.onnx: the graph has a cycle: add producing 'y' -> add producing 'y'; a node cannot depend on its own result");
}

TEST(BadModels, NamesATensorThatNothingDefines) {
  expect_invalid(import_text(13, "g (float[2] x) => (float[2] y) { y = Add(x, ghost) }"),
                 "m.onnx: add producing 'y': reads 'ghost', which nothing defines");
  expect_invalid(import_text(13, "g (float[2] x) => (float[2] z) { y = Relu(x) }"),
                 "m.onnx: graph output 'z' is not defined by any node");
  expect_invalid(import_text(13, R"(g (bool c, float[2] x) => (float[2] y) {
    y = If (c) <
      then_branch = a () => (float[2] t) { t = Identity(ghost) },
      else_branch = b () => (float[2] e) { e = Neg(x) }
    >
  })"),
                 "m.onnx: If producing 'y': reads 'ghost', which nothing defines");
}

TEST(BadModels, NamesATensorThatIsDefinedTwice) {
  expect_invalid(import_text(13, "g (float[2] x) => (float[2] y) { y = Relu(x) \n y = Tanh(x) }"),
                 "m.onnx: tensor 'y' is defined twice: by relu producing 'y' and by tanh producing 'y'");
  expect_invalid(import_text(13, "g (float[2] x) => (float[2] x) { x = Relu(x) }"),
                 "m.onnx: the graph has a cycle: relu producing 'x' -> relu producing 'x'; a node cannot depend on its "
                 "own result");
  expect_invalid(import_text(13, "g (float[2] x, float[2] x) => (float[2] y) { y = Relu(x) }"),
                 "m.onnx: tensor 'x' is defined twice: both times as a graph input");
}

TEST(BadModels, WantsOutputsAndAnOpset) {
  expect_invalid(import_text(13, "g (float[2] x) => () { y = Relu(x) }"), "m.onnx: the graph has no outputs");
  expect_invalid(import_string(model_bytes(R"(<ir_version: 7, opset_import: ["com.acme" : 1]>
    g (float[2] x) => (float[2] y) { y = Relu(x) })")),
                 "m.onnx: relu producing 'y': the model imports no opset of the default domain");
  expect_invalid(import_string(model_bytes(R"(<ir_version: 7, opset_import: ["" : 13, "ai.onnx" : 12]>
    g (float[2] x) => (float[2] y) { y = Relu(x) })")),
                 "m.onnx: imports two opsets of the default domain, 13 and 12");
}

// --- wrong tensors ---

std::string matmul_model() {
  return model_bytes(
      with_header(13, "g (float[1,2] x) => (float[1,2] y) <float[2,2] w = {1, 2, 3, 4}> { y = MatMul(x, w) }"));
}

TEST(BadModels, DataMustFitTheDims) {
  expect_invalid(import_string(with_initializer(matmul_model(), {2, 2}, 1, 12)),
                 "m.onnx: tensor 'w': raw_data has 12 bytes, shape f32[2,2] needs 16");
  expect_invalid(import_string(with_initializer(matmul_model(), {2, 2}, 1, 17)),
                 "m.onnx: tensor 'w': raw_data has 17 bytes, shape f32[2,2] needs 16");
  expect_invalid(import_string(with_initializer(matmul_model(), {1LL << 40, 1LL << 40}, 1, 16)),
                 "m.onnx: tensor 'w': dims [1099511627776,1099511627776] are negative or overflow");
  expect_invalid(import_string(with_initializer(matmul_model(), {2, -2}, 1, 16)),
                 "m.onnx: tensor 'w': dims [2,-2] are negative or overflow");
}

TEST(BadModels, AnUnknownElementTypeIsUnsupported) {
  const auto result = import_string(with_initializer(matmul_model(), {2, 2}, 77, 16));
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::unsupported);
  EXPECT_EQ(result.error().text(), "m.onnx: tensor 'w': element type 77 is not known");
}

TEST(BadModels, WeightsMustBeFinite) {
  std::string nan = with_initializer(matmul_model(), {2, 2}, 1, 16), inf = nan;
  const auto patch = [](std::string& bytes, const char* value) {
    bytes.replace(bytes.find(std::string(16, '\0')), 4, value, 4);
  };
  patch(nan, "\x00\x00\xc0\x7f");
  patch(inf, "\x00\x00\x80\xff");
  const std::string hint = "; the training diverged or the file is damaged";
  expect_invalid(import_string(nan), "m.onnx: mat_mul producing 'y': tensor 'w' holds NaN" + hint);
  expect_invalid(import_string(inf), "m.onnx: mat_mul producing 'y': tensor 'w' holds an infinity" + hint);
}

TEST(BadModels, RanksAndShapesMustFit) {
  const auto error = [](const std::string& graph) {
    const auto result = import_text(13, graph);
    EXPECT_FALSE(result.ok());
    if (result.ok()) return std::string();
    EXPECT_EQ(result.error().kind, ErrorKind::invalid);
    return result.error().text();
  };
  const auto names_both = [](const std::string& text, const std::string& node) {
    return text.compare(0, 8 + node.size(), "m.onnx: " + node) == 0;
  };
  EXPECT_PRED2(names_both, error("g (float[1,3,8,8] x, float[4] w) => (float[1,4,8,8] y) { y = Conv(x, w) }"),
               "conv producing 'y': ");
  EXPECT_PRED2(names_both, error("g (float[1,3,8,8] x, float[4,2,3,3] w) => (float[1,4,6,6] y) { y = Conv(x, w) }"),
               "conv producing 'y': ");
  EXPECT_PRED2(names_both, error("g (float[2,3] x, float[4,5] w) => (float[2,5] y) { y = MatMul(x, w) }"),
               "mat_mul producing 'y': ");
  EXPECT_PRED2(names_both, error("g (float[2,3,4] x, float[4,5] w) => (float[2,5] y) { y = Gemm(x, w) }"),
               "gemm producing 'y': ");
  EXPECT_PRED2(names_both, error("g (float[2,3] x) => (float[2,5] y) { y = Gemm(x) }"), "gemm producing 'y': ");
  EXPECT_PRED2(names_both, error("g (float[2,3] x, float[4] b) => (float[2,3] y) { y = Add(x, b) }"),
               "add producing 'y': ");
}

// --- external data ---

class ExternalFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("edgesmith_bad_models_" + std::to_string(getpid()));
    fs::create_directories(folder_ / "model");
    ASSERT_TRUE(write_file((folder_ / "model" / "w.bin").string(), std::string(16, '\0')).ok());
    ASSERT_TRUE(write_file((folder_ / "secret.bin").string(), std::string(16, '\0')).ok());
  }
  void TearDown() override { fs::remove_all(folder_); }

  Result<ir::Graph> import(const std::vector<std::pair<std::string, std::string>>& entries) {
    return import_string(with_external_data(matmul_model(), entries), (folder_ / "model").string());
  }
  void expect(const std::vector<std::pair<std::string, std::string>>& entries, const std::string& text) {
    expect_invalid(import(entries), "m.onnx: tensor 'w': " + text);
  }

  fs::path folder_;
};

TEST_F(ExternalFolder, ReadsTheFileBesideTheModel) { EXPECT_TRUE(import({{"location", "w.bin"}}).ok()); }

TEST_F(ExternalFolder, DataOfAnOpaqueNodeAreMovedIntoIt) {
  const std::string model = model_bytes(R"(<ir_version: 7, opset_import: ["" : 13, "com.acme" : 2]>
    g (float[2] x) => (float[2] y) { y = com.acme.Lookup <gain = 2.0> (x) })");
  const auto graph = import_string(with_external_attribute(model, "w.bin"), (folder_ / "model").string());
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  EXPECT_EQ(attribute_data(must_export(*graph)), std::string(16, '\0'));
  expect_invalid(
      import_string(with_external_attribute(model, "gone.bin"), (folder_ / "model").string()),
      "m.onnx: com.acme::Lookup producing 'y': tensor '': external data 'gone.bin' are missing; put the file "
      "beside the model");
}

TEST_F(ExternalFolder, DataMustStayInTheModelsFolder) {
  const std::string hint = " lie outside the model's folder; only files beside the model are read";
  expect({{"location", "../secret.bin"}}, "external data '../secret.bin'" + hint);
  expect({{"location", "/etc/passwd"}}, "external data '/etc/passwd'" + hint);
  expect({{"location", ""}}, "external data ''" + hint);
  expect({}, "external data ''" + hint);
  fs::create_symlink(folder_ / "secret.bin", folder_ / "model" / "link.bin");
  expect({{"location", "link.bin"}},
         "external data 'link.bin' lie outside the model's folder; a symbolic link leads to " +
             fs::canonical(folder_ / "secret.bin").string());
}

TEST_F(ExternalFolder, DataMustBeThereAndLongEnough) {
  expect({{"location", "gone.bin"}}, "external data 'gone.bin' are missing; put the file beside the model");
  expect({{"location", "."}}, "external data '.' are not a regular file");
  const std::string hint = "; the file is cut off or belongs to another model";
  expect({{"location", "w.bin"}, {"offset", "8"}},
         "external data 'w.bin' have 16 bytes, the tensor needs 16 at 8" + hint);
  expect({{"location", "w.bin"}, {"offset", "18446744073709551615"}},
         "external data 'w.bin' have 16 bytes, the tensor needs 16 at 18446744073709551615" + hint);
  expect({{"location", "w.bin"}, {"length", "12"}}, "external data 'w.bin': length is 12, the tensor needs 16 bytes");
  expect({{"location", "w.bin"}, {"offset", "-1"}}, "external data: offset '-1' is no number");
}

}  // namespace
}  // namespace edgesmith::onnx
