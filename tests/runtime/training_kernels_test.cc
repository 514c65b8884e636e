// SPDX-License-Identifier: Apache-2.0
// The kernels of training graphs against ops::eval, on every instruction set of this CPU.
#include "runtime/run_graph.h"

namespace edgesmith::runtime {
namespace {

std::string list(const ir::Ints& numbers) {
  std::string out = "[";
  for (const int64_t number : numbers) out += (out.size() > 1 ? "," : "") + std::to_string(number);
  return out + "]";
}

// A graph of `body`, whose operands are %x0, %x1, ..., which must run by the kernel `name` alone.
void check_body(const std::string& name, const std::string& body, const std::vector<ir::Dims>& dims,
                double tolerance = 4e-6) {
  std::string text = "graph @g(";
  std::vector<ir::Tensor> inputs;
  for (size_t i = 0; i < dims.size(); ++i) {
    inputs.push_back(random_tensor(dims[i], 10 + i));
    text += (i > 0 ? ", %x" : "%x") + std::to_string(i) + ": " + inputs.back().type().text();
  }
  text += ") -> (y) {\n" + body + "  return %y\n}";
  SCOPED_TRACE(text);
  const ir::Graph graph = parse_graph(text);
  const auto program = compile(graph, {}, Isa::scalar);
  ASSERT_TRUE(program.ok()) << program.error().text();
  ASSERT_EQ(program->steps.size(), 1u);
  ASSERT_EQ(program->steps[0].choice_name(), "native." + name);
  check_graph(graph, inputs, tolerance);
}

void check_node(const std::string& name, const std::string& node, const std::vector<ir::Dims>& dims,
                double tolerance = 4e-6) {
  check_body(name, "  %y = " + node + "\n", dims, tolerance);
}

struct Window {
  int64_t kernel_h, kernel_w, stride_y = 1, stride_x = 1, dilation_y = 1, dilation_x = 1;
  ir::Ints pads = {0, 0, 0, 0};
  int64_t group = 1;

