// SPDX-License-Identifier: Apache-2.0
// The inner loops on codes for neon: the flags of this file are set in CMakeLists.txt.
#include "runtime/native/int_tables.h"
#include "runtime/native/isa/make_int_table.h"

namespace edgesmith::runtime::native {

const IntTable kNeonIntTable = make_int_table();

}  // namespace edgesmith::runtime::native
