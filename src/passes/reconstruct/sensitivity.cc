// SPDX-License-Identifier: Apache-2.0
#include "passes/reconstruct/sensitivity.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "edgesmith/base/interruptible.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/runtime/executor.h"
#include "passes/quantize/network_error.h"
#include "passes/reconstruct/layer.h"

namespace edgesmith::passes::reconstruct {
namespace {

// Memory for the moments of layers that are observed together.
constexpr int64_t kMomentBytes = int64_t{512} << 20;
// Samples that tell the errors of outputs, and multiplications that they may take: half a minute of two cores. The
// comparisons are paired (same samples), so few suffice.
constexpr int64_t kMostSamples = 128, kFewestSamples = 8;
constexpr double kMostWork = 1e12;
// A layer whose errors the outputs do not show has this part of its own relative error.
constexpr double kLeastGain = 1e-6;
// Copies of the graph that run side by side.
constexpr size_t kTogether = 4;

// Layers first .. first + grams.size() - 1 in one run.
Status observe(const ir::Graph& graph, const std::vector<ir::Node*>& layers, size_t first, std::vector<Gram>& grams,
               const quantize::Stream& stream) {
  std::vector<bool> observed(static_cast<size_t>(graph.num_value_ids()), false);
  std::vector<std::vector<size_t>> readers(observed.size());
  std::vector<std::vector<float>> rows;    // by layer: room for those of every slot
  std::vector<std::vector<size_t>> taken;  // by layer and slot: numbers
  for (size_t l = 0; l < grams.size(); ++l) {
    const size_t id = id_of(*layers[first + l]->input(0));
    observed[id] = true;
    readers[id].push_back(l);
    rows.emplace_back(grams[l].inputs().most_taken() * quantize::Stream::kSlots + quantize::LayerInputs::kReadAhead);
    taken.emplace_back(quantize::Stream::kSlots, 0);
  }
  auto runner = quantize::Runner::create(graph, stream.num_threads(), {.observed = observed});
  if (!runner) return runner.error();
  const auto work = [&](const quantize::Stream::Batch& batch) -> Status {
    std::optional<Error> error;
    const auto slot = static_cast<size_t>(batch.slot);
    const runtime::Observer observer = [&](const ir::Value& value, const ir::Tensor& tensor) {
      for (const size_t l : readers[id_of(value)]) {
        const quantize::LayerInputs& inputs = grams[l].inputs();
        const size_t most = inputs.most_taken();
        auto count = inputs.take_rows(*layers[first + l], tensor.dense(), batch.index,
                                      std::span(rows[l]).subspan(slot * most, most));
        if (!count) error = count.error();
        taken[l][slot] = count ? *count : 0;
      }
    };
    auto outputs = runner->run(batch, &observer);
    if (!outputs) return outputs.error();
    return error ? Status(*error) : Status();
  };
  const auto fold = [&](int batches) {
    for (size_t l = 0; l < grams.size(); ++l) {
      std::vector<Gram::Sample> own;
      for (size_t slot = 0; slot < static_cast<size_t>(batches); ++slot) {
        own.push_back(
            {std::span(std::as_const(rows[l])).subspan(slot * grams[l].inputs().most_taken(), taken[l][slot]), {}});
      }
      grams[l].add(own, own, stream.pool());
    }
  };
  return stream.run("observe inputs", work, fold);
}

}  // namespace

Status visit_inputs(const ir::Graph& graph, const std::vector<ir::Node*>& layers, const quantize::Stream& stream,
                    int64_t rows_per_input, const std::function<Status(size_t layer, const Gram& gram)>& visit) {
  for (size_t first = 0; first < layers.size();) {
    std::vector<Gram> grams;
    int64_t bytes = 0;
    while (first + grams.size() < layers.size() && bytes < kMomentBytes) {
      grams.emplace_back(*layers[first + grams.size()], stream.num_batches(), kWidestBlock, rows_per_input);
      bytes += 2 * grams.back().inputs().bytes();
    }
    EDGESMITH_TRY(observe(graph, layers, first, grams, stream));
    for (size_t l = 0; l < grams.size(); ++l) {
      EDGESMITH_TRY(visit(first + l, grams[l]));
      EDGESMITH_TRY(check_interrupted());
    }
    first += grams.size();
  }
  return {};
}

Result<std::vector<double>> errors_alone(const ir::Graph& graph, const std::vector<ir::Node*>& layers,
                                         const ChangeLayer& change, PassContext& context) {
  double macs = 1;
  for (const ir::Node& node : graph.nodes()) macs += static_cast<double>(ops::cost_of(node).macs);
  const auto samples =
      static_cast<int64_t>(std::clamp(kMostWork / (macs * static_cast<double>(layers.size() + 1)),
                                      static_cast<double>(kFewestSamples), static_cast<double>(kMostSamples)));
  const quantize::Stream stream(*context.calib, graph, *context.pool, *context.progress, samples);
  quantize::OutputErrors outputs(graph, stream);
  std::vector<double> errors;
  for (size_t first = 0; first < layers.size(); first += kTogether) {
    std::vector<ir::Graph> copies;
    std::vector<const ir::Graph*> candidates;
    for (size_t l = first; l < std::min(layers.size(), first + kTogether); ++l) {
      copies.push_back(graph.clone());
      for (ir::Node& node : copies.back().nodes()) {
        if (node.id() != layers[l]->id()) continue;
        change(l, copies.back(), node);
        break;
      }
      EDGESMITH_TRY(ops::infer_types(copies.back()));
    }
    for (const ir::Graph& copy : copies) candidates.push_back(&copy);
    auto measured = outputs.measure(candidates);
    if (!measured) return measured.error();
    errors.insert(errors.end(), measured->begin(), measured->end());
  }
  return errors;
}

double gain_of(double alone, double layer_error, double power) {
  if (!(layer_error > 0)) return 0;
  if (!std::isfinite(alone)) return 1 / layer_error;
  const double whole = power > 0 && std::isfinite(power) ? power : layer_error;
  return std::max(alone / layer_error, kLeastGain / whole);
}

}  // namespace edgesmith::passes::reconstruct
