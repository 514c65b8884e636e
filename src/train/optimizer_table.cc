// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "edgesmith/train/optimizer.h"

namespace edgesmith::train {

#define OPTIMIZER(name) extern const OptimizerInfo name##_optimizer;
#include "train/optimizer_list.def"
#undef OPTIMIZER

std::span<const OptimizerInfo> all_optimizers() {
  static const std::array kOptimizers = {
#define OPTIMIZER(name) name##_optimizer,
#include "train/optimizer_list.def"
#undef OPTIMIZER
  };
  return kOptimizers;
}

const OptimizerInfo* find_optimizer(std::string_view name) {
  for (const OptimizerInfo& optimizer : all_optimizers()) {
    if (optimizer.name == name) return &optimizer;
  }
  return nullptr;
}

}  // namespace edgesmith::train
