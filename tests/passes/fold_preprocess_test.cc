// SPDX-License-Identifier: Apache-2.0
// Preprocessing moved into a graph: the model before it, fed with preprocessed numbers, and the one after it, fed with
// raw ones, must answer the same.
#include <gtest/gtest.h>

#include <cmath>

#include "edgesmith/data/preprocess.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/pass.h"
#include "edgesmith/runtime/executor.h"

namespace edgesmith::passes {
namespace {

constexpr const char* kImageNet =
    R"({"scale":0.00392156862745098,"mean":[0.485,0.456,0.406],"std":[0.229,0.224,0.225]})";
constexpr const char* kLite = R"({"scale":0.00392156862745098,"mean":[0.498039,0.498039,0.498039],"std":[0.501961]})";

/// A convolution of the input with these attributes and weights.
std::string conv_model(const std::string& attributes, const std::string& weights = "f32[4,3,3,3]") {
  return "graph @m(%x: f32[N,3,6,5]) -> (y) {\n  %w = constant random(seed=1) : " + weights +
         "\n  %b = constant {1, -1, 0.5, 2} : f32[4]\n  %a = conv %x, %w, %b {" + attributes +
         "} @\"stem\"\n  %y = relu %a\n  return %y\n}\n";
}

ir::Graph parsed(const std::string& text, const std::string& preprocess) {
  auto graph = ir::parse(text);
  EXPECT_TRUE(graph.ok()) << (graph.ok() ? "" : graph.error().text());
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  if (!preprocess.empty()) graph->set_metadata(data::kPreprocessKey, preprocess);
  return std::move(*graph);
}

struct Folded {
  ir::Graph graph;
  Change change = Change::none;
  std::vector<std::string> notes;

  int count(ir::OpKind op) const {
    int count = 0;
    for (const ir::Node& node : graph.nodes()) count += node.is(op) ? 1 : 0;
    return count;
  }
  std::string metadata() const { return *graph.find_metadata(data::kPreprocessKey); }
};

Result<Folded> fold(const ir::Graph& graph, const std::vector<std::pair<std::string, std::string>>& settings = {}) {
  const PassInfo& pass = *find_pass("fold-preprocess");
  Options options(pass.options());
  for (const auto& [name, value] : settings) EXPECT_TRUE(options.set_text(name, value).ok());
  PassContext context;
  Folded folded{graph.clone()};
  auto change = run_pass(pass, folded.graph, options, context);
  if (!change) return change.error();
  folded.change = *change;
  folded.notes = context.notes;
  return folded;
}

/// Bytes of two pictures [2,C,H,W], from a small generator.
std::vector<int> picture_bytes(const ir::Dims& dims) {
  std::vector<int> bytes(static_cast<size_t>(ir::num_elements(dims)));
  unsigned state = 12345;
  for (int& byte : bytes) byte = static_cast<int>((state = state * 1664525u + 1013904223u) >> 24);
  return bytes;
}

/// What the data pipeline makes of bytes [N,C,...].
ir::Tensor preprocessed(const std::vector<int>& bytes, const ir::Dims& dims, const data::Preprocess& p) {
  std::vector<float> values(bytes.size());
  const size_t channels = static_cast<size_t>(dims[1]);
  size_t inner = 1;
  for (size_t d = 2; d < dims.size(); ++d) inner *= static_cast<size_t>(dims[d]);
  const auto of = [](const std::vector<double>& list, size_t c, double absent) {
    return list.empty() ? absent : list.size() == 1 ? list[0] : list[c];
  };
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t c = i / inner % channels;
    const size_t from = p.color == "bgr" ? i + (channels - 1 - 2 * c) * inner : i;  // the channel in its place
    values[i] = static_cast<float>((bytes[from] * p.scale - of(p.mean, c, 0)) / of(p.std, c, 1));
  }
  return ir::Tensor::of<float>(dims, values);
}

ir::Tensor raw_floats(const std::vector<int>& bytes, const ir::Dims& dims) {
  return ir::Tensor::of<float>(dims, std::vector<float>(bytes.begin(), bytes.end()));
}

ir::Tensor raw_nhwc(const std::vector<int>& bytes, const ir::Dims& nchw) {
  const size_t c_count = static_cast<size_t>(nchw[1]), plane = static_cast<size_t>(nchw[2] * nchw[3]);
  std::vector<uint8_t> out(bytes.size());
  for (size_t i = 0; i < bytes.size(); ++i) {
    const size_t n = i / (c_count * plane), c = i / plane % c_count, p = i % plane;
    out[(n * plane + p) * c_count + c] = static_cast<uint8_t>(bytes[i]);
  }
  return ir::Tensor::of<uint8_t>({nchw[0], nchw[2], nchw[3], nchw[1]}, out);
}

std::vector<float> run(const ir::Graph& graph, const ir::Tensor& input) {
  auto executor = runtime::Executor::create(graph);
  EXPECT_TRUE(executor.ok()) << (executor.ok() ? "" : executor.error().text());
  if (!executor.ok()) return {};
  auto outputs = (*executor)->make_session()->run(std::vector{input});
  EXPECT_TRUE(outputs.ok()) << (outputs.ok() ? "" : outputs.error().text());
  return outputs.ok() ? (*outputs)[0].to_floats() : std::vector<float>();
}

/// Largest difference relative to the largest value.
double distance(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size() || a.empty()) return HUGE_VAL;
  double most = 0, largest = 1e-30;
  for (size_t i = 0; i < a.size(); ++i) {
    most = std::max<double>(most, std::abs(a[i] - b[i]));
    largest = std::max<double>(largest, std::abs(a[i]));
  }
  return most / largest;
}

