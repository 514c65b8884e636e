// SPDX-License-Identifier: Apache-2.0
// The training loop:
//
//   batch ─▶ loss, gradients (shards.h) ─▶ clip ─▶ optimizer ─▶ weights
//
// From time to time the weights are written into a copy of the student, which the held-out samples judge.
#include "edgesmith/train/distill.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "edgesmith/base/clock.h"
#include "edgesmith/base/text.h"
#include "edgesmith/train/optimizer.h"
#include "edgesmith/train/schedule.h"
#include "train/activation_steps.h"
#include "train/checkpoint.h"
#include "train/code_bits.h"
#include "train/feed.h"
#include "train/judge.h"
#include "train/options_text.h"
#include "train/shards.h"
#include "train/split.h"
#include "train/training_graph.h"
#include "train/weights.h"

namespace edgesmith::train {
namespace {

using Clock = std::chrono::steady_clock;

// Judgements of a run at least.
constexpr int64_t kJudgements = 4;
// Held-out samples are augmented as in an epoch that no training has.
constexpr int64_t kEpochOfJudgements = -1;
constexpr double kSecondsBetweenWords = 0.2;
// A gradient above so many times what it was says that the steps were too long.
constexpr double kSuddenGrowth = 10;

std::string time_text(double seconds) {
  char text[32];
  if (seconds < 90) {
    std::snprintf(text, sizeof text, "%.0f s", seconds);
  } else {
    std::snprintf(text, sizeof text, "%.0f min", seconds / 60);
  }
  return text;
}

std::string number(const char* format, double value) {
  char text[48];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

/// "0.3206 to 0.3201", with as many digits as show that it is less.
std::string fall_text(double from, double to) {
  char first[32], second[32];
  for (int digits = 4; digits <= 17; ++digits) {
    std::snprintf(first, sizeof first, "%.*g", digits, from);
    std::snprintf(second, sizeof second, "%.*g", digits, to);
    if (std::strcmp(first, second) != 0) break;
  }
  return std::string(first) + " to " + second;
}

/// soap repairs best what zeros or codebooks have left of a trained model. Adam goes further where much must be
/// learned, and with codes and indices, whose gradients pass straight through a rounding. A rate without an optimizer
/// is adam's.
const OptimizerInfo* suited_optimizer(const TrainingGraph& training, const DistillOptions& options) {
  int weights = 0, repaired = 0;
  for (const size_t p : training.trained) {
    const Parameter& parameter = training.parameters[p];
    weights += parameter.decay || parameter.repaired ? 1 : 0;
    repaired += parameter.repaired ? 1 : 0;
  }
  return find_optimizer(2 * repaired > weights && !options.learn_indices && !options.rate ? "soap" : "adam");
}

class Distiller {
 public:
  Distiller(ir::Graph& student, const Teachers& teachers, const data::Dataset& data, const DistillOptions& options,
            const DistillContext& context)
      : student_(student), teachers_(teachers), data_(data), options_(options), context_(context) {}

  Result<DistillReport> run() {
    EDGESMITH_TRY(prepare());
    auto first = begin();
    if (!first) return first.error();
    if (!*first) return std::move(report_);
    const Status status = loop();
    if (!status) return status.error();
    EDGESMITH_TRY(finish());
    return std::move(report_);
  }

 private:
  Status prepare();
  Status check_forms() const;
  Status make_objectives();
  TrainableOptions trainable() const {
    return {.learn_steps = !options_.keep_steps,
            .keep_zeros = options_.entropy == 0,
            .learn_indices = options_.learn_indices,
            .short_floats = options_.entropy > 0 || short_floats_};
  }
  /// Judges what came, or goes on from a checkpoint. False: there is nothing to learn.
  Result<bool> begin();
  Status resume();
  Status loop();
  Status run_step(int64_t step);
  Status judge();
  /// What the codes of these weights cost beside the losses.
  double code_cost(std::span<const Parameter> parameters) const;
  void say_progress();
  Status save() const;
  Status finish();
  void stop_diverged(int64_t step, const std::string& what);
  Curve& curve(const std::string& name, const std::string& unit);
  void add_point(const std::string& name, const std::string& unit, double value);
  double price(double bits) const { return options_.entropy * std::max(0.0, bits - options_.code_bits); }
  void add_code_point(std::span<const Parameter> parameters);
  std::string held_out_text() const {
    return std::to_string(split_.held_out.size()) +
           (split_.held_out.size() == 1 ? " held-out sample" : " held-out samples");
  }
  int64_t next_judgement() const { return std::min(total_, (at_.step / interval_ + 1) * interval_); }

  ir::Graph& student_;
  const Teachers& teachers_;
  const data::Dataset& data_;
  const DistillOptions& options_;
  const DistillContext& context_;
  DistillReport report_;

  Objective objective_;
  std::vector<Objective> others_;  ///< the same for the second teacher and so on
  BatchForm form_;
  Split split_;
  const OptimizerInfo* optimizer_ = nullptr;
  const ScheduleInfo* schedule_ = nullptr;
  TrainingGraph training_;
  std::unique_ptr<Feed> feed_;
  std::unique_ptr<Weights> weights_;
  std::unique_ptr<Shards> shards_;
  std::optional<Draw> judged_draw_;  ///< of the held-out samples
  std::optional<Judge> judge_;

  int64_t batch_ = 0, total_ = 0, interval_ = 0, steps_per_epoch_ = 0;
  double rate_ = 0;
  std::vector<int64_t> order_;  ///< the samples of epoch order_epoch_
  int64_t order_epoch_ = -1;

  Checkpoint at_;  ///< where the training is; its state and identity only when it is written
  std::string identity_;
  bool short_floats_ = false;           ///< those beside the student's codes and indices are
  double norm_ = 0, largest_norm_ = 0;  ///< of the last step, and of those before it
  double last_loss_ = 0;
  bool diverged_ = false;
  int64_t done_here_ = 0;  ///< steps of this process
  double train_seconds_ = 0;
  Clock::time_point start_ = Clock::now(), said_;
};

Status Distiller::prepare() {
  if (!options_.optimizer.empty() && find_optimizer(options_.optimizer) == nullptr) {
    return usage_error("unknown optimizer '" + options_.optimizer + "'", "use soap");
  }
  schedule_ = find_schedule(options_.schedule);
  if (schedule_ == nullptr) return usage_error("unknown schedule '" + options_.schedule + "'", "use cosine");
  if (options_.entropy > 0 && options_.keep_steps) {
    return usage_error("entropy needs steps that learn: codes that cost less are larger ones of a coarser grid",
                       "leave keep_steps out");
  }
  EDGESMITH_TRY(check_forms());
  short_floats_ = have_short_floats(student_);
  if (data_.size() < 2) {
    return usage_error(
        "training needs two samples at least, one of them held out; there are " + std::to_string(data_.size()),
        "give more with --train");
  }
  if (!options_.augment.empty()) {
    auto sample = data_.sample(0);
    if (!sample) return sample.error();
    EDGESMITH_TRY(data::check_augment(options_.augment, *sample));
  }
  EDGESMITH_TRY(make_objectives());
  auto form = find_batch_form(student_, objective_, data_);
  if (!form) return form.error();
  form_ = *form;

  split_ = split_samples(data_.size(), options_.holdout, options_.seed);
  const auto count = static_cast<int64_t>(split_.train.size());
  if (options_.batch > count) {
    return usage_error("a batch of " + std::to_string(options_.batch) + " is larger than the " + std::to_string(count) +
                           " samples that are trained on (" + std::to_string(split_.held_out.size()) + " are held out)",
                       "use --batch " + std::to_string(count) + " or fewer");
  }
  batch_ = options_.batch > 0 ? options_.batch : std::min(kBatch, count);
  steps_per_epoch_ = count / batch_;
  total_ = options_.steps > 0 ? options_.steps : options_.epochs * steps_per_epoch_;
  interval_ = std::max<int64_t>(1, std::min(steps_per_epoch_, (total_ + kJudgements - 1) / kJudgements));

  auto training =
      make_training_graph(student_, objective_, form_,
                          {.freeze = options_.freeze, .trainable = trainable(), .simplify = context_.simplify});
  if (!training) return training.error();
  training_ = std::move(*training);
  if (options_.entropy > 0 && !mean_code_bits(training_.parameters)) {
    return usage_error("entropy counts the bits of codes, and no trained weight is codes",
                       "quantize the model first, such as with --rounding rate-aware");
  }
  optimizer_ = options_.optimizer.empty() ? suited_optimizer(training_, options_) : find_optimizer(options_.optimizer);
  rate_ = options_.rate.value_or(optimizer_->rate);
  auto weights = Weights::create(
      training_, {.optimizer = optimizer_, .weight_decay = options_.weight_decay, .ema = options_.ema}, *context_.pool);
  if (!weights) return weights.error();
  weights_ = std::move(*weights);
  std::vector<TeacherOf> of;
  for (size_t t = 0; t < teachers_.size(); ++t) of.push_back({*teachers_[t], t == 0 ? objective_ : others_[t - 1]});
  auto feed = Feed::create(student_, of, form_, data_, context_.pool->num_threads(), options_.mirror_teacher);
  if (!feed) return feed.error();
  feed_ = std::move(*feed);
  auto shards = Shards::create(training_, student_, form_, batch_, options_.memory_limit, *context_.pool);
  if (!shards) return shards.error();
  shards_ = std::move(*shards);
  report_.shard = shards_->size();
  report_.activation_bytes = shards_->activation_bytes();
  const int64_t judged =
      form_.per_sample && form_.fixed > 0 ? form_.fixed : std::min(shards_->size(), Shards::kMostOfShard);
  if (options_.augment_holdout && !options_.augment.empty()) {
    judged_draw_.emplace(Draw{options_.augment, options_.seed, kEpochOfJudgements, split_.held_out});
  }
  judge_.emplace(Judge{objective_, form_, *feed_, split_.held_out, judged, *context_.pool, *context_.progress,
                       judged_draw_ ? &*judged_draw_ : nullptr});
  std::vector<const ir::Graph*> graphs = {&student_};
  graphs.insert(graphs.end(), teachers_.begin(), teachers_.end());
  if (options_.checkpoint.empty() && options_.resume.empty()) return {};
  const auto samples = samples_text(data_);
  if (!samples) return samples.error();
  identity_ = training_identity(graphs, options_text(options_) + *samples);
  return {};
}

// Options for forms of weights that the student does not have.
Status Distiller::check_forms() const {
  bool steps = !find_step_groups(student_).empty(), codebooks = false;
  for (const ir::Node& node : student_.nodes()) {
    const ir::Tensor* tensor = node.is(ir::OpKind::constant) ? node.output().constant() : nullptr;
    if (tensor == nullptr) continue;
    steps = steps || tensor->encoding() == ir::Encoding::affine;
    codebooks = codebooks || tensor->encoding() == ir::Encoding::palette;
  }
  if (options_.keep_steps && !steps) {
    return usage_error("keep_steps is about the steps of codes, and the student has none",
                       "leave it out, or quantize the model first");
  }
  if (options_.learn_indices && !codebooks) {
    return usage_error("learn_indices is about weights with float codebooks, and the student has none",
                       "leave it out, or share weights first");
  }
  return {};
}

Status Distiller::make_objectives() {
  for (size_t t = 0; t < teachers_.size(); ++t) {
    auto objective = make_objective(student_, *teachers_[t],
                                    {.losses = options_.losses,
                                     .match = options_.match,
                                     .features = options_.features,
                                     .feature_weight = options_.feature_weight,
                                     .temperature = options_.temperature});
    if (!objective) return t == 0 ? objective.error() : objective.error().in("second teacher");
    for (std::string& note : objective->notes) {
      if (std::find(report_.notes.begin(), report_.notes.end(), note) == report_.notes.end()) {
        report_.notes.push_back(std::move(note));
      }
    }
    if (t == 0)
      objective_ = std::move(*objective);
    else
      others_.push_back(std::move(*objective));
  }
  return {};
}

Result<bool> Distiller::begin() {
  if (!options_.resume.empty()) {
    EDGESMITH_TRY(resume());
    return true;
  }
  auto verdict = judge_->judge(student_, "judge the student");
  if (!verdict) return verdict.error();
  report_.nothing_to_learn = verdict->loss == 0 && options_.entropy == 0;
  verdict->loss += code_cost(training_.parameters);
  at_.first_loss = at_.best_loss = report_.loss_before = report_.loss_after = verdict->loss;
  if (!std::isfinite(verdict->loss)) {
    return invalid_error("the student's loss is not a number before any training",
                         "check that student and teacher take the same inputs");
  }
  add_point("held-out loss", "", verdict->loss);
  if (verdict->hits) add_point(judge_->hits_name(), "%", *verdict->hits);
  add_code_point(training_.parameters);
  return !report_.nothing_to_learn;
}

Status Distiller::resume() {
  auto checkpoint = read_checkpoint(options_.resume);
  if (!checkpoint) return checkpoint.error();
  if (checkpoint->identity != identity_) {
    return usage_error(options_.resume +
                           ": is a checkpoint of another training: the student, the teacher, the data or "
                           "the options differ",
                       "give those that it was made with, or start without --resume");
  }
  const Status status = weights_->set_state(checkpoint->state);
  const bool fits = checkpoint->best.empty() || checkpoint->best.size() == training_.parameters.size();
  if (!status || !fits || checkpoint->step < 0 || checkpoint->step > total_) {
    return invalid_error(options_.resume + ": is damaged", "start without --resume");
  }
  at_ = std::move(*checkpoint);
  at_.state.clear();
  report_.loss_before = at_.first_loss;
  report_.loss_after = at_.best_loss;
  report_.notes.push_back("resumed after " + std::to_string(at_.step) + " of " + std::to_string(total_) + " steps");
  return {};
}

Status Distiller::loop() {
  bool out_of_time = false;
  while (at_.step < total_ && !diverged_) {
    const int64_t from = at_.step, until = next_judgement();
    context_.progress->begin("train to step " + std::to_string(until) + " of " + std::to_string(total_),
                             (until - from) * batch_);
    while (at_.step < until && !diverged_ && !interrupted()) {
      const Clock::time_point start = Clock::now();
      const Status status = run_step(at_.step);
      if (!status) {
        context_.progress->end();
        return status.error();
      }
      train_seconds_ += seconds_since(start);
      if (diverged_) break;
      ++at_.step;
      ++done_here_;
      context_.progress->update((at_.step - from) * batch_);
      say_progress();
      out_of_time = options_.time_limit > 0 && seconds_since(start_) >= options_.time_limit;
      if (out_of_time) break;
    }
    context_.progress->end();
    if (interrupted()) {
      report_.interrupted = true;
      return save();
    }
    if (diverged_) break;
    // A judgement between two regular ones is none that a resumed training would know of.
    if (at_.step < until) EDGESMITH_TRY(save());
    EDGESMITH_TRY(judge());
    if (diverged_) break;
    if (at_.step == until) EDGESMITH_TRY(save());
    if (out_of_time) {
      report_.notes.push_back("stopped by the time limit after " + std::to_string(at_.step) + " of " +
                              std::to_string(total_) + " steps");
      break;
    }
    if (options_.patience > 0 && at_.worse >= options_.patience && at_.step < total_) {
      report_.notes.push_back("stopped after " + std::to_string(at_.step) + " of " + std::to_string(total_) +
                              " steps: " + std::to_string(at_.worse) + " judgements found nothing better");
      break;
    }
  }
  return {};
}

Status Distiller::run_step(int64_t step) {
  const int64_t epoch = step / steps_per_epoch_;
  if (epoch != order_epoch_) {
    order_ = shuffled(split_.train, options_.seed, epoch);
    order_epoch_ = epoch;
  }
  const std::span<const int64_t> samples =
      std::span(order_).subspan(static_cast<size_t>(step % steps_per_epoch_ * batch_), static_cast<size_t>(batch_));
  const Draw draw = {options_.augment, options_.seed, epoch, split_.train};
  auto sum = shards_->run(samples, options_.augment.empty() ? nullptr : &draw, *feed_, *weights_);
  if (!sum) return sum.error();
  double scale = 1 / static_cast<double>(batch_);
  double loss = *sum * scale;
  if (options_.entropy > 0) loss += price(weights_->add_code_bits(options_.entropy / scale, options_.code_bits));
  if (!std::isfinite(loss)) return stop_diverged(step, "the loss is not a number"), Status();
  const double norm = weights_->gradient_norm(scale);
  if (!std::isfinite(norm)) return stop_diverged(step, "a gradient is not a number"), Status();
  largest_norm_ = std::max(largest_norm_, norm_);
  norm_ = norm;
  if (options_.clip > 0 && norm > options_.clip) scale *= options_.clip / norm;
  const auto warmup =
      options_.warmup ? static_cast<int64_t>(*options_.warmup * static_cast<double>(total_)) : default_warmup(total_);
  weights_->step(step + 1, rate_ * rate_factor(*schedule_, step, total_, warmup), scale);
  at_.interval_loss += loss;
  ++at_.interval_steps;
  last_loss_ = loss;
  return {};
}

void Distiller::stop_diverged(int64_t step, const std::string& what) {
  diverged_ = true;
  std::string cause = "likely the learning rate of " + shortest(rate_) + " is too high: lower it with --lr";
  if (options_.clip == 0) cause += ", or limit gradients with --clip 1";
  if (norm_ > kSuddenGrowth * largest_norm_ && largest_norm_ > 0) {
    cause += " (the norm of the gradient had grown from " + number("%.3g", largest_norm_) + " to " +
             number("%.3g", norm_) + ")";
  }
  const std::string text = "stopped at step " + std::to_string(step + 1) + " of " + std::to_string(total_) + ": " +
                           what + "; " + cause + "; the best weights before it are kept";
  report_.warnings.push_back(text);
  report_.notes.push_back(text);
}

void Distiller::say_progress() {
  if (at_.step % interval_ != 0 && at_.step < total_ && seconds_since(said_) < kSecondsBetweenWords) return;
  said_ = Clock::now();
  const double each = train_seconds_ / static_cast<double>(done_here_);
  const double left = seconds_since(start_) / static_cast<double>(done_here_) * static_cast<double>(total_ - at_.step);
  context_.progress->detail("loss " + number("%.4g", last_loss_) + ", " +
                            number("%.0f", static_cast<double>(batch_) / each) + " samples/s, " + time_text(left) +
                            " left");
}

Curve& Distiller::curve(const std::string& name, const std::string& unit) {
  for (Curve& curve : at_.curves) {
    if (curve.name == name) return curve;
  }
  return at_.curves.emplace_back(Curve{name, unit, {}, {}});
}

void Distiller::add_point(const std::string& name, const std::string& unit, double value) {
  Curve& points = curve(name, unit);
  points.steps.push_back(static_cast<double>(at_.step));
  points.values.push_back(value);
}

Status Distiller::judge() {
  add_point("loss", "", at_.interval_loss / static_cast<double>(std::max<int64_t>(1, at_.interval_steps)));
  at_.interval_loss = 0;
  at_.interval_steps = 0;
  std::vector<Parameter> parameters = weights_->parameters();
  for (const Parameter& parameter : parameters) {
    const auto numbers = parameter.value.data<float>();
    if (!std::all_of(numbers.begin(), numbers.end(), [](float number) { return std::isfinite(number); })) {
      stop_diverged(at_.step - 1, "weight '" + parameter.name + "' holds NaN or infinity");
      return {};
    }
  }
  ir::Graph candidate = student_.clone();
  EDGESMITH_TRY(write_back(parameters, candidate, trainable()));
  auto verdict = judge_->judge(candidate, "judge step " + std::to_string(at_.step));
  if (!verdict) return verdict.error();
  verdict->loss += code_cost(parameters);
  if (!std::isfinite(verdict->loss)) return stop_diverged(at_.step - 1, "the held-out loss is not a number"), Status();
  add_point("held-out loss", "", verdict->loss);
  if (verdict->hits) add_point(judge_->hits_name(), "%", *verdict->hits);
  add_code_point(parameters);
  ++at_.worse;
  if (!(verdict->loss < at_.best_loss)) return {};
  at_.best_loss = verdict->loss;
  at_.worse = 0;
  at_.best.clear();
  for (Parameter& parameter : parameters) at_.best.push_back(std::move(parameter.value));
  return {};
}

double Distiller::code_cost(std::span<const Parameter> parameters) const {
  return options_.entropy > 0 ? price(mean_code_bits(parameters).value_or(0)) : 0;
}

void Distiller::add_code_point(std::span<const Parameter> parameters) {
  if (options_.entropy > 0) add_point("bits of a code", "", mean_code_bits(parameters).value_or(0));
}

Status Distiller::save() const {
  if (options_.checkpoint.empty()) return {};
  Checkpoint checkpoint = at_;
  checkpoint.identity = identity_;
  checkpoint.state = weights_->state();
  return write_checkpoint(options_.checkpoint, checkpoint);
}

Status Distiller::finish() {
  report_.steps = at_.step;
  report_.loss_after = at_.best_loss;
  report_.curves = at_.curves;
  if (train_seconds_ > 0) {
    report_.samples_per_second = static_cast<double>(done_here_ * batch_) / train_seconds_;
  }
  if (at_.best.empty()) {
    if (!report_.interrupted) {  // the reason that nothing changed, but for a training that went wrong
      const auto place = diverged_ ? report_.notes.end() : report_.notes.begin();
      report_.notes.insert(
          place, "no weights did better on the " + held_out_text() + " than those that the student came with");
    }
    return {};
  }
  std::vector<Parameter> best = training_.parameters;
  for (size_t p = 0; p < best.size(); ++p) best[p].value = at_.best[p].reshaped(best[p].value.dims());
  EDGESMITH_TRY(write_back(best, student_, trainable()));
  report_.changed = true;
  const std::string priced = options_.entropy > 0 ? ", " + shortest(options_.entropy) + " bits of a code" : "";
  report_.notes.push_back(std::to_string(at_.step) + " steps of " + std::to_string(batch_) + " samples by " +
                          std::string(optimizer_->name) + " at " + shortest(rate_) + " against " + objective_.text() +
                          priced + ": the loss on " + held_out_text() + " fell from " +
                          fall_text(at_.first_loss, at_.best_loss));
  if (options_.entropy > 0) {
    report_.notes.push_back("by their frequencies, codes of weights take " + number("%.3f", *mean_code_bits(best)) +
                            " bits on average, " + number("%.3f", *mean_code_bits(training_.parameters)) + " before");
  }
  return {};
}

}  // namespace

Result<DistillReport> distill(ir::Graph& student, const Teachers& teachers, const data::Dataset& data,
                              const DistillOptions& options, const DistillContext& context) {
  return Distiller(student, teachers, data, options, context).run();
}

}  // namespace edgesmith::train
