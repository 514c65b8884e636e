// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "edgesmith/base/file.h"
#include "edgesmith/report/diff.h"
#include "support/tiny_model.h"

namespace edgesmith::report {
namespace {

using Json = nlohmann::json;

Json row(const std::string& name, double top1, int64_t bytes) {
  return {{"name", name},
          {"status", "done"},
          {"verdict", ""},
          {"model", {{"path", name + ".onnx"}, {"sha256", name}, {"bytes", 4000}}},
          {"baseline", {{"metric", "top1"}, {"value", 90.0}, {"samples", 1000}}},
          {"output", {{"bytes", bytes}, {"macs", 50}, {"metric", {{"name", "top1"}, {"value", top1}}}}},
          {"seconds", 2.0}};
}

class DiffZoo : public ::testing::Test {
 protected:
  std::string put(const std::string& name, const std::vector<Json>& rows) {
    const std::string path = folder_ / name;
    EXPECT_TRUE(write_file(path, Json({{"schema", "edgesmith.zoo/1"}, {"models", rows}}).dump()).ok());
    return path;
  }
  Result<ZooDiff> diff(const std::vector<Json>& before, const std::vector<Json>& after, const DiffLimits& limits) {
    return diff_zoo_runs(put("old.json", before), put("new.json", after), limits);
  }
  testing::TemporaryFolder folder_;
};

TEST_F(DiffZoo, FindsPlantedRegressionsAndShowsTheWorstFirst) {
  const std::vector<Json> before = {row("a", 89.0, 1000), row("b", 89.0, 1000), row("c", 89.0, 1000)};
  const std::vector<Json> after = {row("a", 89.1, 1000), row("b", 88.9, 1050), row("c", 88.4, 1000)};
  const auto found = diff(before, after, {.max_drop = 0.5, .max_growth = 4});
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->regressions, 2);
  ASSERT_EQ(found->models.size(), 3u);
  EXPECT_EQ(found->models[0].name, "c") << "loses 0.6 points";
  EXPECT_EQ(found->models[1].name, "b") << "5 % more bytes";
  EXPECT_EQ(found->models[2].name, "a");
  EXPECT_EQ(found->models[0].diff.regressions, 1);
  const std::string text = zoo_diff_text(*found, false);
  EXPECT_NE(text.find("2 of 3 models beyond the limits"), std::string::npos) << text;
  EXPECT_NE(text.find("top1: worse than allowed (limit 0.5)"), std::string::npos) << text;
  EXPECT_NE(text.find("bytes: worse than allowed (limit 4)"), std::string::npos) << text;
  EXPECT_NE(zoo_diff_markdown(*found).find("| c | top1 | 89.00 % | 88.40 % | -0.60 |"), std::string::npos)
      << zoo_diff_markdown(*found);
  const std::string junit = zoo_diff_junit(*found);
  EXPECT_NE(junit.find("tests=\"12\" failures=\"2\""), std::string::npos) << junit;
  EXPECT_NE(junit.find("<testcase classname=\"c\" name=\"top1\">\n      <failure message=\"89.00 % -&gt; 88.40 %"),
            std::string::npos)
      << junit;
  const Json json = Json::parse(zoo_diff_json(*found));
  EXPECT_EQ(json["schema"], "edgesmith.zoo-diff/1");
  EXPECT_EQ(json["models"][0]["parts"][0]["figures"][0]["regression"], true);
}

TEST_F(DiffZoo, ShowsTheStepsOfWhatIsBeyondTheLimits) {
  const auto put_run = [&](const std::string& folder, double top1, int64_t bytes) {
    for (const std::string name : {"a", "b"}) {
      std::filesystem::create_directories(folder_ / folder + "/" + name);
      const double value = name == "a" ? top1 : 89.0;
      const Json steps = {
          {{"pass", "simplify"}, {"status", "accepted"}, {"size", {{"bytes", 2000}}}},
          {{"pass", "quantize"}, {"status", "accepted"}, {"metric", {{"value", value}}}, {"size", {{"bytes", bytes}}}}};
      EXPECT_TRUE(write_file(folder_ / folder + "/" + name + "/report.json", Json({{"steps", steps}}).dump()).ok());
    }
    put(folder + "/summary.json", {row("a", top1, bytes), row("b", 89.0, bytes)});
  };
  put_run("old", 89.0, 1000);
  put_run("new", 88.0, 1001);
  const auto found = diff_zoo_runs(folder_ / "old", folder_ / "new", {.max_drop = 0.5, .max_growth = 1});
  ASSERT_TRUE(found.ok()) << found.error().text();
  EXPECT_EQ(found->regressions, 1) << "figures of steps are not judged";
  EXPECT_EQ(found->models[1].diff.parts.size(), 3u);
  const std::string text = zoo_diff_text(*found, false), markdown = zoo_diff_markdown(*found);
  EXPECT_NE(text.find("step 2: quantize"), std::string::npos) << text;
  EXPECT_EQ(text.find("step 2: quantize"), text.rfind("step 2: quantize")) << "b is within the limits: " << text;
  EXPECT_NE(markdown.find("<details><summary>a, step by step</summary>\n\n| step 1: simplify |"), std::string::npos)
      << markdown;
  EXPECT_EQ(Json::parse(zoo_diff_json(*found))["models"][0]["parts"][2]["name"], "step 2: quantize");
}

TEST_F(DiffZoo, WithoutLimitsNothingIsJudged) {
  const auto found = diff({row("a", 89, 1000)}, {row("a", 10, 9000)}, {});
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->regressions, 0);
  EXPECT_NE(zoo_diff_text(*found, false).find("not judged"), std::string::npos);
}

