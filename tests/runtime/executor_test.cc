// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/runtime/executor.h"

#include <algorithm>
#include <map>
#include <thread>

#include "runtime/run_graph.h"

namespace edgesmith::runtime {
namespace {

// A residual block with a strided shortcut, pools and a classifier.
constexpr const char* kNet = R"(graph @net(%x: f32[N,3,16,16]) -> (y, %m) {
  %w1 = constant random(seed=1) : f32[8,3,3,3]
  %b1 = constant random(seed=2) : f32[8]
  %w2 = constant random(seed=3) : f32[8,8,3,3]
  %w3 = constant random(seed=4) : f32[8,8,1,1]
  %wd = constant random(seed=5) : f32[8,1,3,3]
  %wf = constant random(seed=6) : f32[8,5]
  %bf = constant random(seed=7) : f32[5]
  %lo = constant {0} : f32[]
  %hi = constant {0.75} : f32[]
  %c1 = conv %x, %w1, %b1 {pads=[1,1,1,1]}
  %r1 = relu %c1
  %c2 = conv %r1, %w2, _ {pads=[1,1,1,1], strides=[2,2]}
  %r2 = clip %c2, %lo, %hi
  %d = conv %r2, %wd, _ {pads=[1,1,1,1], group=8}
  %s = conv %r1, %w3, _ {strides=[2,2]}
  %a = add %d, %s
  %r3 = relu %a
  %m = max_pool %r3 {kernel_shape=[2,2], strides=[2,2]}
  %p = global_average_pool %m
  %f = flatten %p {axis=1}
  %y = gemm %f, %wf, %bf
  return %y, %m
})";

std::string net_text() {
  std::string text = kNet;
  text.replace(text.find("(y, %m)"), 7, "(y, m)");
  return text;
}

ir::Quant quant_of(float scale, int32_t zero_point) {
  ir::Quant quant;
  quant.dtype = ir::DType::u8;
  quant.scale = {scale};
  quant.zero_point = {zero_point};
  return quant;
}

ir::Value& value_named(ir::Graph& graph, const std::string& name) {
  for (ir::Node& node : graph.nodes()) {
    for (int i = 0; i < node.num_outputs(); ++i) {
      if (node.output(i).name() == name) return node.output(i);
    }
  }
  ADD_FAILURE() << name;
  return *graph.inputs()[0];
}

// Every value shown, by id.
std::map<int, ir::Tensor> observe(const ir::Graph& graph, const std::vector<ir::Tensor>& inputs, Isa isa,
                                  const ExecutorOptions& options = {}) {
  std::map<int, ir::Tensor> seen;
  const Observer observer = [&](const ir::Value& value, const ir::Tensor& tensor) {
    EXPECT_FALSE(seen.count(value.id()));
    ir::Tensor copy = ir::Tensor::zeros(tensor.dtype(), tensor.dims());
    std::copy(tensor.bytes().begin(), tensor.bytes().end(), copy.mutable_bytes().begin());
    seen[value.id()] = copy;
  };
  run_graph(graph, inputs, isa, options, &observer);
  return seen;
}

TEST(Executor, AgreesWithTheReferenceOnANet) {
  const ir::Graph graph = parse_graph(net_text());
  check_graph(graph, {random_tensor({5, 3, 16, 16}, 9)});
}

TEST(Executor, FusesActivationsIntoTheirProducers) {
  const ir::Graph graph = parse_graph(net_text());
  const auto program = compile(graph, {}, Isa::scalar);
  ASSERT_TRUE(program.ok());
  std::vector<std::string> fused;
  for (const Step& step : program->steps) {
    if (step.activation == nullptr) continue;
    const std::string sum = step.add == nullptr ? "" : "+" + step.add->output().name();
    fused.push_back(step.node->output().name() + sum + "+" + step.activation->output().name());
  }
  EXPECT_EQ(fused, (std::vector<std::string>{"c1+r1", "c2+r2", "s+a+r3"}));
  for (const Step& step : program->plain_steps) EXPECT_EQ(step.activation, nullptr);
}

