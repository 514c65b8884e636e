// SPDX-License-Identifier: Apache-2.0
// The register-blocked inner product of convolutions and matrix products on codes: outputs lie across lanes, a group of
// inputs is broadcast.
#pragma once

#include "runtime/native/isa/int_codes.h"

namespace {

using edgesmith::runtime::native::IntTiles;

template <bool Words>
inline Ints dot(Ints sum, Ints a, Ints w) {
  return Words ? dot_words(sum, a, w) : dot_bytes(sum, a, w);
}

// Stores vector I of a tile, which lies in the piece I % 4 of `packed`.
template <int N, int I, typename Packed>
inline __attribute__((always_inline)) void store_vector(const IntTiles& t, const Packed& packed, uint8_t* out) {
  uint8_t* to = out + I / N * t.out_stride + I % N * kIntLanes;
  if (I % N == N - 1 && t.last < kIntLanes) {
    uint8_t bytes[kIntLanes];
    VecCodes::store_piece<I % 4>(bytes, packed);
    copy_bytes(to, bytes, kIntLanes < 8 ? t.last & (kIntLanes - 1) : t.last);  // GCC 12 warns without the &
  } else {
    VecCodes::store_piece<I % 4>(to, packed);
  }
}

// Stores the vectors I .. M * N - 1 of a tile of M pixels by N vectors. Everything is indexed by constants, so that the
// sums stay in registers.
template <int M, int N, int I = 0>
inline __attribute__((always_inline)) void store_tile(const IntTiles& t, const VecCodes& codes,
                                                      const Ints (&sums)[M][N], const Reals (&scale)[N], uint8_t* out) {
  constexpr int kEnd = M * N, kB = I + 1 < kEnd ? I + 1 : I, kC = I + 2 < kEnd ? I + 2 : I,
                kD = I + 3 < kEnd ? I + 3 : I;
  const Ints a = scaled(sums[I / N][I % N], scale[I % N]);
  const Ints b = kB == I ? a : scaled(sums[kB / N][kB % N], scale[kB % N]);
  const Ints c = kC == I ? a : scaled(sums[kC / N][kC % N], scale[kC % N]);
  const Ints d = kD == I ? a : scaled(sums[kD / N][kD % N], scale[kD % N]);
  const auto packed = codes.pack(a, b, c, d);
  store_vector<N, I>(t, packed, out);
  if constexpr (kB != I) store_vector<N, kB>(t, packed, out);
  if constexpr (kC != I) store_vector<N, kC>(t, packed, out);
  if constexpr (kD != I) store_vector<N, kD>(t, packed, out);
  if constexpr (I + 4 < kEnd) store_tile<M, N, I + 4>(t, codes, sums, scale, out);
}

template <int M, int N>
inline __attribute__((always_inline)) void store_sums(const IntTiles& t, const VecCodes& codes,
                                                      const Ints (&sums)[M][N], uint8_t* out) {
  if (t.result == IntTiles::Result::sums) {
#pragma GCC unroll 8
    for (int i = 0; i < M; ++i) {
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) {
        const Ints sum = sums[i][j];  // its address is taken: that of the sums must not be, they live in registers
        const int count = j == N - 1 ? t.last : kIntLanes;
        __builtin_memcpy(out + i * t.out_stride + 4 * j * kIntLanes, &sum, 4 * static_cast<size_t>(count));
      }
    }
    return;
  }
  Reals scale[N];
#pragma GCC unroll 4
  for (int j = 0; j < N; ++j) scale[j] = load_reals(t.scale + j * kIntLanes);
  if (t.result == IntTiles::Result::reals) {
#pragma GCC unroll 8
    for (int i = 0; i < M; ++i) {
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) {
        const Reals real = mul_reals(to_reals(sums[i][j]), scale[j]);
        const int count = j == N - 1 ? t.last : kIntLanes;
        __builtin_memcpy(out + i * t.out_stride + 4 * j * kIntLanes, &real, 4 * static_cast<size_t>(count));
      }
    }
    return;
  }
  store_tile<M, N>(t, codes, sums, scale, out);
}

