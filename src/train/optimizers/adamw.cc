// SPDX-License-Identifier: Apache-2.0
// AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019): Adam whose weights shrink by the decay
// itself, not by a gradient that is scaled like the others.
#include "train/optimizers/moments.h"

namespace edgesmith::train {
namespace {

void update(const OptimizerStep& step, std::span<float> value, std::span<const float> gradient,
            std::span<const std::span<float>> states) {
  moment_step(step, /*coupled=*/false, value, gradient, states);
}

}  // namespace

extern const OptimizerInfo adamw_optimizer = {
    "adamw", "adam with weight decay beside the gradient, not in it", 2, 1e-3, false, update};

}  // namespace edgesmith::train
