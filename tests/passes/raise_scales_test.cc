// SPDX-License-Identifier: Apache-2.0
// Coarser scales for weights that are codes: the reals stay as near as the new scales allow, whatever holds the codes.
#include "passes/quantize/raise_scales.h"

#include <gtest/gtest.h>

#include <cmath>

namespace edgesmith::passes::quantize {
namespace {

ir::Quant scales(std::vector<float> scale, int axis, ir::DType dtype = ir::DType::i8, int32_t zero = 0) {
  ir::Quant quant{.dtype = dtype, .scale = std::move(scale), .zero_point = {}, .axis = axis};
  quant.zero_point.assign(quant.scale.size(), zero);
  return quant;
}

/// Expects the reals of `channel` (row of four) within half of a scale.
void expect_near(const ir::Tensor& before, const ir::Tensor& after, size_t channel, float scale) {
  const std::vector<float> a = before.to_floats(), b = after.to_floats();
  for (size_t i = channel * 4; i < channel * 4 + 4; ++i) EXPECT_NEAR(a[i], b[i], 0.501 * scale) << i;
}

TEST(RaiseScales, LeavesScalesThatAreLargeEnough) {
  const ir::Tensor weight =
      ir::Tensor::affine(ir::Tensor::of<int8_t>({2, 4}, {1, 2, 3, 4, 5, 6, 7, 8}), scales({0.5F, 0.25F}, 0));
  EXPECT_FALSE(with_raised_scales(weight, 0, {0.5, 0.1}).valid());
}

TEST(RaiseScales, RoundsTheCodesOfAChannelAnew) {
  const ir::Tensor weight =
      ir::Tensor::affine(ir::Tensor::of<int8_t>({2, 4}, {127, -127, 60, 5, 127, -9, 0, 8}), scales({0.5F, 0.25F}, 0));
  const ir::Tensor raised = with_raised_scales(weight, 0, {2, 0.1});
  ASSERT_TRUE(raised.valid());
  EXPECT_EQ(raised.quant().scale, (std::vector<float>{2, 0.25F}));
  expect_near(weight, raised, 0, 2);
  expect_near(weight, raised, 1, 0);
}

TEST(RaiseScales, FindsTheChannelsOfAnInnerAxis) {
  const ir::Tensor weight = ir::Tensor::affine(
      ir::Tensor::of<int8_t>({2, 3, 2}, {90, 1, -3, 1, 7, 1, 64, 1, -127, 1, 2, 1}), scales({1, 1, 1}, 1));
  const ir::Tensor raised = with_raised_scales(weight, 1, {10, 0, 100});
  ASSERT_TRUE(raised.valid());
  EXPECT_EQ(raised.codes().to_int64s(), (std::vector<int64_t>{9, 0, -3, 1, 0, 0, 6, 0, -127, 1, 0, 0}));
}

TEST(RaiseScales, LeavesScalesOfAnotherAxisAndOfBlocks) {
  const ir::Tensor codes = ir::Tensor::of<int8_t>({2, 4}, {1, 2, 3, 4, 5, 6, 7, 8});
  EXPECT_FALSE(with_raised_scales(ir::Tensor::affine(codes, scales({1, 1}, 0)), 1, {9, 9, 9, 9}).valid());
  ir::Quant blocks = scales({1, 1, 1, 1}, 1);
  blocks.block_size = 2;
  EXPECT_FALSE(with_raised_scales(ir::Tensor::affine(codes, blocks), 0, {9, 9}).valid());
}

TEST(RaiseScales, RaisesTheOneScaleOfATensor) {
  const ir::Tensor weight =
      ir::Tensor::affine(ir::Tensor::of<int8_t>({2, 4}, {127, -127, 60, 5, 127, -9, 0, 8}), scales({0.5F}, -1));
  const ir::Tensor raised = with_raised_scales(weight, 0, {0.1, 4});
  ASSERT_TRUE(raised.valid());
  EXPECT_EQ(raised.quant().scale, std::vector<float>{4});
  expect_near(weight, raised, 0, 4);
  expect_near(weight, raised, 1, 4);
}

TEST(RaiseScales, KeepsZeroPointsOfPackedCodes) {
  ir::Tensor codes = ir::Tensor::zeros(ir::DType::u4, {2, 4});
  const auto bytes = codes.mutable_bytes();
  for (const size_t i : {size_t{0}, size_t{1}, size_t{2}, size_t{3}}) bytes[i] = static_cast<std::byte>(0xF0 + i);
  const ir::Tensor weight = ir::Tensor::affine(codes, scales({1, 1}, 0, ir::DType::u4, 6));
  const ir::Tensor raised = with_raised_scales(weight, 0, {3, 1e-3});
  ASSERT_TRUE(raised.valid());
  EXPECT_EQ(raised.codes().dtype(), ir::DType::u4);
  expect_near(weight, raised, 0, 3);
  expect_near(weight, raised, 1, 0);
}

/// Two channels on one codebook of int8, or on one each.
ir::Tensor palette_weight(const std::vector<int8_t>& entries, int64_t codebooks, ir::DType indices = ir::DType::u8) {
  const std::vector<uint8_t> chosen = {0, 1, 2, 3, 3, 2, 1, 0};
  ir::Tensor stored = ir::Tensor::zeros(indices, {2, 4});
  for (size_t i = 0; i < chosen.size(); ++i) {
    const size_t bits = indices == ir::DType::u4 ? 4 : 8;
    stored.mutable_bytes()[i * bits / 8] |= static_cast<std::byte>(chosen[i] << (i * bits % 8));
  }
  const auto width = static_cast<int64_t>(entries.size()) / codebooks;
  return ir::Tensor::affine(
      ir::Tensor::palette(std::move(stored), ir::Tensor::of<int8_t>({codebooks, width}, entries), 0),
      scales({0.5F, 0.25F}, 0));
}

TEST(RaiseScales, ScalesTheEntriesOfACodebookOfItsOwn) {
  const ir::Tensor weight = palette_weight({-100, -7, 30, 127, -128, -5, 1, 90}, 2);
  const ir::Tensor raised = with_raised_scales(weight, 0, {4, 0});
  ASSERT_TRUE(raised.valid());
  ASSERT_NE(raised.as_palette(), nullptr);
  EXPECT_EQ(raised.as_palette()->codebooks().dims(), (ir::Dims{2, 4}));
  expect_near(weight, raised, 0, 4);
  expect_near(weight, raised, 1, 0);
}

TEST(RaiseScales, TakesTheZeroOfASharedCodebook) {
  const ir::Tensor weight = palette_weight({-100, 0, 30, 127}, 1, ir::DType::u4);
  const ir::Tensor raised = with_raised_scales(weight, 0, {1e6, 0});
  ASSERT_TRUE(raised.valid());
  ASSERT_NE(raised.as_palette(), nullptr);
  EXPECT_EQ(raised.as_palette()->codebooks().dims(), (ir::Dims{1, 4}));
  EXPECT_EQ(raised.as_palette()->codes().dtype(), ir::DType::u4);
  expect_near(weight, raised, 0, 1e6F);
  expect_near(weight, raised, 1, 0);
}

TEST(RaiseScales, GivesASharedCodebookTheZeroThatItLacks) {
  std::vector<int8_t> entries = {-100, 5, 30, 127};
  const ir::Tensor small = with_raised_scales(palette_weight(entries, 1, ir::DType::u4), 0, {1e6, 0});
  ASSERT_NE(small.as_palette(), nullptr);
  EXPECT_EQ(small.as_palette()->codebooks().dims(), (ir::Dims{1, 5}));
  EXPECT_EQ(small.as_palette()->codes().dtype(), ir::DType::u4);
  expect_near(palette_weight(entries, 1), small, 0, 1e6F);
  expect_near(palette_weight(entries, 1), small, 1, 0);

  while (entries.size() < 16) entries.push_back(static_cast<int8_t>(40 + entries.size()));
  const ir::Tensor full = with_raised_scales(palette_weight(entries, 1, ir::DType::u4), 0, {1e6, 0});
  ASSERT_NE(full.as_palette(), nullptr);
  EXPECT_EQ(full.as_palette()->codebooks().dims(), (ir::Dims{1, 17}));
  EXPECT_EQ(full.as_palette()->codes().dtype(), ir::DType::u8);
  expect_near(palette_weight(entries, 1), full, 0, 1e6F);
  expect_near(palette_weight(entries, 1), full, 1, 0);

  while (entries.size() < 256) entries.push_back(1);
  const ir::Tensor dense = with_raised_scales(palette_weight(entries, 1), 0, {1e6, 0});
  EXPECT_EQ(dense.as_palette(), nullptr);
  expect_near(palette_weight(entries, 1), dense, 0, 1e6F);
  expect_near(palette_weight(entries, 1), dense, 1, 0);
}

}  // namespace
}  // namespace edgesmith::passes::quantize
