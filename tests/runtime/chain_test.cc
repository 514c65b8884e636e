// SPDX-License-Identifier: Apache-2.0
// Element-wise steps in a row: which are found, and that they have the bits of steps run one by one.
#include "edgesmith/base/thread_pool.h"
#include "runtime/fuse_chain.h"
#include "runtime/run_graph.h"

namespace edgesmith::runtime {
namespace {

std::string text_of(const std::vector<ir::Dims>& dims, const std::string& body, const std::string& results) {
  std::string text = "graph @g(";
  for (size_t i = 0; i < dims.size(); ++i) {
    text += (i > 0 ? ", %x" : "%x") + std::to_string(i) + ": " + ir::type_of(ir::DType::f32, dims[i]).text();
  }
  std::string names;
  for (const char c : results) names += std::string(names.empty() ? "%" : ", %") + c;
  std::string plain = names;
  std::erase(plain, '%');
  return text + ") -> (" + plain + ") {\n" + body + "  return " + names + "\n}";
}

std::vector<ir::Tensor> inputs_of(const std::vector<ir::Dims>& dims) {
  std::vector<ir::Tensor> inputs;
  for (size_t i = 0; i < dims.size(); ++i) inputs.push_back(random_tensor(dims[i], 20 + i));
  return inputs;
}

// How many steps each chain of the graph has.
std::vector<size_t> chain_sizes(const ir::Graph& graph, const std::vector<ir::Dims>& dims,
                                const ExecutorOptions& options = {}) {
  const auto program = compile(graph, options, Isa::scalar);
  EXPECT_TRUE(program.ok()) << program.error().text();
  auto known = ops::infer_dims(graph, dims);
  EXPECT_TRUE(known.ok());
  std::vector<size_t> sizes;
  for (const Chain& chain : find_chains(*program, program->steps, *known)) sizes.push_back(chain.steps.size());
  return sizes;
}

// Runs the graph with chains, and with an observer of everything, which leaves every step alone: the same bits on every
// instruction set, with one thread and with three.
void check_chains(const std::vector<ir::Dims>& dims, const std::string& body, const std::vector<size_t>& sizes,
                  const std::string& results = "y") {
  const std::string text = text_of(dims, body, results);
  SCOPED_TRACE(text);
  const ir::Graph graph = parse_graph(text);
  EXPECT_EQ(chain_sizes(graph, dims), sizes);
  const std::vector<ir::Tensor> inputs = inputs_of(dims);
  const Observer look = [](const ir::Value&, const ir::Tensor&) {};
  for (const Isa isa : float_isas()) {
    const auto apart = run_graph(graph, inputs, isa, {}, &look), together = run_graph(graph, inputs, isa);
    const auto program = compile(graph, {}, isa);
    ASSERT_TRUE(program.ok());
    ThreadPool pool(3);
    SessionState session(*program, &pool);
    const auto shared = session.run(inputs, nullptr);
    ASSERT_TRUE(shared.ok()) << shared.error().text();
    ASSERT_EQ(apart.size(), together.size());
    for (size_t i = 0; i < apart.size(); ++i) {
      EXPECT_TRUE(together[i].identical_to(apart[i])) << isa_word(isa);
      EXPECT_TRUE((*shared)[i].identical_to(apart[i])) << isa_word(isa);
    }
  }
  check_graph(graph, inputs);
}

const std::string kSwish = "  %a = add %x0, %x1\n  %s = sigmoid %a\n  %y = mul %a, %s\n";

TEST(Chain, OfAllSizes) {
  for (const int64_t size : {1, 3, 8, 17, 33, 1023, 1024, 1025, 4100}) {
    check_chains({{2, size}, {2, size}}, kSwish, {3});
    check_chains({{size}, {}}, kSwish, {3});
  }
  check_chains({{0, 3}, {0, 3}}, kSwish, {3});
  check_chains({{}, {}}, kSwish, {3});
}

TEST(Chain, OfOperandsThatRepeat) {
  check_chains({{2, 3, 10, 11}, {3, 1, 1}}, kSwish, {3});
  check_chains({{3, 1, 1}, {2, 3, 40, 50}}, kSwish, {3});
  check_chains({{2, 3, 130}, {130}}, kSwish, {3});
  check_chains({{5, 1}, {1, 70}}, kSwish, {3});
  check_chains({{2, 3, 7}, {7}}, kSwish, {});  // runs too short
  check_chains({{2, 3, 80}, {3, 1}, {80}}, "  %a = mul %x0, %x1\n  %b = add %a, %x2\n  %y = relu %b\n", {2});
}

TEST(Chain, OfEveryOperator) {
  const std::string constants =
      "  %two = constant {2} : f32[]\n  %half = constant {0.5} : f32[]\n  %lo = constant {-0.25} : f32[]\n";
  for (const char* node : {"relu %a",
                           "clip %a, %lo, %half",
                           "clip %a, _, %half",
                           "leaky_relu %a {alpha=0.2}",
                           "hard_sigmoid %a {alpha=0.3, beta=0.4}",
                           "hard_swish %a",
                           "exp %a",
                           "sigmoid %a",
                           "tanh %a",
                           "erf %a",
                           "reciprocal %a",
                           "abs %a",
                           "neg %a",
                           "elu %a {alpha=0.7}",
                           "gelu %a",
                           "gelu %a {approximate=\"tanh\"}",
                           "pow %a, %two",
                           "max %a, %x0",
                           "min %a, %half",
                           "sub %half, %a",
                           "div %x0, %a"}) {
    const std::string body = constants + "  %a = sub %x0, %two\n  %b = " + std::string(node) + "\n  %y = mul %b, %x0\n";
    const bool clamp = std::string(node).starts_with("relu") || std::string(node).starts_with("clip");
    check_chains({{3, 47}}, body, {clamp ? size_t{2} : size_t{3}});  // a clamp is the epilogue of the Sub
  }
  const std::string roots = "  %a = abs %x0\n  %r = sqrt %a\n  %l = log %r\n  %h = pow %a, %half\n  %y = add %l, %h\n";
  check_chains({{3, 47}}, constants + roots, {5});
}

TEST(Chain, ReadsAValueTwice) {
  check_chains({{300}}, "  %a = exp %x0\n  %b = mul %a, %a\n  %c = add %b, %a\n  %y = sub %c, %b\n", {4});
}

// What others read is made: it ends a chain.
TEST(Chain, EndsAtWhatIsReadElsewhere) {
  check_chains({{300}}, "  %a = exp %x0\n  %y = tanh %a\n", {}, "ya");
  check_chains({{300}}, "  %a = exp %x0\n  %b = neg %a\n  %c = tanh %b\n  %y = sub %c, %b\n", {2, 2}, "yb");
  check_chains({{2, 80}},
               "  %s = constant {0} : i64[1]\n  %a = exp %x0\n  %b = neg %a\n  %z = reduce_sum %b, %s\n"
               "  %c = tanh %b\n  %y = sub %c, %z\n",
               {2, 2});
}

TEST(Chain, LeavesSmallerValuesAlone) {
  check_chains({{4, 1, 1}, {4, 10, 10}}, "  %a = exp %x0\n  %g = neg %a\n  %m = mul %x1, %g\n  %y = tanh %m\n", {2, 2});
}

TEST(Chain, MakesWhatIsObserved) {
  const ir::Graph graph = parse_graph(text_of({{300}}, "  %a = exp %x0\n  %b = neg %a\n  %y = tanh %b\n", "y"));
  ExecutorOptions options;
  options.observed.resize(static_cast<size_t>(graph.num_value_ids()));
  for (const ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::neg)) options.observed[static_cast<size_t>(node.output().id())] = true;
  }
  EXPECT_EQ(chain_sizes(graph, {{300}}, options), std::vector<size_t>{2});
  int shown = 0;
  const Observer look = [&](const ir::Value&, const ir::Tensor&) { ++shown; };
  const auto inputs = inputs_of({{300}});
  const auto observed = run_graph(graph, inputs, Isa::scalar, options, &look);
  EXPECT_EQ(shown, 1);
  EXPECT_TRUE(observed[0].identical_to(run_graph(graph, inputs, Isa::scalar)[0]));
}

