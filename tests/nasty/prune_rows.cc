// SPDX-License-Identifier: Apache-2.0
// 46 to 50: pruning and palettes. Channels that are planted dead leave exactly; what a pass cannot do it says.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "edgesmith/base/file.h"

#include "nasty/row.h"

namespace edgesmith::nasty {
namespace {

using ::onnx::TensorProto;

/// Sets output channel `channel` of the weight (and of the bias) to zero.
void plant(Model& model, const std::string& weight, size_t channel, const std::string& bias = "") {
  auto& tensor = *find_initializer(model, weight);
  std::vector<float> w = floats_of(tensor);
  const size_t row = w.size() / static_cast<size_t>(tensor.dims(0));
  std::fill_n(w.begin() + static_cast<int64_t>(channel * row), row, 0.0f);
  set_floats(tensor, w);
  if (bias.empty()) return;
  std::vector<float> b = floats_of(*find_initializer(model, bias));
  b[channel] = 0;
  set_floats(*find_initializer(model, bias), b);
}

std::function<void(Model&)> dead(const std::string& weight, size_t channel, const std::string& bias = "") {
  return [=](Model& model) { plant(model, weight, channel, bias); };
}

/// Numbers in the float initializers.
int64_t parameters(const Model& model) {
  int64_t count = 0;
  for (const TensorProto& tensor : model.graph().initializer()) {
    if (tensor.data_type() == TensorProto::FLOAT) count += static_cast<int64_t>(floats_of(tensor).size());
  }
  return count;
}

/// Fewer parameters than the original has.
void smaller(Ran& ran) { EXPECT_LT(parameters(ran.simple), parameters(ran.original)); }

std::vector<Row> dead_rows() {
  return {
      {.number = "46a",
       .title = "channel shuffle by reshape and transpose",
       .text = R"(g (float[N,4,6,6] x) => (float[N,6,6,6] y)
        <float[8,4,1,1] w, float[6,8,1,1] v, int64[5] split = {0, 2, 4, 6, 6}, int64[4] back = {0, 8, 6, 6}> {
          a = Conv(x, w)
          r = Relu(a)
          s = Reshape(r, split)
          t = Transpose<perm = [0,2,1,3,4]>(s)
          u = Reshape(t, back)
          y = Conv(u, v)
        })",
       .edit = dead("w", 3)},
      {.number = "46b",
       .title = "split and concat in another order",
       .text = R"(g (float[N,4,6,6] x) => (float[N,6,6,6] y)
        <float[8,4,1,1] w, float[6,8,1,1] v, int64[2] halves = {3, 5}> {
          a = Conv(x, w)
          r = Relu(a)
          s, t = Split<axis = 1>(r, halves)
          u = Concat<axis = 1>(t, s)
          y = Conv(u, v)
        })",
       .edit = dead("w", 3)},
      {.number = "46c",
       .title = "flatten of pictures before a dense layer",
       .text = R"(g (float[N,4,3,3] x) => (float[N,5] y)
        <float[8,4,1,1] w, float[72,5] v> {
          a = Conv(x, w)
          r = Relu(a)
          f = Flatten(r)
          y = MatMul(f, v)
        })",
       .edit = dead("w", 3),
       .check = smaller},
      {.number = "46d",
       .title = "a depthwise convolution in the middle",
       .text = R"(g (float[N,4,6,6] x) => (float[N,5,6,6] y)
        <float[8,4,1,1] w, float[8] b, float[8,1,3,3] d, float[5,8,1,1] v> {
          a = Conv(x, w, b)
          r = Relu(a)
          e = Conv<group = 8, pads = [1,1,1,1]>(r, d)
          y = Conv(e, v)
        })",
       .edit = dead("w", 3, "b"),
       .check = smaller},
      {.number = "46e",
       .title = "squeeze and excite",
       .text = R"(g (float[N,4,6,6] x) => (float[N,5,6,6] y)
        <float[8,4,1,1] w, float[2,8,1,1] s1, float[8,2,1,1] s2, float[5,8,1,1] v> {
          a = Conv(x, w)
          r = Relu(a)
          p = GlobalAveragePool(r)
          q = Conv(p, s1)
          q1 = Relu(q)
          t = Conv(q1, s2)
          u = Sigmoid(t)
          m = Mul(r, u)
          y = Conv(m, v)
        })",
       .edit = dead("w", 3)},
      {.number = "46f",
       .title = "channel attention by MatMul",
       .text = R"(g (float[2,4,4,4] x) => (float[2,5,4,4] y)
        <float[8,4,1,1] w, float[5,8,1,1] v, int64[3] flat = {2, 8, 16}, int64[4] back = {2, 8, 4, 4}> {
          a = Conv(x, w)
          f = Reshape(a, flat)
          t = Transpose<perm = [0,2,1]>(f)
          s = MatMul(f, t)
          p = Softmax<axis = -1>(s)
          m = MatMul(p, f)
          b = Reshape(m, back)
          y = Conv(b, v)
        })",
       .db = 20,
       .edit = dead("w", 3)},
      {.number = "46g",
       .title = "dense connections",
       .text = R"(g (float[N,4,6,6] x) => (float[N,5,6,6] y)
        <float[4,4,1,1] w, float[4,8,1,1] v, float[5,12,1,1] u> {
          a = Conv(x, w)
          r = Relu(a)
          c = Concat<axis = 1>(x, r)
          b = Conv(c, v)
          s = Relu(b)
          d = Concat<axis = 1>(c, s)
          y = Conv(d, u)
        })",
       .edit =
           [](Model& model) {
             plant(model, "w", 1);
             plant(model, "v", 2);
           },
       .check = smaller},
      {.number = "46h",
       .title = "one weight in two layers",
       .text = R"(g (float[N,4,6,6] x) => (float[N,5,6,6] y)
        <float[4,4,1,1] w, float[5,4,1,1] v> {
          a = Conv(x, w)
          r = Relu(a)
          b = Conv(r, w)
          s = Relu(b)
          y = Conv(s, v)
        })",
       .edit = dead("w", 1)},
      {.number = "48",
       .title = "a dead channel that a BN shifts",
       .text = R"(g (float[N,3,6,6] x) => (float[N,5,6,6] y)
        <float[8,3,1,1] w, float[8] scale = {1,2,3,4,5,6,7,8}, float[8] shift = {1,1,1,2,1,1,1,1}, float[8] mean, float[8] var, float[5,8,3,3] v> {
          a = Conv(x, w)
          b = BatchNormalization(a, scale, shift, mean, var)
          r = Relu(b)
          y = Conv<pads = [1,1,1,1]>(r, v)
        })",
       .edit = dead("w", 3)},
  };
}

