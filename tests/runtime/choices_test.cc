// SPDX-License-Identifier: Apache-2.0
// ExecutorOptions::choices: every legal kernel gives the results of the others, what is not legal is refused by name.
#include <algorithm>

#include "edgesmith/base/text.h"
#include "runtime/run_graph.h"

namespace edgesmith::runtime {
namespace {

// A padded 3x3, a 1x1 and a 3x3 with stride, with activations; then a view and a product.
constexpr const char* kNet = R"(graph @net(%x: f32[N,16,9,11]) -> (y: f32[N,5]) {
  %w1 = constant random(seed=1) : f32[24,16,3,3]
  %b1 = constant random(seed=2) : f32[24]
  %w2 = constant random(seed=3) : f32[16,24,1,1]
  %w3 = constant random(seed=4) : f32[8,16,3,3]
  %v = constant random(seed=5) : f32[8,5]
  %amounts = constant {0, 0, 1, 1, 0, 0, 1, 1} : i64[8]
  %padded = pad %x, %amounts
  %c1 = conv %padded, %w1, %b1
  %r1 = relu %c1
  %c2 = conv %r1, %w2, _
  %c3 = conv %c2, %w3, _ {strides=[2,2]}
  %r3 = relu %c3
  %p = global_average_pool %r3
  %f = flatten %p {axis=1}
  %y = mat_mul %f, %v
  return %y
})";

Isa isa() { return *isa_in_use(); }

ir::Node& node_making(ir::Graph& graph, const std::string& name) {
  for (ir::Node& node : graph.nodes()) {
    if (node.num_outputs() > 0 && node.output().name() == name) return node;
  }
  ADD_FAILURE() << name;
  return graph.inputs()[0]->node();
}

// One convolution on codes between two conversions, with the activation fused into it.
ir::Graph codes_graph() {
  ir::Graph graph = parse_graph(R"(graph @codes(%x: f32[N,8,7,7]) -> (y) {
  %w = constant random(seed=1) : f32[8,8,3,3]
  %c = conv %x, %w, _ {pads=[1,1,1,1]}
  %y = relu %c
  return %y
})");
  const auto quant_of = [](ir::DType dtype, float scale, int32_t zero_point) {
    ir::Quant quant;
    quant.dtype = dtype;
    quant.scale = {scale};
    quant.zero_point = {zero_point};
    return quant;
  };
  ir::Node& weight = node_making(graph, "w");
  std::vector<int8_t> codes;
  for (const float real : weight.tensor().to_floats()) codes.push_back(static_cast<int8_t>(real * 100));
  graph.set_tensor(weight,
                   ir::Tensor::affine(ir::Tensor::of<int8_t>({8, 8, 3, 3}, codes), quant_of(ir::DType::i8, 0.01F, 0)));
  graph.inputs()[0]->set_quant(quant_of(ir::DType::u8, 1.0F / 128, 128));
  node_making(graph, "y").output().set_quant(quant_of(ir::DType::u8, 1.0F / 16, 0));
  return graph;
}

StepInfo step_of(const Executor& executor, const ir::Node& node) {
  for (const StepInfo& step : executor.steps()) {
    if (step.node == &node && !step.options.empty()) return step;
  }
  ADD_FAILURE() << node.label();
  return {};
}

// Its rows are there on some machines only, and have tests of their own.
bool from_onednn(const KernelOption& option) { return option.name.starts_with("onednn."); }

std::vector<std::string> legal_names(const StepInfo& step) {
  std::vector<std::string> names;
  for (const KernelOption& option : step.options) {
    if (option.legal() && !from_onednn(option)) names.push_back(option.name);
  }
  return names;
}

std::unique_ptr<Executor> executor_of(const ir::Graph& graph, const ExecutorOptions& options) {
  auto executor = Executor::create(graph, options);
  EXPECT_TRUE(executor.ok()) << (executor.ok() ? "" : executor.error().text());
  return std::move(*executor);
}