// Groups Group .. kGroupsAtOnce - 1 of those that were loaded at once, of M pixels by N vectors.
template <bool Words, int Group, int M, int N>
inline __attribute__((always_inline)) void add_groups(const Ints (&groups)[M], const uint8_t* weights,
                                                      Ints (&sums)[M][N]) {
  Ints w[N];
#pragma GCC unroll 4
  for (int j = 0; j < N; ++j) w[j] = load_ints(weights + (Group * N + j) * 4 * kIntLanes);
#pragma GCC unroll 8
  for (int i = 0; i < M; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) sums[i][j] = dot_group<Words, Group>(sums[i][j], groups[i], w[j]);
  }
  if constexpr (Group + 1 < kGroupsAtOnce) add_groups<Words, Group + 1>(groups, weights, sums);
}

// M pixels by N vectors.
template <bool Words, int M, int N>
void run_int_tile(const IntTiles& t, const VecCodes& codes, const int64_t* pixels, uint8_t* out) {
  Ints sums[M][N];
#pragma GCC unroll 4
  for (int j = 0; j < N; ++j) {
    const Ints start = load_ints(t.start + j * kIntLanes);
#pragma GCC unroll 8
    for (int i = 0; i < M; ++i) sums[i][j] = start;
  }
  const uint8_t* input[M];
#pragma GCC unroll 8
  for (int i = 0; i < M; ++i) input[i] = t.input + pixels[i];
  const uint8_t* weights = t.weights;
  for (int64_t s = 0; s < t.segments; ++s) {
    const int64_t end = t.segment[s] + 4 * t.groups;
    int64_t at = t.segment[s];
    if constexpr (kGroupsAtOnce > 1) {
      for (; at + 4 * kGroupsAtOnce <= end; at += 4 * kGroupsAtOnce) {
        Ints groups[M];
#pragma GCC unroll 8
        for (int i = 0; i < M; ++i) groups[i] = load_groups<Words>(input[i] + at);
        add_groups<Words, 0>(groups, weights, sums);
        weights += kGroupsAtOnce * N * 4 * kIntLanes;
      }
    }
#pragma GCC unroll 2
    for (; at < end; at += 4) {
      Ints w[N];
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) w[j] = load_ints(weights + j * 4 * kIntLanes);
      weights += N * 4 * kIntLanes;
#pragma GCC unroll 8
      for (int i = 0; i < M; ++i) {
        const Ints a = broadcast_group(input[i] + at);
#pragma GCC unroll 4
        for (int j = 0; j < N; ++j) sums[i][j] = dot<Words>(sums[i][j], a, w[j]);
      }
    }
  }
  store_sums<M, N>(t, codes, sums, out);
}

// Group i of those that were loaded at once to set i of the sums, of one pixel by N vectors.
template <bool Words, int Group, int N>
inline __attribute__((always_inline)) void add_to_sets(Ints groups, const uint8_t* weights,
                                                       Ints (&sets)[kGroupsAtOnce][N]) {
#pragma GCC unroll 4
  for (int j = 0; j < N; ++j) {
    const Ints w = load_ints(weights + (Group * N + j) * 4 * kIntLanes);
    sets[Group][j] = dot_group<Words, Group>(sets[Group][j], groups, w);
  }
  if constexpr (Group + 1 < kGroupsAtOnce) add_to_sets<Words, Group + 1>(groups, weights, sets);
}

