// SPDX-License-Identifier: Apache-2.0
// What one pass makes, the next ones keep: zeros of prune, codebooks of share, through quantize, simplify and files.
//
//   prune { sparsity, 2:4, 4x1 blocks, channels and sparsity } x share { no, 2, 4, 4 bits of int8 } x quantize { no,
//   int8, int4 }, simplify and a file between any two
//
// A file of each chain is packed, and unpacked bit for bit.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "edgesmith/ir/text.h"
#include "edgesmith/onnx/export.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/pack/pack.h"
#include "edgesmith/passes/pass.h"
#include "passes/pictures.h"

namespace edgesmith::passes {
namespace {

using Settings = std::vector<std::pair<std::string, std::string>>;

// A pass with its options.
struct Step {
  std::string pass;
  Settings settings;
};
using Chain = std::vector<Step>;

// Convolutions of every kind with norms, scales and an addition that simplify folds, and both kinds of dense layers.
constexpr const char* kNetwork = R"(graph @net(%x: f32[N,4,8,8]) -> (scores: f32[N,16]) {
  %w1 = constant random(seed=1) : f32[16,4,3,3]
  %b1 = constant random(seed=2) : f32[16]
  %w2 = constant random(seed=3) : f32[16,1,3,3]
  %w3 = constant random(seed=4) : f32[32,16,1,1]
  %w4 = constant random(seed=5) : f32[32,16,1,1]
  %w5 = constant random(seed=6) : f32[24,32]
  %w6 = constant random(seed=7) : f32[24,16]
  %ones = constant splat(1.5) : f32[16]
  %shift = constant random(seed=8) : f32[16]
  %mean = constant random(seed=9) : f32[16]
  %gains = constant random(seed=10) : f32[1,32,1,1]
  %half = constant {0.5} : f32[]
  %c1 = conv %x, %w1, %b1 {pads=[1,1,1,1]} : f32[N,16,8,8] @"first"
  %n1 = batch_normalization %c1, %ones, %shift, %mean, %ones {epsilon=1e-05} : f32[N,16,8,8]
  %r1 = relu %n1 : f32[N,16,8,8]
  %c2 = conv %r1, %w2 {group=16, pads=[1,1,1,1]} : f32[N,16,8,8] @"depthwise"
  %n2 = batch_normalization %c2, %ones, %shift, %mean, %ones {epsilon=1e-05} : f32[N,16,8,8]
  %r2 = relu %n2 : f32[N,16,8,8]
  %c3 = conv %r2, %w3 : f32[N,32,8,8] @"point"
  %m3 = mul %c3, %gains : f32[N,32,8,8]
  %c4 = conv %r1, %w4 : f32[N,32,8,8] @"shortcut"
  %m4 = mul %c4, %half : f32[N,32,8,8]
  %s = add %m3, %m4 : f32[N,32,8,8]
  %r3 = relu %s : f32[N,32,8,8]
  %g = global_average_pool %r3 : f32[N,32,1,1]
  %f = flatten %g : f32[N,32]
  %h = gemm %f, %w5 {transB=1} : f32[N,24] @"hidden"
  %r4 = relu %h : f32[N,24]
  %y = mat_mul %r4, %w6 : f32[N,16] @"classifier"
  return %y
}
)";
constexpr const char* kLayers[] = {"first", "depthwise", "point", "shortcut", "hidden", "classifier"};

const Chain kSimplify = {{"simplify", {}}};

struct Named {
  std::string name;
  Chain steps;
};
void PrintTo(const Named& named, std::ostream* out) { *out << named.name; }
const std::vector<Named> kPrunings = {
    {"half", {{"prune", {{"sparsity", "0.5"}}}}},
    {"most", {{"prune", {{"sparsity", "0.8"}, {"criterion", "lamp"}}}}},
    {"pattern", {{"prune", {{"pattern", "2:4"}}}}},
    {"blocks", {{"prune", {{"pattern", "4x1"}, {"sparsity", "0.5"}}}}},
    {"channels", {{"prune", {{"channels", "0.25"}}}, {"prune", {{"sparsity", "0.4"}}}}},
};
const std::vector<Named> kSharings = {
    {"", {}},
    {"shared2", {{"share", {{"bits", "2"}}}}},
    {"shared4", {{"share", {{"bits", "4"}}}}},
    {"shared4int8", {{"share", {{"bits", "4"}, {"codebook", "tensor"}, {"entries", "int8"}}}}},
};
const std::vector<Named> kQuantizations = {
    {"", {}},
    {"int8", {{"quantize", {}}}},
    {"int4", {{"quantize", {{"weights", "int4"}}}}},
};

