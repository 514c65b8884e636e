// SPDX-License-Identifier: Apache-2.0
// `relative` along the eigenvectors of each weight's gradients (rotation.h): it learns in fewer steps what crosses the
// weights' own axes, as inputs that vary together do.
#include "train/optimizers/moments.h"

namespace edgesmith::train {
namespace {

// Axes change: squares along former ones must be forgotten soon.
constexpr Betas kBetas = {0.9, 0.99};

void update(const OptimizerStep& step, std::span<float> value, std::span<const float> gradient,
            std::span<const std::span<float>> states) {
  moment_step(step, kBetas, /*coupled=*/false, value, gradient, states);
}

}  // namespace

extern const OptimizerInfo soap_optimizer = {
    "soap", "relative along the eigenvectors of each weight's gradients", 2, 0.005, true, update, true};

}  // namespace edgesmith::train
