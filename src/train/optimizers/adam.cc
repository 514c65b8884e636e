// SPDX-License-Identifier: Apache-2.0
// Adam: steps of about the learning rate, whatever the scale of the gradient. The weight decay is a part of the
// gradient.
#include "train/optimizers/moments.h"

namespace edgesmith::train {
namespace {

void update(const OptimizerStep& step, std::span<float> value, std::span<const float> gradient,
            std::span<const std::span<float>> states) {
  moment_step(step, {}, /*coupled=*/true, value, gradient, states);
}

}  // namespace

extern const OptimizerInfo adam_optimizer = {
    "adam", "steps of the size of the rate, by running moments of the gradient", 2, 1e-3, false, update};

}  // namespace edgesmith::train
