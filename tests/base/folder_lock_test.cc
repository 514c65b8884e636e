// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/base/folder_lock.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

namespace edgesmith {
namespace {

TEST(FolderLock, IsOnesUntilItGoes) {
  const std::string folder = testing::TempDir() + "/folder_lock_" + std::to_string(::getpid());
  std::filesystem::create_directories(folder);
  {
    auto first = FolderLock::take(folder);
    ASSERT_TRUE(first.ok());
    const FolderLock moved = std::move(*first);
    EXPECT_EQ(FolderLock::take(folder).error().kind, ErrorKind::io);
  }
  EXPECT_TRUE(FolderLock::take(folder).ok());
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  std::filesystem::remove(folder);
  EXPECT_EQ(FolderLock::take(folder).error().kind, ErrorKind::io);
}

}  // namespace
}  // namespace edgesmith