/// What `prune` writes loads, and answers in the same shape.
void pruned(Ran& ran, const std::vector<std::string>& options) {
  std::vector<std::string> args = {"prune", "m.onnx", "-o", "pruned.onnx", "--repair", "none"};
  args.insert(args.end(), options.begin(), options.end());
  const Model model = ran.written(args, "pruned.onnx");
  EXPECT_EQ(interface_of(model), interface_of(ran.original));
  for (const TensorProto& tensor : model.graph().initializer()) {
    if (tensor.dims_size() < 2) continue;
    for (const int64_t dim : tensor.dims()) EXPECT_GE(dim, 1) << tensor.name();
  }
  const Answers answers = ran.answer("pruned");
  ASSERT_EQ(answers.size(), ran.answers.size());
  for (size_t i = 0; i < answers.size(); ++i) EXPECT_EQ(answers[i].tensor.type(), ran.answers[i].tensor.type());
}

std::vector<Row> floor_rows() {
  return {
      {.number = "47a",
       .title = "a share of channels that would empty a layer",
       .text = R"(g (float[N,3,6,6] x) => (float[N,5,6,6] y)
        <float[4,3,1,1] w, float[1,4,1,1] one, float[4,1,1,1] u, float[5,4,1,1] v> {
          a = Conv(x, w)
          r = Relu(a)
          b = Conv(r, one)
          s = Relu(b)
          c = Conv(s, u)
          t = Relu(c)
          y = Conv(t, v)
        })",
       .db = 20,
       .edit =
           [](Model& model) {
             std::vector<float> w = floats_of(*find_initializer(model, "w"));
             for (float& x : w) x *= 1e-3f;
             set_floats(*find_initializer(model, "w"), w);
           },
       .check =
           [](Ran& ran) {
             pruned(ran, {"--channels", "0.99"});
             pruned(ran, {"--sparsity", "0.9", "--force"});
           }},
      {.number = "47b",
       .title = "groups that do not divide what is left",
       .text = R"(g (float[N,6,6,6] x) => (float[N,5,6,6] y)
        <float[12,6,1,1] w, float[9,4,3,3] grouped, float[5,9,1,1] v> {
          a = Conv(x, w)
          r = Relu(a)
          b = Conv<group = 3, pads = [1,1,1,1]>(r, grouped)
          s = Relu(b)
          y = Conv(s, v)
        })",
       .check =
           [](Ran& ran) {
             pruned(ran, {"--channels", "0.4"});
           }},
  };
}

/// Rewrites all numbers of initializer `w`.
std::function<void(Model&)> weights(const std::function<float(size_t, float)>& number) {
  return [=](Model& model) {
    auto& tensor = *find_initializer(model, "w");
    std::vector<float> w = floats_of(tensor);
    for (size_t i = 0; i < w.size(); ++i) w[i] = number(i, w[i]);
    set_floats(tensor, w);
  };
}

/// Shares the weights over codebooks of four entries and expects answers within `db`.
std::function<void(Ran&)> shared(double db, const std::vector<std::string>& more = {}) {
  return [=](Ran& ran) {
    std::vector<std::string> args = {"share", "m.onnx", "-o", "shared.onnx", "--bits", "2", "--repair", "none"};
    args.insert(args.end(), more.begin(), more.end());
    const Model model = ran.written(args, "shared.onnx");
    EXPECT_EQ(interface_of(model), interface_of(ran.original));
    EXPECT_GE(sqnr(ran.answers, ran.answer("shared")), db);
  };
}

