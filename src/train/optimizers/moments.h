// SPDX-License-Identifier: Apache-2.0
// The step that Adam and AdamW share (Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, algorithm 1).
#pragma once

#include <cmath>

#include "edgesmith/train/optimizer.h"

namespace edgesmith::train {

/// Shares that the means of gradients and of their squares keep at each step.
struct Betas {
  double first = 0.9, second = 0.999;
};

/// m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; w -= rate m' / (sqrt(v') + e), where m' and v' are m and v without
/// their pull towards the zeros that they began with. `coupled`: the decay is a part of g; else w shrinks by
/// rate * decay first.
inline void moment_step(const OptimizerStep& step, const Betas& betas, bool coupled, std::span<float> value,
                        std::span<const float> gradient, std::span<const std::span<float>> states) {
  constexpr float kEpsilon = 1e-8f;
  const auto number = static_cast<double>(step.number);
  const auto first = static_cast<float>(step.rate / (1 - std::pow(betas.first, number)));
  const auto second = static_cast<float>(1 / (1 - std::pow(betas.second, number)));
  const auto pull = coupled ? static_cast<float>(step.weight_decay) : 0.0f;
  const auto keep = coupled ? 1.0f : static_cast<float>(1 - step.rate * step.weight_decay);
  const auto b1 = static_cast<float>(betas.first), b2 = static_cast<float>(betas.second);
  const std::span<float> m = states[0], v = states[1];
  for (size_t i = 0; i < value.size(); ++i) {
    const float g = gradient[i] + pull * value[i];
    m[i] = b1 * m[i] + (1 - b1) * g;
    v[i] = b2 * v[i] + (1 - b2) * g * g;
    value[i] = keep * value[i] - first * m[i] / (std::sqrt(v[i] * second) + kEpsilon);
  }
}

/// The step of AdamW.
inline void decoupled_moment_step(const OptimizerStep& step, std::span<float> value, std::span<const float> gradient,
                                  std::span<const std::span<float>> states) {
  moment_step(step, {}, /*coupled=*/false, value, gradient, states);
}

}  // namespace edgesmith::train
