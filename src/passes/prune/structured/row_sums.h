// SPDX-License-Identifier: Apache-2.0
// Sums of the products of every two numbers of a row: all that least squares need of the data.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/base/thread_pool.h"
#include "passes/prune/structured/groups.h"

namespace edgesmith::passes::prune {

/// Memory for sums that are kept at once.
inline constexpr int64_t kMomentBytes = int64_t{512} << 20;
/// Layers with more inputs (inputs_of_row) have sums that are too large to keep and factor: they are not refitted.
inline constexpr int64_t kWidest = 8192;

/// A row is [inputs of a layer (a patch), 1, targets].
class RowSums {
 public:
  explicit RowSums(int64_t width = 0);

  int64_t width() const { return width_; }
  int64_t num_rows() const { return num_rows_; }
  int64_t bytes() const { return static_cast<int64_t>(products_.size() * sizeof(double)); }
  /// Adds rows [count][width()], packed densely, with kReadAhead readable numbers behind them. The order of the calls
  /// decides the last bits, the number of threads does not.
  void add(const float* rows, int64_t count, ThreadPool& pool);
  static constexpr size_t kReadAhead = 64;
  /// The mean of row[i] * row[j].
  double mean(int64_t i, int64_t j) const;

 private:
  int64_t width_ = 0, num_rows_ = 0;
  std::vector<double> products_;  ///< row-major; true in the upper triangle
};

/// Which output positions of a layer are looked at in a sample: spread evenly, and others in every sample.
struct RowPlan {
  RowPlan(const MixLayer& layer, int64_t num_batches);

  int64_t rows_per_batch = 1;
};

/// What a layer reads at the chosen positions, and what it should give there.
struct RowSource {
  const ir::Node* node = nullptr;  ///< with the weight that it has now
  const ir::Tensor* input = nullptr;
  const ir::Tensor* target = nullptr;  ///< of the layer's result's shape with `target_channels`; null: no targets
  const ir::Tensor* minus = nullptr;   ///< of the layer's result's shape, taken from the target; or null
  std::span<const int64_t> kept;       ///< channels of the target that the layer still gives
};
/// Writes [rows][width] and returns how many rows that were. Of a ConvTranspose a row is all channels at one input
/// position, and there are no targets. Errors: invalid.
Result<int64_t> take_rows(const MixLayer& layer, const RowSource& source, int64_t rows_per_batch, int64_t batch,
                          int64_t width, std::vector<float>& rows);

/// Numbers of a row's first part: inputs times taps, or the input channels of a ConvTranspose.
int64_t inputs_of_row(const MixLayer& layer);

}  // namespace edgesmith::passes::prune
