// SPDX-License-Identifier: Apache-2.0
// The trained arrays of a model: from constants to inputs of a training graph, and back.
//
//   constant w ──▶ conv        becomes        input "w" [──▶ mask, codebook or grid] ──▶ conv
//
// What an optimizer changes is the input; what readers see keeps the form that the model has.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith::train {

struct CodeGrid;

/// One trained array: a float32 graph input of this name.
struct Parameter {
  std::string name;
  ir::Tensor value;       ///< dense f32: where training starts
  bool decay = false;     ///< weight decay applies: weights; not biases, norms, codebooks and steps
  bool repaired = false;  ///< a mask or codebooks leave only a part of the weight to train
  float rate = 1;         ///< factor on the learning rate: below 1 for the steps of grids
  /// Of reals behind codes (grid.h); the steps are the next parameter. Null: of anything else.
  std::shared_ptr<const CodeGrid> grid;
  /// Trained by the gradient of this value of the training graph, which is made from it (straight through); null: by
  /// its own.
  ir::Value* made = nullptr;
};

struct TrainableOptions {
  /// By node id: whose constants are trained; empty: all.
  std::vector<bool> trained;
  /// Steps of grids are learned, else they stay; what is annotated then stays an annotation.
  bool learn_steps = true;
  /// Codes of zero that are a mask stay zero; else they may leave it, and others come.
  bool keep_zeros = true;
  /// Weights with float codebooks may take other entries of theirs; else their indices stay.
  bool learn_indices = false;
  /// Biases and the numbers beside weights' codes and indices come back as short floats (ir::short_float).
  bool short_floats = false;
};

/// Rewrites `graph`, a clone of the student: every trained constant (trainable.h) becomes graph inputs, added behind
/// those that it has, and the nodes that make from them what the readers see:
///
/// - plain numbers: the input;
/// - masked ones (zeros are more than 5 % of a weight; sparse tensors): the input times a constant mask;
/// - codebooks: what constant indices gather of the input, the codebooks. Entries of zero stay zero. With
///   `learn_indices` reals beside them, each of which takes the nearest entry;
/// - weights that are codes: the input rounded to a grid with learned steps (LSQ: Esser et al., arXiv 1902.08153);
///   activations with an annotation likewise, one step for those that share a scale. Their rates are 1 / sqrt(N * Q),
///   the paper's gradient scale, N numbers sharing the step and Q the largest code. Scales of graph inputs, of
///   operators with a known range and of other constants stay.
///
/// The graph gives what the student gives. Returns the parameters in the order of their inputs. Errors: unsupported
/// (nothing to train).
Result<std::vector<Parameter>> make_trainable(ir::Graph& graph, const TrainableOptions& options = {});

/// The numbers beside all codes and indices of weights are short floats, and there are some.
bool have_short_floats(const ir::Graph& student);

/// Writes parameters of make_trainable, or some of them, into `student`, the graph whose clone it rewrote, in the form
/// that the student has: masks keep their zeros, codebooks their sizes and indices; codes lie on grids of the learned
/// steps, within the bits that they had, and int32 biases on the product of the scales of their input and weights.
/// Values that did not change leave their constants as they are, bit for bit. What the form is, the student's constants
/// and `options`, those of make_trainable, say: write each time into the student as it was before training (a clone of
/// it). Errors: invalid (a parameter that the student lacks, other dims, numbers that are not finite).
Status write_back(std::span<const Parameter> parameters, ir::Graph& student, const TrainableOptions& options = {});

}  // namespace edgesmith::train
