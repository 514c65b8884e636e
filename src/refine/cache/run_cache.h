// SPDX-License-Identifier: Apache-2.0
// What a run takes from the cache and leaves in it: results of steps and evaluations. The key of an entry is the hash
// of everything that it depends on (docs/cache.md); what depends on more than that is not kept.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "edgesmith/base/progress.h"
#include "edgesmith/data/dataset.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/passes/pass.h"
#include "edgesmith/refine/measure.h"
#include "edgesmith/refine/recipe.h"
#include "edgesmith/refine/run_report.h"
#include "edgesmith/refine/step_cache.h"
#include "ir/store.h"
#include "refine/run_data.h"

namespace edgesmith::refine {

/// A hash of everything that the file `path`, read as `graph`, says: of the file (`file_sha256`) and of tensors
/// outside.
std::string model_identity(const ir::Graph& graph, const std::string& file_sha256);

/// What a file that an option or a recipe names holds: a model with its tensors, or bytes.
std::string file_identity(const std::string& path);

/// The options in force as text, with what the files that they name hold.
std::string options_text(const passes::Options& options);

/// Keys are "" where something cannot be kept; then nothing is found, and nothing is kept.
class RunCache {
 public:
  /// `cache` may be null: every key is "". `original` must outlive this; `original_identity` is its model_identity().
  RunCache(StepCache* cache, const ir::Graph& original, const std::string& original_identity);

  /// The data that passes may read and models are measured on.
  void add_data(const RunData& data);

  /// Step `index` of `recipe` on `input`; `layer_errors`: with the numbers that a pass may leave out.
  std::string step_key(const ir::Graph& input, const Recipe& recipe, size_t index, bool layer_errors) const;
  /// Puts the step's result into `graph` and what it found into `report`; warns of what it warned of.
  std::optional<passes::Change> find_step(const std::string& key, ir::Graph& graph, StepReport& report) const;
  void keep_step(const std::string& key, passes::Change change, const ir::Graph& graph, const StepReport& report,
                 const std::vector<std::string>& warnings) const;

  /// Metrics of `graph` on `data`, against the original.
  std::string evaluation_key(const ir::Graph& graph, const data::Dataset& data,
                             std::span<const data::MetricInfo* const> metrics, const MeasureContext& context) const;
  std::optional<Evaluation> find_evaluation(const std::string& key) const;
  void keep_evaluation(const std::string& key, const Evaluation& evaluation) const;

  /// The original's outputs for `data`, of which metrics of others need.
  std::string outputs_key(const data::Dataset& data) const;
  std::optional<std::vector<std::vector<ir::Tensor>>> find_outputs(const std::string& key) const;
  void keep_outputs(const std::string& key, const std::vector<std::vector<ir::Tensor>>& outputs) const;

  /// Bytes of `graph` as a file of a form that takes long to make.
  std::string bytes_key(const ir::Graph& graph, std::string_view form) const;
  std::optional<int64_t> find_bytes(const std::string& key) const;
  void keep_bytes(const std::string& key, int64_t bytes) const;

 private:
  /// Hash of `graph`, or "".
  std::string identity(const ir::Graph& graph) const;
  std::string key_of(std::string_view kind, const std::string& what) const;
  std::string digest_of(const data::Dataset& data) const;

  StepCache* cache_;
  std::optional<ir::StoredParts> parts_;
  std::string common_;                                       ///< tool, processor, original
  const data::Dataset *calib_ = nullptr, *train_ = nullptr;  ///< what passes see
  std::vector<std::pair<const data::Dataset*, std::string>> digests_;
};

}  // namespace edgesmith::refine
