// SPDX-License-Identifier: Apache-2.0
// Embedding tables: constants of which Gather takes rows. They are most of the bytes of small language models.
#pragma once

#include <vector>

#include "edgesmith/passes/pass.h"

namespace edgesmith::passes::quantize {

/// Makes int8 codes of every float32 table [rows, width] of at least kSmallestTable numbers that a selected Gather
/// reads row by row, with a scale for each row. A Transpose may read it too (the output projection of a model that ties
/// the two); any other reader keeps a table float. What is computed stays float arithmetic. Adds a record of each table
/// to the context, and returns how many there were.
int quantize_tables(ir::Graph& graph, const std::vector<bool>& selected, PassContext& context);

/// Fewer numbers are not worth a scale for each row.
inline constexpr int64_t kSmallestTable = 1024;

}  // namespace edgesmith::passes::quantize
