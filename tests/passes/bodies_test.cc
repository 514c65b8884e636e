// SPDX-License-Identifier: Apache-2.0
// simplify inside of If, Loop and Scan: what it does there, and that the model still says the same once it is a file.
#include "passes/simplify/bodies.h"
#include "edgesmith/ir/subgraphs.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/inner_cost.h"
#include "edgesmith/passes/pass.h"
#include "edgesmith/targets/target.h"
#include "onnx/onnx_helper.h"
#include "support/reference_run.h"

namespace edgesmith::passes {
namespace {

using ir::Tensor;

Tensor f32(ir::Dims dims, const std::vector<float>& values) { return Tensor::of<float>(std::move(dims), values); }

std::vector<Tensor> must_run(const ir::Graph& graph, const std::vector<Tensor>& inputs) {
  auto results = testing::reference_run(graph, inputs);
  if (!results) {
    ADD_FAILURE() << results.error().text();
    return std::vector<Tensor>(static_cast<size_t>(graph.num_outputs()), Tensor::scalar<float>(0));
  }
  return *std::move(results);
}

Change simplify(ir::Graph& graph) {
  const PassInfo& pass = *find_pass("simplify");
  PassContext context;
  context.opset = onnx::source_info(graph).opset;
  const auto change = run_pass(pass, graph, Options(pass.options()), context);
  EXPECT_TRUE(change.ok()) << change.error().text();
  return change.ok() ? *change : Change::none;
}

/// Nodes that are operators, those inside of nodes included.
int operators(const ir::Graph& graph) {
  int count = 0;
  for (const ir::Node& node : graph.nodes()) {
    if (node.op() >= ir::OpKind::opaque) ++count;
    for (size_t g = 0; node.subgraphs != nullptr && g < node.subgraphs->graphs.size(); ++g) {
      count += operators(node.subgraphs->graphs[g]);
    }
  }
  return count;
}

/// Simplifies, writes, reads, and compares the answers for every list of inputs. Returns what was read.
ir::Graph simplified(int opset, const std::string& text, const std::vector<std::vector<Tensor>>& inputs) {
  ir::Graph graph = onnx::must_import(opset, text);
  std::vector<std::vector<Tensor>> expected;
  for (const auto& some : inputs) expected.push_back(must_run(graph, some));
  const std::string source = onnx::must_export(graph);
  EXPECT_EQ(simplify(graph), Change::changed);
  EXPECT_EQ(simplify(graph), Change::none);
  const std::string bytes = onnx::must_export(graph);
  EXPECT_EQ(onnx::check_model(bytes), onnx::check_model(source));
  EXPECT_EQ(onnx::signature(bytes), onnx::signature(source));
  EXPECT_LE(bytes.size(), source.size());
  auto again = onnx::import_string(bytes);
  if (!again) {
    ADD_FAILURE() << again.error().text();
    return ir::Graph();
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto results = must_run(*again, inputs[i]);
    for (size_t o = 0; o < results.size(); ++o) {
      EXPECT_EQ(results[o].dims(), expected[i][o].dims());
      EXPECT_EQ(results[o].to_floats(), expected[i][o].to_floats());
    }
  }
  return *std::move(again);
}

const std::vector<std::vector<Tensor>> kBothWays = {{Tensor::scalar<bool>(true), f32({2}, {3, -4})},
                                                    {Tensor::scalar<bool>(false), f32({2}, {3, -4})}};

TEST(Bodies, FoldsWithConstantsFromOutside) {
  const ir::Graph graph = simplified(13, R"(g (bool c, float[2] x) => (float[2] y) {
    two = Constant <value = float {2.0}> ()
    y = If (c) <
      then_branch = a () => (float[2] t) {
        three = Constant <value = float {3.0}> ()
        six = Mul(two, three)
        i = Identity(x)
        t = Mul(i, six)
      },
      else_branch = b () => (float[2] e) { n = Neg(x) i = Identity(n) e = Identity(i) }
    >
  })",
                                     kBothWays);
  EXPECT_EQ(operators(graph), 3);  // If, Mul, Neg
  for (const ir::Node& node : graph.nodes()) {
    EXPECT_FALSE(node.is(ir::OpKind::constant)) << "two is read no more";
  }
}

TEST(Bodies, AnOuterValueAsAResultKeepsItsIdentity) {
  // Runtimes do not take an outer value for a result as it is.
  const ir::Graph graph = simplified(13, R"(g (bool c, float[2] x) => (float[2] y) {
    h = Relu(x)
    y = If (c) <
      then_branch = a () => (float[2] t) { i = Identity(h) j = Identity(i) t = Identity(j) },
      else_branch = b () => (float[2] e) { e = Neg(h) }
    >
  })",
                                     kBothWays);
  EXPECT_EQ(operators(graph), 4);  // Relu, If, Identity, Neg
}