/// Folds, and expects the answers of the model before.
Folded expect_same(const std::string& text, const std::string& preprocess, const ir::Dims& dims = {2, 3, 6, 5}) {
  const ir::Graph before = parsed(text, preprocess);
  auto folded = fold(before);
  EXPECT_TRUE(folded.ok()) << (folded.ok() ? "" : folded.error().text());
  const std::vector<int> bytes = picture_bytes(dims);
  const data::Preprocess declared = data::preprocess_from_json(preprocess)->front().second;
  EXPECT_LT(distance(run(before, preprocessed(bytes, dims, declared)), run(folded->graph, raw_floats(bytes, dims))),
            1e-5);
  EXPECT_EQ(folded->change, Change::changed);
  auto again = fold(folded->graph);
  EXPECT_TRUE(again.ok());
  EXPECT_EQ(again->change, Change::none) << "a second run changes the graph again";
  EXPECT_EQ(ir::print(again->graph), ir::print(folded->graph));
  return std::move(*folded);
}

TEST(FoldPreprocess, PutsEverythingIntoAConvolutionWithoutPadding) {
  for (const char* attributes : {"strides=[2,2]", "auto_pad=\"VALID\""}) {
    const Folded folded = expect_same(conv_model(attributes), kImageNet);
    EXPECT_EQ(folded.count(ir::OpKind::sub) + folded.count(ir::OpKind::mul) + folded.count(ir::OpKind::pad), 0);
    EXPECT_EQ(folded.metadata(), "{}");
    EXPECT_EQ(*folded.graph.find_metadata(data::kFoldedKey), kImageNet);
    EXPECT_EQ(folded.notes,
              std::vector<std::string>{"input 'x': its preprocessing went into the weights of conv 'stem'"});
  }
}

