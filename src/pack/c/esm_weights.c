/* SPDX-License-Identifier: Apache-2.0
 * Says the same as src/pack/{range_coder,mixing,entry_model,number_model,tensor_stream}, in C. */
#include "esm_weights.h"

enum { FLAGS, TYPE, RANK, DIM, GAP, NAME_SIZE, NAME, SAME, TOP, TRAILING, CENTRE, BOOK, USUAL, FIELDS = 16 };
enum { CLASSES = 28, OCTAVES = 7, NODES = 48 };
/* Where counters begin, and how many there are. */
enum { VIEW = CLASSES * OCTAVES * NODES, VIEWS = 4 * 4096, SIGNS = VIEWS + 4 * VIEW, DIGITS = SIGNS + 32 * CLASSES,
       COUNTERS = DIGITS + 256 + 32 };

static int squash(int x) {
  static const uint16_t at[33] = {1,    2,    4,    6,    10,   17,   27,   45,   73,   120,  194,
                                  310,  488,  747,  1102, 1546, 2048, 2550, 2994, 3349, 3608, 3786,
                                  3902, 3976, 4023, 4051, 4069, 4079, 4086, 4090, 4092, 4094, 4095};
  int i, part;
  x = (x < -2047 ? -2047 : x > 2047 ? 2047 : x) + 2048;
  i = x >> 7, part = x & 127;
  return (at[i] * (128 - part) + at[i + 1] * part + 64) >> 7;
}

static void update(esm_reader *r, uint32_t at, int bit) {
  const uint32_t counter = r->counters[at], count = counter & 255;
  const int64_t error = (bit ? 4194303 : 0) - (int64_t)(counter >> 10);
  r->counters[at] = counter + ((uint32_t)((error * r->rate[count]) >> 16) << 10) + (count < 255);
}

static uint32_t next_byte(esm_reader *r) {
  if (r->coded < r->coded_end) return *r->coded++;
  if (++r->over > 4) r->failed = 1;
  return 0;
}

/* A bit that is 1 with probability p of 65536. */
static int get_bit(esm_reader *r, uint32_t p) {
  uint32_t middle;
  int bit;
  while (!((r->low ^ r->high) >> 24)) { /* at first four times: both are 0 */
    r->low <<= 8;
    r->high = r->high << 8 | 255;
    r->value = r->value << 8 | next_byte(r);
  }
  middle = r->low + (uint32_t)(((uint64_t)(r->high - r->low) * p) >> 16);
  bit = r->value <= middle;
  if (bit)
    r->high = middle;
  else
    r->low = middle + 1;
  return bit;
}

static uint32_t get_plain(esm_reader *r, int count) {
  uint32_t value;
  while (r->held_bits < count) {
    if (r->plain < r->plain_end)
      r->held |= (uint64_t)*r->plain++ << r->held_bits;
    else
      r->failed = 1;
    r->held_bits += 8;
  }
  value = (uint32_t)(r->held & (((uint64_t)1 << count) - 1));
  r->held >>= count;
  r->held_bits -= count;
  return value;
}

static int32_t kept(int32_t w) { return w < -524288 ? -524288 : w > 524288 ? 524288 : w; }

/* A bit that four counters predict, mixed with the weights of a set: of an entry's field, or of a node behind them. */
static int get_mixed(esm_reader *r, const uint32_t *used, int set) {
  int32_t *w = &r->weights[5 * set];
  int input[5], i, p, bit, error, sum = 0;
  input[4] = 256;
  for (i = 0; i < 5; ++i) {
    if (i < 4) {
      const uint32_t counter = r->counters[used[i]], count = counter & 255;
      input[i] = (r->stretch[counter >> 20] * (int)(count < 30 && set >= FIELDS ? count + 2 : 32)) >> 5;
    }
    sum += (w[i] * input[i]) >> 9;
  }
  p = squash(sum >> 7);
  bit = get_bit(r, (uint32_t)p * 16);
  error = ((bit << 12) - p) * (set < FIELDS ? 4 : 6);
  for (i = 0; i < 5; ++i) {
    w[i] = kept(w[i] + ((input[i] * error + 0x2000) >> 14));
    if (i < 4) update(r, used[i], bit);
  }
  return bit;
}

static int get_single(esm_reader *r, uint32_t at) {
  const int bit = get_bit(r, r->counters[at] >> 16 | 1);
  update(r, at, bit);
  return bit;
}

