// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/data/run_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <mutex>

#include "edgesmith/base/random.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"

namespace edgesmith::data {
namespace {

// Random samples made on demand.
class MadeUp : public Dataset {
 public:
  MadeUp(int64_t count, ir::Dims dims) : count_(count), dims_(std::move(dims)) {}
  int64_t size() const override { return count_; }
  bool has_labels() const override { return true; }
  Result<Sample> sample(int64_t index) const override {
    if (index == fail_at) return invalid_error("sample " + std::to_string(index) + " is broken");
    Random random(static_cast<uint64_t>(index));
    ir::Dims dims = dims_;
    if (odd_sizes) dims.back() += index % 3;
    ir::Tensor x = ir::Tensor::zeros(ir::DType::f32, dims);
    for (float& v : x.mutable_data<float>()) v = static_cast<float>(random.uniform());
    if (index == nan_at) x.mutable_data<float>()[1] = NAN;
    return Sample{{x}, index, {}};
  }
  std::string sample_name(int64_t index) const override { return "made-up[" + std::to_string(index) + "]"; }
  Result<uint64_t> fingerprint(int64_t index) const override { return static_cast<uint64_t>(index); }
  bool whole_run() const override { return whole; }
  const Preprocess& preprocess() const override { return preprocess_; }
  const std::vector<std::pair<std::string, Preprocess>>& preprocess_table() const override { return table_; }

  int64_t nan_at = -1, fail_at = -1;
  bool odd_sizes = false, whole = false;

 private:
  int64_t count_;
  ir::Dims dims_;
  Preprocess preprocess_;
  std::vector<std::pair<std::string, Preprocess>> table_;
};

ir::Graph graph_of(const std::string& batch) {
  auto graph = ir::parse("graph @g(%x: f32[" + batch + R"(,3,6,6]) -> (y) {
  %w = constant random(seed=3) : f32[4,3,3,3]
  %c = conv %x, %w, _ {pads=[1,1,1,1]}
  %r = relu %c
  %p = global_average_pool %r
  %y = flatten %p {axis=1}
  return %y
})");
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  return std::move(*graph);
}

std::unique_ptr<runtime::Executor> executor_of(const ir::Graph& graph) {
  auto executor = runtime::Executor::create(graph);
  EXPECT_TRUE(executor.ok()) << executor.error().text();
  return std::move(*executor);
}

// All outputs in order, after checking that batches come in order and hold the right samples.
std::vector<float> outputs_of(const runtime::Executor& model, const Dataset& data, int threads) {
  ThreadPool pool(threads);
  std::vector<float> out;
  int64_t next_batch = 0, next_sample = 0;
  const Status status = for_each_batch(model, data, pool, nullptr, [&](const Batch& batch) -> Status {
    EXPECT_EQ(batch.index, next_batch++);
    EXPECT_EQ(batch.first_sample, next_sample);
    for (size_t s = 0; s < batch.samples.size(); ++s) {
      EXPECT_EQ(batch.samples[s].label, next_sample++);
      EXPECT_EQ(batch.outputs(s)[0].dims(), (ir::Dims{1, 4}));
      for (const float v : batch.outputs(s)[0].data<float>()) out.push_back(v);
    }
    return {};
  });
  EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().text());
  EXPECT_EQ(next_sample, data.size());
  return out;
}

TEST(RunModel, GivesTheSameNumbersForAnyNumberOfThreads) {
  const ir::Graph graph = graph_of("N");
  const auto model = executor_of(graph);
  const MadeUp data(203, {1, 3, 6, 6});
  EXPECT_GT(samples_at_once(graph), 1);
  const std::vector<float> one = outputs_of(*model, data, 1);
  EXPECT_EQ(one, outputs_of(*model, data, 2));
  EXPECT_EQ(one, outputs_of(*model, data, 5));
}

TEST(RunModel, PadsTheLastBatchOfAModelWithAFixedBatch) {
  const ir::Graph free_graph = graph_of("N"), fixed_graph = graph_of("7"), single = graph_of("1");
  const MadeUp data(17, {1, 3, 6, 6});
  EXPECT_EQ(samples_at_once(fixed_graph), 7);
  EXPECT_EQ(samples_at_once(single), 1);
  const std::vector<float> expected = outputs_of(*executor_of(free_graph), data, 2);
  EXPECT_EQ(outputs_of(*executor_of(fixed_graph), data, 2), expected);
  EXPECT_EQ(outputs_of(*executor_of(single), data, 2), expected);
}

