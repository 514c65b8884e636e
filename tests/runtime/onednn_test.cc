// SPDX-License-Identifier: Apache-2.0
// The kernels of provider "onednn" against the reference evaluation. Skipped where libdnnl.so.2 is not installed.
#include <algorithm>
#include <thread>

#include "runtime/kernel_registry.h"
#include "runtime/run_graph.h"

namespace edgesmith::runtime {
namespace {

class Onednn : public testing::Test {
 protected:
  void SetUp() override {
    const auto row = std::ranges::find_if(all_kernels(), [](const Kernel* k) { return k->provider == "onednn"; });
    if (row == all_kernels().end()) GTEST_SKIP() << "built without oneDNN's header";
    const std::string why_not((*row)->unavailable());
    if (!why_not.empty()) GTEST_SKIP() << why_not;
    if (!allows(*isa_in_use(), (*row)->isa)) GTEST_SKIP() << "needs AVX2";
  }

  // Runs the first node of kind `op` by `kernel` and everything as plainly as possible; also from two threads at once.
  static void check(const std::string& text, ir::OpKind op, const std::string& kernel, const ir::Dims& input) {
    SCOPED_TRACE(text);
    const ir::Graph graph = parse_graph(text);
    ExecutorOptions options = {.reassociate = true};
    for (const ir::Node& node : graph.nodes()) {
      if (node.op() == op) options.choices = {{node.id(), kernel}};
    }
    const std::vector<ir::Tensor> inputs = {random_tensor(input, 7)};
    const ir::Tensor expected = run_graph(graph, inputs, Isa::scalar, {.reference = true}).at(0);
    std::vector<ir::Tensor> outputs(2);
    std::vector<std::thread> threads;
    for (ir::Tensor& output : outputs) {
      threads.emplace_back([&] { output = run_graph(graph, inputs, *isa_in_use(), options).at(0); });
    }
    for (std::thread& thread : threads) thread.join();
    expect_close(outputs[0], expected, 1e-5);
    EXPECT_TRUE(outputs[1].identical_to(outputs[0]));
  }

  static void check_conv(const std::string& dims, const std::string& weight, const std::string& attributes,
                         const ir::Dims& input, bool bias = true) {
    const std::string features = weight.substr(0, weight.find(','));
    check("graph @net(%x: f32[" + dims + "]) -> (y) {\n  %w = constant random(seed=1) : f32[" + weight + "]\n" +
              (bias ? "  %b = constant random(seed=2) : f32[" + features + "]\n" : std::string()) +
              "  %c = conv %x, %w, " + (bias ? "%b" : "_") + " {" + attributes + "}\n  %y = relu %c\n  return %y\n}",
          ir::OpKind::conv, "onednn.conv_f32", input);
  }
};

TEST_F(Onednn, ConvolvesOddChannelCounts) {
  for (const int channels : {1, 3, 7, 8, 15, 17, 33}) {
    const std::string n = std::to_string(channels);
    check_conv("N," + n + ",9,5", "17," + n + ",3,3", "pads=[1,1,1,1]", {2, channels, 9, 5});
    check_conv("N,16,4,7", n + ",16,1,1", "strides=[1,1]", {3, 16, 4, 7}, false);
  }
}

TEST_F(Onednn, ConvolvesWithStridesDilationsAndUnequalPads) {
  check_conv("1,8,13,11", "16,8,3,5", "strides=[2,1], pads=[0,2,1,3], dilations=[2,1]", {1, 8, 13, 11});
  check_conv("1,3,1,1", "4,3,5,5", "pads=[2,2,2,2]", {1, 3, 1, 1});
}

TEST_F(Onednn, ConvolvesInGroups) {
  check_conv("N,12,8,8", "12,1,3,3", "group=12, pads=[1,1,1,1]", {2, 12, 8, 8});
  check_conv("N,12,8,8", "6,4,3,3", "group=3, strides=[2,2]", {2, 12, 8, 8}, false);
}

TEST_F(Onednn, MultipliesMatrices) {
  for (const char* bias : {"5", "1", "1,5"}) {
    check(std::string("graph @net(%x: f32[N,33]) -> (y) {\n  %w = constant random(seed=1) : f32[5,33]\n") +
              "  %b = constant random(seed=2) : f32[" + bias + "]\n" +
              "  %g = gemm %x, %w, %b {transB=1, alpha=0.5, beta=2.0}\n  %y = relu %g\n  return %y\n}",
          ir::OpKind::gemm, "onednn.gemm_f32", {7, 33});
  }
  check(R"(graph @net(%x: f32[4,3]) -> (y) {
  %w = constant random(seed=1) : f32[4,6]
  %y = gemm %x, %w, _ {transA=1}
  return %y
})",
        ir::OpKind::gemm, "onednn.gemm_f32", {4, 3});
}

TEST_F(Onednn, IsNeverADefaultAndNeverUsedForAccuracy) {
  const ir::Graph graph = parse_graph(R"(graph @net(%x: f32[N,8,9,9]) -> (y) {
  %w = constant random(seed=1) : f32[8,8,5,5]
  %y = conv %x, %w, _
  return %y
})");
  const auto first = compile(graph, {.reassociate = true}, *isa_in_use());
  ASSERT_TRUE(first.ok()) << first.error().text();
  EXPECT_EQ(first->steps[0].kernel->provider, "native");
  ExecutorOptions options;
  for (const ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::conv)) options.choices = {{node.id(), "onednn.conv_f32"}};
  }
  const auto refused = compile(graph, options, *isa_in_use());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::usage);
}

}  // namespace
}  // namespace edgesmith::runtime
