// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/findings.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "edgesmith/base/log.h"
#include "passes/convert/half_weights.h"
#include "passes/layer_record.h"
#include "passes/quantize/network_error.h"
#include "passes/quantize/node_form.h"

namespace edgesmith::passes::quantize {
namespace {

std::string number(double value, const char* format) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string db(double value) { return number(value, "%.1f dB"); }

void add_float_record(const ir::Node& node, const NodePlan& plan, PassContext& context) {
  LayerRecord record = layer_record(node, "float");
  record.reason = plan.reason;
  record.advice = plan.advice;
  context.layers.push_back(std::move(record));
}

void add_weight_numbers(const ir::Tensor& weight, double sqnr_db, LayerRecord& record) {
  const auto [least, most] = std::minmax_element(weight.quant().scale.begin(), weight.quant().scale.end());
  record.numbers["weight_scale_min"] = *least;
  record.numbers["weight_scale_max"] = *most;
  if (std::isfinite(sqnr_db)) record.numbers["weight_sqnr_db"] = sqnr_db;
}

// What lies beyond is clipped, not rounded: half a step around the codes.
Range rounded_range(const ir::Quant& quant) {
  const Range codes = code_range(quant);
  return {codes.min - quant.scale[0] / 2, codes.max + quant.scale[0] / 2};
}

class Reporter {
 public:
  Reporter(const Findings& findings, const ValueErrors& errors, PassContext& context)
      : findings_(findings), errors_(errors), context_(context) {}

  void run() {
    for (const ir::Node& node : findings_.original.nodes()) add_records(node);
    add_notes();
  }

 private:
  void add_records(const ir::Node& node) {
    if (node.is(ir::OpKind::input)) {
      if (findings_.plan.set_index(node.output()) >= 0) add_value(node, node.output());
      return;
    }
    const NodePlan& plan = findings_.plan.of(node);
    switch (plan.role) {
      case Role::none: break;
      case Role::integer:
        ++integer_;
        add_integer(node, plan);
        break;
      case Role::moves: ++moving_; break;
      case Role::vanishes: ++vanished_; break;
      case Role::floating:
        ++floating_;
        add_float_record(node, plan, context_);
        break;
    }
  }

  void add_integer(const ir::Node& node, const NodePlan& plan) {
    const ir::Value& result = plan.result == nullptr ? node.output() : *plan.result;
    LayerRecord& record = add_value(node, result);
    if (!plan.reason.empty()) record.reason = plan.reason;
    record.advice = plan.advice;
    const auto codes = findings_.choice.assignment.layers.find(node.id());
    if (codes != findings_.choice.assignment.layers.end()) {
      add_weight_numbers(codes->second->weight, codes->second->sqnr_db, record);
    }
  }

  LayerRecord& add_value(const ir::Node& node, const ir::Value& value) {
    LayerRecord record = layer_record(node, "int8", &value);
    const auto id = static_cast<size_t>(value.id());
    const bool measured = !errors_.noise_to_signal.empty();
    if (measured && errors_.noise_to_signal[id] >= 0)
      record.numbers["sqnr_db"] = std::min(decibels(errors_.noise_to_signal[id]), 200.0);
    const int set = findings_.plan.set_index(value);
    if (set < 0) {
      record.reason = "hands out floats: nothing after it computes on integers";
    } else {
      const ir::Quant& quant = findings_.choice.assignment.scales[static_cast<size_t>(set)];
      record.numbers["min"] = findings_.extremes.range[id].min;
      record.numbers["max"] = findings_.extremes.range[id].max;
      record.numbers["scale"] = quant.scale[0];
      record.numbers["zero_point"] = quant.zero_point[0];
      if (measured) record.numbers["clipped_percent"] = 100 * errors_.share_outside[id];
      record.reason = "calibrator " + quant.method;
      for (const Win& win : findings_.choice.wins) {
        if (win.set != static_cast<size_t>(set)) continue;
        record.reason += ", " + db(win.gain_db) + " better than minmax";
        record.numbers["calibrator_gain_db"] = win.gain_db;
      }
    }
    context_.layers.push_back(std::move(record));
    return context_.layers.back();
  }

  void add_notes() {
    const Choice& choice = findings_.choice;
    context_.notes.push_back(std::to_string(integer_) + " operators compute on integers, " + std::to_string(moving_) +
                             " move codes, " + std::to_string(vanished_) + " vanish, " + std::to_string(floating_) +
                             " stay float; " + std::to_string(findings_.plan.sets.size()) + " activation scales");
    const double error_db = std::isnan(choice.error_db) ? decibels(errors_.outputs) : choice.error_db;
    std::string quality = "outputs are at " + db(error_db) + " SQNR on calibration data";
    if (!choice.wins.empty()) quality += " (" + db(choice.minmax_db) + " with minmax everywhere)";
    context_.notes.push_back(quality);
    if (!choice.wins.empty()) {
      std::string wins = "calibrators other than minmax won for " + std::to_string(choice.wins.size()) + " scales";
      for (const auto& name : {"moving-average", "percentile", "mse", "entropy"}) {
        const auto count = std::count_if(choice.wins.begin(), choice.wins.end(),
                                         [&](const Win& win) { return win.calibrator == name; });
        if (count > 0)
          wins += (wins.ends_with("scales") ? ": " : ", ") + std::string(name) + " " + std::to_string(count);
      }
      context_.notes.push_back(wins);
    }
    if (choice.corrected) {
      context_.notes.push_back("bias correction kept: " + db(choice.error_db) + " against " +
                               db(choice.uncorrected_db) + " without");
    } else if (!std::isnan(choice.uncorrected_db)) {
      context_.notes.push_back("bias correction left out: it did not lower the error on calibration data");
    }
  }

