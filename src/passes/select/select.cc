// SPDX-License-Identifier: Apache-2.0
// After quantize: nodes that the target computes faster on floats go back to floats.
//
//   quantize ─▶ int8 model ─▶ times of its nodes in both precisions (a costs file, or the target's cost model)
//     ─▶ the fastest choice for all nodes, conversions included (precision.cc) ─▶ floats again (set_float.cc)
#include "edgesmith/passes/pass.h"
#include "edgesmith/passes/precision.h"

namespace edgesmith::passes {
namespace {

const OptionSchema& select_options() {
  static const OptionSchema kSchema = {
      {.name = "costs",
       .kind = OptionKind::path,
       .fallback = "",
       .help = "file of node times measured on the device (docs/select.md); without it, the target's cost model"},
      {.name = "min_sqnr",
       .kind = OptionKind::real,
       .fallback = "",
       .help = "leave more nodes float where the results would be further than this from the float model's on "
               "calibration data, in dB",
       .min = 0,
       .max = 200},
  };
  return kSchema;
}

std::string count(int number, const char* what) { return std::to_string(number) + " " + what; }

void report(const PrecisionPlan& plan, const FloatConstants& constants, PassContext& context) {
  int floats = 0;
  for (const PrecisionNode& node : plan.nodes) {
    floats += node.int8 ? 0 : 1;
    context.layers.push_back({.node = node.node,
                              .op = node.op,
                              .value = node.node,
                              .status = node.int8 ? "int8" : "float",
                              .reason = node.why,
                              .numbers = {{"int8_us", node.int8_us}, {"float_us", node.float_us}}});
    if (node.error >= 0) context.layers.back().numbers["error"] = node.error;
  }
  context.notes.push_back(plan.why);
  if (floats == 0) return;
  context.notes.push_back(count(floats, "of ") + count(static_cast<int>(plan.nodes.size()), "nodes are float32 again"));
  if (constants.dequantized > 0) {
    context.notes.push_back("weights: " + count(constants.original, "from the original model, ") +
                            count(constants.dequantized, "from their codes (the original's are others)"));
  }
}

Result<NodePrices> prices_of(const ir::Graph& graph, const targets::Target& target, const Options& options) {
  if (!options.is_set("costs")) return prices_by_model(graph, target);
  const auto costs = read_costs(options.word("costs"));
  if (!costs) return costs.error();
  auto prices = prices_by_costs(graph, target, *costs);
  if (!prices) return prices.error().in(options.word("costs"));
  return prices;
}

Result<Change> run_select(ir::Graph& graph, const Options& options, PassContext& context) {
  const targets::Target& target = *context.target;
  const auto prices = prices_of(graph, target, options);
  if (!prices) return prices.error();
  Result<PrecisionPlan> chosen = PrecisionPlan();
  if (options.is_set("min_sqnr")) {
    if (context.calib == nullptr) {
      return usage_error("select: min_sqnr needs calibration data",
                         "give --calib D, or a [data] calib table in the recipe");
    }
    chosen = choose_precision_within(graph, *context.original, *prices, options.real("min_sqnr"), context);
    if (!chosen) return chosen.error();
  } else {
    chosen = choose_precision(graph, target, *prices);
  }
  const PrecisionPlan& plan = *chosen;
  if (plan.nodes.empty()) {
    context.notes.push_back("no node computes on codes; run quantize before");
    return Change::none;
  }
  FloatConstants constants;
  if (plan.kind != PrecisionKind::all_int8) {
    auto done = set_float(graph, target, plan, context.original);
    if (!done) return done.error();
    constants = *done;
  }
  report(plan, constants, context);
  return plan.kind == PrecisionKind::all_int8 ? Change::none : Change::changed;
}

}  // namespace

extern const PassInfo select_pass = {.name = "select",
                                     .summary = "leave the nodes float that the target computes faster so",
                                     .options = select_options,
                                     .run = run_select,
                                     .is_step = true,
                                     .needs_calib = false,
                                     .may_calib = true};

}  // namespace edgesmith::passes
