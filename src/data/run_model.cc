// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/data/run_model.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "data/signature.h"
#include "edgesmith/ops/op_info.h"

namespace edgesmith::data {
namespace {

// Activations that should stay in a core's cache, and where more samples at once gain nothing.
constexpr int64_t kCacheBytes = 512 * 1024;
constexpr int64_t kMostSamples = 16;

// The fixed batch of the model; 0 when it is free; 1 when no input has a batch axis.
int64_t declared_batch(const Signature& signature) {
  const int first = signature.first_batched();
  if (first < 0) return 1;
  const ir::Type& type = signature.inputs[static_cast<size_t>(first)].type;
  if (!type.has_rank() || type.rank() == 0) return 1;
  return type.shape->front().known() ? std::max<int64_t>(1, type.shape->front().value()) : 0;
}

// The input dims of `batch` samples, when all others are numbers.
std::optional<std::vector<ir::Dims>> input_dims(const Signature& signature, int64_t batch) {
  std::vector<ir::Dims> out;
  for (const ModelInput& input : signature.inputs) {
    if (!input.type.has_rank()) return std::nullopt;
    ir::Dims& dims = out.emplace_back();
    for (const ir::Dim& dim : *input.type.shape) {
      const bool sample = input.batched && dims.empty();
      if (!sample && !dim.known()) return std::nullopt;
      dims.push_back(sample ? batch : dim.value());
    }
  }
  return out;
}

// Whether every result of `batch` samples has a row for each.
bool rows_are_samples(const ir::Graph& graph, const Signature& signature, int64_t batch) {
  const auto inputs = input_dims(signature, batch);
  if (!inputs) return false;
  const auto dims = ops::infer_dims(graph, *inputs);
  if (!dims) return false;
  for (int i = 0; i < graph.num_outputs(); ++i) {
    const ir::Value& value = *graph.output_node().input(i);
    const auto& out = (*dims)[static_cast<size_t>(value.id())];
    if (!out || out->empty() || out->front() != batch || ir::dtype_bits(value.type().dtype) < 8) return false;
  }
  return true;
}

Status check_finite(const Sample& sample, const std::string& name) {
  for (const ir::Tensor& tensor : sample.inputs) {
    if (!ir::is_float(tensor.dtype())) continue;
    const auto bad = [&](auto values) -> Status {
      for (size_t i = 0; i < values.size(); ++i) {
        if (std::isfinite(values[i])) continue;
        const char* what = std::isnan(values[i]) ? "not a number" : "infinite";
        return invalid_error(name + ": element " + std::to_string(i) + " of the sample is " + what);
      }
      return {};
    };
    if (tensor.dtype() == ir::DType::f32) {
      EDGESMITH_TRY(bad(tensor.data<float>()));
    } else {
      EDGESMITH_TRY(bad(tensor.to_floats()));
    }
  }
  return {};
}

// Row `row` of a result of `rows` samples; the whole result when there is one sample.
Result<ir::Tensor> row_of(const ir::Tensor& tensor, int64_t row, int64_t rows, const std::string& name) {
  if (rows == 1) return tensor;
  if (tensor.rank() == 0 || tensor.dims()[0] != rows || ir::dtype_bits(tensor.dtype()) < 8) {
    return invalid_error(
        "output '" + name + "' is " + tensor.type().text() + " for " + std::to_string(rows) + " samples",
        "its first axis must be the sample");
  }
  ir::Dims dims = tensor.dims();
  dims[0] = 1;
  ir::Tensor out = ir::Tensor::zeros(tensor.dtype(), dims);
  const auto to = out.mutable_bytes();
  std::memcpy(to.data(), tensor.bytes().data() + static_cast<size_t>(row) * to.size(), to.size());
  return out;
}

// One run of for_each_batch. Workers take the next batch, run it, and hand over whatever is next in order.
class Run {
 public:
  Run(std::span<const runtime::Executor* const> models, const Dataset& data, ThreadPool& pool, ProgressSink* progress,
      const BatchConsumer& consumer, const RunOptions& options)
      : models_(models),
        data_(data),
        pool_(pool),
        progress_(progress),
        consumer_(consumer),
        options_(options),
        signature_(signature_of(models[0]->graph())) {
    at_once_ = kMostSamples;
    for (const runtime::Executor* model : models_) at_once_ = std::min(at_once_, samples_at_once(model->graph()));
    const int64_t fixed = declared_batch(signature_);
    if (fixed > 0) at_once_ = fixed;
    if (data_.whole_run()) at_once_ = 1;
    count_ = (data_.size() + at_once_ - 1) / at_once_;
    window_ = 4 * pool_.num_threads();
  }

  Status run() {
    if (progress_ != nullptr) progress_->begin(options_.what, data_.size());
    pool_.parallel_for(pool_.num_threads(), [&](int64_t, int thread) { work(thread); });
    if (progress_ != nullptr) progress_->end();
    return error_ ? Status(*error_) : Status();
  }

 private:
  struct Done {
    Batch batch;
    std::vector<Sample> samples;
    std::optional<Error> error;
  };
  using Sessions = std::vector<std::unique_ptr<runtime::Executor::Session>>;

  void work(int thread) {
    Sessions sessions;
    for (const runtime::Executor* model : models_) sessions.push_back(model->make_session());
    for (int64_t index = next_.fetch_add(1); index < count_; index = next_.fetch_add(1)) {
      {
        std::unique_lock<std::mutex> lock(mutex_);
        room_.wait(lock, [&] { return error_ || index < delivered_ + window_; });
        if (error_) return;
      }
      auto done = std::make_unique<Done>();
      const Status status = run_batch(index, thread, sessions, *done);
      if (!status.ok()) done->error = status.error();
      std::lock_guard<std::mutex> lock(mutex_);
      waiting_[index] = std::move(done);
      deliver();
    }
  }

