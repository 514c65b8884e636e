// SPDX-License-Identifier: Apache-2.0
// Plans: what is chosen is legal and gives the model's results, plans survive being written, times survive in the
// cache. Which kernel is fastest is not tested.
#include "edgesmith/refine/select.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>

#include "edgesmith/base/file.h"
#include "edgesmith/base/log.h"
#include "edgesmith/data/seeded_inputs.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"

namespace edgesmith::refine {
namespace {

namespace fs = std::filesystem;

constexpr const char* kNet = R"(graph @net(%x: f32[N,8,9,9]) -> (y) {
  %w = constant random(seed=1) : f32[8,8,3,3]
  %v = constant random(seed=2) : f32[8,2]
  %c = conv %x, %w, _ {pads=[1,1,1,1]}
  %r = relu %c
  %p = global_average_pool %r
  %f = flatten %p {axis=1}
  %y = mat_mul %f, %v
  return %y
})";

class Select : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string text = (fs::temp_directory_path() / "edgesmith-select-XXXXXX").string();
    folder_ = mkdtemp(text.data());
    auto graph = ir::parse(kNet);
    ASSERT_TRUE(graph.ok());
    graph_ = std::move(*graph);
    ASSERT_TRUE(ops::infer_types(graph_).ok());
    inputs_ = *data::seeded_inputs(graph_, {.batch = 1, .memory_limit = int64_t{1} << 30});
    options_.executor.reassociate = true;
    options_.version = "1";
    options_.warm_rounds = options_.cold_rounds = 2;
    options_.verify_runs = 20;
    log::take_warnings();
  }
  void TearDown() override { fs::remove_all(folder_); }

  Plan select(TimingCache& cache) {
    auto plan = select_kernels(graph_, inputs_, cache, options_);
    EXPECT_TRUE(plan.ok()) << (plan.ok() ? "" : plan.error().text());
    plan->model_path = "m.onnx";
    plan->model_sha256 = "00";
    return std::move(*plan);
  }
  std::string cache_path() const { return folder_ + "/a/b/kernel-times"; }

  std::string folder_;
  ir::Graph graph_;
  std::vector<ir::Tensor> inputs_;
  SelectOptions options_;
};

TEST_F(Select, PlansEveryStepWithTimesRunnerUpAndReasons) {
  TimingCache cache("");
  const Plan plan = select(cache);
  ASSERT_EQ(plan.nodes.size(), 4u);
  const PlannedNode& conv = plan.nodes[0];
  EXPECT_EQ(conv.node, "c");
  EXPECT_EQ(conv.op, "Conv");
  EXPECT_EQ(conv.fused, std::vector<std::string>{"r"});
  EXPECT_EQ(conv.chosen.precision, "float32");
  EXPECT_GT(conv.chosen.time.warm_us, 0);
  EXPECT_GT(conv.chosen.time.cold_us, 0);
  ASSERT_TRUE(conv.runner_up.has_value());
  EXPECT_NE(conv.runner_up->kernel, conv.chosen.kernel);
  EXPECT_GT(conv.runner_up->time.warm_us, 0);
  EXPECT_GE(conv.why_not.size(), 6u) << "two of three that may run it, four others, and those of libraries";
  EXPECT_TRUE(plan.nodes[2].fixed) << "flatten is a view";
  double sum = 0;
  for (const PlannedNode& node : plan.nodes) sum += node.chosen.time.warm_us;
  EXPECT_DOUBLE_EQ(plan.predicted_us, sum);
  EXPECT_LE(plan.measured_us, plan.default_us);
}

TEST_F(Select, WithoutReassociationThePlanGivesTheBitsOfTheDefault) {
  options_.executor.reassociate = false;
  TimingCache cache("");
  const Plan plan = select(cache);
  const auto chosen = runtime::Executor::create(graph_, plan.executor({}));
  ASSERT_TRUE(chosen.ok()) << chosen.error().text();
  const auto plain = runtime::Executor::create(graph_, options_.executor);
  EXPECT_TRUE((*(*chosen)->make_session()->run(inputs_))[0].identical_to((*(*plain)->make_session()->run(inputs_))[0]));
}

TEST_F(Select, APlanIsReadAsItWasWritten) {
  TimingCache cache("");
  const Plan plan = select(cache);
  const std::string path = folder_ + "/plan.json";
  ASSERT_TRUE(write_file(path, plan_json(plan)).ok());
  const auto read = read_plan(path);
  ASSERT_TRUE(read.ok()) << read.error().text();
  EXPECT_EQ(plan_json(*read), plan_json(plan));
  EXPECT_EQ(read->choices(), plan.choices());
  EXPECT_TRUE(runtime::Executor::create(graph_, read->executor({})).ok());
}

