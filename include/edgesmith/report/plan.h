// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "edgesmith/passes/precision.h"
#include "edgesmith/refine/select.h"

namespace edgesmith::report {

/// A plan of kernels as a section of HTML: the costliest nodes, what runs each and the fastest of the others. "" where
/// no node took time.
std::string plan_picture(const refine::Plan& plan);

/// A plan of precisions: the costliest nodes, the time of each on codes and in floats. "" where none has both.
std::string plan_picture(const passes::PrecisionPlan& plan);

}  // namespace edgesmith::report
