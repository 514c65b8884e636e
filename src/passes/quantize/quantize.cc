// SPDX-License-Identifier: Apache-2.0
// Static int8 post-training quantization.
//
//   regions    which nodes compute on integers on the target, which values must carry codes       regions.cc
//   sweep      extremes and distributions of those values, and what meets the weights              observe.cc
//   scales     which of them share a scale                                                         scales.cc
//   weights    symmetric codes, rounded so that the layer's output is kept                         layer_codes.cc
//   choice     the range of every scale, and bias correction, by measured error                    choice.cc
//   report     what became of every operator                                                       findings.cc
//
// The result is annotations: values carry a Quant, weights and biases become affine constants. With weights_only the
// weights alone become codes, which needs no data. Weights of fewer bits, and float activations: low_bit_layers.cc.
#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/pass.h"
#include "passes/quantize/choice.h"
#include "passes/quantize/dynamic.h"
#include "passes/quantize/findings.h"
#include "passes/quantize/float_layers.h"
#include "passes/quantize/fold_into_layers.h"
#include "passes/quantize/fold_pad_amounts.h"
#include "passes/quantize/fold_weights.h"
#include "passes/quantize/low_bit_layers.h"
#include "passes/quantize/masks.h"
#include "passes/quantize/node_form.h"
#include "passes/quantize/observe.h"
#include "passes/quantize/plan.h"
#include "passes/quantize/selectors.h"
#include "passes/quantize/tables.h"
#include "passes/quantize/tensor_scales.h"
#include "passes/simplify/fuse_pad.h"

