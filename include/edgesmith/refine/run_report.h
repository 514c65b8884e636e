// SPDX-License-Identifier: Apache-2.0
// What a run did and measured. The report module turns it into JSON, terminal text and HTML; nothing is computed there.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "edgesmith/data/metric.h"
#include "edgesmith/passes/pass.h"
#include "edgesmith/refine/gate.h"
#include "edgesmith/refine/recipe.h"

namespace edgesmith::refine {

class MetricProgram;

/// How large a model is.
struct ModelSize {
  int64_t bytes = 0;    ///< of the file, external data included
  int64_t params = 0;   ///< float elements of the constants (weights stored as codes count as the floats they mean)
  int64_t nonzero = 0;  ///< of them, those that are not zero
  int64_t macs = 0;     ///< of Conv, Gemm, MatMul and their kin, for one sample
  int64_t nodes = 0;
  std::optional<int64_t> peak_activation_bytes;  ///< arena for one sample; absent when it cannot be planned
};

/// One metric of one model.
struct MetricValue {
  const data::MetricInfo* metric = nullptr;
  double value = 0;
  double ci95[2] = {0, 0};  ///< of the value
  int64_t samples = 0;
};

/// A model file that went in or came out.
struct ModelFile {
  std::string path;
  std::string sha256;  ///< of the .onnx file
  ModelSize size;
  int64_t opset = 0;
};

/// A model under the arithmetic of one target that the gate names.
struct TargetMetric {
  std::string target, arithmetic;
  MetricValue metric;
  data::PairedDifference drop;  ///< against the original
};

/// What a step made of the weights of one layer: sparser, or numbers out of codebooks.
struct WeightPicture {
  std::string node, op;
  int64_t elements = 0, nonzero_before = 0, nonzero = 0;
  double low = 0, high = 0;        ///< of the weights before the step
  std::vector<int64_t> histogram;  ///< of those that were not zero, in equal bins from low to high; empty: all were
  int64_t codebooks = 0, codebook_size = 0;
  std::vector<double> entries;  ///< different ones, ascending; those of the first codebooks where there are many
};

struct StepReport {
  std::string pass;
  StepStatus status = StepStatus::accepted;
  bool kept = true;
  double seconds = 0;                                ///< of the pass
  double eval_seconds = 0;                           ///< of measuring it
  bool from_cache = false, eval_from_cache = false;  ///< the pass was not run, the model not measured
  std::optional<MetricValue> metric;
  std::optional<data::PairedDifference> drop;  ///< against the original
  std::optional<double> agreement;             ///< percent of samples whose arg-max is the original's
  std::optional<double> sqnr_db;               ///< of the outputs, against the original's
  std::vector<TargetMetric> targets;           ///< that the gate names; the numbers above are of the first
  ModelSize size;
  TargetNeeds needs;   ///< of the model after it, as far as budgets ask
  std::string reason;  ///< why it was not accepted, what is undecided, or what cancelled it
  std::vector<std::string> notes;
  std::vector<passes::LayerRecord> layers;
  std::vector<WeightPicture> weights;
  std::vector<train::Curve> curves;                                  ///< of a training
  std::map<std::string, double> measured;                            ///< times and rates: "images_per_second"
  std::vector<std::pair<std::string, passes::OptionValue>> options;  ///< in force, defaults included
};

/// One data set of the run.
struct DataReport {
  std::string role;  ///< "calib", "train", "eval", "test"
  std::string path;
  int64_t samples = 0;
  bool labels = false;
  std::string preprocess;  ///< canonical JSON, "" when nothing is declared
  std::string digest;      ///< data::Dataset::digest()
};

struct RunReport {
  std::string command;  ///< "quantize", "run", ...
  int exit_code = 0;
  std::string isa;
  Recipe recipe;
  ModelFile model;
  std::vector<DataReport> data;
  std::shared_ptr<const MetricProgram> program;  ///< keeps what the metrics below point to
  std::optional<MetricValue> baseline;           ///< of the original on the evaluation data
  std::vector<StepReport> steps;
  std::optional<ModelFile> output;          ///< absent: nothing was written
  std::vector<std::string> output_notes;    ///< of the exporter: "opset raised from 11 to 13: ..."
  std::optional<MetricValue> final_metric;  ///< of what was written, on the evaluation data
  std::optional<data::PairedDifference> final_drop;
  std::optional<double> final_agreement, final_sqnr_db;
  std::vector<TargetMetric> final_targets;
  TargetNeeds final_needs;                             ///< of what was written
  std::optional<MetricValue> test_before, test_after;  ///< on the test data
  std::optional<data::PairedDifference> test_drop;
  std::string verdict;  ///< one sentence: what the gate said of the whole run
  int64_t peak_rss_bytes = 0;
  double seconds = 0;
  std::vector<std::string> warnings;
};

}  // namespace edgesmith::refine
