// SPDX-License-Identifier: Apache-2.0
// Matrix products on codes, for tests that choose the vectors themselves.
#pragma once

#include "runtime/integer/form.h"
#include "runtime/native/int_table.h"

namespace edgesmith::runtime::native {

/// What kGemmI8 and kMatMulI8 prepare, for the given vectors. Errors: invalid.
Result<std::shared_ptr<const Prepared>> prepare_gemm_i8(const integer::Form& form, const IntTable& table);

}  // namespace edgesmith::runtime::native
