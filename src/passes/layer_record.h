// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "edgesmith/passes/pass.h"

namespace edgesmith::passes {

/// A record of what a node makes, without findings. `value`: another of its results than the first.
LayerRecord layer_record(const ir::Node& node, std::string status, const ir::Value* value = nullptr);

}  // namespace edgesmith::passes
