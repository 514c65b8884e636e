// SPDX-License-Identifier: Apache-2.0
// One step after another: the pass on a copy of the best model, then the decision.
#include "refine/run/run.h"

#include <algorithm>

#include "edgesmith/base/interruptible.h"
#include "edgesmith/base/log.h"
#include "edgesmith/base/text.h"
#include "edgesmith/base/time_limit.h"
#include "edgesmith/data/preprocess.h"
#include "edgesmith/onnx/import.h"
#include "refine/advise.h"
#include "refine/broken_weights.h"
#include "refine/weight_pictures.h"
#include "refine/write_output.h"

namespace edgesmith::refine {

std::string preprocess_of(const ir::Graph& graph) {
  const std::string* stored = graph.find_metadata(data::kPreprocessKey);
  return stored != nullptr ? *stored : "";
}

Result<std::optional<Feed>> Run::new_feed(const ir::Graph& candidate, size_t index) {
  const std::string before = preprocess_of(*best_), after = preprocess_of(candidate);
  if (before == after) return std::optional<Feed>();
  const Step& step = recipe_.steps[index];
  Feed feed;
  feed.original = std::make_unique<ir::Graph>(feed_.original->clone());
  if (!before.empty()) feed.original->set_metadata(data::kPreprocessKey, before);
  // What the pass says of the original is the same as of the candidate.
  passes::PassContext context = make_context(index, feed_);
  const auto change = passes::run_pass(*passes::find_pass(step.pass), *feed.original, step.options, context);
  if (!change) return change.error().in(recipe_.model);
  auto data = reopen_run_data(recipe_, candidate, after);
  if (!data) return data.error();
  feed.data = std::move(*data);
  if (feed_.reference != nullptr) {
    feed.reference = std::make_unique<Reference>(*feed.original);
    feed.reference->keep(feed_.reference->kept());
  }
  return std::optional(std::move(feed));
}

passes::PassContext Run::make_context(size_t index, const Feed& feed) {
  passes::PassContext context;
  context.calib = feed.data.calib.get();
  context.train = feed.data.train.get();
  context.original = feed.original.get();
  context.opset = onnx::source_info(*original_).opset;
  context.target = &*target_;
  context.pool = &pool_;
  context.progress = measure_.progress;
  context.layer_errors = options_.layer_errors;
  context.random = Random(recipe_.seed * 0x9E3779B97F4A7C15ull + index);
  context.load_model = [](const std::string& path) { return onnx::import_file(path); };
  return context;
}

Result<passes::Change> Run::run_pass(size_t index, ir::Graph& candidate, StepReport& report) {
  const Step& step = recipe_.steps[index];
  const Clock::time_point start = Clock::now();
  std::string key = cache_->step_key(*best_, recipe_, index, true);
  const bool from_here = options_.from && index >= *options_.from;
  auto found = from_here ? std::nullopt : cache_->find_step(key, candidate, report);
  if (!found && !options_.layer_errors) {
    key = cache_->step_key(*best_, recipe_, index, false);
    if (!from_here) found = cache_->find_step(key, candidate, report);
  }
  if (found) {
    report.from_cache = true;
    report.seconds = seconds_since(start);
    say_cached(step.pass);
    return *found;
  }
  if (options_.from && index < *options_.from) {
    return usage_error(
        "step " + std::to_string(index + 1) + " (" + step.pass + "), which --from leaves out, is not in the cache",
        "run the recipe without --from first");
  }
  passes::PassContext context = make_context(index, feed_);
  bool other_file = false;  // the error is about another model, which names itself
  context.load_model = [&](const std::string& path) {
    auto model = onnx::import_file(path);
    other_file = !model;
    return model;
  };
  const size_t warnings = log::num_warnings();
  const auto change = passes::run_pass(*passes::find_pass(step.pass), candidate, step.options, context);
  if (!change) {
    if (other_file) return change.error();
    return change.error().kind == ErrorKind::usage ? step_error(index, change.error())
                                                   : change.error().in(recipe_.model);
  }
  if (context.stopped_early) return save_interrupted(candidate, *change, step);
  training_ended_by_time_ = context.out_of_time;
  report.seconds = seconds_since(start);
  report.curves = std::move(context.curves);
  report.measured = std::move(context.measured);
  report.notes = std::move(context.notes);
  report.layers = std::move(context.layers);
  add_losses(*best_, report.layers);
  report.weights = draw_weights(*best_, candidate);
  candidate = candidate.clone();  // as it comes back from the cache: uses in the order of nodes
  // What the time cut short would be something else next time.
  if (!training_ended_by_time_) cache_->keep_step(key, *change, candidate, report, log::warnings_after(warnings));
  return *change;
}

bool Run::ended_by_time(const Status& status) {
  return !status.ok() && status.error().kind == ErrorKind::interrupted && !stop_requested();
}

std::string Run::time_limit_text() const { return "the time limit of " + shortest(options_.time_limit) + " s"; }

void Run::cancel(size_t index, bool begun, double seconds) {
  const Step& step = recipe_.steps[index];
  StepReport report;
  report.pass = step.pass;
  report.options = step.options.effective();
  report.status = StepStatus::cancelled;
  report.kept = false;
  report.reason = time_limit_text() + " was over before it " + (begun ? "was done" : "began");
  report.seconds = seconds;
  report.size = best_size_;
  if (feed_.data.eval != nullptr) record(best_evaluations_, report);
  log::warning(step.pass + " was cancelled: " + report.reason);
  report_.steps.push_back(std::move(report));
  refused_ = true;
  stopped_ = recipe_.gate.on_fail == OnFail::fail;
}

Status Run::run_step_in_time(size_t index) {
  const Clock::time_point start = Clock::now();
  const bool begun = !time_end_ || start < *time_end_;
  training_ended_by_time_ = false;
  Status status;
  if (begun) {
    const TimeLimit limit(time_end_);
    status = run_step(index);
  }
  if (begun && !ended_by_time(status)) return status;
  if (stop_requested()) return Error{ErrorKind::interrupted, "interrupted before " + recipe_.steps[index].pass, ""};
  cancel(index, begun, seconds_since(start));
  return {};
}

Status Run::run_step(size_t index) {
  const Step& step = recipe_.steps[index];
  if (interrupted()) return Error{ErrorKind::interrupted, "interrupted before " + step.pass, ""};
  StepReport report;
  report.pass = step.pass;
  report.options = step.options.effective();
  ir::Graph candidate = best_->clone();
  const size_t warnings = log::num_warnings();
  const auto change = run_pass(index, candidate, report);
  if (!change) return change.error();
  const TimeLimit judging(training_ended_by_time_ ? std::nullopt : time_end_);  // the best of a training is judged
  StepEvidence evidence;
  evidence.changed = *change == passes::Change::changed;
  evidence.last = index + 1 == recipe_.steps.size();
  Evaluations evaluations;
  std::optional<Feed> feed;
  if (evidence.changed) {
    auto made = new_feed(candidate, index);
    if (!made) return made.error();
    feed = std::move(*made);
    EDGESMITH_TRY(measure_step(candidate, step, feed ? *feed : feed_, report, evaluations));
    evidence.bytes = report.size.bytes;
    evidence.needs = report.needs;
    evidence.broken_weight = find_broken_weight(*best_, candidate);
    if (!evaluations.empty()) {
      evidence.samples = evaluations[0].samples;
      evidence.drops = drops(evaluations);
    }
  } else {
    report.size = best_size_;
    if (feed_.data.eval != nullptr) record(best_evaluations_, report);
  }
  const Decision decision =
      decide(recipe_.gate, step.max_drop, step.max_bytes, metrics_.empty() ? nullptr : metrics_[0], evidence);
  settle(step, decision, warnings, report);
  if (decision.kept) {
    best_ = std::move(candidate);
    kept_steps_.push_back(&step);
    best_size_ = report.size;
    best_needs_ = report.needs;
    if (feed) {
      feed_ = std::move(*feed);
      fed_as_original_ = false;
    }
    if (feed_.data.eval != nullptr) best_evaluations_ = std::move(evaluations);
  }
  report_.steps.push_back(std::move(report));
  return {};
}

// The result is not measured: whoever pressed Ctrl-C does not want to wait.
Error Run::save_interrupted(const ir::Graph& candidate, passes::Change change, const Step& step) {
  Error error{ErrorKind::interrupted, "interrupted in " + step.pass, ""};
  const std::string resume = step.options.has("checkpoint") && step.options.is_set("checkpoint")
                                 ? "go on with --resume " + step.options.word("checkpoint")
                                 : "";
  if (change == passes::Change::none || recipe_.output.empty()) {
    error.message += ", before any weights did better: nothing is written";
    error.hint = resume;
    return error;
  }
  const Uninterrupted saving;
  auto written = write_output(candidate, recipe_.output, pool_, {.existing = replaced_if(options_.force)});
  if (!written) return written.error();
  error.hint = "the best weights so far are in " + recipe_.output + ", neither measured nor judged by the gate" +
               (resume.empty() ? "" : "; " + resume);
  return error;
}

void Run::settle(const Step& step, const Decision& decision, size_t warnings, StepReport& report) {
  report.status = decision.status;
  report.kept = decision.kept;
  report.reason = decision.reason;
  any_kept_ = any_kept_ || decision.kept;
  refused_ = refused_ || decision.refused;
  stopped_ = decision.refused && recipe_.gate.on_fail == OnFail::fail;
  if (decision.status == StepStatus::unchanged) {
    report.reason = report.notes.empty() ? "found nothing to do" : report.notes.front();
    const std::vector<std::string> said = log::warnings_after(warnings);
    const bool known = std::find(said.begin(), said.end(), report.reason) != said.end();
    log::warning(step.pass + " changed nothing" + (known ? "" : ": " + report.reason));
  }
  const bool undone = decision.status == StepStatus::rolled_back || decision.status == StepStatus::failed;
  if (!undone && decision.decided) return;
  std::string doubt;
  if (!decision.decided) {
    doubt = decision.samples_needed > 0
                ? "; the samples cannot tell for sure, about " + grouped(decision.samples_needed) + " would settle it"
                : "; the samples cannot tell for sure, and no number of them would settle it";
  }
  const char* what = !undone ? " is undecided: " : stopped_ ? " failed: " : " was rolled back: ";
  log::warning(step.pass + what + decision.reason + doubt);
}

}  // namespace edgesmith::refine
