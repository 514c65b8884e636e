// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace edgesmith {

/// A fixed set of worker threads. Work is cut into indices; which thread runs which index is not fixed, so results
/// must depend on the index alone (write to slot `index`, combine in index order afterwards). Workers that wait for
/// work look for it without sleeping for a short while, so that work of a few microseconds is worth sharing.
class ThreadPool {
 public:
  /// `num_threads` <= 0 means all cores. The calling thread counts as one of them.
  /// `around`, if any, is called on every thread that the pool makes, given its number (1 and up) and what it has to
  /// run: so it can set the thread up before and clean up afterwards.
  using Around = std::function<void(int thread, const std::function<void()>& work)>;
  explicit ThreadPool(int num_threads = 0, const Around& around = {});
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const { return num_threads_; }

  /// Runs body(index, thread) for every index in [0, count); `thread` is in [0, num_threads()) and no two bodies run at
  /// the same time with the same one. Returns when all are done. Must not be called from inside a body.
  void parallel_for(int64_t count, const std::function<void(int64_t index, int thread)>& body);

 private:
  struct Impl;
  int num_threads_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace edgesmith
