/* SPDX-License-Identifier: Apache-2.0
 * Reads the weights of a packed model (.esm, docs/format.md) on the device: C99, no allocation, no library, no floating
 * point. About 4 KB of code; the caller lends one esm_reader (about 250 KB; it may be static).
 *
 *   static esm_reader reader;
 *   esm_tensor tensor;
 *   int more = esm_open(&reader, file, size);
 *   while (more > 0 && (more = esm_next(&reader, &tensor)) > 0)
 *     more = esm_decode(&reader, &tensor, buffer, sizeof buffer);    (more < 0: the file is damaged, or too small a
 * buffer)
 *
 * Every tensor must be decoded, in order: the coder learns from all. One with same_as >= 0 has the elements of that
 * earlier tensor (counted from 0) and nothing to decode. */
#ifndef ESM_WEIGHTS_H
#define ESM_WEIGHTS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { ESM_DAMAGED = -1, ESM_TOO_SMALL = -2 };

typedef struct {
  char name[256]; /* ends with 0; may be empty */
  uint8_t type;   /* ONNX data_type: 1 float32, 2 uint8, 3 int8, ... */
  uint8_t rank;
  uint32_t dims[8];
  uint32_t count; /* coded elements; of 4-bit types an even number, two a byte, of complex types two each */
  uint32_t bytes; /* that esm_decode() writes, little-endian */
  int32_t same_as;
} esm_tensor;

typedef struct {
  const uint8_t *coded, *coded_end, *plain, *plain_end;
  uint64_t held;
  uint32_t low, high, value, over, last;
  int held_bits, failed;
  /* of the tensor at hand */
  int32_t centre, top, usual, trailing;
  uint32_t book_size, kernel, row, line; /* elements of each */
  uint8_t width, exponent, coded_width, coded_exponent, has_zeros, mode;
  uint32_t view[4];
  int32_t reading, corner; /* the last one; the weight of the corner in a kernel */
  /* of the file */
  uint32_t chunks, left;
  const uint8_t *sizes, *chunk;
  uint64_t book[256];
  /* what was learnt: of entries 4 x 4096, of views 4 x 28 x 7 x 48, of signs 32 x 28, of digits 256 + 32 */
  int16_t stretch[4096];
  uint16_t rate[256];
  uint32_t counters[4 * 4096 + 4 * 28 * 7 * 48 + 32 * 28 + 256 + 32];
  int32_t weights[(16 + 48) * 5];
  int32_t readings[64];   /* the last ones */
  uint32_t columns[4096]; /* of the tensor at hand: sums of its input channels */
} esm_reader;

/* 1, or ESM_DAMAGED: no .esm of this version, or its checksum is wrong. `file` must stay where it is. */
int esm_open(esm_reader* reader, const uint8_t* file, size_t size);
/* 1: `tensor` is the next one; 0: there are no more. */
int esm_next(esm_reader* reader, esm_tensor* tensor);
/* Writes tensor->bytes bytes to `out`. 1, ESM_DAMAGED, or ESM_TOO_SMALL (nothing was written; call again). */
int esm_decode(esm_reader* reader, const esm_tensor* tensor, void* out, size_t out_bytes);

#ifdef __cplusplus
}
#endif

#endif
