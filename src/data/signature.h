// SPDX-License-Identifier: Apache-2.0
// What a data set has to know of a model: its inputs and outputs, not its nodes.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "edgesmith/data/dataset.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith::data {

struct ModelInput {
  std::string name;
  ir::Type type;
  /// Axis 0 is the sample. Other inputs (scalars, a first dim that is a number where other inputs have a free one) are
  /// fed whole with every sample.
  bool batched = true;
};

struct Signature {
  std::vector<ModelInput> inputs;
  std::vector<std::string> output_names;
  std::vector<ir::Type> output_types;

  std::vector<std::string> input_names() const;
  /// The index of the first batched input; -1: none.
  int first_batched() const;
  /// Classes that a label may name: the last dim of a first output of rank 2; -1 when that says nothing.
  int64_t num_classes() const;
};

Signature signature_of(const ir::Graph& graph);

/// Those of dataset.h, for who stacks many samples: finding a signature means walking the graph.
Result<std::vector<ir::Tensor>> stack_inputs(std::span<const Sample> samples, const Signature& signature);
bool can_stack(const Sample& a, const Sample& b, const Signature& signature);

/// True when a tensor of `dims` can be fed to an input of `type`; axis 0 is not compared when `batched`.
bool fits(const ir::Dims& dims, const ir::Type& type, bool batched);

}  // namespace edgesmith::data
