// SPDX-License-Identifier: Apache-2.0
// The life of a run: import, open the data, measure the original, then pass by pass: run on a copy, verify, measure,
// decide; at the end write the best model.
#include "edgesmith/refine/runner.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "edgesmith/base/file.h"
#include "edgesmith/base/log.h"
#include "edgesmith/base/sha256.h"
#include "edgesmith/data/preprocess.h"
#include "edgesmith/onnx/export.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/refine/measure.h"
#include "refine/advise.h"
#include "refine/clock.h"
#include "refine/gate_arithmetic.h"
#include "refine/run_data.h"
#include "refine/weight_pictures.h"
#include "refine/write_output.h"

namespace edgesmith::refine {
namespace {

namespace fs = std::filesystem;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

int64_t peak_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<int64_t>(usage.ru_maxrss) * 1024;
}

/// Outputs that are this close to the original's differ by rounding only (relative error below 1e-4.5).
constexpr double kSameOutputsDb = 90;

/// Everything that the run reads and must not write.
std::vector<std::string> input_files(const Recipe& recipe) {
  std::vector<std::string> files = {recipe.model};
  for (const auto* spec : {&recipe.data.calib, &recipe.data.train, &recipe.data.eval, &recipe.data.test}) {
    if (*spec) files.push_back((*spec)->path);
  }
  return files;
}

/// What a step is measured as: one evaluation for every arithmetic of the gate, in its order.
using Evaluations = std::vector<Evaluation>;

std::optional<double> value_of(const Evaluation& evaluation, const char* metric) {
  const MetricNumbers* numbers = evaluation.find(metric);
  return numbers != nullptr ? std::optional(numbers->value().value) : std::nullopt;
}

/// Everything a run holds while it goes on.
class Run {
 public:
  Run(const Recipe& recipe, const RunOptions& options) : recipe_(recipe), options_(options), pool_(options.threads) {
    measure_.pool = &pool_;
    measure_.progress = options.progress != nullptr ? options.progress : &silent_;
    report_.command = options.command;
    report_.recipe = recipe;
  }

  Result<RunReport> run() {
    EDGESMITH_TRY(check_output(recipe_.output, input_files(recipe_), options_.force));
    EDGESMITH_TRY(check_data());
    EDGESMITH_TRY(load());
    EDGESMITH_TRY(measure_baseline());
    for (size_t i = 0; i < recipe_.steps.size() && !stopped_; ++i) {
      Status status = run_step(i);
      if (!status.ok()) return status.error();
    }
    EDGESMITH_TRY(measure_test());
    EDGESMITH_TRY(finish());
    return std::move(report_);
  }

 private:
  Status check_data() const;
  Status load();
  Status measure_baseline();
  Status run_step(size_t index);
  Status measure_step(const ir::Graph& candidate, const std::string& pass, StepReport& step, Evaluations& evaluations);
  /// Puts what was measured into the report of a step.
  void record(const Evaluations& evaluations, StepReport& step) const;
  std::vector<TargetMetric> target_metrics(const Evaluations& evaluations) const;
  /// What the gate is shown of a changed model.
  std::vector<DropEvidence> drops(const Evaluations& evaluations) const;
  data::PairedDifference drop_from(const Evaluation& before, const Evaluation& after) const {
    return data::paired_difference(*metrics_[0], before.metrics[0].numbers, after.metrics[0].numbers);
  }
  /// Writes what a pass left that the user stopped; returns the error that ends the run.
  Error save_interrupted(const ir::Graph& candidate, passes::Change change, const std::string& pass);
  void settle(const Step& step, const Decision& decision, StepReport& report);
  Status measure_test();
  Status finish();
  bool writes_nothing() const;
  std::string verdict() const;

  const Recipe& recipe_;
  const RunOptions& options_;
  ProgressSink silent_;
  ThreadPool pool_;
  MeasureContext measure_;
  RunReport report_;
  Clock::time_point start_ = Clock::now();

