// SPDX-License-Identifier: Apache-2.0
// What one core can do with the instructions that kernels on codes use, in multiply-accumulates a second. Written in
// assembly: compilers hoist intrinsics out of such loops.
#pragma once

#include <time.h>

#include <algorithm>
#include <cstdint>
#include <functional>

#include "runtime/isa.h"

namespace edgesmith::runtime {

/// Shortest time in seconds of one call, over `seconds` of calls. Time of this thread: calls that take longer than a
/// time slice would else never be measured on a busy machine.
inline double best_time(double seconds, const std::function<void()>& call) {
  const auto now = [] {
    timespec time = {};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  };
  call();
  int64_t batch = 1;  // calls between two looks at the clock: at least 20 microseconds
  double best = 1e9;
  for (const double begin = now(); now() - begin < seconds;) {
    const double from = now();
    for (int64_t i = 0; i < batch; ++i) call();
    const double time = now() - from;
    if (time < 20e-6) {
      batch *= 2;
    } else {
      best = std::min(best, time / static_cast<double>(batch));
    }
  }
  return best;
}

#if defined(__x86_64__)

constexpr int kPeakTurns = 2000;
#define EDGESMITH_PEAK_CLOBBERS                                                                                       \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", \
      "xmm14", "xmm15", "memory"
// `each` is repeated for the registers 0 to 11; 12 to 15 are operands.
#define EDGESMITH_PEAK_LOOP(each)                                                                                     \
  do {                                                                                                                \
    int turns = kPeakTurns;                                                                                           \
    __asm__ volatile("1:\n" each("0") each("1") each("2") each("3") each("4") each("5") each("6") each("7") each("8") \
                         each("9") each("10") each("11") "dec %0\njnz 1b\n"                                           \
                     : "+r"(turns)                                                                                    \
                     :                                                                                                \
                     : EDGESMITH_PEAK_CLOBBERS);                                                                      \
    __asm__ volatile("vzeroupper" ::: EDGESMITH_PEAK_CLOBBERS);                                                       \
  } while (false)
// `first`, then `second` is repeated for the pairs of registers (0, 1) .. (10, 11).
#define EDGESMITH_PEAK_PAIRS(first, second)                                                                    \
  do {                                                                                                         \
    int turns = kPeakTurns;                                                                                    \
    __asm__ volatile("1:\n" first("0", "1") first("2", "3") first("4", "5") first("6", "7") first("8", "9")    \
                         first("10", "11") second("0", "1") second("2", "3") second("4", "5") second("6", "7") \
                             second("8", "9") second("10", "11") "dec %0\njnz 1b\n"                            \
                     : "+r"(turns)                                                                             \
                     :                                                                                         \
                     : EDGESMITH_PEAK_CLOBBERS);                                                               \
    __asm__ volatile("vzeroupper" ::: EDGESMITH_PEAK_CLOBBERS);                                                \
  } while (false)

/// Multiply-accumulates a second of groups of 4 bytes (or of 2 words) on `isa`.
inline double int_peak(Isa isa, bool words) {
#define EACH_VNNI512(r) "vpdpbusd %%zmm12, %%zmm13, %%zmm" r "\n"
#define EACH_VNNI512_WORDS(r) "vpdpwssd %%zmm12, %%zmm13, %%zmm" r "\n"
#define EACH_VNNI256(r) "%{vex%} vpdpbusd %%ymm12, %%ymm13, %%ymm" r "\n"
#define EACH_VNNI256_WORDS(r) "%{vex%} vpdpwssd %%ymm12, %%ymm13, %%ymm" r "\n"
#define MUL_BYTES512(r, t) "vpmaddubsw %%zmm12, %%zmm13, %%zmm" t "\nvpmaddwd %%zmm14, %%zmm" t ", %%zmm" t "\n"
#define MUL_WORDS512(r, t) "vpmaddwd %%zmm12, %%zmm13, %%zmm" t "\n"
#define ADD512(r, t) "vpaddd %%zmm" t ", %%zmm" r ", %%zmm" r "\n"
#define MUL_BYTES256(r, t) "vpmaddubsw %%ymm12, %%ymm13, %%ymm" t "\nvpmaddwd %%ymm14, %%ymm" t ", %%ymm" t "\n"
#define MUL_WORDS256(r, t) "vpmaddwd %%ymm12, %%ymm13, %%ymm" t "\n"
#define ADD256(r, t) "vpaddd %%ymm" t ", %%ymm" r ", %%ymm" r "\n"
  std::function<void()> loop;
  double lanes = 0, instructions = 12;
  switch (isa) {
    case Isa::avx512vnni:
      lanes = 16;
      if (words) {
        loop = [] { EDGESMITH_PEAK_LOOP(EACH_VNNI512_WORDS); };
      } else {
        loop = [] { EDGESMITH_PEAK_LOOP(EACH_VNNI512); };
      }
      break;
    case Isa::avxvnni:
      lanes = 8;
      if (words) {
        loop = [] { EDGESMITH_PEAK_LOOP(EACH_VNNI256_WORDS); };
      } else {
        loop = [] { EDGESMITH_PEAK_LOOP(EACH_VNNI256); };
      }
      break;
    case Isa::avx512:
      lanes = 16;
      instructions = 6;
      if (words) {
        loop = [] { EDGESMITH_PEAK_PAIRS(MUL_WORDS512, ADD512); };
      } else {
        loop = [] { EDGESMITH_PEAK_PAIRS(MUL_BYTES512, ADD512); };
      }
      break;
    case Isa::avx2:
      lanes = 8;
      instructions = 6;
      if (words) {
        loop = [] { EDGESMITH_PEAK_PAIRS(MUL_WORDS256, ADD256); };
      } else {
        loop = [] { EDGESMITH_PEAK_PAIRS(MUL_BYTES256, ADD256); };
      }
      break;
    default: return 0;
  }
  const double macs = kPeakTurns * instructions * lanes * (words ? 2 : 4);
  return macs / best_time(0.02, loop);
#undef EACH_VNNI512
#undef EACH_VNNI512_WORDS
#undef EACH_VNNI256
#undef EACH_VNNI256_WORDS
#undef MUL_BYTES512
#undef MUL_WORDS512
#undef ADD512
#undef MUL_BYTES256
#undef MUL_WORDS256
#undef ADD256
}

#else

inline double int_peak(Isa, bool) { return 0; }

#endif

}  // namespace edgesmith::runtime
