// SPDX-License-Identifier: Apache-2.0
// The timed loop of `bench`.
//
//   prepare   every input once: the outputs to expect, and whether flushing denormals would change them
//   warm up   on every thread
//   time      round by round, every model once a round, the same on every thread at the same time
//   nodes     the same rounds again with a clock around every step (its reading costs time, so the first figures are
//             taken without it)
#include "edgesmith/refine/bench.h"

#include <algorithm>
#include <barrier>
#include <chrono>
#include <map>

#include "edgesmith/base/cpu.h"
#include "edgesmith/base/thread_pool.h"
#include "edgesmith/refine/measure.h"
#include "refine/clock.h"

namespace edgesmith::refine {
namespace {

using Outputs = std::vector<ir::Tensor>;

bool identical(const Outputs& a, const Outputs& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const ir::Tensor& x, const ir::Tensor& y) { return x.identical_to(y); });
}

// Times of one model's steps by node and kernel.
using StepTimes = std::map<std::pair<const ir::Node*, std::string>, std::vector<int64_t>>;

// A session with what its last run gave.
struct Session {
  std::unique_ptr<runtime::Executor::Session> session;
  Outputs outputs;
};

// What one thread measured.
struct Worker {
  std::vector<std::vector<int64_t>> nanoseconds;  // by model
  Clock::time_point start, end;
  int64_t preemptions = 0;
  bool pinned = false;
  Status status;
};

class Bench {
 public:
  Bench(std::span<const BenchModel> models, const BenchOptions& options) : models_(models), options_(options) {}

  Result<BenchReport> run() {
    for (const BenchModel& model : models_) {
      EDGESMITH_CHECK(!model.inputs.empty());
      runtime::ExecutorOptions options = options_.executor;
      if (!model.choices.empty()) options.choices = model.choices;
      auto executor = runtime::Executor::create(*model.graph, options);
      if (!executor) return executor.error();
      executors_.push_back(std::move(*executor));
    }
    report_.results.resize(models_.size());
    cores_ = allowed_cores();
    if (cores_.size() < static_cast<size_t>(options_.threads * options_.parallel)) cores_.clear();
    EDGESMITH_TRY(prepare());
    EDGESMITH_TRY(time_threads());
    EDGESMITH_TRY(time_nodes());
    return std::move(report_);
  }

 private:
  int core(int thread) const { return cores_.empty() ? -1 : cores_[static_cast<size_t>(thread)]; }

  // The threads of runs on the calling thread, which is number `first`; null for one.
  std::unique_ptr<ThreadPool> make_pool(int first) const {
    if (options_.threads == 1) return nullptr;
    const bool flushed = report_.denormals_flushed;
    return std::make_unique<ThreadPool>(options_.threads, [=, this](int thread, const std::function<void()>& work) {
      const PinnedThread pin(core(first + thread));
      const FlushDenormals flush(flushed);
      work();
    });
  }

  // All inputs once, as `infer` would run them.
  Result<std::vector<Outputs>> run_inputs(size_t m, bool flush) {
    const FlushDenormals flushed(flush);
    const auto session = executors_[m]->make_session();
    std::vector<Outputs> all;
    for (const auto& inputs : models_[m].inputs) {
      if (interrupted()) return Error{ErrorKind::interrupted, "interrupted", {}};
      auto outputs = session->run(inputs);
      if (!outputs) return outputs.error();
      all.push_back(std::move(*outputs));
    }
    return all;
  }

  Status prepare() {
    report_.denormals_flushed = true;
    for (size_t m = 0; m < models_.size(); ++m) {
      auto outputs = run_inputs(m, false);
      if (!outputs) return outputs.error();
      auto joined = join_outputs(*models_[m].graph, *outputs);
      if (!joined) return joined.error();
      report_.results[m].output_sha256 = outputs_sha256(*joined);
      const auto flushed = run_inputs(m, true);
      if (!flushed) return flushed.error();
      const bool same = std::equal(outputs->begin(), outputs->end(), flushed->begin(), identical);
      report_.denormals_flushed = report_.denormals_flushed && same;
      expected_.push_back(std::move(*outputs));
    }
    return {};
  }

  std::vector<Session> make_sessions(ThreadPool* pool) const {
    std::vector<Session> sessions;
    for (const auto& executor : executors_) sessions.push_back({executor->make_session(pool), {}});
    return sessions;
  }

  // Round `round`: every model once. Appends the times to `nanoseconds` when it is not null.
  Status run_round(int64_t round, std::vector<Session>& sessions, std::vector<std::vector<int64_t>>* nanoseconds,
                   bool check) {
    if (interrupted()) return Error{ErrorKind::interrupted, "interrupted", {}};
    for (size_t m = 0; m < models_.size(); ++m) {
      const size_t index = static_cast<size_t>(round) % models_[m].inputs.size();
      const auto& inputs = models_[m].inputs[index];
      const auto start = Clock::now();
      EDGESMITH_TRY(sessions[m].session->run_into(inputs, sessions[m].outputs));
      const auto end = Clock::now();
      if (nanoseconds != nullptr) (*nanoseconds)[m].push_back(nanoseconds_between(start, end));
      if (check && !identical(sessions[m].outputs, expected_[m][index])) {
        return Error{ErrorKind::internal, "a run gave other bits than the first one", "please report this"};
      }
    }
    return {};
  }

