// SPDX-License-Identifier: Apache-2.0
// The gate decides after every step whether the model may stay as the step left it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "edgesmith/data/metric.h"

namespace edgesmith::refine {

/// What happens when the gate says no.
enum class OnFail {
  rollback,  ///< undo the step and go on with the best model so far
  fail,      ///< stop and write nothing
};

/// What happens when the samples cannot tell whether a budget holds.
enum class OnUndecided {
  accept,  ///< the point estimate decides
  fail,    ///< not settled is not enough: the step counts as refused
};

/// Budgets. What is not set is measured and reported, never judged; those but `max_drop` are judged after the last
/// step.
struct Gate {
  std::string metric;           ///< "": top1 where there are labels, else agreement; a name of one's own for a program
  std::string metric_command;   ///< of a program that computes the metric (docs/metrics.md); "": it is one of ours
  double metric_timeout = 600;  ///< seconds that the program may take
  bool metric_lower = false;    ///< smaller values of the program's metric are better
  std::optional<double> max_drop;    ///< against the original: points of a percentage, else the metric's own unit
  std::optional<int64_t> max_bytes;  ///< of the finished file
  std::optional<int64_t> max_ram;    ///< of the target, as `check` counts it: activations, and weights that lie there
  std::optional<double> max_latency_us;  ///< of one sample on the target
  std::optional<double> min_speedup;     ///< the original's time over the result's, on the target
  /// Targets whose arithmetic every accuracy budget must hold under: names, or paths of profiles. Empty: exact sums.
  std::vector<std::string> targets;
  OnFail on_fail = OnFail::rollback;
  OnUndecided undecided = OnUndecided::accept;

  bool times() const { return max_latency_us.has_value() || min_speedup.has_value(); }
};

enum class StepStatus { accepted, rolled_back, failed, unchanged, undecided, cancelled };
/// "accepted", "rolled_back", ...
std::string_view status_name(StepStatus status);

/// Whether a drop stays within its budget.
struct DropVerdict {
  bool within = true;          ///< by the point estimate
  bool decided = true;         ///< the 95 % interval lies on one side of the budget
  int64_t samples_needed = 0;  ///< when undecided: so many samples would settle it; 0: no number would
};

/// Compares `difference`, measured on `samples` samples, with `max_drop`. A drop that is not a number is refused.
DropVerdict judge_drop(const data::PairedDifference& difference, double max_drop, int64_t samples);

/// What was measured with one arithmetic.
struct DropEvidence {
  std::string target;  ///< that the gate names; "" when it names none
  data::PairedDifference from_original;
  data::PairedDifference from_previous;  ///< against the best model before the step
  /// The outputs are the original's up to rounding, so that there is nothing for an interval to be unsure about.
  bool same_outputs = false;
};

/// What a model needs of the target, as far as a budget of the gate asks.
struct TargetNeeds {
  std::optional<int64_t> ram_bytes;  ///< absent: not asked for, or shapes are known only while running
  std::optional<double> latency_us;  ///< of one sample
  std::optional<double> speedup;     ///< the original's time over this model's
  double speedup_ci95[2] = {0, 0};   ///< where it was measured
  bool measured = false;             ///< the times were taken on this machine; else they are the target's cost model
};

/// Everything the gate looks at after one step.
struct StepEvidence {
  bool changed = true;              ///< the pass changed the graph
  bool last = true;                 ///< no step comes after it
  std::vector<DropEvidence> drops;  ///< every one must be within the budgets; empty: nothing was measured
  int64_t samples = 0;
  int64_t bytes = 0;
  TargetNeeds needs;
  std::string broken_weight;  ///< a sentence about a weight that is no number: never within a budget
};

/// The decision with its reason, a sentence for people (empty when there is nothing to say).
struct Decision {
  StepStatus status = StepStatus::accepted;
  bool kept = true;            ///< the model goes on as the step left it
  bool refused = false;        ///< the run ends with exit code 1
  bool decided = true;         ///< false: the samples cannot tell, the point estimate did
  int64_t samples_needed = 0;  ///< then: so many would settle it; 0: no number would
  std::string reason;
};

/// Applies the budgets of `gate`, and a step's own (`step_max_drop` against the model before it, `step_max_bytes`).
Decision decide(const Gate& gate, std::optional<double> step_max_drop, std::optional<int64_t> step_max_bytes,
                const data::MetricInfo* metric, const StepEvidence& evidence);

/// The first budget of the finished model (bytes, memory, time) that does not hold, as a sentence about `subject` ("the
/// model"); "" when all hold.
std::string broken_budget(const Gate& gate, const std::string& subject, int64_t bytes, const TargetNeeds& needs);

/// "1,234,567".
std::string grouped(int64_t number);
/// A metric's value for people: "88.40 %", "31.25 dB", "0.0123".
std::string metric_text(const data::MetricInfo& metric, double value);
/// "812.4 us", and "2.05 times".
std::string time_text(double microseconds);
std::string times_text(double factor);
/// A difference of two of its values: "0.12 points", "1.50 dB", "0.0123".
std::string difference_text(const data::MetricInfo& metric, double difference);

}  // namespace edgesmith::refine
