// SPDX-License-Identifier: Apache-2.0
// Samples that lie in arrays along axis 0 (npz, npy, IDX).
#pragma once

#include <string>
#include <vector>

#include "data/source.h"

namespace edgesmith::data {

class ArraySource : public Source {
 public:
  /// `arrays`: one for each input of the model. An array has one sample a row of axis 0; for an input without a batch
  /// axis it may also be the one value that all samples share. Errors: invalid (different numbers of samples).
  static Result<std::unique_ptr<ArraySource>> make(std::string path, std::vector<ir::Tensor> arrays,
                                                   const Signature& signature);

  /// Errors: invalid (another number of labels).
  Status set_labels(std::vector<int64_t> labels);
  /// `targets`: arrays by output, invalid tensors where none is given. Errors: invalid (another number of rows).
  Status set_targets(std::vector<ir::Tensor> targets);

  int64_t size() const override { return size_; }
  std::string name(int64_t index) const override { return path_ + "[" + std::to_string(index) + "]"; }
  Result<std::vector<RawInput>> read(int64_t index) const override;
  Result<uint64_t> fingerprint(int64_t index) const override;
  bool has_labels() const override { return !labels_.empty(); }
  int64_t label(int64_t index) const override { return labels_.empty() ? -1 : labels_[static_cast<size_t>(index)]; }
  std::vector<ir::Tensor> targets(int64_t index) const override;

 private:
  std::string path_;
  int64_t size_ = 0;
  std::vector<ir::Tensor> arrays_;
  std::vector<bool> shared_;   ///< the whole array goes with every sample
  std::vector<bool> batched_;  ///< samples keep a batch axis of 1
  std::vector<int64_t> labels_;
  std::vector<ir::Tensor> targets_;
};

}  // namespace edgesmith::data
