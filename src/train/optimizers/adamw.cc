// SPDX-License-Identifier: Apache-2.0
// AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019): Adam whose weights shrink by the decay
// itself, not by a gradient that is scaled like the others.
#include "train/optimizers/moments.h"

namespace edgesmith::train {

extern const OptimizerInfo adamw_optimizer = {
    "adamw", "adam with weight decay beside the gradient, not in it", 2, 1e-3, false, decoupled_moment_step};

}  // namespace edgesmith::train
