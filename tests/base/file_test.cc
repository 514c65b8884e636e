// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

namespace edgesmith {
namespace {

class Files : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) / ("files_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path(const char* name) const { return (folder_ / name).string(); }
  size_t count() const { return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), {})); }
  std::filesystem::path folder_;
};

TEST_F(Files, WhatIsWrittenIsReadBack) {
  std::string text(3 << 20, 'x');
  text[5] = '\0';
  ASSERT_TRUE(write_file(path("a"), text).ok());
  EXPECT_EQ(*read_file(path("a")), text);
  EXPECT_EQ(count(), 1u);
}

TEST_F(Files, AnUncommittedFileLeavesTheOldOneAndNothingElse) {
  ASSERT_TRUE(write_file(path("a"), "old").ok());
  {
    auto file = AtomicFile::create(path("a"));
    ASSERT_TRUE(file.ok());
    (*file)->write("new");
  }
  EXPECT_EQ(*read_file(path("a")), "old");
  EXPECT_EQ(count(), 1u);
}

TEST_F(Files, AFileThatCameMeanwhileIsKeptOrReplacedAsAsked) {
  for (const Existing existing : {Existing::keep, Existing::replace}) {
    auto file = AtomicFile::create(path("late"), existing);
    ASSERT_TRUE(file.ok());
    (*file)->write("ours");
    std::filesystem::remove(path("late"));
    ASSERT_TRUE(write_file(path("late"), "theirs").ok());
    const Status done = (*file)->commit();
    EXPECT_EQ(done.ok(), existing == Existing::replace);
    if (existing == Existing::keep) {
      EXPECT_EQ(done.error().kind, ErrorKind::usage) << done.error().text();
    }
    EXPECT_EQ(*read_file(path("late")), done.ok() ? "ours" : "theirs");
    file->reset();
    EXPECT_EQ(count(), 1u);
  }
  ASSERT_TRUE(write_file(path("free"), "text", Existing::keep).ok());
  EXPECT_EQ(*read_file(path("free")), "text");
  EXPECT_EQ(write_file(path("free"), "other", Existing::keep).error().kind, ErrorKind::usage);
  EXPECT_EQ(*read_file(path("free")), "text");
  std::filesystem::create_symlink("nowhere", path("link"));
  EXPECT_FALSE(write_file(path("link"), "text", Existing::keep).ok());
  EXPECT_TRUE(write_file(path("link"), "text").ok());  // the link goes
  EXPECT_EQ(*read_file(path("link")), "text");
}

TEST_F(Files, AKilledWriterLeavesNothing) {
  const pid_t child = ::fork();
  if (child == 0) {
    auto file = AtomicFile::create(path("a"));
    if (file.ok()) (*file)->write(std::string(1 << 20, 'x'));
    ::_exit(file.ok() ? 0 : 1);  // without the destructor, as a signal would
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  const int unnamed = ::open(folder_.c_str(), O_TMPFILE | O_WRONLY, 0600);
  if (unnamed < 0 || ::access("/proc/self/fd", X_OK) != 0)
    GTEST_SKIP() << "this file system has no files without a name";
  ::close(unnamed);
  EXPECT_EQ(count(), 0u);
}

TEST_F(Files, NewFilesHaveThePermissionsOfTheUsersMask) {
  const mode_t mask = ::umask(027);
  const Status done = write_file(path("a"), "text"), again = write_file(path("a"), "text");
  ::umask(mask);
  ASSERT_TRUE(done.ok() && again.ok());
  struct stat info {};
  ASSERT_EQ(::stat(path("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640u);
}

TEST_F(Files, WhatCanBeWrittenIsFoundOutWithoutATrace) {
  EXPECT_TRUE(check_writable(path("a")).ok());
  EXPECT_EQ(count(), 0u);
  EXPECT_EQ(check_writable(path("none/a")).error().kind, ErrorKind::io);
  EXPECT_EQ(check_writable(path(std::string(300, 'a').c_str())).error().kind, ErrorKind::io);
  EXPECT_EQ(check_writable("/proc/a").error().kind, ErrorKind::io);
  EXPECT_TRUE(check_writable("/dev/null").ok());
  EXPECT_TRUE(check_writable("-").ok());
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_TRUE(check_writable(path("pipe")).ok());  // and nobody waits for its reader
}

TEST_F(Files, ErrorsNameThePath) {
  const auto missing = MappedFile::open(path("none"));
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().kind, ErrorKind::io);
  EXPECT_EQ(missing.error().text(), path("none") + ": cannot open: No such file or directory; check the path");
  EXPECT_FALSE(MappedFile::open(folder_.string()).ok());
  EXPECT_FALSE(write_file(path("no/such/folder"), "x").ok());
}

TEST_F(Files, ADeviceIsWrittenAndStaysADevice) {
  const std::string pipe = path("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  EXPECT_TRUE(write_file(pipe, "text").ok());
  char text[8] = {};
  EXPECT_EQ(::read(reader, text, sizeof text), 4);
  EXPECT_STREQ(text, "text");
  ::close(reader);
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
  EXPECT_EQ(count(), 1u);
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full here";
  const Status full = write_file("/dev/full", "text");
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().text(), "/dev/full: cannot write: No space left on device; free some disk space");
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
}

TEST_F(Files, AnEmptyFileMapsToNothing) {
  ASSERT_TRUE(write_file(path("empty"), "").ok());
  EXPECT_TRUE((*MappedFile::open(path("empty")))->bytes().empty());
}

// Small files are read, large ones mapped.
TEST_F(Files, FilesOfEverySizeStayWhileTheyAreOpen) {
  for (const size_t size : {1, 4096, 65535, 65536, 65537, 200000}) {
    std::string text(size, 'x');
    for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 7 % 251);
    ASSERT_TRUE(write_file(path("a"), text).ok());
    const auto file = MappedFile::open(path("a"));
    ASSERT_TRUE(file.ok());
    std::filesystem::remove(path("a"));
    const auto bytes = (*file)->bytes();
    forget_pages(bytes);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), text) << size;
  }
}

}  // namespace
}  // namespace edgesmith
