// SPDX-License-Identifier: Apache-2.0
// What the float graph gives for calibration samples, kept from one sweep for a later one.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "edgesmith/ir/tensor.h"
#include "passes/quantize/stream.h"

namespace edgesmith::passes::quantize {

/// The results of the original for the samples that a later sweep will compare with. All or none: where they would take
/// more than 8 MiB, nothing is kept.
class ReferenceOutputs {
 public:
  /// Nothing is wanted where batches of `later` hold several samples.
  explicit ReferenceOutputs(const Stream& later);

  /// Not thread-safe. `sample` counts in the data set; samples that nobody wants are passed over.
  void keep(int64_t sample, std::vector<ir::Tensor> outputs);
  /// Null: not known.
  const std::vector<ir::Tensor>* find(int64_t sample) const;

 private:
  std::map<int64_t, std::vector<ir::Tensor>> outputs_;  // of wanted samples; empty ones are to come
  int64_t bytes_ = 0;
};

}  // namespace edgesmith::passes::quantize
