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
    for (const float number : tensor.to_floats()) {
      if (!std::isfinite(number)) return invalid_error(name + ": the sample holds NaN or infinity");
    }
  }
  return {};
}

ir::Tensor as_f32(const ir::Tensor& tensor) {
  return tensor.dtype() == ir::DType::f32 ? tensor.dense() : ir::Tensor::of<float>(tensor.dims(), tensor.to_floats());
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

Result<data::AugmentedSample> plain_sample(const data::Dataset& data, int64_t index) {
  auto sample = data.sample(index);
  if (!sample) return sample.error();
  return data::AugmentedSample{.sample = std::move(*sample)};
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
  auto executor = runtime::Executor::create(feed->teacher_);
  if (!executor) return executor.error().in("teacher");
  feed->executor_ = std::move(*executor);
  for (int t = 0; t < num_threads; ++t) feed->sessions_.push_back(feed->executor_->make_session());
  feed->kept_.resize(static_cast<size_t>(data.size()));
  return feed;
}

Result<Shard> Feed::load(std::span<const int64_t> indices, int thread, const Augmentation* augmentation) {
  const bool changed = augmentation != nullptr && !augmentation->augment.empty();
  std::vector<data::Sample> samples;
  std::vector<int64_t> other_labels;
  std::vector<float> shares;
  for (const int64_t index : indices) {
    auto made = changed ? data::augmented_sample(data_, augmentation->augment, augmentation->seed, augmentation->epoch,
                                                 index, augmentation->among)
                        : plain_sample(data_, index);
    if (!made) return made.error();
    const data::Sample* sample = &made->sample;
    EDGESMITH_TRY(check_finite(*sample, data_.sample_name(index)));
    if (!samples.empty() && !data::can_stack(samples.front(), *sample, student_)) {
      return invalid_error(data_.sample_name(index) +
                               ": its dims, or an input without a batch axis, are not those of " +
                               data_.sample_name(indices.front()),
                           "resize the samples to one shape");
    }
    other_labels.push_back(made->other_label >= 0 ? made->other_label : sample->label);
    shares.push_back(made->weight);
    samples.push_back(std::move(made->sample));
  }
  Shard shard;
  auto inputs = data::stack_inputs(samples, student_);
  if (!inputs) return inputs.error();
  shard.inputs = std::move(*inputs);
  const int64_t fed = form_.per_sample && form_.fixed > 0 ? form_.fixed : static_cast<int64_t>(samples.size());
  if (objective_.needs_teacher) EDGESMITH_TRY(teach(indices, samples, thread, !changed, shard));
  std::vector<float> weights(static_cast<size_t>(fed), 0), labels(weights.size(), 0);
  for (size_t s = 0; s < samples.size(); ++s) {
    weights[s] = 1;
    labels[s] = static_cast<float>(samples[s].label);
    if (objective_.needs_labels && samples[s].label < 0) {
      return usage_error(data_.sample_name(indices[s]) + ": has no label, and a loss needs it", "use kl or mse");
    }
  }
  if (objective_.needs_labels && objective_.mixes_labels) {
    std::vector<float> others(weights.size(), 0), first(weights.size(), 1);
    for (size_t s = 0; s < samples.size(); ++s) {
      others[s] = static_cast<float>(other_labels[s]);
      first[s] = shares[s];
    }
    shard.targets.push_back(ir::Tensor::of<float>({fed}, others));
    shard.targets.push_back(ir::Tensor::of<float>({fed}, first));
  }
  if (objective_.needs_labels) shard.targets.push_back(ir::Tensor::of<float>({fed}, labels));
  shard.weights = ir::Tensor::of<float>({fed}, weights);
  return shard;
}

Status Feed::teach(std::span<const int64_t> indices, std::span<const data::Sample> samples, int thread, bool keep,
                   Shard& shard) {
  std::vector<std::vector<ir::Tensor>> rows(samples.size());
  bool all_kept = true;
  for (size_t s = 0; s < samples.size(); ++s) {
    if (keep) rows[s] = kept_[static_cast<size_t>(indices[s])];
    all_kept = all_kept && !rows[s].empty();
  }
  if (!all_kept) EDGESMITH_TRY(ask_teacher(indices, samples, thread, keep, rows));
  const int64_t fed = form_.per_sample && form_.fixed > 0 ? form_.fixed : static_cast<int64_t>(samples.size());
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
