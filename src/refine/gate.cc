// SPDX-License-Identifier: Apache-2.0
// The gate: budgets against measurements. The point estimate decides; the interval says how sure that is.
#include "edgesmith/refine/gate.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace edgesmith::refine {
namespace {

/// Verdicts beyond this many samples are not worth naming.
constexpr double kMostSamples = 1e9;

std::string drop_sentence(const data::MetricInfo* metric, const std::string& against, double drop, double budget) {
  const std::string name = metric != nullptr ? std::string(metric->name) : "the metric";
  const auto text = [&](double value) {
    return metric != nullptr ? difference_text(*metric, value) : std::to_string(value);
  };
  const bool falls = metric == nullptr || metric->higher_is_better;
  const std::string change = drop < 0 ? " is better by " + text(-drop) + " than "
                                      : (falls ? " drops by " : " rises by ") + text(drop) + " against ";
  return name + change + against + ", the budget is " + (drop < 0 ? "a drop of " : "") + text(budget);
}

std::string bytes_sentence(const std::string& subject, int64_t bytes, int64_t budget) {
  return subject + " takes " + grouped(bytes) + " bytes, the budget is " + grouped(budget);
}

std::string rounded(double value) {
  char buffer[48];
  std::snprintf(buffer, sizeof buffer, value < 10 ? "%.2f" : "%.1f", value);
  return buffer;
}

/// Where times come from.
std::string by(const TargetNeeds& needs) {
  return needs.measured ? " as measured here" : " by the target's cost model";
}

std::string ram_sentence(const std::string& subject, const std::optional<int64_t>& ram, int64_t budget) {
  const std::string most = "the budget is " + grouped(budget);
  if (!ram) return subject + " has shapes that are known only while it runs, and so has the memory it needs; " + most;
  return subject + " needs " + grouped(*ram) + " bytes of memory, " + most;
}

/// What several budgets say together.
struct Tally {
  bool within = true, decided = true;
  int64_t samples_needed = 0;
  std::string reason;

  void refuse(std::string why) {
    if (within) reason = std::move(why);
    within = false;
  }
  /// By what is no matter of samples: there is nothing left for them to settle.
  void refuse_surely(std::string why) {
    if (within || !decided) reason = std::move(why);
    within = false;
    decided = true;
    samples_needed = 0;
  }
};

void judge_into(Tally& tally, const data::PairedDifference& difference, std::optional<double> budget,
                const std::string& against, bool same_outputs, const data::MetricInfo* metric, int64_t samples) {
  if (!budget) return;
  const DropVerdict verdict = judge_drop(difference, *budget, samples);
  const std::string sentence = drop_sentence(metric, against, difference.drop, *budget);
  if (!verdict.within) tally.refuse(sentence);
  if (verdict.decided || (verdict.within && same_outputs)) return;
  tally.samples_needed = tally.decided ? verdict.samples_needed
                         : tally.samples_needed > 0 && verdict.samples_needed > 0
                             ? std::max(tally.samples_needed, verdict.samples_needed)
                             : 0;  // what no number of samples would settle stays so
  tally.decided = false;
  if (tally.reason.empty()) tally.reason = sentence;
}

}  // namespace

std::string_view status_name(StepStatus status) {
  switch (status) {
    case StepStatus::accepted: return "accepted";
    case StepStatus::rolled_back: return "rolled_back";
    case StepStatus::failed: return "failed";
    case StepStatus::unchanged: return "unchanged";
    case StepStatus::undecided: return "undecided";
    case StepStatus::cancelled: return "cancelled";
  }
  return "";
}

DropVerdict judge_drop(const data::PairedDifference& difference, double max_drop, int64_t samples) {
  DropVerdict verdict;
  verdict.within = difference.drop <= max_drop;  // false for NaN
  if (!std::isfinite(difference.drop)) return verdict;
  const double low = difference.ci95[0], high = difference.ci95[1];
  if (std::isnan(low) || std::isnan(high)) return verdict;  // a program gave one number for all samples
  verdict.decided = verdict.within ? high <= max_drop : low > max_drop;
  if (verdict.decided) return verdict;
  // The half-width shrinks with the square root of the number of samples: it must become the distance to the budget.
  const double half_width = verdict.within ? high - difference.drop : difference.drop - low;
  const double distance = std::abs(max_drop - difference.drop);
  const double ratio = half_width / distance;
  const double needed = static_cast<double>(samples) * ratio * ratio;
  if (distance > 0 && needed < kMostSamples) {
    verdict.samples_needed = std::max(samples + 1, static_cast<int64_t>(std::ceil(needed)));
  }
  return verdict;
}

