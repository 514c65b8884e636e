// SPDX-License-Identifier: Apache-2.0
// A test that runs the built program in a folder of its own.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/run_tool.h"
#include "support/tiny_model.h"

namespace edgesmith::testing {

using Json = nlohmann::json;

class ToolTest : public ::testing::Test {
 protected:
  /// Runs in the test's folder, with environment_ and what `options` adds.
  ToolResult run(const std::vector<std::string>& args, ToolOptions options = {}) {
    options.folder = folder_.path();
    options.environment.insert(environment_.begin(), environment_.end());
    return run_tool(args, options);
  }
  /// The document of a command that ends with 0.
  Json json_of(std::vector<std::string> args) {
    args.insert(args.end(), {"--json", "-q"});
    const ToolResult result = run(args);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return Json::parse(result.out, nullptr, false);
  }
  /// Expects exit code `code` and exactly this error line.
  void expect_error(const std::vector<std::string>& args, int code, const std::string& line) {
    const ToolResult result = run(args);
    EXPECT_EQ(result.exit_code, code) << result.err;
    EXPECT_EQ(result.err, "edgesmith: error: " + line + "\n");
    EXPECT_EQ(result.out, "");
  }

  TemporaryFolder folder_;
  std::map<std::string, std::string> environment_;
};

}  // namespace edgesmith::testing
