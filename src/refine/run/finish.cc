// SPDX-License-Identifier: Apache-2.0
// The end of a run: test data, verdict, output.
#include "refine/run/run.h"

#include <sys/resource.h>
#include <algorithm>
#include <filesystem>

#include "edgesmith/base/log.h"
#include "edgesmith/base/text.h"
#include "edgesmith/base/time_limit.h"
#include "refine/write_output.h"

namespace edgesmith::refine {
namespace {

int64_t peak_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<int64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace

Status Run::measure_test() {
  const TimeLimit limit(time_end_);
  const Status status = measure_test_data();
  if (!ended_by_time(status)) return status;
  report_.test_before = report_.test_after = std::nullopt;
  log::warning("test data were not measured: " + time_limit_text() + " was over");
  return {};
}

Status Run::measure_test_data() {
  if (feed_.data.test == nullptr || writes_nothing()) return {};
  auto metrics = choose_metrics(recipe_, *feed_.data.test, measure_.program);
  if (!metrics) return metrics.error();
  Reference reference(teacher_ ? *teacher_ : *feed_.original);
  const std::span<const data::MetricInfo* const> first(metrics->data(), 1);
  const data::Dataset& data = *feed_.data.test;
  auto before = measure(*feed_.original, data, first, reference, "test the original", measure_);
  if (!before) return before.error();
  auto after = measure(*best_, data, first, reference, "test the result", measure_);
  if (!after) return after.error();
  report_.test_before = before->metrics[0].value();
  report_.test_after = after->metrics[0].value();
  report_.test_drop = drop_from(*before, *after);
  return {};
}

bool Run::writes_nothing() const { return recipe_.output.empty() || stopped_ || (refused_ && !any_kept_); }

std::string Run::verdict() const {
  for (const StepReport& step : report_.steps) {
    if (step.status == StepStatus::failed) return step.pass + " failed the gate: " + step.reason;
    if (step.status == StepStatus::rolled_back) return step.pass + " was rolled back: " + step.reason;
    if (step.status == StepStatus::undecided && !step.kept) return step.pass + " is undecided: " + step.reason;
    if (step.status == StepStatus::cancelled) return step.pass + " was cancelled: " + step.reason;
  }
  if (!broken_.empty()) return broken_;
  const std::vector<std::string> kept = kept_budgets();
  if (!kept.empty()) {
    return "within the budget: the result " + join(kept, ", and ") +
           (feed_.data.eval == nullptr ? "; its accuracy was not measured" : "");
  }
  if (feed_.data.eval == nullptr) return "nothing was gated: no evaluation data were given";
  return "no budget was set: measured, not judged";
}

std::vector<std::string> Run::kept_budgets() const {
  const Gate& gate = recipe_.gate;
  std::vector<std::string> kept;
  if (gate.max_drop && feed_.data.eval != nullptr) {
    double drop = drop_from(baseline_, best_evaluations_[0]).drop;
    for (const Evaluation& evaluation : best_evaluations_) drop = std::max(drop, drop_from(baseline_, evaluation).drop);
    const std::string most = difference_text(*metrics_[0], *gate.max_drop);
    kept.push_back("lost " + (drop > 0 ? difference_text(*metrics_[0], drop) : std::string("nothing")) +
                   " of at most " + most);
    if (arithmetics_.targets.size() > 1) {
      kept.back() += " on each of " + std::to_string(arithmetics_.targets.size()) + " targets";
    }
  }
  if (gate.max_bytes) {
    kept.push_back("takes " + grouped(best_size_.bytes) + " of at most " + grouped(*gate.max_bytes) + " bytes");
  }
  if (!best_needs_) return kept;
  if (gate.max_ram && best_needs_->ram_bytes) {
    kept.push_back("needs " + grouped(*best_needs_->ram_bytes) + " of at most " + grouped(*gate.max_ram) +
                   " bytes of memory");
  }
  if (gate.max_latency_us && best_needs_->latency_us) {
    kept.push_back("takes " + time_text(*best_needs_->latency_us) + " of at most " + time_text(*gate.max_latency_us));
  }
  if (gate.min_speedup && best_needs_->speedup) {
    kept.push_back("is " + times_text(*best_needs_->speedup) + " as fast as the original, which had to be " +
                   times_text(*gate.min_speedup));
  }
  return kept;
}

Status Run::finish() {
  if (asks_for_needs() && !best_needs_ && !stopped_) {
    auto needs = needs_of(*best_, feed_);
    if (!needs) return needs.error().in(recipe_.model);
    best_needs_ = *needs;
  }
  // A budget that no step met, because the last one changed nothing or was undone for another reason.
  broken_ = broken_budget(recipe_.gate, "the result", best_size_.bytes, best_needs_.value_or(TargetNeeds()));
  refused_ = refused_ || !broken_.empty();
  if (interrupted()) return Error{ErrorKind::interrupted, "interrupted before writing the result", ""};
  if (!writes_nothing()) {
    const ir::Graph result = stamped(*best_, nullptr, best_evaluations_);
    auto written =
        write_output(result, recipe_.output, pool_, {.hash = hashes_, .existing = replaced_if(options_.force)});
    if (!written) return written.error();
    ModelFile output;
    output.path = recipe_.output;
    output.sha256 = written->sha256;
    output.size = best_size_;
    output.size.bytes = static_cast<int64_t>(written->bytes);
    output.opset = written->opset;
    report_.output = std::move(output);
    report_.output_notes = written->notes;
    report_.final_needs = best_needs_.value_or(TargetNeeds());
  } else if (std::error_code ignored; std::filesystem::exists(recipe_.output, ignored)) {
    log::warning(recipe_.output + ": is not of this run, which writes no model");
  }
  if (report_.output && feed_.data.eval != nullptr) {
    const Evaluation& best = best_evaluations_[0];
    report_.final_metric = best.metrics[0].value();
    report_.final_drop = drop_from(baseline_, best);
    report_.final_agreement = value_of(best, "agreement");
    report_.final_sqnr_db = value_of(best, "sqnr");
    report_.final_targets = target_metrics(best_evaluations_);
  }
  bool rolled_back_only = true;
  for (const StepReport& step : report_.steps) {
    const bool cancelled = step.status == StepStatus::cancelled && stopped_;  // under on_fail = fail
    if (step.status == StepStatus::failed || (step.status == StepStatus::undecided && !step.kept) || cancelled) {
      rolled_back_only = false;
    }
  }
  report_.verdict = verdict();
  report_.exit_code = refused_ && !(options_.allow_rollback && rolled_back_only) ? 1 : 0;
  report_.peak_rss_bytes = peak_rss_bytes();
  report_.seconds = seconds_since(start_);
  report_.warnings = log::take_warnings();
  return {};
}

}  // namespace edgesmith::refine
