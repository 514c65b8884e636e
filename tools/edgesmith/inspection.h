// SPDX-License-Identifier: Apache-2.0
// What `edgesmith inspect` finds out about a model.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "edgesmith/onnx/import.h"
#include "edgesmith/refine/measure.h"
#include "edgesmith/refine/runner.h"
#include "edgesmith/targets/target.h"
#include "inspect_weights.h"

namespace edgesmith::cli {

/// All nodes of one operator together.
struct OpCount {
  int64_t count = 0, macs = 0, params = 0;
};

struct QuantCount {
  int64_t values = 0;   ///< annotated values
  int64_t weights = 0;  ///< of them constants
  int dynamic = 0;      ///< operators on codes of the run
  std::string dtypes;   ///< "i8, u8"
};

/// A constant whose numbers come from codebooks.
struct SharedWeight {
  std::string name, dtype;  ///< dtype of the entries
  int64_t weights = 0, codebooks = 0, entries = 0, distinct = 0, bits = 0, bytes = 0;
};

struct Inspection {
  onnx::SourceInfo source;
  refine::ModelSize size;
  std::optional<runtime::MemoryPlan> memory;  ///< for one sample; absent when it is not known before running
  std::map<std::string, OpCount> ops;
  QuantCount quant;
  std::vector<SharedWeight> shared;
  bool has_inside = false;        ///< some nodes hold branches or bodies
  std::string sha256;             ///< of the file; "": not asked for
  bool looked_at_weights = true;  ///< false: `weights` and `forecasts` are empty, `size.nonzero` is not known
  passes::ModelFacts weights;
  std::vector<Forecast> forecasts;  ///< empty: not wanted
  std::vector<std::string> problems;
  std::vector<std::string> float_on_target;  ///< nodes that stay float on --target
};

/// Without hash, weights and forecasts. `target`: null, or whose floats are listed. Weights of large models are looked
/// at only with `all_weights`.
Inspection inspect(const ir::Graph& graph, const std::string& path, const targets::Target* target, bool all_weights);

/// A row for every node, in order: what --only and --skip may name.
struct NodeRow {
  std::string name, op, output, type;
  int64_t macs = 0;
};

std::vector<NodeRow> node_rows(const ir::Graph& graph);

/// Name and type of every output.
std::vector<std::pair<std::string, std::string>> results_of(const ir::Graph& graph);

}  // namespace edgesmith::cli
