// SPDX-License-Identifier: Apache-2.0
// What one core can do at most: loops of independent instructions on registers, in inline assembly because compilers
// hoist or merge intrinsics whose operands do not change (a loop of maddubs once "measured" 1.5 times the truth).
//
// Shares of peak are figures of GMAC/s against these: a multiply-accumulate counts once, so 2 * GMAC/s is GFLOP/s. The
// sums of 16-bit products (vpmaddubsw, vpmaddwd) count with the additions that a kernel cannot do without.
#include "peaks.h"

#include <benchmark/benchmark.h>

#include <string>

#include "runtime/isa.h"

namespace edgesmith::runtime {
namespace {

#if defined(__x86_64__)

constexpr int64_t kRounds = 100000;

// One benchmark: `macs` multiply-accumulates a round of `loop`.
void measure(benchmark::State& state, void (*loop)(int64_t), int64_t macs) {
  for (auto _ : state) loop(kRounds);
  state.counters["GMAC/s"] =
      benchmark::Counter(static_cast<double>(state.iterations() * kRounds * macs) * 1e-9, benchmark::Counter::kIsRate);
}

// Twelve sums, so that the latency of an instruction never shows; operands in registers 0 and 1, sums in 2 to 13.
#define EDGESMITH_TWELVE(STEP, R) \
  STEP(R, "2")                    \
  STEP(R, "3")                    \
  STEP(R, "4")                    \
  STEP(R, "5")                    \
  STEP(R, "6") STEP(R, "7") STEP(R, "8") STEP(R, "9") STEP(R, "10") STEP(R, "11") STEP(R, "12") STEP(R, "13")
#define EDGESMITH_SUMS                                                                                             \
  "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", \
      "xmm13", "xmm14", "xmm15"
#define EDGESMITH_LOOP(NAME, BEFORE, STEP, R)                                                \
  void NAME(int64_t rounds) {                                                                \
    __asm__ volatile(BEFORE "1:\n" EDGESMITH_TWELVE(STEP, R) "decq %0\njnz 1b\nvzeroupper\n" \
                     : "+r"(rounds)                                                          \
                     :                                                                       \
                     : EDGESMITH_SUMS);                                                      \
  }

#define FMA(R, S) "vfmadd231ps %%" R "0, %%" R "1, %%" R S "\n"
// Products of bytes in pairs, of those pairs in 32 bits, and the sum: what an int8 kernel without VNNI does.
#define MADDUBS(R, S)                   \
  "vpmaddubsw %%" R "0, %%" R "1, %%" R \
  "14\n"                                \
  "vpmaddwd %%" R "15, %%" R "14, %%" R \
  "14\n"                                \
  "vpaddd %%" R "14, %%" R S ", %%" R S "\n"
#define MADDWD(R, S)                  \
  "vpmaddwd %%" R "0, %%" R "1, %%" R \
  "14\n"                              \
  "vpaddd %%" R "14, %%" R S ", %%" R S "\n"
#define DOT(R, S) "vpdpbusd %%" R "0, %%" R "1, %%" R S "\n"
#define VEX_DOT(R, S) "%{vex%} vpdpbusd %%" R "0, %%" R "1, %%" R S "\n"

// Sums of zeros: not-a-number and denormals would be slow on some CPUs.
constexpr int kSums = 12;
#define CLEAR "vpxor %%xmm0, %%xmm0, %%xmm0\nvpxor %%xmm1, %%xmm1, %%xmm1\n"

EDGESMITH_LOOP(fma_avx2, CLEAR, FMA, "ymm")
EDGESMITH_LOOP(fma_avx512, CLEAR, FMA, "zmm")
EDGESMITH_LOOP(maddubs_avx2, CLEAR, MADDUBS, "ymm")
EDGESMITH_LOOP(maddubs_avx512, CLEAR, MADDUBS, "zmm")
EDGESMITH_LOOP(maddwd_avx2, CLEAR, MADDWD, "ymm")
EDGESMITH_LOOP(maddwd_avx512, CLEAR, MADDWD, "zmm")
EDGESMITH_LOOP(dot_avxvnni, CLEAR, VEX_DOT, "ymm")
EDGESMITH_LOOP(dot_avx512vnni, CLEAR, DOT, "zmm")

struct Peak {
  const char* name;
  Isa isa;
  void (*loop)(int64_t);
  int64_t macs;  // of one instruction (or group) a sum
};

constexpr Peak kPeaks[] = {
    {"fma/avx2", Isa::avx2, fma_avx2, 8},
    {"fma/avx512", Isa::avx512, fma_avx512, 16},
    {"maddubs+maddwd+add/avx2", Isa::avx2, maddubs_avx2, 32},
    {"maddubs+maddwd+add/avx512", Isa::avx512, maddubs_avx512, 64},
    {"maddwd+add/avx2", Isa::avx2, maddwd_avx2, 16},
    {"maddwd+add/avx512", Isa::avx512, maddwd_avx512, 32},
    {"vpdpbusd/avxvnni", Isa::avxvnni, dot_avxvnni, 32},
    {"vpdpbusd/avx512vnni", Isa::avx512vnni, dot_avx512vnni, 64},
};

#endif

}  // namespace

void register_peaks() {
#if defined(__x86_64__)
  for (const Peak& peak : kPeaks) {
    if (!cpu_has(peak.isa)) continue;
    benchmark::RegisterBenchmark((std::string("peak/") + peak.name).c_str(),
                                 [peak](benchmark::State& state) { measure(state, peak.loop, kSums * peak.macs); });
  }
#endif
}

}  // namespace edgesmith::runtime
