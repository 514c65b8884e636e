// SPDX-License-Identifier: Apache-2.0
// 28 to 38: numbers.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "nasty/row.h"

namespace edgesmith::nasty {
namespace {

using ::onnx::TensorProto;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// Changes numbers of initializer `name`.
std::function<void(Model&)> with_numbers(const std::string& name,
                                         const std::function<void(std::vector<float>&)>& change) {
  return [=](Model& model) {
    auto& tensor = *find_initializer(model, name);
    std::vector<float> values = floats_of(tensor);
    change(values);
    set_floats(tensor, values);
  };
}

/// Feeds these numbers as the one input x.
std::function<void(const std::string&)> feed(const std::vector<int64_t>& dims,
                                             const std::function<float(size_t)>& number) {
  return [=](const std::string& folder) {
    int64_t count = 1;
    for (const int64_t dim : dims) count *= dim;
    std::vector<float> values(static_cast<size_t>(count));
    for (size_t i = 0; i < values.size(); ++i) values[i] = number(i);
    write_input(float_tensor("x", dims, values), folder, 0);
  };
}

/// SQNR of channels `first` to `last` of an output of [1, channels, inner].
double channels_sqnr(const Ran& ran, const Answers& answers, const std::string& name, size_t channels, size_t first,
                     size_t last) {
  const std::vector<float> a = Ran::floats(ran.answers, name), b = Ran::floats(answers, name);
  const size_t inner = a.size() / channels;
  double signal = 0, noise = 1e-30;
  for (size_t i = first * inner; i < last * inner && i < b.size(); ++i) {
    signal += double(a[i]) * a[i];
    noise += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
  }
  return 10 * std::log10(signal / noise);
}

constexpr const char* kConv = R"(g (float[1,3,6,6] x) => (float[1,4,4,4] y) <float[4,3,3,3] w, float[4] b> {
    y = Conv(x, w, b)
  })";
/// The first of four filters decayed: at most 1e-9, with a bias of 5.
void decay(Model& model) {
  with_numbers("w", [](auto& w) {
    for (size_t i = 0; i < 27; ++i) w[i] *= 1e-9f;
  })(model);
  with_numbers("b", [](auto& b) { b[0] = 5; })(model);
}

/// Weights that are codes before the ranges of values are known have scales that a bias of such a filter does not fit:
/// 1e-9 / 7 * 0.008 * 2^31 is 0.003.
void codes_have_room(Ran& ran) {
  const std::vector<std::vector<std::string>> forms = {
      {"quantize", "--weights-only"},
      {"quantize", "--weights", "int4"},
      {"quantize", "--weights", "int4", "--asymmetric"},
      {"share", "--bits", "3", "--codebook", "scaled"},
      {"share", "--bits", "4", "--codebook", "scaled"},
  };
  for (const std::vector<std::string>& form : forms) {
    std::vector<std::string> args = {form[0], "m.onnx", "-o", "codes.onnx", "--calib", "data", "--force"};
    args.insert(args.end(), form.begin() + 1, form.end());
    ran.written(args, "codes.onnx");
    ran.written({"quantize", "codes.onnx", "-o", "both.onnx", "--calib", "data", "--force"}, "both.onnx");
    const Answers codes = ran.answer("codes"), both = ran.answer("both");
    EXPECT_GT(channels_sqnr(ran, both, "y", 4, 0, 1), 35) << form.back();
    EXPECT_GT(channels_sqnr(ran, both, "y", 4, 1, 4), std::min(channels_sqnr(ran, codes, "y", 4, 1, 4), 43.0) - 8)
        << form.back();
  }
  const std::vector<std::string> at_once = {"quantize", "m.onnx",    "-o",   "once.onnx",     "--calib",
                                            "data",     "--weights", "int4", "--activations", "uint8"};
  ran.written(at_once, "once.onnx");
  EXPECT_GT(channels_sqnr(ran, ran.answer("once"), "y", 4, 0, 1), 35);
}

constexpr const char* kProduct = "g (float[1,4] x) => (float[1,4] y) <float[4,4] w> { y = MatMul(x, w) }";

