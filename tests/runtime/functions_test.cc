// SPDX-License-Identifier: Apache-2.0
// Functions of elements and rows against ops::eval, and against the C library in double precision.
#include <cmath>

#include "runtime/native/table.h"
#include "runtime/run_graph.h"

namespace edgesmith::runtime {
namespace {

using native::Unary;

const std::vector<int64_t> kSizes = {1, 3, 7, 8, 15, 16, 17, 31, 33, 100};

// One node over %x, which must run by a kernel of its own.
void check_node(const std::string& node, const ir::Dims& dims, double tolerance, const std::string& constants = {},
                float scale = 4) {
  ir::Tensor x = random_tensor(dims, 7);
  for (float& number : x.mutable_data<float>()) number *= scale;
  const std::string text =
      "graph @g(%x: " + x.type().text() + ") -> (y) {\n" + constants + "  %y = " + node + "\n  return %y\n}";
  SCOPED_TRACE(text);
  const ir::Graph graph = parse_graph(text);
  const auto program = compile(graph, {}, Isa::scalar);
  ASSERT_TRUE(program.ok()) << program.error().text();
  ASSERT_NE(program->steps.at(0).kernel, nullptr);
  check_graph(graph, {x}, tolerance);
}

TEST(Functions, OfAllSizes) {
  for (const int64_t size : kSizes) {
    for (const char* node : {"sigmoid %x", "tanh %x", "erf %x", "gelu %x", "gelu %x {approximate=\"tanh\"}", "abs %x",
                             "neg %x", "elu %x {alpha=0.5}"}) {
      check_node(node, {size}, 3e-7);
    }
    check_node("exp %x", {2, size}, 2e-7);
    check_node("reciprocal %x", {2, size}, 1e-7);
  }
}

TEST(Functions, PowersThatAreSquaresAndRoots) {
  check_node("pow %x, %two", {5, 7}, 1e-7, "  %two = constant {2} : f32[]\n");
  const ir::Graph root = parse_graph(
      "graph @g(%x: f32[5,7]) -> (z) {\n  %half = constant {0.5} : f32[1]\n  %y = exp %x\n  %z = pow %y, %half\n"
      "  return %z\n}");
  check_graph(root, {random_tensor({5, 7}, 3)}, 2e-7);
  const ir::Graph cube = parse_graph(
      "graph @g(%x: f32[5,7]) -> (y) {\n  %three = constant {3} : f32[]\n  %y = pow %x, %three\n  return %y\n}");
  const auto program = compile(cube, {}, Isa::scalar);
  ASSERT_TRUE(program.ok());
  EXPECT_EQ(program->steps.at(0).kernel, nullptr);
}

// The largest error in units of the last place of the result, or of `least` where the result is smaller.
double worst_error(Unary op, double (*exact)(double), float from, float to, double least) {
  constexpr int kCount = 20001;
  std::vector<float> in, out(kCount);
  for (int i = 0; i < kCount; ++i) in.push_back(from + (to - from) * static_cast<float>(i) / (kCount - 1));
  double worst = 0;
  for (const Isa isa : float_isas()) {
    native::native_table(isa).unary(op, in.data(), 0, out.data(), kCount, {});
    for (size_t i = 0; i < in.size(); ++i) {
      const double expected = exact(static_cast<double>(in[i]));
      const double unit = std::max(least, std::abs(expected)) * 0x1p-23;
      worst = std::max(worst, std::abs(static_cast<double>(out[i]) - expected) / unit);
    }
  }
  return worst;
}

TEST(Functions, AreWithinTwoUnitsOfTheLastPlace) {
  EXPECT_LE(worst_error(
                Unary::exp, [](double x) { return std::exp(x); }, -87, 88, 0),
            2);
  EXPECT_LE(worst_error(
                Unary::log, [](double x) { return std::log(x); }, 1e-6F, 30, 0),
            2);
  EXPECT_LE(worst_error(
                Unary::tanh, [](double x) { return std::tanh(x); }, -12, 12, 0),
            2);
  EXPECT_LE(worst_error(
                Unary::erf, [](double x) { return std::erf(x); }, -8, 8, 0),
            2);
  EXPECT_LE(worst_error(
                Unary::sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, -80, 80, 1e-30),
            4);
}

TEST(Functions, AtTheEnds) {
  const float infinity = std::numeric_limits<float>::infinity(), none = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> in = {-infinity, -1000, -120, 0, 95, 1000, infinity, none};
  std::vector<float> out(in.size());
  for (const Isa isa : float_isas()) {
    SCOPED_TRACE(isa_word(isa));
    const auto run = [&](Unary op) {
      native::native_table(isa).unary(op, in.data(), 0, out.data(), static_cast<int64_t>(in.size()), {});
      EXPECT_TRUE(std::isnan(out.back()));
      return std::vector<float>(out.begin(), out.end() - 1);
    };
    EXPECT_EQ(run(Unary::exp), (std::vector<float>{0, 0, 0, 1, infinity, infinity, infinity}));
    EXPECT_EQ(run(Unary::tanh), (std::vector<float>{-1, -1, -1, 0, 1, 1, 1}));
    EXPECT_EQ(run(Unary::erf), (std::vector<float>{-1, -1, -1, 0, 1, 1, 1}));
    EXPECT_EQ(run(Unary::sigmoid), (std::vector<float>{0, 0, 0, 0.5F, 1, 1, 1}));
    const std::vector<float> positive = {0, 1, infinity}, logs = {-infinity, 0, infinity};
    std::vector<float> result(3);
    native::native_table(isa).unary(Unary::log, positive.data(), 0, result.data(), 3, {});
    EXPECT_EQ(result, logs);
    const std::vector<float> negative = {-1};
    native::native_table(isa).unary(Unary::log, negative.data(), 0, result.data(), 1, {});
    EXPECT_TRUE(std::isnan(result[0]));
  }
}

TEST(Softmax, OfAllLengthsAndAxes) {
  for (const int64_t length : kSizes) {
    check_node("softmax %x {axis=-1}", {3, length}, 3e-7);
    check_node("log_softmax %x {axis=-1}", {3, length}, 5e-7);
    check_node("softmax %x {axis=1}", {2, 5, length}, 3e-7);
    check_node("log_softmax %x {axis=1}", {2, 5, length}, 5e-7);
    check_node("softmax %x {axis=0}", {length, 3}, 3e-7);
  }
  check_node("softmax %x {axis=1, coerce_2d=1}", {2, 3, 5}, 3e-7);
  check_node("softmax %x {axis=-1}", {2, 0}, 0);
}

// Masked scores: minus infinity and very low numbers have no share at all.
TEST(Softmax, OfMaskedRows) {
  ir::Tensor x = random_tensor({4, 19}, 3);
  auto data = x.mutable_data<float>();
  for (size_t i = 0; i < data.size(); i += 2) data[i] = i % 4 == 0 ? -INFINITY : -1e9F;
  const ir::Graph graph = parse_graph("graph @g(%x: f32[4,19]) -> (y) {\n  %y = softmax %x {axis=-1}\n  return %y\n}");
  const ir::Tensor y = check_graph(graph, {x}, 2e-7).at(0);
  for (size_t i = 0; i < data.size(); i += 2) EXPECT_EQ(y.data<float>()[i], 0.0F);
}

TEST(Reduce, OverNeighbouringAxes) {
  const std::string last = "  %a = constant {-1} : i64[1]\n", middle = "  %a = constant {2,1} : i64[2]\n";
  for (const char* op : {"reduce_mean", "reduce_sum", "reduce_max", "reduce_sum_square", "reduce_l2"}) {
    const std::string node = std::string(op) + " %x, %a";
    for (const int64_t size : kSizes) {
      check_node(node, {3, size}, 2e-6, last);
      check_node(node + " {keepdims=0}", {2, 3, 4, size}, 2e-6, middle);
    }
    check_node(std::string(op) + " %x", {2, 3, 50}, 2e-6);
  }
}

TEST(Reduce, OverOthersIsLeftToTheReference) {
  const ir::Graph graph = parse_graph(
      "graph @g(%x: f32[2,3,4]) -> (y) {\n  %a = constant {0,2} : i64[2]\n  %y = reduce_mean %x, %a\n  return %y\n}");
  const auto program = compile(graph, {}, Isa::scalar);
  ASSERT_TRUE(program.ok());
  EXPECT_EQ(program->steps.at(0).kernel, nullptr);
}

// Mean and variance as exporters write them out.
TEST(Reduce, NormalizesRows) {
  for (const int64_t size : kSizes) {
    const std::string n = std::to_string(size);
    const ir::Graph graph = parse_graph("graph @g(%x: f32[2,5," + n + "]) -> (y) {\n" +
                                        "  %a = constant {-1} : i64[1]\n  %two = constant {2} : f32[]\n"
                                        "  %e = constant {0.00001} : f32[]\n  %g = constant random(seed=3) : f32[" +
                                        n + "]\n  %b = constant random(seed=4) : f32[" + n +
                                        "]\n  %m = reduce_mean %x, %a\n  %d = sub %x, %m\n  %s = pow %d, %two\n"
                                        "  %v = reduce_mean %s, %a\n  %w = add %v, %e\n  %r = sqrt %w\n"
                                        "  %q = div %d, %r\n  %u = mul %q, %g\n  %y = add %u, %b\n  return %y\n}");
    check_graph(graph, {random_tensor({2, 5, size}, 5)}, 2e-6);
    const auto program = compile(graph, {}, Isa::scalar);
    ASSERT_TRUE(program.ok());
    for (const Step& step : program->steps) EXPECT_NE(step.kernel, nullptr) << step.node->label();
  }
}

TEST(Gather, AlongEveryAxis) {
  const std::string rows = "  %i = constant {2,-1,0,2} : i64[2,2]\n", one = "  %i = constant {1} : i32[]\n";
  for (const int64_t size : kSizes) {
    check_node("gather %x, %i", {3, size}, 0, rows);
    check_node("gather %x, %i {axis=1}", {2, 3, size}, 0, rows);
    check_node("gather %x, %i {axis=-1}", {size, 3}, 0, rows);
    check_node("gather %x, %i {axis=1}", {2, 3, size}, 0, one);
  }
}

TEST(Gather, RefusesIndicesOutside) {
  const ir::Graph graph =
      parse_graph("graph @g(%x: f32[3,2], %i: i64[1]) -> (y) {\n  %y = gather %x, %i\n  return %y\n}");
  const auto program = compile(graph, {}, Isa::scalar);
  ASSERT_TRUE(program.ok());
  SessionState session(*program);
  const auto y =
      session.run(std::vector{random_tensor({3, 2}, 1), ir::Tensor::of({1}, std::vector<int64_t>{3})}, nullptr);
  ASSERT_FALSE(y.ok());
  EXPECT_NE(y.error().text().find("index 3 of 3 entries"), std::string::npos) << y.error().text();
}

TEST(Resize, ByEveryFilter) {
  const std::string up = "  %s = constant {1,1,2,2.5} : f32[4]\n", down = "  %s = constant {1,1,0.5,0.6} : f32[4]\n";
  for (const int64_t width : kSizes) {
    for (const std::string& scales : {up, down}) {
      if (&scales == &down && width < 3) continue;
      for (const char* attributes :
           {"mode=\"linear\"", "mode=\"nearest\"", "mode=\"cubic\"", "mode=\"linear\", antialias=1",
            "mode=\"linear\", coordinate_transformation_mode=\"align_corners\"",
            "mode=\"nearest\", coordinate_transformation_mode=\"asymmetric\", nearest_mode=\"floor\""}) {
        check_node("resize %x, _, %s {" + std::string(attributes) + "}", {2, 3, 6, width}, 1e-6, scales);
      }
    }
  }
  check_node("resize %x, _, _, %s {mode=\"linear\"}", {1, 2, 5, 7}, 1e-6, "  %s = constant {1,2,8,9} : i64[4]\n");
  check_node("resize %x, _, _, %s {mode=\"linear\"}", {1, 2, 5, 7}, 0, "  %s = constant {1,2,5,7} : i64[4]\n");
}

}  // namespace
}  // namespace edgesmith::runtime
