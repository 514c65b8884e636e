// SPDX-License-Identifier: Apache-2.0
// A residual Add done by the convolution before it gives the bits of the two done one after the other.
#include "runtime/codes.h"
#include "runtime/run_graph.h"

namespace edgesmith::runtime {
namespace {

struct Case {
  int64_t channels, height, width, out_channels, kernel, stride = 1, samples = 1;
  bool conv_first = true, relu = true, late = false;  // late: the other operand is computed after the convolution
};

ir::Value& identity_scale(ir::Graph& graph, ir::Value& x) {
  ir::Value& scale = graph.add_constant(ir::Tensor::of<float>({1}, std::vector<float>{0.75F}));
  return graph.append(ir::OpKind::mul, {&x, &scale}).output();
}

// y = relu(conv(x) + r). With `quants` (of x, r, conv, sum), values carry codes.
ir::Graph residual_graph(const Case& c, const std::vector<ir::Quant>& quants = {}) {
  ir::Graph graph;
  const int64_t pad = c.kernel / 2, height = (c.height + 2 * pad - c.kernel) / c.stride + 1,
                width = (c.width + 2 * pad - c.kernel) / c.stride + 1;
  ir::Value& x = graph.add_input("x", ir::type_of(ir::DType::f32, {c.samples, c.channels, c.height, c.width}));
  ir::Value& r = graph.add_input("r", ir::type_of(ir::DType::f32, {c.samples, c.out_channels, height, width}));
  const ir::Dims weight_dims = {c.out_channels, c.channels, c.kernel, c.kernel};
  const ir::Tensor weight = quants.empty() ? random_tensor(weight_dims, 2) : random_weight(weight_dims, 0, 63, 2);
  ir::Value* other = &r;
  if (!c.late && quants.empty()) other = &identity_scale(graph, r);
  ir::Node& conv = graph.append(
      ir::OpKind::conv, {&x, &graph.add_constant(weight), &graph.add_constant(random_tensor({c.out_channels}, 3))});
  conv.attributes().set("pads", ir::Ints{pad, pad, pad, pad});
  conv.attributes().set("strides", ir::Ints{c.stride, c.stride});
  if (c.late && quants.empty()) other = &identity_scale(graph, r);
  if (c.late && !quants.empty()) other = &graph.append(ir::OpKind::relu, {&r}).output();
  ir::Value& own = conv.output();
  ir::Node& add = graph.append(
      ir::OpKind::add, c.conv_first ? std::vector<ir::Value*>{&own, other} : std::vector<ir::Value*>{other, &own});
  ir::Value& y = c.relu ? graph.append(ir::OpKind::relu, {&add.output()}).output() : add.output();
  graph.add_output("y", y);
  if (!quants.empty()) {
    x.set_quant(quants[0]);
    r.set_quant(quants[1]);
    if (other != &r) other->set_quant(quants[1]);
    own.set_quant(quants[2]);
    y.set_quant(quants[3]);
  }
  const Status typed = ops::infer_types(graph);
  EXPECT_TRUE(typed.ok()) << typed.error().text();
  return graph;
}

std::string text_of(const Case& c) {
  return std::to_string(c.channels) + "x" + std::to_string(c.height) + "x" + std::to_string(c.width) + " to " +
         std::to_string(c.out_channels) + ", " + std::to_string(c.kernel) + "x" + std::to_string(c.kernel) +
         ", stride " + std::to_string(c.stride) + ", samples " + std::to_string(c.samples) +
         (c.conv_first ? "" : ", residual first") + (c.relu ? ", relu" : "") + (c.late ? ", late" : "");
}

std::vector<Case> cases() {
  std::vector<Case> out;
  for (const int64_t channels : {1, 3, 7, 8, 15, 17, 31, 33}) {
    const bool odd = channels % 2 == 1;
    out.push_back({.channels = channels, .height = 5, .width = 7, .out_channels = channels, .kernel = 3, .late = odd});
    out.push_back({channels, 9, 9, channels, 1, 1, 2, !odd, odd, false});
    out.push_back({channels, 8, 36, 16, 3, 1, 1, odd, false, false});
    out.push_back({channels, 6, 5, channels, 3, 2, 2, true, true, odd});
  }
  out.push_back({8, 1, 1, 8, 3});
  out.push_back({0, 4, 4, 8, 1});
  out.push_back({8, 4, 4, 0, 1});
  out.push_back({8, 0, 4, 8, 1});
  out.push_back({1200, 7, 7, 32, 1});       // vectors across channels, sums in two passes
  out.push_back({130, 4, 4, 40, 3, 1, 3});  // panels over samples, sums in two passes
  return out;
}

bool fused(const Program& program) {
  return std::any_of(program.steps.begin(), program.steps.end(), [](const Step& step) { return step.add != nullptr; });
}

TEST(Residual, FloatKernelsGiveTheBitsOfTheUnfusedSteps) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(text_of(c));
    const ir::Graph graph = residual_graph(c);
    const std::vector<ir::Tensor> inputs = {random_tensor(*graph.inputs()[0]->type().static_dims(), 5),
                                            random_tensor(*graph.inputs()[1]->type().static_dims(), 6)};
    const ir::Tensor reference = run_graph(graph, inputs, Isa::scalar, {.reference = true})[0];
    for (const bool reassociate : {false, true}) {
      for (const Isa isa : float_isas()) {
        const auto program = compile(graph, {.reassociate = reassociate}, isa);
        ASSERT_TRUE(program.ok());
        EXPECT_TRUE(fused(*program));
        const Observer observer = [](const ir::Value&, const ir::Tensor&) {};  // nothing is fused
        const auto y = run_graph(graph, inputs, isa, {.reassociate = reassociate});
        const auto plain = run_graph(graph, inputs, isa, {.reassociate = reassociate}, &observer);
        EXPECT_TRUE(y[0].identical_to(plain[0])) << isa_word(isa) << reassociate;
        expect_close(y[0], reference, 1e-5);
      }
    }
  }
}

