// SPDX-License-Identifier: Apache-2.0
#include "runtime/native/round_halves.h"

#include <algorithm>

#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

void round_to_half(Isa isa, ir::DType half, float* data, int64_t count) {
  const NativeTable& table = native_table(isa);
  (half == ir::DType::f16 ? table.round_to_f16 : table.round_to_bf16)(data, count);
}

ir::Tensor rounded_to_half(Isa isa, const ir::Tensor& tensor, ir::DType half) {
  ir::Tensor copy = ir::Tensor::zeros(ir::DType::f32, tensor.dims());
  std::ranges::copy(tensor.data<float>(), copy.mutable_data<float>().begin());
  round_to_half(isa, half, copy.mutable_data<float>().data(), copy.size());
  return copy;
}

}  // namespace edgesmith::runtime::native