std::vector<Row> weight_rows() {
  return {
      {.number = "28a",
       .title = "a filter of zeros with a bias",
       .text = kConv,
       .edit =
           [](Model& model) {
             with_numbers("w", [](auto& w) { std::fill(w.begin(), w.begin() + 27, 0.0f); })(model);
             with_numbers("b", [](auto& b) { b[0] = 3; })(model);
           },
       .check = [](Ran& ran) { EXPECT_GT(channels_sqnr(ran, ran.int8_answers, "y", 4, 0, 1), 35); }},
      {.number = "28b",
       .title = "a filter of at most 1e-9 with a bias of 5",
       .text = kConv,
       .edit = decay,
       .check =
           [](Ran& ran) {
             EXPECT_GT(channels_sqnr(ran, ran.int8_answers, "y", 4, 0, 1), 35) << "the int32 bias overflowed";
           }},
      {.number = "28c",
       .title = "such a filter whose weights are codes before values are",
       .text = kConv,
       .edit = decay,
       .check = codes_have_room},
      {
          .number = "29a",
          .title = "a bias beyond what int32 holds in its scale",
          .text = kConv,
          .db = 20,
          .edit = with_numbers("b",
                               [](auto& b) {
                                 b[0] = -3e6f;
                                 b[1] = 3e6f;
                               }),
      },
      {.number = "29b",
       .title = "NaN in a weight",
       .text = kProduct,
       .codes = kInvalid,
       .says = "'w' holds NaN",
       .edit = with_numbers("w", [](auto& w) { w[5] = kNan; })},
      {.number = "29c",
       .title = "an infinity in a weight",
       .text = kProduct,
       .codes = kInvalid,
       .says = "'w' holds an infinity",
       .edit = with_numbers("w", [](auto& w) { w[5] = -kInf; })},
      {.number = "29d",
       .title = "denormal weights",
       .text = kProduct,
       .edit = with_numbers("w",
                            [](auto& w) {
                              for (size_t i = 0; i < w.size(); i += 2) w[i] = 1e-41f;
                            })},
      {.number = "29e",
       .title = "nothing but denormal weights",
       .text = kProduct,
       .db = -1e9,
       .edit = with_numbers("w",
                            [](auto& w) {
                              for (float& x : w) x = 1e-41f;
                            }),
       .check =
           [](Ran& ran) {
             for (const float y : Ran::floats(ran.int8_answers, "y")) EXPECT_LT(std::abs(y), 1e-6f);
           }},
  };
}

constexpr const char* kTwoLayers = R"(g (float[N,4] x) => (float[N,4] y) <float[4,4] w, float[4,4] v, float[4] b> {
    h = MatMul(x, w)
    s = Add(h, b)
    r = Relu(s)
    y = MatMul(r, v)
  })";

