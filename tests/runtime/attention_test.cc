// SPDX-License-Identifier: Apache-2.0
// Attention by its kernel against ops::eval.
#include "runtime/run_graph.h"

namespace edgesmith::runtime {
namespace {

// Q, K, V, and a mask of numbers unless `mask` is empty; `lines` come first, operands behind V are in `more`.
void check(const std::vector<ir::Dims>& qkv, const ir::Dims& mask, const std::string& attributes,
           const std::string& lines = "", const std::string& more = "") {
  std::string operands, names;
  std::vector<ir::Tensor> inputs;
  std::vector<ir::Dims> dims = qkv;
  if (!mask.empty()) dims.push_back(mask);
  for (const ir::Dims& own : dims) {
    const std::string name = "%x" + std::to_string(inputs.size());
    inputs.push_back(random_tensor(own, 7 + inputs.size()));
    operands += (operands.empty() ? "" : ", ") + name + ": " + inputs.back().type().text();
    names += (names.empty() ? "" : ", ") + name;
  }
  const std::string text = "graph @g(" + operands + ") -> (y) {\n" + lines + "  %y = attention " + names + more + " {" +
                           attributes + "}\n  return %y\n}";
  SCOPED_TRACE(text);
  const ir::Graph graph = parse_graph(text);
  EXPECT_TRUE(runs_by_kernels(graph));
  check_graph(graph, inputs, 3e-6);
}

TEST(Attention, OfStepsAndSizesOfAllKinds) {
  for (const int64_t steps : {1, 17, 64, 65, 130}) {
    for (const int64_t size : {1, 17, 32}) {
      check({{2, 3, steps, size}, {2, 3, steps, size}, {2, 3, steps, size}}, {}, "softmax_precision=1");
      check({{2, 5, 2 * size}, {2, steps, 2 * size}, {2, steps, 4 * size}}, {}, "q_num_heads=2, kv_num_heads=2");
    }
  }
}

TEST(Attention, SharesHeadsOfKeys) {
  check({{2, 6, 5, 8}, {2, 2, 7, 8}, {2, 2, 7, 3}}, {}, "scale=0.3, softcap=0.5");
  check({{2, 5, 32}, {2, 7, 8}, {2, 7, 6}}, {}, "q_num_heads=4, kv_num_heads=1");
}

TEST(Attention, SeesWhatOrderAllows) {
  const std::vector<ir::Dims> qkv = {{1, 2, 9, 4}, {1, 2, 9, 4}, {1, 2, 9, 4}};
  check(qkv, {}, "is_causal=1");
  check(qkv, {}, "left_window_size=2");
  check(qkv, {}, "left_window_size=1, right_window_size=3");
  check(qkv, {}, "is_causal=1, left_window_size=0");
  // The last steps of Q are beyond all of K: they see nothing.
  check({{1, 2, 9, 4}, {1, 2, 4, 4}, {1, 2, 4, 4}}, {}, "left_window_size=1");
}

TEST(Attention, AddsMasks) {
  const std::vector<ir::Dims> qkv = {{2, 3, 4, 8}, {2, 3, 5, 8}, {2, 3, 5, 8}};
  for (const ir::Dims& mask : std::vector<ir::Dims>{{5}, {4, 5}, {1, 5}, {3, 4, 5}, {2, 1, 4, 5}, {2, 3, 1, 5}}) {
    check(qkv, mask, "is_causal=1");
  }
  // Bools: one step sees nothing.
  check(qkv, {}, "softmax_precision=1", "  %m = constant {1,0,1,1,0, 0,0,0,0,0, 1,1,1,1,1, 0,0,0,0,1} : bool[4,5]\n",
        ", %m");
}

}  // namespace
}  // namespace edgesmith::runtime