TEST(Executor, ShowsObserversTheBitsOfTheUnfusedNet) {
  const ir::Graph graph = parse_graph(net_text());
  const ir::Tensor x = random_tensor({2, 3, 16, 16}, 9);
  for (const Isa isa : float_isas()) {
    const auto seen = observe(graph, {x}, isa);
    const auto outputs = run_graph(graph, {x}, isa);
    for (const ir::Node& node : graph.nodes()) {
      for (int i = 0; i < node.num_outputs(); ++i) EXPECT_TRUE(seen.count(node.output(i).id())) << node.label();
    }
    for (int i = 0; i < 2; ++i) {
      EXPECT_TRUE(outputs[static_cast<size_t>(i)].identical_to(seen.at(graph.output_node().input(i)->id())));
    }
    const auto reference = observe(graph, {x}, isa, {.reference = true});
    for (const auto& [id, tensor] : reference) expect_close(seen.at(id), tensor, 5e-6);
  }
}

std::vector<bool> observed_ids(const ir::Graph& graph, const std::vector<const ir::Value*>& values) {
  std::vector<bool> observed(static_cast<size_t>(graph.num_value_ids()), false);
  for (const ir::Value* value : values) observed[static_cast<size_t>(value->id())] = true;
  return observed;
}

TEST(Executor, ShowsOnlyTheObservedValuesAndFusesTheRest) {
  ir::Graph graph = parse_graph(net_text());
  const ir::Tensor x = random_tensor({2, 3, 16, 16}, 9);
  const auto observed = observed_ids(graph, {&value_named(graph, "x"), &value_named(graph, "c2"),
                                             &value_named(graph, "r3"), &value_named(graph, "f")});
  for (const Isa isa : float_isas()) {
    const auto all = observe(graph, {x}, isa);
    const auto seen = observe(graph, {x}, isa, {.observed = observed});
    EXPECT_EQ(seen.size(), 4u);
    for (const auto& [id, tensor] : seen) EXPECT_TRUE(tensor.identical_to(all.at(id))) << id;
  }
  const auto program = compile(graph, {.observed = observed}, Isa::scalar);
  ASSERT_TRUE(program.ok());
  std::vector<std::string> fused;
  for (const Step& step : program->steps) {
    if (step.activation != nullptr) fused.push_back(step.node->output().name() + "+" + step.last().output().name());
  }
  EXPECT_EQ(fused, (std::vector<std::string>{"c1+r1", "s+r3"})) << "the shortcut does the Add too";
}

// Under integer arithmetic they are what the codes stand for.
TEST(Executor, ShowsTheRealsOfObservedCodes) {
  ir::Graph graph = parse_graph(R"(graph @g(%x: f32[N,4,8,8]) -> (y) {
  %w = constant random(seed=1) : f32[4,4,3,3]
  %v = constant random(seed=2) : f32[4,4,1,1]
  %c = conv %x, %w, _
  %r = relu %c
  %m = max_pool %r {kernel_shape=[2,2], strides=[2,2]}
  %y = conv %m, %v, _
  return %y
})");
  const float scales[] = {1 / 127.0F, 0.02F, 0.05F};
  const char* names[] = {"x", "r", "y"};
  for (int i = 0; i < 3; ++i) value_named(graph, names[i]).set_quant(quant_of(scales[i], i == 1 ? 0 : 128));
  value_named(graph, "m").set_quant(quant_of(scales[1], 0));
  for (ir::Node& node : graph.nodes()) {
    if (!node.is(ir::OpKind::constant)) continue;
    const ir::Dims dims = node.tensor().dims();
    ir::Tensor codes = ir::Tensor::zeros(ir::DType::i8, dims);
    Random random(static_cast<uint64_t>(dims[2]));
    for (int8_t& code : codes.mutable_data<int8_t>()) code = static_cast<int8_t>(random.below(255) - 127);
    graph.set_tensor(node, ir::Tensor::affine(codes, {.dtype = ir::DType::i8, .scale = {0.01F}, .zero_point = {0}}));
  }
  const ir::Tensor x = random_tensor({2, 4, 8, 8}, 9);
  const auto observed =
      observed_ids(graph, {&value_named(graph, "r"), &value_named(graph, "m"), &value_named(graph, "y")});
  for (const Isa isa : float_isas()) {
    const ExecutorOptions exact = {.arithmetic = Arithmetic::exact_i32};
    ExecutorOptions shown = exact;
    shown.observed = observed;
    const auto seen = observe(graph, {x}, isa, shown);
    const auto outputs = run_graph(graph, {x}, isa, exact);
    ASSERT_EQ(seen.size(), 3u);
    EXPECT_TRUE(seen.at(value_named(graph, "y").id()).identical_to(outputs[0]));
    for (const float real : seen.at(value_named(graph, "r").id()).data<float>()) {
      EXPECT_EQ(real, std::nearbyint(real / scales[1]) * scales[1]);
    }
    const auto floats = observe(graph, {x}, isa);  // fake quantization: a code off at most
    const auto a = floats.at(value_named(graph, "m").id()).data<float>();
    const auto b = seen.at(value_named(graph, "m").id()).data<float>();
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1.01F * scales[1]);
  }
}