  std::string text() const {
    return "dilations=" + list({dilation_y, dilation_x}) + ", group=" + std::to_string(group) + ", pads=" + list(pads) +
           ", strides=" + list({stride_y, stride_x});
  }
};

const std::vector<Window>& windows() {
  static const std::vector<Window> all = {
      {.kernel_h = 1, .kernel_w = 1},
      {.kernel_h = 3, .kernel_w = 3, .pads = {1, 1, 1, 1}},
      {.kernel_h = 5, .kernel_w = 5},
      {.kernel_h = 3, .kernel_w = 2, .pads = {0, 1, 2, 0}},
      {.kernel_h = 3, .kernel_w = 3, .stride_y = 2, .stride_x = 2, .pads = {1, 1, 1, 1}},
      {.kernel_h = 1, .kernel_w = 1, .stride_y = 2, .stride_x = 2},
      {.kernel_h = 2, .kernel_w = 3, .stride_y = 3, .stride_x = 2, .pads = {1, 0, 0, 2}},
      {.kernel_h = 3, .kernel_w = 3, .dilation_y = 2, .dilation_x = 3, .pads = {2, 3, 2, 3}},
      {.kernel_h = 3,
       .kernel_w = 3,
       .stride_y = 2,
       .stride_x = 3,
       .dilation_y = 3,
       .dilation_x = 2,
       .pads = {2, 0, 1, 1}},
      {.kernel_h = 7, .kernel_w = 7, .stride_y = 2, .stride_x = 2, .pads = {3, 3, 3, 3}},
  };
  return all;
}

TEST(ConvTranspose, IsTheDefinitionForEveryWindow) {
  for (const Window& w : windows()) {
    for (const int64_t size : {1, 5, 8, 17}) {
      const bool fits = (size - 1) * w.stride_y + (w.kernel_h - 1) * w.dilation_y + 1 > w.pads[0] + w.pads[2] &&
                        (size - 1) * w.stride_x + (w.kernel_w - 1) * w.dilation_x + 1 > w.pads[1] + w.pads[3];
      if (!fits) continue;
      check_node("conv_transpose_f32", "conv_transpose %x0, %x1, %x2 {" + w.text() + "}",
                 {{2, 5, size, size}, {5, 9, w.kernel_h, w.kernel_w}, {9}});
    }
  }
}

TEST(ConvTranspose, OfOddChannelCounts) {
  for (const int64_t channels : {1, 3, 8, 15, 16, 17, 33}) {
    check_node("conv_transpose_f32", "conv_transpose %x0, %x1 {pads=[1,1,1,1]}",
               {{2, channels, 9, 7}, {channels, 36 - channels, 3, 3}});
    check_node("conv_transpose_f32", "conv_transpose %x0, %x1 {output_padding=[1,1], pads=[1,1,1,1], strides=[2,2]}",
               {{3, channels, 4, 7}, {channels, 36 - channels, 3, 3}});
  }
}

TEST(ConvTranspose, KeepsGroupsApart) {
  check_node("conv_transpose_f32", "conv_transpose %x0, %x1, %x2 {group=3, pads=[1,1,1,1]}",
             {{2, 6, 7, 9}, {6, 5, 3, 3}, {15}});
  check_node("conv_transpose_f32", "conv_transpose %x0, %x1 {group=4, pads=[1,1,1,1], strides=[2,2]}",
             {{2, 4, 7, 9}, {4, 1, 3, 3}});
}

TEST(ConvTranspose, OfLines) {
  check_node("conv_transpose_f32", "conv_transpose %x0, %x1 {pads=[1,2], strides=[3]}", {{2, 4, 11}, {4, 5, 4}});
}

TEST(ConvTranspose, LeavesOutputsEmptyThatNoTapReaches) {
  check_node("conv_transpose_f32", "conv_transpose %x0, %x1, %x2 {output_padding=[1,2], strides=[2,3]}",
             {{2, 3, 4, 5}, {3, 4, 1, 1}, {4}});
  check_node("conv_transpose_f32", "conv_transpose %x0, %x1 {output_shape=[9,20], strides=[2,2]}",
             {{1, 3, 4, 5}, {3, 4, 3, 3}});
}

TEST(ConvTranspose, OfOneChannelAGroup) {
  for (const int64_t kernel : {3, 5}) {
    for (const int64_t stride : {1, 2}) {
      for (const int64_t size : {1, 4, 8, 17, 33}) {
        const std::string pad = std::to_string(kernel / 2), s = std::to_string(stride);
        check_node("conv_transpose_f32",
                   "conv_transpose %x0, %x1, %x2 {group=5, output_padding=[" + std::to_string(stride - 1) +
                       ",0], pads=[" + pad + "," + pad + "," + pad + "," + pad + "], strides=[" + s + "," + s + "]}",
                   {{2, 5, size, size + 2}, {5, 1, kernel, kernel}, {5}});
      }
    }
  }
  check_body("conv_transpose_f32",
             "  %c = conv_transpose %x0, %x1 {group=4, pads=[0,2,1,0], strides=[2,2]}\n  %s = add %c, %x2\n"
             "  %y = relu %s\n",
             {{2, 4, 6, 9}, {4, 1, 3, 3}, {2, 4, 12, 17}});
}

// Large kernels on small planes: products first, then their sums.
TEST(ConvTranspose, OfLargeKernels) {
  for (const int64_t size : {4, 6, 8, 13}) {
    check_node("conv_transpose_f32", "conv_transpose %x0, %x1, %x2", {{2, 50, size, size}, {50, 7, 5, 5}, {7}});
    check_node("conv_transpose_f32", "conv_transpose %x0, %x1 {dilations=[2,3], pads=[1,0,0,2]}",
               {{3, 40, size, size + 3}, {40, 5, 4, 3}});
  }
  check_body("conv_transpose_f32", "  %c = conv_transpose %x0, %x1\n  %s = add %c, %x2\n  %y = relu %s\n",
             {{2, 50, 4, 4}, {50, 6, 5, 5}, {2, 6, 8, 8}});
  check_node("conv_transpose_f32", "conv_transpose %x0, %x1", {{2, 40, 16}, {40, 5, 9}});
}

TEST(ConvTranspose, AddsAResidualAndClamps) {
  for (const char* strides : {"[1,1]", "[2,2]"}) {
    const int64_t size = strides[1] == '1' ? 9 : 17;
    check_body("conv_transpose_f32",
               "  %c = conv_transpose %x0, %x1 {pads=[1,1,1,1], strides=" + std::string(strides) +
                   "}\n  %s = add %x2, %c\n  %y = relu %s\n",
               {{2, 5, 9, 9}, {5, 6, 3, 3}, {2, 6, size, size}});
  }
}

// Runs one node by a kernel that reassociates sums, also where it is not the default: close to the definition, the same
// bits on every instruction set.
void check_reassociated(const std::string& kernel, const ir::Graph& graph, const std::vector<ir::Tensor>& inputs,
                        double tolerance) {
  SCOPED_TRACE(ir::print(graph));
  ExecutorOptions options = {.reassociate = true};
  for (const ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::conv_transpose) || node.is(ir::OpKind::conv_weight_gradient)) {
      options.choices[node.id()] = kernel;
    }
  }
  const ir::Tensor expected = run_graph(graph, inputs, Isa::scalar, {.reference = true})[0];
  ir::Tensor first;
  for (const Isa isa : float_isas()) {
    const auto program = compile(graph, options, isa);
    ASSERT_TRUE(program.ok()) << program.error().text();
    ASSERT_EQ(program->steps[0].choice_name(), kernel);
    const ir::Tensor y = run_graph(graph, inputs, isa, options)[0];
    expect_close(y, expected, tolerance);
    if (first.valid()) {
      EXPECT_TRUE(y.identical_to(first)) << isa_word(isa);
    }
    first = y;
  }
  add_to_digest(first);
}