std::vector<Row> sample_rows() {
  return {
      {.number = "30a",
       .title = "a sample with NaN",
       .text = kTwoLayers,
       .codes = {.quantize = 3, .infer = 3},
       .says = "sample",
       .inputs = feed({2, 4}, [](size_t i) { return i == 3 ? kNan : 1.0f; })},
      {.number = "30b",
       .title = "a sample with an infinity",
       .text = kTwoLayers,
       .codes = {.quantize = 3, .infer = 3},
       .says = "nf",
       .inputs = feed({2, 4}, [](size_t i) { return i == 3 ? kInf : 1.0f; })},
      {.number = "30c",
       .title = "samples of zeros",
       .text = kTwoLayers,
       .db = 15,
       .inputs = feed({2, 4}, [](size_t) { return 0.0f; })},
      {.number = "30d",
       .title = "constant samples",
       .text = kTwoLayers,
       .inputs = feed({2, 4}, [](size_t) { return 0.7f; })},
      {.number = "30e",
       .title = "a Relu that never fires",
       .text = kTwoLayers,
       .edit = with_numbers("b",
                            [](auto& b) {
                              for (float& x : b) x = -100;
                            }),
       .check =
           [](Ran& ran) {
             for (const float y : Ran::floats(ran.int8_answers, "y")) EXPECT_EQ(y, 0);
           }},
      {.number = "31a",
       .title = "a mask of minus infinity through Where",
       .text = R"(g (float[1,4,8] x, bool[1,4,4] mask) => (float[1,4,8] y)
        <float[8,8] wq, float[8,8] wk, float low = {-1}> {
          q = MatMul(x, wq)
          k = MatMul(x, wk)
          t = Transpose<perm = [0,2,1]>(k)
          s = MatMul(q, t)
          m = Where(mask, s, low)
          p = Softmax<axis = -1>(m)
          y = MatMul(p, x)
        })",
       .db = 22,
       .edit = with_numbers("low", [](auto& low) { low = {-kInf}; }),
       .inputs =
           [](const std::string& folder) {
             std::vector<float> x(32);
             for (size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<float>(i * i));
             write_input(float_tensor("x", {1, 4, 8}, x), folder, 0);
             TensorProto mask;
             mask.set_name("mask");
             mask.set_data_type(TensorProto::BOOL);
             for (const int64_t dim : {1, 4, 4}) mask.add_dims(dim);
             for (int i = 0; i < 16; ++i) mask.add_int32_data(i % 4 <= i / 4 ? 1 : 0);
             write_input(mask, folder, 1);
           }},
      {.number = "31b",
       .title = "a mask of -3.4e38 through Add",
       .text = R"(g (float[1,4,8] x) => (float[1,4,8] y)
        <float[8,8] wq, float[1,4,4] mask = {0,-1,-1,-1, 0,0,-1,-1, 0,0,0,-1, 0,0,0,0}> {
          q = MatMul(x, wq)
          t = Transpose<perm = [0,2,1]>(x)
          s = MatMul(q, t)
          m = Add(s, mask)
          p = Softmax<axis = -1>(m)
          y = MatMul(p, x)
        })",
       .db = 22,
       .edit = with_numbers("mask",
                            [](auto& m) {
                              for (float& x : m) x = x < 0 ? -3.4028235e38f : 0;
                            })},
      {.number = "31c",
       .title = "a mask of -65504 made by Mul",
       .text = R"(g (float[1,4,8] x, float[1,4,4] keep) => (float[1,4,8] y)
        <float[8,8] wq, float one = {1}, float low = {-65504}> {
          q = MatMul(x, wq)
          t = Transpose<perm = [0,2,1]>(x)
          s = MatMul(q, t)
          drop = Sub(one, keep)
          bias = Mul(drop, low)
          m = Add(s, bias)
          p = Softmax<axis = -1>(m)
          y = MatMul(p, x)
        })",
       .db = 22,
       .inputs =
           [](const std::string& folder) {
             std::vector<float> x(32), keep(16);
             for (size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<float>(i * i));
             for (size_t i = 0; i < keep.size(); ++i) keep[i] = i % 4 <= i / 4 ? 1 : 0;
             write_input(float_tensor("x", {1, 4, 8}, x), folder, 0);
             write_input(float_tensor("keep", {1, 4, 4}, keep), folder, 1);
           }},
  };
}