  Status warm_up(std::vector<Session>& sessions) {
    for (int64_t round = 0; round < options_.warmup; ++round) {
      EDGESMITH_TRY(run_round(round, sessions, nullptr, round == 0));
    }
    return {};
  }

  // Tells the progress sink now and then: often enough for a bar, and seldom enough to cost nothing.
  void show_progress(int64_t round) const {
    const int64_t step = std::max<int64_t>(1, options_.runs / 50);
    if (options_.progress != nullptr && (round + 1) % step == 0) options_.progress->update(round + 1);
  }

  Status time_rounds(int thread, std::vector<Session>& sessions, Worker& worker) {
    for (int64_t round = 0; round < options_.runs; ++round) {
      EDGESMITH_TRY(run_round(round, sessions, &worker.nanoseconds, round + 1 == options_.runs));
      if (thread == 0) show_progress(round);
    }
    return {};
  }

  void work(int thread, Worker& worker, std::barrier<>& barrier) {
    const auto pool = make_pool(thread * options_.threads);
    const PinnedThread pin(core(thread * options_.threads));
    const FlushDenormals flush(report_.denormals_flushed);
    worker.pinned = pin.pinned();
    worker.nanoseconds.resize(models_.size());
    for (auto& times : worker.nanoseconds) times.reserve(static_cast<size_t>(options_.runs));
    std::vector<Session> sessions = make_sessions(pool.get());
    worker.status = warm_up(sessions);
    // Everybody waits here, so that each of them is a thread of its own and all run at the same time.
    barrier.arrive_and_wait();
    if (!worker.status) return;
    const int64_t before = preemptions();
    worker.start = Clock::now();
    worker.status = time_rounds(thread, sessions, worker);
    worker.end = Clock::now();
    worker.preemptions = preemptions() - before;
  }

  Status time_threads() {
    std::vector<Worker> workers(static_cast<size_t>(options_.parallel));
    {
      ThreadPool pool(options_.parallel);
      std::barrier<> barrier(options_.parallel);
      if (options_.progress != nullptr) options_.progress->begin("time", options_.runs);
      pool.parallel_for(options_.parallel,
                        [&](int64_t index, int) { work(static_cast<int>(index), workers[index], barrier); });
      if (options_.progress != nullptr) options_.progress->end();
    }
    report_.pinned = true;
    Clock::time_point start = Clock::time_point::max(), end = Clock::time_point::min();
    for (const Worker& worker : workers) {
      EDGESMITH_TRY(worker.status);
      report_.pinned = report_.pinned && worker.pinned;
      report_.preemptions += worker.preemptions;
      start = std::min(start, worker.start);
      end = std::max(end, worker.end);
      for (size_t m = 0; m < models_.size(); ++m) {
        auto& all = report_.results[m].nanoseconds;
        all.insert(all.end(), worker.nanoseconds[m].begin(), worker.nanoseconds[m].end());
      }
    }
    report_.seconds = static_cast<double>(nanoseconds_between(start, end)) / 1e9;
    for (BenchResult& result : report_.results) result.latency = summarize(result.nanoseconds);
    return {};
  }

  Status time_nodes() {
    std::vector<StepTimes> times(models_.size());
    if (options_.per_node) EDGESMITH_TRY(time_steps(times));
    for (size_t m = 0; m < models_.size(); ++m) {
      for (const auto& [node, kernel] : executors_[m]->kernels()) {
        NodeTime entry{node, kernel, std::nullopt};
        const auto found = times[m].find({node, kernel});
        if (found != times[m].end()) entry.median_us = summarize(found->second).median;
        report_.results[m].nodes.push_back(std::move(entry));
      }
    }
    return {};
  }

  Status time_steps(std::vector<StepTimes>& times) {
    const auto pool = make_pool(0);
    const PinnedThread pin(core(0));
    const FlushDenormals flush(report_.denormals_flushed);
    std::vector<Session> sessions = make_sessions(pool.get());
    EDGESMITH_TRY(warm_up(sessions));
    if (options_.progress != nullptr) options_.progress->begin("time nodes", options_.runs);
    for (int64_t round = 0; round < options_.runs; ++round) {
      if (interrupted()) return Error{ErrorKind::interrupted, "interrupted", {}};
      for (size_t m = 0; m < models_.size(); ++m) {
        const runtime::StepTimer timer = [&](const ir::Node& node, const std::string& kernel, int64_t nanoseconds) {
          times[m][{&node, kernel}].push_back(nanoseconds);
        };
        const auto& inputs = models_[m].inputs[static_cast<size_t>(round) % models_[m].inputs.size()];
        EDGESMITH_TRY(sessions[m].session->run_into(inputs, sessions[m].outputs, nullptr, &timer));
      }
      show_progress(round);
    }
    if (options_.progress != nullptr) options_.progress->end();
    return {};
  }

  const std::span<const BenchModel> models_;
  const BenchOptions& options_;
  std::vector<std::unique_ptr<runtime::Executor>> executors_;
  std::vector<std::vector<Outputs>> expected_;  // by model and input
  std::vector<int> cores_;                      // empty: too few to give every thread its own
  BenchReport report_;
};

}  // namespace

Result<BenchReport> bench(std::span<const BenchModel> models, const BenchOptions& options) {
  EDGESMITH_CHECK(!models.empty() && options.runs > 0 && options.threads > 0 && options.parallel > 0);
  return Bench(models, options).run();
}

}  // namespace edgesmith::refine