void check_winograd_transpose(const ir::Dims& x, const ir::Dims& w, const std::string& pads, bool bias) {
  const std::string add_bias = bias ? ", %b" : "";
  const ir::Dims bias_dims = {w[1]};
  const ir::Graph graph = parse_graph(
      "graph @g(%x: " + ir::type_of(ir::DType::f32, x).text() + ", %w: " + ir::type_of(ir::DType::f32, w).text() +
      ", %b: " + ir::type_of(ir::DType::f32, bias_dims).text() + ") -> (y) {\n  %c = conv_transpose %x, %w" + add_bias +
      " {pads=" + pads + "}\n  %y = relu %c\n  return %y\n}");
  check_reassociated("native.winograd_conv_transpose_f32", graph,
                     {random_tensor(x, 1), random_tensor(w, 2), random_tensor(bias_dims, 3)}, 1e-5);
}

TEST(WinogradConvTranspose, IsTheDefinition) {
  for (const int64_t channels : {8, 15, 16, 33, 80}) {
    for (const int64_t size : {1, 4, 7, 17}) {
      check_winograd_transpose({2, channels, size, size + 1}, {channels, 100 - channels, 3, 3}, "[1,1,1,1]", size == 7);
    }
  }
  for (const char* pads : {"[0,0,0,0]", "[2,2,2,2]", "[0,1,2,0]", "[2,0,1,2]", "[3,0,1,4]"}) {
    check_winograd_transpose({3, 9, 8, 6}, {9, 17, 3, 3}, pads, true);
  }
  check_winograd_transpose({61, 12, 5, 8}, {12, 20, 3, 3}, "[1,1,1,1]", false);
  check_winograd_transpose({1, 40, 50, 61}, {40, 24, 3, 3}, "[1,1,1,1]", true);
}

TEST(WinogradConvTranspose, Of5x5Kernels) {
  for (const int64_t channels : {8, 15, 20, 50, 80}) {
    for (const int64_t size : {1, 4, 7, 8, 17}) {
      check_winograd_transpose({2, channels, size, size + 1}, {channels, 100 - channels, 5, 5}, "[0,0,0,0]", size == 7);
    }
  }
  for (const char* pads : {"[2,2,2,2]", "[4,4,4,4]", "[0,1,4,0]", "[5,0,1,4]"}) {
    check_winograd_transpose({3, 9, 8, 6}, {9, 17, 5, 5}, pads, true);
  }
  check_winograd_transpose({61, 12, 5, 8}, {12, 20, 5, 5}, "[0,0,0,0]", false);
  check_winograd_transpose({2, 40, 50, 61}, {40, 24, 5, 5}, "[2,2,2,2]", true);
}

TEST(WinogradConvTranspose, AddsAResidualAndClamps) {
  for (const int64_t kernel : {3, 5}) {
    for (const int64_t size : {4, 7, 40}) {
      const ir::Dims x = {3, 20, size, size}, w = {20, 18, kernel, kernel};
      const ir::Dims sum = {3, 18, size + kernel - 1, size + kernel - 1};
      const ir::Graph graph = parse_graph(
          "graph @g(%x: " + ir::type_of(ir::DType::f32, x).text() + ", %w: " + ir::type_of(ir::DType::f32, w).text() +
          ", %r: " + ir::type_of(ir::DType::f32, sum).text() +
          ") -> (y) {\n  %c = conv_transpose %x, %w\n  %s = add %c, %r\n  %y = relu %s\n  return %y\n}");
      check_reassociated("native.winograd_conv_transpose_f32", graph,
                         {random_tensor(x, 1), random_tensor(w, 2), random_tensor(sum, 3)}, 1e-5);
    }
  }
}