TEST(Executor, QuantizesAnnotatedValuesAsTheyAreMade) {
  ir::Graph graph = parse_graph(net_text());
  value_named(graph, "x").set_quant(quant_of(0.01f, 128));
  value_named(graph, "r1").set_quant(quant_of(0.02f, 0));
  value_named(graph, "s").set_quant(quant_of(0.05f, 100));
  value_named(graph, "r3").set_quant(quant_of(0.03f, 0));
  value_named(graph, "m").set_quant(quant_of(0.03f, 0));
  ir::Quant channels = quant_of(0.02f, 90);
  channels.scale = {0.01f, 0.02f, 0.03f, 0.04f, 0.05f, 0.06f, 0.07f, 0.08f};
  channels.zero_point = {0, 10, 20, 30, 40, 50, 60, 70};
  channels.axis = 1;
  value_named(graph, "d").set_quant(channels);
  const ir::Tensor x = random_tensor({3, 3, 16, 16}, 9);
  // Exact for the input and for what only moves numbers; a sum that lies on a border may round either way.
  const auto reference = observe(graph, {x}, Isa::scalar, {.reference = true});
  std::map<int, ir::Tensor> first;
  for (const Isa isa : float_isas()) {
    const auto seen = observe(graph, {x}, isa);
    EXPECT_TRUE(seen.at(value_named(graph, "x").id()).identical_to(reference.at(value_named(graph, "x").id())));
    for (const char* name : {"r1", "d", "s", "r3", "m", "y"}) {
      const int id = value_named(graph, name).id();
      EXPECT_TRUE(first.empty() || seen.at(id).identical_to(first.at(id))) << name;
    }
    for (const float v : seen.at(value_named(graph, "r1").id()).data<float>()) {
      EXPECT_EQ(v, std::nearbyintf(v / 0.02f) * 0.02f);
      EXPECT_LE(v, 255 * 0.02f);
    }
    const auto outputs = run_graph(graph, {x}, isa);
    EXPECT_TRUE(outputs[0].identical_to(seen.at(value_named(graph, "y").id())));
    EXPECT_TRUE(outputs[1].identical_to(seen.at(value_named(graph, "m").id())));
    first = seen;
  }
  const auto plain = run_graph(graph, {x}, Isa::scalar, {.arithmetic = Arithmetic::floating});
  EXPECT_TRUE(plain[0].identical_to(run_graph(parse_graph(net_text()), {x}, Isa::scalar)[0]));
}

TEST(Executor, QuantizesAsQuantizeLinearDoes) {
  // Borders: halves go to even codes, codes saturate, negative zero stays within the codes.
  const std::vector<float> reals = {0.25f, 0.75f, 1.25f, -0.25f, -0.75f, 1e30f,  -1e30f, -0.0f, 63.75f,
                                    64.0f, 0.5f,  31.7f, -64.f,  -64.5f, 2.249f, 2.251f, -0.1f};
  ir::Graph graph = parse_graph("graph @g(%x: f32[17]) -> (y) {\n  %y = identity %x\n  return %y\n}");
  for (const int32_t zero_point : {0, 7, 128, 255}) {
    const ir::Quant quant = quant_of(0.5f, zero_point);
    value_named(graph, "y").set_quant(quant);
    for (const Isa isa : float_isas()) {
      const ir::Tensor y = run_graph(graph, {ir::Tensor::of<float>({17}, reals)}, isa)[0];
      for (size_t i = 0; i < reals.size(); ++i) {
        const int32_t code = ir::quantize_value(reals[i], 0.5f, zero_point, ir::DType::u8);
        EXPECT_EQ(y.data<float>()[i], static_cast<float>(code - zero_point) * 0.5f) << reals[i];
      }
    }
  }
}

