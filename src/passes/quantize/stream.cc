// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/stream.h"

#include <algorithm>
#include <optional>
#include <string>

#include "edgesmith/base/interruptible.h"

namespace edgesmith::passes::quantize {
namespace {

// The batch that the graph was made for: the first dim of its first input when that is a number.
int64_t fixed_batch(const ir::Graph& graph) {
  for (const ir::Value* input : graph.inputs()) {
    const auto& shape = input->type().shape;
    if (shape && !shape->empty() && shape->front().known()) return std::max<int64_t>(1, shape->front().value());
  }
  return 1;
}

}  // namespace

Stream::Stream(const data::Dataset& dataset, const ir::Graph& graph, ThreadPool& pool, ProgressSink& progress,
               int64_t limit, double phase)
    : dataset_(dataset), graph_(graph), pool_(pool), progress_(progress) {
  const int64_t size = dataset.size();
  const int64_t count = limit > 0 ? std::min(limit, size) : size;
  for (int64_t i = 0; i < count; ++i) {
    samples_.push_back(static_cast<int64_t>((static_cast<double>(i) + phase) * static_cast<double>(size) /
                                            static_cast<double>(count)));
  }
  batch_size_ = dataset.whole_run() ? 1 : fixed_batch(graph);
}

int64_t Stream::num_batches() const { return (num_samples() + batch_size_ - 1) / batch_size_; }

Stream Stream::part(int64_t share, int64_t which) const {
  Stream part = *this;
  part.samples_.clear();
  for (size_t i = 0; i < samples_.size(); ++i) {
    if (static_cast<int64_t>(i) / batch_size_ % share == which) part.samples_.push_back(samples_[i]);
  }
  return part;
}

Stream Stream::without(int64_t share, int64_t which) const {
  Stream rest = *this;
  rest.samples_.clear();
  for (size_t i = 0; i < samples_.size(); ++i) {
    if (static_cast<int64_t>(i) / batch_size_ % share != which) rest.samples_.push_back(samples_[i]);
  }
  return rest;
}

std::string Stream::batch_name(int64_t batch) const { return dataset_.sample_name(first_sample(batch)); }

Result<std::vector<ir::Tensor>> Stream::load(int64_t batch) const {
  std::vector<data::Sample> samples;
  const int64_t end = std::min(num_samples(), (batch + 1) * batch_size_);
  for (int64_t i = batch * batch_size_; i < end; ++i) {
    auto sample = dataset_.sample(samples_[static_cast<size_t>(i)]);
    if (!sample) return sample.error();
    samples.push_back(std::move(*sample));
  }
  if (dataset_.whole_run()) return std::move(samples[0].inputs);
  return data::stack_inputs(samples, graph_);
}

Status Stream::run(std::string_view what, const std::function<Status(const Batch&)>& work,
                   const std::function<void(int batches)>& fold, const Tasks& beside) const {
  const int64_t total = num_batches();
  const auto interruption = [&] {
    progress_.end();
    return Error{ErrorKind::interrupted, "interrupted during calibration", ""};
  };
  progress_.begin(what, num_samples());
  for (int64_t first = 0; first < total; first += kSlots) {
    if (interrupted()) return interruption();
    const int64_t count = std::min<int64_t>(kSlots, total - first);
    std::vector<std::optional<Error>> errors(static_cast<size_t>(count));
    const int64_t tasks = first > 0 ? beside.count : 0;
    interruptible_for(pool_, count + tasks, [&](int64_t slot, int thread) {
      if (slot >= count) return beside.body(slot - count);
      auto inputs = load(first + slot);
      if (!inputs) {
        errors[static_cast<size_t>(slot)] = inputs.error();
        return;
      }
      const Status status = work({*inputs, first + slot, static_cast<int>(slot), thread});
      if (!status) errors[static_cast<size_t>(slot)] = status.error();
    });
    if (interrupted()) return interruption();
    for (const auto& error : errors) {
      if (!error) continue;
      progress_.end();
      return *error;
    }
    if (fold) fold(static_cast<int>(count));
    progress_.update(std::min(num_samples(), (first + count) * batch_size_));
  }
  if (total > 0) interruptible_for(pool_, beside.count, [&](int64_t task, int) { beside.body(task); });
  if (interrupted()) return interruption();
  progress_.end();
  return {};
}

Result<Runner> Runner::create(const ir::Graph& graph, int num_threads, const runtime::ExecutorOptions& options) {
  auto executor = runtime::Executor::create(graph, options);
  if (!executor) return executor.error();
  Runner runner;
  runner.executor_ = std::move(*executor);
  for (int i = 0; i < num_threads; ++i) runner.sessions_.push_back(runner.executor_->make_session());
  return runner;
}

Result<std::vector<ir::Tensor>> Runner::run(const Stream::Batch& batch, const runtime::Observer* observer) {
  return sessions_[static_cast<size_t>(batch.thread)]->run(batch.inputs, observer);
}

}  // namespace edgesmith::passes::quantize