TEST(FoldPreprocess, KeepsASubtractionWherePaddingIsAnotherNumberInEachChannel) {
  for (const char* attributes : {"pads=[1,1,1,1]", "pads=[0,1,0,0]", "auto_pad=\"SAME_UPPER\""}) {
    const Folded folded = expect_same(conv_model(attributes), kImageNet);
    EXPECT_EQ(folded.count(ir::OpKind::sub), 1) << attributes;
    EXPECT_EQ(folded.count(ir::OpKind::mul) + folded.count(ir::OpKind::pad), 0);
    EXPECT_NE(folded.notes[0].find("one subtraction stays"), std::string::npos) << folded.notes[0];
  }
}

TEST(FoldPreprocess, PadsWithTheNumberThatStandsForZero) {
  const Folded folded = expect_same(conv_model("pads=[1,2,0,1]"), kLite);
  EXPECT_EQ(folded.count(ir::OpKind::sub) + folded.count(ir::OpKind::mul), 0);
  ASSERT_EQ(folded.count(ir::OpKind::pad), 1);
  for (const ir::Node& node : folded.graph.nodes()) {
    if (!node.is(ir::OpKind::pad)) continue;
    EXPECT_EQ(node.input(1)->constant()->to_int64s(), (std::vector<int64_t>{0, 0, 1, 2, 0, 0, 0, 1}));
    EXPECT_EQ(node.input(2)->constant()->to_floats()[0], 127.0f);
  }
  EXPECT_EQ(expect_same(conv_model("auto_pad=\"SAME_LOWER\""), kLite).count(ir::OpKind::sub), 1)
      << "amounts that are computed while it runs";
}

TEST(FoldPreprocess, NeedsNothingForAScaleAlone) {
  const Folded folded = expect_same(conv_model("pads=[1,1,1,1]"), R"({"scale":0.00392156862745098})");
  EXPECT_EQ(folded.count(ir::OpKind::sub) + folded.count(ir::OpKind::mul) + folded.count(ir::OpKind::pad), 0);
}

TEST(FoldPreprocess, PutsTheChannelsInOrder) {
  const std::string bgr = R"({"color":"bgr","mean":[103.5,116.25,123.75],"std":[58,57,57.5]})";
  const Folded folded = expect_same(conv_model(""), bgr);
  EXPECT_EQ(folded.count(ir::OpKind::gather), 0);
  EXPECT_EQ(folded.metadata(), R"({"color":"rgb"})");
  EXPECT_EQ(expect_same(conv_model("pads=[1,1,1,1]"), bgr).count(ir::OpKind::sub), 1);
  const std::string depthwise = R"(graph @m(%x: f32[N,3,6,5]) -> (y) {
  %w = constant random(seed=1) : f32[6,1,3,3]
  %y = conv %x, %w {group=3}
  return %y
})";
  EXPECT_EQ(expect_same(depthwise, bgr).count(ir::OpKind::gather), 1) << "groups would have to move, too";
  EXPECT_EQ(expect_same(depthwise, kImageNet).count(ir::OpKind::sub), 0) << "but each has its own mean";
}

TEST(FoldPreprocess, ComputesBeforeWhatHasSeveralReaders) {
  const std::string text = R"(graph @m(%x: f32[N,3,6,5]) -> (y, z) {
  %w = constant random(seed=1) : f32[2,3,1,1]
  %y = conv %x, %w
  %z = relu %x
  return %y, %z
})";
  const Folded folded = expect_same(text, kImageNet);
  EXPECT_EQ(folded.count(ir::OpKind::sub), 1);
  EXPECT_EQ(folded.count(ir::OpKind::mul), 1);
  EXPECT_EQ(expect_same("graph @m(%x: f32[N,3,6,5]) -> (y) {\n  return %x\n}", kImageNet).count(ir::OpKind::mul), 1)
      << "an input that is a result";
}

