// SPDX-License-Identifier: Apache-2.0
#include "memory_flags.h"

#include <thread>

#include "edgesmith/base/memory_limit.h"
#include "edgesmith/base/text.h"
#include "edgesmith/report/terminal.h"

namespace edgesmith::cli {

Result<std::optional<int64_t>> parse_memory_limit(const std::string& text) {
  if (text.empty()) return std::optional<int64_t>();
  const auto bytes = parse_bytes(text);
  if (bytes) return std::optional(*bytes);
  return usage_error("--memory-limit: '" + text + "' is no size", "write 2GiB, 512MB or bytes");
}

void add_process_memory_option(Command* command, Common& common) {
  command
      ->add_option("--memory-limit", common.memory_limit,
                   "most private memory of the whole process, such as 2GiB; exit code 5 where that is not enough")
      ->type_name("SIZE")
      ->group("Common");
}

Status limit_memory(const Common& common) {
  const auto bytes = parse_memory_limit(common.memory_limit);
  if (!bytes) return bytes.error();
  if (!*bytes) return {};
  const int threads = common.threads > 0 ? common.threads : static_cast<int>(std::thread::hardware_concurrency());
  const int64_t least = least_process_memory(threads);
  if (**bytes < least) {
    return io_error("--memory-limit " + common.memory_limit + ": starting on " + std::to_string(threads) +
                        (threads == 1 ? " thread" : " threads") + " takes " + report::bytes_text(least),
                    "raise it, or use fewer threads");
  }
  return limit_process_memory(**bytes);
}

Error out_of_memory() {
  const auto limit = process_memory_limit();
  if (!limit) return io_error("out of memory", "use fewer threads or a smaller --calib-limit");
  return io_error("out of memory: --memory-limit is " + report::bytes_text(*limit),
                  "raise it, or use fewer threads or a smaller --calib-limit");
}

}  // namespace edgesmith::cli
