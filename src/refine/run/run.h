// SPDX-License-Identifier: Apache-2.0
// The life of a run: import, open the data, measure the original (load.cc), then pass by pass: run on a copy, verify,
// decide (steps.cc), measured before that (measure.cc); at the end write the best model (finish.cc). Models between the
// steps: between.cc.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "edgesmith/base/clock.h"
#include "edgesmith/refine/measure.h"
#include "edgesmith/refine/runner.h"
#include "refine/cache/run_cache.h"
#include "refine/clock.h"
#include "refine/gate_arithmetic.h"
#include "refine/run_data.h"
#include "refine/step_files.h"
#include "refine/target_needs.h"

namespace edgesmith::refine {

/// What a step is measured as: one evaluation for every arithmetic of the gate, in its order.
using Evaluations = std::vector<Evaluation>;

/// The number of another metric than the gate's; nullopt where it was not measured.
std::optional<double> value_of(const Evaluation& evaluation, const char* metric);

/// The preprocessing that a model remembers; "" for none.
std::string preprocess_of(const ir::Graph& graph);

/// True when the result of a step is the same model, only cleaner.
bool only_cleans(const Step& step);

/// What the models of a run are fed with. A step that moves preprocessing into the graph brings a new one.
struct Feed {
  RunData data;
  std::unique_ptr<ir::Graph> original;  ///< the original model, with the same preprocessing moved into it
  std::unique_ptr<Reference> reference;
};

/// Everything a run holds while it goes on.
class Run {
 public:
  Run(const Recipe& recipe, const RunOptions& options) : recipe_(recipe), options_(options), pool_(options.threads) {
    measure_.pool = &pool_;
    measure_.progress = options.progress != nullptr ? options.progress : &silent_;
    report_.command = options.command;
    report_.recipe = recipe;
    if (options.time_limit > 0) {
      time_end_ =
          start_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.time_limit));
    }
  }

  Result<RunReport> run();

 private:
  Status check_data() const;
  Status check_steps() const;
  /// For errors: "step 2 (quantize)".
  std::string step_name(size_t index) const;
  /// A usage error of a step with the file that is to be changed: the recipe, where one was written, and keys in place
  /// of flags; else the model.
  Error step_error(size_t index, Error error) const;
  /// The same, of options alone: nothing is said of the model.
  Error option_error(size_t index, Error error) const;
  Status load();
  Status measure_baseline();
  Status load_teacher();
  /// Everything before the first step: load(), measure_baseline(), begin_behind().
  Status begin();
  Status run_step(size_t index);
  /// run_step(), or a report that the time limit cancelled the step.
  Status run_step_in_time(size_t index);
  void cancel(size_t index, bool begun, double seconds);
  /// Whether it was the time limit that ended what returned `status`.
  static bool ended_by_time(const Status& status);
  std::string time_limit_text() const;
  /// Takes the models after the first `count` steps from the folder of an earlier run, and measures them.
  Status begin_behind(size_t count);
  /// Writes the model after the first `count` steps, where that is asked for.
  Status keep_step(size_t count) const;
  StepOrigin origin() const { return {&recipe_, model_identity(*original_, report_.model.sha256), &report_.data}; }
  /// The pass of a step on `candidate`, or its result from the cache.
  Result<passes::Change> run_pass(size_t index, ir::Graph& candidate, StepReport& report);
  /// evaluate(), or its result from the cache.
  Result<Evaluation> measure(const ir::Graph& graph, const data::Dataset& data,
                             std::span<const data::MetricInfo* const> metrics, Reference& reference,
                             const std::string& what, const MeasureContext& context, bool* from_cache = nullptr);
  /// Hashing takes several times as long as cleaning a large model up: not without need.
  bool wants_hashes() const;
  void say_cached(const std::string& what) const;
  /// The output's bytes, its provenance included.
  Result<int64_t> measure_bytes(const ir::Graph& graph, const Step* last, const Evaluations& evaluations);
  /// `graph` as it is written, when `last` is kept, too.
  ir::Graph stamped(const ir::Graph& graph, const Step* last, const Evaluations& evaluations) const;
  passes::PassContext make_context(size_t index, const Feed& feed);
  /// The feed for `candidate` when the step changed its preprocessing, else nothing.
  Result<std::optional<Feed>> new_feed(const ir::Graph& candidate, size_t index);
  /// Measures with `feed`.
  Status measure_step(const ir::Graph& candidate, const Step& recipe_step, const Feed& feed, StepReport& step,
                      Evaluations& evaluations);
  /// What budgets of memory and time ask of a model that is fed by `feed`.
  Result<TargetNeeds> needs_of(const ir::Graph& graph, const Feed& feed);
  bool asks_for_needs() const { return recipe_.gate.max_ram || recipe_.gate.times(); }
  /// Puts what was measured into the report of a step.
  void record(const Evaluations& evaluations, StepReport& step) const;
  std::vector<TargetMetric> target_metrics(const Evaluations& evaluations) const;
  /// What the gate is shown of a changed model.
  std::vector<DropEvidence> drops(const Evaluations& evaluations) const;
  data::PairedDifference drop_from(const Evaluation& before, const Evaluation& after) const {
    return paired_difference(before.metrics[0], after.metrics[0]);
  }
  /// Writes what a pass left that the user stopped; returns the error that ends the run.
  Error save_interrupted(const ir::Graph& candidate, passes::Change change, const Step& step);
  /// `warnings`: how many there were before the step.
  void settle(const Step& step, const Decision& decision, size_t warnings, StepReport& report);
  Status measure_test();
  Status measure_test_data();
  Status finish();
  bool writes_nothing() const;
  std::string verdict() const;
  /// What the result kept of its budgets, for the verdict; empty: there were none.
  std::vector<std::string> kept_budgets() const;

  const Recipe& recipe_;
  const RunOptions& options_;
  ProgressSink silent_;
  ThreadPool pool_;
  MeasureContext measure_;
  RunReport report_;
  Clock::time_point start_ = Clock::now();
  std::optional<Clock::time_point> time_end_;

  std::optional<targets::Target> target_;
  std::optional<ir::Graph> original_, best_;
  std::optional<ir::Graph> teacher_;  ///< what results are held against in place of the original
  std::optional<RunCache> cache_;
  std::vector<const Step*> kept_steps_;
  ModelSize best_size_;
  Feed feed_;
  bool hashes_ = true;                            ///< of both models; without them nothing is cached
  bool fed_as_original_ = true;                   ///< no step has changed what models are fed with
  std::vector<const data::MetricInfo*> metrics_;  ///< the gate's first
  GateArithmetics arithmetics_;
  Evaluation baseline_;           ///< of the original
  Evaluations best_evaluations_;  ///< of the best model, by arithmetic
  std::optional<TargetNeeds> best_needs_;
  std::string broken_;                   ///< the budget that the result breaks
  bool stopped_ = false;                 ///< on_fail = fail said no
  bool refused_ = false;                 ///< some step, or the finished model, broke a budget
  bool any_kept_ = false;                ///< some step changed the model and was kept
  bool training_ended_by_time_ = false;  ///< in the step at work
};

}  // namespace edgesmith::refine