void check_weight_gradient(const Window& w, int64_t samples, int64_t channels, int64_t height, int64_t width,
                           int64_t out_channels, double tolerance = 4e-6) {
  const auto outputs = [](int64_t size, int64_t kernel, int64_t stride, int64_t dilation, int64_t pads) {
    return (size + pads - (kernel - 1) * dilation - 1) / stride + 1;
  };
  const int64_t rows = outputs(height, w.kernel_h, w.stride_y, w.dilation_y, w.pads[0] + w.pads[2]);
  const int64_t columns = outputs(width, w.kernel_w, w.stride_x, w.dilation_x, w.pads[1] + w.pads[3]);
  Window begins = w;
  begins.pads[2] = begins.pads[3] = 0;
  check_node(
      "conv_weight_gradient_f32",
      "conv_weight_gradient %x0, %x1 {kernel_shape=" + list({w.kernel_h, w.kernel_w}) + ", " + begins.text() + "}",
      {{samples, channels, height, width}, {samples, out_channels, rows, columns}}, tolerance);
}

TEST(ConvWeightGradient, IsTheDefinitionForEveryWindow) {
  for (const Window& w : windows()) {
    for (const int64_t channels : {1, 5, 16}) check_weight_gradient(w, 3, channels, 13, 19, 9);
  }
}

TEST(ConvWeightGradient, OfOddChannelCounts) {
  const Window w = {.kernel_h = 3, .kernel_w = 3, .pads = {1, 1, 1, 1}};
  for (const int64_t channels : {1, 2, 3, 4, 7, 8, 15, 17, 20, 24, 32, 33, 48}) {
    check_weight_gradient(w, 2, channels, 9, 7, 50 - channels);
  }
}

TEST(ConvWeightGradient, OfOddImages) {
  for (const int64_t size : {1, 2, 3, 7, 8, 15, 16, 17, 31, 33}) {
    check_weight_gradient({.kernel_h = 3, .kernel_w = 3, .pads = {1, 1, 1, 1}}, 2, 8, size, 34 - size, 7);
    check_weight_gradient({.kernel_h = 1, .kernel_w = 1}, 2, 9, size, size, 20);
  }
}

// Samples that go together, and images larger than what is multiplied at a time.
TEST(ConvWeightGradient, OfManySamplesAndLargeImages) {
  check_weight_gradient({.kernel_h = 3, .kernel_w = 3, .pads = {1, 1, 1, 1}}, 21, 16, 8, 8, 24, 1e-5);
  check_weight_gradient({.kernel_h = 3, .kernel_w = 3, .pads = {1, 1, 1, 1}}, 37, 3, 5, 5, 10, 1e-5);
  check_weight_gradient({.kernel_h = 5, .kernel_w = 5}, 2, 3, 52, 47, 6, 1e-5);
  check_weight_gradient({.kernel_h = 3, .kernel_w = 3, .stride_y = 2, .stride_x = 2, .pads = {1, 1, 1, 1}}, 2, 16, 75,
                        70, 17, 1e-5);
}

TEST(ConvWeightGradient, KeepsGroupsApart) {
  check_weight_gradient({.kernel_h = 3, .kernel_w = 3, .pads = {1, 1, 1, 1}, .group = 3}, 2, 6, 9, 9, 15);
  check_weight_gradient({.kernel_h = 3, .kernel_w = 2, .stride_y = 2, .pads = {1, 0, 1, 1}, .group = 2}, 2, 32, 9, 9,
                        6);
}

TEST(ConvWeightGradient, OfLines) {
  check_node("conv_weight_gradient_f32", "conv_weight_gradient %x0, %x1 {kernel_shape=[4], pads=[2,0], strides=[2]}",
             {{3, 5, 21}, {3, 8, 10}});
}

