// SPDX-License-Identifier: Apache-2.0
// The contract of `report diff`: exit codes, where its output goes, what it refuses.
#include "cli/tool_test.h"

namespace edgesmith::testing {
namespace {

class CliReport : public ToolTest {
 protected:
  void SetUp() override {
    write_model(kTinyModel, folder_ / "m.onnx");
    ASSERT_EQ(run({"simplify", "m.onnx", "-o", "a.onnx", "--report", "a", "-q"}).exit_code, 0);
    ASSERT_EQ(run({"simplify", "m.onnx", "-o", "b.onnx", "--report", "b", "-q"}).exit_code, 0);
  }
};

TEST_F(CliReport, EqualRunsAreWithinTheLimits) {
  const Json diff = json_of({"report", "diff", "a/report.json", "b/report.json", "--max-growth", "0"});
  EXPECT_EQ(diff["schema"], "edgesmith.diff/1");
  EXPECT_EQ(diff["regressions"], 0);
  EXPECT_EQ(diff["parts"][0]["figures"][0]["name"], "bytes");
}

TEST_F(CliReport, BeyondALimitTheExitCodeIsOne) {
  const ToolResult result =
      run({"report", "diff", "a/report.json", "b/report.json", "--max-growth", "-1", "--junit", "diff.xml"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.out.find("beyond the limits"), std::string::npos);
  EXPECT_NE(read_file(folder_ / "diff.xml")->find("<failure "), std::string::npos);
}

TEST_F(CliReport, TakesTheFolderOfAReport) {
  EXPECT_EQ(json_of({"report", "diff", "a", "b/report.json", "--max-growth", "0"})["regressions"], 0);
  EXPECT_EQ(json_of({"report", "diff", "a", "b"})["schema"], "edgesmith.diff/1");
}

TEST_F(CliReport, WhatIsNoReportIsRefused) {
  ASSERT_TRUE(write_file(folder_ / "bare.json", "{\"schema\": \"edgesmith.report/1\"}").ok());
  expect_error({"report", "diff", "a", "bare.json"}, 3,
               "bare.json: is no whole report: it has no model or no steps; write it again with --report");
  EXPECT_EQ(run({"report", "diff", "a/report.json", "missing.json"}).exit_code, 5);
  EXPECT_EQ(run({"report", "diff", "a/report.json"}).exit_code, 2);
  expect_error({"report", "show", "a/report.json", "b/report.json"}, 2,
               "report: 'show' is none of diff; see 'edgesmith report --help'");
  expect_error({"report", "diff", "m.onnx", "a/report.json"}, 3,
               "m.onnx: is no JSON; give a report.json that --report wrote");
}

}  // namespace
}  // namespace edgesmith::testing
