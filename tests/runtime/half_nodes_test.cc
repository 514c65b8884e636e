// SPDX-License-Identifier: Apache-2.0
// Nodes on half floats by the kernels for float32: results within a step of the reference's, which rounds as often.
#include "runtime/half_nodes.h"
#include "ops/dispatch.h"
#include "runtime/run_graph.h"

namespace edgesmith::runtime {
namespace {

void check(const std::string& body, const std::string& dtype, ir::DType half, const ir::Dims& dims, double tolerance) {
  const ir::Tensor x = ops::round_to_half(random_tensor(dims, 3), half);
  const std::string text = "graph @g(%x: " + x.type().text() + ") -> (y) {\n" + body + "  return %y\n}";
  SCOPED_TRACE(text);
  const ir::Graph graph = parse_graph(text);
  const auto program = compile(graph, {}, Isa::scalar);
  ASSERT_TRUE(program.ok()) << program.error().text();
  EXPECT_TRUE(
      std::all_of(program->steps.begin(), program->steps.end(), [](const Step& step) { return step.half != nullptr; }));
  const ir::Tensor reference = run_graph(graph, {x}, Isa::scalar, {.reference = true}).at(0);
  EXPECT_EQ(std::string(ir::dtype_name(reference.dtype())), dtype);
  for (const Isa isa : float_isas()) {
    const ir::Tensor y = run_graph(graph, {x}, isa).at(0);
    ASSERT_EQ(y.type().text(), reference.type().text());
    expect_close(ops::widen_half(y), ops::widen_half(reference), tolerance);
  }
}

TEST(HalfNodes, ConvolutionsProductsAndFunctions) {
  for (const auto& [dtype, half, step] :
       {std::tuple{"f16", ir::DType::f16, 0x1p-10}, {"bf16", ir::DType::bf16, 0x1p-7}}) {
    const std::string type = dtype;
    check("  %w = constant {1, -2, 0.5, 3, 0.25, 1} : " + type + "[2,3,1,1]\n  %y = conv %x, %w {pads=[1,0,0,2]}\n",
          type, half, {2, 3, 7, 5}, step);
    check("  %w = constant {1, -2, 0.5, 3, 0.25, 1} : " + type + "[3,2]\n  %y = mat_mul %x, %w\n", type, half, {5, 3},
          step);
    check("  %a = sigmoid %x\n  %b = relu %a\n  %y = mul %b, %x\n", type, half, {3, 17}, 2 * step);
    check("  %y = softmax %x {axis=-1}\n", type, half, {3, 17}, step);
  }
}

TEST(HalfNodes, OthersAreLeftToTheReference) {
  const ir::Graph graph = parse_graph("graph @g(%x: f16[4]) -> (y) {\n  %y = floor %x\n  return %y\n}");
  const auto program = compile(graph, {}, Isa::scalar);
  ASSERT_TRUE(program.ok());
  EXPECT_EQ(program->steps.at(0).half, nullptr);
}

}  // namespace
}  // namespace edgesmith::runtime