static uint32_t entry_byte(esm_reader *r, int field) {
  uint32_t node = 1, used[4], k;
  while (node < 256) {
    for (k = 0; k < 4; ++k) {
      const uint32_t bytes = r->last & ((1u << 8 * k) - 1);
      const uint32_t hash = (bytes * 0x9E3779B1u + (uint32_t)field * 0x85EBCA6Bu + node) * 0xC2B2AE35u;
      used[k] = 4096 * k + (((hash ^ hash >> 15) * 0x2C1B3C6Du) >> 20);
    }
    node = node << 1 | (uint32_t)get_mixed(r, used, field);
  }
  r->last = r->last << 8 | (node & 255);
  return node & 255;
}

/* A number of the entry; more than 32 bits are nothing that fits a device. */
static uint32_t entry_number(esm_reader *r, int field) {
  uint64_t value = 0;
  int shift;
  for (shift = 0; shift < 64; shift += 7) {
    const uint32_t byte = entry_byte(r, field);
    value |= (uint64_t)(byte & 127) << shift;
    if (!(byte & 128)) break;
  }
  if (value >> 31 && field != GAP) r->failed = 1;
  return (uint32_t)value;
}

/* At most five bytes; what a sixth would say is nothing that fits a device. */
static const uint8_t *header_number(const uint8_t *at, uint32_t *value) {
  int shift = 0;
  *value = 0;
  do {
    *value |= (uint32_t)(*at & 127) << shift;
    shift += 7;
  } while (*at++ & 128 && shift < 35);
  return at;
}

static void start_chunk(esm_reader *r) {
  uint32_t coded, plain;
  int i;
  r->sizes = header_number(header_number(header_number(r->sizes, &r->left), &coded), &plain);
  r->coded = r->chunk, r->coded_end = r->plain = r->coded + coded, r->plain_end = r->chunk = r->plain + plain;
  r->low = 0, r->high = 0, r->held = 0, r->held_bits = 0, r->last = 0, r->over = 0;
  for (i = 0; i < COUNTERS; ++i) r->counters[i] = 0x80000000u;
  r->corner = -256;
  for (i = 0; i < (FIELDS + NODES) * 5; ++i) r->weights[i] = 25000;
}

int esm_open(esm_reader *r, const uint8_t *file, size_t size) {
  static const uint8_t start[5] = {0xE5, 'E', 'S', 'M', 4};
  uint32_t crc = 0xffffffffu, i, number;
  uint64_t streams = 0;
  int x = -2047, k;
  size_t at;
  if (size < 24) return ESM_DAMAGED;
  for (k = 0; k < 5; ++k) {
    if (file[k] != start[k]) return ESM_DAMAGED;
  }
  for (at = 0; at < size - 4; ++at) {
    crc ^= file[at];
    for (k = 0; k < 8; ++k) crc = crc >> 1 ^ (0xEDB88320u & (0u - (crc & 1)));
  }
  for (k = 0; k < 4; ++k) {
    if (file[size - 4 + (size_t)k] != (uint8_t)(~crc >> (8 * k))) return ESM_DAMAGED;
  }
  r->failed = 0, r->left = 0;
  r->chunk = r->sizes = header_number(file + 13, &r->chunks);
  /* Three numbers a chunk, of which the last two are bytes of its streams, and one of the rest. */
  for (i = 0; i < r->chunks; ++i) {
    if (r->chunk + 20 > file + size) return ESM_DAMAGED;
    r->chunk = header_number(r->chunk, &number);
    for (k = 0; k < 2; ++k) r->chunk = header_number(r->chunk, &number), streams += number;
  }
  r->chunk = header_number(r->chunk, &number);
  if (streams > (uint64_t)(file + size - r->chunk)) return ESM_DAMAGED;
  for (i = 0; i < 4096; ++i) {
    while (x < 2047 && squash(x) < (int)i) ++x;
    r->stretch[i] = (int16_t)x;
    r->rate[i & 255] = (uint16_t)(131072 / (2 * (i & 255) + 3));
  }
  return 1;
}

/* Bits of an element, of its exponent, and whether it has a sign: of data_type 1 to 22. */
static int describe(esm_reader *r, int type) {
  /* width / 4 in the low five bits, 32 signed, 64 times the place of the bits of its exponent */
  static const uint8_t exponents[4] = {0, 8, 5, 11};
  static const uint8_t kinds[23] = {0, 8 | 96,   2,  2 | 32,   4,         4 | 32, 8 | 32, 16 | 32, 0, 2, 4 | 160, 16 | 224,
                                    8, 16, 8 | 96, 16 | 224, 4 | 96, 2, 2, 2, 2, 1, 1 | 32};
  const int kind = type < 23 ? kinds[type] : 0;
  r->width = (uint8_t)(4 * (kind & 31));
  r->exponent = exponents[kind >> 6];
  return kind;
}

