// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "edgesmith/base/log.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/refine/runner.h"
#include "refine/provenance.h"
#include "support/tiny_model.h"

namespace edgesmith::refine {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSteps = R"([data]
calib = "calib.npz"
eval = "eval.npz"
[[step]]
pass = "simplify"
[[step]]
pass = "quantize"
)";

class Cache : public ::testing::Test {
 protected:
  void SetUp() override {
    log::set_level(log::Level::off);
    testing::write_model(testing::kTinyModel, folder_ / "m.onnx");
    testing::write_data(folder_ / "eval.npz", 60, 1, 6);
    testing::write_data(folder_ / "calib.npz", 30, 2);
  }
  void TearDown() override {
    log::take_warnings();
    log::set_level(log::Level::info);
  }

  Result<RunReport> run(const std::string& text, StepCache* cache, RunOptions options = {}) {
    options.threads = 2;
    options.force = true;
    options.cache = cache;
    auto recipe = parse_recipe("model = \"m.onnx\"\noutput = \"out.onnx\"\n" + text, "r.toml", folder_.path());
    if (!recipe) return recipe.error();
    return run_recipe(*recipe, options);
  }
  std::string output() const { return read_file(folder_ / "out.onnx").value(); }
  /// The entries' files.
  std::vector<std::string> files() const {
    std::vector<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / "cache")) {
      if (entry.is_regular_file()) files.push_back(entry.path().string());
    }
    std::sort(files.begin(), files.end());
    return files;
  }

  testing::TemporaryFolder folder_;
};

TEST_F(Cache, GivesTheSameBytesAgain) {
  StepCache cache(folder_ / "cache");
  const auto plain = run(kSteps, nullptr);
  ASSERT_TRUE(plain.ok()) << plain.error().text();
  const std::string expected = output();
  const auto first = run(kSteps, &cache);
  ASSERT_TRUE(first.ok()) << first.error().text();
  EXPECT_EQ(output(), expected);
  EXPECT_FALSE(first->steps[0].from_cache);
  const auto second = run(kSteps, &cache);
  ASSERT_TRUE(second.ok()) << second.error().text();
  EXPECT_EQ(output(), expected);
  for (size_t i = 0; i < 2; ++i) {
    const StepReport &now = second->steps[i], &then = plain->steps[i];
    EXPECT_TRUE(now.from_cache);
    EXPECT_TRUE(now.eval_from_cache);
    EXPECT_EQ(now.status, then.status);
    EXPECT_EQ(now.notes, then.notes);
    EXPECT_EQ(now.layers.size(), then.layers.size());
    EXPECT_EQ(now.metric->value, then.metric->value);
    EXPECT_EQ(now.drop->ci95[1], then.drop->ci95[1]);
    EXPECT_EQ(now.sqnr_db, then.sqnr_db);
    EXPECT_EQ(now.size.bytes, then.size.bytes);
  }
  EXPECT_EQ(second->baseline->value, plain->baseline->value);
  EXPECT_EQ(second->warnings, plain->warnings);
}

TEST_F(Cache, RunsOnlyTheStepThatChanged) {
  StepCache cache(folder_ / "cache");
  ASSERT_TRUE(run(kSteps, &cache).ok());
  const std::string changed = std::string(kSteps) + "calibrator = \"minmax\"\n";
  const auto cached = run(changed, &cache);
  ASSERT_TRUE(cached.ok()) << cached.error().text();
  EXPECT_TRUE(cached->steps[0].from_cache);
  EXPECT_FALSE(cached->steps[1].from_cache);
  const std::string bytes = output();
  ASSERT_TRUE(run(changed, nullptr).ok());
  EXPECT_EQ(output(), bytes);
}

