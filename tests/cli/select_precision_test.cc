// SPDX-License-Identifier: Apache-2.0
// The contract of `select` for targets that are not this machine: the plan, the model, costs, wrong usage; and of the
// pass in recipes.
#include <cmath>
#include <filesystem>
#include <span>

#include "cli/tool_test.h"
#include "edgesmith/base/file.h"
#include "edgesmith/base/sha256.h"
#include "edgesmith/passes/costs.h"

namespace edgesmith::testing {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFloat = R"(graph @net(%x: f32[1,2,4,4]) -> (y) {
  %w = constant {0.101, -0.2, 0.304, 0.398} : f32[2,2,1,1]
  %a = conv %x, %w @"first"
  %r = relu %a @"clamp"
  %y = conv %r, %w @"second"
  return %y
}
)";
constexpr const char* kOther = R"(graph @net(%x: f32[1,2,4,4]) -> (y) {
  %w = constant {0.4, 0.3, -0.2, 0.1} : f32[2,2,1,1]
  %a = conv %x, %w @"first"
  %r = relu %a @"clamp"
  %y = conv %r, %w @"second"
  return %y
}
)";
constexpr const char* kInt8 = R"(graph @net(%x: f32[1,2,4,4] q(u8, scale=0.01, zp=0)) -> (y) {
  %w = constant codes {10, -20, 30, 40} : f32[2,2,1,1] q(i8, scale=0.01, zp=0)
  %a = conv %x, %w : f32[1,2,4,4] @"first"
  %r = relu %a : f32[1,2,4,4] q(u8, scale=0.01, zp=0) @"clamp"
  %y = conv %r, %w : f32[1,2,4,4] q(u8, scale=0.01, zp=128) @"second"
  return %y
}
)";

class SelectPrecision : public ToolTest {
 protected:
  void SetUp() override {
    write_model(kFloat, folder_ / "f.onnx");
    write_model(kInt8, folder_ / "q.onnx");
    costs_.runtime = "a runtime";
    costs_.version = "1.0";
    costs_.cpu = "a cpu";
    costs_.float32 = {"f.onnx", "00", 110};
    costs_.int8 = {"q.onnx", sha256_of("q.onnx"), 70};
    costs_.nodes = {{"first", "Conv", passes::NodeTime{10, ""}, passes::NodeTime{50, ""}},
                    {"second", "Conv", passes::NodeTime{100, ""}, passes::NodeTime{20, ""}}};
    write_costs();
  }
  std::string sha256_of(const std::string& name) {
    const std::string bytes = *read_file(folder_ / name);
    return sha256_hex(std::as_bytes(std::span<const char>(bytes.data(), bytes.size())));
  }
  void write_costs() { ASSERT_TRUE(write_file(folder_ / "costs.json", passes::costs_json(costs_)).ok()); }

  passes::Costs costs_;
};

const std::vector<std::string> kSelect = {"select", "q.onnx", "--target", "ort-x86", "--costs", "costs.json"};

