// SPDX-License-Identifier: Apache-2.0
// lstm, gru and rnn by kernels against ops::eval: directions, layouts, sequences of different lengths, states.
#include "runtime/run_graph.h"

namespace edgesmith::runtime {
namespace {

struct Case {
  std::string op;
  int64_t gates = 4, steps = 5, batch = 3, inputs = 7, hidden = 9;
  std::string attributes;
  std::string direction = "forward";
  int64_t layout = 0;
  bool bias = true, lengths = false, states = true, constant = true;

  int64_t directions() const { return direction == "bidirectional" ? 2 : 1; }
};

std::string constant_text(const std::string& name, const ir::Tensor& tensor) {
  std::string text = "  %" + name + " = constant {";
  const auto numbers = tensor.data<float>();
  for (size_t i = 0; i < numbers.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(numbers[i]);
  return text + "} : " + tensor.type().text() + "\n";
}

std::vector<ir::Tensor> check(const Case& c) {
  const bool first = c.layout == 1, lstm = c.op == "lstm";
  const int64_t d = c.directions(), rows = c.gates * c.hidden;
  const ir::Dims states = first ? ir::Dims{c.batch, d, c.hidden} : ir::Dims{d, c.batch, c.hidden};
  std::string inputs, constants, operands;
  std::vector<ir::Tensor> fed;
  const auto add = [&](const std::string& name, const ir::Dims& dims, bool constant) {
    const ir::Tensor tensor = random_tensor(dims, 11 + fed.size() + operands.size());
    if (constant) {
      constants += constant_text(name, tensor);
    } else {
      inputs += (inputs.empty() ? "%" : ", %") + name + ": " + tensor.type().text();
      fed.push_back(tensor);
    }
    operands += (operands.empty() ? "%" : ", %") + name;
  };
  add("x", first ? ir::Dims{c.batch, c.steps, c.inputs} : ir::Dims{c.steps, c.batch, c.inputs}, false);
  add("w", {d, rows, c.inputs}, c.constant);
  add("r", {d, rows, c.hidden}, c.constant);
  if (c.bias) {
    add("b", {d, 2 * rows}, c.constant);
  } else {
    operands += ", _";
  }
  if (c.lengths) {
    std::vector<int32_t> lengths;
    for (int64_t b = 0; b < c.batch; ++b) lengths.push_back(static_cast<int32_t>((b * 2 + 1) % (c.steps + 1)));
    inputs += ", %lengths: i32[" + std::to_string(c.batch) + "]";
    fed.push_back(ir::Tensor::of<int32_t>({c.batch}, lengths));
    operands += ", %lengths";
  } else {
    operands += ", _";
  }
  if (c.states) {
    add("h", states, false);
    if (lstm) add("c", states, false);
  }
  const std::string results = lstm ? "%y, %yh, %yc" : "%y, %yh";
  const std::string text = "graph @g(" + inputs + ") -> (" + (lstm ? "y, yh, yc" : "y, yh") + ") {\n" + constants +
                           "  " + results + " = " + c.op + " " + operands + " {direction=\"" + c.direction +
                           "\", layout=" + std::to_string(c.layout) + c.attributes + "}\n  return " + results + "\n}";
  SCOPED_TRACE(text.substr(text.rfind(c.op + " ")));
  const ir::Graph graph = parse_graph(text);
  EXPECT_TRUE(runs_by_kernels(graph));
  return check_graph(graph, fed);
}

void check_all(Case c) {
  for (const char* direction : {"forward", "reverse", "bidirectional"}) {
    c.direction = direction;
    for (const int64_t layout : {0, 1}) {
      c.layout = layout;
      for (const bool lengths : {false, true}) {
        c.lengths = lengths;
        check(c);
      }
    }
  }
}

TEST(Recurrent, Lstm) { check_all({.op = "lstm", .gates = 4}); }
TEST(Recurrent, LstmOnCodesOfItsStates) {
  check_all({.op = "lstm", .gates = 4, .attributes = ", quantized_states=1"});
  check({.op = "lstm", .gates = 4, .steps = 3, .batch = 0, .attributes = ", quantized_states=1"});
}
TEST(Recurrent, Gru) {
  check_all({.op = "gru", .gates = 3});
  check_all({.op = "gru", .gates = 3, .attributes = ", linear_before_reset=1"});
}
TEST(Recurrent, Rnn) { check_all({.op = "rnn", .gates = 1}); }

TEST(Recurrent, SizesAndAbsentOperands) {
  for (const auto& [op, gates] : {std::pair{"lstm", 4}, {"gru", 3}, {"rnn", 1}}) {
    for (const int64_t hidden : {1, 8, 16, 33}) {
      check({.op = op, .gates = gates, .steps = 1, .batch = 1, .hidden = hidden, .bias = false, .states = false});
      check({.op = op, .gates = gates, .steps = 2, .batch = 2, .inputs = 1, .hidden = hidden, .constant = false});
    }
    check({.op = op, .gates = gates, .steps = 0});
    check({.op = op, .gates = gates, .batch = 0, .lengths = true});
  }
}

TEST(Recurrent, WhatTheKernelsDoNotDoIsLeftToTheReference) {
  for (const char* attributes : {"clip=1.5", "activations=strings[\"Relu\"]"}) {
    const ir::Graph graph = parse_graph(
        "graph @g(%x: f32[2,1,3], %w: f32[1,4,3], %r: f32[1,4,4]) -> (y) {\n  %y = rnn "
        "%x, %w, %r {" +
        std::string(attributes) + "}\n  return %y\n}");
    EXPECT_FALSE(runs_by_kernels(graph)) << attributes;
  }
}

TEST(Recurrent, LengthsAreChecked) {
  const ir::Graph graph = parse_graph(
      "graph @g(%x: f32[2,1,3], %w: f32[1,4,3], %r: f32[1,4,4], %n: i32[1]) -> (y) {\n"
      "  %y = rnn %x, %w, %r, _, %n\n  return %y\n}");
  const auto program = compile(graph, {}, Isa::scalar);
  ASSERT_TRUE(program.ok());
  SessionState session(*program);
  const std::vector<ir::Tensor> fed = {random_tensor({2, 1, 3}, 1), random_tensor({1, 4, 3}, 2),
                                       random_tensor({1, 4, 4}, 3), ir::Tensor::of<int32_t>({1}, std::vector{3})};
  const auto outputs = session.run(fed, nullptr);
  ASSERT_FALSE(outputs.ok());
  EXPECT_EQ(outputs.error().message, "rnn producing 'y': a sequence has 3 of 2 steps");
}

}  // namespace
}  // namespace edgesmith::runtime
