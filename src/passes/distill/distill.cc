// SPDX-License-Identifier: Apache-2.0
// distill: trains the model against a teacher. The forms that passes before it gave the weights stay: masks, codebooks,
// grids (src/train/parameters.h). Without a teacher of its own it is repair: the original is the teacher.
#include <charconv>
#include <filesystem>

#include "edgesmith/base/text.h"
#include "edgesmith/ir/align_inputs.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/pass.h"
#include "edgesmith/passes/teachers.h"
#include "edgesmith/train/loss.h"
#include "edgesmith/train/optimizer.h"
#include "edgesmith/train/schedule.h"
#include "passes/distill/train_step.h"
#include "passes/student/student.h"
#include "train/checkpoint.h"

namespace edgesmith::passes {
namespace {

template <typename Rows>
std::vector<std::string_view> names_of(const Rows& rows) {
  std::vector<std::string_view> names;
  for (const auto& row : rows) names.push_back(row.name);
  return names;
}

OptionSchema make_options() {
  const auto real = [](std::string_view name, std::string_view fallback, std::string_view help, double min,
                       double max) {
    return OptionRow{
        .name = name, .kind = OptionKind::real, .fallback = fallback, .help = help, .min = min, .max = max};
  };
  const auto integer = [](std::string_view name, std::string_view fallback, std::string_view help, double min) {
    return OptionRow{
        .name = name, .kind = OptionKind::integer, .fallback = fallback, .help = help, .min = min, .max = 1e9};
  };
  const auto list = [](std::string_view name, std::string_view fallback, std::string_view help) {
    return OptionRow{.name = name, .kind = OptionKind::text_list, .fallback = fallback, .help = help};
  };
  const auto word = [](std::string_view name, std::string_view fallback, std::string_view help) {
    return OptionRow{.name = name, .kind = OptionKind::word, .fallback = fallback, .help = help};
  };
  const auto path = [](std::string_view name, std::string_view help) {
    return OptionRow{.name = name, .kind = OptionKind::path, .fallback = "", .help = help};
  };
  OptionRow optimizer = word(
      "optimizer", "",
      "how gradients become steps; unset: soap where most weights are pruned or shared, unless lr is given, else adam");
  optimizer.words = names_of(train::all_optimizers());
  OptionRow schedule = word("schedule", "cosine", "how the learning rate changes");
  schedule.words = names_of(train::all_schedules());
  OptionRow checkpoint =
      path("checkpoint", "where the state of the training is written from time to time, and on Ctrl-C");
  checkpoint.file_use = FileUse::written;
  OptionRow resume = path("resume", "checkpoint to go on from");
  resume.file_use = FileUse::gone_on_with;
  return {
      path("teacher", "the model to learn from; unset: the model as it was before the first step"),
      path("second_teacher", "another model: what is learned is the mean of its answers and the teacher's"),
      OptionRow{.name = "mirror_teacher",
                .kind = OptionKind::flag,
                .fallback = "false",
                .help = "teachers answer with their mean over each picture and its mirror image, at twice the cost"},
      list("student", "",
           "train a smaller model made from this one: width=0.5 (share of the channels), depth=0.5 (of the residual "
           "blocks), weights=fitted, teacher or fresh"),
      list("loss", "mse", "mse, kl or cross-entropy (which needs labels), with weights as kl,cross-entropy=0.5"),
      list("match", "", "outputs held against each other, as student=teacher, where names differ"),
      list("feature", "", "values inside held against each other, as student=teacher"),
      real("feature_weight", "1", "weight of each feature's loss", 0, 1e6),
      real("temperature", "1", "softens the probabilities of kl", 0.01, 1000),
      real("entropy", "0",
           "for weights that are codes: what a bit of each costs beside the losses, so that pack spends fewer", 0, 1e6),
      real("code_bits", "0", "bits of a code, on average over the weights, that entropy does not count", 0, 16),
      integer("epochs", "10", "times that each training sample is seen", 1),
      integer("steps", "", "number of steps, in place of epochs", 1),
      integer("batch", "", "samples a step; unset: 64, or as many as there are", 1),
      real("lr", "",
           "learning rate; unset: 0.001 with adam and adamw, 0.01 with sgd, 0.003 of a channel's size with relative, "
           "0.005 with soap",
           0, 1e6),
      optimizer,
      schedule,
      real("warmup", "", "share of the steps in which the rate rises from zero; unset: 0.05, in short runs up to 0.3",
           0, 1),
      real("weight_decay", "0", "pull of weights to zero; biases and norms have none", 0, 1),
      real("clip", "0", "largest norm of a step's gradient; 0: any", 0, 1e9),
      real("ema", "0", "share that a running mean of the weights keeps at each step; 0: the weights themselves count",
           0, 0.999999),
      list("augment", "none", "changes of the samples trained on: flip, shift=4, cutout=8, mixup=0.2, noise=0.01"),
      OptionRow{.name = "augment_holdout",
                .kind = OptionKind::flag,
                .fallback = "false",
                .help = "change the samples that judge as well, once: where the original was trained on them"},
      real("holdout", "0.1", "share of the training samples that judge which weights are kept", 0.0001, 0.9),
      integer("patience", "0", "judgements without a better one that end the training; 0: none do", 0),
      OptionRow{.name = "keep_steps",
                .kind = OptionKind::flag,
                .fallback = "false",
                .help = "steps of quantized weights and values stay: less time a step than with learned ones"},
      OptionRow{.name = "learn_indices",
                .kind = OptionKind::flag,
                .fallback = "false",
                .help = "weights that share float codebooks may take other entries of theirs"},
      list("freeze", "", "names (globs) of weights that stay as they are"),
      word("time_limit", "", "stop after this long, such as 10m, and keep the best so far"),
      word("memory_limit", "", "most memory for activations, such as 512MiB: fewer samples go through at a time"),
      checkpoint,
      resume,
  };
}

const OptionSchema& distill_options() {
  static const OptionSchema kSchema = make_options();
  return kSchema;
}

/// Seconds of "90", "90s", "10m", "1.5h".
Result<double> parse_seconds(const std::string& text) {
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string unit(end, text.data() + text.size());
  const double factor = unit.empty() || unit == "s" ? 1 : unit == "m" || unit == "min" ? 60 : unit == "h" ? 3600 : 0;
  if (code != std::errc() || factor == 0 || !(value > 0)) {
    return usage_error("time_limit: '" + text + "' is no time", "write 90s, 10m or 1.5h");
  }
  return value * factor;
}

Result<train::DistillOptions> read_options(const Options& options) {
  const auto list = [&](std::string_view name) {
    return options.is_set(name) ? options.list(name) : std::vector<std::string>{};
  };
  const auto text = [&](std::string_view name) { return options.is_set(name) ? options.word(name) : std::string(); };
  train::DistillOptions result;
  result.losses = list("loss");
  result.match = list("match");
  result.features = list("feature");
  result.feature_weight = options.real("feature_weight");
  result.temperature = options.real("temperature");
  result.mirror_teacher = options.flag("mirror_teacher");
  result.entropy = options.real("entropy");
  result.code_bits = options.real("code_bits");
  result.optimizer = text("optimizer");
  result.schedule = options.word("schedule");
  if (options.is_set("lr")) result.rate = options.real("lr");
  result.weight_decay = options.real("weight_decay");
  result.clip = options.real("clip");
  result.ema = options.real("ema");
  if (options.is_set("warmup")) result.warmup = options.real("warmup");
  result.keep_steps = options.flag("keep_steps");
  result.learn_indices = options.flag("learn_indices");
  result.freeze = list("freeze");
  auto augment = data::parse_augment(join(options.list("augment"), ","));
  if (!augment) return augment.error();
  result.augment = *augment;
  result.augment_holdout = options.flag("augment_holdout");
  result.epochs = options.integer("epochs");
  if (options.is_set("steps")) result.steps = options.integer("steps");
  if (options.is_set("batch")) result.batch = options.integer("batch");
  result.holdout = options.real("holdout");
  result.patience = options.integer("patience");
  result.checkpoint = text("checkpoint");
  result.resume = text("resume");
  if (options.is_set("time_limit")) {
    auto seconds = parse_seconds(options.word("time_limit"));
    if (!seconds) return seconds.error();
    result.time_limit = *seconds;
  }
  if (options.is_set("memory_limit")) {
    const auto bytes = parse_bytes(options.word("memory_limit"));
    if (!bytes) {
      return usage_error("memory_limit: '" + options.word("memory_limit") + "' is no size",
                         "write 2GiB, 512MB or bytes");
    }
    result.memory_limit = *bytes;
  }
  return result;
}

bool has_loss(const Options& options, std::string_view name) {
  const std::vector<std::string>& losses = options.list("loss");
  return std::any_of(losses.begin(), losses.end(),
                     [&](const std::string& loss) { return std::string_view(loss).substr(0, loss.find('=')) == name; });
}

/// Options that would do nothing beside the others.
Status check_effects(const Options& options) {
  const auto useless = [&](bool asked, const char* name, const char* why, const char* hint) -> Status {
    return asked ? Status(usage_error(std::string(name) + " " + why, hint)) : Status();
  };
  const bool features = options.is_set("feature") && !options.list("feature").empty();
  const bool augmented = options.list("augment") != std::vector<std::string>{"none"};
  const bool taught = has_loss(options, "kl") || has_loss(options, "mse") || features;
  EDGESMITH_TRY(useless(options.given("code_bits") && !(options.real("entropy") > 0), "code_bits",
                        "is what entropy does not count", "give --entropy with it"));
  EDGESMITH_TRY(useless(options.given("feature_weight") && !features, "feature_weight", "is the weight of features",
                        "name some with --feature"));
  EDGESMITH_TRY(useless(options.flag("augment_holdout") && !augmented, "augment_holdout", "is about augmentation",
                        "say what is done with --augment"));
  EDGESMITH_TRY(useless(options.given("temperature") && !has_loss(options, "kl"), "temperature", "is for the loss kl",
                        "leave it out, or give --loss kl"));
  EDGESMITH_TRY(useless(options.is_set("second_teacher") && !taught, "second_teacher",
                        "does nothing: cross-entropy learns from labels", "add --loss kl"));
  EDGESMITH_TRY(useless(options.flag("mirror_teacher") && !taught, "mirror_teacher",
                        "does nothing: cross-entropy learns from labels", "add --loss kl"));
  if (options.is_set("lr") && !(options.real("lr") > 0)) {
    return usage_error("lr 0 changes no weight", "give one above 0, or leave it out");
  }
  return {};
}

/// Files that are there are checkpoints.
Status check_distill(const Options& options) {
  EDGESMITH_TRY(check_effects(options));
  std::error_code ignored;
  for (const char* name : {"checkpoint", "resume"}) {
    if (!options.is_set(name)) continue;
    const std::string& path = options.word(name);
    if (!std::filesystem::is_regular_file(path, ignored) || train::is_checkpoint(path)) continue;
    if (name == std::string_view("resume")) return train::no_checkpoint_error(path);
    if (std::filesystem::file_size(path, ignored) == 0) continue;  // nothing to lose
    return usage_error(path + ": exists already, and holds no checkpoint", "name another file for --checkpoint");
  }
  return {};
}

Result<Change> run_distill(ir::Graph& graph, const Options& options, PassContext& context) {
  if (context.train == nullptr || context.train->size() == 0) {
    return usage_error("distill needs training data", "give some with --train");
  }
  auto settings = read_options(options);
  if (!settings) return settings.error();
  EDGESMITH_TRY(check_teachers(options, graph));
  std::optional<ir::Graph> named, second;
  if (options.is_set("teacher")) {
    auto loaded = context.load_model(options.word("teacher"));
    if (!loaded) return loaded.error();
    named = std::move(*loaded);
    ir::align_inputs(*named, graph);
  }
  train::Teachers teachers = {named ? &*named : context.original};
  if (options.is_set("second_teacher")) {
    auto loaded = context.load_model(options.word("second_teacher"));
    if (!loaded) return loaded.error();
    second = std::move(*loaded);
    ir::align_inputs(*second, graph);
    teachers.push_back(&*second);
  }
  const bool derived = options.is_set("student");
  if (derived) {
    auto student = parse_student(join(options.list("student"), ","));
    if (!student) return student.error();
    auto made = derive_student(graph, *student, context.train, context);
    if (!made) return made.error();
    graph = std::move(*made);
    EDGESMITH_TRY(ops::infer_types(graph));
  }
  auto report = train_step(graph, teachers, *context.train, std::move(*settings), context);
  if (!report) return report.error();
  if (report->nothing_to_learn) {
    if (!named) {
      return usage_error("the student is its own teacher: no step before distill changed what it answers",
                         "name another model with --teacher");
    }
    context.notes.insert(context.notes.begin(), "there is nothing to learn: the loss is 0 before any training");
  }
  context.stopped_early = report->interrupted;
  return report->changed || derived ? Change::changed : Change::none;
}

}  // namespace

extern const PassInfo distill_pass = {
    .name = "distill",
    .summary = "train the model against a teacher, keeping masks, codebooks and grids",
    .options = distill_options,
    .run = run_distill,
    .is_step = true,
    .needs_calib = false,
    .needs_train = true,
    .check = check_distill};

}  // namespace edgesmith::passes
