// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/base/log.h"

#include <spdlog/sinks/ansicolor_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <mutex>

#include "edgesmith/base/text.h"

namespace edgesmith::log {
namespace {

// One logger for the process: stderr, one line a message. Warnings are also remembered for the report.
struct State {
  std::mutex mutex;
  std::vector<std::string> warnings;
  std::shared_ptr<spdlog::logger> logger;
};

State& state() {
  static State* instance = [] {
    auto* s = new State;  // never destroyed: used by threads that may outlive main
    auto sink = std::make_shared<spdlog::sinks::ansicolor_stderr_sink_mt>(spdlog::color_mode::never);
    s->logger = std::make_shared<spdlog::logger>("edgesmith", sink);
    s->logger->set_pattern("%v");
    return s;
  }();
  return *instance;
}

}  // namespace

void set_level(Level level) {
  static constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::info,
                                                          spdlog::level::warn, spdlog::level::err, spdlog::level::off};
  state().logger->set_level(kLevels[static_cast<int>(level)]);
}

void debug(std::string_view message) { state().logger->debug("edgesmith: {}", printable(message)); }
void info(std::string_view message) { state().logger->info("edgesmith: {}", printable(message)); }

void warning(std::string_view message) {
  {
    std::lock_guard<std::mutex> lock(state().mutex);
    state().warnings.emplace_back(message);
  }
  state().logger->warn("edgesmith: warning: {}", printable(message));
}

void error(std::string_view message) { state().logger->error("edgesmith: error: {}", printable(message)); }

std::vector<std::string> take_warnings() {
  std::lock_guard<std::mutex> lock(state().mutex);
  return std::exchange(state().warnings, {});
}

size_t num_warnings() {
  std::lock_guard<std::mutex> lock(state().mutex);
  return state().warnings.size();
}

std::vector<std::string> warnings_after(size_t count) {
  std::lock_guard<std::mutex> lock(state().mutex);
  const std::vector<std::string>& all = state().warnings;
  return {all.begin() + static_cast<std::ptrdiff_t>(std::min(count, all.size())), all.end()};
}

}  // namespace edgesmith::log
