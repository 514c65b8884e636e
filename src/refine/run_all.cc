// SPDX-License-Identifier: Apache-2.0
// All answers of a model: what `infer` writes.
#include <cstring>

#include "edgesmith/base/sha256.h"
#include "edgesmith/data/run_model.h"
#include "edgesmith/refine/measure.h"

namespace edgesmith::refine {
namespace {

/// Joins `parts` on axis 0.
Result<ir::Tensor> join_samples(const std::vector<const ir::Tensor*>& parts, const std::string& name) {
  const ir::Tensor& first = *parts.front();
  if (parts.size() == 1) return first.dense();
  ir::Dims dims = first.dims();
  if (dims.empty() || ir::dtype_bits(first.dtype()) < 8) {
    return unsupported_error("output '" + name + "' " + first.type().text() + " cannot be joined over samples");
  }
  dims[0] = 0;
  for (const ir::Tensor* part : parts) {
    const bool fits = part->rank() == first.rank() && part->dtype() == first.dtype() &&
                      std::equal(dims.begin() + 1, dims.end(), part->dims().begin() + 1);
    if (!fits) {
      return unsupported_error("output '" + name + "' is " + first.type().text() + " for one sample and " +
                               part->type().text() + " for another, and cannot be joined");
    }
    dims[0] += part->dims()[0];
  }
  ir::Tensor joined = ir::Tensor::zeros(first.dtype(), dims);
  std::byte* to = joined.mutable_bytes().data();
  for (const ir::Tensor* part : parts) {
    const ir::Tensor dense = part->dense();
    std::memcpy(to, dense.bytes().data(), dense.bytes().size());
    to += dense.bytes().size();
  }
  return joined;
}

}  // namespace

Result<std::vector<ir::Tensor>> join_outputs(const ir::Graph& graph, std::span<const std::vector<ir::Tensor>> samples) {
  std::vector<ir::Tensor> results;
  for (size_t o = 0; o < graph.output_names().size(); ++o) {
    std::vector<const ir::Tensor*> parts;
    for (const std::vector<ir::Tensor>& outputs : samples) parts.push_back(&outputs[o]);
    auto joined = join_samples(parts, graph.output_names()[o]);
    if (!joined) return joined.error();
    results.push_back(std::move(*joined));
  }
  return results;
}

Result<ir::Tensor> join_targets(std::span<const std::vector<ir::Tensor>> samples, const std::string& name) {
  std::vector<const ir::Tensor*> parts;
  for (const std::vector<ir::Tensor>& sample : samples) parts.push_back(&sample[0]);
  return join_samples(parts, name);
}

std::string outputs_sha256(std::span<const ir::Tensor> outputs) {
  std::vector<ir::Tensor> dense;
  std::vector<std::span<const std::byte>> parts;
  for (const ir::Tensor& output : outputs) {
    if (output.dtype() == ir::DType::string) {
      for (const std::string& text : output.string_data()) parts.push_back(std::as_bytes(std::span(text)));
    } else {
      parts.push_back(dense.emplace_back(output.dense()).bytes());
    }
  }
  return sha256_hex(parts);
}

Result<std::vector<ir::Tensor>> run_all(const ir::Graph& graph, const data::Dataset& data,
                                        const MeasureContext& context) {
  auto executor = runtime::Executor::create(graph, context.executor);
  if (!executor) return executor.error();
  std::vector<std::vector<ir::Tensor>> samples(static_cast<size_t>(data.size()));
  const auto take_batch = [&](const data::Batch& batch) -> Status {
    for (size_t i = 0; i < batch.samples.size(); ++i) {
      samples[static_cast<size_t>(batch.first_sample) + i] = batch.outputs(i);
    }
    return {};
  };
  data::RunOptions options;
  options.what = "run";
  EDGESMITH_TRY(data::for_each_batch(**executor, data, *context.pool, context.progress, take_batch, options));
  return join_outputs(graph, samples);
}

}  // namespace edgesmith::refine
