// SPDX-License-Identifier: Apache-2.0
// Inputs for timing a model without data. Nothing but `bench` uses them: accuracy is measured on real samples.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/ir/tensor.h"

namespace edgesmith::data {

/// One tensor for each input of `graph`: `batch` samples (0: the model's own batch, 1 where it is free), other free
/// dims 1. Floats are uniform in [0, 1), 8-bit integers any code, other integers 0 or 1 (so that indices and lengths
/// stay legal). The same graph inputs, batch and seed give the same bytes. Errors: usage (the model's batch is fixed,
/// or it has none); unsupported (an input of unknown rank, or text); io (more than `memory_limit` bytes, named).
Result<std::vector<ir::Tensor>> seeded_inputs(const ir::Graph& graph, int64_t batch, uint64_t seed,
                                              int64_t memory_limit);

/// Writes `inputs` as the .npz `path`, and beside it, under the same name with .toml, the data description with which
/// `infer` feeds them as they are (a model may remember preprocessing). Errors: io; usage (a name that does not end in
/// .npz); unsupported (dtypes that NumPy lacks).
Status save_inputs(const std::string& path, const ir::Graph& graph, const std::vector<ir::Tensor>& inputs);

}  // namespace edgesmith::data
