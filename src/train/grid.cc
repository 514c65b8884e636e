// SPDX-License-Identifier: Apache-2.0
#include "train/grid.h"

#include <algorithm>
#include <cmath>

namespace edgesmith::train {

bool GridBounds::all_equal() const {
  const auto same = [](const std::vector<float>& numbers) {
    return std::all_of(numbers.begin(), numbers.end(), [&](float number) { return number == numbers[0]; });
  };
  return same(low) && same(high);
}

float used_step(float learned, float start) { return std::max(learned, kSmallestStep * start); }

float grid_code(float real, float step, float low, float high) {
  return std::nearbyint(std::min(std::max(real / step, low), high));
}

ir::Value& build_step(NodeMaker& maker, ir::Value& learned, const ir::Tensor& start) {
  std::vector<float> least = start.to_floats();
  for (float& step : least) step *= kSmallestStep;
  return maker.make(ir::OpKind::max, {&learned, &maker.constant(ir::Tensor::of<float>(start.dims(), least))});
}

ir::Value& build_grid(NodeMaker& maker, ir::Value& x, ir::Value& step, const GridBounds& bounds, const ir::Dims& dims) {
  ir::Value* codes = &maker.make(ir::OpKind::div, {&x, &step});
  if (bounds.all_equal()) {
    codes = &maker.make(ir::OpKind::clip, {codes, &maker.constant(ir::Tensor::scalar(bounds.low[0])),
                                           &maker.constant(ir::Tensor::scalar(bounds.high[0]))});
  } else {
    codes = &maker.make(ir::OpKind::max, {codes, &maker.constant(ir::Tensor::of<float>(dims, bounds.low))});
    codes = &maker.make(ir::OpKind::min, {codes, &maker.constant(ir::Tensor::of<float>(dims, bounds.high))});
  }
  ir::Value& rounded = maker.make(ir::OpKind::identity, {codes});
  rounded.set_quant(ir::Quant{.dtype = ir::DType::i32, .scale = {1.0F}, .zero_point = {0}, .method = "rounding"});
  return maker.make(ir::OpKind::mul, {&rounded, &step});
}

float step_rate(int64_t count, float high) {
  return static_cast<float>(1 / std::sqrt(static_cast<double>(std::max<int64_t>(1, count)) * std::max(1.0F, high)));
}

}  // namespace edgesmith::train
