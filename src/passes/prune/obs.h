// SPDX-License-Identifier: Apache-2.0
// Optimal brain surgeon on rows of weights: which to remove, and what the others become.
//
// A row's output error for weights v instead of w is (w - v)' H (w - v), H the second moments of its inputs.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace edgesmith::passes::prune {

/// The order in which weights or blocks go, and the error that each step adds when all others are refitted.
struct RemovalTrace {
  std::vector<int> order;
  std::vector<double> added;  ///< never negative
};

/// Removes `steps` weights, one at a time, each the one that costs least: Frantar and Alistarh 2022, "Optimal Brain
/// Compression", section 4, algorithm 1 (ExactOBS). `inverse` is H^-1 [n, n]. With `groups` [n] (N:M patterns, as in
/// the same paper's section 4) at most `most_of_group` weights of equal group go; it ends when none may. Those of
/// `first` go before all others, whatever their groups say.
RemovalTrace trace_removals(std::span<const double> weights, std::span<const double> inverse, int steps,
                            std::span<const int> groups = {}, int most_of_group = 0, std::span<const int> first = {});

/// The same for blocks, until all are gone (the paper's section 4 on blocks): `columns` [blocks, block_columns] are
/// those of every block, which all rows lose together; `weights` [rows, n] meet the same inputs.
RemovalTrace trace_blocks(std::span<const double> weights, std::span<const double> inverse,
                          std::span<const int> columns, size_t block_columns);

/// Exchanges weights that are kept for others of their group, as long as the refitted row's output error falls by that,
/// or until all that are gone had `rounds` turns. `moments` is H [n, n], `groups` [n]; negative: neither comes nor
/// goes. Removals one by one never look back; this does.
void exchange_removals(std::span<const double> weights, std::span<const double> moments, std::span<const int> groups,
                       int rounds, std::vector<bool>& kept);

/// The weights with the least output error among those that are zero where `kept` is false: H_kk v = (H w)_k.
void refit(std::span<double> weights, const std::vector<bool>& kept, size_t first, std::span<const double> moments);

}  // namespace edgesmith::passes::prune
