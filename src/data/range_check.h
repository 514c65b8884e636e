// SPDX-License-Identifier: Apache-2.0
// Does what the model gets look like what the declared preprocessing promises? Wrong preprocessing is the commonest
// cause of bad results, and nothing else tells it.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "edgesmith/data/dataset.h"
#include "edgesmith/ir/tensor.h"

namespace edgesmith::data {

/// Extremes of some samples of one input, before preprocessing and after.
struct ValueRange {
  double raw_low = 0, raw_high = 0;
  double low = 0, high = 0;
  bool pixels = false;  ///< raw values are 8-bit
  bool any = false;

  void add_raw(double low_value, double high_value, bool are_pixels);
  void add_pixels(std::span<const uint8_t> values);  ///< of an image
  void add(const ir::Tensor& tensor);
};

/// A sentence about what looks wrong, or "". `declared`: the user or the model's metadata said something (even "as it
/// is").
std::string range_complaint(const ValueRange& range, const Preprocess& preprocess, bool declared);

}  // namespace edgesmith::data
