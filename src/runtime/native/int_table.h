// SPDX-License-Identifier: Apache-2.0
// The inner loops of kernels on codes, compiled once for each instruction set (native/isa/int_*.h). Sums are exact, so
// every table gives the same codes: what differs is which operands it needs for that.
#pragma once

#include <cstdint>

#include "runtime/isa.h"

namespace edgesmith::runtime::native {

/// Vectors of outputs side by side in a tile.
constexpr int kIntTileVectors = 3;

/// How a code is made of a rounded real: clamp(real + zero_point, lo, hi) ^ flip. All are those of unsigned codes;
/// signed ones are 128 more until `flip` (128) turns them back.
struct CodeStore {
  int16_t zero_point = 0;
  uint8_t lo = 0, hi = 255, flip = 0;
};

/// A run of pixels by up to kIntTileVectors vectors of outputs. The inputs of pixel p are `segments` runs of bytes at
/// input + pixels[p] + segment[s], cut into groups of 4 bytes.
struct IntTiles {
  const uint8_t* input;
  const int64_t* pixels;
  int64_t count;
  const int64_t* segment;
  int64_t segments, groups;  ///< groups of one segment
  bool words;                ///< a group is 2 signed words instead of 4 unsigned bytes
  const uint8_t* weights;    ///< [segments][groups][vectors][lanes] groups
  int vectors;
  int last;              ///< outputs that the last vector holds
  const int32_t* start;  ///< [vectors * lanes]: bias less zero point (bytes: without byte_offset) times weights
  const float* scale;    ///< [vectors * lanes]
  uint8_t* out;          ///< pixel p goes to out + p * out_stride
  int64_t out_stride;
  CodeStore store;
  /// What is stored: codes; sum * scale as float32; or the sums themselves, of 32 bits. out_stride is in bytes always.
  enum class Result : uint8_t { codes, reals, sums } result;
};

/// Which of the 4 * lanes outputs of a block lies in lane `lane` of its vector `vector` (0 to 3): what interleaving
/// within 128 bits leaves.
constexpr int depthwise_output(int lanes, bool words, int vector, int lane) {
  if (words) return vector / 2 * 2 * lanes + lane / 4 * 8 + vector % 2 * 4 + lane % 4;
  return lane / 4 * 16 + vector * 4 + lane % 4;
}

/// A run of `count` outputs of a depthwise convolution: output i is made of the elements at input + taps[t] bytes + i.
struct IntDepthwise {
  const uint8_t* input;
  int64_t count;
  const int64_t* taps;  ///< as many as groups hold
  int64_t groups;
  bool words;              ///< a group is 2 taps of signed words instead of 4 of unsigned bytes
  const uint8_t* weights;  ///< [phases][groups][4][lanes] groups, in the order of depthwise_output
  int64_t phases;          ///< the constants of block b are those of phase b % phases
  const int32_t* start;    ///< [phases][4][lanes]
  const float* scale;
  uint8_t* out;
  CodeStore store;
  /// Not null: no codes are made, the sums are stored here: [blocks of 4 * lanes outputs][4][lanes], in the order of
  /// depthwise_output, the last block filled up with anything.
  int32_t* sums;
};

/// Rows of codes to be interleaved by four: pixel x of row r is at rows[r] + x * steps[r], and up to 4 * lanes bytes
/// are read there. Group g of channel `lane` of a piece of `lanes` channels holds the bytes (each ^ flip) of rows 4 * g
/// to 4 * g + 3 in one column. Columns before and after the pixels hold `padding`.
struct IntColumns {
  const uint8_t* const* rows;  ///< [groups * 4]
  const int64_t* steps;
  int64_t groups, before, pixels, after;
  uint8_t flip, padding;
  int pieces;    ///< at most 4
  uint8_t* out;  ///< [pieces][before + pixels + after][groups][lanes] groups of 4 bytes
};

/// `count` outputs of one row, or of two, of up to 4 pieces of `lanes` channels. Output x is made of the columns x *
/// stride + kx * dilation of what IntColumns wrote.
struct IntColumnWindows {
  const uint8_t* columns;
  int64_t num_columns;  ///< of a piece
  int64_t count, kernel_width, groups, stride, dilation;
  int rows;                ///< 1 or 2
  const uint8_t* weights;  ///< [pieces][kernel_width][groups][rows][lanes] groups of 4 signed bytes
  const int32_t* start;    ///< [pieces][lanes]
  const float* scale;      ///< [pieces][lanes]
  int64_t channels;        ///< that there are: the last piece may not be full
  uint8_t* out;            ///< output x of row r is at out + r * row_step + x * step; row 0 wins where both are there
  int64_t step, row_step;
  CodeStore store;
  int32_t* sums;  ///< not null: no codes are made, the sums are stored here: [pieces][rows][count][lanes]
};

/// Codes as they are stored: the integer is (code ^ flip) - flip, for a flip of 0 (unsigned) or 128 (signed). Result:
/// round(fma(a, ratio_a, fma(b, ratio_b, fixed))), stored by `store`.
struct IntAdd {
  const uint8_t *a, *b;
  uint8_t flip_a, flip_b;
  float ratio_a, ratio_b, fixed;
  int64_t count;
  uint8_t* out;
  CodeStore store;
};

/// The largest of the unsigned bytes at input + taps[t] + i, flipped.
struct IntMax {
  const uint8_t* input;
  const int64_t* taps;
  int64_t num_taps;
  uint8_t flip;
  int64_t count;
  uint8_t* out;
};

/// round(scale * (start + sum of the codes at input + r * row_step + c * column_step + i)), stored by `store`.
struct IntMean {
  const uint8_t* input;
  int64_t rows, columns, row_step, column_step;
  uint8_t flip;  ///< codes are added as the unsigned code ^ flip
  int32_t start;
  float scale;
  int64_t count;
  uint8_t* out;
  CodeStore store;
};

/// round(clamp(in / scale, lo, hi)), stored by `store`.
struct IntQuantize {
  const float* in;
  float scale, lo, hi;
  int64_t count;
  uint8_t* out;
  CodeStore store;
};

struct IntTable {
  int lanes;         ///< 32-bit integers in a vector
  int vectors;       ///< of outputs in the tile that does best, at most kIntTileVectors
  bool exact_bytes;  ///< groups of bytes add exactly; else only where no pair of products leaves 16 bits
  int byte_offset;   ///< 0, or 128: products are those of the input bytes less it, and `start` makes up for that
  void (*tiles)(const IntTiles& tiles);
  void (*depthwise)(const IntDepthwise& run);
  void (*columns)(const IntColumns& job);
  void (*column_windows)(const IntColumnWindows& job);
  void (*add)(const IntAdd& job);
  void (*max)(const IntMax& job);
  void (*mean)(const IntMean& job);
  void (*quantize)(const IntQuantize& job);
  /// out[i] = (((in[i] ^ flip) - flip) - zero_point) * scale.
  void (*dequantize)(const uint8_t* in, uint8_t flip, int32_t zero_point, float scale, float* out, int64_t count);
  /// out[i] = in[i] ^ flip, as bytes or as words.
  void (*flip_bytes)(const uint8_t* in, uint8_t flip, uint8_t* out, int64_t count);
  /// out[i] = table[in[i]]; `table` has 256 bytes.
  void (*lookup)(const uint8_t* table, const uint8_t* in, uint8_t* out, int64_t count);
  /// Pixels of `channels` bytes, `step` apart, put side by side and flipped. Up to 63 bytes more are written.
  void (*gather_bytes)(const uint8_t* in, int64_t step, uint8_t flip, uint8_t* out, int64_t pixels, int64_t channels);
  void (*widen)(const uint8_t* in, uint8_t flip, int16_t* out, int64_t count);
};

/// The table for the best vectors that `isa` includes.
const IntTable& int_table(Isa isa);

}  // namespace edgesmith::runtime::native
