// SPDX-License-Identifier: Apache-2.0
// Pools, softmax and batch normalization. Expected numbers: onnxruntime 1.32 (PyPI) on one-node models.
#include <limits>

#include "ops/eval_helper.h"

namespace edgesmith::ops {
namespace {

using ir::Ints;
using ir::OpKind;

const std::vector<float> kPicture = {4, -1, 7, 2, 9, -3, 5, 8, 6, 1, 3, 0};

TEST(AveragePool, CountsPaddingOnlyWhenAskedAndNeverTheOverhang) {
  const std::vector<NamedAttribute> window = {
      {"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}, {"pads", Ints{0, 1, 0, 0}}, {"ceil_mode", int64_t{1}}};
  auto counting = window;
  counting.emplace_back("count_include_pad", int64_t{1});
  const auto x = f32({1, 1, 3, 4}, kPicture);
  expect_floats(run_op(OpKind::average_pool, {x}, window), {1, 1, 2, 3}, {6.5, 2, 5, 6, 2, 0});
  expect_floats(run_op(OpKind::average_pool, {x}, counting), {1, 1, 2, 3}, {3.25, 2, 5, 3, 2, 0});
}

TEST(MaxPool, GivesPositionsInBothStorageOrders) {
  std::vector<float> two = kPicture;
  for (float value : kPicture) two.push_back(value + 20);
  const auto x = f32({1, 2, 3, 4}, two);
  const auto by_columns =
      run_op(OpKind::max_pool, {x}, {{"kernel_shape", Ints{2, 2}}, {"storage_order", int64_t{1}}}, 2);
  expect_floats(by_columns, {1, 2, 2, 3}, {9, 7, 8, 9, 5, 8, 29, 27, 28, 29, 25, 28});
  EXPECT_EQ((*by_columns)[1].to_int64s(), (Ints{1, 6, 10, 1, 7, 10, 13, 18, 22, 13, 19, 22}));
  const auto by_rows = run_op(OpKind::max_pool, {x},
                              {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 3}}, {"pads", Ints{1, 1, 0, 0}}}, 2);
  expect_floats(by_rows, {1, 2, 2, 2}, {4, 7, 9, 8, 24, 27, 29, 28});
  EXPECT_EQ((*by_rows)[1].to_int64s(), (Ints{0, 2, 4, 7, 12, 14, 16, 19}));
}

TEST(MaxPool, NeedsNoPaddingWhenSameMeetsStridesBeyondTheKernel) {
  // By TensorFlow's definition of SAME; ONNX leaves it open, ONNX Runtime refuses it.
  const auto y = run_op(OpKind::max_pool, {f32({1, 1, 11}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11})},
                        {{"kernel_shape", Ints{1}}, {"strides", Ints{4}}, {"auto_pad", std::string("SAME_UPPER")}});
  expect_floats(y, {1, 1, 3}, {1, 5, 9});
}

TEST(MaxPool, NeverTakesPaddingEvenBelowIt) {
  const auto y = run_op(OpKind::max_pool, {f32({1, 1, 1}, {-5})}, {{"kernel_shape", Ints{3}}, {"pads", Ints{1, 1}}});
  expect_floats(y, {1, 1, 1}, {-5});
}

TEST(LpPool, TakesTheNormOfEveryWindow) {
  const auto x = f32({1, 1, 3, 4}, kPicture);
  expect_floats(run_op(OpKind::lp_pool, {x}, {{"kernel_shape", Ints{3, 2}}, {"p", int64_t{3}}}), {1, 1, 1, 3},
                {10.1250963f, 8.06201839f, 10.0497532f});
  expect_floats(run_op(OpKind::global_lp_pool, {x}), {1, 1, 1, 1}, {17.1755638f});
}

TEST(GlobalPools, ReduceEverySpatialAxis) {
  const auto x = f32({1, 1, 3, 4}, kPicture);
  expect_floats(run_op(OpKind::global_average_pool, {x}), {1, 1, 1, 1}, {3.41666675f});
  expect_floats(run_op(OpKind::global_max_pool, {x}), {1, 1, 1, 1}, {9});
  expect_error(run_op(OpKind::global_max_pool, {f32({1, 1}, {1})}), ErrorKind::invalid, "rank 2");
}

TEST(Pools, RefuseWindowsThatDoNotFit) {
  const auto x = f32({1, 1, 3, 4}, kPicture);
  expect_error(run_op(OpKind::max_pool, {x}), ErrorKind::invalid, "kernel_shape");
  expect_error(run_op(OpKind::max_pool, {x}, {{"kernel_shape", Ints{2}}}), ErrorKind::invalid, "rank");
  expect_error(run_op(OpKind::max_pool, {x}, {{"kernel_shape", Ints{4, 1}}}), ErrorKind::invalid, "does not fit");
  expect_error(run_op(OpKind::max_pool, {x}, {{"kernel_shape", Ints{1, 1}}, {"auto_pad", std::string("SOME")}}),
               ErrorKind::invalid, "SOME");
}

const std::vector<float> kScores = {1, 2, 3, -1, 0, 1000};

TEST(Softmax, NormalizesAlongTheAxis) {
  const auto y = run_op(OpKind::softmax, {f32({1, 2, 3}, kScores)}, {{"axis", int64_t{1}}});
  expect_floats(y, {1, 2, 3}, {0.880797029f, 0.880797029f, 0, 0.119202912f, 0.119202912f, 1});
}

TEST(Softmax, NormalizesTheWholeRestWhenCoerced) {
  const auto y = run_op(OpKind::softmax, {f32({1, 2, 3}, kScores)}, {{"axis", int64_t{1}}, {"coerce_2d", int64_t{1}}});
  expect_floats(y, {1, 2, 3}, {0, 0, 0, 0, 0, 1});
}

TEST(LogSoftmax, SurvivesLargeNumbers) {
  const auto y = run_op(OpKind::log_softmax, {f32({1, 2, 3}, kScores)});
  expect_floats(y, {1, 2, 3}, {-2.40760589f, -1.40760589f, -0.407605946f, -1001, -1000, 0});
}

TEST(Hardmax, MarksTheFirstLargest) {
  expect_floats(run_op(OpKind::hardmax, {f32({1, 4}, {3, 1, 3, 2})}), {1, 4}, {1, 0, 0, 0});
  expect_floats(run_op(OpKind::hardmax, {f32({2, 0}, {})}), {2, 0}, {});
}

TEST(BatchNormalization, ScalesAndShiftsEveryChannel) {
  const auto y = run_op(
      OpKind::batch_normalization,
      {f32({1, 2, 2}, {1, 2, 3, 4}), f32({2}, {2, 3}), f32({2}, {1, -1}), f32({2}, {0.5, 3}), f32({2}, {4, 0.25})},
      {{"epsilon", 0.01f}});
  expect_floats(y, {1, 2, 2}, {1.49937618f, 2.49812841f, -1, 4.88348389f});
}

TEST(BatchNormalization, DoesNotTrain) {
  const auto one = f32({1}, {1});
  expect_error(
      run_op(OpKind::batch_normalization, {f32({1, 1}, {1}), one, one, one, one}, {{"training_mode", int64_t{1}}}),
      ErrorKind::unsupported, "training");
  expect_error(run_op(OpKind::batch_normalization, {f32({1, 2}, {1, 2}), one, one, one, one}), ErrorKind::invalid,
               "2 channels");
}

}  // namespace
}  // namespace edgesmith::ops
