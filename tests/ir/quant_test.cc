// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/ir/quant.h"

#include <gtest/gtest.h>

#include <limits>

namespace edgesmith::ir {
namespace {

TEST(Quantize, RoundsHalvesToEvenAndSaturates) {
  EXPECT_EQ(quantize_value(0.5f, 1, 0, DType::i8), 0);
  EXPECT_EQ(quantize_value(1.5f, 1, 0, DType::i8), 2);
  EXPECT_EQ(quantize_value(2.5f, 1, 0, DType::i8), 2);
  EXPECT_EQ(quantize_value(-2.5f, 1, 10, DType::u8), 8);
  EXPECT_EQ(quantize_value(1e9f, 1, 0, DType::u8), 255);
  EXPECT_EQ(quantize_value(-std::numeric_limits<float>::infinity(), 1, 0, DType::i8), -128);
}

TEST(Quantize, FakeQuantizeIsQuantizeThenDequantize) {
  for (int zero_point : {0, 3, 128, 255}) {
    for (float real = -20; real < 20; real += 0.037f) {
      float fake = real;
      fake_quantize(&fake, 1, 0.1f, zero_point, DType::u8);
      EXPECT_EQ(fake, static_cast<float>(quantize_value(real, 0.1f, zero_point, DType::u8) - zero_point) * 0.1f);
    }
  }
}

}  // namespace
}  // namespace edgesmith::ir