namespace edgesmith::passes {
namespace {

using namespace quantize;

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

const OptionSchema& quantize_options() {
  static const OptionSchema kSchema = {
      {.name = "weights",
       .kind = OptionKind::word,
       .fallback = "int8",
       .help = "type of the weights",
       .words = {"int8", "int4", "int3", "int2"}},
      {.name = "bits_per_layer",
       .kind = OptionKind::word,
       .fallback = "uniform",
       .help =
           "uniform: what weights says; auto: 2 to 8 bits a layer with the least expected output error, in the bytes "
           "of the uniform width unless size or sqnr is given",
       .words = {"uniform", "auto"}},
      {.name = "size",
       .kind = OptionKind::integer,
       .fallback = "",
       .help =
           "bytes that codes and scales may take: counted at their bits; rate-aware: as pack is expected to code them",
       .min = 1,
       .max = 1e15},
      {.name = "sqnr",
       .kind = OptionKind::real,
       .fallback = "",
       .help = "instead of a size: the fewest bytes with this expected ratio of output to error, in dB",
       .min = 0,
       .max = 200},
      {.name = "activations",
       .kind = OptionKind::word,
       .fallback = "auto",
       .help = "type of the values between operators; auto: the target's with int8 weights, else (and with bits that "
               "layers share) float",
       .words = {"auto", "float", "int8", "uint8", "int16"}},
      {.name = "asymmetric", .kind = OptionKind::flag, .fallback = "false", .help = "zero points for the weights"},
      {.name = "block",
       .kind = OptionKind::integer,
       .fallback = "",
       .help = "input channels that share a scale, instead of all of an output; arithmetic of such layers is float",
       .min = 1,
       .max = 65536},
      {.name = "repair",
       .kind = OptionKind::word,
       .fallback = "reconstruct",
       .help = "codes that keep each layer's output; none: the nearest ones; distill: then also train",
       .words = {"reconstruct", "none", "distill"}},
      {.name = "calibrator",
       .kind = OptionKind::word,
       .fallback = "auto",
       .help = "how ranges are found; auto: by measured error, never worse than minmax",
       .words = {"auto", "minmax", "moving-average", "percentile", "mse", "entropy"}},
      {.name = "percentile",
       .kind = OptionKind::real,
       .fallback = "99.99",
       .help = "percent of the values that the percentile calibrator keeps",
       .min = 50,
       .max = 100},
      {.name = "per_tensor",
       .kind = OptionKind::flag,
       .fallback = "false",
       .help = "one scale a weight tensor instead of one an output channel"},
      {.name = "rounding",
       .kind = OptionKind::word,
       .fallback = "compensated",
       .help =
           "how weights are rounded; compensated: so that the layer's output is kept; rate-aware: also to codes that "
           "pack spends few bits on, as many as size allows",
       .words = {"compensated", "nearest", "rate-aware"}},
      {.name = "bias_correction",
       .kind = OptionKind::flag,
       .fallback = "true",
       .help = "let biases make up for the mean error of the weights, where that helps"},
      {.name = "pair_safe",
       .kind = OptionKind::word,
       .fallback = "auto",
       .help =
           "bound weights so that 16-bit pair sums never saturate; auto: what the target needs; neighbours: the pairs "
           "that kernels add; on: any two of a channel; half-range: every weight by half",
       .words = {"auto", "neighbours", "on", "half-range", "off"}},
      {.name = "weights_only",
       .kind = OptionKind::flag,
       .fallback = "false",
       .help = "quantize weights alone, without calibration data; arithmetic stays float"},
      {.name = "dynamic",
       .kind = OptionKind::flag,
       .fallback = "false",
       .help =
           "int8 weights of MatMul, Gemm and LSTM; their inputs become codes at run time, without calibration data"},
      {.name = "only", .kind = OptionKind::text_list, .fallback = "", .help = "names (globs) of the nodes to quantize"},
      {.name = "skip", .kind = OptionKind::text_list, .fallback = "", .help = "names (globs) of nodes to leave float"},
      {.name = "skip_op", .kind = OptionKind::text_list, .fallback = "", .help = "operators to leave float"},
  };
  return kSchema;
}

WeightSettings weight_settings(const Options& options, const targets::Target& target) {
  WeightSettings settings{.rule = target.pair_rule, .per_tensor = options.flag("per_tensor") || !target.per_channel};
  if (options.word("pair_safe") == "neighbours") settings.rule = targets::PairRule::neighbours_to_128;
  if (options.word("pair_safe") == "on") settings.rule = targets::PairRule::pairs_to_128;
  if (options.word("pair_safe") == "half-range") settings.rule = targets::PairRule::half_range;
  if (options.word("pair_safe") == "off") settings.rule = targets::PairRule::none;
  const bool repair = options.word("repair") != "none";
  settings.compensate = repair && options.word("rounding") == "compensated";
  settings.correct_bias = repair && options.flag("bias_correction");
  return settings;
}

std::vector<std::string> list_of(const Options& options, std::string_view name) {
  return options.is_set(name) ? options.list(name) : std::vector<std::string>{};
}

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
    apply(choice->assignment, plan, graph_);
    EDGESMITH_TRY(ops::infer_types(graph_));
    EDGESMITH_TRY(report({original, graph_, plan, *choice, *extremes}, report_, reference_, context_));
    if (cost) report_one_scale(*cost, context_);
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
    context_.pool->parallel_for(static_cast<int64_t>(layers.size()), [&](int64_t place, int) {
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

// The target, or one that computes on values of that type.
targets::Target target_with(targets::Target target, const std::string& activations) {
  if (activations == "int8") target.activation_dtype = ir::DType::i8;
  if (activations == "uint8") target.activation_dtype = ir::DType::u8;
  if (activations == "int16") target.activation_dtype = ir::DType::i16;
  return target;
}

int bits_of(const std::string& type) { return type.back() - '0'; }

// Whether bits are shared out, and that the options for it fit together.
Result<BitSharing> sharing_of(const Options& options, bool data) {
  const bool rated = options.word("rounding") == "rate-aware", mixed = options.word("bits_per_layer") == "auto";
  const bool sized = options.is_set("size"), by_error = options.is_set("sqnr");
  if (!rated && !mixed) {
    if (!sized && !by_error) return BitSharing::uniform;
    return usage_error(std::string(sized ? "size" : "sqnr") += " is a budget for bits that layers share",
                       "give --bits-per-layer auto or --rounding rate-aware with it");
  }
  if (rated && mixed) {
    return usage_error("rate-aware rounding shares bits out by itself", "leave --bits-per-layer out");
  }
  if (rated && (!sized || by_error)) {
    return usage_error("rate-aware rounding takes a size", "say what codes and scales may take, such as --size 80000");
  }
  if (rated && (options.flag("asymmetric") || options.is_set("block"))) {
    return usage_error("rate-aware rounding gives every output one symmetric scale",
                       "leave --asymmetric and --block out");
  }
  if (options.word("repair") == "none" || options.word("rounding") == "nearest" || options.flag("weights_only")) {
    return usage_error("sharing bits out needs the errors of layers on calibration data",
                       "leave --repair none, --rounding nearest and --weights-only out");
  }
  if (!data) return usage_error("sharing bits out needs calibration data", "give some with --calib");
  return rated ? BitSharing::rate_aware : BitSharing::knapsack;
}

// Codes of 2 to 8 bits for weights; what runs stays float arithmetic.
Result<Change> quantize_low_bit(ir::Graph& graph, const Options& options, const std::vector<bool>& selected,
                                PassContext& context) {
  const LowBitSettings settings{.bits = bits_of(options.word("weights")),
                                .symmetric = !options.flag("asymmetric"),
                                .block_size = options.is_set("block") ? options.integer("block") : 0};
  const bool data = context.calib != nullptr && context.calib->size() > 0;
  const bool repair = options.word("repair") != "none" && options.word("rounding") != "nearest";
  auto sharing = sharing_of(options, data);
  if (!sharing) return sharing.error();
  if (repair && !data && !options.flag("weights_only")) {
    return usage_error("quantize needs calibration data", "give some with --calib, or use --repair none");
  }
  reconstruct::BitBudget budget;
  if (*sharing == BitSharing::rate_aware) budget.bytes = options.integer("size");
  if (*sharing == BitSharing::knapsack) {
    auto read = reconstruct::read_budget(options, "weights");
    if (!read) return read.error();
    budget = *read;
  }
  return set_low_bit_weights(graph, settings, repair && data, *sharing, budget, selected, context);
}

// Weight-only: every selected layer's weights become codes of full range; what runs stays float arithmetic.
Result<Change> quantize_weights_only(ir::Graph& graph, const Options& options, const std::vector<bool>& selected,
                                     PassContext& context) {
  const WeightSettings settings{.per_tensor = options.flag("per_tensor"), .compensate = false, .correct_bias = false};
  std::vector<LayerGroup> layers;
  for (ir::Node& node : graph.nodes()) {
    const ir::Value* weight = weight_of(node);
    const bool wanted = weight != nullptr && selected[static_cast<size_t>(node.id())] &&
                        weight->constant()->encoding() != ir::Encoding::affine &&
                        weight->constant()->dtype() == ir::DType::f32 && weight->constant()->rank() >= 2;
    if (!wanted) continue;
    auto codes = quantize_weight(node, settings, nullptr, {});
    if (!codes) return codes.error();
    layers.push_back({.nodes = {&node}, .plain = std::move(*codes)});
  }
  for (const LayerGroup& layer : layers) {
    report_weight(*layer.nodes[0], layer.plain.weight, 8, layer.plain.sqnr_db, false, context);
    set_constant(graph, *layer.nodes[0], ops::quant_facts(*layer.nodes[0]).weight_operand, layer.plain.weight);
  }
  context.notes.push_back("weights of " + std::to_string(layers.size()) +
                          " operators are int8 codes; arithmetic is float");
  const int tables = quantize_tables(graph, selected, context) + quantize_float_layers(graph, selected, context);
  return layers.empty() && tables == 0 ? Change::none : Change::changed;
}

// A graph input that is a result too must not be annotated: its codes would be the result. Other readers get an
// identity of it, which an annotation on it makes vanish again.
std::vector<ir::Node*> part_inputs_from_results(ir::Graph& graph) {
  std::vector<ir::Node*> identities;
  for (ir::Value* input : graph.inputs()) {
    if (!input->is_graph_output() || input->type().dtype != ir::DType::f32) continue;
    ir::Node* first = nullptr;
    const std::vector<ir::Use> uses(input->uses().begin(), input->uses().end());
    for (const ir::Use& use : uses) {
      if (use.node->is(ir::OpKind::output)) continue;
      if (first == nullptr) {
        ir::Node* position = &input->node();
        while (position->is(ir::OpKind::input) || position->is(ir::OpKind::constant)) position = position->next();
        first = &graph.insert_before(*position, ir::OpKind::identity, {input});
        first->output().set_type(input->type());
        identities.push_back(first);
      }
      graph.set_input(*use.node, use.index, &first->output());
    }
  }
  return identities;
}

// Options that say how calibration data are used, or ask for another form.
Status check_dynamic(const Options& options) {
  for (const char* name : {"weights", "bits_per_layer", "size", "sqnr", "activations", "asymmetric", "block", "repair",
                           "calibrator", "percentile", "rounding", "bias_correction", "weights_only"}) {
    if (!options.given(name)) continue;
    std::string flag(name);
    std::replace(flag.begin(), flag.end(), '_', '-');
    return usage_error("--dynamic and --" + flag + " do not go together", "leave one of them out");
  }
  return {};
}

Result<Change> run_quantize(ir::Graph& graph, const Options& options, PassContext& context) {
  if (options.flag("dynamic")) {
    EDGESMITH_TRY(check_dynamic(options));
    return quantize_dynamic(graph, weight_settings(options, *context.target),
                            {list_of(options, "only"), list_of(options, "skip"), list_of(options, "skip_op")}, context);
  }
  auto selected = select_nodes(graph, list_of(options, "only"), list_of(options, "skip"), list_of(options, "skip_op"));
  if (!selected) return selected.error();
  EDGESMITH_TRY(fold_weights(graph));
  EDGESMITH_TRY(fold_pad_amounts(graph));
  const std::string& activations = options.word("activations");
  const bool shared = options.word("bits_per_layer") == "auto" || options.word("rounding") == "rate-aware" ||
                      options.is_set("size") || options.is_set("sqnr");
  const bool integer_weights = options.word("weights") == "int8" && activations != "float" &&
                               !options.flag("asymmetric") && !options.is_set("block") && !shared;
  const bool floating =
      activations == "float" || (activations == "auto" && (shared || options.word("weights") != "int8"));
  fold_pads_into_layers(graph);
  // A norm may stretch one channel a hundredfold, which a scale for the whole tensor does not bear.
  const bool per_tensor = weight_settings(options, *context.target).per_tensor;
  const bool folds = !floating && !options.flag("weights_only") && !per_tensor;
  const int norms = folds ? fold_norms_into_layers(graph, *selected) : 0;
  if (norms > 0) {
    context.notes.push_back("BatchNormalization folded into the layers before it: " + std::to_string(norms));
  }
  selected->resize(static_cast<size_t>(graph.num_node_ids()), true);
  if (!integer_weights) {
    auto change = quantize_low_bit(graph, options, *selected, context);
    if (!change || floating || options.flag("weights_only")) return change;
    EDGESMITH_TRY(ops::infer_types(graph));
    auto all = select_nodes(graph, list_of(options, "only"), list_of(options, "skip"), list_of(options, "skip_op"));
    if (!all) return all.error();
    selected = std::move(all);
  } else if (options.flag("weights_only"))
    return quantize_weights_only(graph, options, *selected, context);
  if (context.calib == nullptr || context.calib->size() == 0) {
    return usage_error("quantize needs calibration data", "give some with --calib, or use --weights-only");
  }
  const targets::Target target = target_with(*context.target, activations);
  const targets::Target* given = std::exchange(context.target, &target);
  const std::vector<ir::Node*> identities = part_inputs_from_results(graph);
  selected->resize(static_cast<size_t>(graph.num_node_ids()), true);
  auto change = Quantizer(graph, options, context).run(*selected);
  context.target = given;
  for (ir::Node* identity : identities) {
    if (identity->output().quant()) continue;
    graph.replace_all_uses(identity->output(), *identity->input(0));
    graph.erase(*identity);
  }
  if (change && quantize_tables(graph, *selected, context) + quantize_float_layers(graph, *selected, context) > 0) {
    EDGESMITH_TRY(ops::infer_types(graph));
    return Change::changed;
  }
  return change;
}

}  // namespace

extern const PassInfo quantize_pass = {
    .name = "quantize",
    .summary = "static int8 quantization from calibration data, or 2 to 8 bits for the weights alone",
    .options = quantize_options,
    .run = run_quantize,
    .is_step = true,
    .needs_calib = true,
    .calib_unless = "weights_only,dynamic,repair=none",
    .measures_layers = true};

}  // namespace edgesmith::passes
