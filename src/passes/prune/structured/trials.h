// SPDX-License-Identifier: Apache-2.0
// How candidates are tried: on so many samples, and so many side by side.
#pragma once

#include <cstddef>

#include "edgesmith/passes/pass.h"
#include "passes/quantize/stream.h"

namespace edgesmith::passes::prune {

/// Candidates that are measured side by side.
inline constexpr size_t kSideBySide = 8;

/// Calibration samples for trials of so many candidates, by the work that it takes.
quantize::Stream trial_samples(const ir::Graph& original, size_t candidates, const PassContext& context);

}  // namespace edgesmith::passes::prune