std::vector<Row> concat_rows() {
  return {
      {.number = "32a",
       .title = "boxes beside scores",
       .text = R"(g (float[1,4,10] x) => (float[1,6,10] y) <float[4,4,1] wb, float[2,4,1] ws, float k = {320}> {
          b0 = Conv(x, wb)
          b = Mul(b0, k)
          s0 = Conv(x, ws)
          s = Sigmoid(s0)
          y = Concat<axis = 1>(b, s)
        })",
       .check =
           [](Ran& ran) {
             EXPECT_GT(channels_sqnr(ran, ran.int8_answers, "y", 6, 0, 4), 25) << "boxes";
             EXPECT_GT(channels_sqnr(ran, ran.int8_answers, "y", 6, 4, 6), 25) << "scores share the scale of the boxes";
           }},
      {.number = "32b",
       .title = "concat of concats of one tensor twice and of a constant",
       .text = R"(g (float[1,4,6,6] x) => (float[1,4,6,6] y)
        <float[4,4,1,1] w, float[1,2,6,6] k, float[4,14,1,1] v> {
          a = Conv(x, w)
          r = Relu(a)
          b = Concat<axis = 1>(r, r)
          c = Concat<axis = 1>(b, k)
          d = Concat<axis = 1>(c, x)
          y = Conv(d, v)
        })"},
      {.number = "33a",
       .title = "pairs of products beyond 16 bits",
       .text = R"(g (float[1,2] x) => (float[1,1] y) <float[2,1] w = {-81, -80}> { y = MatMul(x, w) })",
       .check =
           [](Ran& ran) {  // as devices sum, and as x86 without VNNI does with the weights that the default allows
             const double exact = Ran::floats(ran.answers, "y")[0];
             EXPECT_NEAR(Ran::floats(ran.int8_answers, "y")[0] / exact, 1, 0.02);
             const Answers pairs = ran.answer("int8", "data", {"--arithmetic", "x86-u8s8-saturating"});
             EXPECT_NEAR(Ran::floats(pairs, "y")[0] / exact, 1, 0.02);
           },
       .inputs = feed({1, 2}, [](size_t i) { return i == 0 ? 210.0f : 198.0f; })},
      {.number = "33b",
       .title = "sums of 66400 products",
       .text = "g (float[1,66400] x) => (float[1,2] y) <float[66400,2] w> { y = MatMul(x, w) }",
       .edit = with_numbers("w",
                            [](auto& w) {
                              for (float& x : w) x = 1;
                            }),
       .inputs = feed({1, 66400}, [](size_t) { return 1.0f; })},
      {.number = "34a",
       .title = "Relu and Clips with int8 activations",
       .text = R"(g (float[1,4,6,6] x) => (float[1,4,6,6] y)
        <float[4,4,1,1] w1, float[4,4,1,1] w2, float[4,4,1,1] w3, float[4,4,1,1] w4, float zero = {0}, float six = {6}, float one = {1}, float mone = {-1}> {
          a = Conv(x, w1)
          b = Relu(a)
          c = Conv(b, w2)
          d = Clip(c, zero, six)
          e = Conv(d, w3)
          f = Clip(e, mone, one)
          h = Conv(f, w4)
          y = Clip(h, mone)
        })",
       .quantize_args = {"--activations", "int8"}},
      {.number = "34b",
       .title = "a Clip whose bound another node computes",
       .text = R"(g (float[1,4,6,6] x) => (float[1,4,6,6] y) <float[4,4,1,1] w1> {
          a = Conv(x, w1)
          low = ReduceMin<keepdims = 0>(x)
          high = ReduceMax<keepdims = 0>(x)
          y = Clip(a, low, high)
        })"},
      {.number = "35",
       .title = "codes on every tie",
       .text = R"(g (float[1,8] x) => (float[1,8] y, float[1,8] z)
        <float s = {1}, uint8 z8 = {10}, float[8,8] w = {1,0,0,0,0,0,0,0, 0,1,0,0,0,0,0,0, 0,0,1,0,0,0,0,0, 0,0,0,1,0,0,0,0, 0,0,0,0,1,0,0,0, 0,0,0,0,0,1,0,0, 0,0,0,0,0,0,1,0, 0,0,0,0,0,0,0,1}> {
          q = QuantizeLinear(x, s, z8)
          y = DequantizeLinear(q, s, z8)
          h = MatMul(y, w)
          z = Relu(h)
        })",
       .db = 0,
       .check =
           [](Ran& ran) {  // half to even
             const std::vector<float> even = {0, 2, 2, 4, 0, -2, -2, -4};
             EXPECT_EQ(Ran::floats(ran.answers, "y"), even);
             EXPECT_EQ(Ran::floats(ran.answer("m", "data", {"--reference"}), "y"), even);
             EXPECT_EQ(Ran::floats(ran.int8_answers, "y"), even);
           },
       .inputs =
           feed({1, 8},
                [](size_t i) { return (i < 4 ? 0.5f : -0.5f) + (i < 4 ? 1.0f : -1.0f) * static_cast<float>(i % 4); })},
  };
}

/// Gives initializer `name` elements of another type, kept in raw data.
void set_raw(Model& model, const std::string& name, int type, const std::vector<int64_t>& dims,
             const std::string& raw) {
  auto& tensor = *find_initializer(model, name);
  tensor.Clear();
  tensor.set_name(name);
  tensor.set_data_type(type);
  for (const int64_t dim : dims) tensor.add_dims(dim);
  tensor.set_raw_data(raw);
}

/// The initializer is in the output as it was.
void expect_kept(const Ran& ran, const Model& model, const std::string& name) {
  const TensorProto* kept = find_initializer(model, name);
  ASSERT_NE(kept, nullptr) << name;
  EXPECT_EQ(kept->SerializeAsString(), find_initializer(ran.original, name)->SerializeAsString()) << name;
}

