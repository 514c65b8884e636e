// SPDX-License-Identifier: Apache-2.0
// The kernels beside convolution against ops::eval, on every instruction set of this CPU.
#include "runtime/run_graph.h"

namespace edgesmith::runtime {
namespace {

const std::vector<int64_t> kSizes = {1, 3, 7, 8, 15, 17, 31, 33, 49};

std::string text_of(int64_t n) { return std::to_string(n); }

// One node over random inputs of the given types ("f32[2,3]"), which must run by a kernel.
void check_node(const std::string& node, const std::vector<ir::Dims>& dims, double tolerance = 2e-6,
                const std::string& constants = {}) {
  std::string text = "graph @g(";
  std::vector<ir::Tensor> inputs;
  for (size_t i = 0; i < dims.size(); ++i) {
    inputs.push_back(random_tensor(dims[i], 10 + i));
    text += (i > 0 ? ", %x" : "%x") + text_of(static_cast<int64_t>(i)) + ": " + inputs.back().type().text();
  }
  text += ") -> (y) {\n" + constants + "  %y = " + node + "\n  return %y\n}";
  SCOPED_TRACE(text);
  const ir::Graph graph = parse_graph(text);
  const auto program = compile(graph, {}, Isa::scalar);
  ASSERT_TRUE(program.ok()) << program.error().text();
  ASSERT_NE(program->steps.at(0).kernel, nullptr);
  check_graph(graph, inputs, tolerance);
}

TEST(Gemm, OfAllSizesAndTranspositions) {
  for (const int64_t m : {1, 2, 5, 8, 9, 17}) {
    for (const int64_t n : kSizes) {
      const int64_t k = 50 - n;
      check_node("gemm %x0, %x1, %x2", {{m, k}, {k, n}, {n}});
      check_node("gemm %x0, %x1, _ {transA=1}", {{k, m}, {k, n}});
      check_node("gemm %x0, %x1, %x2 {transB=1, alpha=0.5, beta=2.0}", {{m, k}, {n, k}, {1, n}});
    }
  }
}

TEST(Gemm, WithConstantWeightsAndAnyBiasRow) {
  const std::string w = "  %w = constant random(seed=3) : f32[21,40]\n  %one = constant {0.5} : f32[]\n";
  check_node("gemm %x0, %w, %one {transB=1}", {{6, 40}}, 2e-6, w);
  check_node("gemm %x0, %w, _ {transB=1, alpha=0.25}", {{6, 40}}, 2e-6, w);
}

TEST(Gemm, WithABiasMatrixIsLeftToTheReference) {
  const ir::Graph graph = parse_graph(
      "graph @g(%a: f32[2,3], %b: f32[3,4], %c: f32[2,4]) -> (y) {\n  %y = gemm %a, %b, %c\n  return %y\n}");
  check_graph(graph, {random_tensor({2, 3}, 1), random_tensor({3, 4}, 2), random_tensor({2, 4}, 3)});
}

// Sums too long for one pass, rows too many for one block, and a clamp that must see the whole sum.
TEST(Gemm, WithLongSumsAndManyRows) {
  const std::string w = "  %w = constant random(seed=3) : f32[1100,35]\n";
  check_node("gemm %x0, %w", {{300, 1100}}, 5e-6, w);
  const ir::Graph graph = parse_graph(
      "graph @g(%a: f32[7,2500], %b: f32[2500,33], %c: f32[33]) -> (y) {\n"
      "  %y0 = gemm %a, %b, %c\n  %y = relu %y0\n  return %y\n}");
  check_graph(graph, {random_tensor({7, 2500}, 1), random_tensor({2500, 33}, 2), random_tensor({33}, 3)}, 5e-6);
}

TEST(MatMul, OfMatricesAndStacks) {
  for (const int64_t n : kSizes) check_node("mat_mul %x0, %x1", {{9, 50 - n}, {50 - n, n}});
  check_node("mat_mul %x0, %x1", {{2, 3, 5, 7}, {7, 19}});
  check_node("mat_mul %x0, %x1", {{2, 3, 5, 7}, {2, 3, 7, 19}});
  check_node("mat_mul %x0, %x1", {{2, 1, 5, 7}, {3, 7, 19}});
  check_node("mat_mul %x0, %x1", {{5, 7}, {4, 7, 3}});
  check_node("mat_mul %x0, %w", {{4, 6, 7}}, 2e-6, "  %w = constant random(seed=3) : f32[7,33]\n");
}

TEST(MaxPool, OfAllWidthsStridesAndPads) {
  for (const int64_t width : kSizes) {
    check_node("max_pool %x0 {kernel_shape=[3,3], pads=[1,1,1,1], strides=[2,2]}", {{2, 3, 9, width}}, 0);
    check_node("max_pool %x0 {kernel_shape=[2,1], strides=[2,1]}", {{1, 2, 8, width}}, 0);
  }
  check_node("max_pool %x0 {kernel_shape=[2,2], ceil_mode=1, strides=[2,2]}", {{2, 3, 7, 5}}, 0);
  check_node("max_pool %x0 {kernel_shape=[3,3], dilations=[2,2]}", {{2, 3, 9, 20}}, 0);
  check_node("max_pool %x0 {kernel_shape=[3], pads=[1,1]}", {{2, 3, 9}}, 0);
  check_node("max_pool %x0 {kernel_shape=[2,2], auto_pad=\"SAME_LOWER\"}", {{2, 3, 7, 5}}, 0);
}

TEST(Pools, OfSmallSquareWindowsInsideThePlanes) {
  for (const int64_t width : {3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 34, 49, 66}) {
    for (const char* window : {"kernel_shape=[2,2], strides=[2,2]", "kernel_shape=[2,2]", "kernel_shape=[3,3]",
                               "kernel_shape=[3,3], strides=[2,2]"}) {
      check_node("max_pool %x0 {" + std::string(window) + "}", {{2, 3, 5, width}}, 0);
      check_node("average_pool %x0 {" + std::string(window) + "}", {{2, 3, 5, width}}, 1e-6);
    }
  }
  // Windows that end outside are not among them.
  check_node("max_pool %x0 {kernel_shape=[3,3], strides=[2,2], ceil_mode=1}", {{2, 3, 6, 12}}, 0);
  check_node("average_pool %x0 {kernel_shape=[3,3], strides=[2,2], ceil_mode=1}", {{2, 3, 6, 12}}, 1e-6);
}

TEST(AveragePool, CountsPaddingAsTold) {
  for (const int64_t width : kSizes) {
    for (const char* count : {"0", "1"}) {
      check_node("average_pool %x0 {kernel_shape=[3,3], pads=[1,0,1,2], strides=[2,1], count_include_pad=" +
                     std::string(count) + "}",
                 {{2, 3, 9, width}}, 1e-6);
    }
  }
  check_node("average_pool %x0 {kernel_shape=[3,3], ceil_mode=1, strides=[2,2], pads=[1,1,1,1], count_include_pad=1}",
             {{1, 2, 8, 8}}, 1e-6);
}

TEST(GlobalPools, OfAllSizes) {
  for (const int64_t size : kSizes) {
    check_node("global_average_pool %x0", {{2, 3, size, 5}}, 1e-6);
    check_node("global_max_pool %x0", {{2, 3, size, 5}}, 0);
  }
}

TEST(Binary, BroadcastsEveryWay) {
  const std::vector<std::pair<ir::Dims, ir::Dims>> pairs = {{{2, 3, 4, 5}, {2, 3, 4, 5}},
                                                            {{2, 3, 4, 5}, {}},
                                                            {{}, {2, 3, 4, 5}},
                                                            {{2, 3, 4, 5}, {3, 1, 1}},
                                                            {{2, 3, 4, 5}, {5}},
                                                            {{3, 1}, {1, 19}},
                                                            {{2, 1, 4, 1}, {3, 1, 5}},
                                                            {{1}, {1, 1}},
                                                            {{7, 1, 33}, {1, 6, 33}},
                                                            {{2, 3, 4, 1}, {2, 3, 4, 17}},
                                                            {{}, {}},
                                                            {{0, 3}, {3}}};
  for (const char* op : {"add", "sub", "mul", "div", "max", "min"}) {
    for (const auto& [a, b] : pairs) check_node(std::string(op) + " %x0, %x1", {a, b}, 0);
  }
}

TEST(Binary, LargestAndLeastOfWhatIsNoNumber) {
  const std::vector<float> ends = {0, -1, 2, INFINITY, -INFINITY, NAN};
  std::vector<float> a, b;
  for (const float x : ends) {
    for (const float y : ends) {
      a.push_back(x);
      b.push_back(y);
    }
  }
  const auto count = static_cast<int64_t>(a.size());
  for (const char* op : {"max", "min"}) {
    const ir::Graph graph = parse_graph("graph @g(%a: f32[36], %b: f32[36]) -> (y) {\n  %y = " + std::string(op) +
                                        " %a, %b\n  return %y\n}");
    for (const Isa isa : float_isas()) {
      const auto y = run_graph(graph, {ir::Tensor::of<float>({count}, a), ir::Tensor::of<float>({count}, b)}, isa);
      const auto got = y[0].to_floats();
      for (size_t i = 0; i < a.size(); ++i) {
        const bool none = std::isnan(a[i]) || std::isnan(b[i]);
        const float wanted = none ? NAN : op[1] == 'a' ? std::max(a[i], b[i]) : std::min(a[i], b[i]);
        EXPECT_TRUE(none ? std::isnan(got[i]) : got[i] == wanted) << op << " " << a[i] << " " << b[i];
      }
    }
  }
}

TEST(Activations, OfAllSizes) {
  const std::string bounds = "  %lo = constant {-0.25} : f32[]\n  %hi = constant {0.5} : f32[]\n";
  for (const int64_t size : kSizes) {
    check_node("relu %x0", {{2, size}}, 0);
    check_node("clip %x0, %lo, %hi", {{2, size}}, 0, bounds);
    check_node("clip %x0, _, %hi", {{2, size}}, 0, bounds);
    check_node("clip %x0, %lo", {{2, size}}, 0, bounds);
    check_node("clip %x0, %x1", {{2, size}, {}}, 0);
    check_node("leaky_relu %x0 {alpha=0.3}", {{2, size}}, 0);
    check_node("hard_sigmoid %x0 {alpha=0.7, beta=0.4}", {{2, size}}, 1e-6);
    check_node("hard_swish %x0", {{2, size}}, 1e-6);
  }
}

TEST(Activations, FollowEachOther) {
  const ir::Graph graph = parse_graph(R"(graph @g(%x: f32[3,21]) -> (y, z) {
  %lo = constant {-0.25} : f32[]
  %hi = constant {0.5} : f32[]
  %a = leaky_relu %x {alpha=0.5}
  %y = clip %a, %lo, %hi
  %b = clip %x, %lo, %hi
  %z = relu %b
  return %y, %z
})");
  check_graph(graph, {random_tensor({3, 21}, 5)}, 0);
}

TEST(Activations, LetNotANumberThrough) {
  for (const char* op : {"relu", "leaky_relu"}) {
    const ir::Graph graph =
        parse_graph("graph @g(%x: f32[20]) -> (y) {\n  %y = " + std::string(op) + " %x\n  return %y\n}");
    for (const Isa isa : float_isas()) {
      const auto y = run_graph(graph, {ir::Tensor::of<float>({20}, std::vector<float>(20, NAN))}, isa)[0].to_floats();
      for (const float v : y) EXPECT_TRUE(std::isnan(v)) << op << " " << isa_word(isa);
    }
  }
}

TEST(BatchNormalization, OfImagesAndRows) {
  const std::string constants = R"(  %s = constant {0.5, 2, -1} : f32[3]
  %b = constant {0, 0.5, 1} : f32[3]
  %m = constant {0.1, 0.2, -0.3} : f32[3]
  %v = constant {1, 0.5, 2} : f32[3]
)";
  for (const int64_t size : kSizes) {
    check_node("batch_normalization %x0, %s, %b, %m, %v {epsilon=0.01}", {{2, 3, size, 2}}, 2e-6, constants);
  }
  check_node("batch_normalization %x0, %s, %b, %m, %v", {{5, 3}}, 2e-6, constants);
}

