// SPDX-License-Identifier: Apache-2.0
// How far quantized forms of a graph are from the float one on calibration samples.
#pragma once

#include <optional>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"
#include "passes/quantize/range.h"
#include "passes/quantize/reference_outputs.h"
#include "passes/quantize/stream.h"

namespace edgesmith::passes::quantize {

/// How quantized graphs run to be measured: by integers, as devices do, which is also the fastest way.
inline constexpr runtime::Arithmetic kMeasuredArithmetic = runtime::Arithmetic::exact_i32;

/// Measures candidates against the original on the samples of one stream.
class OutputErrors {
 public:
  /// Results of the original that are in `reference` are not computed again.
  OutputErrors(const ir::Graph& original, const Stream& stream, const ReferenceOutputs* reference = nullptr)
      : original_(original), stream_(stream), reference_(reference) {}

  /// Squared error over squared signal of the float results of each of `candidates`, averaged over the graph's outputs.
  /// All are run side by side on the same samples. Errors: those of the runs.
  Result<std::vector<double>> measure(const std::vector<const ir::Graph*>& candidates);

  /// The same in two steps, for candidates that run on several streams. `by_batch`: [candidate][batch], each batch's
  /// error over its own signal.
  Result<std::vector<Runner>> prepare(const std::vector<const ir::Graph*>& candidates) const;
  Result<std::vector<double>> measure(const std::vector<Runner*>& candidates,
                                      std::vector<std::vector<double>>* by_batch);

 private:
  using Outputs = std::vector<ir::Tensor>;

  /// What the original gives for a batch, where it is known.
  const Outputs* known(int64_t batch) const;

  const ir::Graph& original_;
  const Stream& stream_;
  const ReferenceOutputs* reference_;
  std::vector<Outputs> kept_;  ///< by batch: what the original gives, where that takes little memory
};

/// How far the values of a quantized graph are from those of the original: every one holds the error of all that comes
/// before it.
struct ValueErrors {
  std::vector<double> noise_to_signal;  ///< by value id; -1 where nothing was seen; empty: not measured
  std::vector<double> share_outside;    ///< likewise: of the original's values, those outside the given range
  double outputs = 0;                   ///< noise to signal, averaged over the graph's outputs
};

/// Measures the values that have a range in `watched` (by value id; `original` and `quantized` have equal ids).
Result<ValueErrors> measure_values(const ir::Graph& original, const ir::Graph& quantized,
                                   const std::vector<std::optional<Range>>& watched, const Stream& stream);

/// 10 log10(signal / noise); infinite without noise, NaN for NaN.
double decibels(double noise_to_signal);

}  // namespace edgesmith::passes::quantize
