// SPDX-License-Identifier: Apache-2.0
// The inner loops for scalar: the flags of this file are set in CMakeLists.txt.
#define EDGESMITH_SCALAR
#include "runtime/native/isa/make_table.h"
#include "runtime/native/tables.h"

namespace edgesmith::runtime::native {

const NativeTable kScalarTable = make_table();

}  // namespace edgesmith::runtime::native
