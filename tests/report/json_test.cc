// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/report/json.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "report/sample_report.h"

namespace edgesmith::report {
namespace {

using Json = nlohmann::ordered_json;

std::vector<std::string> keys_of(const Json& json) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  return keys;
}

TEST(Json, HasTheDocumentedMembers) {
  const Json json = Json::parse(run_json(sample_report()));
  for (const char* key : {"schema", "tool", "command", "exit_code", "model", "recipe", "baseline", "steps", "output",
                          "peak_rss_bytes", "seconds", "warnings", "layers", "data"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_EQ(json["schema"], "edgesmith.report/1");
  EXPECT_EQ(json["tool"]["isa"], "avx2");
  EXPECT_EQ(json["exit_code"], 1);
  EXPECT_EQ(json["model"]["bytes"], 1000000);
  EXPECT_EQ(json["model"]["params"], 250000);
  EXPECT_EQ(json["model"]["macs"], 4000000);
  EXPECT_EQ(json["model"]["nodes"], 20);
  EXPECT_EQ(json["baseline"]["metric"], "top1");
  EXPECT_EQ(json["baseline"]["value"], 90.0);
  EXPECT_EQ(json["baseline"]["samples"], 10000);
  const Json& step = json["steps"][1];
  EXPECT_EQ(step["pass"], "fold-constants");
  EXPECT_EQ(step["status"], "rolled_back");
  EXPECT_EQ(step["metric"]["name"], "top1");
  EXPECT_EQ(step["metric"]["value"], 89.0);
  EXPECT_EQ(step["metric"]["drop"], 1.0);
  EXPECT_EQ(step["metric"]["ci95"], (Json{0.8, 1.2}));
  EXPECT_EQ(step["metric"]["agreement"], 97.5);
  EXPECT_EQ(keys_of(step["size"]),
            (std::vector<std::string>{"bytes", "params", "nonzero", "macs", "nodes", "peak_activation_bytes"}));
  EXPECT_TRUE(step["size"]["peak_activation_bytes"].is_null());
  EXPECT_EQ(step["notes"], Json{"a note"});
  ASSERT_EQ(step["targets"].size(), 2u);
  EXPECT_EQ(
      step["targets"][1],
      (Json{
          {"name", "cmsis-nn-l4r5"}, {"arithmetic", "tflite"}, {"value", 88.5}, {"drop", 1.5}, {"ci95", {1.2, 1.8}}}));
  EXPECT_EQ(step["options"]["bins"], 64);
  EXPECT_EQ(json["output"]["path"], "out.onnx");
  EXPECT_EQ(json["output"]["bytes"], 990000);
  EXPECT_EQ(json["layers"][0]["numbers"]["sqnr_db"], 12.5);
  EXPECT_EQ(json["steps"][1]["weights"][0]["nonzero"], 25);
  EXPECT_EQ(json["steps"][1]["weights"][1]["entries"].size(), 3u);
  EXPECT_EQ(json["steps"][1]["curves"][1]["values"], (Json{50, 75, 87.5}));
  EXPECT_EQ(json["steps"][1]["measured"]["images_per_second"], 1234.5);
  EXPECT_EQ(json["recipe"]["gate"]["max_drop"], 0.5);
  EXPECT_EQ(json["data"][0]["preprocess"]["scale"], 0.5);
}

TEST(Json, SaysNothingOfWhatWasNotMeasured) {
  refine::RunReport report = sample_report();
  report.baseline.reset();
  report.output.reset();
  report.steps[0].metric.reset();
  const Json json = Json::parse(run_json(report));
  EXPECT_TRUE(json["baseline"].is_null());
  EXPECT_TRUE(json["output"].is_null());
  EXPECT_TRUE(json["steps"][0]["metric"].is_null());
}

TEST(Json, StaysJsonForNumbersAndBytesThatJsonHasNot) {
  refine::RunReport report = sample_report();
  report.steps[0].metric->value = std::numeric_limits<double>::infinity();
  report.steps[0].drop->drop = std::numeric_limits<double>::quiet_NaN();
  report.model.path = "bad\xff.onnx";
  const Json json = Json::parse(run_json(report));
  EXPECT_TRUE(json["steps"][0]["metric"]["value"].is_null());
  EXPECT_TRUE(json["steps"][0]["metric"]["drop"].is_null());
}

}  // namespace
}  // namespace edgesmith::report
