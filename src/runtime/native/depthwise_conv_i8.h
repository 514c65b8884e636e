// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution on codes, for tests that choose the vectors themselves.
#pragma once

#include "runtime/integer/form.h"
#include "runtime/native/int_table.h"

namespace edgesmith::runtime::native {

/// What kDepthwiseConvI8 prepares, for the given vectors. Errors: invalid.
Result<std::shared_ptr<const Prepared>> prepare_depthwise_conv_i8(const integer::Form& form, const IntTable& table);

}  // namespace edgesmith::runtime::native
