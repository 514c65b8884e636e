// SPDX-License-Identifier: Apache-2.0
// Where a model comes from, in its own metadata: the steps that made it, what they were given, and what was measured.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "edgesmith/ir/graph.h"
#include "edgesmith/refine/recipe.h"
#include "edgesmith/refine/run_report.h"

namespace edgesmith::refine {

/// Metadata key of the account.
inline constexpr std::string_view kProvenanceKey = "edgesmith.provenance";

/// What a model was made of and by.
struct Provenance {
  const Recipe* recipe = nullptr;
  const std::string* model_sha256 = nullptr;  ///< of the file that the run started from
  const std::vector<DataReport>* data = nullptr;
  std::vector<const Step*> steps;     ///< those that were kept
  std::optional<MetricValue> metric;  ///< of the model itself
  std::optional<data::PairedDifference> drop;
};

/// One line of JSON without times, machines, folders or file names of models: the same run gives the same text
/// anywhere. `before` is the account that the run's model came with, or null: it becomes the member "of".
std::string provenance_json(const Provenance& provenance, const std::string* before);

/// A copy of `graph` with the account in its metadata.
ir::Graph with_provenance(const ir::Graph& graph, const Provenance& provenance);

}  // namespace edgesmith::refine
