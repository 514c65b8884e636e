// SPDX-License-Identifier: Apache-2.0
#include "runtime/integer/form.h"

namespace edgesmith::runtime::integer {

std::optional<CodeType> code_type(const ir::Quant* quant) {
  if (quant == nullptr || quant->scale.size() != 1 || quant->zero_point.size() != 1) return std::nullopt;
  if (quant->dtype != ir::DType::u8 && quant->dtype != ir::DType::i8) return std::nullopt;
  CodeType type;
  type.dtype = quant->dtype;
  type.scale = quant->scale[0];
  type.zero_point = quant->zero_point[0];
  type.lo = static_cast<int32_t>(ir::min_code(quant->dtype));
  type.hi = static_cast<int32_t>(ir::max_code(quant->dtype));
  return type;
}

}  // namespace edgesmith::runtime::integer
