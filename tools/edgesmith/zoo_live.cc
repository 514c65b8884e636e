// SPDX-License-Identifier: Apache-2.0
#include "zoo_live.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "edgesmith/base/clock.h"
#include "edgesmith/report/terminal.h"

namespace edgesmith::cli {
namespace {

using Clock = std::chrono::steady_clock;

/// Between two drawings of the table, in seconds.
constexpr double kDrawEvery = 0.2;

/// "resnet20: done  88.40 % -> 88.31 %  1.09 MB -> 298 kB  3.2 s".
std::string line_of(const zoo::Row& row) {
  std::string line = row.name + ": " + std::string(zoo::status_name(row.status));
  if (row.value.before && row.value.after) {
    line += "  " + row.metric + " " + zoo::value_text(row, *row.value.before) + " -> " +
            zoo::value_text(row, *row.value.after);
  }
  if (row.bytes.before && row.bytes.after) {
    line += "  " + report::bytes_text(*row.bytes.before) + " -> " + report::bytes_text(*row.bytes.after);
  }
  line += "  " + report::seconds_text(row.seconds);
  return row.status == zoo::RowStatus::done ? line : line + "  " + row.reason;
}

class ZooWatcher : public zoo::Watcher {
 public:
  ZooWatcher(bool shown, bool live, FILE* events) : shown_(shown), live_(live), events_(events) {}
  ~ZooWatcher() override {
    erase();
    if (events_ != nullptr) std::fclose(events_);
  }

  void begin(int total, int kept) override {
    total_ = total;
    kept_ = done_ = kept;
    if (kept > 0) say(std::to_string(kept) + " of " + std::to_string(total) + " models were finished already");
    write({{"event", "begin"}, {"what", "zoo"}, {"total", total}, {"done", kept}});
  }
  void started(const std::string& name) override { write({{"event", "start"}, {"model", name}}); }
  void finished(const zoo::Row& row) override {
    ++done_;
    failed_ += row.status != zoo::RowStatus::done;
    say("[" + std::to_string(done_) + "/" + std::to_string(total_) + "] " + line_of(row));
    write({{"event", "finish"},
           {"model", row.name},
           {"status", zoo::status_name(row.status)},
           {"exit_code", row.exit_code},
           {"done", done_},
           {"total", total_}});
  }
  void waiting(const std::string& name) override { say("waiting: another process works on " + name); }
  void tick(const std::vector<zoo::Running>& running) override {
    if (!live_ || seconds_since(drawn_) < kDrawEvery) return;
    drawn_ = Clock::now();
    draw(running);
  }
  void end() override {
    erase();
    write({{"event", "end"}, {"what", "zoo"}, {"total", total_}});
  }
  bool wants_progress() const override { return live_; }

 private:
  void say(const std::string& line) {
    if (!shown_) return;
    erase();
    std::fprintf(stderr, "  %s\n", line.c_str());
  }

  /// Takes the table off the screen.
  void erase() {
    if (lines_ > 0) std::fprintf(stderr, "\033[%dA\r\033[J", lines_);
    lines_ = 0;
    if (live_) std::fflush(stderr);
  }

  void draw(const std::vector<zoo::Running>& running) {
    winsize size{};
    const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 && size.ws_row > 4;
    const size_t width = known ? size.ws_col - 1 : 79, height = known ? size.ws_row - 2 : 22;
    const double elapsed = seconds_since(start_);
    std::string head = "zoo: " + std::to_string(done_) + " of " + std::to_string(total_) + " models, " +
                       std::to_string(failed_) + " refused or failed, " + report::seconds_text(elapsed);
    if (done_ > kept_) {
      head += ", about " + report::seconds_text(elapsed / (done_ - kept_) * (total_ - done_)) + " left";
    }
    std::vector<std::string> lines = {head};
    for (const zoo::Running& model : running) {
      if (lines.size() == height) break;
      char text[512];
      const double share =
          model.total > 0 ? 100.0 * static_cast<double>(model.done) / static_cast<double>(model.total) : 0;
      std::snprintf(text, sizeof text, "%-28.28s %10s  %-27.27s %s", model.name.c_str(),
                    report::seconds_text(model.seconds).c_str(), model.what.c_str(),
                    model.total > 0 ? (std::to_string(static_cast<int>(share)) + " %").c_str() : "");
      lines.emplace_back(text);
    }
    erase();
    for (const std::string& line : lines) std::fprintf(stderr, "  %s\n", line.substr(0, width - 2).c_str());
    lines_ = static_cast<int>(lines.size());
    std::fflush(stderr);
  }

  void write(nlohmann::ordered_json event) {
    if (events_ == nullptr) return;
    event["seconds"] = seconds_since(start_);
    const std::string line = event.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
    std::fwrite(line.data(), 1, line.size(), events_);
    std::fflush(events_);
  }

  bool shown_, live_;
  FILE* events_;
  int total_ = 0, kept_ = 0, done_ = 0, failed_ = 0, lines_ = 0;
  Clock::time_point start_ = Clock::now(), drawn_;
};

}  // namespace

Result<std::unique_ptr<zoo::Watcher>> make_zoo_watcher(const Common& common) {
  auto events = open_events(common.events);
  if (!events) return events.error();
  const char* terminal = std::getenv("TERM");
  const bool live =
      !common.quiet && isatty(STDERR_FILENO) == 1 && terminal != nullptr && std::strcmp(terminal, "dumb") != 0;
  return std::unique_ptr<zoo::Watcher>(std::make_unique<ZooWatcher>(!common.quiet, live, *events));
}

}  // namespace edgesmith::cli
