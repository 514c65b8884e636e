// SPDX-License-Identifier: Apache-2.0
#include "ops/dispatch.h"

#include <gtest/gtest.h>

#include "ops/check.h"

namespace edgesmith::ops {
namespace {

Result<int> size_of(ir::DType dtype) {
  return dispatch(Types<float, int64_t, bool>{}, dtype,
                  []<typename T>() -> Result<int> { return static_cast<int>(sizeof(T)); });
}

TEST(Dispatch, CallsTheBodyWithTheElementType) {
  EXPECT_EQ(*size_of(ir::DType::f32), 4);
  EXPECT_EQ(*size_of(ir::DType::i64), 8);
  EXPECT_EQ(*size_of(ir::DType::boolean), 1);
}

TEST(Dispatch, NamesTheTypeThatIsNotInTheList) {
  const auto result = size_of(ir::DType::f8e4m3fn);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::unsupported);
  EXPECT_NE(result.error().message.find("f8e4m3fn"), std::string::npos);
}

TEST(HalfFloats, SurviveWideningAndRounding) {
  // 0.1 in half is 0x2E66, 65504 the largest finite number (IEEE 754 binary16 tables).
  const auto x = ir::Tensor::of<float>({3}, {0.1f, 65504.0f, -2.0f});
  const auto half = round_to_half(x, ir::DType::f16);
  EXPECT_EQ(half.dtype(), ir::DType::f16);
  const auto wide = widen_half(half).to_floats();
  EXPECT_EQ(wide[0], 0.0999755859375f);
  EXPECT_EQ(wide[1], 65504.0f);
  EXPECT_EQ(wide[2], -2.0f);
}

TEST(Axes, CountFromTheEndWhenNegative) {
  EXPECT_EQ(*normalize_axis(-1, 4), 3);
  EXPECT_FALSE(normalize_axis(4, 4).ok());
  EXPECT_FALSE(normalize_axis(0, 0).ok());
  const std::vector<int64_t> twice = {1, -1};
  EXPECT_FALSE(normalize_axes(twice, 2).ok());
}

}  // namespace
}  // namespace edgesmith::ops