TEST(Residual, EveryChoiceOfAKernelGivesTheSum) {
  const ir::Graph graph = residual_graph({.channels = 16, .height = 7, .width = 7, .out_channels = 16, .kernel = 1});
  const std::vector<ir::Tensor> inputs = {random_tensor({1, 16, 7, 7}, 5), random_tensor({1, 16, 7, 7}, 6)};
  const ir::Tensor expected = run_graph(graph, inputs, Isa::scalar, {.reference = true})[0];
  for (const char* name : {"native.conv_f32", "native.pointwise_conv_f32", "reference"}) {
    ExecutorOptions options;
    for (const ir::Node& node : graph.nodes()) {
      if (node.is(ir::OpKind::conv)) options.choices[node.id()] = name;
    }
    const auto program = compile(graph, options, Isa::scalar);
    ASSERT_TRUE(program.ok()) << program.error().text();
    EXPECT_TRUE(fused(*program)) << name;
    expect_close(run_graph(graph, inputs, Isa::scalar, options)[0], expected, 1e-6);
  }
}

TEST(Residual, CodesAreThoseOfThePlainEvaluations) {
  for (const ir::DType dtype : {ir::DType::u8, ir::DType::i8}) {
    const int32_t zero = dtype == ir::DType::u8 ? 101 : -27;
    for (const Case& c : cases()) {
      SCOPED_TRACE(text_of(c));
      const ir::Graph graph = residual_graph(c, {per_tensor(dtype, 0.02F, zero), per_tensor(dtype, 0.013F, zero + 20),
                                                 per_tensor(dtype, 0.03F, zero - 9), per_tensor(dtype, 0.021F, zero)});
      const std::vector<ir::Tensor> inputs = {random_tensor(*graph.inputs()[0]->type().static_dims(), 5),
                                              random_tensor(*graph.inputs()[1]->type().static_dims(), 6)};
      const ExecutorOptions options = {.arithmetic = Arithmetic::exact_i32};
      const ir::Tensor expected =
          run_graph(graph, inputs, Isa::scalar, {.reference = true, .arithmetic = Arithmetic::exact_i32})[0];
      for (const Isa isa : {Isa::scalar, Isa::avx2, Isa::avxvnni, Isa::avx512, Isa::avx512vnni}) {
        if (!cpu_has(isa)) continue;
        const auto program = compile(graph, options, isa);
        ASSERT_TRUE(program.ok());
        EXPECT_TRUE(fused(*program));
        EXPECT_TRUE(run_graph(graph, inputs, isa, options)[0].identical_to(expected)) << isa_word(isa);
      }
    }
  }
}

TEST(Residual, OtherSumsAreLeftAlone) {
  const auto sum_of = [](const std::string& text) {
    const ir::Graph graph = parse_graph("graph @g(%x: f32[1, 2, 3, 3], %r: f32[" + text);
    const auto program = compile(graph, {}, Isa::scalar);
    EXPECT_TRUE(program.ok());
    return fused(*program);
  };
  const std::string conv = "constant random(seed=1) : f32[2,2,1,1]";
  // Broadcast, a second reader, a graph output between, both operands the same.
  const std::string body = "1, 2, 3, 3]) -> (y: f32[1, 2, 3, 3]) {\n  %w = " + conv + "\n  %c = conv %x, %w\n";
  EXPECT_TRUE(sum_of(body + "  %y = add %c, %r\n  return %y\n}\n"));
  EXPECT_FALSE(sum_of("1, 2, 1, 1]) -> (y: f32[1, 2, 3, 3]) {\n  %w = " + conv +
                      "\n  %c = conv %x, %w\n  %y = add %c, %r\n  return %y\n}\n"));
  EXPECT_FALSE(sum_of(body + "  %s = add %c, %r\n  %y = mul %s, %c\n  return %y\n}\n"));
  EXPECT_FALSE(sum_of(body + "  %y = add %c, %c\n  return %y\n}\n"));
}

}  // namespace
}  // namespace edgesmith::runtime
