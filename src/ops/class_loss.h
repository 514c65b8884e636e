// SPDX-License-Identifier: Apache-2.0
// What negative_log_likelihood_loss and softmax_cross_entropy_loss share: losses of log probabilities x [N, C, ...] at
// the classes that targets [N, ...] name.
//
// Attributes: ignore_index (a target that does not count), reduction: mean (default; over the weights that count), sum,
// none. Optional operand: weights of the classes [C].
#pragma once

#include <vector>

#include "edgesmith/ops/gradient.h"
#include "edgesmith/ops/op_info.h"

namespace edgesmith::ops {

Status verify_class_loss(const ir::Node& node);
/// The type of the loss: a scalar, or the shape of the targets.
ir::Type class_loss_type(const ir::Node& node);
/// -weight[t] * x[t] reduced; `weights` may be null. f32 and f64. Errors: invalid, unsupported.
Result<ir::Tensor> class_loss(const ir::Node& node, const ir::Tensor& log_probabilities, const ir::Tensor& targets,
                              const ir::Tensor* weights);

/// The gradients of the loss.
struct ClassLossGradients {
  Term x;        ///< of the log probabilities
  Term weights;  ///< of the weights; null where nobody wants it
};
/// From dloss, the gradient of the loss. `x`: the log probabilities that the loss was computed from.
ClassLossGradients class_loss_gradients(const ir::Node& node, const Term& x, const Term& dloss);

}  // namespace edgesmith::ops
