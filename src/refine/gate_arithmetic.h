// SPDX-License-Identifier: Apache-2.0
// With which arithmetic the gate measures, and for which targets.
#pragma once

#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/refine/gate.h"
#include "edgesmith/runtime/executor.h"

namespace edgesmith::refine {

/// A target that the gate names.
struct GateTarget {
  std::string name;
  size_t arithmetic = 0;  ///< index into GateArithmetics::models
};

struct GateArithmetics {
  std::vector<runtime::Arithmetic> models;  ///< each once, in the order of the targets; never empty
  std::vector<GateTarget> targets;          ///< as the gate names them, each once
};

/// What `gate` wants measured: exact sums when it names no target. Errors: those of targets::load_target.
Result<GateArithmetics> find_gate_arithmetics(const Gate& gate);

}  // namespace edgesmith::refine