TEST(Executor, RunsAgainWithOtherShapes) {
  const ir::Graph graph = parse_graph(net_text());
  const auto executor = Executor::create(graph);
  ASSERT_TRUE(executor.ok());
  const auto session = (*executor)->make_session();
  std::vector<ir::Tensor> kept;
  for (const int64_t batch : {1, 4, 2, 4, 1}) {
    const ir::Tensor x = random_tensor({batch, 3, 16, 16}, 9);
    auto outputs = session->run(std::vector<ir::Tensor>{x});
    ASSERT_TRUE(outputs.ok());
    EXPECT_TRUE((*outputs)[1].identical_to((*(*executor)->make_session()->run(std::vector<ir::Tensor>{x}))[1]));
    kept.push_back((*outputs)[1]);
  }
  EXPECT_TRUE(kept[0].identical_to(kept[4]));  // results outlive later runs
  EXPECT_TRUE(kept[1].identical_to(kept[3]));
}

TEST(Executor, RunsOnManyThreadsAtOnce) {
  const ir::Graph graph = parse_graph(net_text());
  const auto executor = Executor::create(graph);
  ASSERT_TRUE(executor.ok());
  const ir::Tensor x = random_tensor({3, 3, 16, 16}, 9);
  const ir::Tensor expected = (*(*executor)->make_session()->run(std::vector<ir::Tensor>{x}))[0];
  std::vector<int> same(4, 0);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < same.size(); ++t) {
    threads.emplace_back([&, t] {
      const auto session = (*executor)->make_session();
      for (int i = 0; i < 5; ++i) {
        same[t] += (*session->run(std::vector<ir::Tensor>{x}))[0].identical_to(expected) ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(same, std::vector<int>(4, 5));
}

TEST(Executor, ResultsMayBeInputsConstantsAndViews) {
  const ir::Graph graph = parse_graph(R"(graph @g(%x: f32[2,6]) -> (a, b, c, d) {
  %k = constant {1, 2} : f32[2]
  %shape = constant {3, 4} : i64[2]
  %v = reshape %x, %shape
  %r = relu %v
  %flat = flatten %r {axis=0}
  return %x, %k, %v, %flat
})");
  const ir::Tensor x = random_tensor({2, 6}, 1);
  const auto outputs = check_graph(graph, {x}, 0);
  EXPECT_TRUE(outputs[0].identical_to(x));
  EXPECT_TRUE(outputs[2].identical_to(x.reshaped({3, 4})));
  EXPECT_EQ(outputs[3].dims(), (ir::Dims{1, 12}));
}

TEST(Executor, KeepsAViewsBytesAlive) {
  // %v looks into %a; %b and %c are made while it waits to be read.
  const ir::Graph graph = parse_graph(R"(graph @g(%x: f32[4,4]) -> (y) {
  %shape = constant {16} : i64[1]
  %back = constant {4, 4} : i64[2]
  %a = relu %x
  %v = reshape %a, %shape
  %b = add %x, %x
  %c = mul %b, %x
  %w = reshape %v, %back
  %y = add %w, %c
  return %y
})");
  check_graph(graph, {random_tensor({4, 4}, 3)}, 0);
}

TEST(Executor, QuantizesAViewWithoutTouchingWhatItLooksAt) {
  ir::Graph graph = parse_graph(R"(graph @g(%x: f32[4,4]) -> (y, z) {
  %shape = constant {16} : i64[1]
  %a = relu %x
  %y = reshape %a, %shape
  %z = add %a, %a
  return %y, %z
})");
  value_named(graph, "y").set_quant(quant_of(0.25f, 0));
  const ir::Tensor x = random_tensor({4, 4}, 3);
  const auto outputs = check_graph(graph, {x}, 0);
  for (size_t i = 0; i < 16; ++i) EXPECT_EQ(outputs[1].data<float>()[i], 2 * std::max(0.0f, x.data<float>()[i]));
}

