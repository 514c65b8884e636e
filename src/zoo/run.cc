// SPDX-License-Identifier: Apache-2.0
// The loop that keeps `jobs` processes busy. Each works in a hidden folder, which is put into place when it has ended:
// whatever kills this program leaves finished models and hidden folders, and --resume goes on from there.
#include "edgesmith/zoo/run.h"
#include "edgesmith/base/clock.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <filesystem>
#include <thread>

#include "edgesmith/base/cpu.h"
#include "edgesmith/base/file.h"
#include "edgesmith/base/log.h"
#include "edgesmith/base/memory_limit.h"
#include "edgesmith/base/progress.h"
#include "edgesmith/base/text.h"
#include "edgesmith/report/json.h"
#include "edgesmith/report/terminal.h"
#include "zoo/fingerprint.h"
#include "zoo/folder.h"
#include "zoo/process.h"

namespace edgesmith::zoo {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

/// Between two looks at the processes.
constexpr auto kPause = std::chrono::milliseconds(20);
/// Between two looks at a model that another process works on.
constexpr auto kLongPause = std::chrono::milliseconds(200);
/// What a process has to end by itself after an interruption, in seconds.
constexpr double kGrace = 5;

/// How long after one of its processes this one may get the signal that ends them all, in seconds.
constexpr double kSameSignal = 2;

/// What a process that is short of memory begins its error with.
constexpr const char* kOutOfMemory = "out of memory";

// Files of a job while it runs; not part of its results.
constexpr const char *kAnswer = ".answer.json", *kEvents = ".events.jsonl";

/// The end of a file of events that grows.
class EventTail {
 public:
  void read(const std::string& path, JobProgress& progress) {
    if (descriptor_ < 0) descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor_ < 0) return;
    char buffer[4096];  // the last lines say all there is to know
    const off_t end = ::lseek(descriptor_, 0, SEEK_END);
    if (end <= seen_) return;
    seen_ = end;
    const off_t from = std::max<off_t>(0, end - static_cast<off_t>(sizeof buffer));
    const ssize_t got = ::pread(descriptor_, buffer, sizeof buffer, from);
    if (got > 0) parse_progress({buffer, static_cast<size_t>(got)}, progress);
  }
  void close() {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
  }

 private:
  int descriptor_ = -1;
  off_t seen_ = 0;
};

/// A process at work.
struct Worker {
  const Job* job;
  Claim claim;
  std::vector<JobInput> inputs;
  pid_t process;
  Clock::time_point start;
  JobProgress progress;
  EventTail events;
};

class Zoo {
 public:
  Zoo(const Manifest& manifest, const RunOptions& options)
      : manifest_(manifest), options_(options), watcher_(options.watcher != nullptr ? *options.watcher : silent_) {
    const int cores = std::max<int>(1, static_cast<int>(allowed_cores().size()));
    threads_ = options.threads > 0 ? options.threads : std::max(1, cores / options.jobs);
  }
  ~Zoo() { stop_workers(); }

  Result<Summary> run();

 private:
  /// Of each process; nothing when there is no limit.
  std::optional<int64_t> part_of_memory() const {
    return options_.memory_limit ? std::optional(*options_.memory_limit / options_.jobs) : std::nullopt;
  }
  Status check_memory() const;
  Status prepare();
  bool is_finished(const Job& job, const std::vector<JobInput>& inputs) const;
  Status start_some();
  Status start(const Job& job, Claim claim);
  Status settle_ended();
  Status settle(Worker& worker, const ProcessEnd& end);
  void tick();
  void stop_workers();
  Error interrupted_error();
  Result<Row> row_of(const Job& job) const;

  const Manifest& manifest_;
  const RunOptions& options_;
  Watcher silent_;
  Watcher& watcher_;
  int threads_ = 1;
  Fingerprints fingerprints_;
  std::string tool_sha256_;
  std::vector<std::string> names_;  ///< of the models that were asked for
  std::deque<const Job*> waiting_;
  std::vector<Worker> workers_;
  int finished_ = 0, total_ = 0;
  bool said_waiting_ = false;
};

/// Of the model's file; 0 when it is not there.
uintmax_t bytes_of(const Job& job) {
  std::error_code error;
  const uintmax_t bytes = fs::file_size(job.recipe.model, error);
  return error ? 0 : bytes;
}

/// Ended by its inputs and not by its circumstances: it would end so again.
bool is_final(const JobRecord& record) { return record.signal == 0 && record.exit_code >= 0 && record.exit_code <= 4; }

bool Zoo::is_finished(const Job& job, const std::vector<JobInput>& inputs) const {
  const auto record = finished_job(options_.folder, job.name);
  return record && is_final(*record) && record->tool_sha256 == tool_sha256_ && record->inputs == inputs;
}

