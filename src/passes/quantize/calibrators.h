// SPDX-License-Identifier: Apache-2.0
// Calibrators: rules that pick the range of a value from what was observed of it. One row and one file each.
#pragma once

#include <span>
#include <string_view>

#include "passes/quantize/histogram.h"
#include "passes/quantize/range.h"

namespace edgesmith::passes::quantize {

/// What the sweeps over the calibration data found out about the values that share one scale.
struct Observations {
  Range extremes;        ///< smallest and largest value seen
  Range moving_average;  ///< of the extremes of single batches
  Histogram histogram;   ///< over `extremes`; empty when no calibrator needs it
};

struct CalibratorSettings {
  double percentile = 99.99;  ///< percent of the values that the range holds
  int steps = 255;            ///< codes less one
  bool symmetric = false;     ///< the codes will reach as far below zero as above
};

/// One calibrator. The range it picks lies within the extremes and holds zero.
struct CalibratorInfo {
  std::string_view name;
  std::string_view summary;
  Range (*pick)(const Observations& observed, const CalibratorSettings& settings);
  bool needs_histogram;
};

/// All of them; "minmax" is the first.
std::span<const CalibratorInfo> all_calibrators();

/// The extremes.
Range pick_min_max(const Observations& observed, const CalibratorSettings& settings);
/// The moving average of the extremes of each batch (Jacob et al. 2018, "Quantization and training of neural networks
/// for efficient integer-arithmetic-only inference", section 3.1).
Range pick_moving_average(const Observations& observed, const CalibratorSettings& settings);
/// What holds settings.percentile percent of the values, the rest cut evenly from both ends.
Range pick_percentile(const Observations& observed, const CalibratorSettings& settings);
/// The least expected squared error of rounding and clipping together.
Range pick_mse(const Observations& observed, const CalibratorSettings& settings);
/// The least Kullback-Leibler divergence between the distribution and its quantized form (Migacz 2017, "8-bit inference
/// with TensorRT", GTC session S7310), for ranges with two ends.
Range pick_entropy(const Observations& observed, const CalibratorSettings& settings);

}  // namespace edgesmith::passes::quantize