int esm_next(esm_reader *r, esm_tensor *t) {
  uint32_t flags, i;
  uint64_t count = 1;
  while (r->left == 0) {
    if (r->chunks == 0) return r->failed ? ESM_DAMAGED : 0;
    --r->chunks;
    start_chunk(r);
  }
  --r->left;
  flags = entry_byte(r, FLAGS);
  r->mode = flags >> 2 & 3, r->has_zeros = flags & 16;
  t->type = (uint8_t)entry_byte(r, TYPE);
  t->rank = (uint8_t)entry_byte(r, RANK);
  if (r->mode > 2 || !describe(r, t->type) || t->rank > 8) goto damaged;
  r->kernel = r->line = 1;
  for (i = 0; i < t->rank; ++i) {
    t->dims[i] = entry_number(r, DIM);
    count *= t->dims[i];
    if (count >> 27) goto damaged;
    if (i > 2) r->line = t->dims[i];
    if (i > 1) r->kernel *= t->dims[i];
  }
  if ((t->type | 1) == 15) count *= 2;
  if (r->width == 4) count += count & 1;
  entry_number(r, GAP);
  t->name[i = entry_byte(r, NAME_SIZE)] = 0;
  flags = i;
  for (i = 0; i < flags; ++i) t->name[i] = (char)entry_byte(r, NAME);
  t->count = (uint32_t)count;
  t->bytes = (uint32_t)(count * r->width / 8);
  t->same_as = -1;
  if (r->mode == 2) t->count = 0, t->same_as = (int32_t)entry_number(r, SAME);
  if (t->count == 0) goto done;
  r->coded_width = r->width, r->coded_exponent = r->exponent;
  if (r->mode == 1) {
    r->coded_width = 8, r->coded_exponent = 0;
    r->book_size = entry_byte(r, BOOK) + 1;
    for (i = 0; i < r->book_size; ++i) {
      r->book[i] = get_plain(r, r->width < 32 ? r->width : 32);
      if (r->width == 64) r->book[i] |= (uint64_t)get_plain(r, 32) << 32;
    }
  }
  r->top = (int32_t)entry_number(r, TOP);
  r->usual = (int32_t)entry_byte(r, USUAL);
  r->trailing = r->centre = 0;
  if (r->coded_exponent) r->trailing = (int32_t)entry_byte(r, TRAILING);
  if (r->coded_width <= 8) r->centre = (int32_t)entry_byte(r, CENTRE);
  r->row = t->rank ? t->count / t->dims[0] : 1;
  if (!r->coded_exponent && r->top >= r->coded_width) goto damaged;
done:
  if (!r->failed) return 1;
damaged:
  r->failed = 1;
  return ESM_DAMAGED;
}

static uint32_t size_of(int reading) { return (uint32_t)(reading < 0 ? -reading : reading); }

/* 0 to 3 by themselves, then four classes an octave. */
static uint32_t class_of(uint32_t size) {
  uint32_t first = 0;
  for (; size > 7; size >>= 1) first += 4;
  first += size;
  return first < CLASSES - 1 ? first : CLASSES - 1;
}

static int viewed(esm_reader *r, int node) {
  uint32_t used[4], k;
  for (k = 0; k < 4; ++k) used[k] = VIEWS + VIEW * k + NODES * r->view[k] + (uint32_t)node;
  return get_mixed(r, used, FIELDS + node);
}

