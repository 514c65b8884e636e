// SPDX-License-Identifier: Apache-2.0
#include "graph_compare.h"

#include <gtest/gtest.h>

#include <cmath>

#include "edgesmith/ir/text.h"
#include "edgesmith/runtime/executor.h"

namespace edgesmith::passes {

namespace {

struct Squares {
  double error = 0, power = 0;  // of the differences, of the results of the first graph
};

Squares squares(const ir::Graph& a, const ir::Graph& b, const data::Dataset& samples) {
  auto first = runtime::Executor::create(a), second = runtime::Executor::create(b);
  EXPECT_TRUE(first.ok() && second.ok());
  Squares sums;
  for (int64_t i = 0; i < samples.size(); ++i) {
    const std::vector<ir::Tensor> inputs = samples.sample(i)->inputs;
    const auto x = (*first)->make_session()->run(inputs), y = (*second)->make_session()->run(inputs);
    EXPECT_TRUE(x.ok() && y.ok());
    if (!x.ok() || !y.ok()) return {INFINITY, 1};
    const std::vector<float> u = x->at(0).to_floats(), v = y->at(0).to_floats();
    EXPECT_EQ(u.size(), v.size());
    for (size_t k = 0; k < u.size(); ++k) {
      sums.error += std::pow(static_cast<double>(u[k]) - v[k], 2);
      sums.power += std::pow(static_cast<double>(u[k]), 2);
    }
  }
  return sums;
}

}  // namespace

double output_error(const ir::Graph& a, const ir::Graph& b, const data::Dataset& samples) {
  return squares(a, b, samples).error;
}

double relative_error(const ir::Graph& a, const ir::Graph& b, const data::Dataset& samples) {
  const Squares sums = squares(a, b, samples);
  return sums.error / sums.power;
}

void expect_identical(const ir::Graph& a, const ir::Graph& b) {
  EXPECT_EQ(ir::print(a), ir::print(b));
  const auto constants = [](const ir::Graph& graph) {
    std::vector<const ir::Tensor*> tensors;
    for (const ir::Node& node : graph.nodes()) {
      if (node.is(ir::OpKind::constant)) tensors.push_back(&node.tensor());
    }
    return tensors;
  };
  const std::vector<const ir::Tensor*> left = constants(a), right = constants(b);
  ASSERT_EQ(left.size(), right.size());
  for (size_t i = 0; i < left.size(); ++i) EXPECT_TRUE(left[i]->identical_to(*right[i])) << "constant " << i;
}

}  // namespace edgesmith::passes
