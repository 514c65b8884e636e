// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

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

}  // namespace
}  // namespace edgesmith
