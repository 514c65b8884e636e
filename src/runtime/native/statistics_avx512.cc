// SPDX-License-Identifier: Apache-2.0
// The inner loops of calibration for avx512: the flags of this file are set in CMakeLists.txt.
#include "runtime/native/isa/statistics.h"

namespace edgesmith::runtime::native {

const StatisticsTable kStatisticsAvx512 = make_statistics_table();

}  // namespace edgesmith::runtime::native
