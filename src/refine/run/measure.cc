// SPDX-License-Identifier: Apache-2.0
// What a run measures of its models, and what it finds in the cache instead.
#include "refine/run/run.h"

#include <algorithm>

#include "edgesmith/onnx/export.h"
#include "edgesmith/refine/output_name.h"
#include "refine/provenance.h"
#include "refine/write_output.h"

namespace edgesmith::refine {
namespace {

/// Outputs that are this close to the original's differ by rounding only (relative error below 1e-4.5).
constexpr double kSameOutputsDb = 90;

}  // namespace

std::optional<double> value_of(const Evaluation& evaluation, const char* metric) {
  const MetricNumbers* numbers = evaluation.find(metric);
  return numbers != nullptr ? std::optional(numbers->value().value) : std::nullopt;
}

void Run::say_cached(const std::string& what) const {
  measure_.progress->begin(what + ": from the cache", 1);
  measure_.progress->end();
}

Result<Evaluation> Run::measure(const ir::Graph& graph, const data::Dataset& data,
                                std::span<const data::MetricInfo* const> metrics, Reference& reference,
                                const std::string& what, const MeasureContext& context, bool* from_cache) {
  // Who knows what a program reads; and the cache's answers are held against the original.
  if (context.program != nullptr || teacher_) return evaluate(graph, data, metrics, &reference, what, context);
  const bool is_original = &graph == &reference.graph();
  const std::string key = cache_->evaluation_key(graph, data, metrics, context);
  auto found = cache_->find_evaluation(key);
  if (from_cache != nullptr) *from_cache = found.has_value();
  if (found) {
    say_cached(what);
    return std::move(*found);
  }
  if (!is_original && reference.kept().empty()) {
    if (auto outputs = cache_->find_outputs(cache_->outputs_key(data))) reference.keep(std::move(*outputs));
  }
  auto evaluation = evaluate(graph, data, metrics, &reference, what, context);
  if (!evaluation) return evaluation;
  if (is_original) cache_->keep_outputs(cache_->outputs_key(data), reference.kept());
  cache_->keep_evaluation(key, *evaluation);
  return evaluation;
}

ir::Graph Run::stamped(const ir::Graph& graph, const Step* last, const Evaluations& evaluations) const {
  // A packed file is for the least bytes.
  if (!options_.provenance || is_packed_name(recipe_.output)) return graph.clone();
  Provenance provenance{&recipe_, &report_.model.sha256, &report_.data, kept_steps_, {}, {}};
  if (last != nullptr) provenance.steps.push_back(last);
  // A model that was only cleaned up is the same model, and must not grow.
  if (std::all_of(provenance.steps.begin(), provenance.steps.end(),
                  [](const Step* step) { return only_cleans(*step); })) {
    return graph.clone();
  }
  if (!evaluations.empty()) {
    provenance.metric = evaluations[0].metrics[0].value();
    provenance.drop = drop_from(baseline_, evaluations[0]);
  }
  return with_provenance(graph, provenance);
}

Result<int64_t> Run::measure_bytes(const ir::Graph& graph, const Step* last, const Evaluations& evaluations) {
  if (!is_packed_name(recipe_.output)) return output_bytes(stamped(graph, last, evaluations), recipe_.output, pool_);
  const std::string key = cache_->bytes_key(graph, "esm");
  if (const auto bytes = cache_->find_bytes(key)) return *bytes;
  auto bytes = output_bytes(graph, recipe_.output, pool_);
  if (bytes) cache_->keep_bytes(key, *bytes);
  return bytes;
}

Status Run::measure_step(const ir::Graph& candidate, const Step& recipe_step, const Feed& feed, StepReport& step,
                         Evaluations& evaluations) {
  const std::string& pass = recipe_step.pass;
  step.size = measure_size(candidate);
  if (feed.data.eval != nullptr) {
    const Clock::time_point start = Clock::now();
    for (const runtime::Arithmetic arithmetic : arithmetics_.models) {
      MeasureContext context = measure_;
      context.executor.arithmetic = arithmetic;
      std::string what = "measure after " + pass;
      if (arithmetics_.models.size() > 1) what += " (" + std::string(runtime::arithmetic_word(arithmetic)) + ")";
      bool from_cache = false;
      auto measured = measure(candidate, *feed.data.eval, metrics_, *feed.reference, what, context, &from_cache);
      if (!measured) return measured.error();
      step.eval_from_cache = from_cache && (evaluations.empty() || step.eval_from_cache);
      evaluations.push_back(std::move(*measured));
    }
    step.eval_seconds = seconds_since(start);
    record(evaluations, step);
  }
  auto bytes = measure_bytes(candidate, &recipe_step, evaluations);
  if (!bytes) return bytes.error().in(recipe_.model + ": " + pass);
  step.size.bytes = *bytes;
  if (asks_for_needs()) {
    auto needs = needs_of(candidate, feed);
    if (!needs) return needs.error().in(recipe_.model + ": " + pass);
    step.needs = *needs;
  }
  return {};
}

Result<TargetNeeds> Run::needs_of(const ir::Graph& graph, const Feed& feed) {
  const bool fed_alike = fed_as_original_ && &feed == &feed_;
  return target_needs(recipe_.gate, *target_, {&*original_, fed_alike ? feed.data.eval.get() : nullptr},
                      {&graph, feed.data.eval.get()}, measure_.executor, measure_.progress);
}

void Run::record(const Evaluations& evaluations, StepReport& step) const {
  step.metric = evaluations[0].metrics[0].value();
  step.drop = drop_from(baseline_, evaluations[0]);
  step.agreement = value_of(evaluations[0], "agreement");
  step.sqnr_db = value_of(evaluations[0], "sqnr");
  step.targets = target_metrics(evaluations);
}

std::vector<TargetMetric> Run::target_metrics(const Evaluations& evaluations) const {
  std::vector<TargetMetric> metrics;
  for (const GateTarget& target : arithmetics_.targets) {
    const Evaluation& evaluation = evaluations[target.arithmetic];
    metrics.push_back({target.name, std::string(runtime::arithmetic_word(arithmetics_.models[target.arithmetic])),
                       evaluation.metrics[0].value(), drop_from(baseline_, evaluation)});
  }
  return metrics;
}

std::vector<DropEvidence> Run::drops(const Evaluations& evaluations) const {
  std::vector<DropEvidence> drops;
  const auto add = [&](const std::string& target, size_t arithmetic) {
    const Evaluation& evaluation = evaluations[arithmetic];
    DropEvidence drop{target, drop_from(baseline_, evaluation), drop_from(best_evaluations_[arithmetic], evaluation)};
    drop.same_outputs = value_of(evaluation, "sqnr").value_or(0) >= kSameOutputsDb && drop.from_original.drop == 0;
    drops.push_back(std::move(drop));
  };
  if (arithmetics_.targets.empty()) add("", 0);
  for (const GateTarget& target : arithmetics_.targets) add(target.name, target.arithmetic);
  return drops;
}

}  // namespace edgesmith::refine