// Steps of the graph on the portable kernels.
size_t num_steps(const ir::Graph& graph, const ExecutorOptions& options = {}) {
  const auto program = compile(graph, options, Isa::scalar);
  EXPECT_TRUE(program.ok());
  return program.ok() ? program->steps.size() : 0;
}

TEST(Executor, LeavesZeroPaddingToTheConvolutionThatReadsIt) {
  const auto net = [](const std::string& pads, const std::string& conv) {
    return parse_graph(
        "graph @g(%x: f32[N,4,9,7]) -> (y) {\n  %w = constant random(seed=1) : f32[6,4,3,3]\n"
        "  %d = constant random(seed=2) : f32[4,1,3,3]\n  %b = constant random(seed=3) : f32[6]\n"
        "  %zero = constant {0} : f32[]\n  %one = constant {1} : f32[]\n" +
        pads + "  %c = " + conv + "\n  %y = relu %c\n  return %y\n}");
  };
  const ir::Tensor x = random_tensor({2, 4, 9, 7}, 3);
  const std::string all = "  %a = constant {0, 0, 1, 2, 0, 0, 0, 3} : i64[8]\n  %p = pad %x, %a, %zero\n";
  const std::string some =
      "  %a = constant {2, 1, 0, 1} : i64[4]\n  %axes = constant {-1, 2} : i64[2]\n  %p = pad %x, %a, _, %axes\n";
  for (const std::string& pads : {all, some}) {
    for (const char* conv : {"conv %p, %w, %b", "conv %p, %w, _ {pads=[1,0,2,1], strides=[2,1]}",
                             "conv %p, %d, _ {group=4, strides=[2,2]}", "conv %p, %d, _ {group=4, pads=[1,1,1,1]}"}) {
      SCOPED_TRACE(pads + conv);
      const ir::Graph graph = net(pads, conv);
      EXPECT_EQ(num_steps(graph), 1u);
      EXPECT_EQ(num_steps(graph, {.reference = true}), 3u);
      const ir::Tensor y = check_graph(graph, {x})[0];
      ir::Tensor shown, padded;
      const Observer observer = [&](const ir::Value& value, const ir::Tensor& tensor) {
        if (value.node().is(ir::OpKind::pad)) padded = ir::Tensor::of<float>(tensor.dims(), tensor.data<float>());
        if (&value == graph.output_node().input(0)) shown = ir::Tensor::of<float>(tensor.dims(), tensor.data<float>());
      };
      run_graph(graph, {x}, Isa::scalar, {}, &observer);
      EXPECT_TRUE(shown.identical_to(y));
      EXPECT_EQ(padded.dims()[2], pads == all ? 10 : 11);
    }
  }
}

TEST(Executor, PadsByItselfWhereAConvolutionCannot) {
  const auto steps = [](const std::string& pad, const std::string& reader, const std::string& results = "%y") {
    const ir::Graph graph = parse_graph(
        "graph @g(%x: f32[2,4,9,7]) -> (y" + std::string(results == "%y" ? "" : ", p") +
        ") {\n  %w = constant random(seed=1) : f32[6,5,3,3]\n  %one = constant {1} : f32[]\n"
        "  %a = constant {0, 0, 1, 1, 0, 1, 1, 1} : i64[8]\n  %n = constant {0, 1, 2, 1, 0, 0, -1, 1} : i64[8]\n" +
        "  %p = " + pad + "\n  %y = " + reader + "\n  return " + results + "\n}");
    SCOPED_TRACE(pad + "; " + reader);
    check_graph(graph, {random_tensor({2, 4, 9, 7}, 3)});
    return num_steps(graph);
  };
  EXPECT_EQ(steps("pad %x, %a", "conv %p, %w, _"), 2u);        // channels
  EXPECT_EQ(steps("pad %x, %n", "conv %p, %w, _"), 2u);        // and crops
  EXPECT_EQ(steps("pad %x, %a, %one", "conv %p, %w, _"), 2u);  // ones
  EXPECT_EQ(steps("pad %x, %a {mode=\"edge\"}", "conv %p, %w, _"), 2u);
  EXPECT_EQ(steps("pad %x, %a", "max_pool %p {kernel_shape=[3,3]}"), 2u);
  EXPECT_EQ(steps("pad %x, %a", "conv %p, %w, _", "%y, %p"), 2u);  // read twice
  EXPECT_EQ(steps("pad %x, %a", "conv %p, %w, _ {auto_pad=\"SAME_UPPER\"}"), 2u);
}

