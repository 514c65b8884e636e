// SPDX-License-Identifier: Apache-2.0
// Adam whose rate is a share of the root mean square of the numbers that it moves (Shazeer and Stern, "Adafactor:
// Adaptive Learning Rates with Sublinear Memory Cost", 2018, section 8). Where norms were folded into the weights
// before them, weights of one layer are a hundred times those of another: no absolute rate suits both.
#include "train/optimizers/moments.h"

namespace edgesmith::train {

extern const OptimizerInfo relative_optimizer = {
    "relative",           "adamw with a rate relative to the size of each channel's weights", 2, 0.003, true,
    decoupled_moment_step};

}  // namespace edgesmith::train
