// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/refine/measure.h"
#include "edgesmith/base/file.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "edgesmith/base/clock.h"
#include "edgesmith/data/run_model.h"
#include "edgesmith/ir/structural.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/inner_cost.h"
#include "ir/scan.h"

namespace edgesmith::refine {
namespace {

constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();

/// The results of one model for one sample.
using Outputs = std::vector<ir::Tensor>;

int64_t bytes_of(const Outputs& outputs) {
  int64_t bytes = 0;
  for (const ir::Tensor& tensor : outputs) bytes += tensor.stored_bytes();
  return bytes;
}

// Codes of eight bits of which 0 stands for zero and no other does.
bool has_zero_at_code_zero(const ir::Tensor& tensor) {
  if (tensor.encoding() != ir::Encoding::affine || ir::dtype_bits(tensor.codes().dtype()) != 8) return false;
  const ir::Quant& quant = tensor.quant();
  return std::all_of(quant.zero_point.begin(), quant.zero_point.end(), [](auto zero) { return zero == 0; }) &&
         std::all_of(quant.scale.begin(), quant.scale.end(), [](float scale) { return std::isnormal(scale); });
}

int64_t count_nonzero(const ir::Tensor& tensor) {
  if (tensor.encoding() == ir::Encoding::dense && tensor.dtype() == ir::DType::f32) {
    return ir::count_nonzero(tensor.bytes());
  }
  if (has_zero_at_code_zero(tensor)) {
    const auto codes = tensor.codes().bytes();
    return tensor.size() - std::count(codes.begin(), codes.end(), std::byte{0});
  }
  int64_t count = 0;
  for (const float value : tensor.to_floats()) count += value != 0 ? 1 : 0;
  return count;
}

}  // namespace

MetricValue MetricNumbers::value() const {
  MetricValue value;
  value.metric = metric;
  value.samples = samples;
  value.value = given ? *given : metric->combine(numbers, metric->width);
  data::metric_interval(*metric, numbers, value.ci95);
  if (!given) return value;
  const double shift = numbers.empty() ? kNoNumber : *given - metric->combine(numbers, metric->width);
  for (double& end : value.ci95) end += shift;
  return value;
}

data::PairedDifference paired_difference(const MetricNumbers& a, const MetricNumbers& b) {
  const bool both = !a.numbers.empty() && a.numbers.size() == b.numbers.size();
  if (!a.given || !b.given) return data::paired_difference(*a.metric, a.numbers, b.numbers);
  data::PairedDifference difference;
  if (both) difference = data::paired_difference(*a.metric, a.numbers, b.numbers);
  const double drop = a.metric->higher_is_better ? *a.given - *b.given : *b.given - *a.given;
  const double shift = both ? drop - difference.drop : kNoNumber;
  return {drop, {difference.ci95[0] + shift, difference.ci95[1] + shift}};
}

const MetricNumbers* Evaluation::find(std::string_view metric) const {
  for (const MetricNumbers& numbers : metrics) {
    if (numbers.metric->name == metric) return &numbers;
  }
  return nullptr;
}

Reference::Reference(const ir::Graph& graph, const runtime::ExecutorOptions& options)
    : graph_(graph), options_(options) {}
Reference::~Reference() = default;

Result<const runtime::Executor*> Reference::executor() {
  if (executor_ == nullptr) {
    auto executor = runtime::Executor::create(graph_, options_);
    if (!executor) return executor.error();
    executor_ = std::move(*executor);
  }
  return executor_.get();
}

Result<Evaluation> evaluate(const ir::Graph& graph, const data::Dataset& data,
                            std::span<const data::MetricInfo* const> metrics, Reference* reference,
                            std::string_view what, const MeasureContext& context) {
  const bool is_reference = reference != nullptr && &reference->graph() == &graph;
  std::unique_ptr<runtime::Executor> own;
  if (!is_reference) {
    auto executor = runtime::Executor::create(graph, context.executor);
    if (!executor) return executor.error();
    own = std::move(*executor);
  }
  Evaluation evaluation;
  evaluation.samples = data.size();
  bool wants_reference = false, wants_program = false;
  for (const data::MetricInfo* metric : metrics) {
    const bool program = context.program != nullptr && metric == &context.program->info();
    const auto count = program ? 0 : static_cast<size_t>(data.size() * metric->width);
    evaluation.metrics.push_back({metric, std::vector<double>(count), {}, data.size()});
    wants_program = wants_program || program;
    wants_reference = wants_reference || metric->needs_reference;
  }
  EDGESMITH_CHECK(!wants_reference || reference != nullptr) << "a metric needs the original's outputs";
  const bool kept = wants_reference && !is_reference && reference->keeps(data.size());
  std::vector<const runtime::Executor*> models;
  if (!is_reference) models.push_back(own.get());
  if (is_reference || (wants_reference && !kept)) {
    const auto executor = reference->executor();
    if (!executor) return executor.error();
    models.push_back(*executor);
  }
  if (is_reference) reference->kept_.assign(static_cast<size_t>(data.size()), {});
  int64_t kept_bytes = 0;
  ProgramInput shown;  // to the program

  const auto take_sample = [&](size_t index, const data::Sample& sample, const Outputs& outputs,
                               const Outputs& original) -> Status {
    for (size_t m = 0; m < evaluation.metrics.size(); ++m) {
      MetricNumbers& numbers = evaluation.metrics[m];
      if (numbers.metric == nullptr || numbers.metric->sample == nullptr) continue;
      const data::MetricInfo& metric = *numbers.metric;
      const auto width = static_cast<size_t>(metric.width);
      const std::span<double> row(numbers.numbers.data() + index * width, width);
      const std::span<const ir::Tensor> given = metric.needs_reference ? original : std::span<const ir::Tensor>();
      const Status status = metric.sample(outputs, given, sample, row);
      if (!status.ok() && m >= context.required_metrics)
        numbers.metric = nullptr;
      else if (!status.ok())
        return status.error().in(data.sample_name(static_cast<int64_t>(index)));
    }
    return {};
  };
  const auto take_batch = [&](const data::Batch& batch) -> Status {
    for (size_t i = 0; i < batch.samples.size(); ++i) {
      const size_t index = static_cast<size_t>(batch.first_sample) + i;
      const Outputs& outputs = batch.outputs(i);
      if (is_reference && (kept_bytes += bytes_of(outputs)) <= Reference::kMostKeptBytes) {
        reference->kept_[index] = outputs;
      }
      const Outputs& original = kept ? reference->kept_[index] : models.size() > 1 ? batch.outputs(i, 1) : outputs;
      EDGESMITH_TRY(take_sample(index, batch.samples[i], outputs, original));
      if (!wants_program) continue;
      shown.outputs.push_back(outputs);
      shown.labels.push_back(batch.samples[i].label);
      shown.targets.push_back(batch.samples[i].targets);
      shown.names.push_back(data.sample_name(static_cast<int64_t>(index)));
    }
    return {};
  };
  data::RunOptions options;
  options.what = what;
  const auto start = std::chrono::steady_clock::now();
  EDGESMITH_TRY(data::for_each_batch(models, data, *context.pool, context.progress, take_batch, options));
  evaluation.seconds = seconds_since(start);
  std::erase_if(evaluation.metrics, [](const MetricNumbers& numbers) { return numbers.metric == nullptr; });
  for (const MetricNumbers& numbers : evaluation.metrics) {
    const auto measurable = numbers.metric->measurable;
    if (measurable == nullptr || measurable(numbers.numbers, numbers.metric->width)) continue;
    return invalid_error(std::string(numbers.metric->name) + ": the data hold nothing that it measures",
                         "'edgesmith metrics' says what labels it wants");
  }
  if (kept_bytes > Reference::kMostKeptBytes) reference->kept_.clear();
  if (!wants_program) return evaluation;
  auto result = run_metric_program(*context.program, graph, shown);
  if (!result) return result.error();
  for (MetricNumbers& numbers : evaluation.metrics) {
    if (numbers.metric != &context.program->info()) continue;
    numbers.numbers = std::move(result->per_sample);
    numbers.given = result->value;
  }
  return evaluation;
}

int64_t model_file_bytes(const ir::Graph& graph, const std::string& path) {
  const auto file = MappedFile::open(path);  // also of what came through a pipe
  return (file ? static_cast<int64_t>((*file)->bytes().size()) : 0) + onnx::source_info(graph).external_bytes;
}

ModelSize measure_size(const ir::Graph& graph, bool look_at_weights) {
  ModelSize size;
  for (const ir::Node& node : graph.nodes()) {
    const passes::InnerCost inside = passes::inner_cost(node, look_at_weights);
    size.macs += ops::cost_of(node).macs + inside.macs;
    size.params += inside.params;
    size.nonzero += inside.nonzero;
    if (!ir::is_structural(node)) ++size.nodes;
    if (!passes::is_parameter(node)) continue;
    size.params += node.tensor().size();
    size.nonzero += look_at_weights ? count_nonzero(node.tensor()) : node.tensor().size();
  }
  if (auto plan = runtime::plan_memory(graph)) size.peak_activation_bytes = plan->arena_bytes;
  return size;
}

const data::MetricInfo* default_metric(const data::Dataset& data) {
  return data::find_metric(data.has_labels() ? "top1" : "agreement");
}

}  // namespace edgesmith::refine