void check_winograd_weight_gradient(const ir::Dims& x, const ir::Dims& dy, const std::string& pads,
                                    int64_t kernel = 3) {
  const ir::Graph graph = parse_graph(
      "graph @g(%x: " + ir::type_of(ir::DType::f32, x).text() + ", %d: " + ir::type_of(ir::DType::f32, dy).text() +
      ") -> (y) {\n  %y = conv_weight_gradient %x, %d {kernel_shape=" + list({kernel, kernel}) + ", pads=" + pads +
      "}\n  return %y\n}");
  check_reassociated("native.winograd_weight_gradient_f32", graph, {random_tensor(x, 1), random_tensor(dy, 2)}, 2e-5);
}

TEST(WinogradWeightGradient, IsTheDefinition) {
  for (const int64_t channels : {8, 15, 16, 33, 80}) {
    for (const int64_t size : {1, 4, 7, 17}) {
      check_winograd_weight_gradient({2, channels, size, size + 1}, {2, 100 - channels, size, size + 1}, "[1,1,0,0]");
    }
  }
  check_winograd_weight_gradient({3, 9, 8, 6}, {3, 17, 6, 4}, "[0,0,0,0]");
  check_winograd_weight_gradient({3, 9, 8, 6}, {3, 17, 10, 8}, "[2,2,0,0]");
  check_winograd_weight_gradient({3, 9, 8, 30}, {3, 17, 5, 9}, "[0,1,0,0]");  // some of x was not read
  check_winograd_weight_gradient({61, 12, 5, 8}, {61, 20, 5, 8}, "[1,1,0,0]");
  check_winograd_weight_gradient({1, 40, 50, 61}, {1, 24, 50, 61}, "[1,1,0,0]");
}

TEST(WinogradWeightGradient, Of5x5Kernels) {
  for (const int64_t channels : {8, 15, 20, 50, 80}) {
    for (const int64_t size : {1, 4, 7, 17}) {
      check_winograd_weight_gradient({2, channels, size, size + 1}, {2, 100 - channels, size, size + 1}, "[2,2,0,0]",
                                     5);
    }
  }
  check_winograd_weight_gradient({3, 20, 12, 12}, {3, 50, 8, 8}, "[0,0,0,0]", 5);
  check_winograd_weight_gradient({3, 9, 8, 6}, {3, 17, 10, 8}, "[3,3,0,0]", 5);
  check_winograd_weight_gradient({3, 9, 8, 30}, {3, 17, 5, 9}, "[0,1,0,0]", 5);  // some of x was not read
  check_winograd_weight_gradient({61, 12, 9, 8}, {61, 20, 5, 4}, "[0,0,0,0]", 5);
  check_winograd_weight_gradient({1, 40, 50, 61}, {1, 24, 50, 61}, "[2,2,0,0]", 5);
}

TEST(DepthwiseWeightGradient, IsTheDefinitionForEveryWindow) {
  for (const Window& w : windows()) {
    for (const int64_t width : {7, 16, 19, 33}) {
      for (const int64_t multiplier : {1, 2}) {
        const auto outputs = [](int64_t size, int64_t kernel, int64_t stride, int64_t dilation, int64_t pads) {
          return (size + pads - (kernel - 1) * dilation - 1) / stride + 1;
        };
        const int64_t rows = outputs(13, w.kernel_h, w.stride_y, w.dilation_y, w.pads[0] + w.pads[2]);
        const int64_t columns = outputs(width, w.kernel_w, w.stride_x, w.dilation_x, w.pads[1] + w.pads[3]);
        Window begins = w;
        begins.group = 3;
        begins.pads[2] = begins.pads[3] = 0;
        check_node("depthwise_weight_gradient_f32",
                   "conv_weight_gradient %x0, %x1 {kernel_shape=" + list({w.kernel_h, w.kernel_w}) + ", " +
                       begins.text() + "}",
                   {{2, 3, 13, width}, {2, 3 * multiplier, rows, columns}}, 1e-5);
      }
    }
  }
  check_node("depthwise_weight_gradient_f32",
             "conv_weight_gradient %x0, %x1 {group=5, kernel_shape=[4], pads=[2,0], strides=[2]}",
             {{3, 5, 21}, {3, 5, 10}});
}

