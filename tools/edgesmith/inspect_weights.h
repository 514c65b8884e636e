// SPDX-License-Identifier: Apache-2.0
// What `inspect` says of weights, and what each technique of compression would make of them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/base/thread_pool.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/passes/weight_facts.h"
#include "edgesmith/targets/target.h"

namespace edgesmith::cli {

/// The bytes after one technique.
struct Forecast {
  std::string technique, command, method;
  std::optional<int64_t> bytes;         ///< of the file that the command writes; absent: see `reason`
  std::optional<int64_t> packed_bytes;  ///< of that file packed, from a sample
  std::string reason;                   ///< why there is no forecast, or why nothing changes
};

/// Bytes of the model at `path` and of the external data that it names; `otherwise` when they cannot be read.
int64_t bytes_with_external_data(const std::string& path, int64_t otherwise);

/// Works out every technique on a copy of `graph`, which was read from `path` and has `bytes` there. A technique that
/// fails says why in its line. Errors: interrupted.
Result<std::vector<Forecast>> make_forecasts(const ir::Graph& graph, const std::string& path, int64_t bytes,
                                             const targets::Target& target, ThreadPool& pool);

/// Members of the document as JSON text.
std::string weights_json(const passes::ModelFacts& facts);
std::string totals_json(const passes::ModelFacts& facts);
std::string forecasts_json(const std::vector<Forecast>& forecasts, int64_t bytes);

/// Weights as a table: the largest ones, or all of them.
std::string weights_text(const passes::ModelFacts& facts, bool all, bool color);
std::string forecasts_text(const std::vector<Forecast>& forecasts, int64_t bytes, bool color);

}  // namespace edgesmith::cli
