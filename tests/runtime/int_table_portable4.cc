// SPDX-License-Identifier: Apache-2.0
// The inner loops on codes for vectors of 4 lanes, emulated.
#define EDGESMITH_PORTABLE_LANES 4
#include "runtime/native/int_tables.h"
#include "runtime/native/isa/make_int_table.h"

namespace edgesmith::runtime::native {

const IntTable kPortable4IntTable = make_int_table();

}  // namespace edgesmith::runtime::native
