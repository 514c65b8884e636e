// SPDX-License-Identifier: Apache-2.0
// integer/convert.h with the vectors of an instruction set: the same bytes, faster.
#pragma once

#include "runtime/integer/form.h"

namespace edgesmith::runtime::native {

/// Reals (float32, row-major) to codes in `layout`, and back.
void quantize_codes(Isa isa, const integer::CodeType& type, const ir::Dims& dims, const float* reals, Layout layout,
                    std::byte* codes);
void dequantize_codes(Isa isa, const integer::CodeType& type, const ir::Dims& dims, const std::byte* codes,
                      Layout layout, float* reals);
/// Codes from row-major to channels last, or back.
void change_code_layout(const ir::Dims& dims, const std::byte* from, Layout to_layout, std::byte* to);

}  // namespace edgesmith::runtime::native
