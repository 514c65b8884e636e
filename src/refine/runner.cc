// SPDX-License-Identifier: Apache-2.0
// The life of a run: import, open the data, measure the original, then pass by pass: run on a copy, verify, measure,
// decide; at the end write the best model.
#include "edgesmith/refine/runner.h"
#include "edgesmith/base/clock.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "edgesmith/base/file.h"
#include "edgesmith/base/log.h"
#include "edgesmith/base/sha256.h"
#include "edgesmith/base/text.h"
#include "edgesmith/data/preprocess.h"
#include "edgesmith/onnx/export.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/refine/measure.h"
#include "refine/advise.h"
#include "refine/cache/run_cache.h"
#include "refine/clock.h"
#include "refine/gate_arithmetic.h"
#include "refine/provenance.h"
#include "refine/run_data.h"
#include "refine/step_files.h"
#include "refine/target_needs.h"
#include "refine/weight_pictures.h"
#include "refine/write_output.h"

namespace edgesmith::refine {
namespace {

namespace fs = std::filesystem;

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

/// The preprocessing that a model remembers; "" for none.
std::string preprocess_of(const ir::Graph& graph) {
  const std::string* stored = graph.find_metadata(data::kPreprocessKey);
  return stored != nullptr ? *stored : "";
}

/// Models of so many bytes are hashed whether somebody asks or not: it takes less than a twentieth of a second.
constexpr int64_t kHashedAlways = int64_t{64} << 20;

/// True when the result of a step is the same model, only cleaner.
bool only_cleans(const Step& step) { return step.pass == "simplify" || !passes::find_pass(step.pass)->is_step; }

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
  }

