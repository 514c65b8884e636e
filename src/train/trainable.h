// SPDX-License-Identifier: Apache-2.0
// Which constants of a model are trained.
#pragma once

#include <string>
#include <vector>

#include "edgesmith/ir/graph.h"

namespace edgesmith::train {

/// A constant that is trained.
struct Trainable {
  std::string name;  ///< unique; the same for a clone of the graph, and after training
  ir::Value* value = nullptr;
  std::vector<ir::Use> uses;  ///< the reads that see what is learned; others keep the constant
  bool weight = false;        ///< multiplied by activations: it may be masked, and decays
};

/// The trained constants, in the order of their first readers: weights and biases of Conv, ConvTranspose, Gemm and
/// MatMul, also behind operators that only change their dims, scales and biases of norms (not their statistics),
/// PRelu's slopes, embeddings (Gather), and tensors that Add, Sub, Mul and Div combine with what depends on one of
/// these. Float32 only, whatever their encoding. `trained` says by node id whose constants may change; empty: all.
std::vector<Trainable> find_trainables(const ir::Graph& graph, const std::vector<bool>& trained = {});

}  // namespace edgesmith::train
