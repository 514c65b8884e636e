// SPDX-License-Identifier: Apache-2.0
#include "runtime/isa.h"

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include <cstdlib>
#include <vector>

#include "edgesmith/base/text.h"
#include "edgesmith/runtime/executor.h"

namespace edgesmith::runtime {

namespace {

// Names of the sets that pass `keep`, for messages.
template <typename Keep>
std::vector<std::string> words(Keep keep) {
  std::vector<std::string> out;
  for (const Isa isa : kIsas) {
    if (keep(isa)) out.emplace_back(isa_word(isa));
  }
  return out;
}

}  // namespace

std::string_view isa_word(Isa isa) {
  switch (isa) {
    case Isa::scalar: return "scalar";
    case Isa::avx2: return "avx2";
    case Isa::avxvnni: return "avxvnni";
    case Isa::avx512: return "avx512";
    case Isa::avx512vnni: return "avx512vnni";
    case Isa::neon: return "neon";
    case Isa::neondot: return "neondot";
  }
  return "scalar";
}

#if defined(__x86_64__)

namespace {

// GCC 12's __builtin_cpu_supports does not know avxvnni: CPUID leaf 7, subleaf 1, EAX bit 4.
bool has_avxvnni() {
  unsigned eax = 7, ebx = 0, ecx = 1, edx = 0;
  __asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
  return (eax >> 4 & 1U) != 0;
}

}  // namespace

bool cpu_has(Isa isa) {
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  switch (isa) {
    case Isa::scalar: return true;
    case Isa::avx2: return avx2;
    case Isa::avxvnni: return avx2 && has_avxvnni();
    case Isa::avx512: return avx512;
    case Isa::avx512vnni: return avx512 && __builtin_cpu_supports("avx512vnni");
    case Isa::neon:
    case Isa::neondot: return false;
  }
  return false;
}

#elif defined(__aarch64__)

bool cpu_has(Isa isa) {
  if (isa == Isa::neondot) return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
  return isa == Isa::scalar || isa == Isa::neon;  // NEON is part of the architecture
}

#else

// No kernels for other CPUs yet than the portable ones.
bool cpu_has(Isa isa) { return isa == Isa::scalar; }

#endif

bool allows(Isa in_use, Isa needed) {
  switch (needed) {
    case Isa::scalar: return true;
    case Isa::avx2: return in_use >= Isa::avx2 && in_use <= Isa::avx512vnni;
    case Isa::avxvnni: return in_use == Isa::avxvnni || (in_use == Isa::avx512vnni && cpu_has(Isa::avxvnni));
    case Isa::avx512: return in_use == Isa::avx512 || in_use == Isa::avx512vnni;
    case Isa::avx512vnni: return in_use == Isa::avx512vnni;
    case Isa::neon: return in_use == Isa::neon || in_use == Isa::neondot;
    case Isa::neondot: return in_use == Isa::neondot;
  }
  return false;
}

Result<Isa> choose_isa(std::string_view wanted) {
  Isa best = Isa::scalar;
  for (const Isa isa : kIsas) {
    if (cpu_has(isa)) best = isa;
  }
  if (wanted.empty()) return best;
  for (const Isa isa : kIsas) {
    if (isa_word(isa) != wanted) continue;
    if (cpu_has(isa)) return isa;
    return usage_error("EDGESMITH_ISA: this cpu cannot run '" + std::string(wanted) + "'",
                       "it has " + join(words(cpu_has), ", "));
  }
  return usage_error("EDGESMITH_ISA: unknown instruction set '" + std::string(wanted) + "'",
                     "known are " + join(words([](Isa) { return true; }), ", "));
}

const Result<Isa>& isa_in_use() {
  static const Result<Isa> isa = [] {
    const char* wanted = std::getenv("EDGESMITH_ISA");
    return choose_isa(wanted == nullptr ? "" : wanted);
  }();
  return isa;
}

Result<std::string> isa_name() {
  const Result<Isa>& isa = isa_in_use();
  if (!isa) return isa.error();
  return std::string(isa_word(*isa));
}

}  // namespace edgesmith::runtime