TEST(Copies, ConcatPadSliceAndTranspose) {
  check_node("concat %x0, %x1, %x0 {axis=1}", {{2, 3, 5}, {2, 4, 5}}, 0);
  check_node("concat %x0, %x1 {axis=-1}", {{2, 3, 5}, {2, 3, 1}}, 0);
  check_node("concat %x0, %x1 {axis=0}", {{1, 3}, {0, 3}}, 0);
  const std::string pads =
      "  %p = constant {0, 1, -1, 2, 3, -2} : i64[6]\n  %v = constant {0.5} : f32[]\n"
      "  %q = constant {1, 2} : i64[2]\n  %axis = constant {-2} : i64[1]\n";
  check_node("pad %x0, %p, %v", {{2, 3, 7}}, 0, pads);
  check_node("pad %x0, %p", {{2, 3, 7}}, 0, pads);
  check_node("pad %x0, %q, _, %axis", {{2, 3, 7}}, 0, pads);
  const std::string slices =
      "  %s = constant {-1, 1} : i64[2]\n  %e = constant {-100, 100} : i64[2]\n"
      "  %a = constant {-1, 0} : i64[2]\n  %t = constant {-2, 2} : i64[2]\n";
  check_node("slice %x0, %s, %e, %a, %t", {{5, 3, 7}}, 0, slices);
  check_node("slice %x0, %s, %e, %a, %t", {{4, 1, 8}}, 0, slices);
  check_node("slice %x0, %s, %e, %a, %t", {{1, 1, 8}}, 0, slices);
  check_node("transpose %x0", {{2, 3, 4}}, 0);
  check_node("transpose %x0 {perm=[0,2,3,1]}", {{2, 3, 4, 5}}, 0);
  check_node("transpose %x0 {perm=[2,0,1]}", {{1, 3, 4}}, 0);
}