TEST_F(Cache, MeasuresLayersForThoseWhoAsk) {
  StepCache cache(folder_ / "cache");
  const std::string text = std::string(kSteps) + "calibrator = \"minmax\"\nbias_correction = false\n";
  const auto quantized = [&](bool layer_errors) {
    const auto report = run(text, &cache, {.layer_errors = layer_errors});
    EXPECT_TRUE(report.ok()) << report.error().text();
    return report.ok() ? report->steps[1] : StepReport();
  };
  const auto measured = [](const StepReport& step) {
    return std::count_if(step.layers.begin(), step.layers.end(),
                         [](const passes::LayerRecord& layer) { return layer.numbers.contains("sqnr_db"); });
  };
  const StepReport brief = quantized(false);
  const std::string bytes = output();
  EXPECT_FALSE(brief.layers.empty());
  EXPECT_EQ(measured(brief), 0);
  EXPECT_TRUE(quantized(false).from_cache);
  const StepReport whole = quantized(true);
  EXPECT_FALSE(whole.from_cache) << "the errors of layers were not measured yet";
  EXPECT_EQ(output(), bytes);
  EXPECT_EQ(whole.layers.size(), brief.layers.size());
  EXPECT_GT(measured(whole), 0);
  EXPECT_EQ(whole.notes[1], brief.notes[1]) << "the error of the outputs";
  const StepReport again = quantized(false);
  EXPECT_TRUE(again.from_cache);
  EXPECT_EQ(again.notes, whole.notes) << "what is known is shown";
}

TEST_F(Cache, RunsAgainForOtherDataSeedsTargetsAndModels) {
  StepCache cache(folder_ / "cache");
  ASSERT_TRUE(run(kSteps, &cache).ok());
  const auto ran = [&](const std::string& text) {
    const auto report = run(text, &cache);
    EXPECT_TRUE(report.ok()) << report.error().text();
    return report.ok() && !report->steps[1].from_cache;
  };
  EXPECT_FALSE(ran(kSteps));
  EXPECT_TRUE(ran("seed = 3\n" + std::string(kSteps)));
  EXPECT_TRUE(ran("target = \"tensorrt-orin\"\n" + std::string(kSteps)));
  testing::write_data(folder_ / "calib.npz", 30, 5);
  EXPECT_TRUE(ran(kSteps)) << "other samples under the same name";
  testing::write_model(testing::kSaturatingModel, folder_ / "m.onnx");
  EXPECT_TRUE(ran(kSteps)) << "another model under the same name";
}

TEST_F(Cache, TakesDataFromAnotherPlaceForTheSame) {
  StepCache cache(folder_ / "cache");
  ASSERT_TRUE(run(kSteps, &cache).ok());
  fs::rename(folder_ / "calib.npz", folder_ / "moved.npz");
  std::string moved = kSteps;
  moved.replace(moved.find("calib.npz"), 9, "moved.npz");
  const auto report = run(moved, &cache);
  ASSERT_TRUE(report.ok()) << report.error().text();
  EXPECT_TRUE(report->steps[1].from_cache);
}

TEST_F(Cache, MeasuresAgainForOtherEvaluationDataOnly) {
  StepCache cache(folder_ / "cache");
  ASSERT_TRUE(run(kSteps, &cache).ok());
  testing::write_data(folder_ / "eval.npz", 40, 7);
  const auto report = run(kSteps, &cache);
  ASSERT_TRUE(report.ok()) << report.error().text();
  EXPECT_TRUE(report->steps[1].from_cache);
  EXPECT_FALSE(report->steps[1].eval_from_cache);
  EXPECT_EQ(report->steps[1].metric->samples, 40);
}

TEST_F(Cache, MakesDamagedEntriesAgainAndWarnsOnce) {
  StepCache cache(folder_ / "cache");
  ASSERT_TRUE(run(kSteps, &cache).ok());
  const std::string expected = output();
  for (const std::string& file : files()) {
    std::string bytes = read_file(file).value();
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    ASSERT_TRUE(write_file(file, bytes).ok());
  }
  StepCache again(folder_ / "cache");
  const auto report = run(kSteps, &again);
  ASSERT_TRUE(report.ok()) << report.error().text();
  EXPECT_EQ(output(), expected);
  ASSERT_EQ(report->warnings.size(), 1u);
  EXPECT_NE(report->warnings[0].find("damaged"), std::string::npos);
  const auto after = run(kSteps, &again);
  ASSERT_TRUE(after.ok());
  EXPECT_TRUE(after->steps[1].from_cache);
}

TEST_F(Cache, GoesOnWhereNothingCanBeWritten) {
  ASSERT_TRUE(write_file(folder_ / "file", "no folder").ok());
  StepCache cache(folder_ / "file");  // root may write into folders that are read-only; nobody into a file
  const auto report = run(kSteps, &cache);
  ASSERT_TRUE(report.ok()) << report.error().text();
  EXPECT_TRUE(report->output.has_value());
  ASSERT_EQ(report->warnings.size(), 1u);
  EXPECT_NE(report->warnings[0].find("not kept in the cache"), std::string::npos);
}

