// SPDX-License-Identifier: Apache-2.0
// A Pad on codes that the convolution behind it does.
#include "runtime/codes.h"
#include "runtime/run_graph.h"

namespace edgesmith::runtime {
namespace {

struct Case {
  int64_t channels, size, kernel, stride, group, before, after;
  bool same_codes = true;
  float value = 0;
};

ir::Graph pad_graph(const Case& c, ir::DType dtype) {
  ir::Graph graph;
  ir::Value& x = graph.add_input("x", ir::type_of(ir::DType::f32, {2, c.channels, c.size, c.size}));
  const ir::Ints amounts = {0, 0, c.before, c.after, 0, 0, c.after, c.before};
  ir::Node& pad = graph.append(ir::OpKind::pad, {&x, &graph.add_constant(ir::Tensor::of({8}, amounts)),
                                                 &graph.add_constant(ir::Tensor::scalar(c.value))});
  const ir::Tensor weight = random_weight({c.channels, c.channels / c.group, c.kernel, c.kernel}, 0, 63, 2);
  ir::Node& conv = graph.append(ir::OpKind::conv, {&pad.output(), &graph.add_constant(weight)});
  conv.attributes().set("strides", ir::Ints{c.stride, c.stride});
  conv.attributes().set("pads", ir::Ints{1, 0, 0, 1});
  conv.attributes().set("group", c.group);
  ir::Value& y = graph.append(ir::OpKind::relu, {&conv.output()}).output();
  graph.add_output("y", y);
  const int32_t zero = dtype == ir::DType::u8 ? 77 : -51;
  x.set_quant(per_tensor(dtype, 0.01F, zero));
  pad.output().set_quant(per_tensor(dtype, c.same_codes ? 0.01F : 0.011F, zero));
  y.set_quant(per_tensor(dtype, 0.05F, zero));
  const Status typed = ops::infer_types(graph);
  EXPECT_TRUE(typed.ok()) << typed.error().text();
  return graph;
}

bool pad_fused(const Program& program) {
  return std::any_of(program.steps.begin(), program.steps.end(), [](const Step& step) { return step.pad != nullptr; });
}

TEST(CodePad, GivesTheCodesOfThePlainEvaluations) {
  for (const ir::DType dtype : {ir::DType::u8, ir::DType::i8}) {
    for (const Case& c : std::vector<Case>{{1, 5, 3, 1, 1, 1, 1},
                                           {7, 6, 3, 2, 1, 0, 1},
                                           {17, 5, 3, 1, 17, 1, 1},
                                           {33, 9, 5, 2, 33, 2, 1},
                                           {8, 4, 1, 1, 1, 3, 0},
                                           {15, 1, 3, 1, 1, 2, 2},
                                           {16, 7, 3, 2, 4, 1, 1}}) {
      SCOPED_TRACE(std::to_string(c.channels) + " channels, " + std::to_string(c.kernel) + ", groups " +
                   std::to_string(c.group));
      const ir::Graph graph = pad_graph(c, dtype);
      const std::vector<ir::Tensor> inputs = {random_tensor({2, c.channels, c.size, c.size}, 5)};
      const ExecutorOptions options = {.arithmetic = Arithmetic::exact_i32};
      const ir::Tensor expected =
          run_graph(graph, inputs, Isa::scalar, {.reference = true, .arithmetic = Arithmetic::exact_i32})[0];
      for (const Isa isa : {Isa::scalar, Isa::avx2, Isa::avxvnni, Isa::avx512, Isa::avx512vnni}) {
        if (!cpu_has(isa)) continue;
        const auto program = compile(graph, options, isa);
        ASSERT_TRUE(program.ok());
        EXPECT_TRUE(pad_fused(*program));
        EXPECT_TRUE(run_graph(graph, inputs, isa, options)[0].identical_to(expected)) << isa_word(isa);
      }
    }
  }
}

TEST(CodePad, StaysWhereItsCodesChangeOrItsValueIsNotZero) {
  const ExecutorOptions options = {.arithmetic = Arithmetic::exact_i32};
  for (const Case& c : {Case{8, 5, 3, 1, 1, 1, 1, false, 0}, Case{8, 5, 3, 1, 1, 1, 1, true, 0.25F}}) {
    const ir::Graph graph = pad_graph(c, ir::DType::u8);
    const auto program = compile(graph, options, Isa::scalar);
    ASSERT_TRUE(program.ok());
    EXPECT_FALSE(pad_fused(*program));
    const std::vector<ir::Tensor> inputs = {random_tensor({2, 8, 5, 5}, 5)};
    EXPECT_TRUE(run_graph(graph, inputs, Isa::scalar, options)[0].identical_to(
        run_graph(graph, inputs, Isa::scalar, {.reference = true, .arithmetic = Arithmetic::exact_i32})[0]));
  }
}

}  // namespace
}  // namespace edgesmith::runtime
