// SPDX-License-Identifier: Apache-2.0
// Masks that broadcast, comparisons of integers and casts to float32, against ops::eval.
#include "runtime/run_graph.h"

namespace edgesmith::runtime {
namespace {

ir::Tensor random_mask(const ir::Dims& dims, uint64_t seed) {
  Random random(seed);
  std::vector<bool> bits;
  for (int64_t i = 0; i < ir::num_elements(dims); ++i) bits.push_back(random.uniform() < 0.5);
  ir::Tensor out = ir::Tensor::zeros(ir::DType::boolean, dims);
  for (size_t i = 0; i < bits.size(); ++i) out.mutable_bytes()[i] = bits[i] ? std::byte{1} : std::byte{0};
  return out;
}

template <typename T>
ir::Tensor random_integers(ir::DType dtype, const ir::Dims& dims, uint64_t seed) {
  Random random(seed);
  ir::Tensor out = ir::Tensor::zeros(dtype, dims);
  for (T& x : out.mutable_data<T>()) x = static_cast<T>(random.uniform() * 5 - (std::is_signed_v<T> ? 2 : 0));
  return out;
}

// One node over these operands, which a kernel must run.
void check_operands(const std::string& node, const std::vector<ir::Tensor>& operands) {
  std::string text = "graph @g(";
  for (size_t i = 0; i < operands.size(); ++i) {
    text += (i > 0 ? ", %x" : "%x") + std::to_string(i) + ": " + operands[i].type().text();
  }
  text += ") -> (y) {\n  %y = " + node + "\n  return %y\n}";
  SCOPED_TRACE(text);
  const ir::Graph graph = parse_graph(text);
  EXPECT_TRUE(runs_by_kernels(graph));
  check_graph(graph, operands, 0);
}

TEST(Where, BroadcastsEveryWay) {
  struct Case {
    ir::Dims mask, a, b;
  };
  const std::vector<Case> cases = {
      {{2, 1, 7}, {2, 5, 7}, {}},
      {{2, 5, 1}, {2, 5, 33}, {1}},
      {{5}, {2, 5}, {2, 1}},
      {{1}, {2, 3, 4}, {3, 1}},
      {{}, {17}, {17}},
      {{2, 3, 4}, {4}, {3, 1}},
      {{3, 1, 1}, {1, 5, 1}, {70}},
      {{2, 1, 4, 1}, {3, 1, 5}, {4, 1}},
      {{}, {}, {}},
      {{1, 1, 31}, {2, 5, 1}, {5, 31}},
      {{0, 3}, {3}, {}},
  };
  for (const Case& one : cases) {
    check_operands("where %x0, %x1, %x2", {random_mask(one.mask, 1), random_tensor(one.a, 2), random_tensor(one.b, 3)});
  }
}

TEST(Masks, CompareIntegers) {
  for (const char* op : {"greater", "greater_or_equal", "less", "less_or_equal", "equal"}) {
    const std::string node = std::string(op) + " %x0, %x1";
    for (const auto& [a, b] : std::vector<std::pair<ir::Dims, ir::Dims>>{
             {{2, 33}, {2, 33}}, {{1, 17}, {3, 1}}, {{3, 1}, {1, 17}}, {{2, 3, 4}, {}}, {{}, {7}}, {{}, {}}}) {
      check_operands(node,
                     {random_integers<int64_t>(ir::DType::i64, a, 4), random_integers<int64_t>(ir::DType::i64, b, 5)});
      check_operands(node,
                     {random_integers<int32_t>(ir::DType::i32, a, 4), random_integers<int32_t>(ir::DType::i32, b, 5)});
    }
  }
}

TEST(Cast, OfMasksAndIntegers) {
  const std::string node = "cast %x0 {to=1}";
  for (const ir::Dims& dims : {ir::Dims{}, {33}, {2, 3, 5}, {0}}) {
    check_operands(node, {random_mask(dims, 1)});
    check_operands(node, {random_integers<uint8_t>(ir::DType::u8, dims, 2)});
    check_operands(node, {random_integers<int8_t>(ir::DType::i8, dims, 3)});
    check_operands(node, {random_integers<int32_t>(ir::DType::i32, dims, 4)});
    check_operands(node, {random_integers<int64_t>(ir::DType::i64, dims, 5)});
  }
  check_operands(node, {ir::Tensor::of<int64_t>({5}, {16777217, 16777219, -16777217, INT64_MAX, INT64_MIN})});
  check_operands(node, {ir::Tensor::of<int32_t>({2}, {INT32_MAX, INT32_MIN})});
}

// What depends on dims alone is done once, by the evaluation that needs no kernel.
TEST(Masks, OfDimsAloneAreMadeOnce) {
  const ir::Graph graph = parse_graph(
      "graph @g(%x: f32[n,4]) -> (y) {\n  %s = shape %x\n  %zero = constant {0} : i64[]\n"
      "  %one = constant {1} : i64[]\n  %four = constant {4} : i64[]\n  %i = range %zero, %four, %one\n"
      "  %n = gather %s, %zero\n  %m = less %i, %n\n  %z = constant {0.5} : f32[]\n  %y = where %m, %x, %z\n  return "
      "%y\n}");
  const auto program = compile(graph, {}, Isa::scalar);
  ASSERT_TRUE(program.ok()) << program.error().text();
  for (const Step& step : program->steps) {
    EXPECT_EQ(step.kernel != nullptr, step.node->is(ir::OpKind::where)) << step.node->label();
  }
}

}  // namespace
}  // namespace edgesmith::runtime
