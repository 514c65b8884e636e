// SPDX-License-Identifier: Apache-2.0
#include "refine/target_needs.h"

#include <algorithm>

#include "edgesmith/base/cpu.h"
#include "edgesmith/data/run_model.h"
#include "edgesmith/data/seeded_inputs.h"
#include "edgesmith/passes/node_cost.h"
#include "edgesmith/refine/bench.h"
#include "edgesmith/refine/target_check.h"

namespace edgesmith::refine {
namespace {

/// Samples that are fed in turns.
constexpr int64_t kTimedSamples = 4;

bool is_host(const targets::Target& target) { return target.name == "host"; }

/// Inputs to time `model` with: a few samples, or seeded numbers.
Result<std::vector<std::vector<ir::Tensor>>> timed_inputs(const NeedyModel& model) {
  std::vector<std::vector<ir::Tensor>> all;
  if (model.data == nullptr) {
    auto inputs = data::seeded_inputs(*model.graph, {.memory_limit = memory_bytes()});
    if (!inputs) return inputs.error();
    all.push_back(std::move(*inputs));
    return all;
  }
  const int64_t count = std::min(kTimedSamples, model.data->size());
  for (int64_t i = 0; i < count; ++i) {
    auto sample = model.data->sample(i * model.data->size() / count);
    if (!sample) return sample.error();
    if (model.data->whole_run()) {
      all.push_back(std::move(sample->inputs));
      continue;
    }
    auto inputs = data::stack_inputs(std::span(&*sample, 1), *model.graph);
    if (!inputs) return inputs.error();
    all.push_back(std::move(*inputs));
  }
  return all;
}

Status measure_times(const NeedyModel& original, const NeedyModel& model, const runtime::ExecutorOptions& executor,
                     ProgressSink* progress, TargetNeeds& needs) {
  auto before = timed_inputs(original), after = timed_inputs(model);
  if (!before) return before.error();
  if (!after) return after.error();
  const BenchModel models[] = {{original.graph, std::move(*before)}, {model.graph, std::move(*after)}};
  BenchOptions options;
  options.runs = default_runs(*original.graph, 1);
  options.warmup = std::max<int64_t>(2, options.runs / 20);
  options.executor = executor;
  options.executor.reassociate = true;  // as `bench` runs it
  options.progress = progress;
  const auto report = bench(models, options);
  if (!report) return report.error();
  const auto batch = static_cast<double>(std::max<int64_t>(1, data::declared_batch(*model.graph)));
  const TimeRatio ratio = ratio_of_medians(report->results[1].nanoseconds, report->results[0].nanoseconds, 0);
  needs.measured = true;
  needs.latency_us = report->results[1].latency.median / batch;
  needs.speedup = ratio.ratio;
  std::copy_n(ratio.ci95, 2, needs.speedup_ci95);
  return {};
}

}  // namespace

Status check_time_budgets(const Gate& gate, const targets::Target& target) {
  if (!gate.times() || is_host(target) || target.device.clock_hz) return {};
  return usage_error("the profile of target '" + target.name + "' has no clock, so nothing says how long a model takes",
                     "use --target host (measured here), or a target with a clock ('edgesmith targets')");
}

Result<TargetNeeds> target_needs(const Gate& gate, const targets::Target& target, const NeedyModel& original,
                                 const NeedyModel& model, const runtime::ExecutorOptions& executor,
                                 ProgressSink* progress) {
  TargetNeeds needs;
  if (gate.max_ram) needs.ram_bytes = check_target(*model.graph, target).memory.ram_bytes;
  if (!gate.times()) return needs;
  if (is_host(target)) {
    EDGESMITH_TRY(measure_times(original, model, executor, progress, needs));
    return needs;
  }
  const double before = passes::estimate_costs(*original.graph, target).seconds.value_or(0);
  const double after = passes::estimate_costs(*model.graph, target).seconds.value_or(0);
  needs.latency_us = after * 1e6;
  if (after > 0) needs.speedup = before / after;
  return needs;
}

}  // namespace edgesmith::refine