// A single plane, of the size from which on it is the default.
TEST(DepthwiseWeightGradient, OfOneInputChannel) {
  for (const int64_t out_channels : {1, 2, 3, 4, 5, 7, 20}) {
    for (const int64_t width : {16, 24, 28, 31}) {
      check_node("depthwise_weight_gradient_f32", "conv_weight_gradient %x0, %x1 {kernel_shape=[5,5], pads=[2,1,0,0]}",
                 {{3, 1, 20, width + 2}, {3, out_channels, 19, width}}, 1e-5);
    }
  }
  check_node("depthwise_weight_gradient_f32", "conv_weight_gradient %x0, %x1 {kernel_shape=[3,4], strides=[2,2]}",
             {{2, 1, 40, 66}, {2, 9, 19, 32}}, 1e-5);
}

TEST(GatherGradient, AddsWhereNumbersCameFrom) {
  const std::string indices = "  %i = constant {1,-1,1,0} : i64[4]\n  %s = constant {6} : i64[1]\n";
  check_body("gather_gradient_f32", indices + "  %y = gather_gradient %x0, %i, %s {axis=1}\n", {{2, 4, 9}}, 1e-6);
  check_body("gather_gradient_f32", indices + "  %y = gather_gradient %x0, %i, %s {axis=2}\n", {{2, 3, 4}}, 1e-6);
  check_body("gather_gradient_f32",
             "  %i = constant {1,0,-3,1,2,0} : i32[2,3]\n  %s = constant {3} : i64[1]\n"
             "  %y = gather_gradient %x0, %i, %s\n",
             {{2, 3, 5}}, 1e-6);
}

// dx alone, and with the sums for scale and bias; rows of every length, normalized over one axis and over two.
TEST(NormalizationGradient, IsTheDefinition) {
  for (const int64_t length : {1, 3, 16, 17, 64, 129}) {
    const ir::Dims x = {2, 5, length}, row = {length};
    check_node("normalization_gradient_f32", "normalization_gradient %x0, %x1, %x2", {x, x, row}, 2e-5);
    check_node("normalization_gradient_f32", "normalization_gradient %x0, %x1 {axis=1, epsilon=0.1}", {x, x}, 2e-5);
    check_node("normalization_gradient_f32", "normalization_gradient %x0, %x1, %x2 {centered=0}", {x, x, row}, 2e-5);
    for (const int64_t centered : {0, 1}) {
      const std::vector<ir::Tensor> inputs = {random_tensor(x, 1), random_tensor(x, 2), random_tensor(row, 3)};
      const std::string type = inputs[0].type().text();
      check_graph(parse_graph("graph @g(%d: " + type + ", %x: " + type + ", %s: " + inputs[2].type().text() +
                              ") -> (dx, ds, db) {\n  %y, %u, %v = normalization_gradient %d, %x, %s {centered=" +
                              std::to_string(centered) + "}\n  return %y, %u, %v\n}"),
                  inputs, 2e-5);
    }
  }
}

// An identity that rounds, as in training with learned steps.
TEST(Identity, RoundsToItsAnnotation) {
  ir::Graph graph = parse_graph("graph @g(%x: f32[5,7]) -> (y) {\n  %y = identity %x\n  return %y\n}");
  ir::Quant quant;
  quant.dtype = ir::DType::i32;
  quant.scale = {1.0F};
  quant.zero_point = {0};
  graph.output_node().input(0)->set_quant(quant);
  ir::Tensor x = random_tensor({5, 7}, 1);
  for (float& number : x.mutable_data<float>()) number *= 10;
  const auto program = compile(graph, {}, Isa::scalar);
  ASSERT_TRUE(program.ok());
  EXPECT_EQ(program->steps.at(0).choice_name(), "native.identity_f32");
  const std::vector<ir::Tensor> y = check_graph(graph, {x}, 0);
  for (size_t i = 0; i < 35; ++i) EXPECT_EQ(y[0].data<float>()[i], std::nearbyint(x.data<float>()[i]));
}

TEST(MaxPoolGradient, OfAllWidths) {
  for (const int64_t width : {2, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 34, 49, 66}) {
    check_node("max_pool_gradient_f32", "max_pool_gradient %x0, %x1 {kernel_shape=[2,2], strides=[2,2]}",
               {{2, 3, 7, width}, {2, 3, 3, width / 2}}, 0);
    check_node("max_pool_gradient_f32",
               "max_pool_gradient %x0, %x1 {kernel_shape=[3,3], pads=[1,1,1,1], strides=[2,2]}",
               {{2, 3, 9, width}, {2, 3, 5, (width + 1) / 2}}, 1e-6);
  }
  check_node("max_pool_gradient_f32", "max_pool_gradient %x0, %x1 {dilations=[2,2], kernel_shape=[3,3]}",
             {{2, 3, 9, 20}, {2, 3, 5, 16}}, 1e-6);
  check_node("max_pool_gradient_f32", "max_pool_gradient %x0, %x1 {kernel_shape=[3], pads=[1,1]}",
             {{2, 3, 9}, {2, 3, 9}}, 1e-6);
  check_node("max_pool_gradient_f32", "max_pool_gradient %x0, %x1 {ceil_mode=1, kernel_shape=[2,2], strides=[2,2]}",
             {{1, 2, 7, 5}, {1, 2, 4, 3}}, 0);
}

