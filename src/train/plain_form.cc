// SPDX-License-Identifier: Apache-2.0
// Numbers that are trained as they are, and such with a mask of zeros.
#include <algorithm>

#include "train/weight_form.h"

namespace edgesmith::train {
namespace {

// True for zeros that pruning made: not for a few that happen to be zero, nor for a layer that begins at zero.
bool is_masked(const std::vector<float>& numbers) {
  const auto zeros = static_cast<double>(std::count(numbers.begin(), numbers.end(), 0.0F));
  const auto size = static_cast<double>(numbers.size());
  return zeros > kMaskedShare * size && zeros < size;
}

class PlainForm : public WeightForm {
 public:
  PlainForm(const ir::Tensor& constant, bool weight) : constant_(constant), weight_(weight) {
    const std::vector<float> numbers = constant.to_floats();
    if (constant.encoding() != ir::Encoding::sparse && !(weight && is_masked(numbers))) return;
    for (const float number : numbers) mask_.push_back(number == 0 ? 0.0F : 1.0F);
  }

  std::vector<Parameter> parameters(const std::string& name) const override {
    return {{.name = name,
             .value = ir::Tensor::of<float>(constant_.dims(), constant_.to_floats()),
             .decay = weight_,
             .repaired = !mask_.empty()}};
  }

  ir::Value& build(NodeMaker& maker, const std::vector<ir::Value*>& inputs) const override {
    if (mask_.empty()) return *inputs[0];
    return maker.make(ir::OpKind::mul, {inputs[0], &maker.constant(ir::Tensor::of<float>(constant_.dims(), mask_))});
  }

  ir::Tensor restore(const std::vector<ir::Tensor>& values) const override {
    std::vector<float> numbers = values[0].to_floats();
    if (constant_.encoding() == ir::Encoding::sparse) {
      std::vector<float> kept;
      for (const int64_t position : constant_.positions().to_int64s()) {
        kept.push_back(numbers[static_cast<size_t>(position)]);
      }
      return ir::Tensor::sparse(constant_.dims(), ir::Tensor::of<float>(constant_.codes().dims(), kept),
                                constant_.positions());
    }
    for (size_t i = 0; i < mask_.size(); ++i) {
      if (mask_[i] == 0) numbers[i] = 0;
    }
    return ir::Tensor::of<float>(constant_.dims(), numbers);
  }

 private:
  ir::Tensor constant_;
  bool weight_;
  std::vector<float> mask_;  // 0 or 1; empty: none
};

}  // namespace

std::unique_ptr<WeightForm> plain_form(const ir::Tensor& constant, bool weight) {
  return std::make_unique<PlainForm>(constant, weight);
}

}  // namespace edgesmith::train