ir::Graph network() {
  auto graph = ir::parse(kNetwork);
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  return std::move(*graph);
}

Result<Change> apply(const Step& step, ir::Graph& graph) {
  static const Pictures pictures({1, 4, 8, 8}, 16);
  static const auto target = targets::load_target("ort-x86");
  const PassInfo& pass = *find_pass(step.pass);
  Options options(pass.options());
  for (const auto& [name, value] : step.settings) {
    const Status status = options.set_text(name, value);
    if (!status.ok()) return status.error();
  }
  ThreadPool pool(2);
  ProgressSink progress;
  PassContext context;
  context.calib = &pictures;
  context.target = &*target;
  context.original = &graph;
  context.pool = &pool;
  context.progress = &progress;
  return run_pass(pass, graph, options, context);
}

std::string file_of(const ir::Graph& graph) {
  auto bytes = onnx::export_bytes(graph);
  EXPECT_TRUE(bytes.ok()) << (bytes.ok() ? "" : bytes.error().text());
  return bytes.ok() ? *bytes : std::string();
}

// As the next command would read it.
ir::Graph reread(const ir::Graph& graph) {
  const auto owner = std::make_shared<std::string>(file_of(graph));
  auto again = onnx::import_bytes(std::as_bytes(std::span(*owner)), owner, "", "the chain's file");
  EXPECT_TRUE(again.ok()) << (again.ok() ? "" : again.error().text());
  return again.ok() ? std::move(*again) : graph.clone();
}

std::map<std::string, ir::Tensor> weights_of(const ir::Graph& graph) {
  std::map<std::string, ir::Tensor> weights;
  for (const ir::Node& node : graph.nodes()) {
    for (const char* layer : kLayers) {
      if (node.name() == layer) weights[layer] = *node.input(1)->constant();
    }
  }
  return weights;
}

size_t nonzeros(const std::vector<float>& numbers) {
  return numbers.size() - static_cast<size_t>(std::count(numbers.begin(), numbers.end(), 0.0F));
}

size_t distinct(const ir::Tensor& tensor) {
  const std::vector<float> numbers = tensor.to_floats();
  return std::set<float>(numbers.begin(), numbers.end()).size();
}

// Zeros and sharing of `before` are there in `after`.
void expect_kept(const ir::Graph& before, const ir::Graph& after) {
  const auto old_weights = weights_of(before), new_weights = weights_of(after);
  ASSERT_EQ(old_weights.size(), std::size(kLayers));
  ASSERT_EQ(new_weights.size(), std::size(kLayers));
  for (const auto& [layer, old] : old_weights) {
    const ir::Tensor& now = new_weights.at(layer);
    const std::vector<float> a = old.to_floats(), b = now.to_floats();
    if (old.dims() == now.dims()) {
      size_t filled = 0;
      for (size_t i = 0; i < a.size(); ++i) filled += a[i] == 0 && b[i] != 0 ? 1 : 0;
      EXPECT_EQ(filled, 0U) << layer << ": of " << a.size() - nonzeros(a) << " zeros";
    } else {  // dead channels went
      EXPECT_LE(nonzeros(b), nonzeros(a)) << layer;
    }
    if (old.as_palette() == nullptr) continue;
    ASSERT_NE(now.as_palette(), nullptr) << layer;
    EXPECT_EQ(now.as_palette()->codebooks().dims(), old.as_palette()->codebooks().dims()) << layer;
    if (old.dims() == now.dims()) {
      EXPECT_TRUE(now.as_palette()->codes().identical_to(old.as_palette()->codes())) << layer;
    }
    // Entries of two codebooks may be the same number before.
    EXPECT_LE(distinct(now), std::max(distinct(old), static_cast<size_t>(old.as_palette()->codebooks().size())))
        << layer;
  }
}

// Every codebook has at most that many entries, one of them zero where the weights were pruned.
void expect_shared(const ir::Graph& graph, int bits) {
  int shared = 0;
  for (const auto& [layer, weight] : weights_of(graph)) {
    const ir::Tensor* palette = weight.as_palette();
    if (palette == nullptr) continue;  // too small for a codebook
    ++shared;
    EXPECT_LE(palette->codebooks().dims()[1], 1 << bits) << layer;
  }
  EXPECT_GE(shared, 4);
}

