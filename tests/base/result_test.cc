// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/base/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace edgesmith {
namespace {

TEST(Result, HoldsAValueOrAnError) {
  Result<std::unique_ptr<int>> good = std::make_unique<int>(7);
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(**good, 7);
  EXPECT_EQ(*std::move(good).value(), 7);
  const Result<int> bad = invalid_error("m.onnx: is empty", "fetch it again");
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().in("run").text(), "run: m.onnx: is empty; fetch it again");
}

TEST(Result, EveryKindOfErrorHasItsExitCode) {
  EXPECT_EQ(exit_code_of(ErrorKind::usage), 2);
  EXPECT_EQ(exit_code_of(ErrorKind::invalid), 3);
  EXPECT_EQ(exit_code_of(ErrorKind::unsupported), 4);
  EXPECT_EQ(exit_code_of(ErrorKind::io), 5);
  EXPECT_EQ(exit_code_of(ErrorKind::interrupted), 130);
  EXPECT_EQ(exit_code_of(ErrorKind::internal), 70);
}

TEST(ResultDeathTest, ABugOfOursEndsTheProcessWithExitCode70AndOneLine) {
  const auto fail = [](int sum) { EDGESMITH_CHECK(sum == 5) << "sum is " << sum; };
  EXPECT_EXIT(fail(4), testing::ExitedWithCode(70),
              "edgesmith: internal error: .*check failed: sum == 5 sum is 4; please report this");
  const Result<int> bad = io_error("m.onnx: cannot open");
  EXPECT_EXIT((void)bad.value(), testing::ExitedWithCode(70), "no value, but an error: m.onnx: cannot open");
}

}  // namespace
}  // namespace edgesmith