TEST_F(Select, RefusesWhatIsNoPlan) {
  TimingCache cache("");
  const std::string path = folder_ + "/plan.json", good = plan_json(select(cache));
  const auto error_of = [&](const std::string& text) {
    EXPECT_TRUE(write_file(path, text).ok());
    const auto plan = read_plan(path);
    EXPECT_FALSE(plan.ok());
    EXPECT_EQ(plan.error().kind, ErrorKind::invalid);
    return plan.error().message.substr(path.size());
  };
  const auto with = [&](std::string from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return text;
  };
  EXPECT_EQ(error_of(good.substr(0, good.size() / 2)), ": no plan (it is not JSON)");
  EXPECT_EQ(error_of("[1]"), ": no plan (it is not JSON)");
  EXPECT_EQ(error_of("{}"), ": no plan (its schema is '', not 'edgesmith.plan/1')");
  EXPECT_EQ(error_of(with("\"cold_us\"", "\"warm_us\"")),
            ": the plan's member 'cold_us' is missing or of the wrong kind");
  EXPECT_EQ(error_of(with("\"id\": ", "\"id\": 0.5e")), ": the plan's member 'id' is missing or of the wrong kind");
  EXPECT_EQ(error_of(with("\"nodes\": [", "\"nodes\": [7, ")),
            ": the plan's member 'id' is missing or of the wrong kind");
  EXPECT_EQ(error_of(with("\"arithmetic\": \"fake-quant\"", "\"arithmetic\": \"fake\"")).substr(0, 12), ": unknown ar");
}

TEST_F(Select, APlanForAnotherModelIsRefused) {
  TimingCache cache("");
  Plan plan = select(cache);
  EXPECT_TRUE(check_plan(plan, "00", graph_).ok());
  const Status other = check_plan(plan, "11", graph_);
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().kind, ErrorKind::invalid);
  EXPECT_EQ(other.error().message, "the plan is for a model with sha256 00, this one has 11");
  plan.nodes[0].id = 1000;
  EXPECT_EQ(check_plan(plan, "00", graph_).error().message,
            "the plan's node 'c' has the id 1000, which no node of the model has");
}

TEST_F(Select, ASecondRunTakesTheTimesOfTheFirstFromTheCache) {
  TimingCache first(cache_path());
  const Plan plan = select(first);
  first.save();
  TimingCache second(cache_path());
  const Plan again = select(second);
  ASSERT_EQ(again.nodes.size(), plan.nodes.size());
  for (size_t i = 0; i < plan.nodes.size(); ++i) {
    if (plan.default_was_faster != again.default_was_faster) break;
    EXPECT_EQ(again.nodes[i].chosen.kernel, plan.nodes[i].chosen.kernel);
    EXPECT_EQ(again.nodes[i].chosen.time.warm_us, plan.nodes[i].chosen.time.warm_us);
    EXPECT_EQ(again.nodes[i].chosen.time.cold_us, plan.nodes[i].chosen.time.cold_us);
  }
  second.save();
  const size_t known = read_file(cache_path())->size();
  options_.version = "2";
  select(second);
  second.save();
  EXPECT_GT(read_file(cache_path())->size(), known) << "another version measures again";
}

TEST_F(Select, ADamagedCacheIsLeftOutWithAWarningAndMadeAgain) {
  {
    TimingCache cache(cache_path());
    cache.put("key", {1.5, 2.25});
    cache.save();
  }
  ASSERT_EQ(TimingCache(cache_path()).find("key")->cold_us, 2.25);
  const std::string good = *read_file(cache_path());
  std::string flipped = good;
  flipped[flipped.find("1.5")] = '7';
  for (const std::string& bad : {good.substr(0, good.size() - 3), flipped, std::string("hello"), std::string()}) {
    ASSERT_TRUE(write_file(cache_path(), bad).ok());
    log::take_warnings();
    TimingCache cache(cache_path());
    EXPECT_EQ(log::take_warnings(),
              std::vector<std::string>{cache_path() + ": the file of kernel times is damaged and will be made again"});
    EXPECT_FALSE(cache.find("key").has_value());
    cache.put("key", {1.5, 2.25});
    cache.save();
    EXPECT_EQ(*read_file(cache_path()), good);
  }
}

TEST_F(Select, TwoWritersKeepEachOthersTimes) {
  TimingCache a(cache_path()), b(cache_path());
  a.put("a", {1, 2});
  b.put("b", {3, 4});
  a.save();
  b.save();
  const TimingCache both(cache_path());
  EXPECT_EQ(both.find("a")->warm_us, 1);
  EXPECT_EQ(both.find("b")->cold_us, 4);
}

}  // namespace
}  // namespace edgesmith::refine
