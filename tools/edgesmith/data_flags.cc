// SPDX-License-Identifier: Apache-2.0
#include "data_flags.h"

#include <charconv>
#include <tuple>

#include "edgesmith/base/text.h"
#include "edgesmith/data/preprocess.h"
#include "edgesmith/targets/target.h"
#include "edgesmith/targets/target_names.h"

namespace edgesmith::cli {
namespace {

std::string picture_color(const std::vector<std::string>& words) {
  std::string color;
  for (const std::string& word : words) {
    if (word == "rgb" || word == "bgr" || word == "gray") color = word;
  }
  return color;
}

/// The quick flags as declared preprocessing; absent when none is given.
Result<std::optional<data::Preprocess>> make_preprocess(const DataFlags& flags, const std::string& color) {
  data::Preprocess preprocess;
  bool given = false;
  for (const std::string& flag : data::preprocess_flags()) {
    const auto text = flags.preprocess.find(flag);
    const std::string value = flag == "color" ? color : text == flags.preprocess.end() ? "" : text->second;
    if (value.empty()) continue;
    given = true;
    EDGESMITH_TRY(data::set_preprocess_flag(preprocess, flag, value));
  }
  return given ? std::optional(preprocess) : std::nullopt;
}

}  // namespace

std::vector<std::string> target_names() { return targets::target_names(); }

std::vector<std::string> metric_names() {
  std::vector<std::string> names;
  for (const data::MetricInfo& metric : data::all_metrics()) names.emplace_back(metric.name);
  return names;
}

Result<const data::MetricInfo*> metric_named(const std::string& name) {
  if (const data::MetricInfo* metric = data::find_metric(name)) return metric;
  const std::vector<std::string> names = metric_names();
  const std::string near = nearest(name, names);
  return usage_error("unknown metric '" + name + "'",
                     near.empty() ? "known: " + join(names, ", ") : "did you mean '" + near + "'?");
}

void add_data_option(Command* command, const std::string& name, DataFlag& flag, const std::string& help) {
  command->add_option("--" + name, flag.path, help)->type_name("D")->group("Data");
  command
      ->add_option("--" + name + "-limit", flag.limit,
                   "use N of its samples: the same ones each time, classes balanced")
      ->positive()
      ->type_name("N")
      ->group("Data");
}

void add_preprocess_options(Command* command, DataFlags& flags) {
  command
      ->add_option("--labels", flags.labels,
                   "where labels are: folders, folder-numbers, none, an array's name, or a file of them")
      ->type_name("L")
      ->group("Data");
  command->add_option("--features", flags.features, "columns of a .csv table that a sample is made of")
      ->type_name("A,B,...")
      ->group("Data");
  command->add_option("--label", flags.label, "column of its labels: classes, or expected outputs")
      ->type_name("COLUMN")
      ->group("Data");
  const auto add = [&](const char* name, const char* type, const char* help) {
    command->add_option(std::string("--") + name, flags.preprocess[name], help)
        ->type_name(type)
        ->group("Preprocessing");
  };
  add("crop-fraction", "F", "keep the centre square of this share of the shorter side");
  add("resize", "S", "shorter side, or HEIGHTxWIDTH");
  add("filter", "WORD", "nearest, box, bilinear (default), hamming, bicubic or lanczos, as Pillow");
  add("crop", "N", "centre crop");
  add("layout", "WORD", "nchw (default) or nhwc");
  add("scale", "X", "multiply by this first, such as 1/255");
  add("mean", "X,...", "then subtract: one number, or one a channel");
  add("std", "X,...", "then divide by");
}

void add_dim_option(Command* command, std::vector<std::string>& dims) {
  command->add_option("--dim", dims, "size of a free dim of seeded inputs, by its name; may be repeated")
      ->type_name("NAME=N");
}

Status parse_dims(const std::vector<std::string>& texts, std::vector<std::pair<std::string, int64_t>>& dims) {
  for (const std::string& text : texts) {
    const size_t equals = text.rfind('=');
    int64_t size = 0;
    const char* end = text.data() + text.size();
    const auto read = std::from_chars(equals == std::string::npos ? end : text.data() + equals + 1, end, size);
    if (read.ec != std::errc() || read.ptr != end || equals == 0 || size < 0) {
      return usage_error("--dim: '" + text + "' is no name with a size", "write H=64");
    }
    dims.emplace_back(text.substr(0, equals), size);
  }
  return {};
}

Result<std::optional<data::DataSpec>> make_spec(const DataFlag& flag, const DataFlags& flags,
                                                const std::vector<std::string>& color, uint64_t seed) {
  if (flag.path.empty()) return std::optional<data::DataSpec>();
  data::DataSpec spec;
  spec.path = flag.path;
  if (!flags.label.empty() && !flags.labels.empty()) return usage_error("both --label and --labels are given");
  spec.labels = flags.label.empty() ? flags.labels : flags.label;
  if (!flags.features.empty()) spec.features = split(flags.features, ',');
  spec.limit = flag.limit;
  spec.seed = seed;
  auto preprocess = quick_preprocess(flags, color);
  if (!preprocess) return preprocess.error();
  spec.preprocess = std::move(*preprocess);
  return std::optional(spec);
}

Result<data::PreprocessTable> quick_preprocess(const DataFlags& flags, const std::vector<std::string>& color) {
  data::PreprocessTable table;
  auto preprocess = make_preprocess(flags, picture_color(color));
  if (!preprocess) return preprocess.error();
  if (*preprocess) table.emplace_back("", **preprocess);
  return table;
}

void add_program_options(Command* command, ProgramFlags& flags, const std::string& group) {
  command
      ->add_option("--metric-command", flags.command,
                   "program that computes the metric: gets the paths of the outputs and of the labels (.npz), prints "
                   "{\"value\": ...}; --metric names what it is")
      ->type_name("CMD")
      ->group(group);
  command->add_option("--metric-timeout", flags.timeout, "how long it may take, such as 90 or 10m (default 10m)")
      ->type_name("TIME")
      ->group(group);
  command->add_option("--metric-better", flags.better, "its larger values are better (default), or its lower ones")
      ->one_of({"higher", "lower"})
      ->type_name("WORD")
      ->group(group);
}

Result<std::shared_ptr<const refine::MetricProgram>> make_program(const ProgramFlags& flags, const std::string& name) {
  if (flags.command.empty()) {
    if (flags.timeout.empty() && flags.better.empty()) return std::shared_ptr<const refine::MetricProgram>();
    return usage_error("--metric-timeout and --metric-better are for a metric of your own", "add --metric-command CMD");
  }
  refine::MetricProgramOptions options{name, flags.command, 600, flags.better != "lower"};
  if (!flags.timeout.empty()) {
    const auto seconds = parse_seconds(flags.timeout);
    if (!seconds) return usage_error("--metric-timeout: cannot read '" + flags.timeout + "'", "write 90, 90s or 10m");
    options.timeout = *seconds;
  }
  return refine::MetricProgram::create(std::move(options));
}

void add_gate_options(Command* command, GateFlags& flags) {
  command->add_option("--metric", flags.metric, "what is measured (default top1, without labels agreement)")
      ->type_name("NAME")
      ->suggest(metric_names())
      ->group("Gate");
  command
      ->add_option("--max-drop", flags.max_drop,
                   "largest loss against the original: points for top1 and top5, else in the metric's unit")
      ->non_negative()
      ->type_name("X")
      ->group("Gate");
  add_program_options(command, flags.program, "Gate");
  command->add_option("--max-bytes", flags.max_bytes, "largest file, such as 300000 or 300kB")
      ->type_name("SIZE")
      ->group("Gate");
  command
      ->add_option("--max-ram", flags.max_ram,
                   "most memory on the target, such as 256KiB: activations, and weights where they lie in RAM")
      ->type_name("SIZE")
      ->group("Gate");
  command
      ->add_option("--max-latency-us", flags.max_latency_us,
                   "most microseconds for a sample on the target: measured for host, else by its cost model")
      ->positive()
      ->type_name("X")
      ->group("Gate");
  command->add_option("--min-speedup", flags.min_speedup, "least times as fast as the original on the target")
      ->positive()
      ->type_name("X")
      ->group("Gate");
  command
      ->add_option("--gate-targets", flags.targets,
                   "the loss must stay within the budget with the arithmetic of each of these targets")
      ->type_name("NAME,...")
      ->suggest(target_names())
      ->group("Gate");
  command->add_option("--on-fail", flags.on_fail, "rollback (default): undo the step; fail: stop and write nothing")
      ->one_of({"rollback", "fail"})
      ->type_name("WORD")
      ->group("Gate");
  command
      ->add_option("--undecided", flags.undecided,
                   "when the samples cannot tell: accept (default, the estimate decides) or fail")
      ->one_of({"accept", "fail"})
      ->type_name("WORD")
      ->group("Gate");
  command->add_flag("--allow-rollback", flags.allow_rollback, "exit 0 although a step was rolled back")->group("Gate");
}

Status apply_gate(const GateFlags& flags, refine::Gate& gate) {
  auto program = make_program(flags.program, flags.metric);
  if (!program) return program.error();
  if (*program != nullptr) {
    const refine::MetricProgramOptions& options = (*program)->options();
    gate.metric = flags.metric;
    gate.metric_command = options.command;
    gate.metric_timeout = options.timeout;
    gate.metric_lower = !options.higher_is_better;
  } else if (!flags.metric.empty()) {
    gate.metric_command.clear();
    const auto metric = metric_named(flags.metric);
    if (!metric) return metric.error();
    gate.metric = flags.metric;
  }
  if (!flags.targets.empty()) {
    gate.targets = split(flags.targets, ',');
    for (const std::string& name : gate.targets) {
      const auto target = targets::load_target(name);
      if (!target) return target.error().in("--gate-targets");
    }
  }
  if (flags.max_drop) gate.max_drop = flags.max_drop;
  const std::tuple<const char*, const std::string*, std::optional<int64_t>*> sizes[] = {
      {"--max-bytes", &flags.max_bytes, &gate.max_bytes}, {"--max-ram", &flags.max_ram, &gate.max_ram}};
  for (const auto& [name, text, bytes] : sizes) {
    if (text->empty()) continue;
    *bytes = parse_bytes(*text);
    if (!*bytes) return usage_error(std::string(name) + ": '" + *text + "' is no size", "write 262144 or 256KiB");
  }
  if (flags.max_latency_us) gate.max_latency_us = flags.max_latency_us;
  if (flags.min_speedup) gate.min_speedup = flags.min_speedup;
  if (!flags.on_fail.empty()) gate.on_fail = flags.on_fail == "fail" ? refine::OnFail::fail : refine::OnFail::rollback;
  if (!flags.undecided.empty()) {
    gate.undecided = flags.undecided == "fail" ? refine::OnUndecided::fail : refine::OnUndecided::accept;
  }
  return {};
}

}  // namespace edgesmith::cli
