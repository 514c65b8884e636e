// SPDX-License-Identifier: Apache-2.0
// `edgesmith reduce`: the smallest model that still breaks something.
#include "edgesmith/refine/reduce.h"
#include "edgesmith/base/clock.h"
#include "edgesmith/refine/output_name.h"

#include <chrono>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli.h"
#include "edgesmith/base/cpu.h"
#include "edgesmith/base/file.h"
#include "edgesmith/base/log.h"
#include "edgesmith/base/shell.h"
#include "edgesmith/base/text.h"
#include "edgesmith/data/seeded_inputs.h"
#include "edgesmith/ir/align_inputs.h"
#include "edgesmith/onnx/export.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/refine/gate.h"
#include "edgesmith/refine/measure.h"
#include "edgesmith/refine/runner.h"
#include "edgesmith/report/terminal.h"

namespace edgesmith::cli {
namespace {

namespace fs = std::filesystem;
using Tensors = std::vector<ir::Tensor>;
using Clock = std::chrono::steady_clock;

struct ReduceFlags {
  std::string model, output, command, differs, message, time_limit;
  double tolerance = 1e-3;
  bool random_weights = false, force = false;
};

/// A folder for the candidates, gone with its object.
class Scratch {
 public:
  static Result<std::unique_ptr<Scratch>> create() {
    std::error_code error;
    std::string name = (fs::temp_directory_path(error) / "edgesmith-reduce-XXXXXX").string();
    if (error || mkdtemp(name.data()) == nullptr) {
      return io_error(name + ": cannot create a folder for candidates", "set TMPDIR to a folder that can be written");
    }
    std::unique_ptr<Scratch> scratch(new Scratch);
    scratch->folder_ = name;
    return scratch;
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::string operator/(const char* name) const { return (folder_ / name).string(); }

 private:
  Scratch() = default;
  fs::path folder_;
};

std::string with_replaced(std::string text, const std::string& what, const std::string& by) {
  for (size_t at = 0; (at = text.find(what, at)) != text.npos; at += by.size()) text.replace(at, what.size(), by);
  return text;
}

/// The largest difference between the results, relative to the largest finite number of the result; infinite where
/// they differ in shape or in what is not finite.
double difference_of(const Tensors& a, const Tensors& b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (i >= b.size() || a[i].dtype() != b[i].dtype() || a[i].dims() != b[i].dims()) return HUGE_VAL;
    const std::vector<float> x = a[i].to_floats(), y = b[i].to_floats();
    double size = 0, difference = 0;
    for (size_t j = 0; j < x.size(); ++j) {
      if (std::isfinite(x[j])) size = std::max(size, std::abs(static_cast<double>(x[j])));
      if (x[j] == y[j] || (std::isnan(x[j]) && std::isnan(y[j]))) continue;
      const double off = std::abs(static_cast<double>(x[j]) - static_cast<double>(y[j]));
      if (!std::isfinite(off)) return HUGE_VAL;
      difference = std::max(difference, off);
    }
    largest = std::max(largest, size > 0 ? difference / size : difference > 0 ? HUGE_VAL : 0);
  }
  return largest;
}

/// Whether a model breaks what the user said.
class Trial {
 public:
  Trial(const ReduceFlags& flags, const refine::ReduceOptions& options, const Scratch& scratch)
      : flags_(flags), options_(options), scratch_(scratch) {}

  /// What the model as it is does: the same is asked of the candidates. Errors: usage (it breaks nothing).
  Status learn(const ir::Graph& graph) {
    if (!flags_.differs.empty()) {
      auto difference = difference_after(graph, flags_.model);
      if (!difference) return difference.error();
      if (!*difference) return usage_error("--differs: " + failure_, "the command must write a model to {out}");
      if (**difference > flags_.tolerance) return {};
      return usage_error("--differs: outputs differ by " + shortest(static_cast<float>(**difference)) +
                             " of their largest number, within the tolerance of " + shortest(flags_.tolerance),
                         "there is nothing to reduce; lower --tolerance");
    }
    auto code = run(flags_.model);
    if (!code) return code.error();
    if (!*code) return ended();
    exit_code_ = **code;
    if (exit_code_ == 0) {
      return usage_error("--command: succeeds on " + flags_.model,
                         "there is nothing to reduce; it must end with another exit code than 0 on models that break");
    }
    if (exit_code_ == 126 || exit_code_ == 127) {
      return usage_error("--command: cannot be run (exit code " + std::to_string(exit_code_) + ")" + log_text(),
                         "try it by hand on the model");
    }
    if (says_message()) return {};
    return usage_error("--message: '" + flags_.message + "' is not in what the command says" + log_text(),
                       "give words of its output");
  }