  const Findings& findings_;
  const ValueErrors& errors_;
  PassContext& context_;
  int integer_ = 0, moving_ = 0, vanished_ = 0, floating_ = 0;
};

// The values that have records, by id, with the range of their codes.
std::vector<std::optional<Range>> watched_values(const Findings& findings) {
  std::vector<std::optional<Range>> watched(findings.plan.set_of.size());
  const auto watch = [&](const ir::Value& value) {
    const int set = findings.plan.set_index(value);
    watched[static_cast<size_t>(value.id())] =
        set < 0 ? Range{-INFINITY, INFINITY}
                : rounded_range(findings.choice.assignment.scales[static_cast<size_t>(set)]);
  };
  for (const ir::Node& node : findings.original.nodes()) {
    const NodePlan& plan = findings.plan.of(node);
    for (int i = 0; i < node.num_outputs(); ++i) {
      if (node.is(ir::OpKind::input) && findings.plan.set_index(node.output(i)) >= 0) watch(node.output(i));
    }
    if (plan.role == Role::integer) watch(plan.result == nullptr ? node.output() : *plan.result);
  }
  return watched;
}

// The error of the outputs alone, and that only where the choice did not measure it.
Result<ValueErrors> measure_outputs(const Findings& findings, const Stream& stream, const ReferenceOutputs& reference) {
  ValueErrors errors;
  if (!std::isnan(findings.choice.error_db)) return errors;
  auto measured = OutputErrors(findings.original, stream, &reference).measure({&findings.quantized});
  if (!measured) return measured.error();
  errors.outputs = measured->front();
  return errors;
}

}  // namespace

Status report(const Findings& findings, const Stream& stream, const ReferenceOutputs& reference, PassContext& context) {
  auto errors = context.layer_errors
                    ? measure_values(findings.original, findings.quantized, watched_values(findings), stream)
                    : measure_outputs(findings, stream, reference);
  if (!errors) return errors.error();
  Reporter(findings, *errors, context).run();
  const std::string samples = std::to_string(stream.num_samples()) + " calibration samples";
  if (context.layer_errors) {
    context.notes.push_back("errors and clipped shares of layers are those of " + samples);
  } else if (std::isnan(findings.choice.error_db)) {
    context.notes.push_back("outputs were compared on " + samples);
  }
  return {};
}

void report_one_scale(const TensorScaleCost& cost, PassContext& context) {
  const StretchedLayer& worst = cost.worst;
  const std::string what =
      "one scale for each weight tensor costs " + number(cost.channels_db - cost.tensor_db, "%.1f") +
      " dB: the outputs are at " + db(cost.tensor_db) + " SQNR on calibration data, and at " + db(cost.channels_db) +
      " with a scale for each channel; worst is '" + worst.node + "': channel " + std::to_string(worst.channel) +
      " reaches " + number(worst.largest, "%.3g") + ", the median channel " + number(worst.median, "%.3g") +
      ", its weights are at " + db(worst.tensor_db) + " SQNR, per channel at " + db(worst.channels_db);
  const std::string advice =
      context.target->per_channel
          ? "leave --per-tensor out"
          : "a BatchNormalization that is folded into a weight stretches its channels: quantize the model as it was "
            "before 'simplify', or keep the layer float with --skip '" +
                worst.node + "'";
  log::warning(what + "; " + advice);
  for (LayerRecord& layer : context.layers) {
    if ((layer.node != worst.node && layer.value != worst.node) || !layer.advice.empty()) continue;
    layer.reason += (layer.reason.empty() ? "" : "; ") + std::string("its channels lie far apart for one scale");
    layer.advice = advice;
  }
}

void report_nothing(const ir::Graph& graph, const Plan& plan, PassContext& context) {
  for (const ir::Node& node : graph.nodes()) {
    if (plan.of(node).role == Role::floating) add_float_record(node, plan.of(node), context);
  }
  const bool done =
      std::any_of(plan.sets.begin(), plan.sets.end(), [](const ScaleSet& set) { return set.given.has_value(); });
  context.notes.push_back(done ? "the model is quantized already"
                               : "no operator of the model computes on integers on " +
                                     std::string(context.target->name) + half_weights_hint(graph));
}

void report_weight(const ir::Node& node, const ir::Tensor& weight, int bits, double sqnr_db, bool of_output,
                   PassContext& context) {
  LayerRecord record = layer_record(node, "int" + std::to_string(bits) + " weights");
  add_weight_numbers(weight, of_output ? INFINITY : sqnr_db, record);
  if (of_output && std::isfinite(sqnr_db)) record.numbers["sqnr_db"] = sqnr_db;
  context.layers.push_back(std::move(record));
}

}  // namespace edgesmith::passes::quantize
