// SPDX-License-Identifier: Apache-2.0
// Weights of 2 to 8 bits, with scales and codes that keep the layer's output.
#pragma once

#include <cstdint>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/base/thread_pool.h"
#include "edgesmith/ir/tensor.h"
#include "passes/reconstruct/gram.h"
#include "passes/reconstruct/layer.h"

namespace edgesmith::passes::quantize {

struct LowBitSettings {
  int bits = 4;            ///< 2 to 8
  bool symmetric = true;   ///< no zero points
  int64_t block_size = 0;  ///< input channels that share a scale; 0: all of an output
  bool quick = false;      ///< an estimate: few scales, codes as the sweep leaves them
};

/// Codes real = (code - zero) * scale, low <= code <= high.
struct Grid {
  float scale = 1;
  int32_t zero = 0, low = -8, high = 7;

  double nearest(double real) const;
};

/// Grids that may be best for some weights, the widest first: all scales from the weights' range down to a third of it.
/// Symmetric grids hold 2^bits consecutive codes around zero, one more of them below it or above it: of few bits, the
/// side with the larger weights wants it. (Stored in 4 or 8 bits; of 4 and 8 bits the type says which.)
std::vector<Grid> candidate_grids(double least, double largest, const LowBitSettings& settings);

struct LowBitCodes {
  ir::Tensor weight;                ///< affine: i4 or u4 up to 4 bits, i8 or u8 above
  std::vector<double> bias_change;  ///< by output; empty: none
  double error = 0;    ///< squared error of the layer's outputs, summed over them; of the weights without data
  double sqnr_db = 0;  ///< of the layer's output; of the weights without data
};

/// True when the layer's input channels divide into blocks of the size that the settings ask for.
bool takes_blocks(const reconstruct::Layer& layer, int64_t block_size);

/// Codes for a layer. With `gram` they aim at the float model's output: for every output the weights that give it from
/// the inputs that the layer now gets (gram.h), every candidate scale swept (sweep.h), the best one refined by rounds
/// of coordinate descent and least squares on its scales. Without: nearest codes, scales by the error of the weights.
/// Zeros of pruned layers stay zero. The result does not depend on the number of threads.
LowBitCodes low_bit_weight(const reconstruct::Layer& layer, const LowBitSettings& settings,
                           const reconstruct::Gram* gram, ThreadPool& pool);

/// Puts the codes, and the changed bias, in place.
void put_codes(ir::Graph& graph, const reconstruct::Layer& layer, const LowBitCodes& codes);

}  // namespace edgesmith::passes::quantize
