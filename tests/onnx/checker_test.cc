// SPDX-License-Identifier: Apache-2.0
// A second opinion on what we write: onnx::checker accepts every exported model whose source it accepts.
#include <gtest/gtest.h>

#include "edgesmith/base/file.h"
#include "onnx/conformance_case.h"
#include "onnx/onnx_helper.h"

namespace edgesmith::onnx {
namespace {

TEST(Checker, AcceptsEveryExportedCaseWhoseSourceItAccepts) {
  const std::vector<ConformanceCase> cases = conformance_cases();
  if (cases.empty()) GTEST_SKIP() << "libonnx-testdata is not installed";
  int compared = 0;
  for (const ConformanceCase& test_case : cases) {
    const auto source = read_file(test_case.folder + "/model.onnx");
    ASSERT_TRUE(source.ok());
    if (!check_model(*source).empty()) continue;
    auto graph = import_string(*source, test_case.folder);
    if (!graph.ok()) continue;  // the conformance test judges that
    const auto bytes = export_bytes(*graph);
    ASSERT_TRUE(bytes.ok()) << test_case.name << ": " << bytes.error().text();
    EXPECT_EQ(check_model(*bytes), "") << test_case.name;
    EXPECT_EQ(signature(*bytes), signature(*source)) << test_case.name;
    EXPECT_EQ(opset_of(*bytes), opset_of(*source)) << test_case.name;
    ++compared;
  }
  EXPECT_GT(compared, 800);
}

}  // namespace
}  // namespace edgesmith::onnx