constexpr const char* kDense = "g (float[N,16] x) => (float[N,16] y) <float[16,16] w> { y = MatMul(x, w) }";

std::vector<Row> palette_rows() {
  return {
      {.number = "49a",
       .title = "codebooks of negative weights",
       .text = kDense,
       .edit = weights([](size_t, float w) { return -std::abs(w); }),
       .check = shared(15)},
      {.number = "49b",
       .title = "codebooks of equal weights",
       .text = kDense,
       .edit = weights([](size_t, float) { return 0.25f; }),
       .check = shared(120)},
      {.number = "49c",
       .title = "codebooks of four different weights",
       .text = kDense,
       .edit = weights([](size_t i, float) { return static_cast<float>(i % 4) - 1.5f; }),
       .check = shared(120)},
      {.number = "49d",
       .title = "codebooks of 120 channels in groups of 16",
       .text = R"(g (float[N,3,5,5] x) => (float[N,120,3,3] y) <float[120,3,3,3] w> { y = Conv(x, w) })",
       .check = shared(8, {"--group", "16"})},
      {.number = "49e",
       .title = "codebooks of a tied weight",
       .text = R"(g (float[N,16] x) => (float[N,16] y) <float[16,16] w> {
          h = MatMul(x, w)
          r = Relu(h)
          y = MatMul(r, w)
        })",
       .check =
           [](Ran& ran) {  // shared once for both, or left alone with a word why
             const testing::ToolResult said =
                 ran.run({"share", "m.onnx", "-o", "tied.onnx", "--bits", "2", "--repair", "none"});
             EXPECT_EQ(said.exit_code, 0) << said.err;
             Model tied;
             ASSERT_TRUE(tied.ParseFromString(*read_file(ran.folder + "/tied.onnx")));
             const bool left = find_initializer(tied, "w") != nullptr &&
                               find_initializer(tied, "w")->dims_size() == 2 &&
                               find_initializer(tied, "w")->data_type() == TensorProto::FLOAT;
             EXPECT_LE(tied.ByteSizeLong(), ran.original.ByteSizeLong() + 64);
             EXPECT_TRUE(!left || (said.err + said.out).find("w") != std::string::npos);
             EXPECT_GE(sqnr(ran.answers, ran.answer("tied")), 3);
           }},
      {.number = "49f",
       .title = "codebooks of a weight that is int8 already",
       .text = R"(g (float[N,4] x) => (float[N,4] y)
        <int8[4,4] codes = {1,2,3,4,5,6,7,8,-1,-2,-3,-4,-5,-6,-7,127}, float step = {0.02}, int8 zero = {0}> {
          w = DequantizeLinear(codes, step, zero)
          y = MatMul(x, w)
        })",
       .check =
           [](Ran& ran) {
             const testing::ToolResult said = ran.run({"share", "m.onnx", "-o", "s.onnx", "--repair", "none"});
             EXPECT_EQ(said.exit_code, 2);
             EXPECT_NE(said.err.find("compressed already"), std::string::npos) << said.err;
           }},
      {.number = "49g",
       .title = "codebooks of NaN",
       .text = kDense,
       .codes = kInvalid,
       .says = "NaN",
       .edit = weights([](size_t i, float w) { return i == 7 ? NAN : w; })},
  };
}

/// Every selector that is wrong ends in exit code 2 and names itself.
void selectors_check(Ran& ran) {
  const auto refused = [&](const std::vector<std::string>& options, const std::string& what) {
    std::vector<std::string> args = {"quantize", "m.onnx", "-o", "none.onnx", "--calib", "data"};
    args.insert(args.end(), options.begin(), options.end());
    const testing::ToolResult result = ran.run(args);
    EXPECT_EQ(result.exit_code, 2) << what << ": " << result.err;
    EXPECT_NE(result.err.find(what), std::string::npos) << result.err;
  };
  refused({"--only", "nothing*"}, "'nothing*' matches nothing");
  refused({"--skip-op", "LSTM"}, "'LSTM'");
  refused({"--only", "first", "--skip", "first"}, "first");
}

std::vector<Row> selector_rows() {
  return {{.number = "50",
           .title = "selectors that match nothing or contradict",
           .text = R"(g (float[N,4] x) => (float[N,4] y) <float[4,4] w, float[4,4] v> {
          h = MatMul(x, w)
          r = Relu(h)
          y = MatMul(r, v)
        })",
           .edit = [](Model& model) { model.mutable_graph()->mutable_node(0)->set_name("first"); },
           .check = selectors_check}};
}

}  // namespace

std::vector<Row> prune_rows() {
  std::vector<Row> rows;
  for (auto* some : {dead_rows, floor_rows, palette_rows, selector_rows}) {
    for (Row& row : some()) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace edgesmith::nasty
