// SPDX-License-Identifier: Apache-2.0
// Why a node loses what it loses, in words with the numbers.
#pragma once

#include "edgesmith/refine/diagnose.h"
#include "refine/diagnose/errors.h"
#include "refine/diagnose/units.h"

namespace edgesmith::refine::diagnose {

/// Fills numbers and causes of `diagnosis`, whose errors are known.
void find_causes(const Units& units, size_t unit, const Facts& facts, const std::vector<NodeDiagnosis>& all,
                 NodeDiagnosis& diagnosis);

}  // namespace edgesmith::refine::diagnose