TEST(Choices, ListTheLegalKernelsOfAStepAndWhyTheOthersAreNot) {
  ir::Graph graph = parse_graph(kNet);
  const auto strict = executor_of(graph, {}), loose = executor_of(graph, {.reassociate = true});
  const ir::Node& conv = node_making(graph, "c1");
  EXPECT_EQ(legal_names(step_of(*strict, conv)), (std::vector<std::string>{"native.conv_f32", "reference"}));
  EXPECT_EQ(legal_names(step_of(*loose, conv)),
            (std::vector<std::string>{"native.winograd_conv_f32", "native.conv_f32", "reference"}));
  EXPECT_EQ(step_of(*loose, conv).kernel, "native.winograd_conv_f32");
  EXPECT_EQ(step_of(*loose, conv).pad, &node_making(graph, "padded"));
  EXPECT_EQ(step_of(*loose, conv).last, &node_making(graph, "r1"));
  int refused = 0;
  for (const KernelOption& option : step_of(*strict, conv).options) {
    if (option.name == "native.winograd_conv_f32") {
      EXPECT_EQ(option.why_not, "reassociates sums, which was not allowed");
    }
    if (option.name == "native.conv_i8") {
      EXPECT_EQ(option.why_not, "the node has no integer form");
    }
    refused += option.legal() || from_onednn(option) ? 0 : 1;
  }
  EXPECT_EQ(refused, 5) << "depthwise, pointwise, Winograd, and two on codes";
}

TEST(Choices, EveryLegalKernelOfEveryStepGivesTheSameResult) {
  ir::Graph graph = parse_graph(kNet);
  const std::vector<ir::Tensor> inputs = {random_tensor({2, 16, 9, 11}, 7)};
  const std::vector<ir::Tensor> expected = run_graph(graph, inputs, isa(), {.reference = true});
  const auto plain = executor_of(graph, {.reassociate = true});
  int tried = 0;
  for (const StepInfo& step : plain->steps()) {
    for (const std::string& name : legal_names(step)) {
      ExecutorOptions options{.reassociate = true};
      options.choices[step.node->id()] = name;
      const auto executor = executor_of(graph, options);
      const StepInfo chosen = step_of(*executor, *step.node);
      EXPECT_EQ(chosen.kernel, name);
      EXPECT_EQ(chosen.last, step.last) << "the choice does not change what is fused";
      EXPECT_EQ(chosen.pad, step.pad);
      expect_close((*executor->make_session()->run(inputs))[0], expected[0], 1e-5);
      ++tried;
    }
  }
  EXPECT_GE(tried, 11);
}

TEST(Choices, ObserversSeeTheSameValues) {
  ir::Graph graph = parse_graph(kNet);
  ExecutorOptions options;
  options.choices[node_making(graph, "c1").id()] = "reference";
  int seen = 0;
  const Observer observer = [&](const ir::Value&, const ir::Tensor&) { ++seen; };
  const std::vector<ir::Tensor> inputs = {random_tensor({1, 16, 9, 11}, 7)};
  const auto outputs = executor_of(graph, options)->make_session()->run(inputs, &observer);
  ASSERT_TRUE(outputs.ok()) << outputs.error().text();
  expect_close((*outputs)[0], run_graph(graph, inputs, isa())[0], 1e-5);
  EXPECT_EQ(seen, 16);
}

TEST(Choices, ANodeOnCodesMayComputeOnCodesOrOnReals) {
  ir::Graph graph = codes_graph();
  const std::vector<ir::Tensor> inputs = {random_tensor({1, 8, 7, 7}, 3)};
  const ExecutorOptions exact{.arithmetic = Arithmetic::exact_i32};
  const auto plain = executor_of(graph, exact);
  const ir::Node& conv = node_making(graph, "c");
  const StepInfo step = step_of(*plain, conv);
  EXPECT_EQ(legal_names(step),
            (std::vector<std::string>{"native.conv_i8", "reference.conv_codes", "native.conv_f32", "reference"}));
  const std::vector<ir::Tensor> expected = *plain->make_session()->run(inputs);
  for (const std::string& name : legal_names(step)) {
    ExecutorOptions options = exact;
    options.choices[conv.id()] = name;
    const auto executor = executor_of(graph, options);
    EXPECT_EQ(step_of(*executor, conv).kernel, name);
    const auto outputs = executor->make_session()->run(inputs);
    ASSERT_TRUE(outputs.ok()) << outputs.error().text();
    // Reals may round to the neighbouring code.
    expect_close((*outputs)[0], expected[0], name == "native.conv_f32" || name == "reference" ? 0.0626 : 0);
  }
}

