// SPDX-License-Identifier: Apache-2.0
// Operators of two or more operands with numpy broadcasting. Expected values: onnx 1.23 ReferenceEvaluator (opset 23)
// and, where said, numpy.
#include "ops/broadcast.h"

#include <gtest/gtest.h>

#include <limits>

#include "eval_helper.h"

namespace edgesmith::ops {
namespace {

using ir::Dim;
using ir::OpKind;
using ir::Shape;

const ir::Tensor kA = f32({2, 3}, {1, -2, 3, 4.5f, 0, -6});
const ir::Tensor kB = f32({2, 1}, {2, -0.5f});
const ir::Tensor kC = f32({3}, {0.5f, 2, -3});

template <typename T>
ir::Tensor row(const std::vector<T>& values) {
  return ir::Tensor::of<T>({static_cast<int64_t>(values.size())}, values);
}

TEST(Binary, BroadcastsAsTheOnnxReferenceDoes) {
  expect_floats(run_op(OpKind::add, {kA, kB}), {2, 3}, {3, 0, 5, 4, -0.5f, -6.5f});
  expect_floats(run_op(OpKind::sub, {kA, kB}), {2, 3}, {-1, -4, 1, 5, 0.5f, -5.5f});
  expect_floats(run_op(OpKind::mul, {kA, kB}), {2, 3}, {2, -4, 6, -2.25f, 0, 3});
  expect_floats(run_op(OpKind::div, {kA, kB}), {2, 3}, {0.5f, -1, 1.5f, -9, 0, 12});
  expect_floats(run_op(OpKind::max, {kA, kB}), {2, 3}, {2, 2, 3, 4.5f, 0, -0.5f});
  expect_floats(run_op(OpKind::min, {kA, kB}), {2, 3}, {1, -2, 2, -0.5f, -0.5f, -6});
}

TEST(Binary, BroadcastsEveryPairOfShapesLikeTheDefinition) {
  // Brute force: element (i, j, k) of the result comes from the elements of the operands at the indices taken modulo
  // their dims.
  const std::vector<ir::Dims> shapes = {{},        {1},       {4},       {3, 1},    {1, 4},    {3, 4},
                                        {2, 1, 1}, {2, 3, 1}, {2, 1, 4}, {1, 3, 4}, {2, 3, 4}, {1, 1, 1}};
  const auto padded = [](ir::Dims dims) {
    dims.insert(dims.begin(), 3 - dims.size(), 1);
    return dims;
  };
  const auto ramp = [](const ir::Dims& dims, float start) {
    std::vector<float> values(static_cast<size_t>(ir::num_elements(dims)));
    for (size_t i = 0; i < values.size(); ++i) values[i] = start + static_cast<float>(i);
    return f32(dims, values);
  };
  for (const ir::Dims& a_dims : shapes) {
    for (const ir::Dims& b_dims : shapes) {
      const ir::Tensor a = ramp(a_dims, 0), b = ramp(b_dims, 100);
      const ir::Dims pa = padded(a_dims), pb = padded(b_dims);
      std::vector<float> expected;
      for (int64_t i = 0; i < std::max(pa[0], pb[0]); ++i) {
        for (int64_t j = 0; j < std::max(pa[1], pb[1]); ++j) {
          for (int64_t k = 0; k < std::max(pa[2], pb[2]); ++k) {
            const auto at = [&](const ir::Tensor& t, const ir::Dims& d) {
              return t.data<float>()[static_cast<size_t>(((i % d[0]) * d[1] + j % d[1]) * d[2] + k % d[2])];
            };
            expected.push_back(at(a, pa) - at(b, pb));
          }
        }
      }
      const auto y = run_op(OpKind::sub, {a, b});
      ASSERT_TRUE(y.ok());
      EXPECT_EQ((*y)[0].to_floats(), expected) << a.type().text() << " " << b.type().text();
      EXPECT_EQ((*y)[0].rank(), std::max(a.rank(), b.rank()));
    }
  }
}

TEST(Binary, TakesEmptyOperandsAndRefusesShapesThatDoNotFit) {
  expect_floats(run_op(OpKind::add, {f32({0, 3}, {}), f32({1}, {1})}), {0, 3}, {});
  expect_error(run_op(OpKind::add, {f32({2}, {1, 2}), f32({3}, {1, 2, 3})}), ErrorKind::invalid, "[2] and [3]");
  expect_error(run_op(OpKind::add, {f32({0}, {}), f32({3}, {1, 2, 3})}), ErrorKind::invalid, "[0] and [3]");
  expect_error(run_op(OpKind::add, {f32({1}, {1}), i64({1}, {1})}), ErrorKind::invalid, "i64[1]");
}

TEST(Binary, RefusesResultsThatNoMemoryHolds) {
  const int64_t n = 1 << 20;
  const ir::Tensor column = ir::Tensor::zeros(ir::DType::f32, {n, 1}), line = ir::Tensor::zeros(ir::DType::f32, {1, n});
  expect_error(run_op(OpKind::add, {column, line}), ErrorKind::io, "f32[1048576,1048576]");
  // No elements in, very many out.
  const ir::Tensor nothing = ir::Tensor::zeros(ir::DType::f32, {0, int64_t{1} << 40});
  expect_error(run_op(OpKind::reduce_sum, {nothing, i64({1}, {0})}), ErrorKind::io, "[1,1099511627776]");
}

TEST(Binary, WrapsIntegersAround) {
  expect_ints(run_op(OpKind::add, {row<uint8_t>({250}), row<uint8_t>({10})}), {1}, {4});
  expect_ints(run_op(OpKind::mul, {row<uint16_t>({65535}), row<uint16_t>({65535})}), {1}, {1});
  expect_ints(run_op(OpKind::sub, {row<int32_t>({std::numeric_limits<int32_t>::min()}), row<int32_t>({1})}), {1},
              {std::numeric_limits<int32_t>::max()});
}

TEST(Div, CutsIntegersTowardsZero) {
  expect_ints(run_op(OpKind::div, {row<int32_t>({7, -7, 7, -7}), row<int32_t>({2, 2, -2, -2})}), {4}, {3, -3, -3, 3});
  const int32_t smallest = std::numeric_limits<int32_t>::min();
  expect_ints(run_op(OpKind::div, {row<int32_t>({smallest}), row<int32_t>({-1})}), {1}, {smallest});
}

TEST(Div, RefusesIntegerZeros) {
  expect_error(run_op(OpKind::div, {i64({2}, {1, 2}), i64({2}, {1, 0})}), ErrorKind::invalid, "element 1");
  expect_error(run_op(OpKind::mod, {i64({2}, {1, 2}), i64({2}, {0, 1})}), ErrorKind::invalid, "element 0");
  expect_floats(run_op(OpKind::div, {f32({1}, {1}), f32({1}, {0})}), {1}, {std::numeric_limits<float>::infinity()});
}

TEST(Mod, TakesTheSignThatFmodSays) {
  const ir::Tensor a = row<int32_t>({7, -7, 7, -7}), b = row<int32_t>({3, 3, -3, -3});
  expect_ints(run_op(OpKind::mod, {a, b}), {4}, {1, 2, -2, -1});
  expect_ints(run_op(OpKind::mod, {a, b}, {{"fmod", int64_t{1}}}), {4}, {1, -1, 1, -1});
  // Floats with fmod = 0: numpy.mod.
  const ir::Tensor x = f32({3}, {5.3f, -5.3f, 5.3f}), y = f32({3}, {2, 2, -2});
  expect_floats(run_op(OpKind::mod, {x, y}), {3}, {1.3000002f, 0.6999998f, -0.6999998f});
  expect_floats(run_op(OpKind::mod, {x, y}, {{"fmod", int64_t{1}}}), {3}, {1.3000002f, -1.3000002f, 1.3000002f});
  const auto zeros = run_op(OpKind::mod, {f32({2}, {4, -4}), f32({2}, {-2, 2})});
  EXPECT_TRUE(std::signbit((*zeros)[0].to_floats()[0]));
  EXPECT_FALSE(std::signbit((*zeros)[0].to_floats()[1]));
  expect_error(run_op(OpKind::mod, {a, b}, {{"fmod", int64_t{2}}}), ErrorKind::invalid, "fmod");
  const int64_t smallest = std::numeric_limits<int64_t>::min();
  expect_ints(run_op(OpKind::mod, {i64({1}, {smallest}), i64({1}, {-1})}), {1}, {0});
}

TEST(Pow, KeepsTheTypeOfItsBase) {
  expect_floats(run_op(OpKind::pow, {f32({3}, {1, 2, 3}), i64({3}, {4, 5, 6})}), {3}, {1, 32, 729});
  expect_ints(run_op(OpKind::pow, {row<int32_t>({2, -3, 10}), row<int32_t>({10, 3, 0})}), {3}, {1024, -27, 1});
  expect_ints(run_op(OpKind::pow, {i64({3}, {2, 9, 10}), f32({3}, {0.5f, 0.5f, -1})}), {3}, {1, 3, 0});
  expect_error(run_op(OpKind::pow, {row<int8_t>({2}), f32({1}, {2})}), ErrorKind::unsupported, "i8");
}

TEST(Pow, SaturatesWhereAnIntegerCannotHoldThePower) {
  expect_ints(run_op(OpKind::pow, {row<int32_t>({0, 10}), f32({2}, {-1, 40})}), {2},
              {std::numeric_limits<int32_t>::max(), std::numeric_limits<int32_t>::max()});
}

TEST(Comparisons, GiveBooleans) {
  expect_ints(run_op(OpKind::greater, {kA, kB}), {2, 3}, {0, 0, 1, 1, 1, 0});
  expect_ints(run_op(OpKind::greater_or_equal, {kA, f32({}, {3})}), {2, 3}, {0, 0, 1, 1, 0, 0});
  expect_ints(run_op(OpKind::less, {kA, kB}), {2, 3}, {1, 1, 0, 0, 0, 1});
  expect_ints(run_op(OpKind::less_or_equal, {kA, f32({}, {3})}), {2, 3}, {1, 1, 1, 0, 1, 1});
  const auto equal = run_op(OpKind::equal, {kA, f32({}, {3})});
  expect_ints(equal, {2, 3}, {0, 0, 1, 0, 0, 0});
  EXPECT_EQ((*equal)[0].dtype(), ir::DType::boolean);
}

TEST(Logic, FollowsItsTruthTables) {
  const auto booleans = [](const std::vector<float>& x) {
    return (*run_op(OpKind::greater, {f32({static_cast<int64_t>(x.size())}, x), f32({}, {0})}))[0];
  };
  const ir::Tensor a = booleans({0, 0, 1, 1}), b = booleans({0, 1, 0, 1});
  expect_ints(run_op(OpKind::logical_and, {a, b}), {4}, {0, 0, 0, 1});
  expect_ints(run_op(OpKind::logical_or, {a, b}), {4}, {0, 1, 1, 1});
  expect_ints(run_op(OpKind::logical_xor, {a, b}), {4}, {0, 1, 1, 0});
  expect_error(run_op(OpKind::logical_and, {kA, kB}), ErrorKind::unsupported, "f32");
}

TEST(Variadic, FoldsAnyNumberOfOperands) {
  expect_floats(run_op(OpKind::sum, {kA, kB, kC}), {2, 3}, {3.5f, 2, 2, 4.5f, 1.5f, -9.5f});
  expect_floats(run_op(OpKind::mean, {kA, kB, kC}), {2, 3},
                {1.16666663f, 0.666666687f, 0.666666687f, 1.5f, 0.5f, -3.16666675f});
  expect_floats(run_op(OpKind::max, {kA, kB, kC}), {2, 3}, {2, 2, 3, 4.5f, 2, -0.5f});
  expect_floats(run_op(OpKind::mean, {kC}), {3}, {0.5f, 2, -3});
  expect_error(run_op(OpKind::sum, {i64({1}, {1}), i64({1}, {1})}), ErrorKind::unsupported, "i64");
  expect_error(run_op(OpKind::sum, {i64({1}, {1})}), ErrorKind::unsupported, "i64");
}

TEST(Variadic, KeepsNanFromEitherSide) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const ir::Tensor a = f32({2}, {nan, 1}), b = f32({2}, {1, nan});
  expect_floats(run_op(OpKind::max, {a, b}), {2}, {nan, nan});
  expect_floats(run_op(OpKind::min, {a, b}), {2}, {nan, nan});
}

TEST(PRelu, BroadcastsTheSlopeToItsOperand) {
  expect_floats(run_op(OpKind::prelu, {kA, kC}), {2, 3}, {1, -4, 3, 4.5f, 0, 18});
  expect_error(run_op(OpKind::prelu, {kC, kA}), ErrorKind::invalid, "f32[2,3]");
}

TEST(BroadcastShapes, KeepsSymbolsWhereItCan) {
  const Dim n("N"), m("M");
  EXPECT_EQ(*broadcast_shapes({n, 1}, {1, 3}), (Shape{n, 3}));
  EXPECT_EQ(*broadcast_shapes({n}, {n}), Shape{n});
  EXPECT_EQ(*broadcast_shapes({n}, {m}), Shape{Dim()});
  EXPECT_EQ(*broadcast_shapes({n}, {4}), Shape{4});  // N is 1 or 4
  EXPECT_EQ(*broadcast_shapes({n, 3, 8}, {8}), (Shape{n, 3, 8}));
  EXPECT_FALSE(broadcast_shapes({n, 2}, {3}).ok());
}

TEST(Binary, StatesCostAndQuantizationFacts) {
  const ir::Type type = ir::type_of(ir::DType::f32, {2, 3});
  EXPECT_EQ(quant_facts(*OneNode(OpKind::add, {type, type}).node).data_operands, (std::vector<int>{0, 1}));
  EXPECT_EQ(quant_facts(*OneNode(OpKind::sub, {type, type}).node).kind, QuantFacts::Kind::compute);
  EXPECT_EQ(quant_facts(*OneNode(OpKind::div, {type, type}).node).kind, QuantFacts::Kind::float_only);
  EXPECT_EQ(quant_facts(*OneNode(OpKind::max, {type, type, type}).node).data_operands.size(), 3u);
  OneNode sum(OpKind::sum, {type, type, type});
  ASSERT_TRUE(infer_types(sum.graph).ok());
  EXPECT_EQ(cost_of(*sum.node).flops, 12);
}

}  // namespace
}  // namespace edgesmith::ops
