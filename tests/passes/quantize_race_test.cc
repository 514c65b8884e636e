// SPDX-License-Identifier: Apache-2.0
// Races of graphs that are off by a known share.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <string>
#include <vector>

#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"
#include "passes/quantize/choice_race.h"
#include "pictures.h"

namespace edgesmith::passes::quantize {
namespace {

// y = factor x + bent |x|: its error to y = x is (factor - 1)^2 on every sample, and depends on the sample where bent.
ir::Graph line(const std::string& factor, const std::string& bent) {
  auto graph = ir::parse(
      "graph @line(%x: f32[N,4]) -> (y) {\n  %a = constant {" + factor + "} : f32[1]\n  %b = constant {" + bent +
      "} : f32[1]\n  %s = mul %x, %a : f32[N,4]\n  %m = abs %x : f32[N,4]\n  %t = mul %m, %b : f32[N,4]\n"
      "  %y = add %s, %t : f32[N,4]\n  return %y\n}\n");
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  return std::move(*graph);
}

struct Track {
  explicit Track(int64_t samples) : pictures({1, 4}, samples), original(line("1", "0")) {}
  Stream stream() { return {pictures, original, pool, progress}; }

  Pictures pictures;
  ir::Graph original;
  ThreadPool pool{2};
  ProgressSink progress;
};

// What fold leaves is done once, before it is called again: beside the next block, or at the end.
TEST(Stream, DoesTheTasksOfEveryBlock) {
  for (const int64_t samples : {int64_t{1}, int64_t{Stream::kSlots}, int64_t{3 * Stream::kSlots + 1}}) {
    Track track(samples);
    std::atomic<int> folded = 0;
    std::vector<int> done(5, 0);
    std::atomic<bool> in_order = true;
    const Stream::Tasks tasks = {static_cast<int64_t>(done.size()), [&](int64_t task) {
                                   in_order = in_order && ++done[static_cast<size_t>(task)] == folded;
                                 }};
    const auto fold = [&](int) {
      in_order = in_order && std::all_of(done.begin(), done.end(), [&](int count) { return count == folded; });
      ++folded;
    };
    ASSERT_TRUE(track.stream()
                    .run(
                        "test", [](const Stream::Batch&) { return Status(); }, fold, tasks)
                    .ok());
    EXPECT_EQ(folded, (samples + Stream::kSlots - 1) / Stream::kSlots);
    EXPECT_EQ(done, std::vector<int>(5, folded));
    EXPECT_TRUE(in_order);
  }
}

TEST(ChoiceRace, GivesTheErrorsOfTheWholeStreamToThoseThatFinish) {
  Track track(64);
  const Stream stream = track.stream();
  const ReferenceOutputs none(stream);
  ChoiceRace race(track.original, stream, none);
  const ir::Graph near = line("1.1", "0"), far = line("0.5", "0"), same = line("1", "0.1");
  const auto errors = race.measure({&far, &near, &same}, 1);
  ASSERT_TRUE(errors.ok()) << errors.error().text();
  EXPECT_NEAR((*errors)[0], 0.25, 1e-5);
  EXPECT_NEAR((*errors)[1], 0.01, 1e-5);
  EXPECT_NEAR((*errors)[2], 0.01, 1e-5);
  // A later call knows the best before.
  const ir::Graph better = line("1.01", "0");
  const auto later = race.measure({&far, &better}, 0);
  ASSERT_TRUE(later.ok());
  EXPECT_NEAR((*later)[0], 0.25, 1e-5);
  EXPECT_NEAR((*later)[1], 1e-4, 1e-6);
}

TEST(ChoiceRace, WhoLosesTheFirstLapIsJudgedByIt) {
  Track track(64);
  const Stream stream = track.stream(), lap = stream.part(4, 0);
  const ReferenceOutputs none(stream);
  ChoiceRace race(track.original, stream, none);
  const ir::Graph near = line("1.1", "0"), far = line("0.5", "0.3");
  const auto errors = race.measure({&near, &far}, 0);
  OutputErrors first_lap(track.original, lap), over_all(track.original, stream);
  const auto first = first_lap.measure({&near, &far}), whole = over_all.measure({&far});
  ASSERT_TRUE(errors.ok() && first.ok() && whole.ok());
  EXPECT_NEAR((*errors)[1], (*errors)[0] * (*first)[1] / (*first)[0], 1e-9);
  EXPECT_GT(std::abs((*errors)[1] - (*whole)[0]), 1e-5);
}

TEST(ChoiceRace, OneWithoutErrorLeavesTheOthersTheirOwn) {
  Track track(64);
  const Stream stream = track.stream();
  const ReferenceOutputs none(stream);
  ChoiceRace race(track.original, stream, none);
  const ir::Graph far = line("0.5", "0"), exact = line("1", "0");
  const auto errors = race.measure({&far, &exact}, 1);
  ASSERT_TRUE(errors.ok());
  EXPECT_NEAR((*errors)[0], 0.25, 1e-5);
  EXPECT_EQ((*errors)[1], 0);
}

TEST(ChoiceRace, AFewBatchesDecideNothing) {
  Track track(11);
  const Stream stream = track.stream();
  const ReferenceOutputs none(stream);
  ChoiceRace race(track.original, stream, none);
  OutputErrors alone(track.original, stream);
  const ir::Graph near = line("1.1", "0.02"), far = line("0.5", "0.1");
  const auto errors = race.measure({&near, &far}, 0);
  const auto expected = alone.measure({&near, &far});
  ASSERT_TRUE(errors.ok() && expected.ok());
  // The parts are weighted by samples, not by their signal.
  for (size_t g = 0; g < 2; ++g) EXPECT_NEAR((*errors)[g] / (*expected)[g], 1, 0.05);
}

TEST(ReferenceOutputs, KeepWhatALaterStreamWantsAndNoMore) {
  Track track(10);
  const Stream all = track.stream(), every = all.part(4, 0), second = all.part(4, 2);
  EXPECT_EQ(every.num_samples(), 3);
  EXPECT_EQ(second.num_samples(), 2);
  EXPECT_EQ(second.first_sample(1), 6);
  const Stream rest = all.without(4, 0);
  EXPECT_EQ(rest.num_samples(), 7);
  for (int64_t batch = 0; batch < 7; ++batch)
    EXPECT_EQ(rest.first_sample(batch), (std::vector{1, 2, 3, 5, 6, 7, 9})[static_cast<size_t>(batch)]);
  ReferenceOutputs outputs(every);
  EXPECT_EQ(outputs.find(0), nullptr);
  outputs.keep(0, {ir::Tensor::zeros(ir::DType::f32, {1, 4})});
  outputs.keep(1, {ir::Tensor::zeros(ir::DType::f32, {1, 4})});
  EXPECT_NE(outputs.find(0), nullptr);
  EXPECT_EQ(outputs.find(1), nullptr);
  outputs.keep(4, {ir::Tensor::zeros(ir::DType::f32, {1 << 22})});  // beyond 8 MiB: nothing is kept
  EXPECT_EQ(outputs.find(0), nullptr);
}

}  // namespace
}  // namespace edgesmith::passes::quantize