// One pixel: four sets of sums, since one dot waits for the one before it.
template <bool Words, int N>
void run_int_row(const IntTiles& t, const VecCodes& codes, const int64_t* pixels, uint8_t* out) {
  constexpr int kSets = 4;
  Ints sets[kSets][N];
#pragma GCC unroll 4
  for (int j = 0; j < N; ++j) {
    sets[0][j] = load_ints(t.start + j * kIntLanes);
#pragma GCC unroll 4
    for (int i = 1; i < kSets; ++i) sets[i][j] = set_ints(0);
  }
  const uint8_t* weights = t.weights;
  const auto step = [&](int set, const uint8_t* at) {
    const Ints a = broadcast_group(at);
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) {
      sets[set][j] = dot<Words>(sets[set][j], a, load_ints(weights + j * 4 * kIntLanes));
    }
    weights += N * 4 * kIntLanes;
  };
  for (int64_t s = 0; s < t.segments; ++s) {
    const uint8_t* input = t.input + pixels[0] + t.segment[s];
    int64_t g = 0;
    if constexpr (kGroupsAtOnce == kSets) {
      for (; g + kSets <= t.groups; g += kSets) {
        add_to_sets<Words, 0>(load_groups<Words>(input + 4 * g), weights, sets);
        weights += kSets * N * 4 * kIntLanes;
      }
    }
    for (; g + kSets <= t.groups; g += kSets) {
#pragma GCC unroll 4
      for (int i = 0; i < kSets; ++i) step(i, input + 4 * (g + i));
    }
    for (; g < t.groups; ++g) step(0, input + 4 * g);
  }
  Ints sums[1][N];
#pragma GCC unroll 4
  for (int j = 0; j < N; ++j) {
    sums[0][j] = add_ints(add_ints(sets[0][j], sets[1][j]), add_ints(sets[2][j], sets[3][j]));
  }
  store_sums<1, N>(t, codes, sums, out);
}

// Tiles of nearly equal size, so that none is left with few pixels.
template <bool Words, int N>
void run_int_tiles(const IntTiles& t) {
  constexpr int kRows = tile_rows(N);
  const VecCodes codes(t.store);
  const int64_t tiles = (t.count + kRows - 1) / kRows;
  int64_t p = 0;
  for (int64_t i = 0; i < tiles; ++i) {
    const auto m = static_cast<int>((t.count - p) / (tiles - i));
    const int64_t* pixels = t.pixels + p;
    uint8_t* out = t.out + p * t.out_stride;
    const auto run = [&](auto rows) {
      constexpr int kM = decltype(rows)::kValue <= kRows ? decltype(rows)::kValue : 1;
      run_int_tile<Words, kM, N>(t, codes, pixels, out);
    };
    switch (m) {
      case 1: run_int_row<Words, N>(t, codes, pixels, out); break;
      case 2: run(Piece<2>()); break;
      case 3: run(Piece<3>()); break;
      case 4: run(Piece<4>()); break;
      case 5: run(Piece<5>()); break;
      case 6: run(Piece<6>()); break;
      case 7: run(Piece<7>()); break;
      case 8: run(Piece<8>()); break;
    }
    p += m;
  }
}

template <bool Words>
void run_int_vectors(const IntTiles& t) {
  if (t.vectors == 1) {
    run_int_tiles<Words, 1>(t);
  } else if (t.vectors == 2) {
    run_int_tiles<Words, 2>(t);
  } else {
    run_int_tiles<Words, 3>(t);
  }
}

void int_tiles(const IntTiles& t) {
  static_assert(edgesmith::runtime::native::kIntTileVectors == 3);
  t.words ? run_int_vectors<true>(t) : run_int_vectors<false>(t);
}

// Simple enough for the compiler to vectorise.
void flip_bytes(const uint8_t* in, uint8_t flip, uint8_t* __restrict out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = in[i] ^ flip;
}

void widen(const uint8_t* in, uint8_t flip, int16_t* __restrict out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<int16_t>(static_cast<uint8_t>(in[i] ^ flip));
}

// Whole vectors are copied: what is written past a pixel is overwritten by the next one.
void gather_bytes(const uint8_t* in, int64_t step, uint8_t flip, uint8_t* out, int64_t pixels, int64_t channels) {
  const Ints flips = set_ints(static_cast<int32_t>(flip * 0x01010101U));
  for (int64_t i = 0; i < pixels; ++i, in += step, out += channels) {
    for (int64_t c = 0; c < channels; c += 4 * kIntLanes) store_ints(out + c, xor_ints(load_ints(in + c), flips));
  }
}

}  // namespace
