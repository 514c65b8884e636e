// SPDX-License-Identifier: Apache-2.0
// Training as a part of passes: distill itself, and repair after others.
#pragma once

#include "edgesmith/passes/pass.h"
#include "edgesmith/train/distill.h"

namespace edgesmith::passes {

/// Trains `graph` against the mean of `teachers` on `data` (train::distill) with the threads, seed and progress of
/// `context`, and puts notes, curves and rates there. Errors: as train::distill.
Result<train::DistillReport> train_step(ir::Graph& graph, const train::Teachers& teachers, const data::Dataset& data,
                                        train::DistillOptions options, PassContext& context);

/// Whether a pass with these options is followed by training: "repair" is "distill".
bool asks_for_training(const Options& options);

/// Trains what a pass left against the original, with the defaults of distill, on the training data or where there are
/// none on the calibration data. Errors: as train_step; usage (no data).
Status repair_by_training(ir::Graph& graph, PassContext& context);

}  // namespace edgesmith::passes
