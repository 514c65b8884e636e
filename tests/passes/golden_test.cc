// SPDX-License-Identifier: Apache-2.0
// golden_test FILE.ir ...: makes every case a test. A case is six checks: the text after the passes, results before
// and after (by running both), a truthful Change, a second run that changes nothing, no names that were not there, and
// print/parse round trips.
// UPDATE_GOLDEN=1 rewrites the expectations instead; review the diff.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "edgesmith/ir/subgraphs.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/pass.h"
#include "golden_file.h"
#include "golden_run.h"

namespace edgesmith::testing {
namespace {

// Names of nodes and values, those inside of bodies and functions included.
void collect_names(const ir::Graph& graph, std::set<std::string>& names) {
  for (const ir::Node& node : graph.nodes()) {
    names.insert(node.name());
    for (int i = 0; i < node.num_outputs(); ++i) names.insert(node.output(i).name());
    if (node.subgraphs == nullptr) continue;
    for (const ir::Graph& body : node.subgraphs->graphs) collect_names(body, names);
  }
}

// Names that a pass made up for nodes (constants may have them), or "".
std::string invented_names(const ir::Graph& before, const ir::Graph& after) {
  std::set<std::string> known = {""};
  collect_names(before, known);
  std::string invented;
  for (const ir::Node& node : after.nodes()) {
    if (node.is(ir::OpKind::constant)) continue;
    if (known.count(node.name()) == 0) invented += node.name() + " ";
    for (int i = 0; i < node.num_outputs(); ++i) {
      if (known.count(node.output(i).name()) == 0) invented += node.output(i).name() + " ";
    }
  }
  return invented;
}

class GoldenTest : public ::testing::Test {
 public:
  GoldenTest(std::string path, size_t index) : path_(std::move(path)), index_(index) {}

  void TestBody() override {
    std::vector<GoldenCase> cases = read_golden_file(path_);
    GoldenCase& golden = cases[index_];
    ASSERT_FALSE(golden.passes.empty()) << "no RUN line";
    auto before = ir::parse(golden.before);
    ASSERT_TRUE(before.ok()) << before.error().text();
    ir::Graph graph = before->clone();
    auto change = run_passes(graph, golden);
    if (!golden.error.empty()) {
      ASSERT_FALSE(change.ok()) << "expected an error";
      EXPECT_EQ(change.error().text(), golden.error);
      return;
    }
    ASSERT_TRUE(change.ok()) << change.error().text();
    EXPECT_EQ(invented_names(*before, graph), "")
        << "selectors of later steps are refused for names that are not there";
    const std::string printed = ir::print(graph);
    if (std::getenv("UPDATE_GOLDEN") != nullptr) {
      golden.after = printed;
      write_golden_file(path_, cases);
    }
    EXPECT_EQ(printed, golden.after);
    EXPECT_EQ(compare_by_running(*before, graph, golden.tolerance), "");

    ASSERT_TRUE(ops::infer_types(*before).ok());
    EXPECT_EQ(*change == passes::Change::changed, ir::print(*before) != printed) << "the pass's Change is not true";
    auto again = run_passes(graph, golden);
    ASSERT_TRUE(again.ok()) << again.error().text();
    EXPECT_EQ(*again, passes::Change::none) << "a second run changes the graph again";
    auto parsed = ir::parse(printed);
    ASSERT_TRUE(parsed.ok()) << parsed.error().text();
    EXPECT_EQ(ir::print(*parsed), printed);
  }

 private:
  static Result<passes::Change> run_passes(ir::Graph& graph, const GoldenCase& golden) {
    passes::Change change = passes::Change::none;
    ThreadPool pool(1);
    ProgressSink progress;
    passes::PassContext context;
    context.pool = &pool;
    context.progress = &progress;
    context.target = targets::find_target(targets::kDefaultTarget);
    for (const auto& [name, text] : golden.passes) {
      const passes::PassInfo* pass = passes::find_pass(name);
      if (pass == nullptr) return usage_error("no pass '" + name + "'");
      passes::Options options(pass->options());
      std::istringstream words(text);
      for (std::string word; words >> word;) {
        const size_t equals = word.find('=');
        EDGESMITH_TRY(options.set_text(word.substr(0, equals), word.substr(equals + 1)));
      }
      auto one = passes::run_pass(*pass, graph, options, context);
      if (!one) return one.error();
      if (*one == passes::Change::changed) change = passes::Change::changed;
    }
    return change;
  }

  std::string path_;
  size_t index_;
};

}  // namespace
}  // namespace edgesmith::testing

int main(int argc, char** argv) {
  using edgesmith::testing::GoldenTest;
  ::testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    const std::string path = argv[i];
    const size_t count = edgesmith::testing::read_golden_file(path).size();
    for (size_t k = 0; k < count; ++k) {
      ::testing::RegisterTest(std::filesystem::path(path).stem().c_str(), ("case" + std::to_string(k + 1)).c_str(),
                              nullptr, nullptr, __FILE__, __LINE__,
                              [path, k]() -> ::testing::Test* { return new GoldenTest(path, k); });
    }
  }
  return RUN_ALL_TESTS();
}
