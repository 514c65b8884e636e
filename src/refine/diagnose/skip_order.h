// SPDX-License-Identifier: Apache-2.0
// In which order nodes should be left float, by the error that each is expected to free.
#pragma once

#include <vector>

#include "refine/diagnose/errors.h"
#include "refine/diagnose/units.h"

namespace edgesmith::refine::diagnose {

/// Units that are left float together: one, or the maker of a value with all that read it.
using Move = std::vector<size_t>;

/// Errors are taken to add up. What a unit's constants cost is freed when it is left float; what the codes of a value
/// cost, when its maker and all its readers are. Each next move frees the most error a unit. Units without a
/// compressed counterpart are never in it. `alone` (by unit) are the errors at the model's results.
std::vector<Move> skip_order(const Units& units, const Facts& facts, const std::vector<double>& alone);

}  // namespace edgesmith::refine::diagnose
