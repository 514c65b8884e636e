// SPDX-License-Identifier: Apache-2.0
#include "passes/simplify/same_answers.h"

#include <algorithm>
#include <cmath>

#include "edgesmith/base/progress.h"
#include "edgesmith/base/text.h"
#include "edgesmith/data/seeded_inputs.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/runtime/executor.h"

namespace edgesmith::passes {
namespace {

using Tensors = std::vector<ir::Tensor>;
using Verdict = Comparison::Verdict;

constexpr double kTolerance = 1e-3, kQuantizedTolerance = 0.1, kMostTies = 0.01;
constexpr int64_t kMemoryLimit = int64_t{1} << 30;  // bytes of activations
constexpr size_t kSizes = 2;                        // that a model with free dims is run at

// Sizes of free dims that are tried in turn: some models take only pictures of a certain size.
struct Trial {
  int64_t batch, dim;
};
constexpr Trial kTrials[] = {{1, 1}, {2, 3}, {1, 8}, {2, 32}, {1, 64}, {1, 224}};

std::vector<std::string> free_symbols(const ir::Graph& graph) {
  std::vector<std::string> symbols;
  for (const ir::Value* input : graph.inputs()) {
    if (!input->type().has_rank()) continue;
    for (const ir::Dim& dim : *input->type().shape) {
      if (dim.symbolic() && std::find(symbols.begin(), symbols.end(), dim.symbol()) == symbols.end()) {
        symbols.push_back(dim.symbol());
      }
    }
  }
  return symbols;
}

// The second input of a model also has negative numbers.
void spread(Tensors& inputs) {
  for (ir::Tensor& tensor : inputs) {
    if (tensor.dtype() != ir::DType::f32) continue;
    for (float& x : tensor.mutable_data<float>()) x = 4 * x - 2;
  }
}

bool is_quantized(const ir::Graph& graph) {
  for (const ir::Node& node : graph.nodes()) {
    for (int i = 0; i < node.num_outputs(); ++i) {
      if (node.output(i).quant()) return true;
    }
  }
  return false;
}

// What is different, or "".
std::string float_difference(const ir::Tensor& a, const ir::Tensor& b, double tolerance) {
  const std::vector<float> x = a.to_floats(), y = b.to_floats();
  double largest = 0, most = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    if (x[i] == y[i] || (std::isnan(x[i]) && std::isnan(y[i]))) {
      if (std::isfinite(x[i])) largest = std::max(largest, static_cast<double>(std::fabs(x[i])));
      continue;
    }
    if (!std::isfinite(x[i]) || !std::isfinite(y[i])) return shortest(x[i]) + " became " + shortest(y[i]);
    largest = std::max(largest, static_cast<double>(std::fabs(x[i])));
    most = std::max(most, std::fabs(static_cast<double>(x[i]) - y[i]));
  }
  if (most <= tolerance * largest + 1e-6) return {};
  return "by " + shortest(static_cast<float>(most)) + " of " + shortest(static_cast<float>(largest));
}

// A shape that neither numbers nor symbols say.
bool is_computed(const ir::Type& type) {
  return !type.shape ||
         std::any_of(type.shape->begin(), type.shape->end(), [](const ir::Dim& d) { return d.unknown(); });
}

// `graph` is the one before.
Comparison compare(const ir::Graph& graph, const Tensors& before, const Tensors& after, double tolerance) {
  for (size_t i = 0; i < before.size(); ++i) {
    const std::string name = "output '" + graph.output_names()[i] + "'";
    const ir::Tensor &a = before[i], &b = after[i];
    if (a.dtype() != b.dtype()) return {Verdict::different, name + " has another type"};
    if (a.dims() != b.dims()) {
      // A size that depends on numbers may depend on their rounding.
      const bool computed = is_computed(graph.output_node().input(static_cast<int>(i))->type());
      return {computed ? Verdict::unknown : Verdict::different, name + " has another shape"};
    }
    if (a.dtype() == ir::DType::string) continue;
    if (ir::is_float(a.dtype())) {
      const std::string difference = float_difference(a, b, tolerance);
      if (!difference.empty()) return {Verdict::different, name + " is off " + difference};
      continue;
    }
    const auto x = a.to_int64s(), y = b.to_int64s();
    int64_t count = 0;
    for (size_t e = 0; e < x.size(); ++e) count += x[e] != y[e] ? 1 : 0;
    if (static_cast<double>(count) > kMostTies * static_cast<double>(x.size())) {
      return {Verdict::different,
              name + " has " + std::to_string(count) + " other numbers of " + std::to_string(x.size())};
    }
  }
  return {Verdict::same, ""};
}

}  // namespace

bool is_quick_to_run(const ir::Graph& graph) {
  int64_t bytes = 0, macs = 0;
  for (const ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::constant)) bytes += node.tensor().stored_bytes();
    macs += ops::cost_of(node).macs;
    if (bytes > kMostVerifiedBytes || macs > kMostVerifiedMacs) return false;
  }
  return true;
}

Comparison compare_answers(const ir::Graph& before, const ir::Graph& after, ThreadPool* pool) {
  const runtime::ExecutorOptions options = {.memory_limit = kMemoryLimit};
  const auto first = runtime::Executor::create(before, options);
  if (!first) return {Verdict::unknown, first.error().message};
  const auto second = runtime::Executor::create(after, options);
  if (!second) return {Verdict::different, "it can no longer be run: " + second.error().message};
  const auto one = (*first)->make_session(pool), other = (*second)->make_session(pool);
  const double tolerance = is_quantized(before) ? kQuantizedTolerance : kTolerance;
  const std::vector<std::string> symbols = free_symbols(before);
  Comparison result{Verdict::unknown, "no inputs could be made up"};
  size_t runs = 0;
  for (const Trial& trial : kTrials) {
    if (interrupted()) return {Verdict::unknown, "interrupted"};
    data::SeededOptions seeded{.seed = runs, .memory_limit = kMemoryLimit};
    for (const std::string& symbol : symbols) seeded.free_dims.emplace_back(symbol, trial.dim);
    seeded.batch = symbols.empty() ? 0 : trial.batch;
    auto inputs = data::seeded_inputs(before, seeded);
    if (!inputs && seeded.batch > 0) {
      seeded.batch = 0;  // no batch axis, or a fixed one
      inputs = data::seeded_inputs(before, seeded);
    }
    if (!inputs) return {Verdict::unknown, inputs.error().message};
    if (runs == 1) spread(*inputs);
    const auto expected = one->run(*inputs);
    if (!expected) {
      if (runs == 0) result.reason = expected.error().message;
      if (symbols.empty()) break;
      continue;
    }
    const auto got = other->run(*inputs);
    if (!got) return {Verdict::different, "it can no longer be run: " + got.error().message};
    result = compare(before, *expected, *got, tolerance);
    if (result.verdict != Verdict::same || ++runs == kSizes) return result;
  }
  return result;
}

}  // namespace edgesmith::passes
