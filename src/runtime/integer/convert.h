// SPDX-License-Identifier: Apache-2.0
// Between the forms in which a value may lie in memory: reals (float32, row-major) and codes in two layouts.
#pragma once

#include "runtime/integer/form.h"

namespace edgesmith::runtime::integer {

/// Reals to codes, and back. `layout`: of the codes.
void quantize(const CodeType& type, const ir::Dims& dims, const float* reals, Layout layout, std::byte* codes);
void dequantize(const CodeType& type, const ir::Dims& dims, const std::byte* codes, Layout layout, float* reals);
/// Codes from row-major to channels last, or back.
void change_layout(const ir::Dims& dims, const std::byte* from, Layout to_layout, std::byte* to);

}  // namespace edgesmith::runtime::integer