Decision decide(const Gate& gate, std::optional<double> step_max_drop, std::optional<int64_t> step_max_bytes,
                const data::MetricInfo* metric, const StepEvidence& evidence) {
  if (!evidence.changed) return {StepStatus::unchanged, false, false, true, 0, {}};
  Tally tally;
  for (const DropEvidence& drop : evidence.drops) {
    const std::string where = drop.target.empty() ? "" : " on " + drop.target;
    judge_into(tally, drop.from_original, gate.max_drop, "the original" + where, drop.same_outputs, metric,
               evidence.samples);
    judge_into(tally, drop.from_previous, step_max_drop, "the model before the step" + where, drop.same_outputs, metric,
               evidence.samples);
  }
  const std::string subject = "the model";
  if (step_max_bytes && evidence.bytes > *step_max_bytes) {
    tally.refuse_surely(bytes_sentence(subject, evidence.bytes, *step_max_bytes));
  }
  std::string broken = evidence.last ? broken_budget(gate, subject, evidence.bytes, evidence.needs) : "";
  if (!broken.empty()) tally.refuse_surely(std::move(broken));
  if (!evidence.broken_weight.empty()) {  // which makes of all that was measured what it is
    tally.refuse_surely(evidence.broken_weight);
    tally.reason = evidence.broken_weight;
  }

  Decision decision{StepStatus::accepted, true, false, tally.decided, tally.samples_needed, tally.reason};
  const bool stop = gate.on_fail == OnFail::fail;
  if (!tally.within) {
    decision.status = stop ? StepStatus::failed : StepStatus::rolled_back;
    decision.kept = false;
    decision.refused = true;
  } else if (!tally.decided) {
    decision.status = StepStatus::undecided;
    decision.refused = gate.undecided == OnUndecided::fail;
    decision.kept = !decision.refused;
  }
  return decision;
}

std::string broken_budget(const Gate& gate, const std::string& subject, int64_t bytes, const TargetNeeds& needs) {
  if (gate.max_bytes && bytes > *gate.max_bytes) return bytes_sentence(subject, bytes, *gate.max_bytes);
  if (gate.max_ram && (!needs.ram_bytes || *needs.ram_bytes > *gate.max_ram)) {
    return ram_sentence(subject, needs.ram_bytes, *gate.max_ram);
  }
  if (gate.max_latency_us && !(needs.latency_us.value_or(HUGE_VAL) <= *gate.max_latency_us)) {
    return subject + " takes " + time_text(needs.latency_us.value_or(HUGE_VAL)) + by(needs) + ", the budget is " +
           time_text(*gate.max_latency_us);
  }
  if (gate.min_speedup && !(needs.speedup.value_or(0) >= *gate.min_speedup)) {
    return subject + " is " + times_text(needs.speedup.value_or(0)) + " as fast as the original" + by(needs) +
           ", the budget is " + times_text(*gate.min_speedup);
  }
  return "";
}

std::string grouped(int64_t number) {
  std::string text = std::to_string(number);
  for (int64_t i = static_cast<int64_t>(text.size()) - 3; i > (number < 0 ? 1 : 0); i -= 3) {
    text.insert(static_cast<size_t>(i), ",");
  }
  return text;
}

std::string time_text(double microseconds) { return rounded(microseconds) + " us"; }
std::string times_text(double factor) { return rounded(factor) + " times"; }

std::string difference_text(const data::MetricInfo& metric, double difference) {
  if (metric.unit != "%") return metric_text(metric, difference);
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%.2f points", difference);
  return buffer;
}

std::string metric_text(const data::MetricInfo& metric, double value) {
  char buffer[64];
  if (metric.unit == "%") {
    std::snprintf(buffer, sizeof buffer, "%.2f %%", value);
  } else if (metric.unit == "dB") {
    std::snprintf(buffer, sizeof buffer, "%.2f dB", value);
  } else {
    std::snprintf(buffer, sizeof buffer, "%.5g", value);
  }
  return buffer;
}

}  // namespace edgesmith::refine
