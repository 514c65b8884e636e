// SPDX-License-Identifier: Apache-2.0
// Random points as training data.
#pragma once

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "edgesmith/base/random.h"
#include "edgesmith/data/dataset.h"

namespace edgesmith::train {

/// Rows of normal numbers, decided by the index alone. With labels: the place of the largest of the first three.
class Points : public data::Dataset {
 public:
  Points(ir::Dims dims, int64_t size, bool labels = false) : dims_(std::move(dims)), size_(size), labels_(labels) {}
  int64_t size() const override { return size_; }
  bool has_labels() const override { return labels_; }
  Result<data::Sample> sample(int64_t index) const override {
    Random random(static_cast<uint64_t>(index) + 1);
    data::Sample sample;
    ir::Tensor tensor = ir::Tensor::zeros(ir::DType::f32, dims_);
    const auto numbers = tensor.mutable_data<float>();
    for (float& value : numbers) value = static_cast<float>(random.normal());
    if (labels_) sample.label = std::max_element(numbers.begin(), numbers.begin() + 3) - numbers.begin();
    sample.inputs.push_back(std::move(tensor));
    return sample;
  }
  std::string sample_name(int64_t index) const override { return "points[" + std::to_string(index) + "]"; }
  Result<uint64_t> fingerprint(int64_t index) const override { return static_cast<uint64_t>(index); }
  const data::Preprocess& preprocess() const override { return preprocess_; }
  const std::vector<std::pair<std::string, data::Preprocess>>& preprocess_table() const override { return table_; }

 private:
  ir::Dims dims_;
  int64_t size_;
  bool labels_;
  data::Preprocess preprocess_;
  std::vector<std::pair<std::string, data::Preprocess>> table_;
};

}  // namespace edgesmith::train
