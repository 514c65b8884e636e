// SPDX-License-Identifier: Apache-2.0
// What is compared with what: values of the student, values of the teacher, and the losses between them.
#pragma once

#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/train/loss.h"

namespace edgesmith::train {

/// A value of the student, and the teacher's that it is held against, by their ids.
struct Pair {
  int student = -1;
  int teacher = -1;            ///< -1: no loss needs one
  int output = -1;             ///< the student's output that it is, by index; -1: a value inside
  bool scores = false;         ///< it is what the softmax before that output reads
  bool probabilities = false;  ///< one of the two holds probabilities, and not by a softmax at its end
  std::string name;            ///< of the student's, for messages
  int rank = 0;
  int class_axis = 1;
  int64_t classes = -1;  ///< along class_axis; -1: not known
};

/// One loss between the values of one pair.
struct LossTerm {
  const LossInfo* loss = nullptr;
  size_t pair = 0;
  double weight = 1;
};

struct Objective {
  std::vector<Pair> pairs;
  std::vector<LossTerm> terms;
  double temperature = 1;
  bool needs_teacher = false, needs_labels = false;
  std::vector<std::string> notes;  ///< what users might not expect

  /// The pair whose largest score is the answer; null where no value holds scores of classes.
  const Pair* answer() const;
  /// "kl of 'logits', 0.5 features of 'pool'".
  std::string text() const;
};

struct ObjectiveOptions {
  std::vector<std::string> losses;    ///< "kl", "cross-entropy=0.5"; empty: what the outputs call for
  std::vector<std::string> match;     ///< "student=teacher": outputs held against each other, and no others
  std::vector<std::string> features;  ///< "student=teacher": values inside
  double feature_weight = 1;
  double temperature = 1;
};

/// Pairs outputs by --match, else by name, else the only one with the only one. Graphs have types. Errors: usage (an
/// unknown loss or value, outputs without a counterpart or of other dims, a loss that does not suit a value).
Result<Objective> make_objective(const ir::Graph& student, const ir::Graph& teacher, const ObjectiveOptions& options);

/// The value of that id, or null.
ir::Value* find_value(const ir::Graph& graph, int id);
/// The student's value of a pair in a clone of the student, which may compute it by other nodes.
ir::Value& student_value(const ir::Graph& clone, const Pair& pair);

}  // namespace edgesmith::train
