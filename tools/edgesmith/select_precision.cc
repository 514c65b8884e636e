// SPDX-License-Identifier: Apache-2.0
#include "select_precision.h"

#include <nlohmann/json.hpp>

#include "edgesmith/base/file.h"
#include "edgesmith/base/log.h"
#include "edgesmith/base/sha256.h"
#include "edgesmith/onnx/export.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/precision.h"
#include "edgesmith/refine/output_name.h"
#include "edgesmith/refine/runner.h"
#include "edgesmith/report/document.h"
#include "edgesmith/report/plan.h"
#include "edgesmith/report/terminal.h"
#include "numbers.h"

namespace edgesmith::cli {
namespace {

using passes::PrecisionKind;
using passes::PrecisionNode;
using passes::PrecisionPlan;
using report::Table;
using Json = nlohmann::ordered_json;

const char* kind_word(PrecisionKind kind) {
  switch (kind) {
    case PrecisionKind::all_int8: return "int8";
    case PrecisionKind::all_float: return "float32";
    case PrecisionKind::mixed: return "mixed";
  }
  return "";
}

const char* precision_word(bool int8) { return int8 ? "int8" : "float32"; }

/// The choice for one model with what it rests on.
struct Chosen {
  std::string model_path, model_sha256, target;
  std::string costs_path;
  std::optional<passes::Costs> costs;
  PrecisionPlan plan;
  std::optional<onnx::ExportSummary> output;
  passes::FloatConstants constants;
};

Json node_json(const PrecisionNode& node) {
  Json json = {{"id", node.id},
               {"node", node.node},
               {"op", node.op},
               {"precision", precision_word(node.int8)},
               {"time_us", node.int8 ? node.int8_us : node.float_us}};
  if (!node.fused.empty()) json["fused"] = node.fused;
  json["runner_up"] = {{"precision", precision_word(!node.int8)},
                       {"time_us", node.int8 ? node.float_us : node.int8_us},
                       {"plan_us", node.other_plan_us}};
  if (node.error >= 0) json["error"] = node.error;
  json["why"] = node.why;
  return json;
}

std::string as_json(const Chosen& chosen, const std::string& output_path) {
  const PrecisionPlan& plan = chosen.plan;
  Json costs;
  if (chosen.costs) {
    costs = {{"path", chosen.costs_path},
             {"runtime", chosen.costs->runtime},
             {"version", chosen.costs->version},
             {"cpu", chosen.costs->cpu}};
  }
  Json nodes = Json::array();
  for (const PrecisionNode& node : plan.nodes) nodes.push_back(node_json(node));
  Json json = {{"schema", "edgesmith.plan/1"},
               {"model", {{"path", chosen.model_path}, {"sha256", chosen.model_sha256}}},
               {"target", chosen.target},
               {"version", EDGESMITH_VERSION},
               {"costs", std::move(costs)},
               {"precision", kind_word(plan.kind)},
               {"why", plan.why},
               {"nodes", std::move(nodes)},
               {"predicted_us", plan.predicted_us},
               {"int8_us", plan.int8_us},
               {"float32_us", plan.float_us},
               {"mixed_us", plan.mixed_us}};
  if (plan.error) json["error"] = *plan.error;
  if (chosen.output) {
    json["output"] = {{"path", output_path}, {"sha256", chosen.output->sha256}, {"bytes", chosen.output->bytes}};
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

std::string as_text(const Chosen& chosen, bool color) {
  const PrecisionPlan& plan = chosen.plan;
  std::string text = report::paint(chosen.model_path, report::Style::bold, color) + "\n  for " + chosen.target;
  text += chosen.costs
              ? ", times of " + chosen.costs->runtime + " " + chosen.costs->version + " on " + chosen.costs->cpu
              : ", times of the profile's cost model";
  using enum Table::Align;
  Table nodes({left, left, left, right, right, left});
  nodes.head({"node", "op", "precision", "int8", "float32", "why"});
  for (const PrecisionNode& node : plan.nodes) {
    nodes.row({node.node, node.op, precision_word(node.int8), microseconds(node.int8_us), microseconds(node.float_us),
               node.why});
  }
  text += "\n\n" + nodes.text(color) + "\n";
  Table totals({left, right, left});
  totals.row({"int8", microseconds(plan.int8_us), chosen.costs ? "the whole file, measured" : "every node"});
  totals.row({"float32", microseconds(plan.float_us), chosen.costs ? "the whole file, measured" : "every node"});
  totals.row({"chosen", microseconds(plan.predicted_us), std::string(kind_word(plan.kind)) + ": " + plan.why});
  text += totals.text(color);
  if (chosen.constants.dequantized > 0) {
    text += "  weights of " + std::to_string(chosen.constants.dequantized) +
            " nodes that are float now come from their codes; --original FLOAT.onnx gives the ones they were made of\n";
  }
  return text;
}

class PrecisionRun {
 public:
  PrecisionRun(const PrecisionFlags& flags, const targets::Target& target) : flags_(flags), target_(target) {}

  Result<int> run(const Common& common) {
    EDGESMITH_TRY(check_data());
    EDGESMITH_TRY(check_outputs());
    const auto file = MappedFile::open(flags_.model);
    if (!file) return file.error();
    chosen_ = {.model_path = flags_.model, .model_sha256 = sha256_hex((*file)->bytes()), .target = target_.name};
    auto graph = onnx::import_file(flags_.model);
    if (!graph) return graph.error();
    const Status types = ops::infer_types(*graph);
    if (!types) return types.error().in(flags_.model);
    EDGESMITH_TRY(load_original(*graph));
    EDGESMITH_TRY(choose(*graph, common));
    if (!flags_.model_output.empty()) EDGESMITH_TRY(write_model(*graph));
    const std::string document = as_json(chosen_, flags_.model_output);
    if (!flags_.output.empty()) EDGESMITH_TRY(write_file(flags_.output, document + "\n", replaced_if(flags_.force)));
    if (!common.report.empty()) {
      EDGESMITH_TRY(report::write_document("select " + flags_.model, document, common.report,
                                           report::plan_picture(chosen_.plan)));
    }
    if (common.json) {
      print(document);
    } else if (!common.quiet) {
      print(as_text(chosen_, use_color(common)));
    }
    return 0;
  }

 private:
  Status check_outputs() const {
    std::vector<std::string> inputs = {flags_.model};
    for (const std::string& input : {flags_.costs, flags_.original, flags_.data.calib.path}) {
      if (!input.empty()) inputs.push_back(input);
    }
    EDGESMITH_TRY(refine::check_ending(flags_.output, "a plan in JSON", ".json"));
    EDGESMITH_TRY(refine::check_ending(flags_.model_output, "ONNX", ".onnx"));
    for (const std::string& output : {flags_.output, flags_.model_output}) {
      EDGESMITH_TRY(refine::check_output(output, inputs, flags_.force));
      if (!output.empty()) inputs.push_back(output);
    }
    return {};
  }

  Status check_data() const {
    const bool calib = !flags_.data.calib.path.empty();
    if (flags_.min_sqnr && (!calib || flags_.original.empty())) {
      return usage_error("select: --min-sqnr compares with the float model on calibration data",
                         "add --original FLOAT.onnx and --calib D");
    }
    if (flags_.min_sqnr && !(*flags_.min_sqnr >= 0 && *flags_.min_sqnr <= 200)) {
      return usage_error("select: --min-sqnr is not in 0 to 200", "give it in dB, such as 30");
    }
    if (!flags_.min_sqnr && calib) return usage_error("select: --calib is for --min-sqnr", "add --min-sqnr DB");
    return {};
  }

  // A model that was trained after it was quantized has other weights than its float model, which --min-sqnr may well
  // be about; without --min-sqnr a file of other weights is good for nothing.
  Status load_original(const ir::Graph& graph) {
    if (flags_.original.empty()) return {};
    auto imported = onnx::import_file(flags_.original);
    if (!imported) return imported.error();
    original_ = std::move(*imported);
    const auto fits = passes::has_weights_of(graph, target_, *original_);
    if (!fits) return fits.error().in(flags_.original);
    if (*fits) return {};
    const std::string what = flags_.original + ": none of its weights are those that " + flags_.model + " was made of";
    if (!flags_.min_sqnr) {
      return invalid_error(what, "name the float model that was quantized, or leave out --original");
    }
    log::warning(what + ": results are compared with it, and weights come from their codes");
    return {};
  }

  // Only plans whose results stay near the float model's.
  Status choose_within(const ir::Graph& graph, const passes::NodePrices& prices, const Common& common) {
    auto spec = make_spec(flags_.data.calib, flags_.data, common.color, common.seed.value_or(0));
    if (!spec) return spec.error();
    const auto calib = data::open_dataset(**spec, graph);
    if (!calib) return calib.error();
    const auto progress = make_progress(common);
    if (!progress) return progress.error();
    ThreadPool pool(common.threads);
    passes::PassContext context;
    context.calib = calib->get();
    context.target = &target_;
    context.pool = &pool;
    context.progress = progress->get();
    auto plan = passes::choose_precision_within(graph, *original_, prices, *flags_.min_sqnr, context);
    if (!plan) return plan.error();
    chosen_.plan = std::move(*plan);
    return {};
  }

  Status choose(const ir::Graph& graph, const Common& common) {
    Result<passes::NodePrices> prices = passes::NodePrices();
    if (flags_.costs.empty()) {
      prices = passes::prices_by_model(graph, target_);
      if (!prices) return prices.error();
    } else {
      auto costs = passes::read_costs(flags_.costs);
      if (!costs) return costs.error();
      if (costs->int8.sha256 != chosen_.model_sha256) {
        log::warning(flags_.costs + ": measured with " + costs->int8.path + " (sha256 " + costs->int8.sha256 +
                     "), not with " + flags_.model + " (" + chosen_.model_sha256 + ")");
      }
      prices = passes::prices_by_costs(graph, target_, *costs);
      if (!prices) return prices.error().in(flags_.costs);
      chosen_.costs_path = flags_.costs;
      chosen_.costs = std::move(*costs);
    }
    if (flags_.min_sqnr) {
      EDGESMITH_TRY(choose_within(graph, *prices, common));
    } else {
      chosen_.plan = passes::choose_precision(graph, target_, *prices);
    }
    if (!chosen_.plan.nodes.empty()) return {};
    return usage_error(flags_.model + ": no node computes on codes on '" + target_.name + "'",
                       "quantize it first, for this target: 'edgesmith quantize --target " + flags_.target + "'");
  }

  Status write_model(ir::Graph& graph) {
    if (chosen_.plan.kind != PrecisionKind::all_int8) {
      auto done = passes::set_float(graph, target_, chosen_.plan, original_ ? &*original_ : nullptr);
      if (!done) return done.error().in(flags_.original);
      chosen_.constants = *done;
    }
    auto written = onnx::export_file(graph, flags_.model_output, {.existing = replaced_if(flags_.force)});
    if (!written) return written.error();
    chosen_.output = std::move(*written);
    return {};
  }

  const PrecisionFlags& flags_;
  const targets::Target& target_;
  std::optional<ir::Graph> original_;
  Chosen chosen_;
};

}  // namespace

Result<int> select_precision(const PrecisionFlags& flags, const targets::Target& target, const Common& common) {
  return PrecisionRun(flags, target).run(common);
}

}  // namespace edgesmith::cli