TEST(Copies, TransposeOfAllSizes) {
  for (const int64_t columns : kSizes) {
    for (const int64_t rows : {1, 2, 3, 4, 5, 16, 17, 35}) {
      check_node("transpose %x0", {{rows, columns}}, 0);
      check_node("transpose %x0 {perm=[0,2,1]}", {{2, rows, columns}}, 0);
      check_node("transpose %x0 {perm=[1,0,2]}", {{rows, 3, columns}}, 0);
      check_node("transpose %x0 {perm=[2,1,0]}", {{rows, 3, columns}}, 0);
      check_node("transpose %x0 {perm=[0,3,2,1]}", {{2, rows, 1, columns}}, 0);
      check_node("transpose %x0 {perm=[0,3,1,2]}", {{1, rows, 3, columns}}, 0);
    }
  }
  check_node("transpose %x0", {{0, 3}}, 0);
  check_node("transpose %x0", {{}}, 0);
  check_node("transpose %x0 {perm=[3,1,4,0,2]}", {{2, 3, 4, 5, 6}}, 0);
}

TEST(Copies, PadThatRepeatsElements) {
  const std::string pads =
      "  %p = constant {0, 1, 2, 0, 3, 2} : i64[6]\n  %cut = constant {0, 1, -2, 0, -1, 3} : i64[6]\n"
      "  %far = constant {0, 0, 11, 0, 0, 20} : i64[6]\n  %gone = constant {0, 0, -1, 0, 0, -6} : i64[6]\n"
      "  %q = constant {1, 2} : i64[2]\n  %axis = constant {-2} : i64[1]\n";
  for (const char* mode : {"reflect", "edge", "wrap"}) {
    const std::string attribute = " {mode=\"" + std::string(mode) + "\"}";
    for (const char* amounts : {"%p", "%cut", "%far", "%gone", "%q, _, %axis"}) {
      check_node("pad %x0, " + std::string(amounts) + attribute, {{2, 4, 7}}, 0, pads);
    }
    check_node("pad %x0, %p" + attribute, {{1, 1, 1}}, 0, pads);
    check_node("pad %x0, %far" + attribute, {{2, 1, 33}}, 0, pads);
  }
}