  Result<bool> breaks(const ir::Graph& graph, const std::string& bytes) {
    const std::string candidate = scratch_ / "model.onnx";
    EDGESMITH_TRY(write_file(candidate, bytes));
    if (!flags_.differs.empty()) {
      auto difference = difference_after(graph, candidate);
      if (!difference) return difference.error();
      return *difference && **difference > flags_.tolerance;
    }
    auto code = run(candidate);
    if (!code) return code.error();
    return *code && **code == exit_code_ && says_message();
  }

 private:
  bool limited() const { return options_.time_limit > 0; }

  Result<std::optional<int>> run(const std::string& path) {
    const double left = limited() ? options_.time_limit - seconds_since(options_.start) : 0;
    const std::string& text = flags_.differs.empty() ? flags_.command : flags_.differs;
    const std::string command =
        with_replaced(with_replaced(text, "{out}", shell_quoted(scratch_ / "out.onnx")), "{}", shell_quoted(path));
    return run_shell(command, scratch_ / "log", scratch_ / "log", limited() ? std::max(left, 0.01) : 0);
  }

  static Error ended() {
    if (interrupted()) return {ErrorKind::interrupted, "interrupted while reducing", ""};
    return io_error("--time-limit: the command takes longer on the model itself", "raise it");
  }

  bool says_message() const {
    if (flags_.message.empty()) return true;
    const auto log = read_file(scratch_ / "log");
    return log.ok() && log->find(flags_.message) != std::string::npos;
  }

  /// The last line that the command wrote.
  std::string log_text() const {
    const auto log = read_file(scratch_ / "log");
    if (!log.ok()) return "";
    std::string line;
    for (const std::string& text : split(*log, '\n')) line = text.empty() ? line : text;
    return line.empty() ? "" : ": " + line;
  }

  /// How much the results change by what the command does; nothing where a model does not run or none is written.
  Result<std::optional<double>> difference_after(const ir::Graph& graph, const std::string& path) {
    std::error_code ignored;
    fs::remove(scratch_ / "out.onnx", ignored);
    auto code = run(path);
    if (!code) return code.error();
    if (!*code) return limited() && !interrupted() ? Result<std::optional<double>>(std::nullopt) : ended();
    if (**code != 0) return fail("the command ends with exit code " + std::to_string(**code) + log_text());
    auto other = onnx::import_file(scratch_ / "out.onnx");
    if (!other) return fail(other.error().text());
    ir::align_inputs(*other, graph);
    data::SeededOptions options;
    options.seed = options_.seed;
    options.memory_limit = memory_bytes();
    const auto inputs = data::seeded_inputs(graph, options);
    if (!inputs) return fail(inputs.error().text());
    if (other->inputs().size() != inputs->size()) return fail("the command's model has other inputs");
    const auto before = answers(graph, *inputs), after = answers(*other, *inputs);
    if (!before) return fail(before.error().text());
    if (!after) return fail(after.error().text());
    return std::optional(difference_of(*before, *after));
  }

  Result<std::optional<double>> fail(std::string why) {
    failure_ = std::move(why);
    return std::optional<double>();
  }

  static Result<Tensors> answers(const ir::Graph& graph, const Tensors& inputs) {
    runtime::ExecutorOptions options;
    options.memory_limit = memory_bytes();
    auto executor = runtime::Executor::create(graph, options);
    if (!executor) return executor.error();
    return (*executor)->make_session()->run(inputs);
  }

