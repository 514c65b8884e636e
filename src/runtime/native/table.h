// SPDX-License-Identifier: Apache-2.0
// The inner loops that are compiled once for each instruction set (native/isa/), behind one table of functions.
//
// Every function gives the same bits on every instruction set: sums run over k in ascending order with one fused
// multiply-add a step, vectors lie across outputs only, and nothing is reassociated. So the shape of a tile, the width
// of a vector and the number of threads never show in a result.
#pragma once

#include <cstdint>

#include "runtime/kernel_registry.h"

namespace edgesmith::runtime::native {

/// Most vectors side by side in a tile, on any instruction set.
constexpr int kMostTileVectors = 4;

/// C = A * B + bias for any number of rows by a few vectors of columns, which may lie anywhere in B and C.
struct Tile {
  const float* a;  ///< element (i, k) is at a[i * a_row + k * a_k], unless packed
  int64_t a_row, a_k;
  int64_t packed_k, first_k;  ///< not 0: A is packed by pack_rows() with rows of packed_k, and is read from first_k on
  const float* b;             ///< row k of B is at b + (offsets ? offsets[k] : k * ldb)
  const int64_t* offsets;     ///< only for packed A
  int64_t ldb;
  int64_t taps;  ///< not 0, for packed A: row k of B is at b + k / taps * ldb + offsets[k % taps], masked
  const uint16_t* masks[kMostTileVectors];  ///< of a vector for every tap: bits of the lanes that exist; others are 0
  int64_t rows, k;
  int vectors;                       ///< at most NativeTable::tile_vectors
  int64_t source[kMostTileVectors];  ///< where a vector lies in every row of B; whole vectors are read
  int64_t target[kMostTileVectors];  ///< where it goes in every row of C
  int count[kMostTileVectors];       ///< how many of its numbers are stored
  const float* row_bias;             ///< [rows] or null
  const float* column_bias;          ///< whole vectors, side by side, or null; at most one of the two
  bool add;                          ///< go on from the sums in C, without a bias
  float* c;
  int64_t ldc;
  const Epilogue* epilogue;
  const float* residual;  ///< null, or what is added to the sums before the epilogue: it lies as C does
  const float* next;  ///< null, or the panel after this one, of the same width, to be fetched from far caches meanwhile
};

/// One plane to be laid out for windows (native/padded_planes.h says how).
struct PlaneCopy {
  const float* input;
  float* plane;
  float fill;
  int64_t height, width;  ///< of the input
  int64_t stride_y, stride_x, pad_top, pad_left;
  const int64_t* row_phases;
  const int64_t* column_phases;
  int64_t num_row_phases, num_column_phases;
  int64_t rows, pitch;  ///< of one phase
};

/// Runs of pixels that are neighbours in the padded input, for packing a panel.
struct Segment {
  int64_t source;  ///< offset of the first pixel, to which the offset of k is added
  int length;
  int column;  ///< where it goes in a row of the panel; in rising order
};

/// One plane of a depthwise convolution: out[y][x] = bias + sum over taps of weights[t] * plane[y * pitch + x +
/// offsets[t]].
struct DepthwisePlane {
  const float* plane;
  int64_t pitch;
  const int64_t* offsets;
  const float* weights;
  int64_t taps;
  float bias;
  int64_t height, width;  ///< of the output
  float* flat;            ///< scratch of height * pitch + nr floats
  float* out;
  const Epilogue* epilogue;
};

/// Planes of a depthwise convolution by a square window of 3 or 5 with stride 1 or 2, read where they lie. Each plane
/// gives `multiplier` planes of outputs.
struct DepthwiseWindow {
  const float* in;
  int64_t planes, multiplier, height, width;
  int64_t kernel, stride, pad_top, pad_left;
  const float* weights;  ///< [planes * multiplier][kernel][kernel]
  const float* bias;     ///< [planes * multiplier] or null
  int64_t out_height, out_width;
  float* out;
  const Epilogue* epilogue;
};

/// Planes of a pool by a square window of 2 or 3 with stride 1 or 2, all of whose windows lie inside the planes.
struct PoolWindow {
  const float* in;
  int64_t planes, height, width, kernel, stride, out_height, out_width;
  float* out;
  const Epilogue* epilogue;
};

/// The gradient of max pools by windows of 2 x 2 that do not overlap and all lie inside the planes: each number of dy
/// goes to the first largest of its window (not-a-number counts as minus infinity), all others are zero.
struct PoolGradient {
  const float* in;
  const float* dy;
  int64_t planes, height, width, out_height, out_width;
  float* dx;
};

/// One plane of a transposed convolution of stride 1 from the products of its inputs with every tap: out[y][x] = start
/// + the sum over taps, row by row, of columns[tap][y + pad_top - ky * dilation_y][x + pad_left - kx * dilation_x], as
/// far as those exist.
struct ColumnSums {
  const float* columns;  ///< [kernel_h * kernel_w][height][width], a tap every `step` floats
  int64_t step, kernel_h, kernel_w, dilation_y, dilation_x, height, width, pad_top, pad_left;
  float start;
  int64_t out_height, out_width;
  float* out;
};

/// The gradient of a convolution's weight by one plane of the input: for every tap, and for every plane of dy, the
/// products of dy[y][x] and plane[y * pitch + x + tap] are added to stripes[plane of dy][tap][x modulo 16].
struct Correlation {
  const float* plane;
  int64_t pitch;
  const int64_t* taps;
  int64_t num_taps;
  const float* dy;  ///< planes, one behind the other
  int64_t num_planes, height, width;
  float* stripes;
};

/// Rows of an image turned to blocks of `lanes` channels: out[block][row][column][lane]. Row 0 is row `first` of the
/// image; what lies outside the image, and lanes beyond the last channel, are zero.
struct BlockedRows {
  const float* in;  ///< planes
  int64_t channels, height, width;
  int64_t first, rows, pad_left, pitch;
  float* out;
};

/// Tiles of 4x4 outputs of a 3x3 or 5x5 convolution, for Winograd's transforms. A tile has 6x6 or 8x8 points: as many
/// products for each input and output channel, and as many numbers of the input.
struct WinogradTiles {
  int64_t points;  ///< 36 or 64
  int64_t tiles_y, tiles_x;
  const float* blocked;           ///< BlockedRows::out, with rows = 4 * tiles_y + 2 (or 4), columns alike
  int64_t rows, pitch, channels;  ///< channels of the input, rounded up to whole vectors
  float* transformed;             ///< [tile][point][channels], a tile every transformed_step floats
  int64_t transformed_step;
  const float* weights;  ///< for each point a packed matrix [channels that exist][padded_out]
  int64_t products_of;   ///< channels that exist
  float* products;       ///< [tile][point][padded_out], a tile every product_step floats
  int64_t product_step;
  const float* bias;  ///< [padded_out]
  int64_t out_channels, padded_out;
  float* out;  ///< the planes, from the first row of tiles on
  int64_t out_rows, out_width, out_plane;
  const float* residual;  ///< null, or what is added before the epilogue: it lies as `out` does
  const Epilogue* epilogue;
};

/// The weights of such a convolution, for Winograd's products.
struct WinogradWeights {
  const float* taps;  ///< [channel][tap][padded_out]
  int64_t channels, padded_out;
  float* points;  ///< for each point a matrix [channels][padded_out], packed as pack_columns() does
};

/// The transposed convolution from its products: tiles of 6x6 or 8x8 numbers, four apart, are added up in blocks of
/// channels. The first 2 or 4 rows of `image` are what the rows of tiles above gave, or the bias.
struct WinogradImage {
  int64_t tiles_y, tiles_x;
  const float* products;  ///< [tile][point][channels], a tile every `step` floats
  int64_t step;
  int64_t channels;   ///< in whole vectors
  const float* bias;  ///< [channels]
  float* image;       ///< [block][rows][pitch][lane], from the first row of tiles on
  int64_t rows, pitch;
};

/// The gradient of such weights from the sums of products at every point.
struct WinogradSums {
  const float* sums;         ///< [point][features][padded]
  int64_t features, padded;  ///< channels of the input, in whole vectors
  float* taps;               ///< [features][tap][padded]
};

/// Winograd's loops for one size of kernel.
struct WinogradLoops {
  void (*weights)(const WinogradWeights& weights);  ///< taps to points
  void (*input)(const WinogradTiles& tiles);        ///< blocked to transformed
  void (*output)(const WinogradTiles& tiles);       ///< products to out
  /// Tiles of 4x4 numbers of dy (blocked, with rows = 4 * tiles_y and pitch = 4 * tiles_x) to `transformed`.
  void (*gradient)(const WinogradTiles& tiles);
  void (*image)(const WinogradImage& image);  ///< products to image
  void (*sums)(const WinogradSums& sums);     ///< sums to taps
};

enum class Binary { add, sub, mul, div, max, min };  // max and min: not-a-number where either is none
enum class Comparison { greater, greater_or_equal, less, less_or_equal, equal };
enum class Unary {
  exp,
  sigmoid,
  tanh,
  erf,
  gelu,
  gelu_by_tanh,
  square_root,
  square,
  reciprocal,
  scale,  ///< times alpha
  magnitude,
  elu,  ///< alpha * (e^x - 1) below zero
  log,
};

/// A row of bilinear interpolation, with output i between two columns and two rows: out[i] = (left[i] * above) *
/// above_left[i] + (right[i] * above) * above_right[i] + (left[i] * below) * below_left[i] + (right[i] * below) *
/// below_right[i], every product and sum rounded, in that order.
struct Corners {
  const float *left, *right;  ///< weights of the columns
  float above, below;         ///< weights of the rows
  const float *above_left, *above_right, *below_left, *below_right;
};

struct NativeTable {
  int lanes;           ///< floats in a vector
  int tile_vectors;    ///< most vectors of a tile
  int nr;              ///< floats of those
  int packed_rows;     ///< most rows of a group of a packed A
  int packed_vectors;  ///< most vectors of a tile with a packed A
  bool masks_taps;     ///< whether gemm_tile takes Tile::taps: reading planes where they lie, with masks, is worth it
  void (*gemm_tile)(const Tile& tile);
  /// panel[k][column ...] = the segments of source + offsets[k]; what follows the last one in each row of `columns`
  /// (whole vectors) is zero. The panel has room for `lanes` floats more.
  void (*pack_panel)(const float* source, const int64_t* offsets, int64_t k, const Segment* segments, int count,
                     float* panel, int columns);
  void (*lay_out_plane)(const PlaneCopy& copy);
  void (*depthwise)(const DepthwisePlane& plane);
  void (*depthwise_window)(const DepthwiseWindow& window);
  void (*max_pool_window)(const PoolWindow& window);
  void (*average_pool_window)(const PoolWindow& window);
  void (*correlate)(const Correlation& correlation);
  void (*sum_columns)(const ColumnSums& sums);
  void (*max_pool_gradient)(const PoolGradient& pool);
  void (*block_rows)(const BlockedRows& rows);
  WinogradLoops winograd_3x3, winograd_5x5;
  void (*winograd_multiply)(const WinogradTiles& tiles);  ///< transformed to products
  /// out[c * out_row + r] = in[r * in_row + c]; with `residual`, which lies as `out` does, the epilogue of the sum of
  /// both.
  void (*transpose)(const float* in, int64_t rows, int64_t columns, int64_t in_row, float* out, int64_t out_row,
                    const float* residual, const Epilogue& epilogue);
  /// out[i] = epilogue(in[i]); in may be out.
  void (*apply_epilogue)(const Epilogue& epilogue, const float* in, float* out, int64_t count);
  /// out[i] = epilogue(a[i * a_step] op b[i * b_step]), steps 0 or 1.
  void (*binary)(Binary op, const float* a, int a_step, const float* b, int b_step, float* out, int64_t count,
                 const Epilogue& epilogue);
  /// out[i] = epilogue(fma(in[i], scale, shift)).
  /// out[i] = 1 where a[i * a_step] compares so to b[i * b_step], else 0; steps 0 or 1.
  void (*compare)(Comparison op, const float* a, int a_step, const float* b, int b_step, uint8_t* out, int64_t count);
  /// out[i] = mask[i] != 0 ? a[i * a_step] : b[i * b_step], steps 0 or 1.
  void (*select)(const uint8_t* mask, const float* a, int a_step, const float* b, int b_step, float* out,
                 int64_t count);
  void (*scale_shift)(const float* in, float scale, float shift, float* out, int64_t count, const Epilogue& epilogue);
  /// out[i] = in[i] < 0 ? in[i] * slope : in[i].
  void (*leaky_relu)(const float* in, float slope, float* out, int64_t count);
  /// out[i] = max(0, min(1, alpha * in[i] + beta)), times in[i] when `swish`.
  void (*hard_sigmoid)(const float* in, float alpha, float beta, bool swish, float* out, int64_t count);
  /// acc[i] = max(acc[i], in[i]) / acc[i] + in[i].
  void (*max_into)(const float* in, float* acc, int64_t count);
  void (*add_into)(const float* in, float* acc, int64_t count);
  /// out[i] = gate[i] > 0 ? in[i] : 0; out may be either.
  void (*gate)(const float* gate, const float* in, float* out, int64_t count);
  /// out[i] = epilogue(op(in[i])); in may be out.
  void (*unary)(Unary op, const float* in, float alpha, float* out, int64_t count, const Epilogue& epilogue);
  /// Of a row: 0 and minus infinity of nothing. Sums have 16 lanes on every instruction set (isa/rows.h).
  float (*row_sum)(const float* in, int64_t count);
  float (*row_max)(const float* in, int64_t count);
  /// out = epilogue(softmax, or its logarithm, of a row); in may be out.
  void (*softmax_row)(const float* in, int64_t count, bool log, float* out, const Epilogue& epilogue);
  /// out[i] = sum over k < inputs of weights[k] * in[indices[k] * inner + i], inputs > 0.
  void (*mix)(const float* in, const int64_t* indices, const float* weights, int64_t inputs, int64_t inner, float* out);
  /// out[o] = sum over begins[o] <= k < begins[o + 1] of weights[k] * in[indices[k]], of at least one.
  void (*mix_neighbours)(const float* in, const int64_t* begins, const int64_t* indices, const float* weights,
                         int64_t outputs, float* out);
  /// out[i] = the four corners of output i, mixed.
  void (*mix_corners)(const Corners& corners, int64_t count, float* out);
  /// The same for volumes: the corners of two slices, each with the slice's weight.
  void (*mix_eight_corners)(const Corners& near, float near_weight, const Corners& far, float far_weight, int64_t count,
                            float* out);
  /// round_halves.h.
  void (*round_to_f16)(float* data, int64_t count);
  void (*round_to_bf16)(float* data, int64_t count);
};

/// The table for the best vectors that `isa` includes.
const NativeTable& native_table(Isa isa);
/// The same for rows of `width` outputs. Half a vector of AVX-512 costs as much as a whole one, so narrow planes take
/// the narrower vectors.
const NativeTable& table_for_width(Isa isa, int64_t width);

}  // namespace edgesmith::runtime::native