TEST(Bodies, GoesAsDeepAsTheyAreNested) {
  const ir::Graph graph = simplified(13, R"(g (bool c, float[2] x) => (float[2] y) {
    yes = Constant <value = bool {1}> ()
    y = If (c) <
      then_branch = a () => (float[2] t) {
        k = Constant <value = float {1.5}> ()
        t = If (yes) <
          then_branch = a2 () => (float[2] t2) { s = Mul(k, k) t2 = Mul(x, s) },
          else_branch = b2 () => (float[2] e2) { e2 = Neg(x) }
        >
      },
      else_branch = b () => (float[2] e) {
        e = If (c) <
          then_branch = a3 () => (float[2] t3) { i = Identity(x) t3 = Relu(i) },
          else_branch = b3 () => (float[2] e3) { z = Constant <value = float {0.5}> () w = Add(z, z) e3 = Add(x, w) }
        >
      }
    >
  })",
                                     kBothWays);
  EXPECT_EQ(operators(graph), 5);  // If, Mul; If, Relu, Add
}

TEST(Bodies, OfALoopAndItsStates) {
  const std::string text = R"(g (int64 most, float[2] x) => (float[2] last, float[k,2] all) {
    go = Constant <value = bool {1}> ()
    half = Constant <value = float {0.5}> ()
    last, all = Loop (most, go, x) <
      body = b (int64 i, bool c, float[2] s) => (bool c2, float[2] s2, float[2] step) {
        c2 = Identity(c)
        four = Constant <value = float {4.0}> ()
        two = Mul(four, half)
        t = Identity(s)
        s2 = Mul(t, two)
        n = Cast <to = 1> (i)
        m = Identity(n)
        step = Add(s2, m)
      }
    >
  })";
  const ir::Graph graph = simplified(
      13, text, {{Tensor::scalar<int64_t>(3), f32({2}, {1, 2})}, {Tensor::scalar<int64_t>(0), f32({2}, {1, 2})}});
  EXPECT_LE(operators(graph), 5);  // Loop, Mul, Cast, Add, and an Identity for the condition
}

TEST(Bodies, OfAScan) {
  const ir::Graph graph = simplified(13, R"(g (float[2] s0, float[3,2] x) => (float[2] s, float[3,2] y) {
    s, y = Scan <num_scan_inputs = 1, body = b (float[2] p, float[2] v) => (float[2] q, float[2] w) {
      i = Identity(v)
      q = Add(p, i)
      j = Identity(q)
      w = Neg(j)
    }> (s0, x)
  })",
                                     {{f32({2}, {1, 2}), f32({3, 2}, {1, 2, 3, 4, 5, 6})}});
  EXPECT_EQ(operators(graph), 3);  // Scan, Add, Neg
}

TEST(Bodies, ALargeConstantStaysOutside) {
  std::string numbers;
  for (int i = 0; i < 2000; ++i) numbers += (i > 0 ? "," : "") + std::to_string(i % 7);
  const std::string text = "g (bool c, float[2000] x) => (float[2000] y) <float[2000] w = {" + numbers + R"(}> {
    y = If (c) <
      then_branch = a () => (float[2000] t) { i = Identity(w) t = Mul(x, i) },
      else_branch = b () => (float[2000] e) { j = Identity(w) e = Add(x, j) }
    >
  })";
  const std::vector<float> ones(2000, 1);
  const ir::Graph graph = simplified(13, text, {{Tensor::scalar<bool>(true), f32({2000}, ones)}});
  EXPECT_EQ(operators(graph), 3);
  bool outside = false;
  for (const ir::Node& node : graph.nodes()) outside = outside || node.is(ir::OpKind::constant);
  EXPECT_TRUE(outside);
}

TEST(Bodies, NamesDoNotHideThoseOutside) {
  // Both branches call their result as the node calls its own.
  const ir::Graph graph = simplified(13, R"(g (bool c, float[2] x) => (float[2] y) {
    h = Relu(x)
    y = If (c) <
      then_branch = a () => (float[2] y) {
        p = Constant <value = float {2.0}> ()
        q = Mul(p, p)
        r = Mul(h, q)
        y = Identity(r)
      },
      else_branch = b () => (float[2] y) { i = Identity(h) y = Neg(i) }
    >
  })",
                                     kBothWays);
  EXPECT_EQ(operators(graph), 4);
}

TEST(Bodies, ABranchThatIsNonsenseStaysAsItIs) {
  ir::Graph graph = onnx::must_import(13, R"(g (bool c, float[2] x) => (y) {
    y = If (c) <
      then_branch = a () => (t) { w = Constant <value = float[3,1] {1, 2, 3}> () i = Identity(x) t = MatMul(i, w) },
      else_branch = b () => (e) { i2 = Identity(x) e = Neg(i2) }
    >
  })");
  const std::string before = onnx::must_export(graph);
  EXPECT_EQ(simplify(graph), Change::none);
  EXPECT_EQ(onnx::must_export(graph), before);
}