TEST(RunModel, RunsSamplesOfDifferentSizes) {
  auto graph = ir::parse("graph @g(%x: f32[N,3,6,W]) -> (y) {\n  %y = global_max_pool %x\n  return %y\n}");
  ASSERT_TRUE(graph.ok());
  ASSERT_TRUE(ops::infer_types(*graph).ok());
  MadeUp data(10, {1, 3, 6, 6});
  data.odd_sizes = true;
  ThreadPool pool(2);
  int64_t seen = 0;
  const auto model = executor_of(*graph);
  const Status status = for_each_batch(*model, data, pool, nullptr, [&](const Batch& batch) -> Status {
    for (size_t s = 0; s < batch.samples.size(); ++s) {
      EXPECT_EQ(batch.outputs(s)[0].dims(), (ir::Dims{1, 3, 1, 1}));
      const auto x = batch.samples[s].inputs[0].data<float>();
      EXPECT_EQ(batch.outputs(s)[0].data<float>()[2], *std::max_element(x.begin() + x.size() / 3 * 2, x.end()));
      ++seen;
    }
    return {};
  });
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(seen, 10);
}

TEST(RunModel, NamesTheSampleThatIsNotFinite) {
  const ir::Graph graph = graph_of("N");
  const auto model = executor_of(graph);
  MadeUp data(100, {1, 3, 6, 6});
  data.nan_at = 61;
  data.fail_at = 99;
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    const Status status = for_each_batch(*model, data, pool, nullptr, [](const Batch&) { return Status(); });
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, ErrorKind::invalid);
    EXPECT_EQ(status.error().message, "made-up[61]: element 1 of the sample is not a number");
  }
}

TEST(RunModel, StopsWhenTheConsumerFails) {
  const ir::Graph graph = graph_of("1");
  const auto model = executor_of(graph);
  const MadeUp data(500, {1, 3, 6, 6});
  ThreadPool pool(3);
  int64_t calls = 0;
  const Status status = for_each_batch(*model, data, pool, nullptr, [&](const Batch& batch) -> Status {
    ++calls;
    if (batch.index == 4) return usage_error("enough");
    return {};
  });
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "enough");
  EXPECT_EQ(calls, 5);
}

TEST(RunModel, ShowsEveryValueOfTheFirstModel) {
  const ir::Graph graph = graph_of("N");
  const auto model = executor_of(graph), other = executor_of(graph);
  const MadeUp data(40, {1, 3, 6, 6});
  ThreadPool pool(2);
  std::mutex mutex;
  std::map<std::string, int64_t> rows;
  RunOptions options;
  options.observer = [&](int64_t, int thread, const ir::Value& value, const ir::Tensor& tensor) {
    EXPECT_LT(thread, 2);
    std::lock_guard<std::mutex> lock(mutex);
    if (value.constant() == nullptr) rows[value.name()] += tensor.dims()[0];
  };
  const runtime::Executor* models[] = {model.get(), other.get()};
  const Status status = for_each_batch(
      models, data, pool, nullptr,
      [&](const Batch& batch) -> Status {
        for (size_t s = 0; s < batch.samples.size(); ++s) {
          EXPECT_TRUE(batch.outputs(s, 0)[0].identical_to(batch.outputs(s, 1)[0]));
        }
        return {};
      },
      options);
  EXPECT_TRUE(status.ok());
  const std::map<std::string, int64_t> expected = {{"x", 40}, {"c", 40}, {"r", 40}, {"p", 40}, {"y", 40}};
  EXPECT_EQ(rows, expected);
}

TEST(RunModel, FeedsAWholeRunAsItIs) {
  const ir::Graph graph = graph_of("N");
  const auto model = executor_of(graph);
  MadeUp data(1, {5, 3, 6, 6});
  data.whole = true;
  ThreadPool pool(2);
  const Status status = for_each_batch(*model, data, pool, nullptr, [&](const Batch& batch) -> Status {
    EXPECT_EQ(batch.outputs(0)[0].dims(), (ir::Dims{5, 4}));
    return {};
  });
  EXPECT_TRUE(status.ok());
}

}  // namespace
}  // namespace edgesmith::data
