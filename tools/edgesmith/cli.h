// SPDX-License-Identifier: Apache-2.0
// What the subcommands share: common options, the way results and errors are shown, and progress.
#pragma once

#include <cstdio>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "command.h"
#include "edgesmith/base/progress.h"
#include "edgesmith/base/result.h"
#include "edgesmith/runtime/executor.h"

namespace edgesmith::cli {

/// Options that most commands take.
struct Common {
  bool json = false, quiet = false, verbose = false;
  std::vector<std::string> color;  ///< auto | always | never, and rgb | bgr | gray for pictures
  int threads = 0;
  std::optional<uint64_t> seed;  ///< absent: 0, or what the recipe says
  std::string events;
  std::string memory_limit;  ///< "2GiB"; "": what the machine has
  std::string report;        ///< folder for the report of a command that writes no model
};

/// A subcommand's work: returns the exit code or an error.
using Action = std::function<Result<int>(const Common&)>;

/// The program while it is being put together: every add_...() registers one subcommand.
struct Program {
  explicit Program(const std::string& summary);
  ~Program();

  std::unique_ptr<CLI::App> app;
  Common common;
  Action action;  ///< of the subcommand that was named

  /// A subcommand with the options that all of them have; `run` is called when it was the one named.
  Command* add_command(const std::string& name, const std::string& summary, Action run);
  const std::deque<Command>& commands() const { return commands_; }

 private:
  std::deque<Command> commands_;
};

void add_inspect(Program& program);
void add_check(Program& program);
void add_eval(Program& program);
void add_bench(Program& program);
void add_select(Program& program);
void add_compare(Program& program);
void add_diagnose(Program& program);
void add_infer(Program& program);
void add_simplify(Program& program);
void add_prune(Program& program);
void add_share(Program& program);
void add_quantize(Program& program);
void add_distill(Program& program);
void add_convert(Program& program);
void add_fold_preprocess(Program& program);
void add_pack(Program& program);
void add_unpack(Program& program);
void add_run(Program& program);
void add_reduce(Program& program);
void add_report(Program& program);
void add_passes(Program& program);
void add_ops(Program& program);
void add_metrics(Program& program);
void add_targets(Program& program);
void add_zoo(Program& program);
void add_cache(Program& program);
void add_schema(Program& program);
void add_completion(Program& program);

/// Adds --threads, --seed and --events to a command that does long work.
void add_work_options(Command* command, Common& common,
                      const std::string& threads_help = "threads to work with (default: all cores)");
/// Adds --seed and --events alone.
void add_seed_options(Command* command, Common& common);
/// Adds --memory-limit to a command that only runs models.
void add_memory_option(Command* command, Common& common);
/// How eval, infer and bench run models: all alike, so that the hashes of infer and bench are of the same bits. Each of
/// `threads` sessions gets its share of --memory-limit. Errors: usage.
Result<runtime::ExecutorOptions> executor_options(const Common& common, int threads);

/// Errors: usage, where `output` is standard output and --json wants that, too.
Status check_stdout(const Common& common, const std::string& output);
/// Errors: usage, where --json asks for a document in place of what `option` prints.
Status check_no_json(const Common& common, const std::string& option);
/// Errors: usage or io, where `folder` cannot hold a report: before the work, not after it. "" is none.
Status check_report_folder(const std::string& folder);

/// Adds --report to a command whose result is its JSON document.
void add_report_option(Command* command, Common& common);

/// Writes the report when one is asked for, and the document to stdout with --json, else what `text` returns.
/// Errors: io.
Status show_document(const Common& common, const std::string& title, const std::string& document,
                     const std::function<std::string()>& text);

/// Writes a result to stdout (with a newline at its end). A full disk or a closed pipe shows in finish_output().
void print(const std::string& text);
/// The same for text that a program reads (a script, a recipe): byte for byte, tabs and all.
void print_exactly(const std::string& text);
/// The same, but on stderr where `output`, the command's file, is standard output.
void print_beside(const std::string& output, const std::string& text);
/// Flushes stdout. Errors: io.
Status finish_output();

/// One line on stderr, and with `json` the error object on stdout. Returns the exit code.
int report_error(const Error& error, bool json);

/// True when people see colours on stdout: --color, NO_COLOR, a terminal.
bool use_color(const Common& common);

/// The file of --events, to be closed; null where `path` is "". It replaces an earlier one, and nothing else. Errors:
/// usage (a file of something else), io.
Result<FILE*> open_events(const std::string& path);
/// Progress as --quiet, --events and the terminal ask for it. Errors: those of open_events.
Result<std::unique_ptr<ProgressSink>> make_progress(const Common& common);

}  // namespace edgesmith::cli
