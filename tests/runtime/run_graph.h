// SPDX-License-Identifier: Apache-2.0
// Running small graphs on chosen instruction sets, and comparing what comes out.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "edgesmith/base/random.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/runtime/executor.h"
#include "runtime/digests.h"
#include "runtime/program.h"
#include "runtime/session.h"

namespace edgesmith::runtime {

/// The instruction sets of this CPU that have float kernels of their own.
inline std::vector<Isa> float_isas() {
  std::vector<Isa> out;
  for (const Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512, Isa::neon}) {
    if (cpu_has(isa)) out.push_back(isa);
  }
  return out;
}

inline ir::Graph parse_graph(const std::string& text) {
  auto graph = ir::parse(text);
  EXPECT_TRUE(graph.ok()) << (graph.ok() ? "" : graph.error().text());
  if (!graph.ok()) return {};
  const Status typed = ops::infer_types(*graph);
  EXPECT_TRUE(typed.ok()) << (typed.ok() ? "" : typed.error().text());
  return std::move(*graph);
}

inline ir::Tensor random_tensor(ir::Dims dims, uint64_t seed) {
  Random random(seed);
  ir::Tensor out = ir::Tensor::zeros(ir::DType::f32, std::move(dims));
  for (float& x : out.mutable_data<float>()) x = static_cast<float>(random.uniform() * 2 - 1);
  return out;
}

/// Runs `graph` once by the kernels for `isa`, or by ops::eval alone.
inline std::vector<ir::Tensor> run_graph(const ir::Graph& graph, const std::vector<ir::Tensor>& inputs, Isa isa,
                                         const ExecutorOptions& options = {}, const Observer* observer = nullptr) {
  const auto program = compile(graph, options, isa);
  EXPECT_TRUE(program.ok()) << (program.ok() ? "" : program.error().text());
  if (!program.ok()) return {};
  SessionState session(*program);
  auto outputs = session.run(inputs, observer);
  EXPECT_TRUE(outputs.ok()) << (outputs.ok() ? "" : outputs.error().text());
  return outputs.ok() ? std::move(*outputs) : std::vector<ir::Tensor>{};
}

/// Largest difference over largest value (1 when all are smaller).
inline void expect_close(const ir::Tensor& actual, const ir::Tensor& expected, double tolerance) {
  ASSERT_EQ(actual.type().text(), expected.type().text());
  if (actual.dtype() != ir::DType::f32) {
    EXPECT_TRUE(actual.identical_to(expected));
    return;
  }
  const auto a = actual.data<float>(), e = expected.data<float>();
  double worst = 0, largest = 1;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - e[i]);
    worst = std::max(worst, std::isnan(difference) ? INFINITY : difference);
    largest = std::max(largest, std::abs(static_cast<double>(e[i])));
  }
  EXPECT_LE(worst / largest, tolerance);
}

/// Whether kernels run every step: what is left to ops::eval sums as Eigen does on the CPU at hand.
inline bool runs_by_kernels(const ir::Graph& graph) {
  const auto program = compile(graph, {}, Isa::scalar);
  return program.ok() && std::all_of(program->steps.begin(), program->steps.end(),
                                     [](const Step& step) { return step.kernel != nullptr; });
}

/// Runs by kernels on every instruction set: the same bits, those of every CPU (digests.h), and close to ops::eval.
/// Returns the result.
inline std::vector<ir::Tensor> check_graph(const ir::Graph& graph, const std::vector<ir::Tensor>& inputs,
                                           double tolerance = 2e-6) {
  const std::vector<ir::Tensor> reference = run_graph(graph, inputs, Isa::scalar, {.reference = true});
  std::vector<ir::Tensor> first;
  for (const Isa isa : float_isas()) {
    const std::vector<ir::Tensor> outputs = run_graph(graph, inputs, isa);
    EXPECT_EQ(outputs.size(), reference.size());
    if (outputs.size() != reference.size()) return {};
    for (size_t i = 0; i < outputs.size(); ++i) {
      expect_close(outputs[i], reference[i], tolerance);
      if (!first.empty()) {
        EXPECT_TRUE(outputs[i].identical_to(first[i])) << isa_word(isa);
      }
    }
    first = outputs;
  }
  if (runs_by_kernels(graph)) {
    for (const ir::Tensor& output : first) add_to_digest(output);
  }
  return first;
}

}  // namespace edgesmith::runtime
