// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

extern const NativeTable kScalarTable;
extern const NativeTable kAvx2Table;
extern const NativeTable kAvx512Table;
extern const NativeTable kNeonTable;

}  // namespace edgesmith::runtime::native
