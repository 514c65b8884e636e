// SPDX-License-Identifier: Apache-2.0
// The fastest plan whose results stay near those of the float model.
//
//   each node alone on codes ─▶ its part of the error, measured once
//     ─▶ the fastest plan whose parts add up to no more than the budget (precision.cc)
//     ─▶ measured as a whole; over the budget: again, with a smaller sum
#include <algorithm>
#include <cmath>
#include <numeric>

#include "edgesmith/ops/op_info.h"
#include "passes/quantize/network_error.h"
#include "passes/select/precision_units.h"
#include "passes/select/set_float.h"

namespace edgesmith::passes {
namespace {

using select::Unit;
using select::Units;

// Samples that tell errors, and multiply-adds that all nodes alone may take together: some ten seconds of two cores.
constexpr int64_t kMostErrorSamples = 64, kFewestErrorSamples = 8;
constexpr double kMostErrorWork = 1e12;
// Graphs that run side by side on the same samples.
constexpr size_t kGraphsTogether = 4;
// Plans that are measured as a whole. Errors of nodes hardly ever add up to less than they are together, so one or two
// are enough; each next sum is this much below what the last one suggests.
constexpr int kMostPlans = 8;
constexpr double kBelow = 0.95;

std::string decibel_text(double noise_to_signal) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1f dB", quantize::decibels(noise_to_signal));
  return buffer;
}

// Every node that may choose, on codes where `on_codes` says so.
PrecisionPlan plan_of(const Units& units, const std::vector<bool>& on_codes) {
  PrecisionPlan plan;
  for (const Unit& unit : units.list) {
    if (unit.choice < 0) continue;
    plan.nodes.push_back({.id = unit.nodes.front()->id(), .int8 = on_codes[static_cast<size_t>(unit.choice)]});
  }
  return plan;
}

class ErrorMeter {
 public:
  ErrorMeter(const ir::Graph& graph, ir::Graph cleaned, PassContext& context)
      : graph_(graph),
        target_(*context.target),
        cleaned_(std::move(cleaned)),
        all_codes_(graph.clone()),
        units_(select::find_units(all_codes_, target_)),
        floats_(with(plan_of(units_, std::vector<bool>(num_choices(), false)))),
        stream_(*context.calib, graph, *context.pool, *context.progress, samples()),
        errors_(floats_, stream_) {}

  size_t num_choices() const { return static_cast<size_t>(units_.num_choices); }

  /// Noise to signal of the results with `plan`.
  Result<double> of(const PrecisionPlan& plan) {
    const ir::Graph graph = with(plan);
    auto errors = errors_.measure({&graph});
    if (!errors) return errors.error();
    return (*errors)[0];
  }

  /// The same with each node alone on codes, by node id; the parts add up to what all of them do together.
  Result<std::vector<double>> parts(double together) {
    std::vector<double> alone;
    for (size_t first = 0; first < num_choices(); first += kGraphsTogether) {
      std::vector<ir::Graph> graphs;
      for (size_t c = first; c < std::min(first + kGraphsTogether, num_choices()); ++c) {
        std::vector<bool> one(num_choices(), false);
        one[c] = true;
        graphs.push_back(with(plan_of(units_, one)));
      }
      std::vector<const ir::Graph*> candidates;
      for (const ir::Graph& graph : graphs) candidates.push_back(&graph);
      auto errors = errors_.measure(candidates);
      if (!errors) return errors.error();
      alone.insert(alone.end(), errors->begin(), errors->end());
    }
    const double sum = std::accumulate(alone.begin(), alone.end(), 0.0);
    const double scale = sum > 0 && std::isfinite(together) ? together / sum : 1;
    std::vector<double> parts(static_cast<size_t>(graph_.num_node_ids()), 0);
    for (const Unit& unit : units_.list) {
      if (unit.choice < 0) continue;
      parts[static_cast<size_t>(unit.nodes.front()->id())] = scale * alone[static_cast<size_t>(unit.choice)];
    }
    return parts;
  }

 private:
  ir::Graph with(const PrecisionPlan& plan) const {
    ir::Graph graph = graph_.clone();
    select::set_float_from(graph, target_, plan, &cleaned_);
    return graph;
  }

  int64_t samples() const {
    double work = 1;
    for (const ir::Node& node : graph_.nodes()) work += static_cast<double>(ops::cost_of(node).macs);
    const double affordable = kMostErrorWork / (work * static_cast<double>(num_choices() + 1));
    return std::clamp(static_cast<int64_t>(std::min(affordable, 1e6)), kFewestErrorSamples, kMostErrorSamples);
  }

  const ir::Graph& graph_;
  const targets::Target& target_;
  const ir::Graph cleaned_, all_codes_;
  const Units units_;
  const ir::Graph floats_;
  const quantize::Stream stream_;
  quantize::OutputErrors errors_;
};

}  // namespace

Result<PrecisionPlan> choose_precision_within(const ir::Graph& graph, const ir::Graph& original,
                                              const NodePrices& prices, double sqnr_db, PassContext& context) {
  auto cleaned = select::clean_original(original, *context.target);
  if (!cleaned) return cleaned.error();
  ErrorMeter meter(graph, std::move(*cleaned), context);
  if (meter.num_choices() == 0) return choose_precision(graph, *context.target, prices);
  PrecisionPlan int8;
  const auto together = meter.of(int8);
  if (!together) return together.error();
  auto parts = meter.parts(*together);
  if (!parts) return parts.error();

  const double most = std::pow(10, -sqnr_db / 10);
  PrecisionErrors errors = {std::move(*parts), most};
  PrecisionPlan plan;
  double measured = 0;
  for (int attempt = 0; attempt <= kMostPlans; ++attempt) {
    if (attempt == kMostPlans) errors.most = -1;  // floats everywhere
    plan = choose_precision(graph, *context.target, prices, &errors);
    if (plan.kind == PrecisionKind::all_float) {
      measured = 0;
      break;
    }
    const auto whole = plan.kind == PrecisionKind::all_int8 ? Result<double>(*together) : meter.of(plan);
    if (!whole) return whole.error();
    measured = *whole;
    if (measured <= most) break;
    errors.most = std::min(errors.most, most) * kBelow * (std::isfinite(measured) ? most / measured : 0);
  }
  plan.error = measured;
  plan.why += "; the results are " +
              (measured > 0 ? "at " + decibel_text(measured) + " SQNR on calibration data" : "those of floats") +
              (plan.kind == PrecisionKind::all_int8 ? "" : " (int8 everywhere: " + decibel_text(*together) + ")");
  return plan;
}

}  // namespace edgesmith::passes
