// SPDX-License-Identifier: Apache-2.0
// Two threads, a frame every 1/fps seconds:
//
//   arrival ──▶ decode ▸ resize ▸ preprocess ──▶ [ two frames wait at most ] ──▶ model ──▶ answer
//               └─────── first thread ───────┘                                  └ second thread ┘
//
// No frame is dropped: where the threads cannot keep up, frames wait, and are counted as missed.
#include "edgesmith/refine/camera.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

#include "edgesmith/base/cpu.h"
#include "edgesmith/data/run_model.h"
#include "edgesmith/refine/measure.h"
#include "refine/clock.h"

namespace edgesmith::refine {
namespace {

Error interruption() { return {ErrorKind::interrupted, "interrupted", {}}; }

// Sleeps until `when`; false when the user asked to stop.
bool sleep_until(Clock::time_point when) {
  constexpr auto kSlice = std::chrono::milliseconds(100);
  while (Clock::now() < when) {
    if (interrupted()) return false;
    std::this_thread::sleep_until(std::min(when, Clock::now() + kSlice));
  }
  return !interrupted();
}

// A frame on its way from the first thread to the second one.
struct Frame {
  std::vector<ir::Tensor> inputs;
  data::SampleTimes times;
  Clock::time_point arrival;
};

// A queue of at most two frames. Either side may close it: then nobody waits any more.
class Handover {
 public:
  // False when closed.
  bool put(Frame frame) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || frames_.size() < 2; });
    if (closed_) return false;
    frames_.push_back(std::move(frame));
    changed_.notify_all();
    return true;
  }
  // Nothing when closed and empty.
  std::optional<Frame> take() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || !frames_.empty(); });
    if (frames_.empty()) return std::nullopt;
    Frame frame = std::move(frames_.front());
    frames_.pop_front();
    changed_.notify_all();
    return frame;
  }
  void close() {
    std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Frame> frames_;
  bool closed_ = false;
};

class Camera {
 public:
  Camera(const data::Dataset& data, const runtime::Executor& model, const CameraOptions& options)
      : data_(data), model_(model), options_(options), cores_(allowed_cores()) {
    if (cores_.size() < 2) cores_.assign(2, -1);
    const auto count = static_cast<size_t>(options_.frames);
    for (auto& times : stages_) times.reserve(count);
    latencies_.reserve(count);
  }

  Result<CameraReport> run() {
    EDGESMITH_TRY(warm_up());
    if (options_.progress != nullptr) options_.progress->begin("camera", options_.frames);
    const auto start = Clock::now() + std::chrono::milliseconds(1);
    std::thread second([&] { run_model(); });
    const Status produced = make_frames(start);
    handover_.close();
    second.join();
    report_.seconds = static_cast<double>(nanoseconds_between(start, Clock::now())) / 1e9;
    if (options_.progress != nullptr) options_.progress->end();
    EDGESMITH_TRY(second_status_);
    EDGESMITH_TRY(produced);
    finish();
    return std::move(report_);
  }

 private:
  // Every sample once: files in the page cache, and the outputs' hash.
  Status warm_up() {
    const auto session = model_.make_session();
    std::vector<std::vector<ir::Tensor>> outputs;
    for (int64_t i = 0; i < data_.size(); ++i) {
      if (interrupted()) return interruption();
      const auto sample = data_.sample(i);
      if (!sample) return sample.error();
      auto answer = session->run(sample->inputs);
      if (!answer) return answer.error();
      outputs.push_back(std::move(*answer));
    }
    const auto joined = join_outputs(model_.graph(), outputs);
    if (!joined) return joined.error();
    report_.output_sha256 = outputs_sha256(*joined);
    return {};
  }

  Status make_frames(Clock::time_point start) {
    const PinnedThread pin(cores_[0]);
    first_pinned_ = pin.pinned();
    for (int64_t i = 0; i < options_.frames; ++i) {
      Frame frame;
      const std::chrono::duration<double> after(static_cast<double>(i) / options_.fps);
      frame.arrival = start + std::chrono::duration_cast<Clock::duration>(after);
      if (!sleep_until(frame.arrival)) return interruption();
      auto sample = data_.timed_sample(i % data_.size(), frame.times);
      if (!sample) return sample.error();
      frame.inputs = std::move(sample->inputs);
      if (!handover_.put(std::move(frame))) return {};  // the second thread failed, and says why
    }
    return {};
  }

  void run_model() {
    const PinnedThread pin(cores_[1]);
    second_pinned_ = pin.pinned();
    const auto session = model_.make_session();
    std::vector<ir::Tensor> answer;
    for (auto frame = handover_.take(); frame; frame = handover_.take()) {
      const auto begin = Clock::now();
      const Status status = session->run_into(frame->inputs, answer);
      const auto end = Clock::now();
      if (!status) {
        second_status_ = status;
        handover_.close();
        return;
      }
      latencies_.push_back(nanoseconds_between(frame->arrival, end));
      stages_[0].push_back(frame->times.decode);
      stages_[1].push_back(frame->times.resize);
      stages_[2].push_back(frame->times.preprocess);
      stages_[3].push_back(nanoseconds_between(begin, end));
      if (options_.progress != nullptr) options_.progress->update(static_cast<int64_t>(latencies_.size()));
    }
  }

  void finish() {
    static constexpr std::string_view kNames[] = {"decode", "resize", "preprocess", "model"};
    double sum = 0;
    for (size_t s = 0; s < std::size(kNames); ++s) {
      report_.stages.push_back({kNames[s], summarize(stages_[s]), 0});
      sum += report_.stages.back().time.mean;
    }
    for (StageTime& stage : report_.stages) stage.share = stage.time.mean / std::max(sum, 1e-9);
    const double second = report_.stages.back().time.mean, busier = std::max(second, sum - second);
    report_.possible_fps = 1e6 / std::max(busier, 1e-9);
    report_.pinned = first_pinned_ && second_pinned_;
    const double period = 1e9 / options_.fps;
    for (const int64_t latency : latencies_) report_.missed += static_cast<double>(latency) > period ? 1 : 0;
    std::sort(latencies_.begin(), latencies_.end());
    const auto rank = [&](size_t percent) {
      const size_t index = (latencies_.size() * percent + 99) / 100;
      return static_cast<double>(latencies_[std::max<size_t>(index, 1) - 1]) / 1e3;
    };
    report_.p50_us = rank(50);
    report_.p99_us = rank(99);
    report_.max_us = rank(100);
  }

  const data::Dataset& data_;
  const runtime::Executor& model_;
  const CameraOptions& options_;
  std::vector<int> cores_;
  Handover handover_;
  std::vector<int64_t> stages_[4];  // nanoseconds by frame, as all below until join()
  std::vector<int64_t> latencies_;
  Status second_status_;
  bool first_pinned_ = false, second_pinned_ = false;
  CameraReport report_;
};

}  // namespace

Result<CameraReport> bench_camera(const ir::Graph& graph, const data::Dataset& data, const CameraOptions& options) {
  EDGESMITH_CHECK(options.frames > 0 && options.fps > 0);
  if (data.whole_run()) return usage_error("a folder of ONNX test data is one run, not frames of a camera");
  if (const int64_t batch = data::declared_batch(graph); batch > 1) {
    return usage_error("the model takes " + std::to_string(batch) + " samples at a time, a camera shows one",
                       "give a model with batch 1, or a free batch");
  }
  const auto executor = runtime::Executor::create(graph, options.executor);
  if (!executor) return executor.error();
  return Camera(data, **executor, options).run();
}

}  // namespace edgesmith::refine
