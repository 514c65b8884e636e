// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "data/signature.h"
#include "edgesmith/data/dataset.h"

namespace edgesmith::data {
namespace {

Result<ir::Tensor> stack(std::span<const Sample> samples, size_t input, int64_t batch) {
  const ir::Tensor& first = samples[0].inputs[input];
  ir::Dims dims = first.dims();
  dims[0] = batch;
  ir::Tensor stacked = ir::Tensor::zeros(first.dtype(), dims);
  const auto out = stacked.mutable_bytes();
  const size_t step = first.bytes().size();
  for (int64_t i = 0; i < batch; ++i) {
    const size_t from = std::min(static_cast<size_t>(i), samples.size() - 1);
    const ir::Tensor& tensor = samples[from].inputs[input];
    if (tensor.dims() != first.dims() || tensor.dtype() != first.dtype()) {
      return invalid_error(
          "samples of different shapes cannot go in one batch: " + first.type().text() + " and " + tensor.type().text(),
          "run them one at a time, or resize them to one shape");
    }
    std::memcpy(out.data() + static_cast<size_t>(i) * step, tensor.bytes().data(), step);
  }
  return stacked;
}

}  // namespace

bool can_stack(const Sample& a, const Sample& b, const ir::Graph& graph) {
  return can_stack(a, b, signature_of(graph));
}

bool can_stack(const Sample& a, const Sample& b, const Signature& signature) {
  for (size_t i = 0; i < a.inputs.size() && i < b.inputs.size(); ++i) {
    if (a.inputs[i].dims() != b.inputs[i].dims() || a.inputs[i].dtype() != b.inputs[i].dtype()) return false;
    if (!signature.inputs[i].batched && !a.inputs[i].identical_to(b.inputs[i])) return false;
  }
  return true;
}

Result<std::vector<ir::Tensor>> stack_inputs(std::span<const Sample> samples, const ir::Graph& graph) {
  return stack_inputs(samples, signature_of(graph));
}

Result<std::vector<ir::Tensor>> stack_inputs(std::span<const Sample> samples, const Signature& signature) {
  EDGESMITH_CHECK(!samples.empty());
  std::vector<ir::Tensor> inputs;
  for (size_t i = 0; i < signature.inputs.size(); ++i) {
    const ModelInput& input = signature.inputs[i];
    const ir::Tensor& first = samples[0].inputs[i];
    if (!input.batched || first.rank() == 0 || first.dims()[0] != 1) {
      inputs.push_back(first);
      continue;
    }
    const bool fixed = input.type.has_rank() && input.type.shape->front().known();
    const int64_t batch = fixed ? input.type.shape->front().value() : static_cast<int64_t>(samples.size());
    if (batch < static_cast<int64_t>(samples.size())) {
      return invalid_error("input '" + input.name + "': " + std::to_string(samples.size()) +
                           " samples for a model with batch " + std::to_string(batch));
    }
    if (batch == 1) {
      inputs.push_back(first);
      continue;
    }
    auto stacked = stack(samples, i, batch);
    if (!stacked) return stacked.error();
    inputs.push_back(std::move(*stacked));
  }
  return inputs;
}

}  // namespace edgesmith::data
