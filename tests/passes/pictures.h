// SPDX-License-Identifier: Apache-2.0
// Random pictures as calibration data.
#pragma once

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "edgesmith/base/random.h"
#include "edgesmith/data/dataset.h"

namespace edgesmith::passes {

/// Values are decided by the index alone, so they are the same in any order.
class Pictures : public data::Dataset {
 public:
  Pictures(ir::Dims dims, int64_t size) : dims_(std::move(dims)), size_(size) {}
  int64_t size() const override { return size_; }
  bool has_labels() const override { return false; }
  Result<data::Sample> sample(int64_t index) const override {
    Random random(static_cast<uint64_t>(index) + 100);
    data::Sample sample;
    ir::Tensor tensor = ir::Tensor::zeros(ir::DType::f32, dims_);
    for (float& value : tensor.mutable_data<float>()) value = static_cast<float>(random.normal());
    if (index == poisoned_) tensor.mutable_data<float>()[3] = NAN;
    sample.inputs.push_back(std::move(tensor));
    return sample;
  }
  std::string sample_name(int64_t index) const override { return "pictures[" + std::to_string(index) + "]"; }
  Result<uint64_t> fingerprint(int64_t index) const override { return static_cast<uint64_t>(index); }
  const data::Preprocess& preprocess() const override { return preprocess_; }
  const std::vector<std::pair<std::string, data::Preprocess>>& preprocess_table() const override { return table_; }
  void poison(int64_t index) { poisoned_ = index; }

 private:
  ir::Dims dims_;
  int64_t size_, poisoned_ = -1;
  data::Preprocess preprocess_;
  std::vector<std::pair<std::string, data::Preprocess>> table_;
};

}  // namespace edgesmith::passes