/* The bits of the next element, from the views and what the neighbours in the kernel let expect. */
static uint64_t get_number(esm_reader *r, int expected, uint32_t size_expected) {
  const int all = !r->coded_exponent && r->coded_width <= 8;
  uint64_t digits = 1; /* behind a one */
  int i, d = r->usual, left, n, negative, turned;
  uint32_t capped, nodes;
  r->reading = 0;
  if (r->has_zeros && viewed(r, 0)) return (uint64_t)r->centre;
  if (viewed(r, 1)) {
    while (++d < 24 && viewed(r, 2 + (d & 15))) {}
  } else {
    while (d > 0 && viewed(r, 2 + ((d - 1) & 15))) --d;
  }
  if (d > 23) d += (int)get_plain(r, 11);
  if (d > r->top) r->failed = 1;
  capped = d & 31, nodes = d < 3 ? (uint32_t)d : 3;
  turned = all ? viewed(r, 18 + (int)nodes) : get_single(r, SIGNS + CLASSES * capped + size_expected);
  negative = turned ^ (expected < 0);
  nodes = 21 + 3 * nodes + 12 * (uint32_t)turned;
  left = n = r->coded_exponent ? r->coded_width - 1 - r->coded_exponent : r->top - d;
  for (i = 0; left > 0 && (all || i < 1); ++i) {
    const uint32_t known = (uint32_t)digits;
    const uint32_t place = all ? (known << left | 1u << (left - 1)) & 255 : 256 + capped;
    --left;
    digits = digits << 1 | (uint64_t)(all && i < 2 ? viewed(r, (int)(nodes + known)) : get_single(r, DIGITS + place));
  }
  if (left > 0) {
    int plain = left > r->trailing ? left - r->trailing : 0;
    const int rest = left - plain;
    for (; plain > 0; plain -= i) {
      i = plain > 32 ? plain - 32 : plain;
      digits = digits << i | get_plain(r, i);
    }
    digits <<= rest;
  }
  /* Of which 256 to 511 have the largest size. */
  r->reading = d > 8 ? 0 : (int32_t)(digits << 8 >> (n + d));
  if (negative) r->reading = -r->reading;
  if (r->coded_exponent) {
    digits += (uint64_t)(r->top - d - 1) << n;
    return (uint64_t)negative << (r->coded_width - 1) | digits;
  }
  if (negative) digits = ~digits + 1;
  digits += (uint64_t)r->centre;
  return digits; /* of which the lowest bits count */
}

int esm_decode(esm_reader *r, const esm_tensor *t, void *buffer, size_t out_bytes) {
  uint8_t *out = (uint8_t *)buffer;
  const uint32_t line = r->line;
  uint32_t i, own = 0, place = 0, at = 0, rows = 0, row = 0, in_row = 0, all = 0, seen = 0, by_channels = 0, last = 0;
  if (r->failed) return ESM_DAMAGED;
  if (out_bytes < t->bytes && t->count > 0) return ESM_TOO_SMALL;
  for (i = 0; i < 4096; ++i) r->columns[i] = 0;
  for (i = 0; i < t->count; ++i) {
    int expected = 0, k;
    int corner = 0;
    uint64_t value;
    uint32_t size_expected;
    if (place == r->kernel) {
      place = 16 * own / place;
      all += place;
      if (++seen >> 18) all /= 2, seen /= 2;
      r->columns[at] += place;
      row += place;
      ++in_row;
      if (++at == 4096 || at >= r->row / r->kernel) at = row = in_row = 0, ++rows;
      own = place = 0;
    }
    if (place == 0) {
      const uint32_t mean = all / (seen + 1) + 1;
      by_channels = (row + 2 * mean) / (in_row + 2) * ((r->columns[at] + mean) / (rows + 1)) / mean;
    }
    if (place % line) expected = 2 * r->readings[(i - 1) & 63];
    if (place >= line) {
      expected += 2 * r->readings[(i - line) & 63];
      if (place % line) corner = r->readings[(i - line - 1) & 63];
    }
    expected += r->corner * corner >> 8;
    size_expected = class_of(size_of(expected) >> 4);
    r->view[0] = size_expected * OCTAVES + class_of(by_channels >> 4) / 4;
    r->view[1] = class_of(by_channels >> 5) * OCTAVES + size_expected / 4;
    r->view[2] = class_of((16 * own + 2 * by_channels) / (place + 2) >> 5) * OCTAVES + class_of(last >> 4) / 4;
    r->view[3] = (place < CLASSES - 1 ? place : CLASSES - 1) * OCTAVES + size_expected / 4;
    value = get_number(r, expected, size_expected);
    if (r->mode == 1) {
      if (value >= r->book_size) r->failed = 1, value = 0;
      value = r->book[value];
    }
    if (r->failed) return ESM_DAMAGED;
    if (r->width == 4) {
      out[i / 2] = (uint8_t)((i & 1 ? out[i / 2] : 0) | (value & 15) << (4 * (i & 1)));
    } else {
      for (k = 0; k < r->width / 8; ++k, value >>= 8) *out++ = (uint8_t)value;
    }
    r->readings[i & 63] = r->reading;
    if (corner && r->reading) {
      k = r->corner + ((4 * r->reading < expected) == (corner < 0) ? 1 : -1);
      if (size_of(k) < 512) r->corner = k;
    }
    own += size_of(r->reading);
    last += (uint32_t)((int32_t)(size_of(r->reading) * 16 - last) >> 4);
    ++place;
  }
  return 1;
}
