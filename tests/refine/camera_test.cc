// SPDX-License-Identifier: Apache-2.0
// Frames from the first thread to the second one: all arrive, and either side may fail.
#include "edgesmith/refine/camera.h"

#include <gtest/gtest.h>

#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/refine/measure.h"

namespace edgesmith::refine {
namespace {

ir::Graph graph_of(const std::string& batch) {
  auto graph = ir::parse("graph @g(%x: f32[" + batch + ",2]) -> (y) {\n  %y = sigmoid %x\n  return %y\n}\n");
  EXPECT_TRUE(graph.ok());
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  return std::move(*graph);
}

/// Samples made up on the spot, that go wrong from frame `bad_from` on.
class Frames : public data::Dataset {
 public:
  enum class Fault { none, decoding, shape };

  explicit Frames(Fault fault = Fault::none, int64_t bad_from = 0) : fault_(fault), bad_from_(bad_from) {}

  int64_t size() const override { return 3; }
  bool has_labels() const override { return false; }
  std::string sample_name(int64_t index) const override { return "frame " + std::to_string(index); }
  Result<uint64_t> fingerprint(int64_t index) const override { return static_cast<uint64_t>(index); }
  bool whole_run() const override { return whole; }
  const data::Preprocess& preprocess() const override { return preprocess_; }
  const std::vector<std::pair<std::string, data::Preprocess>>& preprocess_table() const override { return table_; }
  Result<data::Sample> sample(int64_t index) const override {
    data::Sample sample;
    const auto value = static_cast<float>(index);
    sample.inputs = {ir::Tensor::of<float>({1, 2}, std::vector<float>{value, -value})};
    return sample;
  }
  Result<data::Sample> timed_sample(int64_t index, data::SampleTimes& times) const override {
    times = {100, 200, 300};
    const bool bad = shown_++ >= bad_from_;
    if (bad && fault_ == Fault::decoding) return invalid_error(sample_name(index) + ": cannot decode");
    if (!bad || fault_ == Fault::none) return sample(index);
    data::Sample sample;
    sample.inputs = {ir::Tensor::of<float>({1, 3}, std::vector<float>{1, 2, 3})};
    return sample;
  }

  bool whole = false;

 private:
  Fault fault_;
  int64_t bad_from_;
  mutable int64_t shown_ = 0;  // by the first thread alone
  data::Preprocess preprocess_;
  std::vector<std::pair<std::string, data::Preprocess>> table_;
};

CameraOptions options_for(double fps, int64_t frames) {
  CameraOptions options;
  options.fps = fps;
  options.frames = frames;
  return options;
}

TEST(Camera, DropsNoFrameWhenItCannotKeepUp) {
  const ir::Graph graph = graph_of("N");
  const Frames frames;
  const auto report = bench_camera(graph, frames, options_for(1e9, 50));
  ASSERT_TRUE(report.ok()) << report.error().text();
  EXPECT_EQ(report->missed, 50) << "a nanosecond is too short for any answer";
  ASSERT_EQ(report->stages.size(), 4u);
  EXPECT_EQ(report->stages[0].time.median, 0.1);
  EXPECT_EQ(report->stages[1].time.median, 0.2);
  EXPECT_EQ(report->stages[2].time.median, 0.3);
  EXPECT_GT(report->stages[3].time.median, 0);
  double shares = 0, first = 0;
  for (const StageTime& stage : report->stages) shares += stage.share;
  for (size_t s = 0; s < 3; ++s) first += report->stages[s].time.mean;
  EXPECT_NEAR(shares, 1, 1e-9);
  EXPECT_NEAR(report->possible_fps, 1e6 / std::max(first, report->stages[3].time.mean), 1e-3);
  EXPECT_LE(report->p50_us, report->p99_us);
  EXPECT_LE(report->p99_us, report->max_us);
}

TEST(Camera, HashesEverySampleOnce) {
  const ir::Graph graph = graph_of("N");
  const Frames frames;
  const auto executor = runtime::Executor::create(graph);
  std::vector<std::vector<ir::Tensor>> outputs;
  for (int64_t i = 0; i < 3; ++i) outputs.push_back(*(*executor)->make_session()->run(frames.sample(i)->inputs));
  const std::string expected = outputs_sha256(*join_outputs(graph, outputs));
  for (const int64_t count : {1, 7}) {
    EXPECT_EQ(bench_camera(graph, frames, options_for(1e6, count))->output_sha256, expected);
  }
}

TEST(Camera, EndsWithTheErrorOfEitherThread) {
  const ir::Graph graph = graph_of("N");
  for (const int64_t bad_from : {0, 1, 20}) {
    const Frames broken(Frames::Fault::decoding, bad_from);
    const auto decoding = bench_camera(graph, broken, options_for(1e6, 40));
    ASSERT_FALSE(decoding.ok());
    EXPECT_NE(decoding.error().message.find("cannot decode"), std::string::npos) << decoding.error().text();
    const Frames wrong(Frames::Fault::shape, bad_from);
    const auto running = bench_camera(graph, wrong, options_for(1e6, 40));
    ASSERT_FALSE(running.ok());
    EXPECT_NE(running.error().message.find("is fed f32[1,3]"), std::string::npos) << running.error().text();
  }
}

TEST(Camera, RefusesWhatIsNoFrame) {
  EXPECT_EQ(bench_camera(graph_of("4"), Frames(), options_for(30, 1)).error().kind, ErrorKind::usage);
  Frames whole;
  whole.whole = true;
  EXPECT_EQ(bench_camera(graph_of("N"), whole, options_for(30, 1)).error().kind, ErrorKind::usage);
}

}  // namespace
}  // namespace edgesmith::refine
