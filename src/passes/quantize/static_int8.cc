// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/static_int8.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "edgesmith/base/interruptible.h"
#include "edgesmith/ops/op_info.h"
#include "passes/quantize/choice.h"
#include "passes/quantize/findings.h"
#include "passes/quantize/masks.h"
#include "passes/quantize/node_form.h"
#include "passes/quantize/observe.h"
#include "passes/quantize/options.h"
#include "passes/quantize/plan.h"
#include "passes/quantize/tensor_scales.h"
#include "passes/reconstruct/layer.h"

namespace edgesmith::passes::quantize {
namespace {

// Samples that are enough to compare calibrators and whole choices, and to report the errors of layers. The comparisons
// are paired (same samples), so few suffice; every sample costs several runs of the model.
constexpr int64_t kProbeSamples = 16, kComparisonSamples = 128, kReportSamples = 8;
// The comparison looks at other samples than the probes do (where there are enough), so that what was fitted to those
// does not win by that.
constexpr double kPhase = 0.3;
// Memory for the products of all layers.
constexpr int64_t kMomentBytes = int64_t{256} << 20;
// Inputs that are rounded together to eight bits. Ratios of output to error on other pictures with twice as many
// (EfficientNet-Lite0, four times 60 of 100 pictures to calibrate; 1.14 to 1.18 times the time of quantize):
// 22.39 dB for 22.33 with min-max, 23.18 for 23.19 with the defaults; MobileNetV2 11.27 for 11.21 and 14.68 for 14.64.
// With half as many EfficientNet-Lite0 loses another 0.1 dB.
constexpr int kWidestBlock = reconstruct::kWidestBlock / 2;

// Whether two layers may share the codes of a constant: they multiply it with rows of the same form.
bool same_use(const ir::Node& a, const ir::Node& b) {
  return a.op() == b.op() && weight_axis(a) == weight_axis(b) &&
         a.attributes().get_int("group", 1) == b.attributes().get_int("group", 1);
}

// The layers whose weights are not codes yet.
std::vector<LayerGroup> find_layers(ir::Graph& graph, const std::vector<NodePlan>& plans) {
  std::vector<LayerGroup> layers;
  for (ir::Node& node : graph.nodes()) {
    if (plans[static_cast<size_t>(node.id())].role != Role::integer) continue;
    ir::Value* weight = weight_of(node);
    if (weight == nullptr || weight->constant()->encoding() == ir::Encoding::affine) continue;
    const auto known = std::find_if(layers.begin(), layers.end(), [&](const LayerGroup& layer) {
      return weight_of(*layer.nodes[0]) == weight && same_use(*layer.nodes[0], node);
    });
    if (known == layers.end()) {
      layers.push_back({.nodes = {&node}});
    } else {
      known->nodes.push_back(&node);
    }
  }
  return layers;
}

class Quantizer {
 public:
  Quantizer(ir::Graph& graph, const Options& options, PassContext& context)
      : graph_(graph),
        context_(context),
        weights_(weight_settings(options, *context.target)),
        all_(*context.calib, graph, *context.pool, *context.progress),
        probes_(*context.calib, graph, *context.pool, *context.progress, kProbeSamples),
        comparison_(*context.calib, graph, *context.pool, *context.progress, kComparisonSamples, kPhase),
        report_(*context.calib, graph, *context.pool, *context.progress, kReportSamples, kPhase),
        reference_(comparison_) {
    choice_.calibrator = options.word("calibrator");
    choice_.calibration.percentile = options.real("percentile");
    choice_.calibration.steps = static_cast<int>(ir::max_code(context.target->activation_dtype) -
                                                 ir::min_code(context.target->activation_dtype));
    choice_.calibration.symmetric = context.target->symmetric_activations;
    choice_.dtype = context.target->activation_dtype;
    choice_.float_bias = context.target->float_bias;
    choice_.correct_bias = weights_.correct_bias;
    if (!compares()) reference_ = ReferenceOutputs(report_);
  }