std::vector<Row> quantized_rows() {
  return {
      {.number = "36a",
       .title = "a Q DQ model",
       .text = R"(g (float[N,4] x) => (float[N,3] y)
        <int8[4,3] codes = {1,2,3,4,5,6,7,8,-1,-2,-3,127}, float[3] step = {0.02, 0.1, 0.5}, int8[3] zero = {0,0,0}, float s = {0.01}, uint8 z = {128}, float t = {0.3}> {
          q = QuantizeLinear(x, s, z)
          d = DequantizeLinear(q, s, z)
          w = DequantizeLinear<axis = 1>(codes, step, zero)
          h = MatMul(d, w)
          hq = QuantizeLinear(h, t, z)
          y = DequantizeLinear(hq, t, z)
        })",
       .db = 100,
       .check =
           [](Ran& ran) {
             EXPECT_EQ(count_nodes(ran.simple, "QuantizeLinear"), 2);
             EXPECT_EQ(count_nodes(ran.int8, "QuantizeLinear"), 2) << "quantized twice";
             EXPECT_EQ(count_initializers(ran.simple, TensorProto::FLOAT), 3) << "codes became floats";
           }},
      {.number = "36b",
       .title = "a model of QLinear operators",
       .text = R"(g (float[N,4] x) => (float[N,3] y)
        <int8[4,3] w = {1,2,3,4,5,6,7,8,-1,-2,-3,127}, float[3] step = {0.02, 0.1, 0.5}, int8[3] zero = {0,0,0}, float s = {0.01}, uint8 z = {128}, float t = {0.3}> {
          q = QuantizeLinear(x, s, z)
          h = QLinearMatMul(q, s, z, w, step, zero, t, z)
          y = DequantizeLinear(h, t, z)
        })",
       .db = 100,
       .check =
           [](Ran& ran) {
             EXPECT_EQ(count_nodes(ran.simple, "QLinearMatMul") + count_nodes(ran.simple, "MatMul"), 1);
           }},
      {.number = "36c",
       .title = "4 bit weights",
       .text =
           R"(<ir_version: 10, opset_import: ["" : 21]> g (float[N,4] x) => (float[N,4] y) <float[4,4] codes, float[4] step = {0.1, 0.2, 0.3, 0.05}> {
          w = DequantizeLinear<axis = 1>(codes, step)
          y = MatMul(x, w)
        })",
       .edit =
           [](Model& model) {
             set_raw(model, "codes", 22, {4, 4}, std::string("\x12\x34\x7f\x80\x01\xe2\x55\x99", 8));
           },
       .check = [](Ran& ran) { EXPECT_EQ(count_initializers(ran.simple, static_cast<TensorProto::DataType>(22)), 1); }},
      {.number = "36d",
       .title = "16 bit activations",
       .text =
           R"(<ir_version: 10, opset_import: ["" : 21]> g (float[N,4] x) => (float[N,4] y) <float[4,4] w, float s = {0.00005}, float z> {
          q = QuantizeLinear(x, s, z)
          d = DequantizeLinear(q, s, z)
          y = MatMul(d, w)
        })",
       .edit = [](Model& model) { set_raw(model, "z", TensorProto::UINT16, {}, std::string("\x00\x80", 2)); }},
      {.number = "36e",
       .title = "one DequantizeLinear for three readers",
       .text = R"(g (float[N,4] x) => (float[N,4] a, float[N,4] b, float[N,4] c)
        <float s = {0.01}, uint8 z = {128}, float[4,4] w> {
          q = QuantizeLinear(x, s, z)
          d = DequantizeLinear(q, s, z)
          a = Relu(d)
          b = Neg(d)
          c = MatMul(d, w)
        })",
       .check = [](Ran& ran) { EXPECT_EQ(count_nodes(ran.simple, "QuantizeLinear"), 1); }},
      {.number = "36f",
       .title = "two pairs with different scales back to back",
       .text = R"(g (float[N,4] x) => (float[N,4] y)
        <float s = {0.02}, float t = {0.3}, uint8 z = {128}> {
          q = QuantizeLinear(x, s, z)
          d = DequantizeLinear(q, s, z)
          q2 = QuantizeLinear(d, t, z)
          y = DequantizeLinear(q2, t, z)
        })",
       .db = 100,
       .check =
           [](Ran& ran) {
             EXPECT_EQ(count_nodes(ran.simple, "QuantizeLinear"), 2) << "rounding twice is not rounding once";
           }},
  };
}

