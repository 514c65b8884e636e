// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/ir/tensor.h"
#include "edgesmith/ir/short_floats.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace edgesmith::ir {
namespace {

TEST(Tensor, ReadsUnalignedStorageWithoutChangingIt) {
  auto storage = std::make_shared<std::vector<std::byte>>(17);
  const float values[3] = {1.5f, -2.0f, 3.25f};
  std::memcpy(storage->data() + 1, values, sizeof values);
  const Tensor t(DType::f32, {3}, std::span<const std::byte>(storage->data() + 1, 12), storage);
  EXPECT_EQ(t.data<float>()[1], -2.0f);
  EXPECT_EQ(t.bytes().data(), storage->data() + 1);
}

TEST(Tensor, AffineMeansCodeMinusZeroPointTimesScalePerChannel) {
  Quant quant{.dtype = DType::i8, .scale = {0.5f, 2.0f}, .zero_point = {1, 0}, .axis = 1};
  const Tensor t = Tensor::affine(Tensor::of<int8_t>({2, 2}, std::vector<int8_t>{1, 1, 3, -4}), quant);
  EXPECT_EQ(t.to_floats(), (std::vector<float>{0.0f, 2.0f, 1.0f, -8.0f}));
  EXPECT_EQ(t.stored_bytes(), 4 + 2 * 4 + 2);
}

TEST(Tensor, BlockedAffineHasOneScaleABlockAlongItsAxis) {
  Quant quant{.dtype = DType::i8, .scale = {1, 10, 100, 1000}, .zero_point = {0, 0, 0, 0}, .axis = 1, .block_size = 2};
  const Tensor t = Tensor::affine(Tensor::of<int8_t>({2, 4}, std::vector<int8_t>{1, 1, 1, 1, 1, 1, 1, 1}), quant);
  EXPECT_EQ(t.to_floats(), (std::vector<float>{1, 1, 10, 10, 100, 100, 1000, 1000}));
}

TEST(Tensor, PaletteUsesOneCodebookAGroupOfChannels) {
  const Tensor codebooks = Tensor::of<float>({2, 2}, std::vector<float>{1, 2, 30, 40});
  const Tensor indices = Tensor::of<uint8_t>({4, 1}, std::vector<uint8_t>{0, 1, 0, 1});
  EXPECT_EQ(Tensor::palette(indices, codebooks, 0).to_floats(), (std::vector<float>{1, 2, 30, 40}));
}

TEST(Tensor, LastGroupOfAPaletteMayBeShorter) {
  const Tensor codebooks = Tensor::of<float>({2, 1}, std::vector<float>{1, 2});
  const Tensor palette = Tensor::palette(Tensor::of<uint8_t>({1, 5}, std::vector<uint8_t>(5, 0)), codebooks, 1);
  EXPECT_EQ(palette.palette_group(), 3);
  EXPECT_EQ(palette.to_floats(), (std::vector<float>{1, 1, 1, 2, 2}));
}

TEST(Tensor, AffineCodesMayBeAPalette) {
  const Tensor codebooks = Tensor::of<int8_t>({1, 3}, std::vector<int8_t>{-2, 0, 5});
  auto storage = std::make_shared<std::vector<std::byte>>(std::vector<std::byte>{std::byte{0x02}, std::byte{0x10}});
  const Tensor indices(DType::u4, {4, 1}, *storage, storage);
  const Quant quant{.dtype = DType::i8, .scale = {1, 1, 10, 10}, .zero_point = {0, 0, 0, 0}, .axis = 0};
  const Tensor palette = Tensor::palette(indices, codebooks, 0);
  EXPECT_EQ(palette.dtype(), DType::i8);
  const Tensor shared = Tensor::affine(palette, quant);
  EXPECT_EQ(shared.codes().to_int64s(), (std::vector<int64_t>{5, -2, -2, 0}));
  EXPECT_EQ(shared.to_floats(), (std::vector<float>{5, -2, -20, 0}));
  ASSERT_NE(shared.as_palette(), nullptr);
  EXPECT_EQ(shared.stored_bytes(), 2 + 3 + 4 * 4 + 4);
  const Tensor plain = Tensor::affine(shared.codes(), quant);
  EXPECT_EQ(plain.as_palette(), nullptr);
  EXPECT_TRUE(shared.identical_to(Tensor::affine(palette, quant)));
  EXPECT_FALSE(shared.identical_to(plain));
}

TEST(Tensor, SparseFillsTheRestWithZeros) {
  const Tensor t = Tensor::sparse({2, 2}, Tensor::of<float>({2}, std::vector<float>{5, 6}),
                                  Tensor::of<int64_t>({2}, std::vector<int64_t>{1, 2}));
  EXPECT_EQ(t.to_floats(), (std::vector<float>{0, 5, 6, 0}));
}

TEST(Tensor, ZerosOfStringsAreEmpty) {
  EXPECT_EQ(Tensor::zeros(DType::string, {2}).string_data(), std::vector<std::string>(2));
}

TEST(Tensor, FourBitCodesArePackedLowNibbleFirst) {
  auto storage = std::make_shared<std::vector<std::byte>>(std::vector<std::byte>{std::byte{0x7F}, std::byte{0x08}});
  EXPECT_EQ(Tensor(DType::i4, {3}, *storage, storage).to_int64s(), (std::vector<int64_t>{-1, 7, -8}));
  EXPECT_EQ(Tensor(DType::u4, {3}, *storage, storage).to_int64s(), (std::vector<int64_t>{15, 7, 8}));
}

TEST(Half, EveryBitPatternSurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = half_to_float(static_cast<uint16_t>(bits));
    if (std::isnan(value)) continue;
    EXPECT_EQ(float_to_half(value), bits);
  }
}

TEST(Half, RoundsToNearestEven) {
  EXPECT_EQ(float_to_half(1.0f + 0x1p-11f), 0x3C00);  // a tie goes to the even mantissa
  EXPECT_EQ(float_to_half(1.0f + 3 * 0x1p-11f), 0x3C02);
  EXPECT_EQ(float_to_half(65519.0f), 0x7BFF);
  EXPECT_EQ(float_to_half(65520.0f), 0x7C00);
  EXPECT_EQ(float_to_bfloat16(1.0f + 0x1p-8f), 0x3F80);
  EXPECT_EQ(float_to_bfloat16(1.0f + 3 * 0x1p-8f), 0x3F82);
}

TEST(ShortFloats, RoundToTheBitsAskedFor) {
  EXPECT_EQ(short_float(-1.0f - 3 * 0x1p-8f), -1.0f - 4 * 0x1p-8f);
  EXPECT_EQ(short_float(std::numeric_limits<float>::infinity()), std::numeric_limits<float>::infinity());
  for (const float value : {1.0f / 3, -2000.7f, 3e-30f, 0.999999f}) {
    EXPECT_EQ(short_float(value), bfloat16_to_float(float_to_bfloat16(value)));
    EXPECT_EQ(short_float(value, kAllBits), value);
    for (int bits = kShortBits; bits < kAllBits; ++bits) {
      int exponent = 0;
      const double scaled = std::ldexp(std::frexp(static_cast<double>(value), &exponent), bits);
      EXPECT_EQ(short_float(value, bits), std::ldexp(std::nearbyint(scaled), exponent - bits)) << value << " " << bits;
    }
  }
}

}  // namespace
}  // namespace edgesmith::ir
