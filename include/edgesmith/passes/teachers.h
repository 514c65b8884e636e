// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/passes/options.h"

namespace edgesmith::passes {

/// Teachers that the options of a step name, held against the student: they must take its samples. Axis 0 may differ,
/// which is the sample. Errors: invalid, which names the teacher's file; those of importing it.
Status check_teachers(const Options& options, const ir::Graph& student);

}  // namespace edgesmith::passes
