// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/native/int_table.h"

namespace edgesmith::runtime::native {

/// Plain C++ with vectors of 8 and of 16 lanes: the first is what CPUs without a table of their own run, the second
/// tests the tiles of AVX-512 where that is missing.
extern const IntTable kPortable8IntTable, kPortable16IntTable;
extern const IntTable kAvx2IntTable, kAvxVnniIntTable, kAvx512IntTable, kAvx512VnniIntTable;

}  // namespace edgesmith::runtime::native
