// SPDX-License-Identifier: Apache-2.0
#include "zoo/folder.h"

#include "support/tiny_model.h"

namespace edgesmith::zoo {
namespace {

namespace fs = std::filesystem;

TEST(Claim, IsHeldByOneAtATime) {
  const testing::TemporaryFolder folder;
  auto first = Claim::take(folder.path(), "m");
  ASSERT_TRUE(first.ok() && *first);
  auto second = Claim::take(folder.path(), "m");
  ASSERT_TRUE(second.ok());
  EXPECT_FALSE(*second);
  EXPECT_TRUE(Claim::take(folder.path(), "other").value().has_value());
  (*first)->abandon();
  EXPECT_FALSE(fs::exists(folder / ".m.part"));
  EXPECT_TRUE(Claim::take(folder.path(), "m").value().has_value());
}

TEST(Claim, StartsEmptyAndReplacesWhatWasThere) {
  const testing::TemporaryFolder folder;
  fs::create_directories(folder / ".m.part/left");
  fs::create_directories(folder / "m/old");
  auto claim = Claim::take(folder.path(), "m");
  ASSERT_TRUE(claim.ok() && *claim);
  EXPECT_TRUE(fs::is_empty((*claim)->path())) << "what a killed process left";
  ASSERT_TRUE(write_file((*claim)->path() + "/new", "").ok());
  EXPECT_TRUE(fs::exists(folder / "m/old")) << "until the new one is finished";
  ASSERT_TRUE((*claim)->finish().ok());
  EXPECT_TRUE(fs::exists(folder / "m/new"));
  EXPECT_FALSE(fs::exists(folder / "m/old"));
  EXPECT_EQ(folder.names(), std::vector<std::string>{"m"});
}

TEST(Folder, TakesNamesThatHideNothing) {
  for (const char* name : {"a", "模型 ü", "a.b", "it's"}) EXPECT_TRUE(is_folder_name(name)) << name;
  for (const char* name : {"", ".", "..", ".hidden", "a/b", "zoo.json", "summary.csv", "index.html", "a\nb"}) {
    EXPECT_FALSE(is_folder_name(name)) << name;
  }
  EXPECT_FALSE(is_folder_name(std::string(250, 'a')));
}

TEST(Folder, ADamagedRecordIsNone) {
  const testing::TemporaryFolder folder;
  fs::create_directory(folder / "m");
  for (const char* text : {"", "{", "[]", "{\"schema\": \"edgesmith.zoo-job/2\"}"}) {
    ASSERT_TRUE(write_file(folder / "m/job.json", text).ok());
    EXPECT_FALSE(finished_job(folder.path(), "m")) << text;
    ASSERT_TRUE(write_file(folder / "zoo.json", text).ok());
    const auto record = read_folder(folder.path());
    ASSERT_FALSE(record.ok()) << text;
    EXPECT_EQ(record.error().kind, ErrorKind::usage);
  }
}

}  // namespace
}  // namespace edgesmith::zoo