Status Zoo::check_memory() const {
  const auto bytes = part_of_memory();
  const int64_t least = least_process_memory(threads_);
  if (!bytes || *bytes >= least) return {};
  return io_error("--memory-limit: the part of each process is " + report::bytes_text(*bytes) + ", starting it on " +
                      std::to_string(threads_) + (threads_ == 1 ? " thread" : " threads") + " takes " +
                      report::bytes_text(least),
                  "raise it, or use fewer --jobs or --threads");
}

Status Zoo::prepare() {
  EDGESMITH_TRY(check_memory());
  auto names = select_names(manifest_, options_.only);
  if (!names) return names.error();
  names_ = std::move(*names);
  EDGESMITH_TRY(open_folder(manifest_, options_.folder, options_.resume, options_.force));
  tool_sha256_ = fingerprints_.file("/proc/self/exe");
  for (const Job& job : manifest_.jobs) {
    if (std::find(names_.begin(), names_.end(), job.name) == names_.end()) continue;
    ++total_;
    if (options_.resume && is_finished(job, fingerprints_.of(job)))
      ++finished_;
    else
      waiting_.push_back(&job);
  }
  if (options_.jobs > 1) {  // a large one that comes last would run alone
    std::stable_sort(waiting_.begin(), waiting_.end(),
                     [](const Job* a, const Job* b) { return bytes_of(*a) > bytes_of(*b); });
  }
  return {};
}

Status Zoo::start(const Job& job, Claim claim) {
  EDGESMITH_TRY(write_file(in(claim.path(), "recipe.toml"), refine::print_recipe(job.recipe)));
  ProcessOptions process;
  process.arguments = {"run",       "recipe.toml",           "--report", ".", "--json", "-q", "--no-cache",
                       "--threads", std::to_string(threads_)};
  if (watcher_.wants_progress()) process.arguments.insert(process.arguments.end(), {"--events", kEvents});
  process.folder = claim.path();
  process.output = kAnswer;
  process.errors = "log.txt";
  process.inherited = claim.descriptor();
  if (const auto bytes = part_of_memory()) {
    process.arguments.insert(process.arguments.end(), {"--memory-limit", std::to_string(*bytes)});
  }
  auto started = start_process(process);
  if (!started) return started.error();
  workers_.push_back({&job, std::move(claim), {}, *started, Clock::now(), {}, {}});
  watcher_.started(job.name);
  return {};
}

/// Starts as many as there is room for. What another process works on goes to the end of the queue.
Status Zoo::start_some() {
  for (size_t left = waiting_.size(); left > 0 && workers_.size() < static_cast<size_t>(options_.jobs); --left) {
    if (interrupted()) break;
    const Job& job = *waiting_.front();
    waiting_.pop_front();
    auto claim = Claim::take(options_.folder, job.name);
    if (!claim) return claim.error();
    if (!*claim) {
      waiting_.push_back(&job);
      continue;
    }
    if (options_.resume && is_finished(job, fingerprints_.of(job))) {  // by another process, since we looked
      (*claim)->abandon();
      ++finished_;
      auto row = row_of(job);
      if (!row) return row.error();
      watcher_.finished(*row);
      continue;
    }
    EDGESMITH_TRY(start(job, std::move(**claim)));
    workers_.back().inputs = fingerprints_.of(job);  // it works while we hash
  }
  return {};
}

Status Zoo::settle(Worker& worker, const ProcessEnd& end) {
  worker.events.close();
  const std::string& folder = worker.claim.path();
  JobRecord record;
  record.name = worker.job->name;
  record.exit_code = end.exit_code;
  record.signal = end.signal;
  record.seconds = seconds_since(worker.start);
  record.peak_rss_bytes = end.peak_rss_bytes;
  record.tool_version = report::tool_version();
  record.tool_sha256 = tool_sha256_;
  record.inputs = std::move(worker.inputs);
  if (end.signal != 0) {
    const bool crashed = end.signal == SIGSEGV || end.signal == SIGABRT || end.signal == SIGBUS ||
                         end.signal == SIGFPE || end.signal == SIGILL;
    record.exit_code = exit_code_of(crashed ? ErrorKind::internal : ErrorKind::io);
    record.kind = error_kind_name(crashed ? ErrorKind::internal : ErrorKind::io);
    record.message = (crashed ? "crashed with " : "killed by ") + signal_name(end.signal);
    record.hint = crashed                 ? "please report this"
                  : end.signal == SIGKILL ? "the system does that when memory runs out: use fewer --jobs"
                                          : "";
  } else if (end.exit_code > 1) {
    record.kind = "internal";
    record.message = "ended with exit code " + std::to_string(end.exit_code);
    record.hint = "see its log.txt";
    if (auto answer = read_file(in(folder, kAnswer))) parse_error(*answer, record);
    if (const auto bytes = part_of_memory(); bytes && record.message.starts_with(kOutOfMemory)) {
      record.message = kOutOfMemory;
      record.hint =
          "its part of --memory-limit is " + report::bytes_text(*bytes) + ": use fewer --jobs, or a larger limit";
    }
  }
  std::error_code error;
  fs::remove(in(folder, kAnswer), error);
  fs::remove(in(folder, kEvents), error);
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.front() == '.')
      fs::remove_all(entry.path(), error);  // what a killed process had half written
    else
      record.files.push_back(name);
  }
  std::sort(record.files.begin(), record.files.end());
  EDGESMITH_TRY(write_file(in(folder, "job.json"), job_json(record)));
  EDGESMITH_TRY(worker.claim.finish());
  ++finished_;
  auto row = row_of(*worker.job);
  if (!row) return row.error();
  watcher_.finished(*row);
  return {};
}

