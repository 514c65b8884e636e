// SPDX-License-Identifier: Apache-2.0
// 19 to 27: shapes.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "nasty/row.h"

namespace edgesmith::nasty {
namespace {

using ::onnx::TensorProto;

/// The answers stay equal at other sizes, too.
std::function<void(Ran&)> same_at(const std::map<std::string, int64_t>& sizes) {
  return [sizes](Ran& ran) {
    std::filesystem::create_directory(ran.folder + "/other");
    write_inputs(ran.original, sizes, ran.folder + "/other", 2);
    expect_same(ran.answer("m", "other"), ran.answer("simple", "other"), 1e-5);
    EXPECT_GE(sqnr(ran.answer("m", "other"), ran.answer("int8", "other")), 20);
  };
}

constexpr const char* kSmall = R"(g (float[N,3,6,6] x) => (float[N,4] y) <float[4,3,3,3] w, float[4] b> {
    c = Conv(x, w, b)
    r = Relu(c)
    y = ReduceMean<axes = [2,3], keepdims = 0>(r)
  })";

/// The declared type of tensor `name`, added to value_info.
void declare(Model& model, const std::string& name, const std::vector<int64_t>& dims) {
  auto& info = *model.mutable_graph()->add_value_info();
  info.set_name(name);
  info.mutable_type()->mutable_tensor_type()->set_elem_type(1);
  auto& shape = *info.mutable_type()->mutable_tensor_type()->mutable_shape();
  for (const int64_t dim : dims) shape.add_dim()->set_dim_value(dim);
}

::onnx::TensorShapeProto& shape_of(::onnx::ValueInfoProto& value) {
  return *value.mutable_type()->mutable_tensor_type()->mutable_shape();
}

std::vector<Row> declared_rows() {
  return {
      {.number = "19a", .title = "no types of intermediate values", .text = kSmall},
      {.number = "19b",
       .title = "a declared type of another rank",
       .text = kSmall,
       .edit =
           [](Model& model) {
             declare(model, "c", {1, 4});
           },
       .check = [](Ran& ran) { EXPECT_EQ(ran.int8.graph().value_info_size(), 0); },
       .true_types = false},
      {.number = "19c",
       .title = "a declared type with another dim",
       .text = kSmall,
       .edit =
           [](Model& model) {
             declare(model, "c", {1, 4, 9, 9});
           },
       .true_types = false},
      {.number = "19d",
       .title = "an output without a shape",
       .text = kSmall,
       .edit =
           [](Model& model) {
             model.mutable_graph()->mutable_output(0)->mutable_type()->mutable_tensor_type()->clear_shape();
           }},
      {.number = "19e",
       .title = "declared dims of 0 and -1",
       .text = kSmall,
       .edit =
           [](Model& model) {
             shape_of(*model.mutable_graph()->mutable_input(0)).mutable_dim(0)->set_dim_value(-1);
             shape_of(*model.mutable_graph()->mutable_output(0)).mutable_dim(0)->set_dim_value(-1);
           },
       .true_types = false},
      {.number = "19f",
       .title = "an output declared with another dim",
       .text = kSmall,
       .edit =
           [](Model& model) { shape_of(*model.mutable_graph()->mutable_output(0)).mutable_dim(1)->set_dim_value(7); },
       .true_types = false},
      {.number = "19g",
       .title = "one symbol for two sizes",
       .text = R"(g (float[N,A] x, float[N,A] z) => (float[N,5] y)
        <float[3,5] w, float[5,5] v> {
          a = MatMul(x, w)
          b = MatMul(z, v)
          y = Add(a, b)
        })",
       .inputs =
           [](const std::string& folder) {
             write_input(float_tensor("x", {2, 3}, {1, 2, 3, -1, -2, -3}), folder, 0);
             write_input(float_tensor("z", {2, 5}, {1, 2, 3, 4, 5, -1, -2, -3, -4, -5}), folder, 1);
           },
       .true_types = false},
  };
}

