// SPDX-License-Identifier: Apache-2.0
// The passes themselves, on a copy and without repair: the bytes of a file depend on shapes and names, and hardly on
// which codes the weights got. Two things are done another way:
//
//   int8    scales of activations need data: every value that `quantize` would annotate gets the range -1..1, whose
//           nodes and constants take as many bytes as any other
//   share   exact k-means of all weights takes long: they are rounded to 9 bits first, so that few differ
#include "edgesmith/passes/forecast.h"

#include <bit>
#include <cmath>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "edgesmith/base/interruptible.h"
#include "edgesmith/ops/op_info.h"
#include "passes/quantize/assignment.h"
#include "passes/quantize/fold_into_layers.h"
#include "passes/quantize/node_form.h"
#include "passes/quantize/plan.h"

namespace edgesmith::passes {
namespace {

using namespace quantize;

using Settings = std::initializer_list<std::pair<std::string_view, std::string_view>>;

Result<Change> run_with(std::string_view name, const Settings& settings, ir::Graph& graph, PassContext& context) {
  const PassInfo& pass = *find_pass(name);
  Options options(pass.options());
  for (const auto& [option, text] : settings) EDGESMITH_TRY(options.set_text(option, text));
  return run_pass(pass, graph, options, context);
}

Result<Change> simplify(ir::Graph& graph, PassContext& context) { return run_with("simplify", {}, graph, context); }

Result<Change> prune(ir::Graph& graph, PassContext& context) {
  return run_with("prune", {{"sparsity", "0.5"}, {"repair", "none"}}, graph, context);
}

Result<Change> int4(ir::Graph& graph, PassContext& context) {
  return run_with("quantize", {{"weights", "int4"}, {"repair", "none"}}, graph, context);
}

// To the nearest float of 9 bits (sign and exponent aside); zero stays, nothing becomes infinite that was not.
float rounded(float number) {
  constexpr uint32_t kDropped = (1U << 15) - 1;
  const uint32_t bits = std::bit_cast<uint32_t>(number), up = (bits + (kDropped >> 1) + 1) & ~kDropped;
  const bool finite = (up & 0x7f800000U) != 0x7f800000U;
  return std::bit_cast<float>(finite ? up : bits & ~kDropped);
}

Result<Change> share(ir::Graph& graph, PassContext& context) {
  for (ir::Node& node : graph.nodes()) {
    const ir::Value* weight = weight_of(node);
    if (weight == nullptr || weight->constant()->dtype() != ir::DType::f32 ||
        weight->constant()->encoding() != ir::Encoding::dense) {
      continue;
    }
    std::vector<float> numbers = weight->constant()->to_floats();
    const bool finite = std::all_of(numbers.begin(), numbers.end(), [](float x) { return std::isfinite(x); });
    if (!finite) continue;  // the pass says so
    for (float& number : numbers) number = rounded(number);
    graph.set_tensor(weight->node(), ir::Tensor::of<float>(weight->constant()->dims(), numbers));
  }
  return run_with("share", {{"bits", "4"}, {"repair", "none"}}, graph, context);
}

// Codes of the layers that compute on integers; those that share a constant in the same form share its codes.
class Int8 {
 public:
  Int8(ir::Graph& graph, PassContext& context) : graph_(graph), context_(context) {}

  Result<Change> run() {
    const targets::Target& target = *context_.target;
    fold_pads_into_layers(graph_);
    if (target.per_channel) fold_norms_into_layers(graph_, {});
    const std::vector<bool> all(static_cast<size_t>(graph_.num_node_ids()), true);
    Regions regions = find_regions(graph_, target, all, "");
    const std::vector<NodePlan> roles = regions.nodes;
    const std::vector<Range> ranges(static_cast<size_t>(graph_.num_value_ids()), Range{-1, 1});
    const Plan plan = plan_scales(graph_, std::move(regions), target, ranges);
    EDGESMITH_TRY(code_weights(roles));
    bool any = !assignment_.layers.empty();
    for (const ScaleSet& set : plan.sets) {
      any = any || !set.given;
      assignment_.scales.push_back(set.given ? *set.given
                                             : activation_quant(set.fixed.value_or(Range{-1, 1}), set.bounds,
                                                                target.activation_dtype, "forecast",
                                                                target.symmetric_activations));
    }
    if (!any) return Change::none;
    assignment_.float_bias = target.float_bias;
    apply(assignment_, plan, graph_);
    EDGESMITH_TRY(ops::infer_types(graph_));
    return Change::changed;
  }

 private:
  Status code_weights(const std::vector<NodePlan>& roles) {
    std::vector<std::pair<const ir::Node*, std::optional<Result<WeightCodes>>>> layers;
    std::map<std::pair<const ir::Value*, int>, size_t> known;
    std::vector<std::pair<int, size_t>> uses;  // node id, layer
    for (const ir::Node& node : graph_.nodes()) {
      if (roles[static_cast<size_t>(node.id())].role != Role::integer) continue;
      const ir::Value* weight = weight_of(node);
      if (weight == nullptr || weight->constant()->encoding() == ir::Encoding::affine) continue;
      const auto [at, fresh] = known.emplace(std::pair(weight, weight_axis(node)), layers.size());
      if (fresh) layers.emplace_back(&node, std::nullopt);
      uses.emplace_back(node.id(), at->second);
    }
    const WeightSettings settings{.rule = context_.target->pair_rule,
                                  .per_tensor = !context_.target->per_channel,
                                  .compensate = false,
                                  .correct_bias = false};
    interruptible_for(*context_.pool, static_cast<int64_t>(layers.size()), [&](int64_t index, int) {
      auto& [node, codes] = layers[static_cast<size_t>(index)];
      codes = quantize_weight(*node, settings, nullptr, {});
    });
    EDGESMITH_TRY(check_interrupted());
    for (auto& [node, codes] : layers) {
      if (!*codes) return codes->error();
      codes_.push_back(std::move(**codes));
    }
    for (const auto& [id, layer] : uses) assignment_.layers.emplace(id, &codes_[layer]);
    return {};
  }

  ir::Graph& graph_;
  PassContext& context_;
  std::deque<WeightCodes> codes_;
  Assignment assignment_;
};

Result<Change> int8(ir::Graph& graph, PassContext& context) { return Int8(graph, context).run(); }

constexpr Technique kTechniques[] = {
    {"simplify", "simplify", "the pass, on a copy", simplify},
    {"prune 50 %", "prune --sparsity 0.5", "the pass with --repair none, on a copy", prune},
    {"share 4 bits", "share --bits 4", "the pass with --repair none, on a copy with weights rounded to 9 bits", share},
    {"int8", "quantize", "nearest codes, and every activation with the range -1..1, on a copy", int8},
    {"int4 weights", "quantize --weights int4", "the pass with --repair none, on a copy", int4},
};

}  // namespace

std::span<const Technique> forecast_techniques() { return kTechniques; }

Result<Change> forecast(const Technique& technique, const targets::Target& target, ThreadPool& pool, ir::Graph& graph) {
  ProgressSink silent;
  const ir::Graph original = graph.clone();
  PassContext context;
  context.original = &original;
  context.target = &target;
  context.pool = &pool;
  context.progress = &silent;
  auto change = technique.run(graph, context);
  EDGESMITH_TRY(check_interrupted());
  return change;
}

}  // namespace edgesmith::passes