  Result<Change> run(const std::vector<bool>& selected) {
    std::vector<bool> chosen = selected, masked(selected.size(), false);
    Regions regions;
    std::vector<LayerGroup> layers;
    std::vector<LayerInputs> inputs;
    Result<Extremes> extremes = Extremes();
    for (bool again = true; again;) {
      regions = find_regions(graph_, *context_.target, chosen, "it was not selected");
      layers = find_layers(graph_, regions.nodes);
      inputs = make_inputs(layers);
      const WhatToObserve what = {.values = regions.watched,
                                  .distributions = uses_histograms(choice_),
                                  .layers = watched_layers(layers, inputs),
                                  .reference = compares() || !context_.layer_errors ? &reference_ : nullptr};
      extremes = observe(graph_, what, inputs, *context_.pool, all_);
      if (!extremes) return extremes.error();
      again = leave_masks(extremes->range, chosen, masked);
    }
    for (size_t id = 0; id < masked.size(); ++id) {
      NodePlan& node = regions.nodes[id];
      if (masked[id] && node.role == Role::floating)
        node.reason = "it works on a mask, whose numbers would take all codes";
    }
    Plan plan = plan_scales(graph_, std::move(regions), *context_.target, extremes->range);
    const bool nothing = layers.empty() && std::all_of(plan.sets.begin(), plan.sets.end(),
                                                       [](const ScaleSet& set) { return set.given.has_value(); });
    if (nothing) {
      report_nothing(graph_, plan, context_);
      return Change::none;
    }
    const std::vector<Observations> observed = join_extremes(plan, *extremes, need_histograms(plan, choice_));
    const auto candidates = find_candidates(plan, observed, choice_, *context_.pool);
    EDGESMITH_TRY(quantize_layers(plan, candidates, inputs, layers));
    inputs = {};  // their memory is for what comes next
    auto choice = choose(graph_, plan, candidates, observed, layers, choice_, probes_, comparison_, reference_);
    if (!choice) return choice.error();

    std::optional<TensorScaleCost> cost;
    if (weights_.per_tensor) {
      auto measured = measure_one_scale(plan, choice->assignment, candidates, layers);
      if (!measured) return measured.error();
      cost = std::move(*measured);
    }
    const ir::Graph original = graph_.clone();
    const auto raised = apply(choice->assignment, plan, graph_);
    EDGESMITH_TRY(ops::infer_types(graph_));
    EDGESMITH_TRY(report({original, graph_, plan, *choice, *extremes}, report_, reference_, context_));
    if (cost) report_one_scale(*cost, context_);
    if (!raised.empty()) {
      context_.notes.push_back(
          "weights that were codes got coarser scales where biases would not have fit 32 bits: " + raised[0]->label() +
          (raised.size() > 1 ? " and " + std::to_string(raised.size() - 1) + " more" : ""));
    }
    return Change::changed;
  }

 private:
  // What scales for each channel, rounded to nearest, would gain over the weights chosen.
  Result<std::optional<TensorScaleCost>> measure_one_scale(const Plan& plan, const Assignment& assignment,
                                                           const std::vector<std::vector<ir::Quant>>& candidates,
                                                           const std::vector<LayerGroup>& layers) {
    const WeightSettings settings{
        .rule = weights_.rule, .per_tensor = false, .compensate = false, .correct_bias = false};
    std::vector<WeightCodes> by_channel;
    for (const LayerGroup& layer : layers) {
      auto codes = quantize_weight(*layer.nodes[0], settings, nullptr, smallest_scales(plan, candidates, layer));
      if (!codes) return codes.error();
      by_channel.push_back(std::move(*codes));
    }
    return measure_tensor_scales(graph_, plan, assignment, layers, by_channel, comparison_, reference_);
  }

  // Whether there will be several choices to compare.
  bool compares() const { return choice_.calibrator == "auto" || choice_.correct_bias; }

  // Takes the nodes that work on masks out of `chosen`. True when that is news.
  bool leave_masks(const std::vector<Range>& seen, std::vector<bool>& chosen, std::vector<bool>& masked) const {
    const std::vector<bool> on_mask = nodes_on_masks(graph_, seen);
    bool news = false;
    for (size_t id = 0; id < chosen.size(); ++id) {
      if (!on_mask[id] || !chosen[id]) continue;
      chosen[id] = false;
      masked[id] = news = true;
    }
    return news;
  }

