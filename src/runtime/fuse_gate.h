// SPDX-License-Identifier: Apache-2.0
// The mask of a Relu's gradient is not written: whoever needs it compares again.
//
//   %m = greater %y, 0
//   %d = where %m, %g, 0      runs as     %d = gate %y, %g     (%g where %y > 0, else 0)
//
// The graph stays as it is; observers of everything are still shown %m.
#pragma once

#include "runtime/program.h"

namespace edgesmith::runtime {

/// What `where` compares with 0, when it is the only reader of that comparison, passes operand 1 where it holds and 0
/// elsewhere, and all dims are known to be the same; else null. The kernel gate_f32 takes such nodes.
const ir::Value* gated_by(const ir::Node& where);

/// The same, null also where the mask must be made: it is observed, or a kernel was chosen for one of the two nodes.
const ir::Value* fused_gate(const Program& program, const ir::Node& where);
/// Whether `greater` is left to the node behind it.
bool is_fused_gate(const Program& program, const ir::Node& greater);

}  // namespace edgesmith::runtime
