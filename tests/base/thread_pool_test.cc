// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <vector>

#include "edgesmith/base/interruptible.h"

namespace edgesmith {
namespace {

TEST(ThreadPool, RunsEveryIndexOnceForAnyNumberOfThreads) {
  for (int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.num_threads(), threads);
    for (int64_t count : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> runs(static_cast<size_t>(count));
      pool.parallel_for(count, [&](int64_t i, int thread) {
        EXPECT_GE(thread, 0);
        EXPECT_LT(thread, threads);
        ++runs[static_cast<size_t>(i)];
      });
      for (const auto& n : runs) EXPECT_EQ(n, 1);
    }
  }
}

TEST(ThreadPool, NoTwoBodiesShareAThreadNumberAtOnce) {
  ThreadPool pool(4);
  std::vector<std::atomic<int>> busy(4);
  pool.parallel_for(2000, [&](int64_t, int thread) {
    EXPECT_EQ(++busy[static_cast<size_t>(thread)], 1);
    --busy[static_cast<size_t>(thread)];
  });
}

TEST(ThreadPool, ThrowsOnTheCallersThreadWhatABodyThrowsOnAny) {
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (int64_t place : {0, 7, 99}) {
      const auto fail = [&](int64_t i, int) {
        if (i == place) throw std::bad_alloc();
      };
      EXPECT_THROW(pool.parallel_for(100, fail), std::bad_alloc);
    }
    std::atomic<int> runs{0};
    pool.parallel_for(100, [&](int64_t, int) { ++runs; });
    EXPECT_EQ(runs, 100) << "it goes on working";
  }
}

TEST(InterruptibleFor, RunsAllOfItWhileNobodyAskedToStop) {
  ThreadPool pool(3);
  std::atomic<int> runs{0};
  interruptible_for(pool, 100, [&](int64_t, int) { ++runs; });
  EXPECT_EQ(runs, 100);
  EXPECT_TRUE(check_interrupted().ok());
}

TEST(InterruptibleFor, LeavesOutWhatWasNotBegunWhenTheUserAskedToStop) {
  // There is no way back from an interrupt, and other tests live in this process. The threads are of the process that
  // ends: a fork has none of its parent's.
  const auto interrupt = [] {
    ThreadPool pool(3);
    std::atomic<int> runs{0};
    interruptible_for(pool, 1000, [&](int64_t, int) {
      ++runs;
      request_interrupt();
    });
    if (runs > pool.num_threads() || check_interrupted().ok()) std::_Exit(1);
    const Uninterrupted saving;
    if (interrupted()) std::_Exit(2);
    interruptible_for(pool, 1000, [&](int64_t, int) { ++runs; });
    std::_Exit(runs >= 1000 ? exit_code_of(ErrorKind::interrupted) : 3);
  };
  EXPECT_EXIT(interrupt(), ::testing::ExitedWithCode(130), "");
}

TEST(Interrupt, HasTheExitCodeOfItsSignal) {
  EXPECT_EXIT(
      {
        request_termination();
        std::_Exit(interrupted() ? exit_code_of(ErrorKind::interrupted) : 1);
      },
      ::testing::ExitedWithCode(143), "");
}

}  // namespace
}  // namespace edgesmith
