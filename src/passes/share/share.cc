// SPDX-License-Identifier: Apache-2.0
// Weight sharing after training: every weight becomes an index into a small codebook, from calibration data alone.
//
//   inputs     second moments of what the weights of every layer meet, through the layers
//              that are shared already, and what the float model gives it there              reconstruct/sequence.cc
//   codebooks  exact k-means of the weights, each weighing as much as the output feels it      clusters.cc
//   fit        assignments by the engine's sweep, entries by least squares, in turns           shared_rows.cc
//   bits       the same for all, or a layer's own, by the errors that they would cause          reconstruct/bit_plan.cc
//              where they do better on the whole network                                   reconstruct/plan_trial.cc
//              or entries by what packing their indices takes, at one price of a bit       quantize/low_bit_budget.cc
//   write      constants with encoding palette; the exporter makes look-ups of them            onnx/export_graph.cc
//
// Zeros of a pruned weight stay zero and have an entry of their own. With entries of int8 the constant is affine over a
// palette of codes, so that integer arithmetic reads the codes as they are.
#include <algorithm>
#include <cmath>
#include <optional>

#include "edgesmith/base/interruptible.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/pass.h"
#include "passes/convert/half_weights.h"
#include "passes/layer_record.h"
#include "passes/quantize/low_bit_budget.h"
#include "passes/quantize/node_form.h"
#include "passes/reconstruct/bit_plan.h"
#include "passes/reconstruct/layer.h"
#include "passes/reconstruct/plan_trial.h"
#include "passes/reconstruct/sensitivity.h"
#include "passes/reconstruct/sequence.h"
#include "passes/selectors.h"
#include "passes/share/options.h"
#include "passes/share/share_layer.h"

namespace edgesmith::passes {
namespace {

using namespace share;

// Errors of more bits are measured up to here; every further bit leaves a quarter. What the network's outputs feel is
// measured with codebooks of 2^3 entries.
constexpr int kMeasuredBits = 6, kGainBits = 3;

// A weight and the layers that multiply with it.
struct Weight {
  ir::Value* value = nullptr;
  std::vector<ir::Node*> nodes;
  int bits = 0;    ///< of its indices; 0: as many as all
  int layer = -1;  ///< its place among the layers that are fitted in order; -1: none

  ir::Node& first() const { return *nodes[0]; }
};

// Whether two layers multiply a weight with rows of the same form.
bool same_use(const ir::Node& a, const ir::Node& b) {
  return a.op() == b.op() && quantize::weight_axis(a) == quantize::weight_axis(b) &&
         a.attributes().get_int("group", 1) == b.attributes().get_int("group", 1);
}

class Sharer {
 public:
  Sharer(ir::Graph& graph, const ShareOptions& options, PassContext& context)
      : graph_(graph), context_(context), options_(options), settings_(options.settings) {}

  Result<Change> run(const std::vector<bool>& selected) {
    EDGESMITH_TRY(find_weights(selected));
    if (weights_.empty()) {
      context_.notes.push_back("there are no float32 weights to share" + half_weights_hint(graph_));
      return Change::none;
    }
    EDGESMITH_TRY(options_.repair ? share_with_data() : share_all());
    if (totals_.tensors == 0) return Change::none;
    context_.notes.push_back(std::to_string(totals_.weights) + " weights in " + std::to_string(totals_.tensors) +
                             " tensors take " + std::to_string(totals_.bytes) + " bytes instead of " +
                             std::to_string(4 * totals_.weights));
    EDGESMITH_TRY(ops::infer_types(graph_));
    return Change::changed;
  }

 private:
  struct Totals {
    int64_t tensors = 0, weights = 0, bytes = 0;
  };

  Status find_weights(const std::vector<bool>& selected) {
    std::vector<const ir::Value*> left;  // skipped by a node that reads them
    for (ir::Node& node : graph_.nodes()) {
      ir::Value* value = quantize::weight_of(node);
      if (value == nullptr || value->constant()->rank() < 2 || value->constant()->size() == 0) continue;
      if (!selected[static_cast<size_t>(node.id())]) {
        left.push_back(value);
        continue;
      }
      const ir::Tensor& tensor = *value->constant();
      if (value->quant() || !reconstruct::holds_numbers(tensor)) {
        const bool shared = tensor.as_palette() != nullptr;
        return usage_error(node.label() + ": its weights are " + (shared ? "shared" : "compressed") + " already",
                           shared ? "start from the model that was not shared, or skip the node"
                                  : "share before quantize, or skip the node");
      }
      if (tensor.dtype() != ir::DType::f32) continue;
      const auto known =
          std::find_if(weights_.begin(), weights_.end(), [&](const Weight& weight) { return weight.value == value; });
      if (known != weights_.end()) {
        known->nodes.push_back(&node);
        continue;
      }
      for (const float number : tensor.to_floats()) {
        if (!std::isfinite(number)) return invalid_error(node.label() + ": its weights hold NaN or infinity");
      }
      weights_.push_back({.value = value, .nodes = {&node}});
    }
    std::erase_if(weights_, [&](const Weight& weight) {
      if (std::find(left.begin(), left.end(), weight.value) == left.end()) return false;
      context_.notes.push_back(weight.first().label() +
                               " is left alone: a node that was skipped reads its weights too");
      return true;
    });
    return {};
  }

