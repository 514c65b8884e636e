// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/report/diff.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "edgesmith/report/json.h"
#include "sample_report.h"
#include "support/tiny_model.h"

namespace edgesmith::report {
namespace {

using Json = nlohmann::json;

class DiffTest : public ::testing::Test {
 protected:
  static Json report() { return Json::parse(run_json(sample_report())); }
  std::string put(const char* name, const Json& json) {
    EXPECT_TRUE(write_file(folder_ / name, json.dump()).ok());
    return folder_ / name;
  }
  /// The comparison of the sample with what `change` makes of it.
  template <typename Change>
  Result<ReportDiff> diff(const DiffLimits& limits, Change change) {
    Json changed = report();
    change(changed);
    return diff_reports(put("old.json", report()), put("new.json", changed), limits);
  }
  static const FigureChange& figure(const ReportDiff& diff, const std::string& name) {
    for (const FigureChange& figure : diff.parts[0].figures) {
      if (figure.name == name) return figure;
    }
    throw std::runtime_error("no figure " + name);
  }

  testing::TemporaryFolder folder_;
};

TEST_F(DiffTest, APlantedDropAndPlantedBytesAreFound) {
  const DiffLimits limits{.max_drop = 0.5, .max_growth = 4};
  const auto found = diff(limits, [](Json& json) {
    json["output"]["metric"]["value"] = json["output"]["metric"]["value"].get<double>() - 0.6;
    json["output"]["bytes"] = json["output"]["bytes"].get<int64_t>() * 105 / 100;
  });
  ASSERT_TRUE(found.ok()) << found.error().text();
  EXPECT_EQ(found->regressions, 2);
  EXPECT_TRUE(figure(*found, "top1").regression);
  EXPECT_EQ(figure(*found, "top1").change, "-0.60");
  EXPECT_TRUE(figure(*found, "bytes").regression);
  EXPECT_EQ(figure(*found, "bytes").change, "+5.0 %");
  EXPECT_FALSE(figure(*found, "MACs").regression);
}

TEST_F(DiffTest, WhatIsWithinTheLimitsOrBetterIsNone) {
  const auto found = diff({.max_drop = 0.5, .max_growth = 5, .max_slowdown = 10}, [](Json& json) {
    json["output"]["metric"]["value"] = json["output"]["metric"]["value"].get<double>() - 0.5;
    json["output"]["bytes"] = json["output"]["bytes"].get<int64_t>() * 105 / 100;
    json["seconds"] = json["seconds"].get<double>() / 2;
  });
  ASSERT_TRUE(found.ok()) << found.error().text();
  EXPECT_EQ(found->regressions, 0);
  EXPECT_NE(diff_text(*found, false).find("within the limits"), std::string::npos);
}

TEST_F(DiffTest, WithoutLimitsNothingIsJudged) {
  const auto found = diff({}, [](Json& json) { json["output"]["bytes"] = 1000000000; });
  ASSERT_TRUE(found.ok()) << found.error().text();
  EXPECT_EQ(found->regressions, 0);
  EXPECT_NE(diff_text(*found, false).find("not judged"), std::string::npos);
}

TEST_F(DiffTest, AFigureThatIsMissingNowIsARegression) {
  const auto found = diff({.max_drop = 0.5}, [](Json& json) { json["output"] = nullptr; });
  ASSERT_TRUE(found.ok()) << found.error().text();
  EXPECT_EQ(found->regressions, 1);
  EXPECT_EQ(found->notes[0], "the newer run wrote no model");
}

TEST_F(DiffTest, StepsSayWhereAChangeComesFrom) {
  const auto found = diff({}, [](Json& json) {
    json["steps"][1]["status"] = "accepted";
    json["steps"][1]["metric"]["value"] = 89.5;
  });
  ASSERT_TRUE(found.ok()) << found.error().text();
  ASSERT_EQ(found->parts.size(), 3U);
  EXPECT_EQ(found->parts[2].name, "step 2: fold-constants");
  EXPECT_EQ(found->parts[2].figures[0].change, "+0.50");
  EXPECT_EQ(found->notes[0], "step 2: fold-constants was rolled_back, is accepted");
}

TEST_F(DiffTest, OtherModelsMetricsAndSchemasAreRefused) {
  const auto error = [&](auto change) {
    const auto found = diff({}, change);
    return found.ok() ? std::string("no error") : found.error().text();
  };
  EXPECT_NE(error([](Json& json) {
              json["model"]["path"] = "nets/other.onnx";
              json["model"]["sha256"] = "b";
            }).find("reports of different models"),
            std::string::npos);
  EXPECT_NE(error([](Json& json) { json["output"]["metric"]["name"] = "top5"; }).find("measures top5"),
            std::string::npos);
  EXPECT_NE(error([](Json& json) { json["schema"] = "edgesmith.report/9"; }).find("its schema is 'edgesmith.report/9'"),
            std::string::npos);
  EXPECT_NE(error([](Json& json) { json = Json::array(); }).find("has no schema"), std::string::npos);
  EXPECT_TRUE(diff({}, [](Json& json) { json["model"]["sha256"] = "b"; }).ok()) << "the same model, trained anew";
}

TEST_F(DiffTest, MarkdownAndJUnitSayTheSame) {
  const auto found = diff({.max_growth = 4}, [](Json& json) {
    json["output"]["bytes"] = json["output"]["bytes"].get<int64_t>() * 105 / 100;
  });
  ASSERT_TRUE(found.ok()) << found.error().text();
  const std::string markdown = diff_markdown(*found), junit = diff_junit(*found);
  EXPECT_NE(markdown.find("1 beyond the limits"), std::string::npos) << markdown;
  EXPECT_NE(markdown.find("| bytes |"), std::string::npos) << markdown;
  EXPECT_NE(junit.find("failures=\"1\""), std::string::npos) << junit;
  EXPECT_NE(junit.find("classname=\"&lt;a&amp;b&gt;.onnx\" name=\"bytes\">"), std::string::npos) << junit;
  EXPECT_EQ(Json::parse(diff_json(*found))["regressions"], 1);
}

}  // namespace
}  // namespace edgesmith::report