  // Hands over the batches that are next in order. Called with the mutex held.
  void deliver() {
    for (auto next = waiting_.find(delivered_); next != waiting_.end() && !error_; next = waiting_.find(delivered_)) {
      Done& done = *next->second;
      if (done.error) {
        error_ = done.error;
      } else {
        const Status status = consumer_(done.batch);
        if (!status.ok()) error_ = status.error();
      }
      waiting_.erase(next);
      ++delivered_;
      if (progress_ != nullptr && !error_) progress_->update(std::min(delivered_ * at_once_, data_.size()));
    }
    room_.notify_all();
  }

  Status run_batch(int64_t index, int thread, Sessions& sessions, Done& done) {
    if (interrupted()) return Error{ErrorKind::interrupted, "interrupted", {}};
    const int64_t first = index * at_once_, end = std::min(first + at_once_, data_.size());
    for (int64_t i = first; i < end; ++i) {
      auto sample = data_.sample(i);
      if (!sample) return sample.error();
      EDGESMITH_TRY(check_finite(*sample, data_.sample_name(i)));
      done.samples.push_back(std::move(*sample));
    }
    done.batch.index = index;
    done.batch.first_sample = first;
    done.batch.samples = done.samples;
    done.batch.results.resize(models_.size());
    // Samples of different shapes go one after the other.
    const std::span<const Sample> samples = done.samples;
    for (size_t from = 0; from < samples.size();) {
      size_t to = from + 1;
      while (to < samples.size() && can_stack(samples[from], samples[to], signature_)) ++to;
      EDGESMITH_TRY(run_part(index, thread, samples.subspan(from, to - from), sessions, done.batch));
      from = to;
    }
    return {};
  }

  Status run_part(int64_t index, int thread, std::span<const Sample> samples, Sessions& sessions, Batch& batch) {
    std::vector<ir::Tensor> inputs = samples[0].inputs;
    if (!data_.whole_run()) {
      auto stacked = stack_inputs(samples, signature_);
      if (!stacked) return stacked.error();
      inputs = std::move(*stacked);
    }
    const auto fed = static_cast<int64_t>(std::max<size_t>(samples.size(), fixed_rows(inputs)));
    const runtime::Observer observer = [&](const ir::Value& value, const ir::Tensor& tensor) {
      options_.observer(index, thread, value, tensor);
    };
    for (size_t m = 0; m < models_.size(); ++m) {
      const bool observed = m == 0 && options_.observer;
      auto outputs = sessions[m]->run(inputs, observed ? &observer : nullptr);
      if (!outputs) return outputs.error();
      EDGESMITH_TRY(split(*outputs, fed, samples.size(), models_[m]->graph(), batch.results[m]));
    }
    return {};
  }

  // Rows that a model with a fixed batch is fed; 1 for others.
  size_t fixed_rows(const std::vector<ir::Tensor>& inputs) const {
    const int first = signature_.first_batched();
    if (data_.whole_run() || first < 0 || declared_batch(signature_) <= 1) return 1;
    return static_cast<size_t>(inputs[static_cast<size_t>(first)].dims()[0]);
  }

  static Status split(const std::vector<ir::Tensor>& outputs, int64_t rows, size_t count, const ir::Graph& graph,
                      std::vector<std::vector<ir::Tensor>>& results) {
    for (size_t s = 0; s < count; ++s) {
      std::vector<ir::Tensor>& result = results.emplace_back();
      for (size_t o = 0; o < outputs.size(); ++o) {
        auto row = row_of(outputs[o], static_cast<int64_t>(s), rows, graph.output_names()[o]);
        if (!row) return row.error();
        result.push_back(std::move(*row));
      }
    }
    return {};
  }

  const std::span<const runtime::Executor* const> models_;
  const Dataset& data_;
  ThreadPool& pool_;
  ProgressSink* progress_;
  const BatchConsumer& consumer_;
  const RunOptions& options_;
  const Signature signature_;  // of the first model
  int64_t at_once_ = 1, count_ = 0, window_ = 1;
  std::atomic<int64_t> next_{0};
  std::mutex mutex_;
  std::condition_variable room_;
  int64_t delivered_ = 0;                             // under mutex_, as all below
  std::map<int64_t, std::unique_ptr<Done>> waiting_;  // done, but not next in order
  std::optional<Error> error_;
};

}  // namespace

int64_t declared_batch(const ir::Graph& graph) { return declared_batch(signature_of(graph)); }

int64_t samples_at_once(const ir::Graph& graph) {
  const Signature signature = signature_of(graph);
  const int64_t declared = declared_batch(signature);
  if (declared > 0) return declared;
  const auto memory = runtime::plan_memory(graph);
  if (!memory) return 1;
  const int64_t fits = kCacheBytes / std::max<int64_t>(1, memory->arena_bytes);
  const int64_t batch = std::clamp<int64_t>(fits, 1, kMostSamples);
  return batch > 1 && rows_are_samples(graph, signature, batch) ? batch : 1;
}

Status for_each_batch(std::span<const runtime::Executor* const> models, const Dataset& data, ThreadPool& pool,
                      ProgressSink* progress, const BatchConsumer& consumer, const RunOptions& options) {
  EDGESMITH_CHECK(!models.empty());
  return Run(models, data, pool, progress, consumer, options).run();
}

Status for_each_batch(const runtime::Executor& model, const Dataset& data, ThreadPool& pool, ProgressSink* progress,
                      const BatchConsumer& consumer, const RunOptions& options) {
  const runtime::Executor* models[] = {&model};
  return for_each_batch(models, data, pool, progress, consumer, options);
}

}  // namespace edgesmith::data