  // One for each layer; none where nothing will ask for them.
  std::vector<LayerInputs> make_inputs(const std::vector<LayerGroup>& layers) const {
    if (!weights_.compensate && !weights_.correct_bias) return {};
    for (int widest = kWidestBlock;; widest /= 2) {
      std::vector<LayerInputs> inputs;
      int64_t bytes = 0;
      for (const LayerGroup& layer : layers) {
        inputs.emplace_back(*layer.nodes[0], all_.num_batches(), widest, weights_.correct_bias);
        bytes += inputs.back().bytes();
        if (bytes > kMomentBytes && widest > reconstruct::kNarrowestBlock) break;
      }
      if (bytes <= kMomentBytes || widest <= reconstruct::kNarrowestBlock) return inputs;
    }
  }

  // The nodes of the layers, each with the place of its inputs.
  static std::vector<WatchedLayer> watched_layers(const std::vector<LayerGroup>& layers,
                                                  const std::vector<LayerInputs>& inputs) {
    std::vector<WatchedLayer> watched;
    for (size_t l = 0; l < inputs.size(); ++l) {
      for (const ir::Node* node : layers[l].nodes) watched.push_back({node, static_cast<int>(l)});
    }
    return watched;
  }

  // Lower limits of the weight scales for every range that may be chosen for the layer's input.
  static std::vector<double> smallest_scales(const Plan& plan, const std::vector<std::vector<ir::Quant>>& candidates,
                                             const LayerGroup& layer) {
    std::vector<double> limits;
    for (const ir::Node* node : layer.nodes) {
      Assignment assignment;
      for (const auto& quants : candidates) {
        const auto finest = std::min_element(quants.begin(), quants.end(), [](const ir::Quant& a, const ir::Quant& b) {
          return a.scale[0] < b.scale[0];
        });
        assignment.scales.push_back(*finest);
      }
      const std::vector<double> own = smallest_weight_scales(*node, input_scale(assignment, plan, *node));
      if (limits.empty()) limits = own;
      for (size_t c = 0; c < own.size(); ++c) limits[c] = std::max(limits[c], own[c]);
    }
    return limits;
  }

  // The order in which layers are rounded: those that take longest first, so that no thread is left with one at the
  // end.
  static std::vector<int64_t> longest_first(const std::vector<LayerGroup>& layers) {
    const auto work = [&](int64_t layer) {
      const ir::Node& node = *layers[static_cast<size_t>(layer)].nodes[0];
      const ir::Tensor& weight = *weight_of(node)->constant();
      return weight.size() *
             (weight.size() / std::max<int64_t>(1, weight.dims()[static_cast<size_t>(weight_axis(node))]));
    };
    std::vector<int64_t> order(layers.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return work(a) > work(b); });
    return order;
  }

  Status quantize_layers(const Plan& plan, const std::vector<std::vector<ir::Quant>>& candidates,
                         const std::vector<LayerInputs>& inputs, std::vector<LayerGroup>& layers) {
    std::vector<std::optional<Error>> errors(layers.size());
    const std::vector<int64_t> order = longest_first(layers);
    context_.progress->begin("round weights", static_cast<int64_t>(layers.size()));
    interruptible_for(*context_.pool, static_cast<int64_t>(layers.size()), [&](int64_t place, int) {
      const int64_t index = order[static_cast<size_t>(place)];
      LayerGroup& layer = layers[static_cast<size_t>(index)];
      const std::vector<double> smallest = smallest_scales(plan, candidates, layer);
      for (const bool correct : {false, true}) {
        if (correct && !weights_.correct_bias) continue;
        WeightSettings settings = weights_;
        settings.correct_bias = correct;
        const LayerInputs* own = inputs.empty() ? nullptr : &inputs[static_cast<size_t>(index)];
        auto codes = quantize_weight(*layer.nodes[0], settings, own, smallest);
        if (!codes) {
          errors[static_cast<size_t>(index)] = codes.error();
          return;
        }
        (correct ? layer.corrected : layer.plain) = std::move(*codes);
      }
    });
    context_.progress->end();
    EDGESMITH_TRY(check_interrupted());
    for (const auto& error : errors) {
      if (error) return *error;
    }
    return {};
  }

  ir::Graph& graph_;
  PassContext& context_;
  WeightSettings weights_;
  ChoiceSettings choice_;
  Stream all_, probes_, comparison_, report_;
  ReferenceOutputs reference_;
};

}  // namespace

Result<Change> quantize_static(ir::Graph& graph, const Options& options, const std::vector<bool>& selected,
                               PassContext& context) {
  return Quantizer(graph, options, context).run(selected);
}

}  // namespace edgesmith::passes::quantize