TEST(Executor, FollowsShapesThatAreComputed) {
  const ir::Graph graph = parse_graph(R"(graph @g(%x: f32[N,3,4,4]) -> (y) {
  %w = constant random(seed=1) : f32[6,3,3,3]
  %zero = constant {0} : i64[]
  %axes = constant {0} : i64[1]
  %minus = constant {-1} : i64[1]
  %c = conv %x, %w, _ {pads=[1,1,1,1]}
  %s = shape %c
  %n = gather %s, %zero
  %u = unsqueeze %n, %axes
  %d = concat %u, %minus {axis=0}
  %y = reshape %c, %d
  return %y
})");
  EXPECT_EQ(check_graph(graph, {random_tensor({3, 3, 4, 4}, 3)})[0].dims(), (ir::Dims{3, 96}));
}

TEST(Executor, RunsKernelsOnShapesKnownOnlyWhileRunning) {
  // The target of the reshape is an input: nothing after it can be planned.
  const ir::Graph graph = parse_graph(R"(graph @g(%x: f32[2,48], %to: i64[4]) -> (y) {
  %w = constant random(seed=1) : f32[6,3,3,3]
  %v = reshape %x, %to
  %c = conv %v, %w, _ {pads=[1,1,1,1]}
  %r = relu %c
  %m = max_pool %r {kernel_shape=[2,2]}
  %y = global_average_pool %m
  return %y
})");
  const auto outputs =
      check_graph(graph, {random_tensor({2, 48}, 3), ir::Tensor::of<int64_t>({4}, std::vector<int64_t>{2, 3, 4, 4})});
  EXPECT_EQ(outputs[0].dims(), (ir::Dims{2, 6, 1, 1}));
}

TEST(Executor, ReadsCompressedConstantsAsTheirReals) {
  const ir::Graph graph = parse_graph(R"(graph @g(%x: f32[2,3]) -> (y) {
  %w = constant codes {-128, 127, 3, 4, -5, 6} : f32[3,2] q(i8, scale=[0.5, 0.25], zp=[0, 0], axis=1)
  %p = constant palette(axis=0, f32[1,2] {0.5, 1}, u8[2] {0, 1}) : f32[2]
  %y = gemm %x, %w, %p
  return %y
})");
  const ir::Tensor x = ir::Tensor::of<float>({2, 3}, std::vector<float>{1, 0, 0, 0, 1, 2});
  const auto y = check_graph(graph, {x}, 0)[0].to_floats();
  EXPECT_EQ(y, (std::vector<float>{-63.5f, 32.75f, 1.5f - 5.0f + 0.5f, 1.0f + 3.0f + 1.0f}));
}

TEST(Executor, RefusesInputsThatDoNotFit) {
  const ir::Graph graph = parse_graph(net_text());
  const auto executor = Executor::create(graph);
  ASSERT_TRUE(executor.ok());
  const auto session = (*executor)->make_session();
  const auto wrong = session->run(std::vector<ir::Tensor>{random_tensor({1, 4, 16, 16}, 1)});
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().kind, ErrorKind::invalid);
  EXPECT_EQ(wrong.error().message, "input 'x' is fed f32[1,4,16,16], the model takes f32[N,3,16,16]");
  const auto none = session->run({});
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().message, "fed 0 inputs, the model has 1");
}

TEST(Executor, NamesTheOperatorThatItCannotRun) {
  ir::Graph graph;
  ir::Value& x = graph.add_input("x", ir::type_of(ir::DType::f32, {1}));
  ir::Node& node = graph.append(ir::OpKind::opaque, {&x});
  node.opaque_op = "com.acme::Swirl";
  graph.add_output("y", node.output());
  const auto executor = Executor::create(graph);
  ASSERT_FALSE(executor.ok());
  EXPECT_EQ(executor.error().kind, ErrorKind::unsupported);
  EXPECT_NE(executor.error().message.find("com.acme::Swirl"), std::string::npos);
}