TEST(Copies, SplitIntoSeveralResults) {
  const ir::Graph graph = parse_graph(
      "graph @g(%x: f32[2,7,3]) -> (a, b, c, d, e) {\n  %sizes = constant {2, 0, 5} : i64[3]\n"
      "  %a, %b, %c = split %x, %sizes {axis=1}\n  %d, %e = split %x {axis=-1, num_outputs=2}\n"
      "  return %a, %b, %c, %d, %e\n}");
  EXPECT_TRUE(runs_by_kernels(graph));
  check_graph(graph, {random_tensor({2, 7, 3}, 3)}, 0);
}

TEST(Pools, OfLargeWindows) {
  check_node("average_pool %x0 {kernel_shape=[8,8], strides=[8,8]}", {{2, 3, 8, 8}}, 1e-6);
  check_node("average_pool %x0 {kernel_shape=[8,7], strides=[8,8], pads=[1,0,1,2]}", {{3, 7, 15, 16}}, 1e-6);
  check_node("max_pool %x0 {kernel_shape=[8,7], strides=[8,8], pads=[1,0,1,2]}", {{3, 7, 15, 16}}, 0);
  check_node("average_pool %x0 {kernel_shape=[5,5], strides=[4,4], pads=[2,2,2,2]}", {{2, 3, 8, 8}}, 1e-6);
  check_node("max_pool %x0 {kernel_shape=[5,5], strides=[4,4], pads=[2,2,2,2]}", {{2, 3, 8, 8}}, 0);
  check_node("max_pool %x0 {kernel_shape=[7], strides=[3]}", {{2, 3, 11}}, 0);
}