TEST(Bodies, AResultOfUnknownTypeGoesOutWithoutOne) {
  // ONNX Runtime refuses a type that says "undefined".
  ir::Graph graph = onnx::must_import(13, R"(g (bool c, x) => (y) {
    y = If (c) <
      then_branch = a () => (t) { i = Identity(x) t = Neg(i) },
      else_branch = b () => (e) { e = Relu(x) }
    >
  })");
  EXPECT_EQ(simplify(graph), Change::changed);
  auto again = onnx::import_string(onnx::must_export(graph));
  ASSERT_TRUE(again.ok()) << again.error().text();
  for (const ir::Node& node : again->nodes()) {
    if (node.subgraphs == nullptr) continue;
    for (const ir::Graph& branch : node.subgraphs->graphs) {
      EXPECT_EQ(branch.declared_outputs[0].dtype, ir::DType::undefined);
    }
  }
  const std::string bytes = onnx::must_export(graph);
  EXPECT_EQ(bytes.find(std::string("\x0a\x02\x08\x00", 4)), std::string::npos) << "a tensor type of element type 0";
}

TEST(InnerCost, IsThatOfTheCostlierBranchAndOfOneStep) {
  ir::Graph graph = onnx::must_import(13, R"(g (bool c, float[2,4] x, int64 n, float[4,4] w) => (y, z) {
    y = If (c) <
      then_branch = a () => (t) { h = MatMul(x, w) t = MatMul(h, w) },
      else_branch = b () => (e) { e = MatMul(x, w) }
    >
    z = Loop (n, c, x) <
      body = l (int64 i, bool d, s) => (d2, s2) { d2 = Identity(d) s2 = MatMul(s, w) }
    >
  })");
  ASSERT_TRUE(ops::infer_types(graph).ok());
  std::vector<int64_t> macs;
  for (const ir::Node& node : graph.nodes()) {
    if (node.subgraphs != nullptr) macs.push_back(inner_cost(node).macs);
  }
  EXPECT_EQ(macs, (std::vector<int64_t>{2 * 2 * 4 * 4, 2 * 4 * 4}));
}

TEST(Bodies, OperatorsInsideAreCounted) {
  const ir::Graph graph = onnx::must_import(13, R"(g (bool c, float[2] x) => (y) {
    y = If (c) <
      then_branch = a () => (t) { t = Neg(x) },
      else_branch = b () => (e) { i = Relu(x) e = Neg(i) }
    >
  })");
  EXPECT_EQ(count_nodes(graph), 1 + 1 + 2);  // If and what its branches hold; inputs and outputs are none
}

Change quantize_dynamically(ir::Graph& graph, PassContext& context) {
  const PassInfo& pass = *find_pass("quantize");
  Options options(pass.options());
  EXPECT_TRUE(options.set("dynamic", OptionValue(true)).ok());
  context.opset = onnx::source_info(graph).opset;
  context.target = targets::find_target("ort-x86");
  const auto change = run_pass(pass, graph, options, context);
  EXPECT_TRUE(change.ok()) << change.error().text();
  return change.ok() ? *change : Change::none;
}

TEST(Bodies, ProductsAndLstmsInsideComputeOnCodesOfTheRun) {
  ir::Graph graph = onnx::must_import(13, R"(g (bool c, float[3,1,2] x) => (float[1,1,1] y) {
    y = If (c) <
      then_branch = a () => (t) {
        w = Constant <value = float[1,4,2] {1, 0.5, 0.25, 2, -1, 0.5, 0.125, -2}> ()
        r = Constant <value = float[1,4,1] {0.5, 0.25, -0.5, 1}> ()
        s, t = LSTM <hidden_size = 1> (x, w, r)
      },
      else_branch = b () => (e) {
        v = Constant <value = float[2,1] {0.5, -1}> ()
        axes = Constant <value = int64[1] {0}> ()
        m = MatMul(x, v)
        e = ReduceSum(m, axes)
      }
    >
  })");
  const Tensor x = f32({3, 1, 2}, {0.5F, -1, 0.25F, 2, -0.75F, 1});
  const std::vector<Tensor> yes = {Tensor::scalar<bool>(true), x}, no = {Tensor::scalar<bool>(false), x};
  const float before[] = {must_run(graph, yes)[0].to_floats()[0], must_run(graph, no)[0].to_floats()[0]};
  PassContext context;
  EXPECT_EQ(quantize_dynamically(graph, context), Change::changed);
  EXPECT_EQ(context.notes[0],
            "2 operators compute on codes of the run, 1 LSTM of them (com.microsoft's DynamicQuantizeLSTM)");
  EXPECT_EQ(context.layers.size(), 2u);
  auto again = onnx::import_string(onnx::must_export(graph));  // which imports com.microsoft
  ASSERT_TRUE(again.ok()) << again.error().text();
  EXPECT_NEAR(must_run(*again, yes)[0].to_floats()[0], before[0], 0.03);
  EXPECT_NEAR(must_run(*again, no)[0].to_floats()[0], before[1], 0.05);
  PassContext second;
  EXPECT_EQ(quantize_dynamically(*again, second), Change::none);
  EXPECT_EQ(second.notes[0], "2 operators compute on codes of the run already, and no other can");
}

}  // namespace
}  // namespace edgesmith::passes
