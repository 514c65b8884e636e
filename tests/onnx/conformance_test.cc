// SPDX-License-Identifier: Apache-2.0
// ONNX's conformance suite against a checked-in list of the cases that do not pass, with reasons. The list may only
// shrink: a listed case that passes fails this test, as does an unlisted one that does not, and a wrong answer or a
// crash always. UPDATE_CONFORMANCE=1 rewrites the list and docs/conformance.md.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "edgesmith/base/file.h"
#include "edgesmith/onnx/export.h"
#include "edgesmith/onnx/import.h"
#include "onnx/conformance_case.h"
#include "onnx/wire.h"

namespace edgesmith::onnx {
namespace {

constexpr int kWantedPasses = 950;
const std::string kListPath = std::string(EDGESMITH_SOURCE_DIR) + "/tests/onnx/conformance_not_passing.txt";
const std::string kDocsPath = std::string(EDGESMITH_SOURCE_DIR) + "/docs/conformance.md";

using Results = std::map<std::string, CaseResult>;

/// Where the results of other data (EDGESMITH_ONNX_TESTDATA) go, for tests/oracle/node_cases.py; null: compare them
/// with the list.
const char* results_file() { return std::getenv("EDGESMITH_ONNX_RESULTS"); }

bool updating() { return std::getenv("UPDATE_CONFORMANCE") != nullptr; }

/// name -> "outcome: reason" of the checked-in list.
std::map<std::string, std::string> read_list() {
  std::map<std::string, std::string> list;
  const auto text = read_file(kListPath);
  if (!text) return list;
  size_t begin = 0;
  while (begin < text->size()) {
    const size_t end = std::min(text->find('\n', begin), text->size());
    const std::string line = text->substr(begin, end - begin);
    const size_t colon = line.find(": ");
    if (!line.empty() && line[0] != '#' && colon != line.npos) list[line.substr(0, colon)] = line.substr(colon + 2);
    begin = end + 1;
  }
  return list;
}

std::string list_text(const Results& results) {
  std::string text =
      "# Cases of libonnx-testdata that do not pass, and why. May only shrink. Rewritten by\n"
      "# UPDATE_CONFORMANCE=1 build/release/tests/onnx/onnx_conformance_test\n";
  for (const auto& [name, result] : results) {
    if (result.outcome == Outcome::pass) continue;
    text += name + ": " + outcome_name(result.outcome) + ": " + result.reason + "\n";
  }
  return text;
}

std::string docs_text(const Results& results) {
  struct Row {
    int passed = 0, total = 0;
    std::map<std::string, int> reasons;
  };
  std::map<std::string, Row> rows;
  int passed = 0;
  for (const auto& [name, result] : results) {
    Row& row = rows[result.op];
    ++row.total;
    if (result.outcome == Outcome::pass) {
      ++row.passed, ++passed;
    } else {
      ++row.reasons[result.reason];
    }
  }
  std::string text =
      "# Conformance\n\nWritten by `UPDATE_CONFORMANCE=1 build/release/tests/onnx/onnx_conformance_test` "
      "from ONNX's own test data (Debian's libonnx-testdata, up to\nopset 17). A case passes when the "
      "model is imported, every operator in it is known, and the reference evaluation gives the expected\n"
      "outputs (floats: relative 1e-3, halves two units in the last place, absolute 1e-7 of the largest number if that "
      "is\n"
      "above 1; everything else exactly).\n\n" +
      std::to_string(passed) + " of " + std::to_string(results.size()) +
      " cases pass. No case gives a wrong answer; the rest are not supported, for the reasons given\n"
      "(each case: tests/onnx/conformance_not_passing.txt).\n\n| operator | passed | of | what is not supported |\n"
      "| --- | ---: | ---: | --- |\n";
  std::string whole;
  for (const auto& [op, row] : rows) {
    if (row.passed == row.total) {
      whole += (whole.empty() ? "" : ", ") + op + " (" + std::to_string(row.total) + ")";
      continue;
    }
    text += "| " + op + " | " + std::to_string(row.passed) + " | " + std::to_string(row.total) + " | ";
    std::string reasons;
    for (const auto& [reason, count] : row.reasons) {
      if (row.reasons.size() > 4 || reason == "operator or form not known: " + op) continue;
      reasons += (reasons.empty() ? "" : "; ") + reason + (count > 1 ? " (" + std::to_string(count) + ")" : "");
    }
    if (row.reasons.size() > 4)
      reasons = std::to_string(row.total - row.passed) + " cases need other operators or forms";
    if (reasons.empty()) reasons = row.passed == 0 ? "the operator" : "some of its forms";
    for (size_t at = 0; (at = reasons.find('|', at)) != reasons.npos; at += 2) reasons.insert(at, "\\");
    text += reasons + " |\n";
  }
  return text + "\nEvery case passes, of so many: " + whole + "\n";
}

TEST(Conformance, EveryCasePassesOrIsListedWithItsReason) {
  const std::vector<ConformanceCase> cases = conformance_cases();
  if (cases.empty()) GTEST_SKIP() << "libonnx-testdata is not installed";
  Results results;
  for (const ConformanceCase& test_case : cases) results[test_case.name] = run_case(test_case);
  if (results_file() != nullptr) {
    std::string text;
    for (const auto& [name, result] : results) {
      text += name + "\t" + outcome_name(result.outcome) + "\t" + result.reason + "\n";
    }
    ASSERT_TRUE(write_file(results_file(), text).ok());
    return;
  }
  const std::map<std::string, std::string> list = read_list();
  int passed = 0;
  for (const auto& [name, result] : results) {
    const bool listed = list.count(name) != 0;
    if (result.outcome == Outcome::pass) {
      ++passed;
      EXPECT_FALSE(listed && !updating()) << name << " passes: take it off the list (UPDATE_CONFORMANCE=1)";
      continue;
    }
    EXPECT_EQ(result.outcome, Outcome::unsupported) << name << ": " << result.reason;
    EXPECT_TRUE(listed || updating()) << name << " does not pass: " << result.reason;
  }
  EXPECT_GE(passed, kWantedPasses);
  RecordProperty("passed", passed);
  if (updating()) {
    EXPECT_TRUE(write_file(kListPath, list_text(results)).ok());
    EXPECT_TRUE(write_file(kDocsPath, docs_text(results)).ok());
  }
}

Result<ir::Graph> export_and_import(ir::Graph graph, const std::string& folder) {
  auto bytes = export_bytes(graph);
  if (!bytes) return bytes.error();
  auto owner = std::make_shared<const std::string>(*std::move(bytes));
  return import_bytes(wire::as_bytes(*owner), owner, folder, "exported");
}

TEST(Conformance, AnExportedModelGivesTheSameResults) {
  const std::vector<ConformanceCase> cases = conformance_cases();
  if (cases.empty()) GTEST_SKIP() << "libonnx-testdata is not installed";
  for (const ConformanceCase& test_case : cases) {
    const CaseResult plain = run_case(test_case), again = run_case(test_case, export_and_import);
    EXPECT_EQ(again.outcome, plain.outcome) << test_case.name << ": " << again.reason;
  }
}

}  // namespace
}  // namespace edgesmith::onnx
