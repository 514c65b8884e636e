// SPDX-License-Identifier: Apache-2.0
#include "passes/reconstruct/plan_trial.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "edgesmith/ops/op_info.h"
#include "passes/quantize/network_error.h"
#include "passes/reconstruct/layer.h"
#include "passes/reconstruct/sequence.h"

namespace edgesmith::passes::reconstruct {
namespace {

// Multiplications that coding the layers once may take: about half a minute of two cores. And batches to fit them to,
// at least.
constexpr double kMostTrialWork = 2e12;
constexpr int64_t kFewestBatches = 16;
// Equal widths win when they are closer by so many standard errors of the difference: the plan has its reasons.
constexpr double kClearly = 1;

// Samples to fit to, half of all or fewer, and the others, to measure on; the same where there is one batch only.
struct Parts {
  quantize::Stream fitted, measured;
};

Parts parts_of(const ir::Graph& graph, size_t num_layers, const quantize::Stream& stream) {
  double macs = 1;
  for (const ir::Node& node : graph.nodes()) macs += static_cast<double>(ops::cost_of(node).macs);
  const double affordable = kMostTrialWork / (macs * static_cast<double>(num_layers));
  const int64_t batches = stream.num_batches();
  if (batches < 2) return {stream, stream};
  const double wanted = std::max(affordable, static_cast<double>(kFewestBatches));
  const int64_t share = std::max<int64_t>(2, static_cast<int64_t>(std::ceil(static_cast<double>(batches) / wanted)));
  return {stream.part(share, 0), stream.without(share, 0)};
}

Result<ir::Graph> coded(const ir::Graph& graph, const std::vector<ir::Node*>& layers, const std::vector<int>& bits,
                        const quantize::Stream& samples, const CodeLayer& code) {
  ir::Graph copy = graph.clone();
  std::vector<ir::Node*> own(layers.size());
  for (ir::Node& node : copy.nodes()) {
    for (size_t l = 0; l < layers.size(); ++l) {
      if (layers[l]->id() == node.id()) own[l] = &node;
    }
  }
  std::vector<std::string> notes;  // the real run tells the same
  EDGESMITH_TRY(compress_in_order(copy, own, samples, kRowsPerInput, notes, [&](ir::Node& node, const Gram& gram) {
    const auto l = static_cast<size_t>(std::find(own.begin(), own.end(), &node) - own.begin());
    code(l, bits[l], copy, node, gram);
    return Status();
  }));
  EDGESMITH_TRY(ops::infer_types(copy));
  return copy;
}

// Whether the mean of a is clearly above that of b, sample by sample.
bool clearly_above(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0, squares = 0;
  const auto count = static_cast<double>(a.size());
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] - b[i];
  for (size_t i = 0; i < a.size(); ++i) squares += (a[i] - b[i] - sum / count) * (a[i] - b[i] - sum / count);
  return sum > kClearly * std::sqrt(squares);  // both times the count
}

}  // namespace

Status keep_better(BitPlan& plan, const ir::Graph& graph, const std::vector<ir::Node*>& layers,
                   const quantize::Stream& stream, const CodeLayer& code, PassContext& context) {
  if (!plan.equal_width) return {};
  const std::vector<int> equal(layers.size(), *plan.equal_width);
  if (plan.bits == equal) return {};
  const Parts samples = parts_of(graph, layers.size(), stream);
  auto shared_graph = coded(graph, layers, plan.bits, samples.fitted, code);
  if (!shared_graph) return shared_graph.error();
  auto equal_graph = coded(graph, layers, equal, samples.fitted, code);
  if (!equal_graph) return equal_graph.error();
  quantize::OutputErrors outputs(graph, samples.measured);
  auto runners = outputs.prepare({&*shared_graph, &*equal_graph});
  if (!runners) return runners.error();
  std::vector<std::vector<double>> by_batch;
  auto errors = outputs.measure({&(*runners)[0], &(*runners)[1]}, &by_batch);
  if (!errors) return errors.error();
  const bool worse = (*errors)[1] < (*errors)[0] && clearly_above(by_batch[0], by_batch[1]);
  const int64_t count = samples.measured.num_samples();
  context.notes.push_back("tried on " + std::to_string(count) + (count == 1 ? " sample" : " samples") +
                          (stream.num_batches() < 2 ? ": " : " that layers were not fitted to: ") +
                          decibels_text((*errors)[0]) + " with shared bits, " + decibels_text((*errors)[1]) + " with " +
                          std::to_string(*plan.equal_width) + " bits everywhere, so " +
                          (worse ? "those stay equal" : "they are shared"));
  if (worse) use_equal_width(plan);
  return {};
}

}  // namespace edgesmith::passes::reconstruct