std::vector<Row> dynamic_rows() {
  return {
      {.number = "20",
       .title = "shape arithmetic stays dynamic",
       .text = R"(g (float[N,3,H,W] x) => (float[N,4,H2,W2] y, float[N,R] z)
        <float[4,3,3,3] w, int64 two = {2}, int64 three = {3}, int64[1] zero = {0}, float half = {0.5}, int64[1] minus = {-1}, float[0] roi = {}, float[0] none = {}> {
          c = Conv<pads = [1,1,1,1]>(x, w)
          r = Relu(c)
          s = Shape(r)
          h = Gather(s, two)
          v = Gather(s, three)
          hf = Cast<to = 1>(h)
          vf = Cast<to = 1>(v)
          hh = Mul(hf, half)
          vh = Mul(vf, half)
          hl = Floor(hh)
          vl = Floor(vh)
          hi = Cast<to = 7>(hl)
          vi = Cast<to = 7>(vl)
          hu = Unsqueeze(hi, zero)
          vu = Unsqueeze(vi, zero)
          n = Slice(s, zero, b, zero)
          b = Constant<value = int64[1] {2}>()
          size = Concat<axis = 0>(n, hu, vu)
          y = Resize<mode = "linear", coordinate_transformation_mode = "asymmetric">(r, roi, none, size)
          one = Constant<value = int64[1] {1}>()
          batch = Slice(s, zero, one, zero)
          flat = Concat<axis = 0>(batch, minus)
          z = Reshape(r, flat)
        })",
       .sizes = {{"H", 8}, {"W", 6}},
       .check =
           [](Ran& ran) {
             same_at({{"N", 1}, {"H", 11}, {"W", 5}})(ran);
           }},
      {.number = "21a",
       .title = "a tensor of no elements in the middle",
       .text = R"(g (float[1,1,1,4] x) => (float[1,1,1,5] y)
        <float[4,5] w, int64[1] two = {2}, int64[1] axis = {3}> {
          e = Slice(x, two, two, axis)
          b = Concat<axis = 3>(x, e)
          y = MatMul(b, w)
        })"},
      {.number = "21b",
       .title = "an output of no elements",
       .text = R"(g (float[1,1,1,4] x) => (float[1,1,1,0] e, float[1,1,1,5] y)
        <float[4,5] w, int64[1] two = {2}, int64[1] axis = {3}> {
          s = Relu(x)
          e = Slice(s, two, two, axis)
          y = MatMul(s, w)
        })"},
      {.number = "22a",
       .title = "scalars in and between",
       .text = R"(g (float[N,4] x, float gain) => (float[N,4] y, float s)
        <float[4,4] w, float half = {0.5}> {
          h = MatMul(x, w)
          k = Mul(h, gain)
          g2 = Mul(gain, half)
          y = Add(k, g2)
          s = ReduceSum<keepdims = 0>(y)
        })",
       .db = 20},
      {.number = "22b",
       .title = "a bias of one element for 64 channels",
       .text = R"(g (float[N,3,5,5] x) => (float[N,64,3,3] y) <float[64,3,3,3] w, float[1] b = {0.3}> {
          c = Conv(x, w)
          a = Add(c, b)
          y = Relu(a)
        })",
       .grows = 256},
      {.number = "22c",
       .title = "a scalar between Q and DQ",
       .text = R"(g (float[N,4] x, float gain) => (float[N,4] y) <float s = {0.0078125}, uint8 z = {128}> {
          q = QuantizeLinear(gain, s, z)
          d = DequantizeLinear(q, s, z)
          y = Mul(x, d)
        })"},
      {.number = "23a",
       .title = "slices with negative steps and endless bounds",
       .text = R"(g (float[N,6,4] x) => (float[N,3,4] a, float[N,6,4] b, float[N,6,4] c, float[N,4] d)
        <int64[1] axis = {1}, int64[1] minus = {-1}, int64[1] minus2 = {-2}, int64[1] big = {9223372036854775807}, int64[1] small = {-9223372036854775808}, int64[1] zero = {0}, int64 last = {-1}> {
          a = Slice(x, big, small, axis, minus2)
          b = Slice(x, minus, small, axis, minus)
          c = Slice(x, zero, big)
          d = Gather<axis = 1>(x, last)
        })"},
      {.number = "23b",
       .title = "Reshape by 0 and -1",
       .text =
           R"(g (float[N,6,4] x) => (float[N,3,8] a, float[0,3] e) <int64[3] s = {0, -1, 8}, int64[2] t = {0, 3}, int64[1] zero = {0}, int64[1] axis = {1}> {
          a = Reshape(x, s)
          none = Slice(x, zero, zero, axis)
          e = Reshape<allowzero = 1>(none, t)
        })",
       .opset = 14,
       .grows = 32},
      {.number = "24",
       .title = "half a gigabyte from three integers",
       .text = R"(g (float[1,4] x) => (float[1,4] y, int64[3] s)
        <int64[3] size = {512, 512, 512}, int64[3] zero = {0,0,0}, int64[3] end = {1,1,4}, int64[2] flat = {1,4}, float[4,4] w> {
          big = ConstantOfShape<value = float[1] {1.5}>(size)
          s = Shape(big)
          part = Slice(big, zero, end)
          p = Reshape(part, flat)
          h = MatMul(x, w)
          y = Add(h, p)
        })",
       .codes = {.quantize = 0},
       .check = [](Ran& ran) { EXPECT_LT(ran.int8.ByteSizeLong(), 4096u); },
       .big = true},
  };
}

