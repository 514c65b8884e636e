// SPDX-License-Identifier: Apache-2.0
// One layer's weights as indices and codebooks: fitting them and writing the constant.
#pragma once

#include <cstdint>
#include <vector>

#include "edgesmith/base/thread_pool.h"
#include "edgesmith/ir/graph.h"
#include "passes/reconstruct/gram.h"

namespace edgesmith::passes::share {

struct ShareSettings {
  int bits = 4;         ///< of an index, 1 to 8
  int64_t group = 16;   ///< output channels that share a codebook
  bool whole = false;   ///< the tensor has one codebook
  bool scaled = false;  ///< and a scale for every output channel
  bool int8 = false;    ///< entries are int8 codes
  bool quick = false;   ///< an estimate: fitted once
  double price = 0;     ///< squared error of the layer's outputs that a bit of an index is worth, when packed
};

struct SharedLayer {
  bool too_small = false;           ///< codebooks would take as much as they save; nothing else is set
  ir::Tensor tensor;                ///< palette, or affine over a palette
  std::vector<double> bias_change;  ///< by output; empty: none
  int64_t codebooks = 0, entries = 0;
  double error = 0, power = 0;  ///< squared, of the layer's outputs; 0 without data
  std::vector<double> errors;   ///< squared, by output; empty without data
  double index_bits = 0;        ///< that an entropy coder spends on the indices, expected; not of estimates
  double codebook_bits = 0;     ///< of entries and scales, packed
};

/// Shares the constant weight of `node`. With `gram` indices and entries are fitted to the layer's outputs, which aim
/// at the float model's unless the weight is `tied` to other layers. The result does not depend on the threads.
SharedLayer share_layer(ir::Node& node, bool tied, const ShareSettings& settings, const reconstruct::Gram* gram,
                        ThreadPool& pool);

/// Bits that codebooks of 2^bits entries, and scales, take when packed.
double codebook_bits(const ir::Node& node, const ShareSettings& settings, double bits);

/// Bits that indices of that many bits take, with full codebooks and scales; those of the floats when that is no more.
int64_t shared_bits(const ir::Node& node, const ShareSettings& settings, int bits);

/// Puts the constant, and the biases, in place.
void write_shared(ir::Graph& graph, ir::Node& node, const SharedLayer& shared);

}  // namespace edgesmith::passes::share
