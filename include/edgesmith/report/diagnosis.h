// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "edgesmith/refine/diagnose.h"

namespace edgesmith::report {

/// The diagnosis as a section of HTML: along the graph, what each node costs alone, and the error up to there.
std::string diagnosis_picture(const refine::Diagnosis& diagnosis);

}  // namespace edgesmith::report
