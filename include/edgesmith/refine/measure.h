// SPDX-License-Identifier: Apache-2.0
// Measuring a model: metrics over a data set in one streaming pass, and sizes.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "edgesmith/base/progress.h"
#include "edgesmith/base/result.h"
#include "edgesmith/base/thread_pool.h"
#include "edgesmith/data/dataset.h"
#include "edgesmith/data/metric.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/refine/metric_program.h"
#include "edgesmith/refine/run_report.h"
#include "edgesmith/runtime/executor.h"

namespace edgesmith::refine {

/// The per-sample numbers of one metric: what paired comparisons need.
struct MetricNumbers {
  const data::MetricInfo* metric = nullptr;
  std::vector<double> numbers;       ///< [samples, metric->width]; of a program: its per_sample, or empty
  std::optional<double> given = {};  ///< the value, where a program computed it
  int64_t samples = 0;

  /// Without numbers for each sample there is no interval: its ends are NaN.
  MetricValue value() const;
};

/// data::paired_difference() of one metric on the same samples. Where a program gave the values, the interval is that
/// of the mean of its per_sample, moved to the difference of the values.
data::PairedDifference paired_difference(const MetricNumbers& a, const MetricNumbers& b);

struct Evaluation {
  std::vector<MetricNumbers> metrics;  ///< in the order asked for
  int64_t samples = 0;
  double seconds = 0;

  /// The numbers of `metric`, or null.
  const MetricNumbers* find(std::string_view metric) const;
};

struct MeasureContext {
  ThreadPool* pool = nullptr;                                                          ///< never null
  ProgressSink* progress = nullptr;                                                    ///< never null
  runtime::ExecutorOptions executor = {.arithmetic = runtime::Arithmetic::exact_i32};  ///< as devices compute
  const MetricProgram* program = nullptr;  ///< whose info() may be among the metrics
  /// The first so many metrics must be computable; the others are left out of the result when the outputs or the data
  /// cannot give them.
  size_t required_metrics = 1;
};

/// The original model, whose outputs others are compared with. Outputs are kept as long as they take little memory
/// (kMostKeptBytes in all), and computed again beyond that: memory does not grow with the number of samples.
class Reference {
 public:
  static constexpr int64_t kMostKeptBytes = int64_t{64} << 20;

  /// `graph` must outlive this.
  explicit Reference(const ir::Graph& graph, const runtime::ExecutorOptions& options = {});
  ~Reference();

  const ir::Graph& graph() const { return graph_; }
  /// Made when it is first asked for. Errors: unsupported.
  Result<const runtime::Executor*> executor();

  /// Outputs by sample of the data set that the graph was evaluated on last; empty: they were too large to keep.
  const std::vector<std::vector<ir::Tensor>>& kept() const { return kept_; }
  /// Outputs of an earlier evaluation, for a graph that is not evaluated itself.
  void keep(std::vector<std::vector<ir::Tensor>> outputs) { kept_ = std::move(outputs); }
  /// True when the outputs of all `samples` samples are kept.
  bool keeps(int64_t samples) const { return static_cast<int64_t>(kept_.size()) == samples; }

 private:
  friend Result<Evaluation> evaluate(const ir::Graph& graph, const data::Dataset& data,
                                     std::span<const data::MetricInfo* const> metrics, Reference* reference,
                                     std::string_view what, const MeasureContext& context);
  const ir::Graph& graph_;
  runtime::ExecutorOptions options_;
  std::unique_ptr<runtime::Executor> executor_;
  std::vector<std::vector<ir::Tensor>> kept_;
};

/// Runs `graph` over `data` once. `reference` may be null when no metric needs it. Errors: unsupported, invalid (a
/// sample, a metric that the data cannot give), interrupted.
Result<Evaluation> evaluate(const ir::Graph& graph, const data::Dataset& data,
                            std::span<const data::MetricInfo* const> metrics, Reference* reference,
                            std::string_view what, const MeasureContext& context);

/// The outputs of every sample (or batch of samples) as one tensor an output, joined on axis 0 in order. Errors:
/// unsupported (outputs that cannot be joined).
Result<std::vector<ir::Tensor>> join_outputs(const ir::Graph& graph, std::span<const std::vector<ir::Tensor>> samples);

/// Expected outputs, one a sample, joined in the same way. Errors: unsupported.
Result<ir::Tensor> join_targets(std::span<const std::vector<ir::Tensor>> samples, const std::string& name);

/// SHA-256 of the bytes of `outputs`, one after the other: what `infer` and `bench` report.
std::string outputs_sha256(std::span<const ir::Tensor> outputs);

/// Every output of `graph` over all of `data`, one tensor an output, samples joined on axis 0 in order. Errors: as
/// evaluate; unsupported (samples whose outputs cannot be joined).
Result<std::vector<ir::Tensor>> run_all(const ir::Graph& graph, const data::Dataset& data,
                                        const MeasureContext& context);

/// Bytes of the file `path` that `graph` was read from, with its external data.
int64_t model_file_bytes(const ir::Graph& graph, const std::string& path);

/// Everything but the bytes: parameters, non-zeros, MACs, nodes, peak activation memory. Without `look_at_weights`
/// every parameter counts as one that is not zero.
ModelSize measure_size(const ir::Graph& graph, bool look_at_weights = true);

/// The metric of a run that names none: top1 where there are labels, else agreement.
const data::MetricInfo* default_metric(const data::Dataset& data);

}  // namespace edgesmith::refine