TEST_F(DiffZoo, AResultThatIsLostIsARegression) {
  Json failed = row("a", 0, 0);
  failed["output"] = nullptr;
  failed["status"] = "killed";
  failed["verdict"] = "killed by SIGKILL";
  const std::vector<Json> before = {row("a", 89, 1000), row("b", 89, 1000)};
  const auto found = diff(before, {failed, row("new", 89, 1000)}, {.max_drop = 0.5});
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->regressions, 2) << "a was killed, b is not there";
  const std::string text = zoo_diff_text(*found, false);
  EXPECT_NE(text.find("was done, is killed; killed by SIGKILL"), std::string::npos) << text;
  EXPECT_NE(text.find("is not in the newer run"), std::string::npos) << text;
  EXPECT_NE(text.find("is new"), std::string::npos) << text;
  EXPECT_EQ(diff(before, {failed}, {})->regressions, 0);
  EXPECT_EQ(diff({failed}, {failed}, {.max_drop = 0.5})->regressions, 0) << "it had none before";
}

TEST_F(DiffZoo, RefusesWhatCannotBeCompared) {
  Json other = row("a", 89, 1000);
  other["model"] = {{"path", "else.onnx"}, {"sha256", "x"}};
  const auto renamed = diff({row("a", 89, 1000)}, {other}, {.max_drop = 0.5});
  ASSERT_TRUE(renamed.ok());
  EXPECT_NE(zoo_diff_text(*renamed, false).find("is another model under the same name"), std::string::npos);
  Json metric = row("a", 89, 1000);
  metric["output"]["metric"]["name"] = "mse";
  const auto metrics = diff({row("a", 89, 1000)}, {metric}, {});
  ASSERT_FALSE(metrics.ok());
  EXPECT_EQ(metrics.error().kind, ErrorKind::invalid);
  ASSERT_TRUE(write_file(folder_ / "report.json", R"({"schema": "edgesmith.report/1"})").ok());
  const auto mixed = diff_zoo_runs(folder_ / "old.json", folder_ / "report.json", {});
  ASSERT_FALSE(mixed.ok());
  EXPECT_NE(mixed.error().message.find("is no summary of a zoo run"), std::string::npos);
  ASSERT_TRUE(write_file(folder_ / "later.json", R"({"schema": "edgesmith.zoo/2", "models": []})").ok());
  EXPECT_TRUE(is_zoo_run(folder_ / "later.json"));
  EXPECT_NE(diff_zoo_runs(folder_ / "old.json", folder_ / "later.json", {}).error().message.find("'edgesmith.zoo/2'"),
            std::string::npos);
  EXPECT_TRUE(is_zoo_run(folder_ / "old.json"));
  EXPECT_FALSE(is_zoo_run(folder_ / "report.json"));
}

}  // namespace
}  // namespace edgesmith::report
