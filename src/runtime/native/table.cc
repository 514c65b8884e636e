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

#elif defined(__aarch64__)

const NativeTable& native_table(Isa isa) { return allows(isa, Isa::neon) ? kNeonTable : kScalarTable; }

#else

const NativeTable& native_table(Isa) { return kScalarTable; }

#endif

const NativeTable& table_for_width(Isa isa, int64_t width) {
  const NativeTable& narrow = native_table(Isa::avx2);
  return allows(isa, Isa::avx2) && width <= narrow.lanes ? narrow : native_table(isa);
}

}  // namespace edgesmith::runtime::native