// Equal numbers, zeros of both signs and numbers that are none.
TEST(MaxPoolGradient, GoesToTheFirstLargest) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const char* attributes : {"kernel_shape=[2,2], strides=[2,2]", "kernel_shape=[2,2]"}) {
    const bool apart = std::string(attributes).find("strides") != std::string::npos;
    const ir::Dims dims = {1, 1, 4, 6}, pooled = apart ? ir::Dims{1, 1, 2, 3} : ir::Dims{1, 1, 3, 5};
    const ir::Graph graph =
        parse_graph("graph @g(%x: f32[1,1,4,6], %d: " + ir::type_of(ir::DType::f32, pooled).text() +
                    ") -> (y) {\n  %y = max_pool_gradient %x, %d {" + attributes + "}\n  return %y\n}");
    check_graph(graph,
                {ir::Tensor::of<float>(dims, {1,   1,     nan, 2,   nan, nan, 1,  1, nan, nan, nan, nan,
                                              0.0, -0.0F, 3,   nan, 5,   nan, -1, 0, 3,   3,   5,   5}),
                 random_tensor(pooled, 3)},
                1e-6);
  }
}

TEST(AveragePoolGradient, CountsPaddingAsTold) {
  for (const int64_t width : {3, 8, 17, 33}) {
    for (const char* more : {"", "count_include_pad=1, ", "sum=1, "}) {
      const int64_t columns = (width + 2 - 3) + 1;
      check_body("average_pool_gradient_f32",
                 "  %s = constant {2,3,9," + std::to_string(width) +
                     "} : i64[4]\n  %y = average_pool_gradient %x0, %s {" + std::string(more) +
                     "kernel_shape=[3,3], pads=[1,0,1,2], strides=[2,1]}\n",
                 {{2, 3, 5, columns}}, 1e-6);
    }
  }
}

TEST(Gate, PassesWhatLiesAboveZero) {
  for (const int64_t size : {1, 3, 7, 8, 15, 16, 17, 33}) {
    check_body("gate_f32", "  %zero = constant {0} : f32[]\n  %m = greater %x0, %zero\n  %y = where %m, %x1, %zero\n",
               {{2, 3, size}, {2, 3, size}}, 0);
  }
}

TEST(Gate, WritesTheMaskWhereOthersNeedIt) {
  const ir::Graph graph = parse_graph(
      "graph @g(%x: f32[3,7], %d: f32[3,7]) -> (y, m) {\n  %zero = constant {0} : f32[]\n  %m = greater %x, %zero\n"
      "  %y = where %m, %d, %zero\n  return %y, %m\n}");
  const auto program = compile(graph, {}, Isa::scalar);
  ASSERT_TRUE(program.ok());
  EXPECT_EQ(program->steps.size(), 2u);
  check_graph(graph, {random_tensor({3, 7}, 1), random_tensor({3, 7}, 2)}, 0);
}

TEST(Gate, ShowsTheMaskToObserversOfEverything) {
  const ir::Graph graph = parse_graph(
      "graph @g(%x: f32[3,7], %d: f32[3,7]) -> (y) {\n  %zero = constant {0} : f32[]\n  %m = greater %x, %zero\n"
      "  %y = where %m, %d, %zero\n  return %y\n}");
  int masks = 0;
  const Observer observer = [&](const ir::Value& value, const ir::Tensor&) { masks += value.name() == "m" ? 1 : 0; };
  const std::vector<ir::Tensor> inputs = {random_tensor({3, 7}, 1), random_tensor({3, 7}, 2)};
  const auto shown = run_graph(graph, inputs, Isa::scalar, {}, &observer),
             plain = run_graph(graph, inputs, Isa::scalar);
  EXPECT_EQ(masks, 1);
  EXPECT_TRUE(shown[0].identical_to(plain[0]));
}

