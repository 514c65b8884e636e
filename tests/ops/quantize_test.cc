// SPDX-License-Identifier: Apache-2.0
// QuantizeLinear, DequantizeLinear and Cast. Expected numbers: onnxruntime 1.32 (PyPI) on one-node models, unless
// shown.
#include <cmath>
#include <limits>

#include "ops/elements.h"
#include "ops/eval_helper.h"

namespace edgesmith::ops {
namespace {

using ir::Ints;
using ir::OpKind;

TEST(QuantizeLinear, RoundsHalvesToEvenAndSaturates) {
  const auto x = f32({1, 7}, {-130, -1.5f, -0.5f, 0.5f, 1.5f, 2.5f, 300});
  const auto y = run_op(OpKind::quantize_linear, {x, f32({}, {1}), ir::Tensor::scalar<int8_t>(2)});
  expect_ints(y, {1, 7}, {-128, 0, 2, 2, 4, 4, 127});
  EXPECT_EQ((*y)[0].dtype(), ir::DType::i8);
  // By the definition: 4-bit codes end at 15.
  const auto four = run_op(OpKind::quantize_linear, {x, f32({}, {1})}, {{"output_dtype", int64_t{21}}});
  expect_ints(four, {1, 7}, {0, 0, 0, 0, 2, 2, 15});
  EXPECT_EQ((*four)[0].dtype(), ir::DType::u4);
}

TEST(QuantizeLinear, HasAScaleForEveryBlock) {
  const auto x = f32({2, 4}, {1.3f, 2.6f, 3.9f, 5.2f, 6.5f, 7.8f, 9.1f, 10.4f});
  const auto y = run_op(OpKind::quantize_linear,
                        {x, f32({2, 2}, {0.5, 1, 2, 0.25}), ir::Tensor::of<uint8_t>({2, 2}, {0, 1, 2, 3})},
                        {{"axis", int64_t{1}}, {"block_size", int64_t{2}}});
  expect_ints(y, {2, 4}, {3, 5, 5, 6, 5, 6, 39, 45});
}

TEST(DequantizeLinear, HasAScaleForEveryChannel) {
  const auto y = run_op(
      OpKind::dequantize_linear,
      {ir::Tensor::of<uint8_t>({2, 2}, {1, 2, 3, 250}), f32({2}, {0.5, 2}), ir::Tensor::of<uint8_t>({2}, {1, 100})},
      {{"axis", int64_t{1}}});
  expect_floats(y, {2, 2}, {0, -196, 1, 300});
}

TEST(DequantizeLinear, UndoesQuantizingOfCodes) {
  const auto codes = pack(ir::Tensor::of<int8_t>({5}, std::vector<int8_t>{-8, 7, -1, 3, 0}), ir::DType::i4);
  const auto zero = pack(ir::Tensor::of<int8_t>({}, std::vector<int8_t>{-2}), ir::DType::i4);
  const auto reals = run_op(OpKind::dequantize_linear, {codes, f32({}, {0.25}), zero});
  expect_floats(reals, {5}, {-1.5, 2.25, 0.25, 1.25, 0.5});
  expect_ints(run_op(OpKind::quantize_linear, {(*reals)[0], f32({}, {0.25}), zero}), {5}, codes.to_int64s());
}

TEST(QuantizeLinear, RefusesScalesThatDoNotFit) {
  const auto x = f32({2, 3}, {1, 2, 3, 4, 5, 6});
  expect_error(run_op(OpKind::quantize_linear, {x, f32({2}, {1, 1})}), ErrorKind::invalid, "scale");
  expect_error(run_op(OpKind::quantize_linear, {x, f32({3}, {1, 1, 1})}, {{"axis", int64_t{2}}}), ErrorKind::invalid,
               "axis 2");
  expect_error(run_op(OpKind::quantize_linear, {x, f32({}, {1})}, {{"output_dtype", int64_t{17}}}),
               ErrorKind::unsupported, "f8e4m3fn");
}

ir::Tensor cast(const ir::Tensor& x, ir::DType to) {
  const auto y = run_op(OpKind::cast, {x}, {{"to", static_cast<int64_t>(to)}});
  EXPECT_TRUE(y.ok());
  return y.ok() ? (*y)[0] : ir::Tensor();
}

TEST(Cast, TruncatesFloatsAsTheProcessorDoes) {
  const auto x = f32({7}, {1.9f, -1.9f, 300.7f, -129.2f, 3e9f, NAN, INFINITY});
  EXPECT_EQ(cast(x, ir::DType::i8).to_int64s(), (Ints{1, -1, 44, 127, 0, 0, 0}));
  constexpr int64_t kLeast32 = std::numeric_limits<int32_t>::min(), kLeast64 = std::numeric_limits<int64_t>::min();
  EXPECT_EQ(cast(x, ir::DType::i32).to_int64s(), (Ints{1, -1, 300, -129, kLeast32, kLeast32, kLeast32}));
  EXPECT_EQ(cast(x, ir::DType::i64).to_int64s(), (Ints{1, -1, 300, -129, 3000000000, kLeast64, kLeast64}));
}

TEST(Cast, WrapsIntegersOfAnyWidth) {
  const auto x = i64({3}, {300, -1, 128});
  EXPECT_EQ(cast(x, ir::DType::i8).to_int64s(), (Ints{44, -1, -128}));
  EXPECT_EQ(cast(x, ir::DType::i4).to_int64s(), (Ints{-4, -1, 0}));
  EXPECT_EQ(cast(x, ir::DType::boolean).to_int64s(), (Ints{1, 1, 1}));
}

TEST(Cast, RoundsDoublesToHalvesOnce) {
  // 1 + 2^-11 lies half-way between two halves; a little more must round up although it is not a float.
  const auto x = ir::Tensor::of<double>({3}, {1 + 0x1p-11, 1 + 0x1p-11 + 0x1p-40, 1 + 3 * 0x1p-11 - 0x1p-40});
  EXPECT_EQ(cast(x, ir::DType::f16).to_floats(), (std::vector<float>{1, 1 + 0x1p-10f, 1 + 0x1p-10f}));
}

TEST(Cast, KnowsWhatItCannotDo) {
  expect_error(run_op(OpKind::cast, {f32({}, {1})}, {{"to", int64_t{8}}}), ErrorKind::unsupported, "string");
  expect_error(run_op(OpKind::cast, {f32({}, {1})}, {{"to", int64_t{99}}}), ErrorKind::invalid, "99");
}

}  // namespace
}  // namespace edgesmith::ops