  bool can_observe(const Weight& weight) const {
    if (!quantize::has_rows(weight.first())) return false;
    return std::all_of(weight.nodes.begin(), weight.nodes.end(),
                       [&](const ir::Node* node) { return same_use(*node, weight.first()); });
  }

  Status share_all() {
    context_.progress->begin("share weights", static_cast<int64_t>(weights_.size()));
    for (size_t w = 0; w < weights_.size(); ++w) {
      share(weights_[w], nullptr);
      EDGESMITH_TRY(check_interrupted());
      context_.progress->update(static_cast<int64_t>(w) + 1);
    }
    context_.progress->end();
    return {};
  }

  // Each weight with statistics through those shared before it; tied ones with those of the first layer that reads
  // them.
  Status share_with_data() {
    std::vector<ir::Node*> layers;
    for (Weight& weight : weights_) {
      if (can_observe(weight)) {
        weight.layer = static_cast<int>(layers.size());
        layers.push_back(&weight.first());
        continue;
      }
      context_.notes.push_back(weight.first().label() +
                               ": its weights are clustered as they are, because what they meet cannot be collected");
      share(weight, nullptr);
    }
    if (layers.empty()) return {};
    const quantize::Stream stream(*context_.calib, graph_, *context_.pool, *context_.progress);
    if (options_.bits.sharing == BitSharing::rate_aware) return share_within(layers, stream);
    if (options_.bits.sharing == BitSharing::knapsack) EDGESMITH_TRY(plan(layers, stream));
    return share_in_order(layers, stream);
  }

  Status share_in_order(const std::vector<ir::Node*>& layers, const quantize::Stream& stream) {
    return reconstruct::compress_in_order(graph_, layers, stream, reconstruct::kRowsPerInput, context_.notes,
                                          [&](ir::Node& node, const reconstruct::Gram& gram) {
                                            share(weight_read_by(node), gram.inputs().num_rows() > 0 ? &gram : nullptr);
                                            return Status();
                                          });
  }

  // Bits by weight, for those that can be observed, by the errors that they would cause.
  Status plan(const std::vector<ir::Node*>& layers, const quantize::Stream& stream) {
    std::vector<std::vector<reconstruct::Choice>> choices(layers.size());
    std::vector<SharedLayer> trials(layers.size());
    EDGESMITH_TRY(reconstruct::visit_inputs(
        graph_, layers, stream, reconstruct::kRowsPerInput, [&](size_t l, const reconstruct::Gram& gram) -> Status {
          double error = INFINITY;
          bool stays_float = false;
          for (int bits = kFewestBits; bits <= kMostBits; ++bits) {
            error /= 4;
            if (bits <= kMeasuredBits && !stays_float) {
              ShareSettings settings = settings_;
              settings.bits = bits;
              settings.quick = true;
              SharedLayer shared = share_layer(*layers[l], is_tied(*layers[l]), settings, &gram, *context_.pool);
              stays_float = shared.too_small;
              error = std::min(shared.error, 4 * error);
              if (bits <= kGainBits && !stays_float) trials[l] = std::move(shared);
            }
            const int64_t dense = 8 * quantize::weight_of(*layers[l])->constant()->stored_bytes();
            choices[l].push_back(
                {static_cast<double>(stays_float ? dense : shared_bits(*layers[l], settings_, bits)), error});
          }
          return {};
        }));
    auto alone = reconstruct::errors_alone(
        graph_, layers,
        [&](size_t l, ir::Graph& copy, ir::Node& node) {
          if (trials[l].codebooks > 0) write_shared(copy, node, trials[l]);
        },
        context_);
    if (!alone) return alone.error();
    for (size_t l = 0; l < layers.size(); ++l) {
      const double gain = reconstruct::gain_of((*alone)[l], trials[l].error, trials[l].power);
      for (reconstruct::Choice& choice : choices[l]) choice.loss *= gain;
    }
    auto plan = reconstruct::plan_bits(choices, kFewestBits, settings_.bits, options_.bits.budget);
    if (!plan) return plan.error();
    context_.notes.push_back(
        reconstruct::describe_plan(*plan, options_.bits.budget, std::to_string(settings_.bits) + " bits"));
    const auto try_codebooks = [&](size_t l, int bits, ir::Graph& copy, ir::Node& node, const reconstruct::Gram& gram) {
      ShareSettings settings = settings_;
      settings.bits = bits;
      settings.quick = true;
      const SharedLayer shared = share_layer(node, is_tied(*layers[l]), settings,
                                             gram.inputs().num_rows() > 0 ? &gram : nullptr, *context_.pool);
      if (!shared.too_small) write_shared(copy, node, shared);
    };
    EDGESMITH_TRY(reconstruct::keep_better(*plan, graph_, layers, stream, try_codebooks, context_));
    context_.notes.push_back("bits of an index: " + reconstruct::describe_widths(plan->bits, "of ") +
                             "; counted so, indices and codebooks are " +
                             std::to_string(static_cast<int64_t>(std::ceil(plan->total / 8))) + " bytes");
    for (size_t l = 0; l < layers.size(); ++l) weight_read_by(*layers[l]).bits = plan->bits[l];
    return {};
  }

