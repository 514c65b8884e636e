// SPDX-License-Identifier: Apache-2.0
// Mixes four believed counters: every bit of a weight goes through here. The arithmetic is that of Mixer in mixing.h,
// in two forms: number by number, and in words of four, for which SSE2, that every x86-64 has, is enough:
// products of 16 bits are there (madd), those of an input of 12 bits and a weight of 21 are put together from two.
#pragma once

#include "pack/mixing.h"
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace edgesmith::pack {

/// Weights of four inputs and of a constant one.
struct alignas(32) FourWeights {
  int32_t of[4] = {25000, 25000, 25000, 25000};
  int32_t constant = 25000;
  void keep() {
    for (int32_t& weight : of) weight = kept_weight(weight);
    constant = kept_weight(constant);
  }
};

constexpr int kFourRate = 6;

/// The counters' states, whose counts stay below 256, give a probability; `learn` moves the weights.
class PlainFour {
 public:
  [[gnu::always_inline]] PlainFour(const uint32_t* states, const FourWeights& weights) {
    int sum = weights.constant >> 1;
    for (int i = 0; i < 4; ++i) {
      inputs_[i] = believed(Counter{states[i]});
      sum += (weights.of[i] * inputs_[i]) >> 9;
    }
    p_ = squash(sum >> 7);
  }
  int p() const { return p_; }
  [[gnu::always_inline]] void learn(FourWeights& weights, int bit) const {
    const int error = ((bit << 12) - p_) * kFourRate;
    for (int i = 0; i < 4; ++i) weights.of[i] += (inputs_[i] * error + 0x2000) >> 14;
    weights.constant += (256 * error + 0x2000) >> 14;
    weights.keep();
  }

 private:
  int inputs_[4], p_;
};

#if defined(__SSE2__)
class VectorFour {
 public:
  [[gnu::always_inline]] VectorFour(const uint32_t* states, const FourWeights& weights) {
    __m128i stretched = _mm_setzero_si128(), factors = stretched;
    stretched = _mm_insert_epi16(stretched, kTables.stretch[states[0] >> 20], 0);
    stretched = _mm_insert_epi16(stretched, kTables.stretch[states[1] >> 20], 2);
    stretched = _mm_insert_epi16(stretched, kTables.stretch[states[2] >> 20], 4);
    stretched = _mm_insert_epi16(stretched, kTables.stretch[states[3] >> 20], 6);
    factors = _mm_insert_epi16(factors, kTables.belief[states[0] & 255], 0);
    factors = _mm_insert_epi16(factors, kTables.belief[states[1] & 255], 2);
    factors = _mm_insert_epi16(factors, kTables.belief[states[2] & 255], 4);
    factors = _mm_insert_epi16(factors, kTables.belief[states[3] & 255], 6);
    // In the lower halves of four words; the upper halves are zero, so that madd multiplies the lower ones alone.
    inputs_ = _mm_and_si128(_mm_srai_epi32(_mm_madd_epi16(stretched, factors), 5), _mm_set1_epi32(0xffff));
    const __m128i used = _mm_load_si128(reinterpret_cast<const __m128i*>(weights.of));
    const __m128i low = _mm_madd_epi16(inputs_, _mm_and_si128(used, _mm_set1_epi32(0x7fff)));
    const __m128i high = _mm_madd_epi16(inputs_, _mm_srai_epi32(used, 15));
    __m128i sum = _mm_srai_epi32(_mm_add_epi32(low, _mm_slli_epi32(high, 15)), 9);
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1));
    p_ = squash((_mm_cvtsi128_si32(sum) + (weights.constant >> 1)) >> 7);
  }
  int p() const { return p_; }
  [[gnu::always_inline]] void learn(FourWeights& weights, int bit) const {
    const int error = ((bit << 12) - p_) * kFourRate;  // 15 bits
    // input * error + 1 * 0x2000, by a one in the upper halves.
    const __m128i pairs = _mm_or_si128(inputs_, _mm_set1_epi32(0x10000));
    const __m128i moves = _mm_madd_epi16(pairs, _mm_set1_epi32(0x20000000 | (error & 0xffff)));
    auto* place = reinterpret_cast<__m128i*>(weights.of);
    const __m128i moved = _mm_add_epi32(_mm_load_si128(place), _mm_srai_epi32(moves, 14));
    _mm_store_si128(place, moved);
    weights.constant += (256 * error + 0x2000) >> 14;
    // Hardly ever one has come to its limit.
    const __m128i beyond = _mm_srli_epi32(_mm_add_epi32(moved, _mm_set1_epi32(kMostWeight)), 20);
    if (_mm_movemask_epi8(_mm_cmpeq_epi32(beyond, _mm_setzero_si128())) != 0xffff ||
        static_cast<uint32_t>(weights.constant + kMostWeight) >> 20 != 0) {
      weights.keep();
    }
  }

 private:
  __m128i inputs_;
  int p_;
};
using Four = VectorFour;
#else
using Four = PlainFour;
#endif

}  // namespace edgesmith::pack