/// A Resize of a constant in every mode, each an output.
Row resize_row() {
  std::string outputs, nodes;
  const auto add = [&](const std::string& mode, const std::string& coordinates, const std::string& nearest) {
    const std::string name =
        "y" + std::to_string(outputs.empty() ? 0 : static_cast<int>(std::count(outputs.begin(), outputs.end(), 'y')));
    outputs += ", float[1,1,5,7] " + name;
    nodes += "  " + name + " = Resize<mode = \"" + mode + "\", coordinate_transformation_mode = \"" + coordinates +
             "\"" + (nearest.empty() ? "" : ", nearest_mode = \"" + nearest + "\"") + ">(t, roi, none, size)\n";
  };
  for (const char* coordinates :
       {"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"}) {
    for (const char* nearest : {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"})
      add("nearest", coordinates, nearest);
    for (const char* mode : {"linear", "cubic"}) add(mode, coordinates, "");
  }
  return {.number = "25",
          .title = "Resize of a constant in every mode",
          .text = "g (float[N,4] x) => (float[N,4] z" + outputs +
                  ") <float[1,1,3,4] t, float[8] roi = {0, 0, 0.1, 0.2, 1, 1, 0.9, 0.8}, float[0] none = {}, int64[4] "
                  "size = {1, 1, 5, 7}, float[4,4] w> {\n" +
                  "  z = MatMul(x, w)\n" + nodes + "}",
          .check = [](Ran& ran) { EXPECT_EQ(count_nodes(ran.simple, "Resize"), 0); },
          .grows = 1024};
}

std::vector<Row> convolution_rows() {
  return {
      {.number = "26a",
       .title = "convolutions of one and three dims",
       .text = R"(g (float[N,3,9] x, float[N,2,4,5,6] v) => (float[N,4,5] y, float[N,3,4,5,6] z)
        <float[4,3,3] w1, float[3,2,3,3,3] w3> {
          y = Conv<strides = [2], pads = [1,1]>(x, w1)
          z = Conv<auto_pad = "SAME_LOWER">(v, w3)
        })"},
      {.number = "26b",
       .title = "SAME_LOWER asymmetric pads and ceil mode",
       .text = R"(g (float[N,3,9,10] x) => (float[N,4,3,3] y)
        <float[4,3,4,4] w, float[4,4,2,3] w2> {
          a = Conv<auto_pad = "SAME_LOWER", strides = [2,2]>(x, w)
          b = Conv<pads = [0,1,1,2]>(a, w2)
          y = MaxPool<kernel_shape = [2,2], strides = [2,2], ceil_mode = 1>(b)
        })"},
      {.number = "26c",
       .title = "groups dilation depth multiplier and a strided 1x1",
       .text = R"(g (float[N,6,9,9] x) => (float[N,6,5,5] y)
        <float[12,1,3,3] deep, float[6,4,3,3] grouped, float[6,1,3,3] each, float[6,6,1,1] point> {
          a = Conv<group = 6, pads = [1,1,1,1]>(x, deep)
          b = Conv<group = 3, pads = [2,2,2,2], dilations = [2,2]>(a, grouped)
          c = Conv<group = 6, pads = [1,1,1,1]>(b, each)
          d = Relu(c)
          y = Conv<strides = [2,2]>(d, point)
        })"},
      {.number = "27a",
       .title = "ConvTranspose grouped with output padding and BN",
       .text = R"(g (float[N,4,5,5] x) => (float[N,6,10,10] y)
        <float[4,3,3,3] w, float[6] b, float[6] scale = {1, 2, 0.5, 1, 1, 1}, float[6] shift, float[6] mean, float[6] var> {
          t = ConvTranspose<group = 2, strides = [2,2], pads = [1,1,1,1], output_padding = [1,1]>(x, w, b)
          y = BatchNormalization(t, scale, shift, mean, var)
        })",
       .check = [](Ran& ran) { EXPECT_EQ(count_nodes(ran.simple, "BatchNormalization"), 0); }},
      {.number = "27b",
       .title = "ConvTranspose with output channels of different sizes",
       .text = R"(g (float[N,4,5,5] x) => (float[N,3,9,9] y) <float[4,3,3,3] w> {
          y = ConvTranspose<strides = [2,2], pads = [1,1,1,1]>(x, w)
        })",
       .db = 30,
       .edit =
           [](Model& model) {
             auto& tensor = *find_initializer(model, "w");
             std::vector<float> w = floats_of(tensor);
             for (size_t i = 0; i < w.size(); ++i) w[i] *= i / 9 % 3 == 0 ? 100.0f : 1.0f;
             set_floats(tensor, w);
           },
       .check =
           [](Ran& ran) {  // scales of their own, along axis 1: the small channels are as good as the large one
             const std::vector<float> a = Ran::floats(ran.answers, "y"), b = Ran::floats(ran.int8_answers, "y");
             double signal = 0, noise = 0;
             for (size_t i = 0; i < a.size(); ++i) {
               if (i / 81 % 3 == 0) continue;
               signal += double(a[i]) * a[i];
               noise += double(a[i] - b[i]) * double(a[i] - b[i]);
             }
             // The output has one scale for all: a step of the large channel is what the small ones may be off by.
             EXPECT_LT(noise / signal, 1);
             for (const auto& node : ran.int8.graph().node()) {
               if (node.op_type() != "DequantizeLinear" || find_initializer(ran.int8, node.input(0)) == nullptr)
                 continue;
               const auto& scale = *find_initializer(ran.int8, node.input(1));
               if (find_initializer(ran.int8, node.input(0))->dims_size() != 4 || scale.dims_size() == 0) continue;
               ASSERT_EQ(node.attribute_size(), 1);
               EXPECT_EQ(node.attribute(0).i(), 1) << "the axis of output channels";
             }
           }},
  };
}

}  // namespace

std::vector<Row> shape_rows() {
  std::vector<Row> rows;
  for (auto* some : {declared_rows, dynamic_rows, convolution_rows}) {
    for (Row& row : some()) rows.push_back(std::move(row));
  }
  rows.push_back(resize_row());
  return rows;
}

}  // namespace edgesmith::nasty