  std::optional<targets::Target> target_;
  std::optional<ir::Graph> original_, best_;
  ModelSize best_size_;
  RunData data_;
  std::unique_ptr<Reference> reference_;
  std::vector<const data::MetricInfo*> metrics_;  ///< the gate's first
  GateArithmetics arithmetics_;
  Evaluation baseline_;           ///< of the original
  Evaluations best_evaluations_;  ///< of the best model, by arithmetic
  bool stopped_ = false;          ///< on_fail = fail said no
  bool refused_ = false;          ///< some step, or the finished model, broke a budget
  bool any_kept_ = false;         ///< some step changed the model and was kept
};

// Before any work is done.
Status Run::check_data() const {
  for (const Step& step : recipe_.steps) {
    if (passes::find_pass(step.pass)->needs_train && !recipe_.data.train) {
      return usage_error(step.pass + " needs training data", "give some with --train");
    }
  }
  if (recipe_.data.calib) return {};
  for (const Step& step : recipe_.steps) {
    const passes::PassInfo& pass = *passes::find_pass(step.pass);
    if (!passes::needs_calib(pass, step.options)) continue;
    std::string flag;
    for (const char c : pass.calib_unless) {
      flag += c == ',' ? std::string(" or --") : std::string(1, c == '_' ? '-' : c == '=' ? ' ' : c);
    }
    return usage_error(step.pass + " needs calibration data",
                       "give some with --calib" + (flag.empty() ? "" : ", or use --" + flag));
  }
  return {};
}

Status Run::load() {
  auto isa = runtime::isa_name();
  if (!isa) return isa.error();
  report_.isa = *isa;
  auto target = targets::load_target(recipe_.target);
  if (!target) return target.error();
  target_ = std::move(*target);
  auto arithmetics = find_gate_arithmetics(recipe_.gate);
  if (!arithmetics) return arithmetics.error();
  arithmetics_ = std::move(*arithmetics);
  measure_.executor.arithmetic = arithmetics_.models[0];
  auto file = MappedFile::open(recipe_.model);
  if (!file) return file.error();
  report_.model.path = recipe_.model;
  report_.model.sha256 = sha256_hex((*file)->bytes());
  auto graph = onnx::import_file(recipe_.model, {.keep_quantized_operators = true});
  if (!graph) return graph.error();
  original_ = std::move(*graph);
  report_.model.opset = onnx::source_info(*original_).opset;
  report_.model.size = measure_size(*original_);
  report_.model.size.bytes = model_file_bytes(*original_, recipe_.model);

  auto data = open_run_data(recipe_, *original_);
  if (!data) return data.error();
  data_ = std::move(*data);
  report_.data = data_.reports;
  best_ = original_->clone();
  if (!data_.preprocess.empty()) best_->set_metadata(data::kPreprocessKey, data_.preprocess);
  best_size_ = report_.model.size;
  return {};
}

Status Run::measure_baseline() {
  if (data_.eval == nullptr) {
    if (recipe_.gate.max_drop) log::warning("no evaluation data: the accuracy budget is not checked");
    return {};
  }
  auto metrics = choose_metrics(recipe_, *data_.eval);
  if (!metrics) return metrics.error();
  metrics_ = std::move(*metrics);
  auto reference = Reference::create(*original_);
  if (!reference) return reference.error().in(recipe_.model);
  reference_ = std::move(*reference);
  auto evaluation = evaluate(*original_, *data_.eval, metrics_, reference_.get(), "measure the original", measure_);
  if (!evaluation) return evaluation.error();
  baseline_ = std::move(*evaluation);
  best_evaluations_.assign(arithmetics_.models.size(), baseline_);
  report_.baseline = baseline_.metrics[0].value();
  return {};
}

Status Run::measure_step(const ir::Graph& candidate, const std::string& pass, StepReport& step,
                         Evaluations& evaluations) {
  step.size = measure_size(candidate);
  auto bytes = output_bytes(candidate, recipe_.output, pool_);
  if (!bytes) return bytes.error().in(recipe_.model + ": " + pass);
  step.size.bytes = *bytes;
  if (data_.eval == nullptr) return {};
  const Clock::time_point start = Clock::now();
  for (const runtime::Arithmetic arithmetic : arithmetics_.models) {
    MeasureContext context = measure_;
    context.executor.arithmetic = arithmetic;
    std::string what = "measure after " + pass;
    if (arithmetics_.models.size() > 1) what += " (" + std::string(runtime::arithmetic_word(arithmetic)) + ")";
    auto measured = evaluate(candidate, *data_.eval, metrics_, reference_.get(), what, context);
    if (!measured) return measured.error();
    evaluations.push_back(std::move(*measured));
  }
  step.eval_seconds = seconds_since(start);
  record(evaluations, step);
  return {};
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

Status Run::run_step(size_t index) {
  const Step& step = recipe_.steps[index];
  const passes::PassInfo& pass = *passes::find_pass(step.pass);
  if (interrupted()) return Error{ErrorKind::interrupted, "interrupted before " + step.pass, ""};
  passes::PassContext context;
  context.calib = data_.calib.get();
  context.train = data_.train.get();
  context.original = &*original_;
  context.opset = onnx::source_info(*original_).opset;
  context.target = &*target_;
  context.pool = &pool_;
  context.progress = measure_.progress;
  context.random = Random(recipe_.seed * 0x9E3779B97F4A7C15ull + index);
  context.load_model = [](const std::string& path) { return onnx::import_file(path); };

  StepReport report;
  report.pass = step.pass;
  report.options = step.options.effective();
  ir::Graph candidate = best_->clone();
  const Clock::time_point start = Clock::now();
  const auto change = passes::run_pass(pass, candidate, step.options, context);
  if (!change) return change.error().kind == ErrorKind::usage ? change.error() : change.error().in(recipe_.model);
  if (context.stopped_early) return save_interrupted(candidate, *change, step.pass);
  report.seconds = seconds_since(start);
  report.curves = std::move(context.curves);
  report.measured = std::move(context.measured);
  report.notes = std::move(context.notes);
  report.layers = std::move(context.layers);
  add_losses(*best_, report.layers);
  report.weights = draw_weights(*best_, candidate);

  StepEvidence evidence;
  evidence.changed = *change == passes::Change::changed;
  evidence.last = index + 1 == recipe_.steps.size();
  Evaluations evaluations;
  if (evidence.changed) {
    EDGESMITH_TRY(measure_step(candidate, step.pass, report, evaluations));
    evidence.bytes = report.size.bytes;
    if (!evaluations.empty()) {
      evidence.samples = evaluations[0].samples;
      evidence.drops = drops(evaluations);
    }
  } else {
    report.size = best_size_;
    if (data_.eval != nullptr) record(best_evaluations_, report);
  }
  const Decision decision =
      decide(recipe_.gate, step.max_drop, step.max_bytes, metrics_.empty() ? nullptr : metrics_[0], evidence);
  settle(step, decision, report);
  if (decision.kept) {
    best_ = std::move(candidate);
    best_size_ = report.size;
    if (data_.eval != nullptr) best_evaluations_ = std::move(evaluations);
  }
  report_.steps.push_back(std::move(report));
  return {};
}

// The result is not measured: whoever pressed Ctrl-C does not want to wait.
Error Run::save_interrupted(const ir::Graph& candidate, passes::Change change, const std::string& pass) {
  Error error{ErrorKind::interrupted, "interrupted in " + pass, ""};
  if (change == passes::Change::none || recipe_.output.empty()) return error;
  auto written = write_output(candidate, recipe_.output, pool_);
  if (!written) return written.error();
  error.hint = "the best weights so far are in " + recipe_.output + ", neither measured nor judged by the gate";
  return error;
}

void Run::settle(const Step& step, const Decision& decision, StepReport& report) {
  report.status = decision.status;
  report.kept = decision.kept;
  report.reason = decision.reason;
  any_kept_ = any_kept_ || decision.kept;
  refused_ = refused_ || decision.refused;
  stopped_ = decision.refused && recipe_.gate.on_fail == OnFail::fail;
  if (decision.status == StepStatus::unchanged) {
    report.reason = report.notes.empty() ? "found nothing to do" : report.notes.front();
    log::warning(step.pass + " changed nothing: " + report.reason);
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

Status Run::measure_test() {
  if (data_.test == nullptr || writes_nothing()) return {};
  auto metrics = choose_metrics(recipe_, *data_.test);
  if (!metrics) return metrics.error();
  auto reference = Reference::create(*original_);
  if (!reference) return reference.error();
  const std::span<const data::MetricInfo* const> first(metrics->data(), 1);
  auto before = evaluate(*original_, *data_.test, first, reference->get(), "test the original", measure_);
  if (!before) return before.error();
  auto after = evaluate(*best_, *data_.test, first, reference->get(), "test the result", measure_);
  if (!after) return after.error();
  report_.test_before = before->metrics[0].value();
  report_.test_after = after->metrics[0].value();
  report_.test_drop = data::paired_difference(*first[0], before->metrics[0].numbers, after->metrics[0].numbers);
  return {};
}

bool Run::writes_nothing() const { return recipe_.output.empty() || stopped_ || (refused_ && !any_kept_); }

std::string Run::verdict() const {
  for (const StepReport& step : report_.steps) {
    if (step.status == StepStatus::failed) return step.pass + " failed the gate: " + step.reason;
    if (step.status == StepStatus::rolled_back) return step.pass + " was rolled back: " + step.reason;
    if (step.status == StepStatus::undecided && !step.kept) return step.pass + " is undecided: " + step.reason;
  }
  if (refused_) {
    return "the result takes " + grouped(best_size_.bytes) + " bytes, the budget is " +
           grouped(*recipe_.gate.max_bytes);
  }
  if (data_.eval == nullptr && !recipe_.gate.max_bytes) return "nothing was gated: no evaluation data were given";
  std::string kept;
  if (recipe_.gate.max_drop && data_.eval != nullptr) {
    double drop = drop_from(baseline_, best_evaluations_[0]).drop;
    for (const Evaluation& evaluation : best_evaluations_) drop = std::max(drop, drop_from(baseline_, evaluation).drop);
    const std::string most = difference_text(*metrics_[0], *recipe_.gate.max_drop);
    kept = " lost " + (drop > 0 ? difference_text(*metrics_[0], drop) : std::string("nothing")) + " of at most " + most;
    if (arithmetics_.targets.size() > 1) {
      kept += " on each of " + std::to_string(arithmetics_.targets.size()) + " targets";
    }
  }
  if (recipe_.gate.max_bytes) {
    kept += std::string(kept.empty() ? "" : ", and") + " takes " + grouped(best_size_.bytes) + " of at most " +
            grouped(*recipe_.gate.max_bytes) + " bytes";
  }
  if (!kept.empty()) {
    return "within the budget: the result" + kept + (data_.eval == nullptr ? "; its accuracy was not measured" : "");
  }
  return "no budget was set: measured, not judged";
}

Status Run::finish() {
  // A budget of bytes that no step met, because the last one changed nothing or was undone for another reason.
  if (recipe_.gate.max_bytes && best_size_.bytes > *recipe_.gate.max_bytes) refused_ = true;
  if (interrupted()) return Error{ErrorKind::interrupted, "interrupted before writing the result", ""};
  if (!writes_nothing()) {
    auto written = write_output(*best_, recipe_.output, pool_);
    if (!written) return written.error();
    ModelFile output;
    output.path = recipe_.output;
    output.sha256 = written->sha256;
    output.size = best_size_;
    output.size.bytes = static_cast<int64_t>(written->bytes);
    output.opset = written->opset;
    report_.output = std::move(output);
    report_.output_notes = written->notes;
  }
  if (report_.output && data_.eval != nullptr) {
    const Evaluation& best = best_evaluations_[0];
    report_.final_metric = best.metrics[0].value();
    report_.final_drop = drop_from(baseline_, best);
    report_.final_agreement = value_of(best, "agreement");
    report_.final_sqnr_db = value_of(best, "sqnr");
    report_.final_targets = target_metrics(best_evaluations_);
  }
  bool rolled_back_only = true;
  for (const StepReport& step : report_.steps) {
    if (step.status == StepStatus::failed || (step.status == StepStatus::undecided && !step.kept)) {
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

}  // namespace

Status check_output(const std::string& output, std::span<const std::string> inputs, bool force) {
  if (output.empty()) return {};
  std::error_code error;
  for (const std::string& input : inputs) {
    if (fs::equivalent(output, input, error) ||
        fs::absolute(output).lexically_normal() == fs::absolute(input).lexically_normal()) {
      return usage_error(output + ": the output is the input", "name another file");
    }
  }
  if (fs::is_directory(output, error)) return usage_error(output + ": is a directory", "name a file");
  // A device is written to, not replaced: there is nothing to lose.
  if (fs::exists(output, error) && !fs::is_other(output, error) && !force) {
    return usage_error(output + ": exists already", "name another file, or add --force to overwrite it");
  }
  const fs::path folder = fs::path(output).parent_path();
  if (!folder.empty() && !fs::is_directory(folder, error)) {
    return io_error(output + ": its folder does not exist", "create " + folder.string() + " first");
  }
  return {};
}

Result<RunReport> run_recipe(const Recipe& recipe, const RunOptions& options) {
  if (recipe.model.empty()) return usage_error("no model given", "name the .onnx file");
  return Run(recipe, options).run();
}

}  // namespace edgesmith::refine
