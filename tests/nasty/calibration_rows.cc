// SPDX-License-Identifier: Apache-2.0
// 51 to 54: kernels and calibration.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "nasty/row.h"

namespace edgesmith::nasty {
namespace {

using ::onnx::TensorProto;

/// The kernels that `infer` runs answer like the reference: floats up to rounding, the int8 model bit for bit.
void like_the_reference(Ran& ran) {
  expect_same(ran.answer("m", "data", {"--reference"}), ran.answers, 2e-5);
  expect_same(ran.answer("int8", "data", {"--reference"}), ran.int8_answers, 0);
}

/// A convolution of these channels, kernel and picture between two others.
Row conv_row(const std::string& number, const std::string& title, int channels, int kernel, int size,
             const std::string& attributes) {
  const std::string c = std::to_string(channels), k = std::to_string(kernel), s = std::to_string(size);
  return {.number = number,
          .title = title,
          .text = "g (float[N," + c + "," + s + "," + s + "] x) => (float[N,3,A,B] y)\n<float[" + c + "," + c +
                  ",1,1] u, float[" + c + "," + c + "," + k + "," + k + "] w, float[" + c + "] b, float[3," + c +
                  ",1,1] v> {\n  a = Conv(x, u)\n  r = Relu(a)\n  c = Conv<" + attributes +
                  ">(r, w, b)\n  d = Relu(c)\n  y = Conv(d, v)\n}",
          .check = like_the_reference};
}

std::vector<Row> kernel_rows() {
  std::vector<Row> rows = {
      conv_row("51a", "one channel", 1, 3, 6, "pads = [1,1,1,1]"),
      conv_row("51b", "three channels", 3, 3, 6, "pads = [1,1,1,1]"),
      conv_row("51c", "30 channels", 30, 3, 6, "pads = [1,1,1,1]"),
      conv_row("51d", "33 channels", 33, 3, 6, "pads = [1,1,1,1]"),
      conv_row("51e", "a picture of one pixel", 8, 1, 1, "pads = [0,0,0,0]"),
      conv_row("51f", "a kernel larger than the picture", 8, 5, 2, "pads = [2,2,2,2]"),
      conv_row("52a", "3x3 without padding", 8, 3, 7, "pads = [0,0,0,0]"),
      conv_row("52b", "3x3 with a border of two", 8, 3, 7, "pads = [2,2,2,2]"),
      conv_row("52c", "3x3 with dilation 2", 8, 3, 7, "pads = [2,2,2,2], dilations = [2,2]"),
  };
  rows.push_back({.number = "52d",
                  .title = "3x3 in groups",
                  .text = R"(g (float[N,8,7,7] x) => (float[N,8,7,7] y) <float[8,2,3,3] w, float[8] b> {
      c = Conv<group = 4, pads = [1,1,1,1]>(x, w, b)
      y = Relu(c)
    })",
                  .check = like_the_reference});
  rows.push_back({.number = "52e",
                  .title = "3x3 in float16",
                  .text = R"(g (float[N,8,7,7] x) => (float[N,4,7,7] y) <float[4,8,3,3] w> {
      xh = Cast<to = 10>(x)
      wh = Cast<to = 10>(w)
      c = Conv<pads = [1,1,1,1]>(xh, wh)
      y = Cast<to = 1>(c)
    })",
                  .within = 1e-3,
                  .check = [](Ran& ran) { expect_same(ran.answer("m", "data", {"--reference"}), ran.answers, 1e-3); }});
  return rows;
}

constexpr const char* kStateful =
    R"(g (float[N,T,6] x, float[N,T,1] mask, float[1,N,8] h0, float[1,N,8] c0) => (float[N,4] y, float[1,N,8] h, float[1,N,8] c)
  <float[1,32,6] W, float[1,32,8] R, float[1,64] B, float[8,4] v, int64[1] zero = {0}> {
    m = Mul(x, mask)
    t = Transpose<perm = [1,0,2]>(m)
    o, h, c = LSTM<hidden_size = 8>(t, W, R, B, , h0, c0)
    s = Squeeze(h, zero)
    y = MatMul(s, v)
  })";

/// Sequences of several lengths, each a folder of its own; a missing input is named.
void stateful_check(Ran& ran) {
  for (const int64_t length : {1, 3, 17}) {
    const std::string data = "length" + std::to_string(length);
    std::filesystem::create_directory(ran.folder + "/" + data);
    write_inputs(ran.original, {{"N", 1}, {"T", length}}, ran.folder + "/" + data, 3);
    expect_same(ran.answer("m", data), ran.answer("simple", data), 1e-5);
    EXPECT_GE(sqnr(ran.answer("m", data), ran.answer("int8", data)), 12) << "calibrated on another length";
  }
  std::filesystem::remove(ran.folder + "/data/input_3.pb");
  const testing::ToolResult missing = ran.run({"infer", "m.onnx", "--data", "data", "-o", "none.npz"});
  EXPECT_EQ(missing.exit_code, 3) << "data that lack an input are invalid";
  EXPECT_NE(missing.err.find("'c0'"), std::string::npos) << missing.err;
}

std::vector<Row> range_rows() {
  return {
      {.number = "53",
       .title = "an input with rare outliers",
       .text = R"(g (float[1,3,32,32] x) => (float[1,4,32,32] y) <float[4,3,1,1] w> {
          y = Conv(x, w)
        })",
       .check =
           [](Ran& ran) {
             // The code of the input reaches its outlier.
             for (const auto& node : ran.int8.graph().node()) {
               if (node.op_type() != "QuantizeLinear" || node.input(0) != "x") continue;
               EXPECT_GE(255 * floats_of(*find_initializer(ran.int8, node.input(1)))[0], 2.57f);
               return;
             }
             ADD_FAILURE() << "the input has no code";
           },
       .inputs =
           [](const std::string& folder) {
             std::vector<float> x(3 * 32 * 32);
             for (size_t i = 0; i < x.size(); ++i) x[i] = 0.4f * static_cast<float>(i * 2654435761u % 1000) / 1000;
             x[100] = 2.57f;
             write_input(float_tensor("x", {1, 3, 32, 32}, x), folder, 0);
           }},
      {.number = "54",
       .title = "states as inputs and outputs",
       .text = kStateful,
       .db = 20,
       .sizes = {{"T", 5}},
       .check = stateful_check},
  };
}

}  // namespace

std::vector<Row> calibration_rows() {
  std::vector<Row> rows = kernel_rows();
  for (Row& row : range_rows()) rows.push_back(std::move(row));
  return rows;
}

}  // namespace edgesmith::nasty