TEST(FoldPreprocess, DoesNotMindWhoeverAsksForTheShape) {
  const std::string text = R"(graph @m(%x: f32[N,3,6,5]) -> (y, s) {
  %w = constant random(seed=1) : f32[4,3,3,3]
  %y = conv %x, %w {pads=[1,1,1,1]}
  %s = shape %x
  return %y, %s
})";
  const Folded folded = expect_same(text, kLite);
  EXPECT_EQ(folded.count(ir::OpKind::pad), 1);
  EXPECT_EQ(folded.count(ir::OpKind::sub) + folded.count(ir::OpKind::mul), 0);
}

TEST(FoldPreprocess, LeavesWeightsAloneThatOthersRead) {
  const std::string text = R"(graph @m(%x: f32[N,3,6,5]) -> (y) {
  %w = constant random(seed=1) : f32[3,3,1,1]
  %a = conv %x, %w
  %y = conv %a, %w
  return %y
})";
  const Folded folded = expect_same(text, kImageNet);
  EXPECT_EQ(folded.count(ir::OpKind::sub), 0);
}

TEST(FoldPreprocess, GoesThroughWhatOnlyRenames) {
  const std::string flat = R"(graph @m(%x: f32[N,1,4,4]) -> (y) {
  %w = constant random(seed=1) : f32[5,16]
  %b = constant {1, 2, 3, 4, 5} : f32[5]
  %f = flatten %x
  %y = gemm %f, %w, %b {transB=1}
  return %y
})";
  const Folded folded = expect_same(flat, R"({"scale":0.00392156862745098,"mean":[0.5],"std":[0.25]})", {2, 1, 4, 4});
  EXPECT_EQ(folded.count(ir::OpKind::sub) + folded.count(ir::OpKind::mul), 0);
  const std::string table = R"(graph @m(%x: f32[N,3]) -> (y) {
  %w = constant random(seed=1) : f32[3,4]
  %y = mat_mul %x, %w
  return %y
})";
  const Folded product = expect_same(table, R"({"mean":[1,2,3],"std":[4,5,6]})", {2, 3});
  EXPECT_EQ(product.count(ir::OpKind::sub), 1) << "a MatMul has no bias";
  EXPECT_EQ(product.count(ir::OpKind::mul), 0);
}

TEST(FoldPreprocess, TakesBytesAsADecoderGivesThem) {
  for (const char* preprocess : {kImageNet, kLite}) {
    const ir::Graph before = parsed(conv_model("pads=[1,1,1,1]"), preprocess);
    const auto folded = fold(before, {{"input", "uint8"}, {"input_layout", "nhwc"}});
    ASSERT_TRUE(folded.ok()) << folded.error().text();
    EXPECT_EQ(folded->graph.inputs()[0]->type().text(), "u8[N,6,5,3]");
    EXPECT_EQ(folded->graph.inputs()[0]->name(), "x");
    EXPECT_EQ(folded->metadata(), R"({"layout":"nhwc"})");
    const ir::Dims dims = {2, 3, 6, 5};
    const std::vector<int> bytes = picture_bytes(dims);
    const data::Preprocess declared = data::preprocess_from_json(preprocess)->front().second;
    EXPECT_LT(distance(run(before, preprocessed(bytes, dims, declared)), run(folded->graph, raw_nhwc(bytes, dims))),
              1e-5);
    EXPECT_EQ(fold(folded->graph, {{"input", "uint8"}, {"input_layout", "nhwc"}})->change, Change::none);
    const auto left = data::preprocess_from_json(folded->metadata());
    const auto moved = data::preprocess_from_json(*folded->graph.find_metadata(data::kFoldedKey));
    EXPECT_EQ(data::preprocess_json(data::with_folded(*left, *moved)), preprocess) << "both together are what was";
  }
}

