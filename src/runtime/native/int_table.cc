// SPDX-License-Identifier: Apache-2.0
#include "runtime/native/int_table.h"

#include "runtime/native/int_tables.h"

namespace edgesmith::runtime::native {

#if defined(__x86_64__)

const IntTable& int_table(Isa isa) {
  if (allows(isa, Isa::avx512vnni)) return kAvx512VnniIntTable;
  if (allows(isa, Isa::avx512)) return kAvx512IntTable;
  if (allows(isa, Isa::avxvnni)) return kAvxVnniIntTable;
  if (allows(isa, Isa::avx2)) return kAvx2IntTable;
  return kPortable8IntTable;
}

#elif defined(__aarch64__)

const IntTable& int_table(Isa isa) {
  if (allows(isa, Isa::neondot)) return kNeonDotIntTable;
  return allows(isa, Isa::neon) ? kNeonIntTable : kPortable8IntTable;
}

#else

const IntTable& int_table(Isa) { return kPortable8IntTable; }

#endif

}  // namespace edgesmith::runtime::native
