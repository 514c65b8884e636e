// SPDX-License-Identifier: Apache-2.0
// Least squares for the weights of a layer, and what it costs that inputs go.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "edgesmith/base/thread_pool.h"
#include "passes/prune/structured/groups.h"
#include "passes/prune/structured/row_sums.h"

namespace edgesmith::passes::prune {

/// The weights of a layer as a linear map of its rows (row_sums.h).
struct Linear {
  int64_t outputs = 0, width = 0;  ///< of a ConvTranspose, `outputs` are output channels times taps
  int64_t step = 1;                ///< numbers of a row for each input channel
  int64_t groups = 1;              ///< of outputs and of numbers of a row: outputs read those of their group
  std::vector<double> weights;     ///< [outputs][width]
  bool has_bias = false;           ///< the layer's means are free

  bool reads(int64_t output, int64_t number) const { return output * groups / outputs == number * groups / width; }
};
Linear read_linear(const MixLayer& layer);
/// Writes weights back and adds `bias_change` by output channel (empty: none).
void write_linear(ir::Graph& graph, const MixLayer& layer, const Linear& linear,
                  const std::vector<double>& bias_change);

/// Second moments of the first `width` numbers of the rows [width][width], those of different groups zero; around the
/// means when `centred`, which are zero otherwise.
std::vector<double> input_moments(const RowSums& sums, const Linear& linear, bool centred, std::vector<double>& means);
/// Adds this share of the mean of the diagonal to it, and what the sums may be off by rounding.
void damp_moments(std::vector<double>& moments, const std::vector<double>& means, double share);
/// Both, with the share that choosing channels takes.
std::vector<double> damped_moments(const RowSums& sums, const Linear& linear, bool centred);
/// Power of the output that the weights give: the sum over outputs of w' H w.
double output_power(const Linear& linear, const std::vector<double>& moments, ThreadPool& pool);

/// The weights with the least output error against `linear` that read the kept numbers of the rows only: solves
/// H_kk v = (H w)_k, zeros elsewhere.
void refit_kept(Linear& linear, const std::vector<bool>& kept, const std::vector<double>& moments, ThreadPool& pool);

/// What the mean of the inputs gave by the weights that changed, by output channel.
std::vector<double> mean_change(const MixLayer& layer, const Linear& before, const Linear& after, const RowSums& sums);

/// How units of channels go one after the other, and what that costs.
struct UnitTrace {
  std::vector<size_t> order;   ///< units, first to go first
  std::vector<double> errors;  ///< [units + 1]: of all that went so far; rising
};

/// One reader of a group.
struct Reader {
  Linear linear;
  std::vector<double> moments;
  std::vector<std::vector<int64_t>> columns;  ///< by unit: the numbers of a row that go with it
  double scale = 1;                           ///< of its errors
};

/// `obs`: each time the unit goes that costs least over all readers when they are refitted (optimal brain surgeon by
/// blocks of columns, Hassibi and Stork 1993; greedy as He et al. 2017, "Channel Pruning", and ThiNet). Where that is
/// too much work, and for `wanda`: by the power that the unit alone gives.
UnitTrace trace_units(std::vector<Reader> readers, size_t num_units, const std::string& criterion, ThreadPool& pool);

}  // namespace edgesmith::passes::prune
