// SPDX-License-Identifier: Apache-2.0
#include "golden_run.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "edgesmith/base/random.h"
#include "edgesmith/runtime/executor.h"

namespace edgesmith::testing {
namespace {

// Symbols that are some input's first dim: the batch, wherever else they stand.
std::set<std::string> batch_symbols(const ir::Graph& graph) {
  std::set<std::string> symbols;
  for (const ir::Value* input : graph.inputs()) {
    const auto& shape = input->type().shape;
    if (shape && !shape->empty() && shape->front().symbolic()) symbols.insert(shape->front().symbol());
  }
  return symbols;
}

ir::Tensor random_tensor(const ir::Type& type, const std::set<std::string>& batch, int64_t free_dim, Random& random) {
  ir::Dims dims;
  for (const ir::Dim& dim : *type.shape) {
    // Free dims other than the batch are lengths and picture sizes, which must leave something after a few poolings.
    dims.push_back(dim.known() ? dim.value() : batch.count(dim.symbol()) > 0 ? free_dim : 16 * free_dim);
  }
  if (type.dtype == ir::DType::f32) {
    std::vector<float> numbers(static_cast<size_t>(ir::num_elements(dims)));
    for (float& x : numbers) x = static_cast<float>(random.normal());
    return ir::Tensor::of<float>(dims, numbers);
  }
  std::vector<int64_t> numbers(static_cast<size_t>(ir::num_elements(dims)));
  for (int64_t& x : numbers) x = static_cast<int64_t>(random.below(2));
  return ir::Tensor::of<int64_t>(dims, numbers);
}

Result<std::vector<ir::Tensor>> run(const ir::Graph& graph, const std::vector<ir::Tensor>& inputs, bool reference) {
  auto executor = runtime::Executor::create(graph, {.reference = reference});
  if (!executor) return executor.error();
  return (*executor)->make_session()->run(inputs);
}

std::string compare(const ir::Tensor& a, const ir::Tensor& b, double tolerance) {
  if (a.dtype() != b.dtype() || a.dims() != b.dims()) return a.type().text() + " became " + b.type().text();
  const auto x = a.to_floats(), y = b.to_floats();
  double largest = 0, difference = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i]) != std::isnan(y[i])) return "NaN on one side only";
    largest = std::max(largest, std::fabs(static_cast<double>(x[i])));
    difference = std::max(difference, std::fabs(static_cast<double>(x[i]) - y[i]));
  }
  if (difference <= tolerance * std::max(largest, 1e-6)) return "";
  return "largest difference " + std::to_string(difference) + ", largest value " + std::to_string(largest);
}

}  // namespace

std::string compare_by_running(const ir::Graph& before, const ir::Graph& after, double tolerance, bool reference) {
  for (const int64_t free_dim : {2, 3}) {
    Random random(42);
    std::vector<ir::Tensor> inputs;
    for (const ir::Value* input : before.inputs())
      inputs.push_back(random_tensor(input->type(), batch_symbols(before), free_dim, random));
    const auto a = run(before, inputs, reference);
    if (!a) return "before: " + a.error().text();
    const auto b = run(after, inputs, reference);
    if (!b) return "after: " + b.error().text();
    for (size_t i = 0; i < a->size(); ++i) {
      const std::string difference = compare((*a)[i], (*b)[i], tolerance);
      if (!difference.empty()) return before.output_names()[i] + ": " + difference;
    }
  }
  return "";
}

}  // namespace edgesmith::testing
