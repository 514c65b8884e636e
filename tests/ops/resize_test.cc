// SPDX-License-Identifier: Apache-2.0
// Resize. Expected numbers: onnxruntime 1.32 (PyPI) on one-node models, unless shown.
#include "ops/eval_helper.h"

namespace edgesmith::ops {
namespace {

using ir::Ints;
using ir::OpKind;
using Text = std::string;

const ir::Tensor kLine = f32({1, 1, 1, 8}, {1, 4, 9, 16, 25, 36, 49, 64});

Result<std::vector<ir::Tensor>> to_five(std::vector<NamedAttribute> attributes) {
  return run_op(OpKind::resize, {kLine, {}, {}, i64({4}, {1, 1, 1, 5})}, attributes);
}

TEST(Resize, InterpolatesLinearly) {
  expect_floats(to_five({{"mode", Text("linear")}}), {1, 1, 1, 5}, {1.9f, 8.5f, 20.5f, 37.3f, 59.5f});
  expect_floats(to_five({{"mode", Text("linear")}, {"antialias", int64_t{1}}}), {1, 1, 1, 5},
                {2.07999992f, 9, 20.6666679f, 37.3333321f, 58.5999985f});
  expect_floats(to_five({{"mode", Text("linear")}, {"coordinate_transformation_mode", Text("align_corners")}}),
                {1, 1, 1, 5}, {1, 7.75f, 20.5f, 39.25f, 64});
}

TEST(Resize, CutsIntegersOffAtThePoint) {
  const std::vector<NamedAttribute> linear = {{"mode", Text("linear")}}, cubic = {{"mode", Text("cubic")}};
  const auto signs = ir::Tensor::of<int8_t>({1, 1, 1, 2}, std::vector<int8_t>{-3, 4});
  const auto bytes = ir::Tensor::of<uint8_t>({1, 1, 1, 4}, std::vector<uint8_t>{0, 0, 255, 255});
  const ir::Tensor to_four = i64({4}, {1, 1, 1, 4}), to_eight = i64({4}, {1, 1, 1, 8});
  // -3, -1.25, 2.25, 4
  expect_ints(run_op(OpKind::resize, {signs, {}, {}, to_four}, linear), {1, 1, 1, 4}, {-3, -1, 2, 4});
  // Cubics overshoot: by reason, ONNX Runtime does not run them.
  const auto y = run_op(OpKind::resize, {bytes, {}, {}, to_eight}, cubic);
  ASSERT_TRUE(y.ok());
  EXPECT_EQ((*y)[0].to_int64s()[2], 0);
  EXPECT_EQ((*y)[0].to_int64s()[5], 255);
}

TEST(Resize, InterpolatesByCubics) {
  expect_floats(to_five({{"mode", Text("cubic")}, {"cubic_coeff_a", -0.5f}, {"exclude_outside", int64_t{1}}}),
                {1, 1, 1, 5}, {1.57429063f, 8.40999794f, 20.25f, 37.2100067f, 60.776432f});
  expect_floats(to_five({{"mode", Text("cubic")}, {"antialias", int64_t{1}}}), {1, 1, 1, 5},
                {1.58832097f, 8.32816219f, 20.0195045f, 37.2108498f, 59.6100159f});
}

TEST(Resize, TakesTheNearestByEveryRounding) {
  expect_floats(to_five({}), {1, 1, 1, 5}, {1, 9, 16, 36, 64});
  expect_floats(to_five({{"nearest_mode", Text("ceil")}, {"coordinate_transformation_mode", Text("asymmetric")}}),
                {1, 1, 1, 5}, {1, 9, 25, 36, 64});
}

TEST(Resize, ScalesWithTheExactLengthInSymmetricAndAlignedModes) {
  const auto scaled = [](float scale, const char* coordinates) {
    return run_op(OpKind::resize, {kLine, {}, f32({4}, {1, 1, 1, scale})},
                  {{"mode", Text("linear")}, {"coordinate_transformation_mode", Text(coordinates)}});
  };
  expect_floats(scaled(0.65f, "half_pixel_symmetric"), {1, 1, 1, 5},
                {2.26923037f, 8.80769157f, 20.5f, 36.5f, 57.6538506f});
  // Expected: the onnx 1.23 reference evaluator; ONNX Runtime aligns the last output with the last input here.
  expect_floats(scaled(0.6f, "align_corners"), {1, 1, 1, 4}, {1, 8.21052551f, 22.1578922f, 42.8421021f}, 1e-5f);
}

TEST(Resize, ExtrapolatesOutsideTheCrop) {
  const auto y = run_op(OpKind::resize, {kLine, f32({8}, {0, 0, 0, 0.2f, 1, 1, 1, 1.4f}), {}, i64({4}, {1, 1, 1, 5})},
                        {{"mode", Text("linear")},
                         {"coordinate_transformation_mode", Text("tf_crop_and_resize")},
                         {"extrapolation_value", 10.0f}});
  expect_floats(y, {1, 1, 1, 5}, {6, 20.5f, 43.8f, 10, 10});
}

TEST(Resize, KeepsTheAspectRatioOnTheAxesNamed) {
  const auto keep = [](const char* policy) {
    return run_op(OpKind::resize, {f32({1, 1, 2, 3}, {1, 2, 3, 4, 5, 6}), {}, {}, i64({2}, {5, 4})},
                  {{"axes", Ints{2, 3}}, {"keep_aspect_ratio_policy", Text(policy)}});
  };
  expect_floats(keep("not_larger"), {1, 1, 3, 4}, {1, 2, 2, 3, 4, 5, 5, 6, 4, 5, 5, 6});
  expect_floats(keep("not_smaller"), {1, 1, 5, 8}, {1, 1, 1, 2, 2, 3, 3, 3, 1, 1, 1, 2, 2, 3, 3, 3, 1, 1, 1, 2,
                                                    2, 3, 3, 3, 4, 4, 4, 5, 5, 6, 6, 6, 4, 4, 4, 5, 5, 6, 6, 6});
}

TEST(Resize, InfersKnownAndSymbolicSizes) {
  ir::Graph graph;
  ir::Value& x = graph.add_input("x", {ir::DType::f32, ir::Shape{ir::Dim("N"), 3, ir::Dim("H"), 32}});
  ir::Value& scales = graph.add_constant(f32({4}, {1, 1, 2, 2}));
  ir::Node& node = graph.append(OpKind::resize, {&x, nullptr, &scales});
  ASSERT_TRUE(infer_types(graph).ok());
  EXPECT_EQ(node.output().type().text(), "f32[N,3,?,64]");
}

TEST(Resize, RefusesRequestsThatMakeNoSense) {
  const auto scaled = [](const std::vector<float>& scales) {
    return run_op(OpKind::resize, {kLine, {}, f32({static_cast<int64_t>(scales.size())}, scales)});
  };
  expect_error(scaled({1, 1}), ErrorKind::invalid, "2 scales");
  expect_error(scaled({1, 1, 1, 0}), ErrorKind::invalid, "scale");
  expect_error(scaled({1, 1, 1, NAN}), ErrorKind::invalid, "scale");
  expect_error(scaled({1e9f, 1e9f, 1e9f, 1}), ErrorKind::io, "too large");
  expect_error(to_five({{"mode", Text("sinc")}}), ErrorKind::invalid, "sinc");
  expect_error(run_op(OpKind::resize, {kLine}), ErrorKind::invalid, "neither");
  expect_error(run_op(OpKind::resize, {f32({0}, {}), {}, {}, i64({1}, {2})}), ErrorKind::invalid, "0 elements");
}

}  // namespace
}  // namespace edgesmith::ops