std::vector<Row> type_rows() {
  return {
      {.number = "37a",
       .title = "float16",
       .text = R"(g (float16[N,4] x) => (float16[N,4] y) <float[4,4] w> {
          h = MatMul(x, w)
          y = Relu(h)
        })",
       .db = 20,
       .edit =
           [](Model& model) {  // 0.5, -1, 0 and 1
             std::string raw;
             for (int i = 0; i < 4; ++i) raw += std::string("\x00\x38\x00\xBC\x00\x00\x00\x3C", 8);
             set_raw(model, "w", TensorProto::FLOAT16, {4, 4}, raw);
           }},
      {.number = "37b",
       .title = "double",
       .text = R"(g (double[N,4] x) => (double[N,4] y) <double[4,4] w = {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16}> {
          h = MatMul(x, w)
          y = Relu(h)
        })",
       .db = 20},
      {.number = "37c",
       .title = "bfloat16 between casts",
       .text = R"(g (float[N,4] x) => (float[N,4] y) <float[4,4] w> {
          h = MatMul(x, w)
          b = Cast<to = 16>(h)
          r = Relu(b)
          y = Cast<to = 1>(r)
        })",
       .opset = 14},
      {.number = "37d",
       .title = "inputs of int32 int64 bool and string",
       .text =
           R"(g (int32[N] a, int64[N] b, bool[N] c, string[N] s) => (int32[N] i, int64[N] j, bool[N] k, string[N] t) {
          i = Add(a, a)
          j = Mul(b, b)
          k = Not(c)
          t = Identity(s)
        })",
       .codes = {.infer = 4},
       .says = "string"},
      {.number = "37e",
       .title = "element types that nothing handles",
       .text =
           R"(g (float[N,4] x) => (float[N,4] y, float[4] u) <float[4,4] w, float[4] f8, float[4] i4, float[4] c64, float[4] strange> {
          u = com.acme.Use(f8, i4, c64)
          y = MatMul(x, w)
        })",
       .codes = {.quantize = 4, .infer = 4},
       .says = "Use",
       .edit =
           [](Model& model) {
             set_raw(model, "f8", 17, {4}, "abcd");
             set_raw(model, "i4", 22, {4}, "ab");
             set_raw(model, "c64", TensorProto::COMPLEX64, {1}, "abcdefgh");
             set_raw(model, "strange", TensorProto::UINT64, {1}, "abcdefgh");
           },
       .check =
           [](Ran& ran) {
             for (const char* name : {"f8", "i4", "c64"}) expect_kept(ran, ran.simple, name);
           }},
      {.number = "37f",
       .title = "an element type newer than we know",
       .text = R"(g (float[N,4] x) => (float[N,4] y, float[4] u) <float[4,4] w, float[4] t> {
          u = com.acme.Use(t)
          y = MatMul(x, w)
        })",
       .codes = {4, 4, 4, 4},
       .says = "element type 77",
       .edit = [](Model& model) { set_raw(model, "t", 77, {4}, "abcd"); }},
      {.number = "38", .title = "residual adds of every kind", .text = R"(g (float[N,4,6,6] x) => (float[N,4,6,6] y)
        <float[4,4,3,3] w, float[4,1,1] c, float half = {0.5}, float[4,4,1,1] se> {
          a = Conv<pads = [1,1,1,1]>(x, w)
          b = Add(a, x)
          d = Add(b, b)
          e = Add(d, c)
          p = GlobalAveragePool(e)
          q = Conv(p, se)
          r = Sigmoid(q)
          f = Mul(e, r)
          y = Mul(f, half)
        })"},
  };
}

}  // namespace

std::vector<Row> number_rows() {
  std::vector<Row> rows;
  for (auto* some : {weight_rows, sample_rows, concat_rows, quantized_rows, type_rows}) {
    for (Row& row : some()) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace edgesmith::nasty