Result<Row> Zoo::row_of(const Job& job) const {
  auto summary = collect(options_.folder, {job.name});
  if (!summary) return summary.error();
  return summary->rows.at(0);
}

/// True when what ended a process ends this one, too: schedulers signal the processes of a job one after the other.
bool is_signalled_too(const ProcessEnd& end) {
  if (end.signal != SIGINT && end.signal != SIGTERM) return false;
  const auto start = Clock::now();
  while (!interrupted() && seconds_since(start) < kSameSignal) std::this_thread::sleep_for(kPause);
  return interrupted();
}

Status Zoo::settle_ended() {
  for (size_t i = 0; i < workers_.size();) {
    const auto end = process_end(workers_[i].process);
    if (!end) {
      ++i;
      continue;
    }
    Worker worker = std::move(workers_[i]);
    workers_.erase(workers_.begin() + static_cast<ptrdiff_t>(i));
    if (is_signalled_too(*end)) {  // its work is to be done again
      worker.events.close();
      worker.claim.abandon();
      continue;
    }
    EDGESMITH_TRY(settle(worker, *end));
  }
  return {};
}

void Zoo::tick() {
  std::vector<Running> running;
  for (Worker& worker : workers_) {
    if (watcher_.wants_progress()) worker.events.read(in(worker.claim.path(), kEvents), worker.progress);
    running.push_back({worker.job->name, seconds_since(worker.start), worker.progress.what, worker.progress.done,
                       worker.progress.total});
  }
  watcher_.tick(running);
}

void Zoo::stop_workers() {
  for (Worker& worker : workers_) ::kill(worker.process, SIGINT);
  const auto start = Clock::now();
  for (Worker& worker : workers_) {
    if (!wait_for_end(worker.process, std::max(0.0, kGrace - seconds_since(start)))) {
      ::kill(worker.process, SIGKILL);
      wait_for_end(worker.process, kGrace);
    }
    worker.events.close();
    worker.claim.abandon();
  }
  workers_.clear();
}

Error Zoo::interrupted_error() {
  stop_workers();
  return {ErrorKind::interrupted,
          "interrupted: " + std::to_string(finished_) + " of " + std::to_string(total_) + " models are finished",
          "go on with --resume"};
}

Result<Summary> Zoo::run() {
  EDGESMITH_TRY(prepare());
  watcher_.begin(total_, finished_);
  while (!waiting_.empty() || !workers_.empty()) {
    if (interrupted()) return interrupted_error();
    EDGESMITH_TRY(start_some());
    if (workers_.empty() && !waiting_.empty()) {
      if (!said_waiting_) watcher_.waiting(waiting_.front()->name);
      said_waiting_ = true;
      std::this_thread::sleep_for(kLongPause);
      continue;
    }
    std::this_thread::sleep_for(kPause);
    EDGESMITH_TRY(settle_ended());
    tick();
  }
  watcher_.end();
  auto summary = collect(options_.folder, options_.only.empty() ? std::vector<std::string>() : names_);
  if (summary && options_.only.empty()) EDGESMITH_TRY(write_summary(*summary));
  return summary;
}

}  // namespace

Result<std::vector<std::string>> select_names(const Manifest& manifest, const std::vector<std::string>& only) {
  std::vector<std::string> names;
  std::vector<bool> used(only.size(), false);
  for (const Job& job : manifest.jobs) {
    for (size_t i = 0; i < only.size(); ++i) used[i] = used[i] || is_chosen(job.name, std::span(&only[i], 1));
    if (is_chosen(job.name, only)) names.push_back(job.name);
  }
  const auto unused = std::find(used.begin(), used.end(), false);
  if (unused == used.end()) return names;
  const std::string& word = only[static_cast<size_t>(unused - used.begin())];
  std::vector<std::string> known;
  for (const Job& job : manifest.jobs) known.push_back(job.name);
  const std::string near = nearest(word, known);
  return usage_error("--only " + word + ": no such model in " + manifest.path,
                     near.empty() ? "its models: " + join(known, ", ") : "did you mean '" + near + "'?");
}

Result<Summary> run_zoo(const Manifest& manifest, const RunOptions& options) { return Zoo(manifest, options).run(); }

}  // namespace edgesmith::zoo
