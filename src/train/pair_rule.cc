// SPDX-License-Identifier: Apache-2.0
#include "train/pair_rule.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "edgesmith/ops/op_info.h"
#include "edgesmith/ops/pair_sums.h"

namespace edgesmith::train {
namespace {

bool is_int8(const ir::Tensor& tensor) {
  return tensor.encoding() == ir::Encoding::affine && tensor.as_palette() == nullptr &&
         tensor.quant().dtype == ir::DType::i8;
}

// Calls visit(a, b) with the places in the tensor of every two weights that are added in 16 bits.
template <typename Visit>
void for_each_pair(const ir::Node& layer, const ir::Dims& dims, Visit&& visit) {
  int axis = ops::quant_facts(layer).weight_axis;
  if (axis < 0) axis += static_cast<int>(dims.size());
  const int64_t outputs = dims[static_cast<size_t>(axis)];
  int64_t inner = 1;
  for (size_t d = static_cast<size_t>(axis) + 1; d < dims.size(); ++d) inner *= dims[d];
  const int64_t width = ir::num_elements(dims) / std::max<int64_t>(1, outputs);
  const int64_t channels = layer.is(ir::OpKind::conv) ? dims[1] : width;
  const auto pairs = ops::summed_pairs(channels, channels > 0 ? width / channels : 0);
  const auto place = [&](int64_t m, int64_t k) {
    return static_cast<size_t>((k / inner * outputs + m) * inner + k % inner);
  };
  for (int64_t m = 0; m < outputs; ++m) {
    for (const auto& [a, b] : pairs) visit(place(m, a), place(m, b));
  }
}

}  // namespace

ir::Tensor keep_pair_rule(const ir::Node& layer, const ir::Tensor& before, ir::Tensor after) {
  if (!is_int8(before) || !is_int8(after) || before.rank() < 2 || !ops::adds_pairs(layer) ||
      ops::quant_facts(layer).weight_operand < 0) {
    return after;
  }
  const auto old = before.codes().data<int8_t>();
  bool held = true;
  for_each_pair(layer, before.dims(), [&](size_t a, size_t b) { held = held && !ops::pair_overflows(old[a], old[b]); });
  if (!held) return after;
  const auto trained = after.codes().data<int8_t>();
  std::vector<int8_t> codes(trained.begin(), trained.end());
  for_each_pair(layer, before.dims(), [&](size_t a, size_t b) {
    if (!ops::pair_overflows(codes[a], codes[b])) return;
    int8_t &larger = std::abs(codes[a]) > std::abs(codes[b]) ? codes[a] : codes[b],
           &other = &larger == &codes[a] ? codes[b] : codes[a];
    const int most = ops::kPairLimit - std::abs(other);
    larger = static_cast<int8_t>(larger > 0 ? most : -most);
  });
  return ir::Tensor::affine(ir::Tensor::of<int8_t>(after.dims(), codes), after.quant());
}

}  // namespace edgesmith::train
