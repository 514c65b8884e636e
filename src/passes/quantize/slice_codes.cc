// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/slice_codes.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace edgesmith::passes::quantize {

SliceCodes code_slices(const std::vector<float>& reals, const ir::Dims& dims, int axis) {
  const auto slices = static_cast<size_t>(dims[static_cast<size_t>(axis)]);
  size_t inner = 1;
  for (size_t d = static_cast<size_t>(axis) + 1; d < dims.size(); ++d) inner *= static_cast<size_t>(dims[d]);
  const auto slice_of = [&](size_t i) { return i / inner % slices; };
  std::vector<float> largest(slices, 0);
  for (size_t i = 0; i < reals.size(); ++i) {
    float& most = largest[slice_of(i)];
    most = std::max(most, std::abs(reals[i]));
  }
  ir::Quant quant{.dtype = ir::DType::i8, .scale = {}, .zero_point = std::vector<int32_t>(slices, 0), .axis = axis};
  for (const float most : largest) {
    // Zeros, and numbers too small for a normal scale, are coded as zeros.
    quant.scale.push_back(most / 127 >= std::numeric_limits<float>::min() ? most / 127 : 1);
  }
  std::vector<int8_t> codes(reals.size());
  double signal = 0, noise = 0;
  for (size_t i = 0; i < reals.size(); ++i) {
    const float scale = quant.scale[slice_of(i)];
    codes[i] = static_cast<int8_t>(ir::quantize_value(reals[i], scale, 0, ir::DType::i8));
    const double error = static_cast<double>(reals[i]) - static_cast<double>(codes[i]) * static_cast<double>(scale);
    signal += static_cast<double>(reals[i]) * static_cast<double>(reals[i]);
    noise += error * error;
  }
  return {ir::Tensor::affine(ir::Tensor::of<int8_t>(dims, codes), std::move(quant)),
          noise > 0 ? 10 * std::log10(signal / noise) : INFINITY};
}

}  // namespace edgesmith::passes::quantize
