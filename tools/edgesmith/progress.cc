// SPDX-License-Identifier: Apache-2.0
// Progress for people (a bar on a terminal, plain lines elsewhere) and for programs (--events).
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>

#include "cli.h"
#include "edgesmith/base/clock.h"
#include "edgesmith/base/file.h"
#include "edgesmith/base/log.h"
#include "edgesmith/base/text.h"

namespace edgesmith::cli {
namespace {

using Clock = std::chrono::steady_clock;

/// How every line of a file of events begins.
constexpr std::string_view kEventStart = "{\"event\":";
/// Seconds between lines about one piece of work where there is no bar.
constexpr double kSignOfLife = 30;
/// A piece of work of the same name as the last one has a line of its own from so many seconds on.
constexpr double kWorthRepeating = 1;

/// Shows the current piece of work on stderr.
class Display {
 public:
  Display(bool shown, bool bar) : shown_(shown), bar_(bar) {}

  void begin(std::string_view what, int64_t total) {
    what_ = printable(what);
    detail_.clear();
    total_ = total;
    start_ = last_ = Clock::now();
    if (shown_ && bar_) draw(0);
  }
  void update(int64_t done) {
    if (!shown_ || seconds_since(last_) < (bar_ ? 0.1 : kSignOfLife)) return;
    last_ = Clock::now();
    if (bar_)
      draw(done);
    else
      say(done);
  }
  void detail(std::string_view text) { detail_ = printable(text); }
  void end() {
    if (!shown_) return;
    if (bar_) std::fputs("\r\033[K", stderr);
    const bool again = what_ == said_ && detail_.empty() && seconds_since(start_) < kWorthRepeating;
    said_ = what_;
    if (again) return;
    std::fprintf(stderr, "  %s%s (%.1f s)%s%s\n", what_.c_str(),
                 total_ > 1 ? (": " + std::to_string(total_)).c_str() : "", seconds_since(start_),
                 detail_.empty() ? "" : "  ", detail_.c_str());
    std::fflush(stderr);
  }

 private:
  void draw(int64_t done) {
    winsize size{};
    const int columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
    const int width = std::clamp(columns - 50, 10, 40);
    const double share = total_ > 0 ? std::clamp(static_cast<double>(done) / static_cast<double>(total_), 0.0, 1.0) : 0;
    const int full = static_cast<int>(share * width);
    std::string bar;
    for (int i = 0; i < width; ++i) bar += i < full ? "━" : "╌";
    const double elapsed = seconds_since(start_);
    const int name = std::clamp(columns - width - 22, 8, 24);  // bar, percent and time left fit in one line
    std::fprintf(stderr, "\r\033[K  %-*.*s %s %3.0f %%", name, name, what_.c_str(), bar.c_str(), 100 * share);
    if (!detail_.empty()) {
      std::fprintf(stderr, "  %s", detail_.c_str());  // it says itself how much is left
    } else if (share > 0.02 && elapsed > 1)
      std::fprintf(stderr, "  %.0f s left", elapsed / share - elapsed);
    std::fflush(stderr);
  }

  /// In a log nothing moves: a line now and then says that the work goes on, and how long it will.
  void say(int64_t done) const {
    const double share = total_ > 0 ? static_cast<double>(done) / static_cast<double>(total_) : 0;
    const double elapsed = seconds_since(start_);
    std::string left = detail_;
    if (left.empty() && share > 0.02) {
      char text[32];
      std::snprintf(text, sizeof text, "%.0f s left", elapsed / share - elapsed);
      left = text;
    }
    std::fprintf(stderr, "  %s: %.0f %%  %s\n", what_.c_str(), 100 * share, left.c_str());
    std::fflush(stderr);
  }

  bool shown_, bar_;
  std::string what_, detail_, said_;  ///< said: what the last line was about
  int64_t total_ = 0;
  Clock::time_point start_ = Clock::now(), last_ = start_;
};

class Progress : public ProgressSink {
 public:
  Progress(bool shown, bool bar, FILE* events, std::string path)
      : display_(shown, bar), events_(events), path_(std::move(path)), start_(Clock::now()) {}
  ~Progress() override {
    write_cut_short();
    if (events_ != nullptr) std::fclose(events_);
  }

  void begin(std::string_view what, int64_t total) override {
    std::lock_guard<std::mutex> lock(mutex_);
    write_cut_short();
    what_ = what;
    total_ = total;
    done_ = 0;
    open_ = true;
    display_.begin(what, total);
    write({{"event", "begin"}, {"what", what_}, {"total", total}});
  }
  void update(int64_t done) override {
    std::lock_guard<std::mutex> lock(mutex_);
    display_.update(done);
    done_ = done;
    write({{"event", "update"}, {"what", what_}, {"done", done}, {"total", total_}});
  }
  void detail(std::string_view text) override {
    std::lock_guard<std::mutex> lock(mutex_);
    display_.detail(text);
    write({{"event", "detail"}, {"what", what_}, {"text", text}});
  }
  void end() override {
    std::lock_guard<std::mutex> lock(mutex_);
    display_.end();
    open_ = false;
    write({{"event", "end"}, {"what", what_}, {"total", total_}});
  }

 private:
  /// The end of a piece that stopped before it (a time limit, an error), with how far it came: who reads would wait.
  void write_cut_short() {
    if (open_) write({{"event", "end"}, {"what", what_}, {"done", done_}, {"total", total_}});
  }
  void write(nlohmann::ordered_json event) {
    if (events_ == nullptr) return;
    event["seconds"] = seconds_since(start_);
    const std::string line = event.dump() + "\n";
    if (std::fwrite(line.data(), 1, line.size(), events_) == line.size() && std::fflush(events_) == 0) return;
    log::warning("--events " + path_ + ": cannot write: " + std::strerror(errno) + "; what follows is missing there");
    std::fclose(events_);
    events_ = nullptr;
  }

  std::mutex mutex_;
  Display display_;
  FILE* events_;
  std::string path_;
  Clock::time_point start_;
  std::string what_;
  int64_t total_ = 0, done_ = 0;
  bool open_ = false;  ///< begun, and not ended
};

}  // namespace

Result<FILE*> open_events(const std::string& path) {
  if (path.empty()) return nullptr;
  if (is_stdout(path)) return usage_error("--events " + path + ": events are not written to stdout", "name a file");
  std::error_code ignored;
  if (std::filesystem::is_regular_file(path, ignored) && std::filesystem::file_size(path, ignored) > 0) {
    std::string start(kEventStart.size(), '\0');
    std::ifstream(path).read(start.data(), static_cast<std::streamsize>(start.size()));
    if (start != kEventStart) {
      return usage_error(path + ": exists already, and holds no events", "name another file for --events");
    }
  }
  FILE* events = std::fopen(path.c_str(), "we");
  if (events == nullptr)
    return io_error(path + ": cannot create: " + std::strerror(errno), "check the path of --events");
  return events;
}

Result<std::unique_ptr<ProgressSink>> make_progress(const Common& common) {
  auto events = open_events(common.events);
  if (!events) return events.error();
  const char* terminal = std::getenv("TERM");
  const bool bar = isatty(STDERR_FILENO) == 1 && terminal != nullptr && std::strcmp(terminal, "dumb") != 0;
  return std::unique_ptr<ProgressSink>(std::make_unique<Progress>(!common.quiet, bar, *events, common.events));
}

}  // namespace edgesmith::cli
