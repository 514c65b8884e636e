// SPDX-License-Identifier: Apache-2.0
// How far apart two graphs answer, and whether they are the same to the bit.
#pragma once

#include "edgesmith/data/dataset.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith::passes {

/// Sum of squared differences of the first result over all samples, in our runtime.
double output_error(const ir::Graph& a, const ir::Graph& b, const data::Dataset& samples);

/// The same over the sum of the squares of the results of `a`.
double relative_error(const ir::Graph& a, const ir::Graph& b, const data::Dataset& samples);

/// Expects equal text and bit-identical constants.
void expect_identical(const ir::Graph& a, const ir::Graph& b);

}  // namespace edgesmith::passes