// Of every four neighbours along the input channels two or more are zero, or of four along the outputs all or none;
// how many layers have that.
int layers_with_pattern(const ir::Graph& graph, const std::string& pattern) {
  int layers = 0;
  for (const auto& [layer, weight] : weights_of(graph)) {
    const bool blocks = pattern == "blocks", first_is_output = layer != "classifier";
    const int64_t outputs = weight.dims()[first_is_output ? 0 : 1], inputs = weight.dims()[first_is_output ? 1 : 0];
    const int64_t taps = weight.rank() == 4 ? weight.dims()[2] * weight.dims()[3] : 1;
    if ((blocks ? outputs : inputs) % 4 != 0 || layer == "depthwise") continue;
    const std::vector<float> numbers = weight.to_floats();
    const auto zero = [&](int64_t m, int64_t c, int64_t tap) {
      const int64_t at = first_is_output ? (m * inputs + c) * taps + tap : c * outputs + m;
      return numbers[static_cast<size_t>(at)] == 0 ? 1 : 0;
    };
    bool broken = false;
    for (int64_t m = 0; m < outputs; m += blocks ? 4 : 1) {
      for (int64_t c = 0; c < inputs; c += blocks ? 1 : 4) {
        for (int64_t tap = 0; tap < taps; ++tap) {
          int zeros = 0;
          for (int64_t i = 0; i < 4; ++i) zeros += blocks ? zero(m + i, c, tap) : zero(m, c + i, tap);
          broken = broken || (blocks ? zeros > 0 && zeros < 4 : zeros < 2);
        }
      }
    }
    layers += broken ? 0 : 1;
  }
  return layers;
}

void expect_packs(const std::string& file, size_t dense_bytes) {
  ThreadPool pool(2);
  const std::vector<pack::ModelFile> files = {{"", file}};
  const auto packed = pack::pack(files, pool);
  ASSERT_TRUE(packed.ok()) << packed.error().text();
  EXPECT_LT(packed->bytes.size(), dense_bytes);
  const auto unpacked = pack::unpack(std::as_bytes(std::span(packed->bytes)), pool);
  ASSERT_TRUE(unpacked.ok()) << unpacked.error().text();
  ASSERT_EQ(unpacked->files.size(), 1U);
  EXPECT_TRUE(unpacked->files[0].bytes == file);
}

size_t packed_bytes(const std::string& file) {
  ThreadPool pool(2);
  const std::vector<pack::ModelFile> files = {{"", file}};
  const auto packed = pack::pack(files, pool);
  EXPECT_TRUE(packed.ok());
  return packed.ok() ? packed->bytes.size() : 0;
}

class Compose : public testing::TestWithParam<Named> {
 public:
  // The steps one by one, each on the file that the one before wrote; `simplified`: with simplify before each.
  static void run(const Chain& steps, ir::Graph& graph, bool simplified) {
    for (const Step& step : steps) {
      for (const Chain& part : {simplified ? kSimplify : Chain{}, Chain{step}}) {
        for (const Step& one : part) {
          SCOPED_TRACE("after " + one.pass);
          const ir::Graph before = graph.clone();
          const auto change = apply(one, graph);
          ASSERT_TRUE(change.ok()) << change.error().text();
          if (!(one.pass == "prune" && !one.settings.empty() && one.settings[0].first == "channels")) {
            expect_kept(before, graph);
          }
          const ir::Graph written = reread(graph);
          expect_kept(graph, written);
          graph = written.clone();
        }
      }
    }
  }
};

TEST_P(Compose, ZerosAndCodebooksStay) {
  const size_t dense = packed_bytes(file_of(network()));
  for (const bool simplified : {true, false}) {
    ir::Graph pruned = network();
    run(GetParam().steps, pruned, simplified);
    run(kSimplify, pruned, false);
    // Later, weights that are left may become zero too, in shared entries and codes.
    if (GetParam().name == "blocks") {
      EXPECT_EQ(layers_with_pattern(pruned, "blocks"), 5);
    }
    for (const Named& sharing : kSharings) {
      if (!simplified && sharing.name == "shared2") continue;  // as with 4 bits
      SCOPED_TRACE(sharing.name);
      ir::Graph shared = pruned.clone();
      run(sharing.steps, shared, simplified);
      if (!sharing.steps.empty()) expect_shared(shared, std::stoi(sharing.steps[0].settings[0].second));
      for (const Named& quantization : kQuantizations) {
        SCOPED_TRACE(quantization.name + (simplified ? " with simplify between" : ""));
        ir::Graph graph = shared.clone();
        run(quantization.steps, graph, simplified);
        run(kSimplify, graph, false);
        if (GetParam().name == "pattern") {
          EXPECT_EQ(layers_with_pattern(graph, "pattern"), 5);
        }
        expect_packs(file_of(graph), dense);
        if (HasFailure()) return;
      }
    }
  }
}

