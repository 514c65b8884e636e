// SPDX-License-Identifier: Apache-2.0
// Inputs for timing a model without data. Nothing but `bench` uses them: accuracy is measured on real samples.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "edgesmith/base/file.h"
#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/ir/tensor.h"

namespace edgesmith::data {

/// What seeded_inputs() makes.
struct SeededOptions {
  int64_t batch = 0;                                       ///< 0: the model's own, 1 where it is free
  std::vector<std::pair<std::string, int64_t>> free_dims;  ///< sizes by symbol ("H", 64); other free dims are 1
  uint64_t seed = 0;
  int64_t memory_limit = 0;  ///< most bytes of all inputs
};

/// One tensor for each input of `graph`. Floats are uniform in [0, 1), 8-bit integers any code, other integers 0 or 1
/// (so that indices and lengths stay legal). The same graph inputs and options give the same bytes. Errors: usage (the
/// model's batch is fixed, or it has none; a symbol that no input has; no sample); unsupported (an input of unknown
/// rank, or text); io (more than the memory limit, with the number).
Result<std::vector<ir::Tensor>> seeded_inputs(const ir::Graph& graph, const SeededOptions& options);

/// Writes `inputs` as the .npz `path`, and beside it, under the same name with .toml, the data description with which
/// `infer` feeds them as they are (a model may remember preprocessing). Errors: io; usage (a name that does not end in
/// .npz); unsupported (dtypes that NumPy lacks).
Status save_inputs(const std::string& path, const ir::Graph& graph, const std::vector<ir::Tensor>& inputs,
                   Existing existing = Existing::replace);
/// The description beside them: "DIR/x.toml" for "DIR/x.npz".
std::string description_of_inputs(const std::string& path);

}  // namespace edgesmith::data
