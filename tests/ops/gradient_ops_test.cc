// SPDX-License-Identifier: Apache-2.0
// The operators of training graphs alone: their numbers by hand, free dims, and what they refuse. That they are the
// right gradients is tests/train.
#include <gtest/gtest.h>

#include "eval_helper.h"

namespace edgesmith::ops {
namespace {

using ir::Ints;
using ir::OpKind;

TEST(ConvWeightGradient, CorrelatesInputAndGradient) {
  // One channel, kernel 2, pad 1 before: dw[k] = sum over n, o of dy[n, o] * x[n, o + k - 1].
  const ir::Tensor x = f32({2, 1, 3}, {1, 2, 3, 4, 5, 6}), dy = f32({2, 1, 3}, {1, 10, 100, 1, 1, 1});
  expect_floats(run_op(OpKind::conv_weight_gradient, {x, dy}, {{"kernel_shape", Ints{2}}, {"pads", Ints{1, 0}}}),
                {1, 1, 2}, {1 * 10 + 2 * 100 + 4 + 5, 1 + 20 + 300 + 4 + 5 + 6});
}

TEST(ConvWeightGradient, KeepsGroupsApart) {
  const ir::Tensor x = f32({1, 2, 2}, {1, 2, 3, 4}), dy = f32({1, 4, 2}, {1, 0, 0, 1, 1, 0, 0, 1});
  expect_floats(run_op(OpKind::conv_weight_gradient, {x, dy}, {{"kernel_shape", Ints{1}}, {"group", int64_t{2}}}),
                {4, 1, 1}, {1, 2, 3, 4});
}

TEST(ConvWeightGradient, RefusesWhatDoesNotFit) {
  const ir::Tensor x = f32({1, 3, 2}, std::vector<float>(6)), dy = f32({1, 2, 2}, std::vector<float>(4));
  expect_error(run_op(OpKind::conv_weight_gradient, {x, dy}), ErrorKind::invalid, "kernel_shape");
  expect_error(run_op(OpKind::conv_weight_gradient, {x, dy}, {{"kernel_shape", Ints{1, 1}}}), ErrorKind::invalid,
               "ranks 3 and 3, kernel_shape needs rank 4");
  expect_error(run_op(OpKind::conv_weight_gradient, {x, dy}, {{"kernel_shape", Ints{1}}, {"group", int64_t{2}}}),
               ErrorKind::invalid, "3 channels are not a multiple of group 2");
  expect_error(
      run_op(OpKind::conv_weight_gradient, {x, f32({2, 2, 2}, std::vector<float>(8))}, {{"kernel_shape", Ints{1}}}),
      ErrorKind::invalid, "1 and 2 samples");
}

TEST(MaxPoolGradient, AddsToTheFirstLargestOfEveryWindow) {
  const ir::Tensor x = f32({1, 1, 4}, {1, 3, 3, 2}), dy = f32({1, 1, 3}, {1, 10, 100});
  expect_floats(run_op(OpKind::max_pool_gradient, {x, dy}, {{"kernel_shape", Ints{2}}}), {1, 1, 4}, {0, 11, 100, 0});
  // A window on padding alone moves nothing.
  expect_floats(run_op(OpKind::max_pool_gradient, {f32({1, 1, 1}, {5}), f32({1, 1, 3}, {1, 10, 100})},
                       {{"kernel_shape", Ints{1}}, {"pads", Ints{1, 1}}}),
                {1, 1, 1}, {10});
  expect_error(run_op(OpKind::max_pool_gradient, {x, x}, {{"kernel_shape", Ints{2}}}), ErrorKind::invalid,
               "the gradient is f32[1,1,4], the result is f32[1,1,3]");
}

TEST(AveragePoolGradient, SharesOutByTheDivisorOfTheWindow) {
  const ir::Tensor dy = f32({1, 1, 2}, {6, 12}), shape = i64({3}, {1, 1, 3});
  const NamedAttribute kernel = {"kernel_shape", Ints{2}}, pads = {"pads", Ints{1, 0}}, strides = {"strides", Ints{2}};
  expect_floats(run_op(OpKind::average_pool_gradient, {dy, shape}, {kernel, pads, strides}), {1, 1, 3}, {6, 6, 6});
  expect_floats(
      run_op(OpKind::average_pool_gradient, {dy, shape}, {kernel, pads, strides, {"count_include_pad", int64_t{1}}}),
      {1, 1, 3}, {3, 6, 6});
  expect_floats(run_op(OpKind::average_pool_gradient, {dy, shape}, {kernel, pads, strides, {"sum", int64_t{1}}}),
                {1, 1, 3}, {6, 12, 12});
  expect_error(run_op(OpKind::average_pool_gradient, {dy, i64({3}, {1, 1, 9})}, {kernel}), ErrorKind::invalid,
               "the result is f32[1,1,8]");
}

TEST(GatherGradient, AddsEntriesThatWereGatheredTwice) {
  const ir::Tensor dy = f32({3, 2}, {1, 2, 10, 20, 100, 200}), size = i64({1}, {4});
  expect_floats(run_op(OpKind::gather_gradient, {dy, i64({3}, {1, -1, 1}), size}), {4, 2},
                {0, 0, 101, 202, 0, 0, 10, 20});
  // A scalar index took the axis away; it comes back.
  expect_floats(
      run_op(OpKind::gather_gradient, {f32({2}, {1, 2}), i64({}, {2}), i64({1}, {3})}, {{"axis", int64_t{1}}}), {2, 3},
      {0, 0, 1, 0, 0, 2});
  expect_error(run_op(OpKind::gather_gradient, {dy, i64({3}, {1, 4, 1}), size}), ErrorKind::invalid,
               "index 4 is out of range for size 4");
  expect_error(run_op(OpKind::gather_gradient, {dy, i64({2}, {1, 2}), size}), ErrorKind::invalid, "f32[3,2]");
}

TEST(RoiAlignGradient, GoesToWhatTheSamplesRead) {
  // One sample in the middle of four elements; a share of 1/4 each.
  const ir::Tensor x = f32({1, 1, 2, 2}, {1, 2, 3, 4}), rois = f32({1, 4}, {0, 0, 2, 2}), images = i64({1}, {0});
  const ir::Tensor dy = f32({1, 1, 1, 1}, {8});
  const NamedAttribute one_sample = {"sampling_ratio", int64_t{1}}, max = {"mode", std::string("max")};
  expect_floats(run_op(OpKind::roi_align_gradient, {x, rois, images, dy}, {one_sample}), {1, 1, 2, 2}, {2, 2, 2, 2});
  expect_floats(run_op(OpKind::roi_align_gradient, {x, rois, images, dy}, {one_sample, max}), {1, 1, 2, 2},
                {0, 0, 0, 2});
  expect_error(run_op(OpKind::roi_align_gradient, {x, rois, images, x}, {one_sample}), ErrorKind::invalid,
               "the gradient is f32[1,1,2,2], the result is f32[1,1,1,1]");
}

TEST(RoiAlignRegionGradient, MovesTheSamplesWithTheSides) {
  // One element further down is 2 more, one further along 1 more; the sample is half way between the sides.
  const ir::Tensor x = f32({1, 1, 2, 2}, {1, 2, 3, 4}), images = i64({1}, {0}), dy = f32({1, 1, 1, 1}, {8});
  const NamedAttribute one_sample = {"sampling_ratio", int64_t{1}}, max = {"mode", std::string("max")};
  expect_floats(run_op(OpKind::roi_align_region_gradient, {x, f32({1, 4}, {0, 0, 2, 2}), images, dy}, {one_sample}),
                {1, 4}, {4, 8, 4, 8});
  // The product 4 / 4 won: its share grows by 1/2 an element down and along.
  expect_floats(
      run_op(OpKind::roi_align_region_gradient, {x, f32({1, 4}, {0, 0, 2, 2}), images, dy}, {one_sample, max}), {1, 4},
      {8, 8, 8, 8});
  // A region stretched to one element follows its near sides alone.
  expect_floats(run_op(OpKind::roi_align_region_gradient, {x, f32({1, 4}, {0, 0, 0.5F, 0.5F}), images, dy},
                       {one_sample, {"coordinate_transformation_mode", std::string("output_half_pixel")}}),
                {1, 4}, {8, 16, 0, 0});
}

TEST(DetGradient, IsTheCofactors) {
  expect_floats(run_op(OpKind::det_gradient, {f32({2, 2}, {1, 2, 3, 4}), f32({}, {10})}), {2, 2}, {40, -30, -20, 10});
  // Of singular matrices, too; of rank 1 all minors of three rows are 0.
  expect_floats(run_op(OpKind::det_gradient, {f32({2, 2}, {1, 2, 2, 4}), f32({}, {1})}), {2, 2}, {4, -2, -2, 1});
  expect_floats(run_op(OpKind::det_gradient, {f32({1, 3, 3}, {1, 2, 4, 2, 4, 8, 1, 2, 4}), f32({1}, {1})}), {1, 3, 3},
                std::vector<float>(9, 0));
  expect_floats(run_op(OpKind::det_gradient, {f32({2, 1, 1}, {0, 5}), f32({2}, {3, 4})}), {2, 1, 1}, {3, 4});
  expect_error(run_op(OpKind::det_gradient, {f32({2, 3}, std::vector<float>(6)), f32({}, {1})}), ErrorKind::invalid,
               "x is f32[2,3], the gradient f32[]");
}

TEST(SumToShape, AddsUpWhatWasStretched) {
  const ir::Tensor x = f32({2, 1, 3}, {1, 2, 3, 10, 20, 30});
  expect_floats(run_op(OpKind::sum_to_shape, {x, i64({3}, {2, 1, 1})}), {2, 1, 1}, {6, 60});
  expect_floats(run_op(OpKind::sum_to_shape, {x, i64({1}, {3})}), {3}, {11, 22, 33});
  expect_floats(run_op(OpKind::sum_to_shape, {x, i64({0}, {})}), {}, {66});
  expect_error(run_op(OpKind::sum_to_shape, {x, i64({2}, {4, 3})}), ErrorKind::invalid, "f32[2,1,3]");
}

TEST(BatchNormalizationTraining, UsesTheStatisticsOfTheBatch) {
  const ir::Tensor x = f32({2, 2, 2}, {1, 3, 5, 5, 5, 7, 5, 5});
  const auto results =
      run_op(OpKind::batch_normalization_training, {x, f32({2}, {2, 3}), f32({2}, {1, -1})}, {{"epsilon", 0.0f}}, 3);
  ASSERT_TRUE(results.ok()) << results.error().text();
  EXPECT_EQ((*results)[1].to_floats(), (std::vector<float>{4, 5}));
  EXPECT_EQ((*results)[2].to_floats(), (std::vector<float>{5, 0}));
  const auto first = (*results)[0].to_floats();
  EXPECT_NEAR(first[0], 1 - 2 * 3 / std::sqrt(5.0), 1e-6);
  EXPECT_NEAR(first[5], 1 + 2 * 3 / std::sqrt(5.0), 1e-6);
  expect_error(run_op(OpKind::batch_normalization_training, {x, f32({3}, {1, 1, 1}), f32({2}, {0, 0})}, {}, 3),
               ErrorKind::invalid, "operand 1 is f32[3] for 2 channels");
  expect_error(
      run_op(OpKind::batch_normalization_training, {f32({0, 2}, {}), f32({2}, {1, 1}), f32({2}, {0, 0})}, {}, 3),
      ErrorKind::invalid, "is empty");
}

TEST(NormalizationGradient, IsAcrossTheRowAndTheMean) {
  // Rows (-1, 1) and (2, 4): z = (-1, 1), a factor of 1. What points along 1 or along z goes: nothing of a pair is
  // left.
  const ir::Tensor x = f32({2, 2}, {-1, 1, 2, 4}), dy = f32({2, 2}, {1, 5, 10, 20}), scale = f32({2}, {1, 2});
  const auto results = run_op(OpKind::normalization_gradient, {dy, x, scale}, {{"epsilon", 0.0f}}, 3);
  ASSERT_TRUE(results.ok()) << results.error().text();
  EXPECT_EQ((*results)[0].to_floats(), (std::vector<float>{0, 0, 0, 0}));
  EXPECT_EQ((*results)[1].to_floats(), (std::vector<float>{-11, 25}));
  EXPECT_EQ((*results)[2].to_floats(), (std::vector<float>{11, 25}));
  // Not centered, of a row of one: z is its sign.
  expect_floats(run_op(OpKind::normalization_gradient, {f32({1}, {3}), f32({1}, {2})},
                       {{"centered", int64_t{0}}, {"epsilon", 0.0f}}),
                {1}, {0});
  // With an epsilon as large as the variance: factor 1 / sqrt(2), z = (-1, 1) / sqrt(2), half of what is along z stays.
  const auto damped =
      run_op(OpKind::normalization_gradient, {f32({2}, {-1, 1}), f32({2}, {-1, 1})}, {{"epsilon", 1.0f}});
  ASSERT_TRUE(damped.ok()) << damped.error().text();
  EXPECT_NEAR((*damped)[0].to_floats()[1], 1 / std::sqrt(2.0) * 0.5, 1e-6);
  expect_error(run_op(OpKind::normalization_gradient, {f32({3}, {1, 2, 3}), f32({2}, {1, 2})}), ErrorKind::invalid,
               "the gradient is f32[3] for x f32[2] at axis 0");
  expect_error(run_op(OpKind::normalization_gradient, {dy, x, f32({3}, {1, 2, 3})}), ErrorKind::invalid,
               "scale is f32[3] for x f32[2,2] at axis 1");
}

TEST(GradientOps, KeepFreeDims) {
  const auto type_of = [](OpKind op, const std::vector<ir::Type>& operands,
                          const std::vector<NamedAttribute>& attributes) {
    OneNode one(op, operands, attributes);
    const Status status = infer_types(one.graph);
    EXPECT_TRUE(status.ok()) << status.error().text();
    return one.node->output().type().text();
  };
  const ir::Dim n("N");
  EXPECT_EQ(type_of(OpKind::conv_weight_gradient,
                    {{ir::DType::f32, ir::Shape{n, 4, 9}}, {ir::DType::f32, ir::Shape{n, 6, ir::Dim()}}},
                    {{"kernel_shape", Ints{3}}, {"group", int64_t{2}}}),
            "f32[6,2,3]");
  EXPECT_EQ(
      type_of(OpKind::gather_gradient,
              {{ir::DType::f32, ir::Shape{n, 5, 3}}, {ir::DType::i64, ir::Shape{5}}, {ir::DType::i64, ir::Shape{1}}},
              {{"axis", int64_t{1}}}),
      "f32[N,?,3]");
  EXPECT_EQ(type_of(OpKind::sum_to_shape, {{ir::DType::f32, ir::Shape{n, 5}}, {ir::DType::i64, ir::Shape{1}}}, {}),
            "f32[?]");
}

}  // namespace
}  // namespace edgesmith::ops
