// SPDX-License-Identifier: Apache-2.0
// What a run begins with: its order, the model, the data, and what the original is worth.
#include "refine/run/run.h"

#include <algorithm>
#include <filesystem>
#include <future>
#include <set>

#include "edgesmith/base/file.h"
#include "edgesmith/base/log.h"
#include "edgesmith/base/sha256.h"
#include "edgesmith/base/time_limit.h"
#include "edgesmith/data/preprocess.h"
#include "edgesmith/ir/align_inputs.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/passes/teachers.h"
#include "edgesmith/refine/output_name.h"

namespace edgesmith::refine {
namespace {

using passes::FileUse;

/// Files that options of the steps name: those that are read (teachers, costs), written (checkpoints), or read to go on
/// in them.
std::vector<std::string> option_files(const Recipe& recipe, FileUse use) {
  std::vector<std::string> files;
  for (const Step& step : recipe.steps) {
    for (const passes::OptionRow& row : step.options.schema()) {
      if (row.kind != passes::OptionKind::path || row.file_use != use || !step.options.given(row.name)) continue;
      files.push_back(step.options.word(row.name));
    }
  }
  return files;
}

bool trains(const Step& step) {
  return passes::find_pass(step.pass)->needs_train ||
         (step.options.has("repair") && step.options.word("repair") == "distill");
}

bool has_teacher(const Step& step) { return step.options.has("teacher") && step.options.is_set("teacher"); }

/// Nothing that the run reads is written over, and what it writes can be. (A training may go on in the checkpoint that
/// it resumes; whether a file that is there is a checkpoint is for the pass to say.)
Status check_outputs(const Recipe& recipe, bool force) {
  std::vector<std::string> files = {recipe.model};
  for (const auto* spec : {&recipe.data.calib, &recipe.data.train, &recipe.data.eval, &recipe.data.test}) {
    if (*spec) files.push_back((*spec)->path);
  }
  for (std::string& read : option_files(recipe, FileUse::read)) files.push_back(std::move(read));
  for (const std::string& checkpoint : option_files(recipe, FileUse::written)) {
    if (std::any_of(files.begin(), files.end(), [&](const auto& read) { return same_file(checkpoint, read); })) {
      return usage_error(checkpoint + ": is read by the run", "name another file for --checkpoint");
    }
    EDGESMITH_TRY(check_output(checkpoint, files, true));
    if (!recipe.output.empty() && same_file(checkpoint, recipe.output)) {
      return usage_error(checkpoint + ": is the output, too", "name another file for --checkpoint");
    }
  }
  for (std::string& resumed : option_files(recipe, FileUse::gone_on_with)) files.push_back(std::move(resumed));
  EDGESMITH_TRY(check_output(recipe.output, files, force));
  return check_model_name(recipe.output);
}

/// Models of so many bytes are hashed whether somebody asks or not: it takes less than a twentieth of a second.
constexpr int64_t kHashedAlways = int64_t{64} << 20;

}  // namespace

bool only_cleans(const Step& step) { return step.pass == "simplify" || !passes::find_pass(step.pass)->is_step; }

Result<RunReport> Run::run() {
  EDGESMITH_TRY(check_outputs(recipe_, options_.force));
  EDGESMITH_TRY(check_data());
  EDGESMITH_TRY(begin());
  for (size_t i = report_.steps.size(); i < recipe_.steps.size() && !stopped_; ++i) {
    EDGESMITH_TRY(run_step_in_time(i));
    if (report_.steps[i].status != StepStatus::cancelled) EDGESMITH_TRY(keep_step(i + 1));
  }
  EDGESMITH_TRY(measure_test());
  EDGESMITH_TRY(finish());
  return std::move(report_);
}

Status Run::begin() {
  const TimeLimit limit(time_end_);
  const auto all = [&]() -> Status {
    EDGESMITH_TRY(load());
    EDGESMITH_TRY(check_steps());
    EDGESMITH_TRY(measure_baseline());
    const size_t first = options_.from_folder.empty() ? 0 : options_.from.value_or(0);
    return first > 0 ? begin_behind(first) : Status();
  };
  const Status status = all();
  if (!ended_by_time(status)) return status;
  return io_error(time_limit_text() + " was over before the original was measured", "raise --time-limit");
}

// Before any work is done.
Status Run::check_data() const {
  for (const Step& step : recipe_.steps) {
    const auto index = static_cast<size_t>(&step - recipe_.steps.data());
    const Status status = passes::check_options(*passes::find_pass(step.pass), step.options);
    if (!status) return option_error(index, status.error());
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

std::string Run::step_name(size_t index) const {
  return "step " + std::to_string(index + 1) + " (" + recipe_.steps[index].pass + ")";
}

Error Run::step_error(size_t index, Error error) const {
  if (!recipe_.steps[index].place.empty()) return option_error(index, std::move(error));
  return (index > 0 ? error.in(step_name(index)) : error).in(recipe_.model);
}

Error Run::option_error(size_t index, Error error) const {
  const Step& step = recipe_.steps[index];
  if (step.place.empty()) return error;
  const auto as_keys = [&](std::string text) {
    std::vector<std::string> keys;
    for (const passes::OptionRow& row : step.options.schema()) keys.emplace_back(row.name);
    // The longest first: skip_op before skip.
    std::sort(keys.begin(), keys.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
    for (const std::string& key : keys) {
      std::string flag = "--" + key;
      std::replace(flag.begin(), flag.end(), '_', '-');
      for (size_t at = text.find(flag); at != text.npos; at = text.find(flag, at + key.size())) {
        text.replace(at, flag.size(), key);
      }
    }
    return text;
  };
  error.message = as_keys(std::move(error.message));
  error.hint = as_keys(std::move(error.hint));
  return error.in(step_name(index)).in(step.place);
}

// With the model at hand, and before it is measured: what would end the run after minutes.
Status Run::check_steps() const {
  std::set<std::string> written;  // by steps
  bool takes_as_original = true;  // no step before has changed what the model takes
  for (size_t i = 0; i < recipe_.steps.size(); ++i) {
    const passes::Options& options = recipe_.steps[i].options;
    const Status status =
        i == 0 ? passes::check_first_step(options, *original_) : passes::check_later_step(options, *original_);
    if (!status) return step_error(i, status.error());
    if (takes_as_original) EDGESMITH_TRY(passes::check_teachers(options, *original_));
    takes_as_original = takes_as_original && recipe_.steps[i].pass != "fold-preprocess";
    for (const passes::OptionRow& row : options.schema()) {
      if (row.kind != passes::OptionKind::path || !options.is_set(row.name)) continue;
      const std::string& path = options.word(row.name);
      if (row.file_use == FileUse::written) {
        written.insert(path);
      } else if (path != kStdio && written.count(path) == 0 && !std::filesystem::exists(path)) {
        return MappedFile::open(path).error();
      }
    }
  }
  if (recipe_.data.train && std::none_of(recipe_.steps.begin(), recipe_.steps.end(), trains)) {
    log::warning("the training data are not used: no step trains");
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
  std::future<std::string> sha256;  // made while the data are opened
  if (hashes_) {
    auto file = MappedFile::open(recipe_.model);
    if (!file) return file.error();
    const auto when = pool_.num_threads() > 1 ? std::launch::async : std::launch::deferred;
    sha256 = std::async(when, [mapped = std::move(*file)] { return sha256_hex(mapped->bytes()); });
  }

  auto data = open_run_data(recipe_, *original_);
  if (hashes_) report_.model.sha256 = sha256.get();
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

// A training alone is to bring the model nearer to its teacher: that is what results are held against where no labels
// are. With other steps, or outputs of other names, the original stays what they are all held against.
Status Run::load_teacher() {
  const auto& steps = recipe_.steps;
  if (std::none_of(steps.begin(), steps.end(), has_teacher)) return {};
  const std::string metric(metrics_[0]->name);
  if (steps.size() > 1 || steps[0].options.is_set("match")) {
    log::warning(metric + " is with the model before training, not with its teacher; give labels with --eval, or " +
                 "compare the result with the teacher");
    return {};
  }
  const std::string& path = steps[0].options.word("teacher");
  auto teacher = onnx::import_file(path);
  if (!teacher) return teacher.error();
  ir::align_inputs(*teacher, *feed_.original);
  teacher_ = std::move(*teacher);
  log::info(metric + " is with the teacher " + path);
  return {};
}

Status Run::measure_baseline() {
  if (feed_.data.eval == nullptr) {
    if (recipe_.gate.max_drop) log::warning("no evaluation data: the accuracy budget is not checked");
    return {};
  }
  auto metrics = choose_metrics(recipe_, *feed_.data.eval, measure_.program);
  if (!metrics) return metrics.error();
  metrics_ = std::move(*metrics);
  if (metrics_[0]->needs_reference) EDGESMITH_TRY(load_teacher());
  feed_.reference = std::make_unique<Reference>(teacher_ ? *teacher_ : *feed_.original);
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

}  // namespace edgesmith::refine
