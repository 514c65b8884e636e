// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/reference_outputs.h"

#include <utility>

namespace edgesmith::passes::quantize {
namespace {

constexpr int64_t kMostBytes = int64_t{8} << 20;

}  // namespace

ReferenceOutputs::ReferenceOutputs(const Stream& later) {
  if (later.num_batches() != later.num_samples()) return;
  for (int64_t batch = 0; batch < later.num_batches(); ++batch) outputs_[later.first_sample(batch)];
}

void ReferenceOutputs::keep(int64_t sample, std::vector<ir::Tensor> outputs) {
  const auto wanted = outputs_.find(sample);
  if (wanted == outputs_.end()) return;
  for (const ir::Tensor& tensor : wanted->second) bytes_ -= tensor.stored_bytes();
  for (const ir::Tensor& tensor : outputs) bytes_ += tensor.stored_bytes();
  wanted->second = std::move(outputs);
  if (bytes_ > kMostBytes) outputs_.clear();
}

const std::vector<ir::Tensor>* ReferenceOutputs::find(int64_t sample) const {
  const auto known = outputs_.find(sample);
  return known == outputs_.end() || known->second.empty() ? nullptr : &known->second;
}

}  // namespace edgesmith::passes::quantize
