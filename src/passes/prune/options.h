// SPDX-License-Identifier: Apache-2.0
// What `prune` can be asked for.
#pragma once

#include "edgesmith/passes/options.h"

namespace edgesmith::passes::prune {

const OptionSchema& prune_options();

/// Whether the options ask for fewer channels rather than for zeros.
bool asks_for_channels(const Options& options);

/// Errors: usage, unless there is one goal and the options that belong to it.
Status check_goal(const Options& options);

}  // namespace edgesmith::passes::prune