TEST_F(Cache, ClearsWhatAKilledProcessLeft) {
  StepCache cache(folder_ / "cache");
  cache.put(std::string(64, 'a'), "content");
  const std::string unfinished = folder_ / "cache/steps/aa/.edgesmith-x1y2z3";
  ASSERT_TRUE(write_file(unfinished, "half").ok());
  EXPECT_EQ(cache.info().entries, 1);
  EXPECT_EQ(cache.clear().value(), 1);
  EXPECT_FALSE(fs::exists(unfinished));
}

TEST_F(Cache, ForgetsTheLeastRecentlyUsed) {
  StepCache cache(folder_ / "cache", 10000);
  const std::string content(3000, 'x');
  const auto key = [](char c) { return std::string(64, c); };
  for (const char c : {'a', 'b', 'c'}) {
    cache.put(key(c), content);
    const auto when = fs::file_time_type::clock::now() - std::chrono::hours('d' - c);
    fs::last_write_time(folder_ / (std::string("cache/steps/") + c + c + "/" + key(c) + ".step"), when);
  }
  ASSERT_TRUE(cache.find(key('a')).has_value());  // used just now
  cache.put(key('d'), content);
  EXPECT_TRUE(cache.find(key('a')).has_value());
  EXPECT_FALSE(cache.find(key('b')).has_value());
  EXPECT_TRUE(cache.find(key('d')).has_value());
  EXPECT_LE(cache.info().bytes, 10000);
  cache.put(key('e'), std::string(6000, 'x'));
  EXPECT_FALSE(cache.find(key('e')).has_value()) << "more than half of the limit";
  EXPECT_EQ(cache.clear().value(), 2) << "a full cache is cut to nine tenths";
  EXPECT_EQ(cache.info().entries, 0);
}

TEST_F(Cache, FromAStepRunsItAgainAndWantsTheOthers) {
  StepCache cache(folder_ / "cache");
  RunOptions from;
  from.from = 1;
  const auto without = run(kSteps, &cache, from);
  ASSERT_FALSE(without.ok());
  EXPECT_EQ(without.error().kind, ErrorKind::usage);
  EXPECT_NE(without.error().message.find("step 1 (simplify)"), std::string::npos);
  ASSERT_TRUE(run(kSteps, &cache).ok());
  const auto report = run(kSteps, &cache, from);
  ASSERT_TRUE(report.ok()) << report.error().text();
  EXPECT_TRUE(report->steps[0].from_cache);
  EXPECT_FALSE(report->steps[1].from_cache);
}

TEST_F(Cache, DoesNotKeepWhatDependsOnTime) {
  StepCache cache(folder_ / "cache");
  testing::write_model(testing::kSaturatingModel, folder_ / "m.onnx");
  testing::write_model(testing::kSaturatingModel, folder_ / "t.onnx");
  const std::string steps =
      "[data]\ntrain = \"calib.npz\"\n[[step]]\npass = \"distill\"\nsteps = 2\nbatch = 4\nteacher = "
      "\"t.onnx\"\ntime_limit = \"1h\"\n";
  for (int i = 0; i < 2; ++i) {
    const auto report = run(steps, &cache);
    ASSERT_TRUE(report.ok()) << report.error().text();
    EXPECT_FALSE(report->steps[0].from_cache);
  }
}

TEST_F(Cache, ProvenanceSaysHowAModelWasMade) {
  ASSERT_TRUE(run("[gate]\nmax_drop = 50\n" + std::string(kSteps), nullptr).ok());
  const auto graph = onnx::import_file(folder_ / "out.onnx");
  ASSERT_TRUE(graph.ok());
  const std::string* account = graph->find_metadata(kProvenanceKey);
  ASSERT_NE(account, nullptr);
  for (const char* part : {"\"steps\":[{\"pass\":\"simplify\"},{\"pass\":\"quantize\"}]", "\"max_drop\":50.0",
                           "\"metric\":\"top1\"", "\"calib\":{\"sha256\":\"", "\"tool\":\"edgesmith "}) {
    EXPECT_NE(account->find(part), std::string::npos) << part << " in " << *account;
  }
  EXPECT_EQ(account->find(folder_.path()), std::string::npos) << "no folders";
  RunOptions without;
  without.provenance = false;
  ASSERT_TRUE(run(kSteps, nullptr, without).ok());
  EXPECT_EQ(onnx::import_file(folder_ / "out.onnx")->find_metadata(kProvenanceKey), nullptr);
}

}  // namespace
}  // namespace edgesmith::refine