  // Entries by what packing them takes, all indices and codebooks within the size.
  Status share_within(const std::vector<ir::Node*>& layers, const quantize::Stream& stream) {
    // Entries that are used seldom go: about twice as many stay as indices of so many bits tell apart.
    const auto codebooks = [this, layers](size_t l, double bits) {
      const auto size = static_cast<double>(quantize::weight_of(*layers[l])->constant()->size());
      return codebook_bits(*layers[l], settings_, std::min<double>(settings_.bits, bits / size + 1));
    };
    const std::vector<quantize::LowBitSettings> like(layers.size(), {.bits = settings_.bits});
    const auto bytes = static_cast<double>(*options_.bits.budget.bytes);
    auto plan = quantize::RatePlan::make(graph_, layers, like, codebooks, bytes, stream, context_);
    if (!plan) return plan.error();
    rates_ = std::move(*plan);
    const ir::Graph original = graph_.clone();
    std::vector<ir::Tensor> weights;
    for (const ir::Node* layer : layers) weights.push_back(*quantize::weight_of(*layer)->constant());
    const Totals before = totals_;
    const auto restore = [&] {
      totals_ = before;
      for (size_t l = 0; l < layers.size(); ++l) {
        graph_.set_tensor(quantize::weight_of(*layers[l])->node(), weights[l]);  // which may have other readers
        reconstruct::restore_constant(graph_, original, *layers[l], ops::quant_facts(*layers[l]).bias_operand);
      }
    };
    EDGESMITH_TRY(rates_->code_within(
        bytes, [&] { return share_in_order(layers, stream); }, restore, context_));
    context_.notes.push_back("an entropy coder such as pack's is expected to spend " +
                             std::to_string(static_cast<int64_t>(std::ceil(rates_->taken_bytes()))) +
                             " bytes on indices and codebooks");
    return {};
  }

  Weight& weight_read_by(const ir::Node& node) {
    return *std::find_if(weights_.begin(), weights_.end(),
                         [&](const Weight& weight) { return &weight.first() == &node; });
  }
  bool is_tied(const ir::Node& node) { return weight_read_by(node).nodes.size() > 1; }

  void share(Weight& weight, const reconstruct::Gram* gram) {
    ShareSettings settings = settings_;
    if (weight.bits > 0) settings.bits = weight.bits;
    const bool rated = rates_ && weight.layer >= 0;
    const auto layer = static_cast<size_t>(weight.layer);
    if (rated) settings.price = rates_->price(layer);
    const ir::Tensor& before = *weight.value->constant();
    const int64_t size = before.size();
    const SharedLayer shared = share_layer(weight.first(), weight.nodes.size() > 1, settings, gram, *context_.pool);
    if (rated) rates_->took(layer, shared.index_bits, shared.codebook_bits);
    if (shared.too_small) {
      context_.notes.push_back(weight.first().label() + " is left alone: " + std::to_string(size) +
                               " weights are too few for codebooks of their own");
      return;
    }
    record(weight, settings.bits, shared);
    if (rated) context_.layers.back().numbers["packed_bits"] = shared.index_bits / static_cast<double>(size);
    ++totals_.tensors;
    totals_.weights += size;
    totals_.bytes += shared.tensor.stored_bytes();
    write_shared(graph_, weight.first(), shared);
  }

  void record(const Weight& weight, int bits, const SharedLayer& shared) {
    LayerRecord entry = layer_record(weight.first(), "shared");
    entry.numbers["bits"] = bits;
    entry.numbers["codebooks"] = static_cast<double>(shared.codebooks);
    entry.numbers["entries"] = static_cast<double>(shared.entries);
    entry.numbers["bytes"] = static_cast<double>(shared.tensor.stored_bytes());
    if (shared.error > 0 && shared.power > 0) {
      entry.numbers["sqnr_db"] = 10 * std::log10(shared.power / shared.error);
    }
    context_.layers.push_back(std::move(entry));
  }

  ir::Graph& graph_;
  PassContext& context_;
  const ShareOptions& options_;
  const ShareSettings settings_;
  std::vector<Weight> weights_;
  std::optional<quantize::RatePlan> rates_;
  Totals totals_;
};

Result<Change> run_share(ir::Graph& graph, const Options& options, PassContext& context) {
  auto selected = select_nodes(graph, read_selectors(options));
  if (!selected) return selected.error();
  const auto read = read_options(options, context.calib != nullptr && context.calib->size() > 0);
  if (!read) return read.error();
  return Sharer(graph, *read, context).run(*selected);
}

}  // namespace

extern const PassInfo share_pass = {
    "share",       "replace weights by indices into small codebooks, fitted to the calibration data",
    share_options, run_share,
    true,          true,
    "repair=none"};

}  // namespace edgesmith::passes
