// SPDX-License-Identifier: Apache-2.0
#include "train/feed.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "edgesmith/data/run_model.h"
#include "edgesmith/ops/op_info.h"

namespace edgesmith::train {
namespace {

Status check_finite(const data::Sample& sample, const std::string& name) {
  for (const ir::Tensor& tensor : sample.inputs) {
    if (!ir::is_float(tensor.dtype())) continue;
    const bool as_it_is = tensor.dtype() == ir::DType::f32 && tensor.encoding() == ir::Encoding::dense;
    const std::vector<float> converted = as_it_is ? std::vector<float>() : tensor.to_floats();
    for (const float number : as_it_is ? tensor.data<float>() : std::span<const float>(converted)) {
      if (!std::isfinite(number)) return invalid_error(name + ": the sample holds NaN or infinity");
    }
  }
  return {};
}

ir::Tensor as_f32(const ir::Tensor& tensor) {
  return tensor.dtype() == ir::DType::f32 ? tensor.dense() : ir::Tensor::of<float>(tensor.dims(), tensor.to_floats());
}

// Whether samples may go in one batch. What costs more is asked only where it may matter.
bool go_together(const data::Sample& a, const data::Sample& b, const ir::Graph& graph) {
  if (a.inputs.size() > 1) return data::can_stack(a, b, graph);
  return a.inputs[0].dims() == b.inputs[0].dims() && a.inputs[0].dtype() == b.inputs[0].dtype();
}

// Row `row` of [rows, ...], as [1, ...].
ir::Tensor row_of(const ir::Tensor& tensor, int64_t row) {
  ir::Dims dims = tensor.dims();
  const size_t bytes = tensor.bytes().size() / static_cast<size_t>(dims[0]);
  dims[0] = 1;
  ir::Tensor out = ir::Tensor::zeros(tensor.dtype(), dims);
  if (bytes > 0)
    std::memcpy(out.mutable_bytes().data(), tensor.bytes().data() + static_cast<size_t>(row) * bytes, bytes);
  return out;
}

// Rows under each other, the last one repeated up to `count`.
ir::Tensor join_rows(std::span<const std::vector<ir::Tensor>> rows, size_t value, int64_t count) {
  ir::Dims dims = rows[0][value].dims();
  dims[0] = count;
  ir::Tensor out = ir::Tensor::zeros(ir::DType::f32, dims);
  const size_t bytes = rows[0][value].bytes().size();
  for (int64_t r = 0; r < count && bytes > 0; ++r) {
    const std::vector<ir::Tensor>& row = rows[std::min(static_cast<size_t>(r), rows.size() - 1)];
    std::memcpy(out.mutable_bytes().data() + static_cast<size_t>(r) * bytes, row[value].bytes().data(), bytes);
  }
  return out;
}

// Appends the shares of the classes of one sample.
Status add_label(const data::AugmentedSample& made, const std::string& name, int64_t classes,
                 std::vector<float>& labels) {
  const size_t first = labels.size();
  labels.resize(first + static_cast<size_t>(classes), 0);
  const auto add = [&](int64_t label, float share) -> Status {
    if (share == 0) return {};
    if (label < 0) return usage_error(name + ": has no label, and a loss needs it", "use kl or mse");
    if (label >= classes) {
      return invalid_error(name + ": its label is " + std::to_string(label) + ", the student has " +
                           std::to_string(classes) + " classes");
    }
    labels[first + static_cast<size_t>(label)] += share;
    return {};
  };
  EDGESMITH_TRY(add(made.sample.label, made.weight));
  return add(made.other_label, 1 - made.weight);
}

}  // namespace

bool has_free_dims(const ir::Graph& graph) {
  for (const ir::Value* input : graph.inputs()) {
    const ir::Type& type = input->type();
    if (!type.has_rank()) return true;
    for (int i = 1; i < type.rank(); ++i) {
      if (!(*type.shape)[static_cast<size_t>(i)].known()) return true;
    }
  }
  return false;
}

Result<BatchForm> find_batch_form(const ir::Graph& student, const Objective& objective, const data::Dataset& data) {
  if (data.whole_run()) {
    return unsupported_error("a folder of ONNX test data is one run, not samples", "train on pictures or arrays");
  }
  auto sample = data.sample(0);
  if (!sample) return sample.error();
  BatchForm form;
  form.fixed = data::declared_batch(student);
  const int64_t batch = form.fixed > 0 ? form.fixed : 2;
  const std::vector<data::Sample> samples(static_cast<size_t>(batch), *sample);
  auto inputs = data::stack_inputs(samples, student);
  if (!inputs) return inputs.error();
  std::vector<ir::Dims> dims;
  for (const ir::Tensor& input : *inputs) dims.push_back(input.dims());
  auto inferred = ops::infer_dims(student, dims);
  if (!inferred) return inferred.error();
  for (const Pair& pair : objective.pairs) {
    const auto& value = (*inferred)[static_cast<size_t>(pair.student)];
    if (!value || value->empty() || value->front() != batch) form.per_sample = false;
  }
  if (!form.per_sample && objective.needs_labels) {
    return unsupported_error("the results of several samples are not one row each, labels cannot be held against them",
                             "use kl or mse");
  }
  if (!form.per_sample && form.fixed > 1) {
    return unsupported_error("the results of a batch of " + std::to_string(form.fixed) + " are not one row a sample",
                             "train a model with batch 1 or a free batch");
  }
  return form;
}

Result<std::unique_ptr<Feed>> Feed::create(const ir::Graph& student, const ir::Graph& teacher,
                                           const Objective& objective, const BatchForm& form, const data::Dataset& data,
                                           int num_threads) {
  std::unique_ptr<Feed> feed(new Feed(student, objective, form, data));
  if (objective.needs_labels && !data.has_labels()) {
    return usage_error("a loss needs labels, the training data have none",
                       "name them with --labels, or use a loss that needs none: kl or mse");
  }
  if (!objective.needs_teacher) return feed;
  feed->teacher_ = teacher.clone();
  feed->first_value_ = static_cast<size_t>(teacher.num_outputs());
  for (const Pair& pair : objective.pairs) {
    if (pair.teacher < 0) continue;
    feed->teacher_.add_output("edgesmith." + pair.name, *find_value(feed->teacher_, pair.teacher));
    ++feed->num_values_;
  }
  feed->teacher_batch_ = data::declared_batch(teacher);
  auto executor = runtime::Executor::create(feed->teacher_, {.reassociate = true});
  if (!executor) return executor.error().in("teacher");
  feed->executor_ = std::move(*executor);
  for (int t = 0; t < num_threads; ++t) feed->sessions_.push_back(feed->executor_->make_session());
  feed->kept_.resize(static_cast<size_t>(data.size()));
  return feed;
}

Result<Shard> Feed::load(std::span<const int64_t> indices, int64_t fill, int thread, const Draw* draw) {
  std::vector<data::Sample> samples;
  const int64_t classes = objective_.needs_labels ? objective_.pairs.front().classes : 0;
  std::vector<float> labels;
  for (const int64_t index : indices) {
    data::AugmentedSample made;
    if (draw != nullptr) {
      auto sample = data::augmented_sample(data_, draw->augment, draw->seed, draw->epoch, index, draw->among);
      if (!sample) return sample.error();
      made = std::move(*sample);
    } else {
      auto sample = data_.sample(index);
      if (!sample) return sample.error();
      made.sample = std::move(*sample);
    }
    EDGESMITH_TRY(check_finite(made.sample, data_.sample_name(index)));
    if (!samples.empty() && !go_together(samples.front(), made.sample, student_)) {
      return invalid_error(data_.sample_name(index) +
                               ": its dims, or an input without a batch axis, are not those of " +
                               data_.sample_name(indices.front()),
                           "resize the samples to one shape");
    }
    if (classes > 0) EDGESMITH_TRY(add_label(made, data_.sample_name(index), classes, labels));
    samples.push_back(std::move(made.sample));
  }
  Shard shard;
  const auto count = static_cast<int64_t>(samples.size()), fed = std::max(count, fill);
  if (objective_.needs_teacher) EDGESMITH_TRY(teach(indices, samples, thread, draw == nullptr, fed, shard));
  samples.resize(static_cast<size_t>(fed), samples.back());
  auto inputs = data::stack_inputs(samples, student_);
  if (!inputs) return inputs.error();
  shard.inputs = std::move(*inputs);
  if (classes > 0) {
    labels.resize(static_cast<size_t>(fed * classes), 0);
    shard.targets.push_back(ir::Tensor::of<float>({fed, classes}, labels));
  }
  std::vector<float> weights(static_cast<size_t>(fed), 0);
  std::fill_n(weights.begin(), count, 1.0f);
  shard.weights = ir::Tensor::of<float>({fed}, weights);
  return shard;
}

Status Feed::teach(std::span<const int64_t> indices, std::span<const data::Sample> samples, int thread,
                   bool as_they_are, int64_t fed, Shard& shard) {
  std::vector<std::vector<ir::Tensor>> rows(samples.size());
  bool all_kept = as_they_are;
  for (size_t s = 0; s < samples.size() && as_they_are; ++s) {
    rows[s] = kept_[static_cast<size_t>(indices[s])];
    all_kept = all_kept && !rows[s].empty();
  }
  if (!all_kept) EDGESMITH_TRY(ask_teacher(indices, samples, thread, as_they_are, rows));
  for (size_t v = 0; v < num_values_; ++v) {
    shard.targets.push_back(form_.per_sample ? join_rows(rows, v, fed) : rows[0][v]);
  }
  return {};
}

Status Feed::ask_teacher(std::span<const int64_t> indices, std::span<const data::Sample> samples, int thread, bool keep,
                         std::vector<std::vector<ir::Tensor>>& rows) {
  const auto step = static_cast<size_t>(teacher_batch_ > 0 ? teacher_batch_ : static_cast<int64_t>(samples.size()));
  for (size_t from = 0; from < samples.size(); from += step) {
    const auto part = samples.subspan(from, std::min(step, samples.size() - from));
    auto inputs = data::stack_inputs(part, teacher_);
    if (!inputs) return inputs.error().in("teacher");
    auto results = sessions_[static_cast<size_t>(thread)]->run(*inputs);
    if (!results) return results.error().in("teacher");
    std::vector<ir::Tensor> values;
    for (size_t v = 0; v < num_values_; ++v) values.push_back(as_f32((*results)[first_value_ + v]));
    for (size_t s = 0; s < part.size(); ++s) {
      std::vector<ir::Tensor>& row = rows[from + s];
      row.clear();
      int64_t bytes = 0;
      for (const ir::Tensor& value : values) {
        const bool has_rows =
            form_.per_sample && value.rank() > 0 && value.dims()[0] >= static_cast<int64_t>(part.size());
        if (form_.per_sample && !has_rows) {
          return usage_error("the teacher's results are " + value.type().text() + " for " +
                                 std::to_string(part.size()) + " samples, the student's have one row a sample",
                             "use a teacher with the same outputs");
        }
        row.push_back(has_rows ? row_of(value, static_cast<int64_t>(s)) : value);
        bytes += static_cast<int64_t>(row.back().bytes().size());
      }
      if (!keep || kept_bytes_.load() + bytes > kMostKeptBytes) continue;
      kept_bytes_ += bytes;
      kept_[static_cast<size_t>(indices[from + s])] = row;
    }
  }
  return {};
}

}  // namespace edgesmith::train
