// SPDX-License-Identifier: Apache-2.0
// The pass `quantize`: which of its forms the options ask for.
//
//   int8 weights and values                           static_int8.h
//   weights of 2 to 8 bits, values float or integers   low_bit_layers.h, then static_int8.h
//   weights_only                                      weights_only.h
//   dynamic                                           dynamic.h
#include <utility>

#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/pass.h"
#include "passes/quantize/dynamic.h"
#include "passes/quantize/float_layers.h"
#include "passes/quantize/fold_into_layers.h"
#include "passes/quantize/fold_pad_amounts.h"
#include "passes/quantize/fold_weights.h"
#include "passes/quantize/low_bit_layers.h"
#include "passes/quantize/options.h"
#include "passes/quantize/static_int8.h"
#include "passes/quantize/tables.h"
#include "passes/quantize/weights_only.h"
#include "passes/selectors.h"
#include "passes/simplify/fuse_pad.h"

namespace edgesmith::passes {
namespace {

using namespace quantize;

// The target, or one that computes on values of that type.
targets::Target target_with(targets::Target target, const std::string& activations) {
  if (activations == "int8") target.activation_dtype = ir::DType::i8;
  if (activations == "uint8") target.activation_dtype = ir::DType::u8;
  if (activations == "int16") target.activation_dtype = ir::DType::i16;
  return target;
}

// Ranges of fewer samples are too narrow for others. (The demo's model, SQNR of 10,000 test pictures: 17.9 dB from one
// picture, 25.6 from two, 26.9 from four, 27.5 from eight, 30.8 from 16, 29.5 from 64.)
constexpr int64_t kFewSamples = 16;

int bits_of(const std::string& type) { return type.back() - '0'; }

// Codes of 2 to 8 bits for weights; what runs stays float arithmetic.
Result<Change> quantize_low_bit(ir::Graph& graph, const Options& options, const std::vector<bool>& selected,
                                PassContext& context) {
  const LowBitSettings settings{.bits = bits_of(options.word("weights")),
                                .symmetric = !options.flag("asymmetric"),
                                .block_size = options.is_set("block") ? options.integer("block") : 0};
  const bool data = context.calib != nullptr && context.calib->size() > 0;
  const bool repair = options.word("repair") != "none" && options.word("rounding") != "nearest";
  const auto bits = bit_options(options, data);
  if (!bits) return bits.error();
  if (repair && !data && !options.flag("weights_only")) {
    return usage_error("quantize needs calibration data", "give some with --calib, or use --repair none");
  }
  return set_low_bit_weights(graph, settings, repair && data, *bits, selected, context);
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

// Values between operators, and weights that are not codes yet.
Result<Change> quantize_values(ir::Graph& graph, const Options& options, std::vector<bool> selected,
                               PassContext& context) {
  if (context.calib == nullptr || context.calib->size() == 0) {
    return usage_error("quantize needs calibration data", "give some with --calib, or use --weights-only");
  }
  const targets::Target target = target_with(*context.target, options.word("activations"));
  const targets::Target* given = std::exchange(context.target, &target);
  const std::vector<ir::Node*> identities = part_inputs_from_results(graph);
  selected.resize(static_cast<size_t>(graph.num_node_ids()), true);
  auto change = quantize_static(graph, options, selected, context);
  if (const int64_t samples = context.calib->size(); change && *change == Change::changed && samples < kFewSamples) {
    context.notes.push_back("ranges come from " + std::to_string(samples) + (samples == 1 ? " sample" : " samples") +
                            ", too few to stand for others: give " + std::to_string(kFewSamples) + " or more");
  }
  context.target = given;
  for (ir::Node* identity : identities) {
    if (identity->output().quant()) continue;
    graph.replace_all_uses(identity->output(), *identity->input(0));
    graph.erase(*identity);
  }
  if (change && quantize_tables(graph, selected, context) + quantize_float_layers(graph, selected, context) > 0) {
    EDGESMITH_TRY(ops::infer_types(graph));
    return Change::changed;
  }
  return change;
}

Result<Change> run_quantize(ir::Graph& graph, const Options& options, PassContext& context) {
  const WeightSettings weights = weight_settings(options, *context.target);
  const Selectors selectors = read_selectors(options);
  if (options.flag("dynamic")) {
    return quantize_dynamic(graph, weights, selectors, context);
  }
  auto selected = select_nodes(graph, selectors);
  if (!selected) return selected.error();
  EDGESMITH_TRY(fold_weights(graph));
  EDGESMITH_TRY(fold_pad_amounts(graph));
  const Form form = form_of(options);
  fold_pads_into_layers(graph);
  // A norm may stretch one channel a hundredfold, which a scale for the whole tensor does not bear.
  const int norms = !form.floating && !weights.per_tensor ? fold_norms_into_layers(graph, *selected) : 0;
  if (norms > 0) {
    context.notes.push_back("BatchNormalization folded into the layers before it: " + std::to_string(norms));
  }
  if (const int left = form.floating ? count_foldable_norms(graph) : 0; left > 0) {
    context.notes.push_back(std::to_string(left) + " BatchNormalization " + (left == 1 ? "stays" : "stay") +
                            " behind layers: run simplify first, which folds them into weights, for a smaller model");
  }
  selected->resize(static_cast<size_t>(graph.num_node_ids()), true);
  if (form.integer_weights && options.flag("weights_only")) {
    return quantize_weights_only(graph, options, *selected, context);
  }
  if (!form.integer_weights) {
    auto change = quantize_low_bit(graph, options, *selected, context);
    if (!change || form.floating) return change;
    EDGESMITH_TRY(ops::infer_types(graph));
    selected = select_nodes(graph, selectors);
    if (!selected) return selected.error();
  }
  return quantize_values(graph, options, std::move(*selected), context);
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
    .check = quantize::check_quantize,
    .measures_layers = true};

}  // namespace edgesmith::passes
