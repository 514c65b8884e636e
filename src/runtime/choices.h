// SPDX-License-Identifier: Apache-2.0
// ExecutorOptions::choices: which row of the registry runs a step, and what else could.
#pragma once

#include <string>
#include <vector>

#include "runtime/program.h"

namespace edgesmith::runtime {

/// The name chosen for `node`, or null.
const std::string* find_choice(const Program& program, const ir::Node& node);

/// The row for the reals of a step when nothing is chosen; null: ops::eval.
const Kernel* default_kernel(const Program& program, const Step& step);
/// The row for the reals of a step: the chosen one where it may run the step, else the default one.
const Kernel* kernel_of(const Program& program, const Step& step);

/// Errors: usage, when the step does not run by what was chosen for it; names what may run it.
Status check_choice(const Program& program, const Step& step);
/// Errors: usage, when something is chosen for what is no step, or nothing can be chosen at all.
Status check_every_choice(const Program& program);

/// StepInfo::options.
std::vector<KernelOption> options_of(const Program& program, const Step& step);

}  // namespace edgesmith::runtime
