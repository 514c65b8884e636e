// SPDX-License-Identifier: Apache-2.0
// Instruction sets that kernels are written for, and the one in use.
#pragma once

#include <string>
#include <string_view>

#include "edgesmith/base/result.h"

namespace edgesmith::runtime {

/// In rising order within a family: x86 first, then Arm. `scalar` runs everywhere.
enum class Isa { scalar, avx2, avxvnni, avx512, avx512vnni, neon, neondot };
inline constexpr Isa kIsas[] = {Isa::scalar,     Isa::avx2, Isa::avxvnni, Isa::avx512,
                                Isa::avx512vnni, Isa::neon, Isa::neondot};

/// "avx2".
std::string_view isa_word(Isa isa);
/// True when this CPU has `isa`. avx512 means F, BW, DQ and VL; every x86 set but scalar means FMA too; neondot is NEON
/// with dot products of bytes (Armv8.2-A, from Cortex-A55 and A76 on).
bool cpu_has(Isa isa);
/// True when code written for `needed` may run where `in_use` was chosen.
bool allows(Isa in_use, Isa needed);
/// The best set of this CPU, or the one that `wanted` (EDGESMITH_ISA; empty: no wish) names. Errors: usage.
Result<Isa> choose_isa(std::string_view wanted);
/// choose_isa(EDGESMITH_ISA), decided once.
const Result<Isa>& isa_in_use();

}  // namespace edgesmith::runtime
