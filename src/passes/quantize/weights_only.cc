// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/weights_only.h"

#include "edgesmith/base/interruptible.h"
#include "edgesmith/ops/op_info.h"
#include "passes/quantize/choice.h"
#include "passes/quantize/findings.h"
#include "passes/quantize/float_layers.h"
#include "passes/quantize/node_form.h"
#include "passes/quantize/tables.h"

namespace edgesmith::passes::quantize {

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
    EDGESMITH_TRY(check_interrupted());
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

}  // namespace edgesmith::passes::quantize