// Runs a graph of masks by kernels alone, equal numbers among its operands.
void check_masks(const std::string& body, const std::vector<ir::Dims>& dims) {
  std::string text = "graph @g(";
  std::vector<ir::Tensor> inputs;
  for (size_t i = 0; i < dims.size(); ++i) {
    inputs.push_back(random_tensor(dims[i], 10 + i));
    for (float& x : inputs.back().mutable_data<float>()) x = std::round(2 * x);
    text += (i > 0 ? ", %x" : "%x") + std::to_string(i) + ": " + inputs.back().type().text();
  }
  text += ") -> (y) {\n" + body + "  return %y\n}";
  SCOPED_TRACE(text);
  const ir::Graph graph = parse_graph(text);
  EXPECT_TRUE(runs_by_kernels(graph));
  check_graph(graph, inputs, 0);
}

TEST(Masks, CompareEveryWay) {
  for (const char* op : {"greater", "greater_or_equal", "less", "less_or_equal", "equal"}) {
    const std::string body = "  %y = " + std::string(op) + " %x0, %x1\n";
    for (const int64_t size : {1, 3, 8, 17, 33}) check_masks(body, {{2, size}, {2, size}});
    check_masks(body, {{2, 3, 4, 5}, {}});
    check_masks(body, {{1}, {2, 3, 4, 5}});
    check_masks(body, {{2, 3, 4, 5}, {3, 1, 1}});
    check_masks(body, {{2, 1, 4, 1}, {3, 1, 5}});
  }
}

TEST(Masks, SelectAndJoin) {
  for (const int64_t size : {1, 3, 8, 17, 33, 70}) {
    check_masks("  %a = less %x0, %x1\n  %b = greater %x0, %x2\n  %m = logical_and %a, %b\n  %y = where %m, %x0, %x1\n",
                {{2, size}, {2, size}, {2, size}});
    check_masks("  %m = less %x0, %x1\n  %y = where %m, %x2, %x0\n", {{2, size}, {2, size}, {}});
    check_masks("  %m = less %x0, %x1\n  %y = where %m, %x0, %x2\n", {{2, size}, {2, size}, {1}});
    check_masks("  %m = less %x0, %x1\n  %y = where %m, %x2, %x3\n", {{2, size}, {2, size}, {}, {1, 1}});
  }
}

TEST(SumOverChannel, OfAllSizes) {
  for (const int64_t size : {1, 3, 8, 15, 17, 33}) {
    check_body("sum_over_channel_f32", "  %a = constant {0,2,3} : i64[3]\n  %y = reduce_sum %x0, %a {keepdims=0}\n",
               {{5, 3, size, 7}});
    check_body("sum_over_channel_f32", "  %a = constant {2,0} : i64[2]\n  %y = reduce_sum %x0, %a\n", {{5, 3, size}});
  }
}

TEST(Expand, StretchesEveryWay) {
  const std::string shape = "  %s = constant {2,3,4,5} : i64[4]\n  %y = expand %x0, %s\n";
  for (const ir::Dims& dims : {ir::Dims{2, 3, 1, 1}, {2, 3, 4, 5}, {5}, {3, 1, 5}, {1, 1, 4, 1}, {2, 1, 1, 5}, {}}) {
    check_body("expand_f32", shape, {dims}, 0);
  }
}

// Weights that are stored transposed and are not constant.
TEST(Gemm, ReadsTransposedWeightsWhereTheyLie) {
  for (const int64_t rows : {1, 5, 6, 7, 16, 17, 33}) {
    for (const int64_t columns : {1, 9, 16, 31}) {
      const int64_t k = 50 - columns;
      check_node("gemm_f32", "gemm %x0, %x1, %x2 {transB=1}", {{rows, k}, {columns, k}, {columns}});
      check_node("gemm_f32", "gemm %x0, %x1 {transA=1, transB=1}", {{k, rows}, {columns, k}});
      check_body("gemm_f32", "  %p = gemm %x0, %x1, %x2 {beta=0.5, transB=1}\n  %y = relu %p\n",
                 {{rows, k}, {columns, k}, {1}});
    }
  }
  check_node("gemm_f32", "gemm %x0, %x1, %x2 {transB=1}", {{40, 1100}, {21, 1100}, {21}}, 1e-5);
}

}  // namespace
}  // namespace edgesmith::runtime
