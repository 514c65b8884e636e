// SPDX-License-Identifier: Apache-2.0
// What the codes of a weight cost an entropy coder, for training that keeps that small (Oktay et al. 2020, "Scalable
// Model Compression by Entropy Penalized Reparameterization", arXiv 1906.06624; here on the grids of quantize).
//
// A code that occurs n times among N, of K that there may be, costs -log2((n + 1/2) / (N + K/2)) bits, what an adaptive
// coder without contexts comes to. Between two codes the cost of a real is interpolated: what its code costs on average
// where noise of half a step to both sides is added before rounding.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "train/grid.h"

namespace edgesmith::train {

/// The bits of all codes of `reals`, on the grid with the steps that `learned` means (used_step). Adds `weight` times
/// their derivative by each real to `gradient`, as long as reals or empty; frequencies and steps count as fixed there.
double code_bits(std::span<const float> reals, std::span<const float> learned, const CodeGrid& grid, double weight,
                 std::span<float> gradient);

/// Bits for each code of all weights that are codes, on average; nothing where none is.
std::optional<double> mean_code_bits(std::span<const Parameter> parameters);

}  // namespace edgesmith::train