  Result<RunReport> run() {
    EDGESMITH_TRY(check_output(recipe_.output, input_files(recipe_), options_.force));
    EDGESMITH_TRY(check_data());
    EDGESMITH_TRY(load());
    EDGESMITH_TRY(measure_baseline());
    size_t first = 0;
    if (!options_.from_folder.empty() && options_.from.value_or(0) > 0) {
      first = *options_.from;
      EDGESMITH_TRY(begin_behind(first));
    }
    for (size_t i = first; i < recipe_.steps.size() && !stopped_; ++i) {
      EDGESMITH_TRY(run_step(i));
      EDGESMITH_TRY(keep_step(i + 1));
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
  Error save_interrupted(const ir::Graph& candidate, passes::Change change, const std::string& pass);
  void settle(const Step& step, const Decision& decision, StepReport& report);
  Status measure_test();
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

  std::optional<targets::Target> target_;
  std::optional<ir::Graph> original_, best_;
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
  std::string broken_;     ///< the budget that the result breaks
  bool stopped_ = false;   ///< on_fail = fail said no
  bool refused_ = false;   ///< some step, or the finished model, broke a budget
  bool any_kept_ = false;  ///< some step changed the model and was kept
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
  EDGESMITH_TRY(check_time_budgets(recipe_.gate, *target_));
  if (!recipe_.gate.metric_command.empty()) {
    auto program = MetricProgram::create(
        {recipe_.gate.metric, recipe_.gate.metric_command, recipe_.gate.metric_timeout, !recipe_.gate.metric_lower});
    if (!program) return program.error();
    report_.program = std::move(*program);
    measure_.program = report_.program.get();
  }
  auto arithmetics = find_gate_arithmetics(recipe_.gate);
  if (!arithmetics) return arithmetics.error();
  arithmetics_ = std::move(*arithmetics);
  measure_.executor.arithmetic = arithmetics_.models[0];
  report_.model.path = recipe_.model;
  auto graph = onnx::import_file(recipe_.model, {.keep_quantized_operators = true});
  if (!graph) return graph.error();
  original_ = std::move(*graph);
  report_.model.opset = onnx::source_info(*original_).opset;
  report_.model.size = measure_size(*original_);
  report_.model.size.bytes = model_file_bytes(*original_, recipe_.model);
  const std::vector<std::string> external = onnx::source_info(*original_).external_files;
  if (!recipe_.output.empty() && !external.empty()) {
    EDGESMITH_TRY(check_output(recipe_.output + ".data", external, true));
  }
  hashes_ = wants_hashes();
  if (hashes_) {
    auto file = MappedFile::open(recipe_.model);
    if (!file) return file.error();
    report_.model.sha256 = sha256_hex((*file)->bytes());
  }

  auto data = open_run_data(recipe_, *original_);
  if (!data) return data.error();
  feed_.data = std::move(*data);
  feed_.original = std::make_unique<ir::Graph>(original_->clone());
  report_.data = feed_.data.reports;
  StepCache* const cache = hashes_ ? options_.cache : nullptr;
  cache_.emplace(cache, *original_, cache == nullptr ? "" : model_identity(*original_, report_.model.sha256));
  cache_->add_data(feed_.data);
  best_ = original_->clone();
  if (!feed_.data.preprocess.empty()) best_->set_metadata(data::kPreprocessKey, feed_.data.preprocess);
  best_size_ = report_.model.size;
  return {};
}

bool Run::wants_hashes() const {
  const auto& data = recipe_.data;
  const bool any_data = data.calib || data.train || data.eval || data.test;
  return options_.hashes || options_.from || any_data || report_.model.size.bytes <= kHashedAlways ||
         !std::all_of(recipe_.steps.begin(), recipe_.steps.end(), [](const Step& step) { return only_cleans(step); });
}

Status Run::measure_baseline() {
  if (feed_.data.eval == nullptr) {
    if (recipe_.gate.max_drop) log::warning("no evaluation data: the accuracy budget is not checked");
    return {};
  }
  auto metrics = choose_metrics(recipe_, *feed_.data.eval, measure_.program);
  if (!metrics) return metrics.error();
  metrics_ = std::move(*metrics);
  feed_.reference = std::make_unique<Reference>(*feed_.original);
  if (options_.cache == nullptr) {
    const auto executor = feed_.reference->executor();
    if (!executor) return executor.error().in(recipe_.model);
  }
  auto evaluation =
      measure(*feed_.original, *feed_.data.eval, metrics_, *feed_.reference, "measure the original", measure_);
  if (!evaluation) return evaluation.error();
  baseline_ = std::move(*evaluation);
  best_evaluations_.assign(arithmetics_.models.size(), baseline_);
  report_.baseline = baseline_.metrics[0].value();
  return {};
}

void Run::say_cached(const std::string& what) const {
  measure_.progress->begin(what + ": from the cache", 1);
  measure_.progress->end();
}

Result<Evaluation> Run::measure(const ir::Graph& graph, const data::Dataset& data,
                                std::span<const data::MetricInfo* const> metrics, Reference& reference,
                                const std::string& what, const MeasureContext& context, bool* from_cache) {
  if (context.program != nullptr)
    return evaluate(graph, data, metrics, &reference, what, context);  // who knows what it reads
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

passes::PassContext Run::make_context(size_t index, const Feed& feed) {
  passes::PassContext context;
  context.calib = feed.data.calib.get();
  context.train = feed.data.train.get();
  context.original = feed.original.get();
  context.opset = onnx::source_info(*original_).opset;
  context.target = &*target_;
  context.pool = &pool_;
  context.progress = measure_.progress;
  context.random = Random(recipe_.seed * 0x9E3779B97F4A7C15ull + index);
  context.load_model = [](const std::string& path) { return onnx::import_file(path); };
  return context;
}

Result<passes::Change> Run::run_pass(size_t index, ir::Graph& candidate, StepReport& report) {
  const Step& step = recipe_.steps[index];
  const Clock::time_point start = Clock::now();
  const std::string key = cache_->step_key(*best_, recipe_, index);
  const bool from_here = options_.from && index >= *options_.from;
  const auto found = from_here ? std::nullopt : cache_->find_step(key, candidate, report);
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
  const size_t warnings = log::num_warnings();
  const auto change = passes::run_pass(*passes::find_pass(step.pass), candidate, step.options, context);
  if (!change) return change.error().kind == ErrorKind::usage ? change.error() : change.error().in(recipe_.model);
  if (context.stopped_early) return save_interrupted(candidate, *change, step.pass);
  report.seconds = seconds_since(start);
  report.curves = std::move(context.curves);
  report.measured = std::move(context.measured);
  report.notes = std::move(context.notes);
  report.layers = std::move(context.layers);
  add_losses(*best_, report.layers);
  report.weights = draw_weights(*best_, candidate);
  candidate = candidate.clone();  // as it comes back from the cache: uses in the order of nodes
  cache_->keep_step(key, *change, candidate, report, log::warnings_after(warnings));
  return *change;
}

Status Run::run_step(size_t index) {
  const Step& step = recipe_.steps[index];
  if (interrupted()) return Error{ErrorKind::interrupted, "interrupted before " + step.pass, ""};
  StepReport report;
  report.pass = step.pass;
  report.options = step.options.effective();
  ir::Graph candidate = best_->clone();
  const auto change = run_pass(index, candidate, report);
  if (!change) return change.error();
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
  settle(step, decision, report);
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

Status Run::keep_step(size_t count) const {
  if (options_.keep_steps.empty()) return {};
  std::vector<StepEnd> ends;
  for (const StepReport& step : report_.steps) ends.push_back({step.status, step.kept});
  const std::string path = step_file(options_.keep_steps, recipe_, count);
  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  if (error) return io_error(path + ": cannot create the folder: " + error.message());
  const auto written = onnx::export_file(with_step_origin(*best_, origin(), ends), path);
  return written ? Status() : Status(written.error());
}

Status Run::begin_behind(size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const Step& step = recipe_.steps[i];
    const std::string path = step_file(options_.from_folder, recipe_, i + 1);
    auto model = read_step_file(path, origin(), i + 1);
    if (!model) return model.error();
    if (preprocess_of(model->graph) != preprocess_of(*best_)) {
      return usage_error(path + ": this step moves preprocessing into the model, and has to be run again",
                         "use --from " + std::to_string(i + 1) + ", or an earlier step");
    }
    const StepEnd& end = model->ends[i];
    StepReport report;
    report.pass = step.pass;
    report.options = step.options.effective();
    report.status = end.status;
    report.kept = end.kept;
    report.reason = "taken from " + path;
    report.size = best_size_;
    any_kept_ = any_kept_ || end.kept;
    refused_ = refused_ || (!end.kept && end.status != StepStatus::unchanged);
    if (end.kept) {
      Evaluations evaluations;
      EDGESMITH_TRY(measure_step(model->graph, step, feed_, report, evaluations));
      kept_steps_.push_back(&step);
      best_ = std::move(model->graph);
      best_size_ = report.size;
      best_needs_ = report.needs;
      if (feed_.data.eval != nullptr) best_evaluations_ = std::move(evaluations);
    }
    report_.steps.push_back(std::move(report));
  }
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
  if (feed_.data.test == nullptr || writes_nothing()) return {};
  auto metrics = choose_metrics(recipe_, *feed_.data.test, measure_.program);
  if (!metrics) return metrics.error();
  Reference reference(*feed_.original);
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
    auto written = write_output(result, recipe_.output, pool_, hashes_);
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
