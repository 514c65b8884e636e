// SPDX-License-Identifier: Apache-2.0
// Graphs on half floats run as float32 graphs: the same bits as conversions around every node give.
#include "runtime/widen_halves.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "ops/dispatch.h"
#include "runtime/native/round_halves.h"
#include "runtime/run_graph.h"

namespace edgesmith::runtime {
namespace {

uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

TEST(RoundToHalf, GivesTheBitsOfTheConversions) {
  // Every half float, what lies right beside it, and what lies half way to the next one and right beside that.
  std::vector<float> numbers;
  for (uint32_t h = 0; h < 65536; ++h) {
    for (const auto& widen : {ir::half_to_float, ir::bfloat16_to_float}) {
      const float x = widen(static_cast<uint16_t>(h)), next = widen(static_cast<uint16_t>((h + 1) & 0xFFFFU));
      const auto middle = static_cast<float>((static_cast<double>(x) + next) / 2);
      for (const float near : {x, middle}) {
        numbers.insert(numbers.end(), {near, std::nextafter(near, INFINITY), std::nextafter(near, -INFINITY)});
      }
    }
  }
  const ir::Tensor all = ir::Tensor::of<float>({static_cast<int64_t>(numbers.size())}, numbers);
  for (const Isa isa : float_isas()) {
    const ir::Tensor f16 = native::rounded_to_half(isa, all, ir::DType::f16);
    const ir::Tensor bf16 = native::rounded_to_half(isa, all, ir::DType::bf16);
    size_t wrong = 0;
    for (size_t i = 0; i < numbers.size(); ++i) {
      const float x = numbers[i];
      const float wanted = ir::half_to_float(ir::float_to_half(x));
      wrong += bits_of(f16.data<float>()[i]) == bits_of(wanted) ? 0 : 1;
      wrong += bits_of(bf16.data<float>()[i]) == bits_of(ir::bfloat16_to_float(ir::float_to_bfloat16(x))) ? 0 : 1;
      if (wrong == 1) ADD_FAILURE() << x << " becomes " << f16.data<float>()[i] << ", " << bf16.data<float>()[i];
      if (wrong > 0) return;
    }
  }
}

/// The results by the widened graph on `isa`, halves as floats.
std::vector<ir::Tensor> run_widened(const ir::Graph& graph, const std::vector<ir::Tensor>& inputs, Isa isa) {
  const auto widened = widen_halves(graph);
  EXPECT_TRUE(widened.has_value());
  if (!widened) return {};
  const auto program = compile(widened->graph, {}, isa, widened->rounding);
  EXPECT_TRUE(program.ok()) << (program.ok() ? "" : program.error().text());
  if (!program.ok()) return {};
  std::vector<ir::Tensor> wide;
  for (const ir::Tensor& input : inputs) {
    wide.push_back(input.dtype() == ir::DType::f32 ? input : ops::widen_half(input));
  }
  SessionState session(*program);
  auto outputs = session.run(wide, nullptr);
  EXPECT_TRUE(outputs.ok()) << (outputs.ok() ? "" : outputs.error().text());
  return outputs.ok() ? std::move(*outputs) : std::vector<ir::Tensor>{};
}

// A block with a residual, whose first sum must be rounded before it is added; casts in and out; a view; folded nodes.
ir::Graph residual_block(const std::string& h) {
  const std::string to = h == "f16" ? "10" : "16";
  return parse_graph("graph @g(%x: f32[1,8,6,6], %h: " + h + "[1,8,6,6]) -> (y, v, f) {\n  %c = cast %x {to=" + to +
                     "}\n  %w32 = constant random(seed=1) : f32[8,8,3,3]\n  %w = cast %w32 {to=" + to +
                     "}\n  %b32 = constant random(seed=2) : f32[8]\n  %b = cast %b32 {to=" + to +
                     "}\n  %n = constant {1,288} : i64[2]\n  %a = conv %c, %w, %b {pads=[1,1,1,1]}\n  %r = relu %a\n"
                     "  %d = conv %r, %w, %b {pads=[1,1,1,1]}\n  %s = add %d, %h\n  %t = relu %s\n"
                     "  %u = reshape %t, %n\n  %y = cast %u {to=1}\n  %v = sigmoid %t\n  %f = mul %b, %b\n"
                     "  return %y, %v, %f\n}");
}

TEST(WidenHalves, GivesTheBitsOfNodesThatAreConvertedOneByOne) {
  for (const auto& [name, dtype] : {std::pair{"f16", ir::DType::f16}, {"bf16", ir::DType::bf16}}) {
    const ir::Graph graph = residual_block(name);
    const std::vector<ir::Tensor> inputs = {random_tensor({1, 8, 6, 6}, 5),
                                            ops::round_to_half(random_tensor({1, 8, 6, 6}, 6), dtype)};
    const ir::Tensor fed = ir::Tensor::of<float>(inputs[0].dims(), inputs[0].to_floats());
    for (const Isa isa : float_isas()) {
      const auto by_nodes = run_graph(graph, inputs, isa), wide = run_widened(graph, inputs, isa);
      ASSERT_EQ(wide.size(), 3u);
      EXPECT_TRUE(wide[0].identical_to(by_nodes[0])) << name;
      for (size_t i : {1u, 2u}) EXPECT_TRUE(wide[i].identical_to(ops::widen_half(by_nodes[i]))) << name << i;
    }
    EXPECT_TRUE(inputs[0].identical_to(fed)) << "what is fed stays as it is";
    // From outside the halves are halves.
    const auto executor = Executor::create(graph);
    ASSERT_TRUE(executor.ok());
    EXPECT_EQ(&(*executor)->graph(), &graph);
    const auto by_nodes = run_graph(graph, inputs, *isa_in_use());
    int shown = 0;
    const Observer observer = [&](const ir::Value& value, const ir::Tensor& tensor) {
      ++shown;
      EXPECT_EQ(value.type().dtype, tensor.dtype()) << value.name();
    };
    for (const Observer* with : {static_cast<const Observer*>(nullptr), &observer}) {
      const auto outputs = (*executor)->make_session()->run(inputs, with);
      ASSERT_TRUE(outputs.ok()) << outputs.error().text();
      for (size_t i = 0; i < 3; ++i) EXPECT_TRUE((*outputs)[i].identical_to(by_nodes[i])) << name << i;
    }
    EXPECT_GT(shown, 10);
    const auto refused = (*executor)->make_session()->run(std::vector{inputs[0], inputs[0]});
    ASSERT_FALSE(refused.ok());
    EXPECT_NE(refused.error().text().find("the model takes " + std::string(name)), std::string::npos)
        << refused.error().text();
  }
}

TEST(WidenHalves, LeavesGraphsAloneThatHaveMoreThanNumbers) {
  const auto widens = [](const std::string& body) {
    return widen_halves(
               parse_graph("graph @g(%x: f16[4], %d: f64[4], %c: bool[]) -> (y) {\n" + body + "  return %y\n}"))
        .has_value();
  };
  EXPECT_TRUE(widens("  %y = relu %x\n"));
  EXPECT_FALSE(widens("  %y = cast %d {to=10}\n"));  // rounded twice
  EXPECT_FALSE(widens("  %y = cast %x {to=11}\n"));
  EXPECT_FALSE(widens("  %n = constant {2,2} : i64[2]\n  %m = reshape %x, %n\n  %y = eye_like %m {dtype=10}\n"));
  EXPECT_FALSE(widen_halves(parse_graph("graph @g(%x: f32[4]) -> (y) {\n  %y = relu %x\n  return %y\n}")).has_value());
}

}  // namespace
}  // namespace edgesmith::runtime
