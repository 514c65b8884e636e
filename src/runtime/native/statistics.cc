// SPDX-License-Identifier: Apache-2.0
#include "runtime/native/statistics.h"

namespace edgesmith::runtime::native {

#if defined(__x86_64__)

const StatisticsTable& statistics_table(Isa isa) {
  if (allows(isa, Isa::avx512)) return kStatisticsAvx512;
  if (allows(isa, Isa::avx2)) return kStatisticsAvx2;
  return kStatisticsScalar;
}

#else

const StatisticsTable& statistics_table(Isa) { return kStatisticsScalar; }

#endif

}  // namespace edgesmith::runtime::native
