// SPDX-License-Identifier: Apache-2.0
// The constants of a convolution or matrix product on codes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "edgesmith/base/result.h"
#include "runtime/integer/requantize.h"

namespace edgesmith::runtime::integer {

/// result[.., m] = requantize(bias[m] + sum over k of (x[k] - x zero point) * (weight[m][k] - weight zero point)).
struct WeightLayer {
  int64_t outputs = 0;          ///< M: output channels (conv), columns (gemm, mat_mul)
  int64_t k = 0;                ///< weights of one output
  std::vector<int16_t> weight;  ///< [M][k], zero points subtracted; k runs over [taps][channels of the group]
                                ///< for conv (channels innermost), over rows of the matrix otherwise
  std::vector<int32_t> bias;    ///< [M], in units of x scale * weight scale; zeros where there is none
  Requantize requantize;
  int32_t input_zero_point = 0;

  bool fits_i8() const;  ///< every weight lies in [-128, 127]
  /// No pair of neighbours k, k+1 (k even) can leave 16 bits, whatever the unsigned codes (ops::pair_overflows). Then
  /// saturating sums are exact.
  bool pairs_safe() const;
};

/// True when the node is a conv, gemm or mat_mul with a constant weight of at most 8 bits with scales per output or per
/// tensor, and alpha, beta and bias allow integer arithmetic.
bool has_weight_layer(const Form& form);
/// Errors: invalid (a bias whose length does not fit).
Result<WeightLayer> make_weight_layer(const Form& form);

}  // namespace edgesmith::runtime::integer
