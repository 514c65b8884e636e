// SPDX-License-Identifier: Apache-2.0
// A job is open while `state` is odd. A worker says that it is inside before it looks whether the job is still open,
// the caller closes the job before it looks who is inside: so one that comes late either joins or finds the door
// closed, and nobody waits for a worker that the system has not woken yet.
#include "edgesmith/base/thread_pool.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace edgesmith {

namespace {

// How long a worker looks for the next job before it sleeps: longer than the steps between two jobs of one run.
constexpr auto kLookout = std::chrono::microseconds(200);
// Looks between two glances at the clock; then other threads of a busy machine get their turn.
constexpr int kLooks = 256;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

}  // namespace

struct ThreadPool::Impl {
  std::mutex mutex;
  std::condition_variable wake;
  std::vector<std::thread> workers;
  const std::function<void(int64_t, int)>* body = nullptr;
  int64_t count = 0;
  alignas(64) std::atomic<int64_t> next{0};
  alignas(64) std::atomic<uint64_t> state{0};  // grows by one when a job is opened and when it is closed
  alignas(64) std::atomic<int> inside{0};
  std::atomic<int> sleepers{0};
  std::atomic<bool> stop{false};
  std::exception_ptr failure;  // the first that a body threw: memory that ran out on any thread is the caller's to tell

  ~Impl() {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      stop = true;
    }
    wake.notify_all();
    for (std::thread& worker : workers) worker.join();
  }

  void drain(int thread) {
    try {
      for (int64_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) (*body)(i, thread);
    } catch (...) {
      next = count;
      const std::lock_guard<std::mutex> lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  }

  // Waits until a job newer than `seen` was opened; false when the pool ends.
  bool wait(uint64_t seen) {
    const auto come = [&] { return stop.load() || (state.load() > seen && state.load() % 2 == 1); };
    const auto start = std::chrono::steady_clock::now();
    do {
      for (int i = 0; i < kLooks; ++i) {
        if (come()) return !stop.load();
        pause();
      }
      std::this_thread::yield();
    } while (std::chrono::steady_clock::now() - start < kLookout);
    std::unique_lock<std::mutex> lock(mutex);
    ++sleepers;
    wake.wait(lock, come);
    --sleepers;
    return !stop.load();
  }

  void work(int thread) {
    for (uint64_t seen = 0; wait(seen);) {
      ++inside;
      const uint64_t now = state.load();
      if (now % 2 == 1) {
        drain(thread);
        seen = now;
      }
      --inside;
    }
  }

  // What sleeps is woken; the lock makes sure that nobody is between looking and sleeping.
  void wake_sleepers() {
    if (sleepers.load() == 0) return;
    { const std::lock_guard<std::mutex> lock(mutex); }
    wake.notify_all();
  }
};

ThreadPool::ThreadPool(int num_threads, const Around& around) : impl_(std::make_unique<Impl>()) {
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  num_threads_ = num_threads > 0 ? num_threads : (cores > 0 ? cores : 1);
  for (int t = 1; t < num_threads_; ++t) {
    impl_->workers.emplace_back(
        [this, t, around] { around ? around(t, [this, t] { impl_->work(t); }) : impl_->work(t); });
  }
}

ThreadPool::~ThreadPool() = default;

void ThreadPool::parallel_for(int64_t count, const std::function<void(int64_t, int)>& body) {
  if (num_threads_ == 1 || count <= 1) {
    for (int64_t i = 0; i < count; ++i) body(i, 0);
    return;
  }
  impl_->body = &body;
  impl_->count = count;
  impl_->next = 0;
  ++impl_->state;
  impl_->wake_sleepers();
  impl_->drain(0);
  ++impl_->state;
  for (int looks = 0; impl_->inside.load() != 0; ++looks)
    looks % kLooks == kLooks - 1 ? std::this_thread::yield() : pause();
  if (impl_->failure) std::rethrow_exception(std::exchange(impl_->failure, nullptr));
}

}  // namespace edgesmith