TEST(Chain, RoundsToTheCodesOfAnnotatedValues) {
  ir::Graph graph = parse_graph(text_of({{300}}, "  %a = exp %x0\n  %b = neg %a\n  %y = tanh %b\n", "y"));
  for (ir::Node& node : graph.nodes()) {
    ir::Quant quant;
    quant.dtype = ir::DType::i8;
    quant.scale = {node.is(ir::OpKind::neg) ? 0.05F : 0.01F};
    quant.zero_point = {3};
    if (node.is(ir::OpKind::neg) || node.is(ir::OpKind::tanh)) node.output().set_quant(quant);
  }
  ExecutorOptions options;
  options.arithmetic = Arithmetic::fake_quant;
  EXPECT_EQ(chain_sizes(graph, {{300}}, options), std::vector<size_t>{3});
  const auto inputs = inputs_of({{300}});
  const Observer look = [](const ir::Value&, const ir::Tensor&) {};
  for (const Isa isa : float_isas()) {
    const auto apart = run_graph(graph, inputs, isa, options, &look), together = run_graph(graph, inputs, isa, options);
    EXPECT_TRUE(together[0].identical_to(apart[0])) << isa_word(isa);
  }
}

// More steps than a chain holds, between values that must be made.
TEST(Chain, OfManySteps) {
  std::string body = "  %v0 = exp %x0\n";
  for (int i = 1; i < 60; ++i) {
    body += "  %v" + std::to_string(i) + " = sub %v" + std::to_string(i - 1) + ", %x0\n";
  }
  body += "  %y = neg %v59\n";
  const ir::Graph graph = parse_graph(text_of({{200}}, body, "y"));
  size_t steps = 0;
  for (const size_t size : chain_sizes(graph, {{200}})) steps += size;
  EXPECT_GE(steps, 50U);
  check_graph(graph, inputs_of({{200}}));
}

// The arena has no room for what lies inside.
TEST(Chain, TakesNoMemoryForWhatLiesInside) {
  const std::vector<ir::Dims> dims = {{1 << 16}};
  const ir::Graph graph =
      parse_graph(text_of(dims, "  %a = exp %x0\n  %b = neg %a\n  %c = tanh %b\n  %y = abs %c\n", "y"));
  const auto program = compile(graph, {}, Isa::scalar);
  ASSERT_TRUE(program.ok());
  SessionState session(*program);
  ASSERT_TRUE(session.run(inputs_of(dims), nullptr).ok());
  EXPECT_LT(session.arena_bytes(), 5 << 16);
}

}  // namespace
}  // namespace edgesmith::runtime
