// SPDX-License-Identifier: Apache-2.0
// edgesmith: compresses trained ONNX models for edge devices. One subcommand a file; the contract is docs/cli.md.
#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <iterator>
#include <new>
#include <string_view>
#include <system_error>

#include "arguments.h"
#include "cli.h"
#include "edgesmith/base/interruptible.h"
#include "edgesmith/base/log.h"
#include "edgesmith/base/memory_limit.h"
#include "memory_flags.h"

namespace {

using namespace edgesmith;

extern "C" void on_signal(int signal) { signal == SIGTERM ? request_termination() : request_interrupt(); }

/// The first Ctrl-C, or the SIGTERM of a batch system, asks the running loops to stop; a second one ends the process
/// the hard way.
void install_signal_handlers() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

/// The first memory that the main thread asks for comes in large pages where the system has them: five hundred times
/// fewer are touched and looked up. It is reserved now and counts when it is used. (Worker threads have heaps of their
/// own; one heap for all would make them wait for each other.)
void use_large_pages() {
#if defined(__GLIBC__) && defined(MADV_HUGEPAGE)
  constexpr size_t kBytes = size_t{192} << 20, kPage = size_t{2} << 20;
  rlimit space{};
  // Where addresses are limited, they are for what is used.
  if (getrlimit(RLIMIT_AS, &space) != 0 || space.rlim_cur != RLIM_INFINITY) return;
  void* const block = std::malloc(kBytes);
  if (block == nullptr) return;
  const auto first = (reinterpret_cast<uintptr_t>(block) + kPage - 1) / kPage * kPage;
  madvise(reinterpret_cast<void*>(first), kBytes - kPage, MADV_HUGEPAGE);
  std::free(block);  // it stays the top of the heap
#endif
}

/// Memory that was freed is kept for what comes next: given back to the system, it would be asked for again soon, and
/// every page of it costs as much as thousands of sums.
void keep_freed_memory() {
#if defined(__GLIBC__)
  constexpr int kLargest = 1 << 30;
  mallopt(M_MMAP_THRESHOLD, kLargest);
  mallopt(M_TRIM_THRESHOLD, kLargest);
#endif
  use_large_pages();
}

bool wants_json(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--json") == 0) return true;
  }
  return false;
}

struct CommandEntry {
  std::string_view name;
  void (*add)(cli::Program& program);
};
/// In the order of --help.
constexpr CommandEntry kCommands[] = {
    {"inspect", cli::add_inspect},
    {"check", cli::add_check},
    {"eval", cli::add_eval},
    {"bench", cli::add_bench},
    {"select", cli::add_select},
    {"compare", cli::add_compare},
    {"diagnose", cli::add_diagnose},
    {"infer", cli::add_infer},
    {"simplify", cli::add_simplify},
    {"prune", cli::add_prune},
    {"share", cli::add_share},
    {"quantize", cli::add_quantize},
    {"distill", cli::add_distill},
    {"convert", cli::add_convert},
    {"fold-preprocess", cli::add_fold_preprocess},
    {"pack", cli::add_pack},
    {"unpack", cli::add_unpack},
    {"run", cli::add_run},
    {"zoo", cli::add_zoo},
    {"reduce", cli::add_reduce},
    {"report", cli::add_report},
    {"passes", cli::add_passes},
    {"ops", cli::add_ops},
    {"metrics", cli::add_metrics},
    {"targets", cli::add_targets},
    {"cache", cli::add_cache},
    {"schema", cli::add_schema},
    {"completion", cli::add_completion},
};

/// Adds the command that is named, or all of them (to list them, or to suggest one): putting a command's options
/// together costs about half a millisecond, and every start would pay for all.
void add_commands(cli::Program& program, std::string_view named) {
  const bool known =
      named != "completion" && std::any_of(std::begin(kCommands), std::end(kCommands),
                                           [&](const CommandEntry& entry) { return entry.name == named; });
  for (const CommandEntry& entry : kCommands) {
    if (!known || entry.name == named) entry.add(program);
  }
}

int run(int argc, char** argv) {
  cli::Program program("Compresses trained ONNX models for edge devices, and measures what that costs.");
  add_commands(program, argc > 1 ? argv[1] : "");

  const bool json = wants_json(argc, argv);
  const auto parsed = cli::parse_arguments(program, argc, argv);
  if (!parsed) return cli::report_error(parsed.error(), json);
  if (*parsed == cli::Parsed::answered) {
    const Status flushed = cli::finish_output();
    return flushed.ok() ? 0 : cli::report_error(flushed.error(), false);
  }
  const cli::Common& common = program.common;
  log::set_level(common.quiet ? log::Level::warning : common.verbose ? log::Level::debug : log::Level::info);
  const Status report = cli::check_report_folder(common.report);
  if (!report) return cli::report_error(report.error(), common.json);
  auto code = program.action(common);
  if (!code) return cli::report_error(code.error(), common.json);
  const Status flushed = cli::finish_output();
  return flushed.ok() ? *code : cli::report_error(flushed.error(), false);
}

}  // namespace

int main(int argc, char** argv) {
  install_signal_handlers();
  keep_freed_memory();
  try {
    return run(argc, argv);
  } catch (const std::bad_alloc&) {
    return cli::report_error(cli::out_of_memory(), wants_json(argc, argv));
  } catch (const std::filesystem::filesystem_error& error) {
    std::error_code gone;
    (void)std::filesystem::current_path(gone);
    const Error said = gone ? io_error("the working directory is gone", "change into one that is there")
                            : io_error(error.path1().string() + ": " + error.code().message(), "check the path");
    return cli::report_error(said, wants_json(argc, argv));
  } catch (const std::system_error& error) {  // a thread that could not be started
    if (process_memory_limit()) return cli::report_error(cli::out_of_memory(), wants_json(argc, argv));
    return cli::report_error(io_error(std::string("the system refused: ") + error.what(), "use fewer threads"),
                             wants_json(argc, argv));
  } catch (const std::exception& error) {
    return cli::report_error({ErrorKind::internal, std::string("unexpected: ") + error.what(), "please report this"},
                             wants_json(argc, argv));
  }
}