// The pointwise kernel stands aside where it expects to be slower; chosen all the same, it gives the same bits.
TEST(Choices, AKernelThatIsNotPreferredRunsOnlyWhereItIsChosen) {
  struct Case {
    int64_t in, out, height, width;
  };
  for (const Case& c : {Case{1, 1, 1, 1}, {3, 7, 4, 4}, {13, 17, 5, 3}, {8, 33, 16, 16}, {200, 5, 3, 1}}) {
    const std::string in = std::to_string(c.in), out = std::to_string(c.out);
    SCOPED_TRACE(in + " to " + out);
    ir::Graph graph =
        parse_graph("graph @net(%x: f32[N," + in + "," + std::to_string(c.height) + "," + std::to_string(c.width) +
                    "]) -> (y) {\n  %w = constant random(seed=1) : f32[" + out + "," + in +
                    ",1,1]\n  %b = constant random(seed=2) : f32[" + out + "]\n  %y = conv %x, %w, %b\n  return %y\n}");
    const std::vector<ir::Tensor> inputs = {random_tensor({2, c.in, c.height, c.width}, 5)};
    const ir::Node& conv = node_making(graph, "y");
    const auto plain = executor_of(graph, {});
    EXPECT_EQ(step_of(*plain, conv).kernel, "native.conv_f32");
    EXPECT_EQ(legal_names(step_of(*plain, conv))[1], "native.pointwise_conv_f32");
    ExecutorOptions options;
    options.choices[conv.id()] = "native.pointwise_conv_f32";
    EXPECT_TRUE((*executor_of(graph, options)->make_session()->run(inputs))[0].identical_to(
        (*plain->make_session()->run(inputs))[0]));
  }
}

TEST(Choices, RefuseWhatIsUnknownIllegalOrNoStep) {
  ir::Graph graph = parse_graph(kNet);
  const auto error_of = [&](const ir::Node& node, const std::string& name) {
    ExecutorOptions options;
    options.choices[node.id()] = name;
    const auto executor = Executor::create(graph, options);
    EXPECT_FALSE(executor.ok());
    EXPECT_EQ(executor.error().kind, ErrorKind::usage);
    return executor.error().text();
  };
  const ir::Node& conv = node_making(graph, "c1");
  EXPECT_EQ(error_of(conv, "native.con_f32"),
            "conv producing 'c1': unknown kernel 'native.con_f32'; did you mean 'native.conv_f32'?");
  EXPECT_EQ(error_of(conv, "native.winograd_conv_f32"),
            "conv producing 'c1': kernel 'native.winograd_conv_f32' cannot run it; choose one of native.conv_f32, "
            "reference");
  const std::string no_step =
      ", but it has no step of its own; choose kernels for the nodes that are steps; constants and what is fused into "
      "others are none";
  EXPECT_EQ(error_of(node_making(graph, "r1"), "native.relu_f32"),
            "relu producing 'r1': kernel 'native.relu_f32' is chosen for it" + no_step);
  EXPECT_EQ(error_of(node_making(graph, "padded"), "native.pad_f32"),
            "pad producing 'padded': kernel 'native.pad_f32' is chosen for it" + no_step);
  ExecutorOptions unknown;
  unknown.choices[12345] = "reference";
  const auto executor = Executor::create(graph, unknown);
  ASSERT_FALSE(executor.ok());
  EXPECT_EQ(executor.error().text(), "node 12345: kernel 'reference' is chosen for it" + no_step);
}

}  // namespace
}  // namespace edgesmith::runtime