  const ReduceFlags& flags_;
  const refine::ReduceOptions& options_;
  const Scratch& scratch_;
  int exit_code_ = 0;
  std::string failure_;
};

Status check_flags(const ReduceFlags& flags) {
  if (flags.output.empty()) return usage_error("reduce: no output given", "add -o SMALL.onnx");
  if (flags.command.empty() == flags.differs.empty()) {
    return usage_error("reduce: needs one of --command and --differs", "say what the model breaks: --command 'CMD {}'");
  }
  const bool differs = flags.command.empty();
  const std::string& text = differs ? flags.differs : flags.command;
  for (const char* place : {"{}", "{out}"}) {
    if (text.find(place) != text.npos || (!differs && std::string_view(place) == "{out}")) continue;
    return usage_error(
        std::string(differs ? "--differs" : "--command") + ": has no " + place,
        "write {} where the model's path belongs" + std::string(differs ? " and {out} where its output goes" : ""));
  }
  if (differs && !flags.message.empty()) return usage_error("--message goes with --command", "leave it out");
  EDGESMITH_TRY(refine::check_ending(flags.output, "ONNX", ".onnx"));
  return refine::check_output(flags.output, std::vector{flags.model}, flags.force);
}

struct Reduced {
  std::string path;
  uint64_t bytes_before = 0;
  onnx::ExportSummary written;
  refine::ReduceReport report;
  double seconds = 0;
};

std::string as_json(const ReduceFlags& flags, const Reduced& reduced) {
  const refine::ReduceReport& r = reduced.report;
  return nlohmann::ordered_json(
             {{"schema", "edgesmith.reduce/1"},
              {"model", {{"path", flags.model}, {"nodes", r.nodes_before}, {"bytes", reduced.bytes_before}}},
              {"output",
               {{"path", flags.output},
                {"nodes", r.nodes_after},
                {"bytes", reduced.written.bytes},
                {"sha256", reduced.written.sha256}}},
              {"tests", r.tests},
              {"complete", r.complete},
              {"kept_weights", r.kept_weights},
              {"seconds", reduced.seconds},
              {"warnings", log::take_warnings()}})
      .dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string as_text(const ReduceFlags& flags, const Reduced& reduced) {
  const refine::ReduceReport& r = reduced.report;
  return flags.output + ": " + refine::grouped(r.nodes_before) + " -> " + refine::grouped(r.nodes_after) + " nodes, " +
         report::bytes_text(static_cast<int64_t>(reduced.bytes_before)) + " -> " +
         report::bytes_text(static_cast<int64_t>(reduced.written.bytes)) + "\n  " + refine::grouped(r.tests) +
         " models tried\n";
}

Result<int> run(const ReduceFlags& flags, const Common& common) {
  const Clock::time_point start = Clock::now();
  EDGESMITH_TRY(check_flags(flags));
  refine::ReduceOptions options;
  options.random_weights = flags.random_weights;
  options.seed = common.seed.value_or(0);
  if (!flags.time_limit.empty()) {
    const auto seconds = parse_seconds(flags.time_limit);
    if (!seconds) return usage_error("--time-limit: '" + flags.time_limit + "' is no time", "write 90s, 10m or 2h");
    options.time_limit = *seconds;
  }
  auto graph = onnx::import_file(flags.model);
  if (!graph) return graph.error();
  auto scratch = Scratch::create();
  if (!scratch) return scratch.error();
  auto progress = make_progress(common);
  if (!progress) return progress.error();
  options.progress = progress->get();
  Trial trial(flags, options, **scratch);
  EDGESMITH_TRY(trial.learn(*graph));
  Reduced reduced;
  reduced.bytes_before = static_cast<uint64_t>(refine::model_file_bytes(*graph, flags.model));
  auto report = refine::reduce(
      *graph, [&](const ir::Graph& part, const std::string& bytes) { return trial.breaks(part, bytes); }, options);
  if (!report) return report.error().in(flags.model);
  reduced.report = *std::move(report);
  auto written = onnx::export_file(*graph, flags.output, {.existing = replaced_if(flags.force)});
  if (!written) return written.error();
  reduced.written = *std::move(written);
  reduced.seconds = seconds_since(start);
  if (!reduced.report.complete) log::warning("--time-limit: stopped before the smallest model was found");
  if (!reduced.report.kept_weights.empty()) {
    log::warning("the model breaks with numbers of its own alone, so these keep theirs: " +
                 join(reduced.report.kept_weights, ", "));
  }
  EDGESMITH_TRY(show_document(common, "reduce " + flags.model, as_json(flags, reduced),
                              [&] { return common.quiet ? "" : as_text(flags, reduced); }));
  return 0;
}

}  // namespace

void add_reduce(Program& program) {
  auto flags = std::make_shared<ReduceFlags>();
  Command* command = program.add_command("reduce", "Shrink a model that breaks something to the least that still does",
                                         [flags](const Common& common) { return run(*flags, common); });
  command->add_option("model", flags->model, "the .onnx file")->required()->type_name("MODEL");
  command
      ->add_option("--command", flags->command,
                   "a command line that fails on the model ({}): what ends with the same exit code breaks, too")
      ->type_name("'CMD {}'");
  command->add_option("--message", flags->message, "words that the command must say, too")->type_name("TEXT");
  command
      ->add_option("--differs", flags->differs,
                   "a command line that makes a model {out} of {} whose outputs differ, on seeded inputs")
      ->type_name("'CMD {} {out}'");
  command
      ->add_option("--tolerance", flags->tolerance,
                   "with --differs: the difference that is fine, relative to the largest output (default 0.001)")
      ->type_name("X")
      ->non_negative();
  command->add_flag("--random-weights", flags->random_weights, "replace weights by random numbers, to share the model");
  command->add_option("--time-limit", flags->time_limit, "take the smallest model found by then, such as 10m")
      ->type_name("TIME");
  command->add_option("-o,--output", flags->output, "the small model")->type_name("SMALL.onnx")->group("Output");
  command->add_flag("--force", flags->force, "overwrite an existing output")->group("Output");
  add_report_option(command, program.common);
  add_seed_options(command, program.common);
}

}  // namespace edgesmith::cli
