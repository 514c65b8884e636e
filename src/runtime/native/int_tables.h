// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/native/int_table.h"

namespace edgesmith::runtime::native {

/// Plain C++ with vectors of 8, 4 and 16 lanes: the first is what CPUs without a table of their own run, the others
/// test the tiles of NEON and of AVX-512 where those are missing.
extern const IntTable kPortable8IntTable, kPortable4IntTable, kPortable16IntTable;
extern const IntTable kAvx2IntTable, kAvxVnniIntTable, kAvx512IntTable, kAvx512VnniIntTable;
extern const IntTable kNeonIntTable, kNeonDotIntTable;

}  // namespace edgesmith::runtime::native
