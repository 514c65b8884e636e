// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace edgesmith::runtime {

/// Registers one benchmark for each arithmetic peak that this CPU has: "peak/fma/avx512", "peak/vpdpbusd/avx512", ...
void register_peaks();

}  // namespace edgesmith::runtime
