// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/zoo/summary.h"

#include "support/tiny_model.h"
#include "zoo/folder.h"

namespace edgesmith::zoo {
namespace {

namespace fs = std::filesystem;

class ZooSummary : public ::testing::Test {
 protected:
  /// A finished model that ended with `exit_code`, or was ended by `signal`.
  void put(const std::string& name, int exit_code, int signal = 0) {
    record_.models.push_back({name, "/models/" + name + ".onnx"});
    JobRecord job;
    job.name = name;
    job.exit_code = exit_code;
    job.signal = signal;
    if (exit_code > 1) job.message = "it, \"broke\"";
    fs::create_directory(folder_ / name);
    ASSERT_TRUE(write_file(folder_ / (name + "/job.json"), job_json(job)).ok());
  }
  Summary collected() {
    EXPECT_TRUE(write_file(folder_ / "zoo.json", folder_json(record_)).ok());
    return collect(folder_.path()).value();
  }
  testing::TemporaryFolder folder_;
  FolderRecord record_{"/m.toml", "hash", {}};
};

TEST_F(ZooSummary, TheExitCodeIsOneWhereAGateSaidNoElseThatOfTheFirstFailure) {
  put("a", 0);
  EXPECT_EQ(collected().exit_code, 0);
  put("b", 70, 11);
  put("c", 3);
  EXPECT_EQ(collected().exit_code, 70);
  put("d", 1);
  EXPECT_EQ(collected().exit_code, 1);
}

TEST_F(ZooSummary, WhatWasNotRunIsMissing) {
  record_.models.push_back({"a", "/models/a.onnx"});
  const Summary summary = collected();
  EXPECT_EQ(summary.rows[0].status, RowStatus::missing);
  EXPECT_EQ(summary.exit_code, 5);
}

TEST_F(ZooSummary, QuotesAndEscapes) {
  put("a,\"b\" <i>#1", 3);
  const Summary summary = collected();
  const std::string csv = summary_csv(summary);
  EXPECT_NE(csv.find("\n\"a,\"\"b\"\" <i>#1\",\"/models/a,"), std::string::npos) << csv;
  EXPECT_NE(csv.find(",\"it, \"\"broke\"\"\"\n"), std::string::npos) << csv;
  const std::string page = summary_html(summary);
  EXPECT_EQ(page.find("<i>"), std::string::npos);
  EXPECT_NE(page.find("<a href=\"a,%22b%22%20%3Ci%3E%231/log.txt\">"), std::string::npos) << page;
}

TEST_F(ZooSummary, IsWrittenWhole) {
  put("a", 0);
  ASSERT_TRUE(write_summary(collected()).ok());
  for (const char* name : {"summary.json", "summary.csv", "index.html"})
    EXPECT_TRUE(fs::exists(folder_ / name)) << name;
  EXPECT_EQ(*read_file(folder_ / "summary.json"), summary_json(collected()));
}

}  // namespace
}  // namespace edgesmith::zoo
