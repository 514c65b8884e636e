// SPDX-License-Identifier: Apache-2.0
// Codes for weights that a packer spends few bits on.
#pragma once

#include <cstdint>
#include <vector>

#include "passes/quantize/low_bit.h"

namespace edgesmith::passes::quantize {

struct RatedCodes {
  LowBitCodes codes;
  double bits = 0;             ///< that an entropy coder spends on them all, expected
  std::vector<double> errors;  ///< squared, by output
};

/// Codes for a layer, one symmetric scale an output, with the least output error plus `price` times bits. Scales are
/// tried around the one at which uniform codes have that slope; rates are learnt from the codes of one round for the
/// next; then descent on the codes and least squares on the scales, which are short floats. The result does not depend
/// on the threads.
RatedCodes rate_aware_weight(const reconstruct::Layer& layer, const LowBitSettings& settings, double price,
                             const reconstruct::Gram& gram, ThreadPool& pool);

/// Foresees those bits from what each weight's error weighs alone, without sweeps.
class RateForecast {
 public:
  RateForecast(const reconstruct::Layer& layer, const LowBitSettings& settings, const reconstruct::Gram& gram,
               ThreadPool& pool);
  double bits(double price, ThreadPool& pool) const;

 private:
  int bits_ = 4;
  int64_t outputs_ = 0, rows_per_group_ = 1;
  size_t width_ = 0;
  std::vector<int64_t> rows_;     // those that are looked at
  std::vector<double> weights_;   // theirs
  std::vector<double> zeros_;     // as weights_, where zeros are a mask
  std::vector<double> of_error_;  // [groups][width]: what an error weighs
};

}  // namespace edgesmith::passes::quantize
