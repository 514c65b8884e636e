// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/ir/short_floats.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

namespace edgesmith::ir {

float short_float(float value, int bits) {
  if (bits >= kAllBits || !std::isfinite(value)) return value;
  auto word = std::bit_cast<uint32_t>(value);
  const int dropped = kAllBits - bits;
  word += (1U << (dropped - 1)) - 1 + (word >> dropped & 1);
  return std::bit_cast<float>(word & ~((1U << dropped) - 1));
}

Tensor with_short_floats(const Tensor& tensor) {
  const Tensor* palette = tensor.as_palette();
  if (tensor.encoding() == Encoding::affine) {
    Quant quant = tensor.quant();
    for (float& scale : quant.scale) scale = short_float(scale);
    return Tensor::affine(palette != nullptr ? *palette : tensor.codes(), std::move(quant));
  }
  if (palette != nullptr) {
    return Tensor::palette(tensor.codes(), with_short_floats(tensor.codebooks()), tensor.palette_axis());
  }
  std::vector<float> numbers = tensor.to_floats();
  for (float& number : numbers) number = short_float(number);
  return Tensor::of<float>(tensor.dims(), numbers);
}

bool has_short_floats(const Tensor& tensor) {
  const auto all_short = [](const std::vector<float>& numbers) {
    return std::all_of(numbers.begin(), numbers.end(), [](float number) { return number == short_float(number); });
  };
  if (tensor.encoding() == Encoding::affine) return all_short(tensor.quant().scale);
  return tensor.as_palette() != nullptr && all_short(tensor.codebooks().to_floats());
}

}  // namespace edgesmith::ir
