// SPDX-License-Identifier: Apache-2.0
// Which nodes of a compressed model hurt, why, and what to do (docs/diagnose.md).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "edgesmith/base/progress.h"
#include "edgesmith/base/result.h"
#include "edgesmith/base/thread_pool.h"
#include "edgesmith/data/dataset.h"
#include "edgesmith/data/metric.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/refine/run_report.h"
#include "edgesmith/runtime/executor.h"

namespace edgesmith::refine {

struct DiagnoseContext {
  ThreadPool* pool = nullptr;         ///< never null
  ProgressSink* progress = nullptr;   ///< never null
  runtime::ExecutorOptions executor;  ///< how the compressed model is run
};

/// Why a node loses what it loses.
struct Cause {
  std::string kind;                    ///< "channel_ranges", "outlier_channel", "clipping", ... (docs/diagnose.md)
  std::string text;                    ///< one sentence with the numbers
  std::vector<int64_t> channels = {};  ///< those to blame, the worst first
};

/// A node of the float model with the clamps behind it, and what became of it.
struct NodeDiagnosis {
  int id = -1;           ///< of the first node in Diagnosis::original
  std::string node, op;  ///< a name for people
  std::string value;     ///< name of what it makes
  std::string selector;  ///< what --skip takes: the name when it is the node's alone, else the value's
  bool differs = false;  ///< something of it was compressed
  bool measured = true;  ///< false: without a counterpart that can be put in its place; only accumulated_db holds
  /// The error of the model's results when this node alone is as in the compressed model: noise to signal.
  double alone = 0;
  double share = 0;  ///< of the sum of `alone` over all nodes
  int rank = 0;      ///< 1: the worst; 0: not compressed
  /// In dB, of the node's own result; absent where nothing was seen or nothing lost.
  std::optional<double> weights_db;            ///< from its compressed constants alone
  std::optional<double> rounding_db;           ///< from the codes of its result alone
  std::optional<double> accumulated_db;        ///< in the compressed model, with the errors of all before it
  std::optional<double> cosine;                ///< the same as an angle
  std::map<std::string, double> numbers = {};  ///< what the causes are made of
  std::vector<Cause> causes = {};
};

/// Something to try, and what it gave here.
struct Advice {
  std::string flags;      ///< to add: "--skip 'stem'"
  std::string leave_out;  ///< to take away: "--per-tensor"; "" for nothing
  std::string why;
  double before_db = 0, after_db = 0;  ///< SQNR of the results without and with it, on the data
};

/// What the nodes of one operator cost together.
struct OperatorShare {
  std::string op;
  int nodes = 0;
  double share = 0;
};

namespace diagnose {
struct Work;  // refine/diagnose/work.h
}

struct Diagnosis {
  ir::Graph original, other;                     ///< as they were compared: simplified where that makes them alike
  bool simplified = false;                       ///< the float model was simplified first
  int unmatched_float = 0, unmatched_other = 0;  ///< computing nodes without a counterpart
  int64_t samples = 0, samples_alone = 0;        ///< for accumulated errors; for those of nodes alone
  double output_error = 0;                       ///< noise to signal of the results of the compressed model
  double output_db = 0;                          ///< the same as SQNR
  std::vector<NodeDiagnosis> nodes;              ///< in graph order
  std::vector<OperatorShare> operators;          ///< the costliest first
  std::vector<Advice> advice;                    ///< the most helpful first
  std::string command;  ///< what makes such a model: "quantize", "quantize --dynamic", "share", "prune", "convert"
  std::shared_ptr<const diagnose::Work> work;  ///< for find_auto_skip
};

/// Compares `other` with `original`, the float model that it was made from, on `data` (labels are not looked at).
/// Memory does not grow with the number of samples. Errors: unsupported (an operator, or results without floats);
/// invalid (samples; graphs that have next to nothing in common); interrupted.
Result<Diagnosis> diagnose_model(const ir::Graph& original, const ir::Graph& other, const data::Dataset& data,
                                 const DiagnoseContext& context);

struct AutoSkipOptions {
  const data::MetricInfo* metric = nullptr;  ///< null: top1 with labels, else agreement
  double max_drop = 0;                       ///< against the float model, in the metric's unit
  double time_limit = 0;                     ///< seconds for the search; 0: none
};

/// What the search for the nodes to leave float found.
struct AutoSkip {
  ir::Graph graph;            ///< the compressed model with those nodes as in the float one
  std::vector<size_t> nodes;  ///< indices into Diagnosis::nodes, in graph order
  const data::MetricInfo* metric = nullptr;
  double calib_before = 0, calib_drop = 0, compressed_drop = 0;  ///< on calibration data; of the model as it came
  std::optional<MetricValue> eval_before, eval_after;
  std::optional<data::PairedDifference> eval_drop;
  int64_t trials = 0;     ///< models that were measured
  bool complete = true;   ///< false: the time limit came first
  bool met_calib = true;  ///< false: no set that was tried meets the budget on calibration data
  bool met = true;        ///< the verdict: of the evaluation data where there are any
};

/// Looks for the fewest nodes to leave float for the budget: sets along the order in which they free the most expected
/// error a node, measured on `calib`; then nodes that turn out not to be needed are given back. The result is measured
/// on `eval` (may be null) once. Errors: as diagnose.
Result<AutoSkip> find_auto_skip(const Diagnosis& diagnosis, const data::Dataset& calib, const data::Dataset* eval,
                                const AutoSkipOptions& options, const DiagnoseContext& context);

}  // namespace edgesmith::refine
