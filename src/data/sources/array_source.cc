// SPDX-License-Identifier: Apache-2.0
#include "data/sources/array_source.h"

#include "data/labels.h"

namespace edgesmith::data {
namespace {

// Row `index` of axis 0, sharing the array's storage; `keep_axis` leaves a 1 in its place.
ir::Tensor row_of(const ir::Tensor& array, int64_t index, bool keep_axis) {
  ir::Dims dims(array.dims().begin() + 1, array.dims().end());
  const size_t bytes = array.bytes().size() / static_cast<size_t>(array.dims()[0]);
  if (keep_axis) dims.insert(dims.begin(), 1);
  const auto owner = std::make_shared<const ir::Tensor>(array);
  return ir::Tensor(array.dtype(), std::move(dims), array.bytes().subspan(static_cast<size_t>(index) * bytes, bytes),
                    owner);
}

}  // namespace

Result<std::unique_ptr<ArraySource>> ArraySource::make(std::string path, std::vector<ir::Tensor> arrays,
                                                       const Signature& signature) {
  EDGESMITH_CHECK(arrays.size() == signature.inputs.size());
  std::unique_ptr<ArraySource> source(new ArraySource);
  source->path_ = std::move(path);
  source->size_ = -1;
  size_t first = 0;
  for (size_t i = 0; i < arrays.size(); ++i) {
    const ModelInput& input = signature.inputs[i];
    const bool shared = !input.batched && fits(arrays[i].dims(), input.type, false);
    source->shared_.push_back(shared);
    source->batched_.push_back(input.batched);
    if (shared) continue;
    if (arrays[i].rank() == 0) {
      return invalid_error(source->path_ + ": the array for input '" + input.name + "' is a scalar, the model takes " +
                               input.type.text(),
                           "axis 0 is the sample");
    }
    if (source->size_ >= 0 && source->size_ != arrays[i].dims()[0]) {
      return invalid_error(source->path_ + ": " + std::to_string(source->size_) + " samples for input '" +
                               signature.inputs[first].name + "', " + std::to_string(arrays[i].dims()[0]) + " for '" +
                               input.name + "'",
                           "axis 0 is the sample; tensors to be fed whole go into a folder of ONNX test data");
    }
    if (source->size_ < 0) first = i;
    source->size_ = arrays[i].dims()[0];
  }
  if (source->size_ < 0) source->size_ = 1;  // nothing has a batch axis: one run
  source->arrays_ = std::move(arrays);
  return source;
}

Status ArraySource::set_labels(std::vector<int64_t> labels) {
  EDGESMITH_TRY(check_label_count(path_, static_cast<int64_t>(labels.size()), size_));
  labels_ = std::move(labels);
  return {};
}

Status ArraySource::set_targets(std::vector<ir::Tensor> targets) {
  for (const ir::Tensor& target : targets) {
    if (!target.valid()) continue;
    EDGESMITH_TRY(check_label_count(path_, target.rank() == 0 ? 1 : target.dims()[0], size_));
  }
  targets_ = std::move(targets);
  return {};
}

Result<std::vector<RawInput>> ArraySource::read(int64_t index) const {
  std::vector<RawInput> inputs;
  for (size_t i = 0; i < arrays_.size(); ++i) {
    inputs.emplace_back(shared_[i] ? arrays_[i] : row_of(arrays_[i], index, batched_[i]));
  }
  return inputs;
}

Result<uint64_t> ArraySource::fingerprint(int64_t index) const {
  uint64_t hash = 0;
  for (size_t i = 0; i < arrays_.size(); ++i) {
    hash = hash_bytes(shared_[i] ? arrays_[i].bytes() : row_of(arrays_[i], index, true).bytes(), hash);
  }
  return hash;
}

std::vector<ir::Tensor> ArraySource::targets(int64_t index) const {
  std::vector<ir::Tensor> rows;
  for (const ir::Tensor& target : targets_) {
    if (!target.valid() || target.rank() == 0) {
      rows.push_back(target);
    } else {
      rows.push_back(row_of(target, index, true));
    }
  }
  return rows;
}

}  // namespace edgesmith::data
