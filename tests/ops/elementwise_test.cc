// SPDX-License-Identifier: Apache-2.0
// Element-wise operators of one operand. Expected values: onnx 1.23 ReferenceEvaluator (opset 23), printed with %.9g.
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "eval_helper.h"

namespace edgesmith::ops {
namespace {

using ir::OpKind;

const float kInf = std::numeric_limits<float>::infinity();
const float kNan = std::numeric_limits<float>::quiet_NaN();

struct UnaryCase {
  OpKind op;
  std::vector<float> x, y;
  std::vector<NamedAttribute> attributes = {};
};

const std::vector<float> kAny = {-2.5f, -1, -0.3f, 0, 0.5f, 1.5f, 20};
const std::vector<float> kUnit = {-1, -0.5f, 0, 0.25f, 1};
const std::vector<float> kPositive = {1, 1.5f, 4, 100};

std::vector<UnaryCase> mathematics() {
  return {
      {OpKind::abs, kAny, {2.5f, 1, 0.3f, 0, 0.5f, 1.5f, 20}},
      {OpKind::atan, kAny, {-1.19028997f, -0.785398185f, -0.291456819f, 0, 0.463647604f, 0.982793748f, 1.52083802f}},
      {OpKind::asinh, kAny, {-1.6472311f, -0.881373584f, -0.295673072f, 0, 0.481211811f, 1.19476318f, 3.68950391f}},
      {OpKind::ceil, kAny, {-2, -1, 0, 0, 1, 2, 20}},
      {OpKind::cos, kAny, {-0.801143587f, 0.540302277f, 0.955336511f, 1, 0.87758255f, 0.070737198f, 0.408082068f}},
      {OpKind::cosh, kAny, {6.13228989f, 1.54308069f, 1.04533839f, 1, 1.12762606f, 2.3524096f, 242582608}},
      {OpKind::erf, kAny, {-0.999593019f, -0.842700779f, -0.328626782f, 0, 0.520499885f, 0.966105163f, 1}},
      {OpKind::exp, kAny, {0.0820850059f, 0.367879421f, 0.740818202f, 1, 1.64872122f, 4.48168898f, 485165216}},
      {OpKind::floor, kAny, {-3, -1, -1, 0, 0, 1, 20}},
      {OpKind::neg, kAny, {2.5f, 1, 0.3f, 0, -0.5f, -1.5f, -20}},
      {OpKind::round, kAny, {-2, -1, 0, 0, 0, 2, 20}},
      {OpKind::sign, kAny, {-1, -1, -1, 0, 1, 1, 1}},
      {OpKind::sin, kAny, {-0.598472178f, -0.841471016f, -0.295520216f, 0, 0.47942555f, 0.997494996f, 0.912945271f}},
      {OpKind::sinh, kAny, {-6.05020428f, -1.17520118f, -0.304520309f, 0, 0.521095276f, 2.12927938f, 242582592}},
      {OpKind::tan, kAny, {0.747022271f, -1.55740774f, -0.309336275f, 0, 0.546302497f, 14.1014204f, 2.23716092f}},
      {OpKind::acos, kUnit, {3.14159274f, 2.09439516f, 1.57079637f, 1.31811619f, 0}},
      {OpKind::asin, kUnit, {-1.57079637f, -0.52359879f, 0, 0.252680242f, 1.57079637f}},
      {OpKind::atanh, kUnit, {-kInf, -0.549306154f, 0, 0.255412817f, kInf}},
      {OpKind::acosh, kPositive, {0, 0.962423623f, 2.06343699f, 5.29829216f}},
      {OpKind::log, kPositive, {0, 0.405465096f, 1.38629436f, 4.60517025f}},
      {OpKind::sqrt, kPositive, {1, 1.22474492f, 2, 10}},
      {OpKind::reciprocal, kPositive, {1, 0.666666687f, 0.25f, 0.00999999978f}},
      {OpKind::identity, kAny, kAny},
  };
}

std::vector<UnaryCase> activations() {
  return {
      {OpKind::relu, kAny, {0, 0, 0, 0, 0.5f, 1.5f, 20}},
      {OpKind::leaky_relu, kAny, {-0.025f, -0.01f, -0.003f, 0, 0.5f, 1.5f, 20}},
      {OpKind::leaky_relu, kAny, {-0.25f, -0.1f, -0.03f, 0, 0.5f, 1.5f, 20}, {{"alpha", 0.1f}}},
      {OpKind::sigmoid, kAny, {0.0758581832f, 0.268941402f, 0.425557464f, 0.5f, 0.622459352f, 0.817574501f, 1}},
      {OpKind::hard_sigmoid, kAny, {0, 0.3f, 0.44f, 0.5f, 0.6f, 0.8f, 1}},
      {OpKind::hard_sigmoid, kAny, {0, 0.1f, 0.45f, 0.6f, 0.85f, 1, 1}, {{"alpha", 0.5f}, {"beta", 0.6f}}},
      {OpKind::hard_swish, kAny, {-0.208333284f, -0.333333313f, -0.135000005f, 0, 0.291666657f, 1.125f, 20}},
      {OpKind::tanh, kAny, {-0.986614287f, -0.761594176f, -0.291312635f, 0, 0.462117195f, 0.905148208f, 1}},
      {OpKind::elu, kAny, {-0.917915046f, -0.63212055f, -0.259181798f, 0, 0.5f, 1.5f, 20}},
      {OpKind::elu, kAny, {-1.83583009f, -1.2642411f, -0.518363595f, 0, 0.5f, 1.5f, 20}, {{"alpha", 2.0f}}},
      {OpKind::selu, kAny, {-1.61378586f, -1.11133075f, -0.455667347f, 0, 0.525350511f, 1.57605147f, 21.0140209f}},
      {OpKind::selu,
       kAny,
       {-5.50749016f, -3.79272318f, -1.55509079f, 0, 1.5f, 4.5f, 60},
       {{"alpha", 2.0f}, {"gamma", 3.0f}}},
      {OpKind::celu, kAny, {-0.917915046f, -0.63212055f, -0.259181798f, 0, 0.5f, 1.5f, 20}},
      {OpKind::celu, kAny, {-1.42699039f, -0.786938667f, -0.278584063f, 0, 0.5f, 1.5f, 20}, {{"alpha", 2.0f}}},
      {OpKind::gelu, kAny, {-0.0155241787f, -0.158655256f, -0.114626579f, 0, 0.345731229f, 1.39978933f, 20}},
      {OpKind::gelu,
       kAny,
       {-0.015084222f, -0.158807993f, -0.11462909f, 0, 0.345714003f, 1.39957154f, 20},
       {{"approximate", std::string("tanh")}}},
      {OpKind::softplus, kAny, {0.078889735f, 0.313261688f, 0.554355264f, 0.693147182f, 0.974076986f, 1.70141327f, 20}},
      {OpKind::softsign, kAny, {-0.714285731f, -0.5f, -0.230769247f, 0, 0.333333343f, 0.6f, 0.952380955f}},
      {OpKind::thresholded_relu, kAny, {0, 0, 0, 0, 0, 1.5f, 20}},
      {OpKind::thresholded_relu, kAny, {0, 0, 0, 0, 0.5f, 1.5f, 20}, {{"alpha", 0.4f}}},
      {OpKind::mish, kAny, {-0.196816206f, -0.30340147f, -0.151133209f, 0, 0.375245184f, 1.40337825f, 20}},
  };
}

void expect_case(const UnaryCase& c) {
  SCOPED_TRACE(ir::op_name(c.op));
  const auto n = static_cast<int64_t>(c.x.size());
  expect_floats(run_op(c.op, {f32({n}, c.x)}, c.attributes), {n}, c.y);
}

TEST(Unary, ComputesWhatTheOnnxReferenceComputes) {
  for (const UnaryCase& c : mathematics()) expect_case(c);
}

TEST(Activations, ComputeWhatTheOnnxReferenceComputes) {
  for (const UnaryCase& c : activations()) expect_case(c);
}

TEST(Unary, RunsOnDoublesHalvesAndScalarsAlike) {
  std::vector<UnaryCase> all = mathematics();
  for (const UnaryCase& c : activations()) all.push_back(c);
  for (const UnaryCase& c : all) {
    SCOPED_TRACE(ir::op_name(c.op));
    const float x = c.x[1], y = c.y[1];
    const auto f64 = run_op(c.op, {ir::Tensor::scalar(static_cast<double>(x))}, c.attributes);
    expect_floats(f64, {}, {y});
    EXPECT_EQ((*f64)[0].dtype(), ir::DType::f64);
    ir::Tensor half = ir::Tensor::zeros(ir::DType::f16, {1});
    const uint16_t bits = ir::float_to_half(x);
    std::memcpy(half.mutable_bytes().data(), &bits, 2);
    const auto f16 = run_op(c.op, {half}, c.attributes);
    expect_floats(f16, {1}, {y}, 1e-3f);
    EXPECT_EQ((*f16)[0].dtype(), ir::DType::f16);
  }
}

TEST(Unary, TakesNoElementsAndNamesTypesThatItDoesNotTake) {
  expect_floats(run_op(OpKind::exp, {f32({2, 0}, {})}), {2, 0}, {});
  expect_error(run_op(OpKind::exp, {i64({1}, {1})}), ErrorKind::unsupported, "i64");
  expect_error(run_op(OpKind::relu, {ir::Tensor::strings({1}, {"a"})}), ErrorKind::unsupported, "string");
}

TEST(Unary, RefusesAttributesThatItDoesNotKnow) {
  expect_error(run_op(OpKind::relu, {f32({1}, {1})}, {{"slope", 0.1f}}), ErrorKind::unsupported, "slope");
  expect_error(run_op(OpKind::elu, {f32({1}, {1})}, {{"alpha", int64_t{1}}}), ErrorKind::invalid, "alpha");
  expect_error(run_op(OpKind::gelu, {f32({1}, {1})}, {{"approximate", std::string("erf")}}), ErrorKind::invalid, "erf");
}

TEST(Unary, WrapsTheSmallestIntegerAround) {
  const std::vector<int8_t> x = {-128, -7, 0, 5};
  expect_ints(run_op(OpKind::abs, {ir::Tensor::of<int8_t>({4}, x)}), {4}, {-128, 7, 0, 5});
  expect_ints(run_op(OpKind::neg, {ir::Tensor::of<int8_t>({4}, x)}), {4}, {-128, 7, 0, -5});
  expect_ints(run_op(OpKind::sign, {ir::Tensor::of<int8_t>({4}, x)}), {4}, {-1, -1, 0, 1});
  expect_ints(run_op(OpKind::relu, {ir::Tensor::of<int8_t>({4}, x)}), {4}, {0, 0, 0, 5});
}

TEST(Unary, NegatesBooleans) {
  const ir::Tensor x = ir::Tensor::of<uint8_t>({2}, std::vector<uint8_t>{1, 0});
  const ir::Tensor booleans(ir::DType::boolean, {2}, x.bytes(), std::make_shared<ir::Tensor>(x));
  expect_ints(run_op(OpKind::logical_not, {booleans}), {2}, {0, 1});
  expect_error(run_op(OpKind::logical_not, {x}), ErrorKind::unsupported, "u8");
}

TEST(Activations, KeepNanAndStayFiniteFarOut) {
  const ir::Tensor x = f32({4}, {kNan, -1000, 1000, -kInf});
  expect_floats(run_op(OpKind::relu, {x}), {4}, {kNan, 0, 1000, 0});
  expect_floats(run_op(OpKind::sigmoid, {x}), {4}, {kNan, 0, 1, 0});
  expect_floats(run_op(OpKind::softplus, {x}), {4}, {kNan, 0, 1000, 0});
  expect_floats(run_op(OpKind::tanh, {x}), {4}, {kNan, -1, 1, -1});
  expect_floats(run_op(OpKind::mish, {f32({2}, {-1000, 1000})}), {2}, {0, 1000});
  expect_floats(run_op(OpKind::selu, {f32({1}, {1000})}), {1}, {1050.70102f});
}

TEST(Clip, ClampsToTheBoundsThatArePresent) {
  const ir::Tensor x = f32({2, 2}, {-3, 0, 3, kNan});
  const ir::Tensor low = ir::Tensor::scalar(-1.0f), high = ir::Tensor::scalar(2.0f);
  expect_floats(run_op(OpKind::clip, {x, low, high}), {2, 2}, {-1, 0, 2, kNan});
  expect_floats(run_op(OpKind::clip, {x, {}, high}), {2, 2}, {-3, 0, 2, kNan});
  expect_floats(run_op(OpKind::clip, {x, low}), {2, 2}, {-1, 0, 3, kNan});
  expect_floats(run_op(OpKind::clip, {x}), {2, 2}, {-3, 0, 3, kNan});
}

TEST(Clip, GivesTheUpperBoundWhenTheBoundsCross) {
  expect_ints(
      run_op(OpKind::clip, {i64({3}, {1, 5, 9}), ir::Tensor::scalar<int64_t>(8), ir::Tensor::scalar<int64_t>(3)}), {3},
      {3, 3, 3});
}

TEST(Clip, RefusesBoundsThatAreNotScalarsOfItsType) {
  expect_error(run_op(OpKind::clip, {f32({1}, {1}), f32({2}, {0, 0})}), ErrorKind::invalid, "f32[2]");
  expect_error(run_op(OpKind::clip, {f32({1}, {1}), ir::Tensor::scalar<int64_t>(0)}), ErrorKind::invalid, "i64[]");
}

TEST(Unary, StatesItsQuantizationFacts) {
  using Kind = QuantFacts::Kind;
  const ir::Type type = ir::type_of(ir::DType::f32, {1});
  const auto facts = [&](OpKind op) { return quant_facts(*OneNode(op, {type}).node); };
  EXPECT_EQ(facts(OpKind::relu).kind, Kind::activation);
  EXPECT_EQ(facts(OpKind::clip).kind, Kind::activation);
  EXPECT_EQ(facts(OpKind::identity).kind, Kind::transparent);
  EXPECT_EQ(facts(OpKind::gelu).kind, Kind::compute);
  EXPECT_EQ(facts(OpKind::exp).kind, Kind::float_only);
  EXPECT_EQ(facts(OpKind::tanh).kind, Kind::fixed_range);
  EXPECT_EQ(facts(OpKind::tanh).fixed_min, -1);
  EXPECT_EQ(facts(OpKind::sigmoid).fixed_min, 0);
  EXPECT_EQ(facts(OpKind::sigmoid).fixed_max, 1);
}

}  // namespace
}  // namespace edgesmith::ops
