// SPDX-License-Identifier: Apache-2.0
// Normalizations by kernels against ops::eval.
#include "runtime/run_graph.h"

namespace edgesmith::runtime {
namespace {

std::string dims_text(const ir::Dims& dims) { return ir::type_of(ir::DType::f32, dims).text(); }

// `operands`: dims of scale and bias.
void check(const std::string& op, const ir::Dims& x, const std::vector<ir::Dims>& operands,
           const std::string& attributes, bool by_kernel = true) {
  std::string inputs = "%x: " + dims_text(x), read = "%x";
  std::vector<ir::Tensor> fed = {random_tensor(x, 3)};
  for (size_t i = 0; i < operands.size(); ++i) {
    const std::string name = "%p" + std::to_string(i);
    inputs += ", " + name + ": " + dims_text(operands[i]);
    read += ", " + name;
    fed.push_back(random_tensor(operands[i], 5 + i));
  }
  const std::string text =
      "graph @g(" + inputs + ") -> (y) {\n  %y = " + op + " " + read + " {" + attributes + "}\n  return %y\n}";
  SCOPED_TRACE(text);
  const ir::Graph graph = parse_graph(text);
  EXPECT_EQ(runs_by_kernels(graph), by_kernel);
  check_graph(graph, fed, 3e-6);
}

TEST(Norms, RowsOfAllLengths) {
  for (const int64_t length : {1, 3, 7, 8, 15, 16, 17, 31, 33, 100, 384}) {
    check("layer_normalization", {2, 3, length}, {{length}, {length}}, "epsilon=0.01");
    check("layer_normalization", {5, length}, {{length}}, "epsilon=0.00001");
    check("rms_normalization", {2, 3, length}, {{length}}, "epsilon=0.01");
  }
}

TEST(Norms, SeveralAxesAndStretchedOperands) {
  check("layer_normalization", {2, 3, 4, 5}, {{4, 5}, {1, 4, 5}}, "axis=2");
  check("layer_normalization", {2, 3, 4}, {{2, 3, 4}}, "axis=0");
  check("rms_normalization", {2, 3, 4}, {{3, 4}}, "axis=-2");
  check("layer_normalization", {2, 3, 4}, {{1}, {4}}, "axis=-1", false);     // one number for all
  check("layer_normalization", {2, 3, 4}, {{3, 4}, {4}}, "axis=-1", false);  // scales differ from row to row
  check("layer_normalization", {2, 3, 4}, {{4}, {4}}, "axis=1", false);      // and within a row they repeat
  check("layer_normalization", {0, 4}, {{4}}, "axis=-1");
}

TEST(Norms, Planes) {
  for (const ir::Dims& plane : std::vector<ir::Dims>{{1}, {3}, {17}, {5, 5}, {8, 16}, {2, 3, 4}}) {
    ir::Dims x = {2, 6};
    x.insert(x.end(), plane.begin(), plane.end());
    check("instance_normalization", x, {{6}, {6}}, "epsilon=0.01");
    check("group_normalization", x, {{6}, {6}}, "num_groups=3, epsilon=0.01");
    check("group_normalization", x, {{6}, {6}}, "num_groups=1, epsilon=0.01");
  }
}

}  // namespace
}  // namespace edgesmith::runtime