// A random chain of element-wise work, pools, convolutions, views and joins.
std::string random_net(Random& random) {
  std::string text =
      "graph @g(%v0: f32[N,4,9,7]) -> (y) {\n  %w = constant random(seed=1) : f32[4,4,3,3]\n"
      "  %d = constant random(seed=2) : f32[4,1,3,3]\n  %p = constant random(seed=3) : f32[4,1,1]\n"
      "  %half = constant {0.5} : f32[]\n";
  const int count = 3 + static_cast<int>(random.below(12));
  for (int i = 1; i <= count; ++i) {
    const auto any = [&] { return "%v" + text_of(static_cast<int64_t>(random.below(static_cast<uint64_t>(i)))); };
    const auto two = [&] {  // one after the other: compilers for x86 and Arm order the operands of + differently
      const std::string first = any();
      return first + ", " + any();
    };
    const std::string choices[] = {"relu " + any(),
                                   "add " + two(),
                                   "mul " + any() + ", %p",
                                   "conv " + any() + ", %w, _ {pads=[1,1,1,1]}",
                                   "conv " + any() + ", %d, _ {pads=[1,1,1,1], group=4}",
                                   "max_pool " + any() + " {kernel_shape=[3,3], pads=[1,1,1,1]}",
                                   "identity " + any(),
                                   "clip " + any() + ", _, %half",
                                   "tanh " + any(),
                                   "sub " + two()};
    text += "  %v" + text_of(i) + " = " + choices[random.below(std::size(choices))] + "\n";
  }
  return text + "  return %v" + text_of(count) + "\n}";
}

TEST(Executor, AgreesWithTheReferenceOnRandomGraphs) {
  Random random(42);
  for (int round = 0; round < 60; ++round) {
    const std::string text = random_net(random);
    SCOPED_TRACE(text);
    ir::Graph graph = parse_graph(text);
    const ir::Tensor x = random_tensor({2, 4, 9, 7}, static_cast<uint64_t>(round));
    check_graph(graph, {x}, 1e-5);
    if (testing::Test::HasFailure()) return;
    // The same with annotations on some values: every instruction set alike, observed or not.
    for (ir::Node& node : graph.nodes()) {
      if (node.is(ir::OpKind::constant) || node.num_outputs() != 1 || random.below(2) == 0) continue;
      ir::Quant quant;
      quant.dtype = ir::DType::i8;
      quant.scale = {0.03125f};
      quant.zero_point = {3};
      node.output().set_quant(quant);
    }
    ir::Tensor shown;
    const Observer observer = [&](const ir::Value& value, const ir::Tensor& tensor) {
      if (&value == graph.output_node().input(0)) shown = ir::Tensor::of<float>(tensor.dims(), tensor.data<float>());
    };
    const ir::Tensor expected = run_graph(graph, {x}, Isa::scalar)[0];
    for (const Isa isa : float_isas()) {
      ASSERT_TRUE(run_graph(graph, {x}, isa)[0].identical_to(expected));
      run_graph(graph, {x}, isa, {}, &observer);
      ASSERT_TRUE(shown.identical_to(expected));
    }
  }
}

}  // namespace
}  // namespace edgesmith::runtime