std::vector<std::string> with(std::vector<std::string> args, const std::vector<std::string>& more) {
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

TEST_F(SelectPrecision, WritesThePlanAndTheModel) {
  const Json plan = json_of(with(kSelect, {"-o", "plan.json", "--model-output", "out.onnx", "--original", "f.onnx"}));
  EXPECT_EQ(Json::parse(*read_file(folder_ / "plan.json")), plan);
  EXPECT_EQ(plan["schema"], "edgesmith.plan/1");
  EXPECT_EQ(plan["target"], "ort-x86");
  EXPECT_EQ(plan["costs"]["runtime"], "a runtime");
  EXPECT_EQ(plan["precision"], "mixed");
  EXPECT_EQ(plan["predicted_us"], 30.0);
  EXPECT_EQ(plan["int8_us"], 70.0);
  EXPECT_EQ(plan["float32_us"], 110.0);
  ASSERT_EQ(plan["nodes"].size(), 2u);
  const Json& first = plan["nodes"][0];
  EXPECT_EQ(first["node"], "first");
  EXPECT_EQ(first["precision"], "float32");
  EXPECT_EQ(first["time_us"], 10.0);
  EXPECT_EQ(first["fused"], Json({"clamp"}));
  EXPECT_EQ(first["runner_up"], Json({{"precision", "int8"}, {"time_us", 50.0}, {"plan_us", 70.0}}));
  EXPECT_EQ(first["why"], "the faster one");
  EXPECT_EQ(plan["nodes"][1]["precision"], "int8");
  EXPECT_EQ(plan["output"]["sha256"], sha256_of("out.onnx"));
  // The choice holds: what is left on codes stays so.
  const Json again = json_of({"select", "out.onnx", "--target", "ort-x86", "--costs", "costs.json"});
  ASSERT_EQ(again["nodes"].size(), 1u);
  EXPECT_EQ(again["nodes"][0]["precision"], "int8");
}

TEST_F(SelectPrecision, AnotherModelIsNoOriginal) {
  write_model(kOther, folder_ / "w.onnx");
  expect_error(with(kSelect, {"--model-output", "out.onnx", "--original", "w.onnx"}), 3,
               "w.onnx: none of its weights are those that q.onnx was made of; name the float model that was "
               "quantized, or leave out --original");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out.onnx"));
}

TEST_F(SelectPrecision, TheModelAnswersAsBothDo) {
  json_of(with(kSelect, {"--model-output", "out.onnx", "--original", "f.onnx"}));
  for (const char* model : {"f.onnx", "q.onnx"}) {
    json_of({"bench", model, "--runs", "1", "--save-input", std::string(model) + ".npz"});
    const Json compared = json_of({"compare", model, "out.onnx", "--data", std::string(model) + ".npz"});
    EXPECT_GT(compared["cosine"].get<double>(), 0.99) << model;
  }
}

TEST_F(SelectPrecision, KeepsTheResultsNearThoseOfTheFloatModel) {
  json_of({"bench", "f.onnx", "--runs", "1", "--save-input", "x.npz"});
  costs_.nodes[0].float32->us = 100;  // int8 is faster everywhere
  costs_.float32.us = 200;
  write_costs();
  const auto within = [&](double sqnr_db, const std::string& output) {
    return json_of(with(kSelect, {"--original", "f.onnx", "--calib", "x.npz", "--min-sqnr", std::to_string(sqnr_db),
                                  "--model-output", output}));
  };
  const auto error_of = [&](const std::string& model) {
    return std::pow(10, json_of({"compare", "f.onnx", model, "--data", "x.npz"})["sqnr_db"].get<double>() / -10);
  };
  const Json all = within(1, "all.onnx");
  EXPECT_EQ(all["precision"], "int8");
  const double together = all["error"];
  EXPECT_NEAR(together / error_of("all.onnx"), 1, 1e-3);
  double parts[2];
  for (size_t i = 0; i < 2; ++i) parts[i] = all["nodes"][i]["error"];
  EXPECT_NEAR((parts[0] + parts[1]) / together, 1, 1e-6);
  // Room for the smaller part alone.
  const double most = (std::min(parts[0], parts[1]) + together) / 2;
  const Json mixed = within(-10 * std::log10(most), "mixed.onnx");
  EXPECT_EQ(mixed["precision"], "mixed") << mixed["why"];
  EXPECT_LE(mixed["error"].get<double>(), most);
  EXPECT_NEAR(mixed["error"].get<double>() / error_of("mixed.onnx"), 1, 1e-3);
  const Json none = within(150, "none.onnx");
  EXPECT_EQ(none["precision"], "float32");
  EXPECT_EQ(json_of({"compare", "f.onnx", "none.onnx", "--data", "x.npz"})["max_abs_error"], 0.0);
  ASSERT_TRUE(write_file(folder_ / "r.toml",
                         "target = \"ort-x86\"\n[data]\ncalib = \"x.npz\"\n[[step]]\npass = \"select\"\n"
                         "costs = \"costs.json\"\nmin_sqnr = 150\n")
                  .ok());
  // Under a recipe the original is what the recipe was given: here the int8 model itself.
  EXPECT_EQ(json_of({"run", "r.toml", "q.onnx", "-o", "out"})["steps"][0]["status"], "accepted");
}

TEST_F(SelectPrecision, WithoutCostsTheProfileDecides) {
  const Json plan = json_of({"select", "q.onnx", "--target", "ort-x86"});
  EXPECT_TRUE(plan["costs"].is_null());
  EXPECT_GT(plan["int8_us"].get<double>(), 0);
  EXPECT_NE(run({"select", "q.onnx", "--target", "ort-x86"}).out.find("times of the profile's cost model"),
            std::string::npos);
}

TEST_F(SelectPrecision, ShowsATable) {
  const std::string text = run(with(kSelect, {"--model-output", "out.onnx"})).out;
  for (const char* part : {"a runtime 1.0 on a cpu", "first", "float32", "the whole file, measured", "chosen",
                           "weights of 1 nodes that are float now come from their codes; --original"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

TEST_F(SelectPrecision, TheReportPlotsThePlan) {
  const Json plan = json_of(with(kSelect, {"--report", "r"}));
  EXPECT_EQ(Json::parse(*read_file(folder_ / "r/report.json")), plan);
  const std::string page = *read_file(folder_ / "r/report.html");
  EXPECT_NE(page.find("first (Conv) in float32: 10 us, chosen"), std::string::npos) << page;
  EXPECT_NE(page.find("first (Conv) in int8: "), std::string::npos);
}

TEST_F(SelectPrecision, IsAStepOfRecipes) {
  fs::create_directory(folder_ / "recipes");
  fs::rename(folder_ / "costs.json", folder_ / "recipes/costs.json");
  ASSERT_TRUE(write_file(folder_ / "recipes/r.toml",
                         "target = \"ort-x86\"\n[[step]]\npass = \"select\"\ncosts = \"costs.json\"\n")
                  .ok());
  const Json report = json_of({"run", "recipes/r.toml", "q.onnx", "-o", "out"});
  const Json& step = report["steps"][0];
  EXPECT_EQ(step["pass"], "select");
  EXPECT_EQ(step["status"], "accepted");
  EXPECT_NE(step["notes"].dump().find("1 of 2 nodes are float32 again"), std::string::npos) << step["notes"];
  costs_.nodes[0].float32->us = 60;
  write_costs();
  fs::rename(folder_ / "costs.json", folder_ / "recipes/costs.json");
  EXPECT_EQ(json_of({"run", "recipes/r.toml", "q.onnx", "-o", "out2"})["steps"][0]["status"], "unchanged");
}

TEST_F(SelectPrecision, BenchMakesCosts) {
  json_of({"bench", "f.onnx", "q.onnx", "--runs", "20", "--emit-costs", "mine.json"});
  const Json costs = Json::parse(*read_file(folder_ / "mine.json"));
  EXPECT_EQ(costs["schema"], "edgesmith.costs/1");
  EXPECT_EQ(costs["measured_by"]["runtime"], "edgesmith");
  EXPECT_EQ(costs["models"]["float32"]["sha256"], sha256_of("f.onnx"));
  EXPECT_EQ(costs["models"]["int8"]["sha256"], sha256_of("q.onnx"));
  ASSERT_EQ(costs["nodes"].size(), 3u);
  EXPECT_EQ(costs["nodes"][0]["node"], "first");
  EXPECT_EQ(costs["nodes"][1]["float32"], Json({{"time_us", 0.0}, {"inside", "first"}}));
  for (const char* precision : {"float32", "int8"}) {
    double sum = 0;
    for (const Json& node : costs["nodes"]) sum += node[precision]["time_us"].get<double>();
    EXPECT_GT(sum, 0);
    EXPECT_LE(sum, costs["models"][precision]["time_us"].get<double>() * 1.0001) << precision;
  }
  for (const char* way : {"quantize", "dequantize"}) {
    EXPECT_GT(costs["conversions"][way]["time_us_per_element"].get<double>(), 0) << way;
  }
  const ToolResult result = run({"select", "q.onnx", "--target", "host", "--costs", "mine.json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  expect_error({"bench", "q.onnx", "f.onnx", "--runs", "5", "--emit-costs", "no.json"}, 2,
               "costs need a float model first and its quantized form second; give the two files in this order");
  expect_error(
      {"bench", "f.onnx", "--emit-costs", "no.json"}, 2,
      "bench --emit-costs: a float model and its quantized form, one sample on one thread; give both files, and "
      "leave out --batch, --pipeline and --threads");
  EXPECT_EQ(run({"bench", "f.onnx", "q.onnx", "--emit-costs", "f.onnx", "--force"}).exit_code, 2);
}

TEST_F(SelectPrecision, RefusesWrongUsage) {
  expect_error(
      {"select", "f.onnx", "--target", "ort-x86"}, 2,
      "f.onnx: no node computes on codes on 'ort-x86'; quantize it first, for this target: 'edgesmith quantize "
      "--target ort-x86'");
  EXPECT_EQ(run({"select", "q.onnx", "--target", "ort-x86", "--costs", "none.json"}).exit_code, 5);
  EXPECT_EQ(run(with(kSelect, {"--model-output", "q.onnx", "--force"})).exit_code, 2);
  EXPECT_EQ(run(with(kSelect, {"--model-output", "o.onnx", "-o", "o.onnx"})).exit_code, 2);
  EXPECT_EQ(run(with(kSelect, {"-o", "costs.json", "--force"})).exit_code, 2);
  const std::string wants =
      "select: --min-sqnr compares with the float model on calibration data; add --original "
      "FLOAT.onnx and --calib D";
  expect_error(with(kSelect, {"--min-sqnr", "30"}), 2, wants);
  expect_error(with(kSelect, {"--min-sqnr", "30", "--original", "f.onnx"}), 2, wants);
  expect_error(with(kSelect, {"--min-sqnr", "-1", "--original", "f.onnx", "--calib", "x.npz"}), 2,
               "select: --min-sqnr is not in 0 to 200; give it in dB, such as 30");
  expect_error(with(kSelect, {"--calib", "x.npz"}), 2, "select: --calib is for --min-sqnr; add --min-sqnr DB");
  expect_error({"select", "q.onnx", "--target", "host", "--min-sqnr", "30"}, 2,
               "select: --min-sqnr is about precisions, and --target host alone chooses kernels; add --costs "
               "costs.json, or name another target");
  ASSERT_TRUE(write_file(folder_ / "r.toml", "[[step]]\npass = \"select\"\nmin_sqnr = 30\n").ok());
  expect_error({"run", "r.toml", "q.onnx", "--target", "ort-x86", "-o", "out"}, 2,
               "r.toml: line 1: step 1 (select): select: min_sqnr needs calibration data; give --calib D, or a [data] "
               "calib table in the recipe");
  costs_.nodes.pop_back();
  write_costs();
  expect_error(kSelect, 3,
               "costs.json: conv 'second': the costs have no time of it in float32; measure them with this int8 model "
               "and the float one it was made of");
  ASSERT_TRUE(write_file(folder_ / "costs.json", "{}").ok());
  EXPECT_EQ(run(kSelect).exit_code, 3);
}

TEST_F(SelectPrecision, CostsOfAnotherFileAreTakenWithAWarning) {
  costs_.int8.sha256 = "11";
  write_costs();
  const ToolResult result = run(with(kSelect, {"-q"}));
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_NE(result.err.find("costs.json: measured with q.onnx (sha256 11), not with q.onnx"), std::string::npos)
      << result.err;
}

TEST_F(SelectPrecision, BenchRefusesAPlanOfPrecisions) {
  json_of(with(kSelect, {"-o", "plan.json"}));
  expect_error({"bench", "q.onnx", "--plan", "plan.json"}, 2,
               "plan.json: a plan of precisions for 'ort-x86', not of kernels for this machine; give 'select' "
               "--model-output and run the model it writes there");
}

}  // namespace
}  // namespace edgesmith::testing