TEST(FoldPreprocess, SeesChannelsBehindATranspose) {
  // As TensorFlow's exporter writes it; that the channels come last need not be declared.
  const std::string text = R"(graph @m(%x: f32[N,6,5,3]) -> (y) {
  %w = constant random(seed=1) : f32[4,3,3,3]
  %t = transpose %x {perm=[0,3,1,2]}
  %y = conv %t, %w
  return %y
})";
  const ir::Graph before = parsed(text, kImageNet);
  const auto folded = fold(before);
  ASSERT_TRUE(folded.ok()) << folded.error().text();
  EXPECT_EQ(folded->count(ir::OpKind::sub) + folded->count(ir::OpKind::mul), 0);
  const ir::Dims nchw = {2, 3, 6, 5};
  const std::vector<int> bytes = picture_bytes(nchw);
  const ir::Tensor raw = raw_nhwc(bytes, nchw);
  const std::vector<float> values = raw.to_floats();
  const data::Preprocess declared = data::preprocess_from_json(kImageNet)->front().second;
  std::vector<float> prepared;
  for (size_t i = 0; i < values.size(); ++i) {
    prepared.push_back(static_cast<float>((values[i] * declared.scale - declared.mean[i % 3]) / declared.std[i % 3]));
  }
  EXPECT_LT(distance(run(before, ir::Tensor::of<float>(raw.dims(), prepared)),
                     run(folded->graph, ir::Tensor::of<float>(raw.dims(), values))),
            1e-5);
}

TEST(FoldPreprocess, TellsInputsApart) {
  const std::string text = R"(graph @m(%x: f32[N,3], %z: f32[N,3], %ids: i64[N,3]) -> (y) {
  %a = add %x, %z
  %c = cast %ids {to=1}
  %y = add %a, %c
  return %y
})";
  const auto folded = fold(parsed(text, R"({"inputs":{"x":{"scale":2},"z":{"mean":[1,2,3]}}})"));
  ASSERT_TRUE(folded.ok()) << folded.error().text();
  EXPECT_EQ(folded->count(ir::OpKind::mul), 1);
  EXPECT_EQ(folded->count(ir::OpKind::sub), 1);
  EXPECT_EQ(folded->metadata(), R"({"inputs":{"x":{},"z":{}}})");
}

TEST(FoldPreprocess, FindsNothingToDo) {
  const auto none = fold(parsed(conv_model(""), ""));
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(none->change, Change::none);
  EXPECT_EQ(none->notes[0].substr(0, 31), "no preprocessing is declared: g");
  const auto geometry = fold(parsed(conv_model(""), R"({"crop":32})"));
  EXPECT_EQ(geometry->change, Change::none);
  EXPECT_EQ(geometry->metadata(), R"({"crop":32})");
}

TEST(FoldPreprocess, SaysWhatItCannotDo) {
  const std::string half = "graph @m(%x: f16[N,3]) -> (y) {\n  %y = relu %x\n  return %y\n}";
  EXPECT_EQ(fold(parsed(half, kImageNet)).error().kind, ErrorKind::unsupported);
  const auto lists = fold(parsed(conv_model(""), R"({"mean":[1,2]})"));
  ASSERT_FALSE(lists.ok());
  EXPECT_EQ(lists.error().kind, ErrorKind::usage);
  EXPECT_EQ(lists.error().message, "preprocessing of input 'x': 2 numbers for its channels, it is f32[N,3,6,5]");
}

TEST(FoldPreprocess, MovesCodesToWhatIsComputed) {
  const std::string text = R"(graph @m(%x: f32[N,3,6,5] q(u8, scale=0.02, zp=114)) -> (y) {
  %y = relu %x
  return %y
})";
  const auto folded = fold(parsed(text, kImageNet));
  ASSERT_TRUE(folded.ok()) << folded.error().text();
  EXPECT_FALSE(folded->graph.inputs()[0]->quant().has_value());
  for (const ir::Node& node : folded->graph.nodes()) {
    if (!node.is(ir::OpKind::mul)) continue;
    EXPECT_EQ(node.output().quant()->scale, std::vector<float>{0.02f});
  }
  EXPECT_EQ(folded->count(ir::OpKind::mul), 1);
}

}  // namespace
}  // namespace edgesmith::passes
