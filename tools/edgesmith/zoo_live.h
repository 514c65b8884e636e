// SPDX-License-Identifier: Apache-2.0
// What people and programs see while a zoo runs.
#pragma once

#include <memory>

#include "cli.h"
#include "edgesmith/zoo/run.h"

namespace edgesmith::cli {

/// A table that is drawn again and again on a terminal, a line for every finished model elsewhere; one JSON object a
/// line into --events. Errors: those of open_events.
Result<std::unique_ptr<zoo::Watcher>> make_zoo_watcher(const Common& common);

}  // namespace edgesmith::cli
