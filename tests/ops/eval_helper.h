// SPDX-License-Identifier: Apache-2.0
// One-node graphs for the operator tests: build a node with operand types and attributes, then verify, infer or run it.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "edgesmith/ir/graph.h"
#include "edgesmith/ops/op_info.h"

namespace edgesmith::ops {

using NamedAttribute = std::pair<std::string, ir::Attribute>;

/// A graph of one node whose operands are graph inputs of the given types (an undefined dtype: absent operand).
struct OneNode {
  ir::Graph graph;
  ir::Node* node = nullptr;

  OneNode(ir::OpKind op, const std::vector<ir::Type>& operands, const std::vector<NamedAttribute>& attributes = {},
          int num_outputs = 1) {
    std::vector<ir::Value*> values;
    for (size_t i = 0; i < operands.size(); ++i) {
      const bool absent = operands[i].dtype == ir::DType::undefined;
      values.push_back(absent ? nullptr : &graph.add_input("x" + std::to_string(i), operands[i]));
    }
    node = &graph.append(op, values, num_outputs);
    for (const auto& [name, value] : attributes) node->attributes().set(name, value);
    graph.add_output("y", node->output(0));
  }
};

/// Verifies and evaluates one node. An invalid tensor (`{}`) stands for an absent operand.
inline Result<std::vector<ir::Tensor>> run_op(ir::OpKind op, const std::vector<ir::Tensor>& operands,
                                              const std::vector<NamedAttribute>& attributes = {}, int num_outputs = 1) {
  std::vector<ir::Type> types;
  std::vector<const ir::Tensor*> inputs;
  for (const ir::Tensor& operand : operands) {
    types.push_back(operand.valid() ? operand.type() : ir::Type{});
    inputs.push_back(operand.valid() ? &operand : nullptr);
  }
  OneNode one(op, types, attributes, num_outputs);
  EDGESMITH_TRY(verify_node(*one.node));
  return eval_node(*one.node, inputs);
}

/// Short ways to write operands down.
inline ir::Tensor f32(ir::Dims dims, const std::vector<float>& values) {
  return ir::Tensor::of<float>(std::move(dims), values);
}
inline ir::Tensor i64(ir::Dims dims, const std::vector<int64_t>& values) {
  return ir::Tensor::of<int64_t>(std::move(dims), values);
}

/// The first output equals `dims` and `values` up to `tolerance` times (1 + |value|). NaN equals NaN.
inline void expect_floats(const Result<std::vector<ir::Tensor>>& outputs, const ir::Dims& dims,
                          const std::vector<float>& values, float tolerance = 1e-6f) {
  ASSERT_TRUE(outputs.ok()) << outputs.error().text();
  EXPECT_EQ((*outputs)[0].dims(), dims);
  const std::vector<float> actual = (*outputs)[0].to_floats();
  ASSERT_EQ(actual.size(), values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) {
      EXPECT_TRUE(std::isnan(actual[i])) << "element " << i << " is " << actual[i];
    } else if (std::isinf(values[i])) {
      EXPECT_EQ(actual[i], values[i]) << "element " << i;
    } else {
      EXPECT_NEAR(actual[i], values[i], tolerance * (1 + std::fabs(values[i]))) << "element " << i;
    }
  }
}

inline void expect_ints(const Result<std::vector<ir::Tensor>>& outputs, const ir::Dims& dims,
                        const std::vector<int64_t>& values) {
  ASSERT_TRUE(outputs.ok()) << outputs.error().text();
  EXPECT_EQ((*outputs)[0].dims(), dims);
  EXPECT_EQ((*outputs)[0].to_int64s(), values);
}

/// The error's kind and a part of its message.
template <typename R>
void expect_error(const R& result, ErrorKind kind, const std::string& part) {
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, kind) << result.error().text();
  EXPECT_NE(result.error().message.find(part), std::string::npos) << result.error().message;
}

}  // namespace edgesmith::ops
