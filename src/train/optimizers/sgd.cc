// SPDX-License-Identifier: Apache-2.0
// Stochastic gradient descent with Nesterov's momentum (Nesterov 1983, in the form of Sutskever et al. 2013 that
// PyTorch uses): v = m v + g; w -= rate (g + m v), where the weight decay is a part of g.
#include "edgesmith/train/optimizer.h"

namespace edgesmith::train {
namespace {

constexpr float kMomentum = 0.9f;

void update(const OptimizerStep& step, std::span<float> value, std::span<const float> gradient,
            std::span<const std::span<float>> states) {
  const auto rate = static_cast<float>(step.rate), decay = static_cast<float>(step.weight_decay);
  const std::span<float> velocity = states[0];
  for (size_t i = 0; i < value.size(); ++i) {
    const float g = gradient[i] + decay * value[i];
    velocity[i] = kMomentum * velocity[i] + g;
    value[i] -= rate * (g + kMomentum * velocity[i]);
  }
}

}  // namespace

extern const OptimizerInfo sgd_optimizer = {"sgd", "gradient descent with Nesterov's momentum of 0.9", 1, 0.01, false,
                                            update};

}  // namespace edgesmith::train
