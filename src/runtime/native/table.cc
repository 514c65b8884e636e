// SPDX-License-Identifier: Apache-2.0
#include "runtime/native/table.h"

#include "runtime/native/tables.h"

namespace edgesmith::runtime::native {

#if defined(__x86_64__)

const NativeTable& native_table(Isa isa) {
  if (allows(isa, Isa::avx512)) return kAvx512Table;
  if (allows(isa, Isa::avx2)) return kAvx2Table;
  return kScalarTable;
}

#else

const NativeTable& native_table(Isa) { return kScalarTable; }

#endif

}  // namespace edgesmith::runtime::native
