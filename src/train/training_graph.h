// SPDX-License-Identifier: Apache-2.0
// The graph that a step runs: the student with its weights as inputs, the losses, and everything's gradient.
//
//   image, weights..., teacher.0, labels, sample weights  ──▶  loss (summed over the samples), gradients...
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"
#include "train/objective.h"
#include "train/parameters.h"

namespace edgesmith::train {

/// How samples lie in the values of a pair.
struct BatchForm {
  int64_t fixed = 0;       ///< the batch that the student was made for; 0: any
  bool per_sample = true;  ///< axis 0 of every pair's values is the sample; else samples go one at a time
};

/// Adds the inputs of the losses to `graph` (for each pair that has a teacher "teacher.I", "labels" where some loss
/// needs them) and the loss of each sample: [N], or one number where samples go one at a time. `graph` has types, and
/// holds the pairs' student values under their ids. Errors: none but bugs.
ops::Term append_losses(ops::GradientBuilder& build, const Objective& objective, const BatchForm& form);

struct TrainingGraph {
  ir::Graph graph;
  std::vector<Parameter> parameters;
  size_t first_parameter = 0;   ///< the input that is parameters[0]; the others follow, then targets, labels, weights
  std::vector<size_t> trained;  ///< parameters that are not frozen and matter to the loss
  size_t loss = 0;              ///< the output that is the loss; the gradients of the trained follow
};

struct TrainingGraphOptions {
  std::vector<std::string> freeze;  ///< globs: names of parameters that stay as they are
  TrainableOptions trainable;
  std::function<Status(ir::Graph&)> simplify;  ///< keeps inputs and outputs; may be empty
};

/// Errors: unsupported (a node without a gradient, with the weights to freeze); usage (nothing to train, a glob of
/// `freeze` that matches nothing).
Result<TrainingGraph> make_training_graph(const ir::Graph& student, const Objective& objective, const BatchForm& form,
                                          const TrainingGraphOptions& options);

/// Bytes of activations that a run of `graph` over `batch` samples keeps, when the plan can tell.
Result<int64_t> activation_bytes(const ir::Graph& graph, int64_t batch);

}  // namespace edgesmith::train
