// SPDX-License-Identifier: Apache-2.0
// Convolutions. Expected numbers: onnxruntime 1.32 (PyPI) on one-node models, operands 1, 2, 3, ... unless shown.
#include <numeric>

#include "edgesmith/ops/window.h"
#include "ops/eval_helper.h"

namespace edgesmith::ops {
namespace {

using ir::Ints;
using ir::OpKind;

// 1 + offset, 2 + offset, ...
ir::Tensor counting(ir::Dims dims, float offset = 0) {
  std::vector<float> values(static_cast<size_t>(ir::num_elements(dims)));
  std::iota(values.begin(), values.end(), 1 + offset);
  return f32(std::move(dims), values);
}

TEST(Conv, CombinesGroupsPadsStridesAndDilations) {
  const auto y =
      run_op(OpKind::conv, {counting({1, 2, 3, 4}), counting({2, 1, 2, 2}, -4), f32({2}, {10, -10})},
             {{"group", int64_t{2}}, {"pads", Ints{1, 0, 0, 1}}, {"strides", Ints{2, 1}}, {"dilations", Ints{1, 2}}});
  expect_floats(y, {1, 2, 2, 3}, {9, 8, 7, -28, -34, -22, 89, 96, 35, 200, 210, 78});
}

TEST(Conv, PutsTheOddPaddingWhereAutoPadSays) {
  const auto run = [](const char* auto_pad) {
    return run_op(OpKind::conv, {counting({1, 1, 4}), counting({1, 1, 2})}, {{"auto_pad", std::string(auto_pad)}});
  };
  expect_floats(run("SAME_UPPER"), {1, 1, 4}, {5, 8, 11, 4});
  expect_floats(run("SAME_LOWER"), {1, 1, 4}, {2, 5, 8, 11});
  expect_floats(run("VALID"), {1, 1, 3}, {5, 8, 11});
}

TEST(Conv, EqualsItsDefinitionOnManyShapes) {
  // Against the formula of conv.cc summed one product after the other; whole numbers, so sums are exact.
  for (const auto& [groups, stride, dilation, pad, kernel] :
       std::vector<std::array<int64_t, 5>>{{1, 1, 1, 0, 1}, {1, 2, 1, 1, 3}, {2, 3, 2, 2, 3}, {3, 1, 3, 0, 2}}) {
    const int64_t size = 9, channels = 2 * groups, features = 3 * groups;
    const auto x = counting({2, channels, size}, -20), w = counting({features, 2, kernel}, -10);
    const int64_t outputs = (size + 2 * pad - (kernel - 1) * dilation - 1) / stride + 1;
    std::vector<float> expected;
    for (int64_t n = 0; n < 2; ++n) {
      for (int64_t m = 0; m < features; ++m) {
        for (int64_t o = 0; o < outputs; ++o) {
          float sum = 0;
          for (int64_t c = 0; c < 2; ++c) {
            for (int64_t k = 0; k < kernel; ++k) {
              const int64_t at = o * stride + k * dilation - pad;
              if (at < 0 || at >= size) continue;
              sum += x.data<float>()[static_cast<size_t>((n * channels + m / 3 * 2 + c) * size + at)] *
                     w.data<float>()[static_cast<size_t>((m * 2 + c) * kernel + k)];
            }
          }
          expected.push_back(sum);
        }
      }
    }
    const auto y =
        run_op(OpKind::conv, {x, w},
               {{"group", groups}, {"strides", Ints{stride}}, {"dilations", Ints{dilation}}, {"pads", Ints{pad, pad}}});
    expect_floats(y, {2, features, outputs}, expected, 0);
  }
}

TEST(Conv, RunsOnDoublesHalvesAndNoIntegers) {
  const auto x = ir::Tensor::of<double>({1, 1, 2}, {0.5, 2.0}), w = ir::Tensor::of<double>({1, 1, 2}, {1.0, 4.0});
  const auto y = run_op(OpKind::conv, {x, w});
  ASSERT_TRUE(y.ok());
  EXPECT_EQ((*y)[0].data<double>()[0], 8.5);
  const auto integers = ir::Tensor::of<int32_t>({1, 1, 2}, {1, 2});
  expect_error(run_op(OpKind::conv, {integers, integers}), ErrorKind::unsupported, "i32");
}

TEST(Conv, LeavesTheBiasWhereNothingIsSeen) {
  const auto y = run_op(OpKind::conv, {f32({1, 0, 2}, {}), f32({1, 0, 1}, {}), f32({1}, {3})});
  expect_floats(y, {1, 1, 2}, {3, 3});
  expect_floats(run_op(OpKind::conv, {f32({0, 1, 2}, {}), f32({1, 1, 1}, {2})}), {0, 1, 2}, {});
}

TEST(Conv, RefusesShapesThatDoNotFit) {
  const auto x = counting({1, 3, 4, 4});
  expect_error(run_op(OpKind::conv, {x, counting({2, 2, 3, 3})}), ErrorKind::invalid, "3 channels");
  expect_error(run_op(OpKind::conv, {x, counting({2, 3, 3})}), ErrorKind::invalid, "rank");
  expect_error(run_op(OpKind::conv, {x, counting({2, 3, 5, 5})}), ErrorKind::invalid, "does not fit");
  expect_error(run_op(OpKind::conv, {x, counting({2, 3, 1, 1}), f32({3}, {1, 2, 3})}), ErrorKind::invalid, "bias");
  expect_error(run_op(OpKind::conv, {x, counting({2, 3, 1, 1})}, {{"pads", Ints{1, 1}}}), ErrorKind::invalid, "pads");
  expect_error(run_op(OpKind::conv, {x, counting({2, 3, 1, 1})}, {{"strides", Ints{0, 1}}}), ErrorKind::invalid, "0");
  expect_error(run_op(OpKind::conv, {x, counting({2, 3, 1, 1})}, {{"group", int64_t{0}}}), ErrorKind::invalid, "group");
  expect_error(run_op(OpKind::conv, {x, counting({2, 3, 1, 1})}, {{"dilations", Ints{INT64_MAX, 1}}}),
               ErrorKind::invalid, "dilations");
  expect_error(run_op(OpKind::conv, {x, counting({2, 3, 1, 1})}, {{"pads", Ints(4, 2000000000)}}), ErrorKind::io,
               "too large");
}

TEST(Conv, CostsItsProductsForOneSample) {
  OneNode one(OpKind::conv,
              {{ir::DType::f32, ir::Shape{ir::Dim("N"), 16, 32, 32}}, ir::type_of(ir::DType::f32, {32, 16, 3, 3})},
              {{"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{2, 2}}});
  ASSERT_TRUE(infer_types(one.graph).ok());
  EXPECT_EQ(one.node->output().type().text(), "f32[N,32,16,16]");
  EXPECT_EQ(cost_of(*one.node).macs, 32 * 16 * 9 * 16 * 16);
}

TEST(Conv, KeepsSymbolicSizesUnderSamePadding) {
  const auto infer = [](std::vector<NamedAttribute> attributes) {
    OneNode one(OpKind::conv,
                {{ir::DType::f32, ir::Shape{1, 3, ir::Dim("H"), ir::Dim()}}, ir::type_of(ir::DType::f32, {8, 3, 3, 3})},
                attributes);
    EXPECT_TRUE(infer_types(one.graph).ok());
    return one.node->output().type().text();
  };
  EXPECT_EQ(infer({{"pads", Ints{1, 1, 1, 1}}}), "f32[1,8,H,?]");
  EXPECT_EQ(infer({{"auto_pad", std::string("SAME_UPPER")}}), "f32[1,8,H,?]");
  EXPECT_EQ(infer({{"pads", Ints{2, 2, 2, 2}}, {"dilations", Ints{2, 2}}}), "f32[1,8,H,?]");
  EXPECT_EQ(infer({}), "f32[1,8,?,?]");
}

TEST(ConvTranspose, CombinesStridesPadsAndOutputPadding) {
  const auto y = run_op(OpKind::conv_transpose, {counting({1, 2, 2, 2}), counting({2, 1, 2, 2}), f32({1}, {100})},
                        {{"strides", Ints{2, 1}}, {"pads", Ints{0, 1, 0, 0}}, {"output_padding", Ints{1, 0}}});
  expect_floats(y, {1, 1, 5, 2}, {164, 140, 192, 156, 192, 156, 236, 180, 100, 100});
}

TEST(ConvTranspose, DerivesPadsFromOutputShape) {
  const auto y = run_op(OpKind::conv_transpose, {counting({1, 2, 3}), counting({2, 1, 3})},
                        {{"strides", Ints{2}}, {"group", int64_t{2}}, {"output_shape", Ints{6}}});
  expect_floats(y, {1, 2, 6}, {2, 5, 4, 9, 6, 9, 20, 44, 25, 54, 30, 36});
}

TEST(ConvTranspose, IsTheTransposeOfConv) {
  // <conv(x), y> = <x, conv_transpose(y)> with the same weight; whole numbers, so sums are exact.
  const std::vector<NamedAttribute> attributes = {
      {"strides", Ints{2, 1}}, {"pads", Ints{1, 0, 1, 2}}, {"dilations", Ints{1, 2}}};
  const auto x = counting({1, 2, 5, 6}, -30), w = counting({3, 2, 3, 2}, -18);
  const auto there = run_op(OpKind::conv, {x, w}, attributes);
  ASSERT_TRUE(there.ok());
  const auto y = counting((*there)[0].dims(), -25);
  const auto back = run_op(OpKind::conv_transpose, {y, w}, attributes);
  ASSERT_TRUE(back.ok());
  ASSERT_EQ((*back)[0].dims(), x.dims());
  const auto dot = [](const ir::Tensor& a, const ir::Tensor& b) {
    const auto u = a.to_floats(), v = b.to_floats();
    return std::inner_product(u.begin(), u.end(), v.begin(), 0.0);
  };
  EXPECT_EQ(dot((*there)[0], y), dot(x, (*back)[0]));
}

TEST(Window, OfTheLargestSizeOverAnUnknownOneHasAnUnknownResult) {
  const ir::Type x{ir::DType::f32, ir::Shape{ir::Dim(1), ir::Dim(1), ir::Dim()}};
  const ir::Type w{ir::DType::f32, ir::Shape{ir::Dim(1), ir::Dim(1), ir::Dim(INT64_MAX)}};
  OneNode one(OpKind::conv, {x, w});
  if (!infer_types(one.graph).ok()) return;  // refused is as well
  EXPECT_FALSE((*one.node->output().type().shape)[2].known());
}

TEST(Window, StaysWithinBoundsForHostileNumbers) {
  OneNode one(OpKind::max_pool, {{ir::DType::f32, std::nullopt}},
              {{"kernel_shape", Ints{INT32_MAX}},
               {"dilations", Ints{INT32_MAX}},
               {"strides", Ints{INT32_MAX}},
               {"pads", Ints{INT32_MAX, INT32_MAX}},
               {"ceil_mode", int64_t{1}}});
  EXPECT_FALSE(resolve_window(*one.node, {int64_t{1} << 31}, {INT32_MAX}).ok());
  EXPECT_FALSE(resolve_window(*one.node, {INT64_MAX}, {INT32_MAX}).ok());
  const auto transposed = resolve_transposed_window(*one.node, {int64_t{1} << 31}, {int64_t{1} << 31});
  EXPECT_TRUE(!transposed.ok() || transposed->output[0] > 0);
}

}  // namespace
}  // namespace edgesmith::ops
