// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "edgesmith/base/cpu.h"
#include "edgesmith/base/file.h"
#include "edgesmith/base/log.h"
#include "edgesmith/base/text.h"
#include "edgesmith/report/document.h"
#include "edgesmith/report/overwrite.h"
#include "edgesmith/report/terminal.h"
#include "memory_flags.h"

namespace edgesmith::cli {

void add_work_options(Command* command, Common& common, const std::string& threads_help) {
  command->add_option("--threads", common.threads, threads_help)->between(1, 4096)->type_name("N")->group("Common");
  add_seed_options(command, common);
}

void add_seed_options(Command* command, Common& common) {
  command->add_option("--seed", common.seed, "seed of every random choice (default 0)")
      ->non_negative()
      ->type_name("N")
      ->group("Common");
  command->add_option("--events", common.events, "write progress to this file, one JSON object a line")
      ->type_name("FILE")
      ->group("Common");
}

void add_memory_option(Command* command, Common& common) {
  command
      ->add_option("--memory-limit", common.memory_limit,
                   "most memory for activations, such as 2GiB (default: what the machine has)")
      ->type_name("SIZE")
      ->group("Common");
}

Result<runtime::ExecutorOptions> executor_options(const Common& common, int threads) {
  const auto limit = parse_memory_limit(common.memory_limit);
  if (!limit) return limit.error();
  runtime::ExecutorOptions options;
  options.memory_limit = std::max<int64_t>(1, limit->value_or(memory_bytes()) / threads);
  return options;
}

void add_report_option(Command* command, Common& common) {
  command->add_option("--report", common.report, "write report.json and report.html there")
      ->type_name("DIR")
      ->group("Output");
}

Status check_stdout(const Common& common, const std::string& output) {
  if (!common.json || !is_stdout(output)) return {};
  return usage_error("--json and -o " + output + " both write to stdout", "name a file for one of them");
}

Status check_no_json(const Common& common, const std::string& option) {
  if (!common.json) return {};
  return usage_error("--json does not go with " + option + ", which prints something else", "leave one of them out");
}

Status check_report_folder(const std::string& folder) {
  if (folder.empty()) return {};
  if (is_stdout(folder)) return usage_error("--report " + folder + ": a report is two files", "name a folder");
  std::error_code error;
  std::filesystem::path at = std::filesystem::absolute(folder, error).lexically_normal();
  while (!std::filesystem::exists(at, error) && at.has_relative_path()) at = at.parent_path();
  if (!std::filesystem::is_directory(at, error)) {
    return usage_error("--report " + folder + ": " + at.string() + " is no folder", "name a folder, it is created");
  }
  if (::access(at.c_str(), W_OK) != 0) {
    return io_error("--report " + folder + ": cannot write into " + at.string() + ": " + std::strerror(errno),
                    "check the permissions");
  }
  EDGESMITH_TRY(report::check_report_files(folder));
  return check_writable((at / "report.json").string());  // no permission says that /proc takes no files
}

Status show_document(const Common& common, const std::string& title, const std::string& document,
                     const std::function<std::string()>& text) {
  if (!common.report.empty()) EDGESMITH_TRY(report::write_document(title, document, common.report));
  const std::string shown = common.json ? document : text();
  if (!shown.empty()) print(shown);
  return {};
}

void print(const std::string& text) { print_exactly(report::printable_but_paint(text)); }

void print_beside(const std::string& output, const std::string& text) {
  if (!is_stdout(output)) return print(text);
  const std::string shown = report::printable_but_paint(text);
  std::fwrite(shown.data(), 1, shown.size(), stderr);
}

void print_exactly(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (text.empty() || text.back() != '\n') std::fputc('\n', stdout);
}

Status finish_output() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return {};
  const int code = errno;
  return io_error(std::string("stdout: cannot write: ") + std::strerror(code),
                  code == ENOSPC ? "free some disk space" : "");
}

int report_error(const Error& error, bool json) {
  std::string line = error.text();
  std::replace(line.begin(), line.end(), '\n', ' ');
  log::set_level(log::Level::error);
  log::error(line);
  if (json) {
    const nlohmann::ordered_json document = {{"error",
                                              {{"kind", error_kind_name(error.kind)},
                                               {"message", error.message},
                                               {"hint", error.hint},
                                               {"exit_code", exit_code_of(error.kind)}}}};
    print(document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    std::fflush(stdout);
  }
  return exit_code_of(error.kind);
}

bool use_color(const Common& common) {
  for (auto word = common.color.rbegin(); word != common.color.rend(); ++word) {
    if (*word == "always") return true;
    if (*word == "never") return false;
    if (*word == "auto") break;
  }
  const char* no_color = std::getenv("NO_COLOR");
  if (no_color != nullptr && *no_color != '\0') return false;
  return isatty(STDOUT_FILENO) == 1;
}

}  // namespace edgesmith::cli
