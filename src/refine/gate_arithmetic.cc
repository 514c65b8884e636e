// SPDX-License-Identifier: Apache-2.0
#include "refine/gate_arithmetic.h"

#include <algorithm>

#include "edgesmith/targets/target.h"

namespace edgesmith::refine {

Result<GateArithmetics> find_gate_arithmetics(const Gate& gate) {
  GateArithmetics result;
  for (const std::string& name : gate.targets) {
    const auto target = targets::load_target(name);
    if (!target) return target.error();
    const bool known = std::any_of(result.targets.begin(), result.targets.end(),
                                   [&](const GateTarget& other) { return other.name == target->name; });
    if (known) continue;
    const auto arithmetic = runtime::find_arithmetic(targets::arithmetic_name(target->arithmetic));
    if (!arithmetic) return arithmetic.error();
    auto model = std::find(result.models.begin(), result.models.end(), *arithmetic);
    if (model == result.models.end()) model = result.models.insert(model, *arithmetic);
    result.targets.push_back({target->name, static_cast<size_t>(model - result.models.begin())});
  }
  if (result.models.empty()) result.models.push_back(runtime::Arithmetic::exact_i32);
  return result;
}

}  // namespace edgesmith::refine
