// SPDX-License-Identifier: Apache-2.0
// Rounding to half floats by integers, written so that the compiler makes vectors of the loops.
#pragma once

#include <cstring>

#include "runtime/native/isa/vec.h"

namespace {

constexpr uint32_t kSignBit = 0x80000000U, kInfinityBits = 0x7F800000U;

// Numbers from 65520 on are infinite; those under 2^-14 are multiples of 2^-24, which adding 0.5 rounds them to.
void round_to_f16(float* data, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, data + i, sizeof bits);
    const uint32_t sign = bits & kSignBit, magnitude = bits ^ sign;
    const uint32_t normal = (magnitude + 0xFFFU + ((magnitude >> 13) & 1U)) & ~0x1FFFU;
    float small;
    std::memcpy(&small, &magnitude, sizeof small);
    small = (small + 0.5F) - 0.5F;
    uint32_t out;
    std::memcpy(&out, &small, sizeof out);
    out = magnitude >= 0x38800000U ? normal : out;                 // 2^-14
    out = magnitude >= 0x477FF000U ? kInfinityBits : out;          // 65520
    out = (magnitude > kInfinityBits ? 0x7FC00000U : out) | sign;  // not a number
    std::memcpy(data + i, &out, sizeof out);
  }
}

void round_to_bf16(float* data, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, data + i, sizeof bits);
    const uint32_t rounded = bits + 0x7FFFU + ((bits >> 16) & 1U);
    const bool nan = (bits & ~kSignBit) > kInfinityBits;
    const uint32_t out = (nan ? bits | 0x400000U : rounded) & 0xFFFF0000U;
    std::memcpy(data + i, &out, sizeof out);
  }
}

}  // namespace