// Sensitive layers lose few weights, which are zeros like the others.
TEST(ComposeFewZeros, StayToo) {
  const Chain prune = {{"prune", {{"sparsity", "0.02"}, {"budgets", "uniform"}}}};
  const std::vector<Chain> nexts = {{{"quantize", {}}},
                                    {{"quantize", {{"pair_safe", "off"}}}},
                                    {{"quantize", {{"weights_only", "true"}}}},
                                    {{"quantize", {{"weights", "int4"}}}},
                                    {{"quantize", {{"weights", "int2"}, {"asymmetric", "true"}}}},
                                    {{"share", {{"bits", "3"}}}},
                                    {{"share", {{"bits", "8"}, {"entries", "int8"}}}},
                                    {{"prune", {{"sparsity", "0.01"}}}}};
  for (const Chain& next : nexts) {
    SCOPED_TRACE(next[0].pass + (next[0].settings.empty() ? "" : " " + next[0].settings[0].second));
    ir::Graph graph = network();
    Compose::run(kSimplify, graph, false);
    Compose::run(prune, graph, false);
    ASSERT_LT(nonzeros(weights_of(graph).at("point").to_floats()), 512U);
    Compose::run(next, graph, false);
  }
}

// Weights that a file stores by the places of what is not zero, as ONNX can, are like those with zeros.
TEST(ComposeSparse, StoredPlacesAreZerosLikeOthers) {
  ir::Graph pruned = network();
  Compose::run(kSimplify, pruned, false);
  Compose::run(kPrunings[0].steps, pruned, false);
  for (ir::Node& node : pruned.nodes()) {
    if (!node.is(ir::OpKind::constant) || node.tensor().rank() < 2) continue;
    const std::vector<float> numbers = node.tensor().to_floats();
    std::vector<float> values;
    std::vector<int64_t> places;
    for (size_t i = 0; i < numbers.size(); ++i) {
      if (numbers[i] == 0) continue;
      values.push_back(numbers[i]);
      places.push_back(static_cast<int64_t>(i));
    }
    const auto count = static_cast<int64_t>(values.size());
    pruned.set_tensor(node, ir::Tensor::sparse(node.tensor().dims(), ir::Tensor::of<float>({count}, values),
                                               ir::Tensor::of<int64_t>({count}, places)));
  }
  for (const Chain& next :
       {kSimplify, kPrunings[1].steps, kSharings[2].steps, kQuantizations[1].steps, kQuantizations[2].steps}) {
    ir::Graph graph = pruned.clone();
    Compose::run(next, graph, false);
    if (next[0].pass == "share") expect_shared(graph, 4);
  }
}

TEST(ComposeOrder, WhatWouldUndoAnEarlierStepIsRefused) {
  const auto refusal = [](const Step& first, const Step& second) {
    ir::Graph graph = network();
    EXPECT_TRUE(apply({"simplify", {}}, graph).ok());
    EXPECT_TRUE(apply(first, graph).ok());
    const auto change = apply(second, graph);
    EXPECT_FALSE(change.ok()) << second.pass << " after " << first.pass;
    return change.ok() ? std::string() : change.error().text();
  };
  const Step prune = {"prune", {{"sparsity", "0.5"}}}, share = {"share", {}}, quantize = {"quantize", {}};
  const Step channels = {"prune", {{"channels", "0.25"}}};
  for (const Step& late : {prune, channels}) {
    EXPECT_NE(refusal(share, late).find("compressed already"), std::string::npos);
    EXPECT_NE(refusal(quantize, late).find("prune before quantize"), std::string::npos);
  }
  EXPECT_NE(refusal(share, share).find("shared already"), std::string::npos);
  EXPECT_NE(refusal(quantize, share).find("share before quantize"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(AllPrunings, Compose, testing::ValuesIn(kPrunings),
                         [](const testing::TestParamInfo<Named>& info) { return info.param.name; });

}  // namespace
}  // namespace edgesmith::passes
