// SPDX-License-Identifier: Apache-2.0
// Operators that move elements. Expected numbers: onnxruntime 1.32 (PyPI) on one-node models, unless shown.
#include <limits>

#include "ops/elements.h"
#include "ops/eval_helper.h"

namespace edgesmith::ops {
namespace {

using ir::Ints;
using ir::OpKind;
using Text = std::string;

constexpr int64_t kLeast = std::numeric_limits<int64_t>::min(), kMost = std::numeric_limits<int64_t>::max();

ir::Tensor ints(const Ints& values) { return i64({static_cast<int64_t>(values.size())}, values); }

TEST(Take, MovesPackedCodesAndStringsToo) {
  const auto codes = pack(ir::Tensor::of<int8_t>({5}, std::vector<int8_t>{-8, 7, -1, 3, 0}), ir::DType::i4);
  EXPECT_EQ(codes.to_int64s(), (Ints{-8, 7, -1, 3, 0}));
  const std::vector<std::vector<int64_t>> maps = {{4, 0, -1, 1}};
  EXPECT_EQ(take(codes, maps)->to_int64s(), (Ints{0, -8, 0, 7}));
  const auto words = take(ir::Tensor::strings({2}, {"a", "b"}), std::vector<std::vector<int64_t>>{{1, 1, 0}});
  EXPECT_EQ(words->string_data(), (std::vector<std::string>{"b", "b", "a"}));
}

TEST(Take, RefusesAbsurdSizesBeforeAllocating) {
  EXPECT_FALSE(make_tensor(ir::DType::f32, {int64_t{1} << 40, int64_t{1} << 40}).ok());
  EXPECT_FALSE(make_tensor(ir::DType::f32, {int64_t{1} << 40, 0}).ok());
  EXPECT_TRUE(make_tensor(ir::DType::f32, {0, 7}).ok());
}

TEST(Slice, ClampsAndCountsFromTheEnd) {
  const auto x = f32({5}, {1, 2, 3, 4, 5});
  const auto cut = [&](int64_t start, int64_t end, int64_t step) {
    return run_op(OpKind::slice, {x, ints({start}), ints({end}), ints({0}), ints({step})});
  };
  expect_floats(cut(-3, kMost, 2), {2}, {3, 5});
  expect_floats(cut(-1, kLeast, -2), {3}, {5, 3, 1});
  expect_floats(cut(100, 0, -1), {4}, {5, 4, 3, 2});
  expect_floats(cut(-2, kMost, -1), {4}, {4, 3, 2, 1});
  expect_floats(cut(kLeast, kMost, kMost), {1}, {1});
  expect_floats(cut(4, kLeast, kLeast), {1}, {5});
  expect_floats(cut(3, 3, 1), {0}, {});
  expect_error(cut(0, 1, 0), ErrorKind::invalid, "step");
}

TEST(Slice, RefusesAxesThatDoNotExist) {
  const auto x = f32({1, 2}, {1, 2});
  expect_error(run_op(OpKind::slice, {x, ints({0}), ints({1}), ints({2})}), ErrorKind::invalid, "axis 2");
  expect_error(run_op(OpKind::slice, {x, ints({0, 0}), ints({1, 1}), ints({0, -2})}), ErrorKind::invalid, "twice");
  expect_error(run_op(OpKind::slice, {x, ints({0}), ints({1, 1})}), ErrorKind::invalid, "ends");
}

TEST(Pad, ReflectsWrapsAndExtends) {
  const auto x = f32({1, 4}, {1, 2, 3, 4});
  const auto pad = [&](const char* mode, const Ints& pads) {
    return run_op(OpKind::pad, {x, ints(pads)}, {{"mode", Text(mode)}});
  };
  expect_floats(pad("reflect", {0, 3, 0, 2}), {1, 9}, {4, 3, 2, 1, 2, 3, 4, 3, 2});
  expect_floats(pad("wrap", {0, 3, 0, 2}), {1, 9}, {2, 3, 4, 1, 2, 3, 4, 1, 2});
  expect_floats(pad("edge", {0, 3, 0, -2}), {1, 5}, {1, 1, 1, 1, 2});
}

TEST(Pad, ReflectsMoreThanOnceWhenPadsExceedTheInput) {
  // Expected: numpy.pad of the onnx 1.23 reference evaluator; ONNX Runtime refuses this.
  const auto y = run_op(OpKind::pad, {f32({1, 3}, {1, 2, 3}), ints({0, 5, 0, 5})}, {{"mode", Text("reflect")}});
  expect_floats(y, {1, 13}, {2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3, 2});
}

TEST(Pad, FillsAndCutsTheAxesNamed) {
  const auto y = run_op(OpKind::pad, {f32({2, 2}, {1, 2, 3, 4}), ints({1, -1}), f32({}, {9}), ints({-1})});
  expect_floats(y, {2, 2}, {9, 1, 9, 3});
  expect_floats(run_op(OpKind::pad, {f32({0}, {}), ints({1, 1})}), {2}, {0, 0});
}

TEST(Pad, RefusesPadsThatDoNotFit) {
  const auto x = f32({2}, {1, 2});
  expect_error(run_op(OpKind::pad, {x, ints({1})}), ErrorKind::invalid, "1 pads");
  expect_error(run_op(OpKind::pad, {x, ints({-2, -1})}), ErrorKind::invalid, "not possible");
  expect_error(run_op(OpKind::pad, {x, ints({kMost, 1})}), ErrorKind::invalid, "not possible");
  expect_error(run_op(OpKind::pad, {x, ints({int64_t{1} << 40, 1})}), ErrorKind::io, "too large");
  expect_error(run_op(OpKind::pad, {f32({0}, {}), ints({1, 1})}, {{"mode", Text("edge")}}), ErrorKind::invalid,
               "empty");
}

TEST(DepthToSpace, OrdersBlocksByMode) {
  const auto x = f32({1, 8, 1, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16});
  expect_floats(run_op(OpKind::depth_to_space, {x}, {{"blocksize", int64_t{2}}}), {1, 2, 2, 4},
                {1, 5, 2, 6, 9, 13, 10, 14, 3, 7, 4, 8, 11, 15, 12, 16});
  expect_floats(run_op(OpKind::depth_to_space, {x}, {{"blocksize", int64_t{2}}, {"mode", Text("CRD")}}), {1, 2, 2, 4},
                {1, 3, 2, 4, 5, 7, 6, 8, 9, 11, 10, 12, 13, 15, 14, 16});
  expect_error(run_op(OpKind::depth_to_space, {x}, {{"blocksize", int64_t{3}}}), ErrorKind::invalid, "8 channels");
}

TEST(SpaceToDepth, UndoesDepthToSpace) {
  const auto x = f32({1, 2, 2, 4}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16});
  const auto deep = run_op(OpKind::space_to_depth, {x}, {{"blocksize", int64_t{2}}});
  expect_floats(deep, {1, 8, 1, 2}, {1, 3, 9, 11, 2, 4, 10, 12, 5, 7, 13, 15, 6, 8, 14, 16});
  expect_floats(run_op(OpKind::depth_to_space, *deep, {{"blocksize", int64_t{2}}}), x.dims(), x.to_floats());
}

TEST(Split, MakesTheLastPartSmallerOnlyWhenTheCountIsStated) {
  const auto x = f32({7}, {1, 2, 3, 4, 5, 6, 7});
  const auto parts = run_op(OpKind::split, {x}, {{"num_outputs", int64_t{3}}}, 3);
  ASSERT_TRUE(parts.ok());
  EXPECT_EQ((*parts)[0].to_floats(), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ((*parts)[2].to_floats(), (std::vector<float>{7}));
  expect_error(run_op(OpKind::split, {x}, {}, 3), ErrorKind::invalid, "equal parts");
  expect_error(run_op(OpKind::split, {x, ints({kMost, kMost, 9})}, {}, 3), ErrorKind::invalid, "do not make up");
}

TEST(Split, CutsAsManyElementsAsThereCanBe) {
  const int64_t most = (int64_t{1} << 40) - 1;
  OneNode one(OpKind::split, {{ir::DType::i8, ir::Shape{ir::Dim(most)}}}, {{"num_outputs", int64_t{2}}}, 2);
  ASSERT_TRUE(infer_types(one.graph).ok());
  EXPECT_EQ((*one.node->output(0).type().shape)[0].value(), most / 2 + 1);
  EXPECT_EQ((*one.node->output(1).type().shape)[0].value(), most / 2);
}

TEST(Gather, CountsNegativeIndicesFromTheEnd) {
  const auto x = f32({2, 3}, {1, 2, 3, 4, 5, 6});
  expect_floats(run_op(OpKind::gather, {x, i64({2, 1}, {-1, 0})}, {{"axis", int64_t{1}}}), {2, 2, 1}, {3, 1, 6, 4});
  expect_floats(run_op(OpKind::gather, {x, i64({}, {1})}), {3}, {4, 5, 6});
  expect_error(run_op(OpKind::gather, {x, i64({1}, {2})}), ErrorKind::invalid, "index 2");
}

TEST(Where, BroadcastsAllThree) {
  const auto condition = ir::Tensor::of<uint8_t>({2, 1}, std::vector<uint8_t>{1, 0});
  const ir::Tensor choice(ir::DType::boolean, {2, 1}, condition.bytes(), std::make_shared<ir::Tensor>(condition));
  expect_floats(run_op(OpKind::where, {choice, f32({2}, {1, 2}), f32({}, {9})}), {2, 2}, {1, 2, 9, 9});
}

TEST(Range, StopsBeforeTheLimit) {
  const auto run = [](int64_t start, int64_t limit, int64_t delta) {
    return run_op(OpKind::range, {i64({}, {start}), i64({}, {limit}), i64({}, {delta})});
  };
  expect_ints(run(10, 1, -4), {3}, {10, 6, 2});
  expect_ints(run(1, 1, 5), {0}, {});
  expect_ints(run(kLeast, kMost, kMost), {3}, {kLeast, -1, kMost - 1});
  expect_error(run(0, 1, 0), ErrorKind::invalid, "delta");
  expect_error(run(kLeast, kMost, 1), ErrorKind::invalid, "elements");
  expect_error(run(0, int64_t{1} << 50, 1), ErrorKind::io, "too large");
  expect_floats(run_op(OpKind::range, {f32({}, {0}), f32({}, {1}), f32({}, {0.3f})}), {4}, {0, 0.3f, 0.6f, 0.9f});
}

TEST(Tile, RepeatsEveryAxis) {
  expect_floats(run_op(OpKind::tile, {f32({1, 2}, {1, 2}), ints({2, 2})}), {2, 4}, {1, 2, 1, 2, 1, 2, 1, 2});
  expect_floats(run_op(OpKind::tile, {f32({1, 2}, {1, 2}), ints({0, 2})}), {0, 4}, {});
  expect_error(run_op(OpKind::tile, {f32({2}, {1, 2}), ints({-1})}), ErrorKind::invalid, "-1");
}

TEST(Expand, BroadcastsBothWays) {
  expect_floats(run_op(OpKind::expand, {f32({2, 1}, {1, 2}), ints({1, 1, 2})}), {1, 2, 2}, {1, 1, 2, 2});
  expect_error(run_op(OpKind::expand, {f32({2}, {1, 2}), ints({3})}), ErrorKind::invalid, "broadcast");
  EXPECT_FALSE(run_op(OpKind::expand, {f32({1}, {1}), ints({int64_t{1} << 33, int64_t{1} << 33})}).ok());
}

TEST(ConstantOfShape, FillsAnyType) {
  expect_floats(run_op(OpKind::constant_of_shape, {ints({2})}), {2}, {0, 0});
  expect_ints(run_op(OpKind::constant_of_shape, {ints({})}, {{"value", i64({1}, {5})}}), {}, {5});
  expect_error(run_op(OpKind::constant_of_shape, {ints({-1})}), ErrorKind::invalid, "-1");
}

TEST(Concat, JoinsAlongTheAxisAndRefusesOtherwise) {
  const auto a = f32({2, 1}, {1, 2}), b = f32({2, 2}, {3, 4, 5, 6});
  expect_floats(run_op(OpKind::concat, {a, b}, {{"axis", int64_t{-1}}}), {2, 3}, {1, 3, 4, 2, 5, 6});
  expect_error(run_op(OpKind::concat, {a, b}, {{"axis", int64_t{0}}}), ErrorKind::invalid, "axis 0");
  expect_error(run_op(OpKind::concat, {a, i64({2, 1}, {1, 2})}, {{"axis", int64_t{1}}}), ErrorKind::invalid, "same");
}

TEST(Transpose, PermutesAndReversesByDefault) {
  const auto x = f32({1, 2, 3}, {1, 2, 3, 4, 5, 6});
  expect_floats(run_op(OpKind::transpose, {x}), {3, 2, 1}, {1, 4, 2, 5, 3, 6});
  expect_error(run_op(OpKind::transpose, {x}, {{"perm", Ints{0, 1, 1}}}), ErrorKind::invalid, "permutation");
}

}  // namespace
}  // namespace edgesmith::ops
