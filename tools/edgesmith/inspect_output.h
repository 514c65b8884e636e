// SPDX-License-Identifier: Apache-2.0
// What `edgesmith inspect` prints.
#pragma once

#include <string>

#include "inspection.h"

namespace edgesmith::cli {

/// `target`: null, or what --target names.
std::string inspection_json(const ir::Graph& graph, const std::string& path, const Inspection& in,
                            const targets::Target* target);
std::string inspection_text(const ir::Graph& graph, const std::string& path, const Inspection& in,
                            const targets::Target* target, bool verbose, bool color);

}  // namespace edgesmith::cli