TEST(PlanMemory, CountsOneSampleWithClampsInPlace) {
  const ir::Graph graph = parse_graph(R"(graph @g(%x: f32[N,10]) -> (y) {
  %w = constant random(seed=1) : f32[10,20]
  %v = constant random(seed=1) : f32[20,4]
  %a = mat_mul %x, %w
  %r = relu %a
  %y = mat_mul %r, %v
  return %y
})");
  const auto plan = plan_memory(graph);
  ASSERT_TRUE(plan.ok());
  // Input (40 bytes) and hidden layer (80) are alive together; the result (16) fits where the input was.
  EXPECT_EQ(plan->lower_bound_bytes, 120);
  EXPECT_EQ(plan->arena_bytes, 120);
}

TEST(PlanMemory, CountsAnnotatedValuesAsCodes) {
  ir::Graph graph = parse_graph("graph @g(%x: f32[N,10]) -> (y) {\n  %y = exp %x\n  return %y\n}");
  EXPECT_EQ(plan_memory(graph)->arena_bytes, 80);
  value_named(graph, "x").set_quant(quant_of(1, 0));
  EXPECT_EQ(plan_memory(graph)->arena_bytes, 50);
}

TEST(Executor, TimesEveryStepOnce) {
  const ir::Graph graph = parse_graph(net_text());
  const auto executor = Executor::create(graph);
  std::vector<const ir::Node*> timed;
  const StepTimer timer = [&](const ir::Node& node, const std::string&, int64_t nanoseconds) {
    EXPECT_GE(nanoseconds, 0);
    timed.push_back(&node);
  };
  const std::vector<ir::Tensor> inputs = {random_tensor({2, 3, 16, 16}, 9)};
  const auto session = (*executor)->make_session();
  const auto plain = session->run(inputs), outputs = session->run(inputs, nullptr, &timer);
  ASSERT_TRUE(outputs.ok());
  EXPECT_TRUE((*outputs)[0].identical_to((*plain)[0]));
  std::vector<const ir::Node*> steps;  // every node that is not fused into the one before it
  for (const auto& [node, kernel] : (*executor)->kernels()) {
    const bool fused = node->is(ir::OpKind::relu) || node->is(ir::OpKind::clip) || node->is(ir::OpKind::add);
    if (!fused) steps.push_back(node);
  }
  for (const ir::Node* node : steps) EXPECT_EQ(std::count(timed.begin(), timed.end(), node), 1) << node->label();
}

TEST(Executor, RefusesActivationsBeyondTheMemoryLimit) {
  const ir::Graph graph = parse_graph(net_text());
  ExecutorOptions options;
  options.memory_limit = 100000;
  const auto executor = Executor::create(graph, options);
  const auto session = (*executor)->make_session();
  EXPECT_TRUE(session->run(std::vector{random_tensor({1, 3, 16, 16}, 9)}).ok());
  const auto outputs = session->run(std::vector{random_tensor({50, 3, 16, 16}, 9)});
  ASSERT_FALSE(outputs.ok());
  EXPECT_EQ(outputs.error().kind, ErrorKind::io);
  EXPECT_NE(outputs.error().message.find("the limit is 100000"), std::string::npos) << outputs.error().text();
  EXPECT_TRUE(session->run(std::vector{random_tensor({1, 3, 16, 16}, 9)}).ok()) << "the session is as good as before";
}

TEST(Executor, RefusesOutputsOfAbsurdSize) {
  const ir::Graph graph = parse_graph(R"(graph @g(%x: f32[N,1,1,1]) -> (y) {
  %w = constant random(seed=1) : f32[1,1,1,1]
  %y = conv %x, %w, _ {pads=[2000000000,2000000000,2000000000,2000000000]}
  return %y
})");
  const auto executor = Executor::create(graph);
  ASSERT_TRUE(executor.ok());
  const auto outputs = (*executor)->make_session()->run(std::vector{random_tensor({1, 1, 1, 1}, 9)});
  ASSERT_FALSE(outputs.ok());
  EXPECT_EQ(outputs.error().kind, ErrorKind::io) << outputs.error().text();
  EXPECT_FALSE(plan_memory(graph).ok());
}

}  // namespace
}  // namespace edgesmith::runtime
