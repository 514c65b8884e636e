// SPDX-License-Identifier: Apache-2.0
// The inner loops for neon: the flags of this file are set in CMakeLists.txt.
#include "runtime/native/isa/make_table.h"
#include "runtime/native/tables.h"

namespace edgesmith::runtime::native {

const NativeTable kNeonTable = make_table();

}  // namespace edgesmith::runtime::native
