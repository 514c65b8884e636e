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

// Adds what another teacher says, or this one of another view. Both are float32.
Status add_to(ir::Tensor& sum, const ir::Tensor& other) {
  if (sum.dims() != other.dims()) {
    return usage_error(
        "a sample's answers are " + sum.type().text() + " of one teacher, " + other.type().text() + " of the other",
        "use teachers with the same outputs");
  }
  const auto a = sum.data<float>(), b = other.data<float>();
  std::vector<float> both(a.size());
  for (size_t i = 0; i < both.size(); ++i) both[i] = a[i] + b[i];
  sum = ir::Tensor::of<float>(sum.dims(), both);
  return {};
}

ir::Tensor scaled(const ir::Tensor& tensor, float factor) {
  const auto numbers = tensor.data<float>();
  std::vector<float> out(numbers.begin(), numbers.end());
  for (float& number : out) number *= factor;
  return ir::Tensor::of<float>(tensor.dims(), out);
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

Result<std::unique_ptr<Feed::Teacher>> Feed::make_teacher(const TeacherOf& of, int num_threads) {
  auto made = std::make_unique<Teacher>();
  Teacher& teacher = *made;
  teacher.graph = of.graph.clone();
  teacher.first_value = static_cast<size_t>(of.graph.num_outputs());
  for (const Pair& pair : of.objective.pairs) {
    if (pair.teacher < 0) continue;
    teacher.graph.add_output("edgesmith." + pair.name, *find_value(teacher.graph, pair.teacher));
  }
  num_values_ = static_cast<size_t>(teacher.graph.num_outputs()) - teacher.first_value;
  teacher.batch = data::declared_batch(of.graph);
  auto executor = runtime::Executor::create(teacher.graph, {.reassociate = true});
  if (!executor) return executor.error().in("teacher");
  teacher.executor = std::move(*executor);
  for (int t = 0; t < num_threads; ++t) teacher.sessions.push_back(teacher.executor->make_session());
  return made;
}

Status Feed::check_mirror() const {
  auto sample = data_.sample(0);
  if (!sample) return sample.error();
  if (!data::mirror_pictures(data_.preprocess().layout, sample->inputs)) {
    return usage_error("mirror_teacher: the model takes " +
                           (sample->inputs.empty() ? "nothing" : sample->inputs[0].type().text()) + ", no pictures",
                       "leave it out");
  }
  for (const Pair& pair : objective_.pairs) {
    if (pair.teacher < 0 || pair.rank <= 2) continue;
    return usage_error("mirror_teacher: the teacher's values for '" + pair.name + "' would have to be mirrored, too",
                       "leave it out, or hold only scores against each other");
  }
  return {};
}

Result<std::unique_ptr<Feed>> Feed::create(const ir::Graph& student, std::span<const TeacherOf> teachers,
                                           const BatchForm& form, const data::Dataset& data, int num_threads,
                                           bool mirror) {
  const Objective& objective = teachers.front().objective;
  std::unique_ptr<Feed> feed(new Feed(student, objective, form, data));
  if (objective.needs_labels && !data.has_labels()) {
    return usage_error("a loss needs labels, the training data have none",
                       "name them with --labels, or use a loss that needs none: kl or mse");
  }
  if (!objective.needs_teacher) return feed;
  feed->mirror_ = mirror;
  if (mirror) EDGESMITH_TRY(feed->check_mirror());
  for (const TeacherOf& of : teachers) {
    auto teacher = feed->make_teacher(of, num_threads);
    if (!teacher) return teacher.error();
    feed->teachers_.push_back(std::move(*teacher));
  }
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
  if (!all_kept) EDGESMITH_TRY(ask_teachers(indices, samples, thread, as_they_are, rows));
  for (size_t v = 0; v < num_values_; ++v) {
    shard.targets.push_back(form_.per_sample ? join_rows(rows, v, fed) : rows[0][v]);
  }
  return {};
}

Status Feed::add_answers(const Teacher& teacher, std::span<const data::Sample> samples, int thread,
                         std::vector<std::vector<ir::Tensor>>& rows) const {
  const auto step = static_cast<size_t>(teacher.batch > 0 ? teacher.batch : static_cast<int64_t>(samples.size()));
  for (size_t from = 0; from < samples.size(); from += step) {
    const auto part = samples.subspan(from, std::min(step, samples.size() - from));
    auto inputs = data::stack_inputs(part, teacher.graph);
    if (!inputs) return inputs.error().in("teacher");
    auto results = teacher.sessions[static_cast<size_t>(thread)]->run(*inputs);
    if (!results) return results.error().in("teacher");
    std::vector<ir::Tensor> values;
    for (size_t v = 0; v < num_values_; ++v) values.push_back(as_f32((*results)[teacher.first_value + v]));
    for (size_t s = 0; s < part.size(); ++s) {
      std::vector<ir::Tensor>& row = rows[from + s];
      const bool first = row.empty();
      for (size_t v = 0; v < num_values_; ++v) {
        const ir::Tensor& value = values[v];
        const bool has_rows =
            form_.per_sample && value.rank() > 0 && value.dims()[0] >= static_cast<int64_t>(part.size());
        if (form_.per_sample && !has_rows) {
          return usage_error("the teacher's results are " + value.type().text() + " for " +
                                 std::to_string(part.size()) + " samples, the student's have one row a sample",
                             "use a teacher with the same outputs");
        }
        ir::Tensor own = has_rows ? row_of(value, static_cast<int64_t>(s)) : value;
        if (first) {
          row.push_back(std::move(own));
        } else {
          EDGESMITH_TRY(add_to(row[v], own));
        }
      }
    }
  }
  return {};
}

Status Feed::ask_teachers(std::span<const int64_t> indices, std::span<const data::Sample> samples, int thread,
                          bool keep, std::vector<std::vector<ir::Tensor>>& rows) {
  for (std::vector<ir::Tensor>& row : rows) row.clear();
  std::vector<data::Sample> mirrored;
  if (mirror_) {
    mirrored.assign(samples.begin(), samples.end());
    for (data::Sample& sample : mirrored) data::mirror_pictures(data_.preprocess().layout, sample.inputs);
  }
  for (const auto& teacher : teachers_) {
    EDGESMITH_TRY(add_answers(*teacher, samples, thread, rows));
    if (mirror_) EDGESMITH_TRY(add_answers(*teacher, mirrored, thread, rows));
  }
  const size_t answers = teachers_.size() * (mirror_ ? 2 : 1);
  for (size_t s = 0; s < samples.size(); ++s) {
    int64_t bytes = 0;
    for (ir::Tensor& value : rows[s]) {
      if (answers > 1) value = scaled(value, 1 / static_cast<float>(answers));
      const auto numbers = value.data<float>();
      if (!std::all_of(numbers.begin(), numbers.end(), [](float number) { return std::isfinite(number); })) {
        return invalid_error(data_.sample_name(indices[s]) + ": the teacher answers NaN or infinity",
                             "leave this sample out, or name another teacher");
      }
      bytes += static_cast<int64_t>(value.bytes().size());
    }
    if (!keep || kept_bytes_.load() + bytes > kMostKeptBytes) continue;
    kept_bytes_ += bytes;
    kept_[static_cast<size_t>(indices[s])] = rows[s];
  }
  return {};
}

}  // namespace edgesmith::train
