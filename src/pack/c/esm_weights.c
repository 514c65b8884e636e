/* SPDX-License-Identifier: Apache-2.0
 * Says the same as src/pack/{range_coder,mixing,entry_model,number_model,tensor_stream}, in C. */
#include "esm_weights.h"

enum { FLAGS, TYPE, RANK, DIM, GAP, NAME_SIZE, NAME, SAME, TOP, TRAILING, CENTRE, BOOK, FIELDS = 16 };
enum { KERNEL, ROW, LINE, CORNER, LAST };
/* Where counters begin, and how many there are. */
enum { VIEWS = 4 * 4096, SIGNS = VIEWS + 4096, DIGITS = SIGNS + 1024, COUNTERS = DIGITS + 1024 };

static int squash(int x) {
  static const uint16_t at[33] = {1,    2,    4,    6,    10,   17,   27,   45,   73,   120,  194,
                                  310,  488,  747,  1102, 1546, 2048, 2550, 2994, 3349, 3608, 3786,
                                  3902, 3976, 4023, 4051, 4069, 4079, 4086, 4090, 4092, 4094, 4095};
  int i, part;
  x = (x < -2047 ? -2047 : x > 2047 ? 2047 : x) + 2048;
  i = x >> 7, part = x & 127;
  return (at[i] * (128 - part) + at[i + 1] * part + 64) >> 7;
}

static void update(uint32_t *counter, int bit) {
  const uint32_t count = *counter & 1023, p = *counter >> 10;
  const int64_t error = (bit ? 4194303 : 0) - (int64_t)p;
  *counter = (uint32_t)((int64_t)p + ((error * (int64_t)(131072 / (2 * count + 3))) >> 16)) << 10 |
             (count < 255 ? count + 1 : count);
}

static uint32_t next_byte(esm_reader *r) {
  if (r->coded < r->coded_end) return *r->coded++;
  if (++r->over > 4) r->failed = 1;
  return 0;
}

/* A bit that is 1 with probability p of 65536. */
static int get_bit(esm_reader *r, uint32_t p) {
  const uint32_t middle = r->low + (uint32_t)(((uint64_t)(r->high - r->low) * p) >> 16);
  const int bit = r->value <= middle;
  if (bit)
    r->high = middle;
  else
    r->low = middle + 1;
  while (!((r->low ^ r->high) >> 24)) {
    r->low <<= 8;
    r->high = r->high << 8 | 255;
    r->value = r->value << 8 | next_byte(r);
  }
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
  const int believe = set >= FIELDS;
  int32_t *w = &r->weights[5 * set];
  int input[4], i, p, bit, error, sum = w[4] >> 1;
  for (i = 0; i < 4; ++i) {
    const uint32_t counter = r->counters[used[i]], count = counter & 1023;
    input[i] = r->stretch[counter >> 20];
    if (believe) input[i] = (input[i] * (int)(count < 30 ? count + 2 : 32)) >> 5;
    sum += (w[i] * input[i]) >> 9;
  }
  p = squash(sum >> 7);
  bit = get_bit(r, (uint32_t)p * 16);
  error = ((bit << 12) - p) * (believe ? 2 : 6);
  for (i = 0; i < 4; ++i) {
    w[i] = kept(w[i] + ((input[i] * error + 0x2000) >> 14));
    update(&r->counters[used[i]], bit);
  }
  w[4] = kept(w[4] + ((256 * error + 0x2000) >> 14));
  return bit;
}

static int get_single(esm_reader *r, uint32_t at) {
  uint32_t *counter = &r->counters[at], p = *counter >> 16;
  int bit;
  p = p < 32 ? 32 : p > 65503 ? 65503 : p;
  bit = get_bit(r, p);
  update(counter, bit);
  return bit;
}

static uint32_t entry_byte(esm_reader *r, int field) {
  uint32_t node = 1, used[4], k;
  while (node < 256) {
    for (k = 0; k < 4; ++k) {
      const uint32_t bytes = k == 0 ? 0 : r->last & (0xffffffffu >> (32 - 8 * k));
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
  r->low = 0, r->high = 0xffffffffu, r->held = 0, r->held_bits = 0, r->last = 0, r->over = 0;
  for (i = 0; i < 4; ++i) r->value = r->value << 8 | next_byte(r);
  for (i = 0; i < COUNTERS; ++i) r->counters[i] = 0x80000000u;
  for (i = 0; i < (FIELDS + 32) * 5; ++i) r->weights[i] = 20000;
}

int esm_open(esm_reader *r, const uint8_t *file, size_t size) {
  uint32_t crc = 0xffffffffu, i, number;
  uint64_t streams = 0;
  int x = -2047, k;
  size_t at;
  if (size < 24 || file[0] != 0xE5 || file[1] != 'E' || file[2] != 'S' || file[3] != 'M' || file[4] != 2) {
    return ESM_DAMAGED;
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
  r->is_signed = kind >> 5 & 1;
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
  r->mode = flags >> 2 & 3, r->has_zeros = flags >> 4 & 1;
  t->type = (uint8_t)entry_byte(r, TYPE);
  t->rank = (uint8_t)entry_byte(r, RANK);
  if (flags > 31 || r->mode > 2 || !describe(r, t->type) || t->rank > 8) goto damaged;
  r->reach[KERNEL] = r->reach[LINE] = r->reach[LAST] = 1;
  for (i = 0; i < t->rank; ++i) {
    t->dims[i] = entry_number(r, DIM);
    count *= t->dims[i];
    if (count >> 27) goto damaged;
    if (i >= 2) r->reach[KERNEL] *= t->dims[i];
    if (i > 2) r->reach[LINE] = t->dims[i];
  }
  if ((t->type | 1) == 15) count *= 2;
  if (r->width == 4) count += count & 1;
  entry_number(r, GAP);
  t->name[i = entry_byte(r, NAME_SIZE)] = 0;
  flags = i;
  for (i = 0; i < flags; ++i) t->name[i] = (char)entry_byte(r, NAME);
  t->count = (uint32_t)count;
  t->bytes = (uint32_t)(count * r->width / 8);
  t->same_as = r->mode == 2 ? (int32_t)entry_number(r, SAME) : -1;
  if (r->mode == 2) t->count = 0;
  if (t->count == 0) return r->failed ? ESM_DAMAGED : 1;
  r->coded_width = r->width, r->coded_exponent = r->exponent, r->coded_signed = r->is_signed;
  if (r->mode == 1) {
    r->coded_width = 8, r->coded_exponent = 0, r->coded_signed = 0;
    r->book_size = entry_byte(r, BOOK) + 1;
    for (i = 0; i < r->book_size; ++i) {
      r->book[i] = get_plain(r, r->width < 32 ? r->width : 32);
      if (r->width == 64) r->book[i] |= (uint64_t)get_plain(r, 32) << 32;
    }
  }
  r->top = (int32_t)entry_number(r, TOP);
  r->trailing = r->centre = 0;
  if (r->coded_exponent) r->trailing = (int32_t)entry_byte(r, TRAILING);
  if (r->coded_width <= 8) r->centre = (int32_t)entry_byte(r, CENTRE);
  r->reach[CORNER] = r->reach[LINE] + 1;
  r->reach[ROW] = t->rank ? t->count / t->dims[0] : 1;
  if (r->top > (r->coded_exponent ? (1 << r->coded_exponent) - 1 : r->coded_width < 63 ? r->coded_width : 63) ||
      r->trailing > r->coded_width - 1 - r->coded_exponent || r->centre >> (r->coded_width & 15) || r->failed) {
    goto damaged;
  }
  return 1;
damaged:
  r->failed = 1;
  return ESM_DAMAGED;
}

static uint64_t load(const esm_reader *r, const uint8_t *out, uint32_t i) {
  uint64_t value = 0;
  int k;
  if (r->width == 4) return out[i / 2] >> (4 * (i & 1)) & 15;
  for (k = r->width / 8; k-- > 0;) value = value << 8 | out[i * (r->width / 8u) + (uint32_t)k];
  return value;
}

/* Level (from 1 for small to 31 for large elements, 0 for zero) and, in the low two bits, sign of a decoded element. */
static int level_at(const esm_reader *r, const uint8_t *out, uint32_t i, uint32_t distance) {
  uint64_t value, digits;
  int negative, size, first, d;
  if (distance > i) return 0;
  value = load(r, out, i - distance);
  if (r->mode == 1) {
    uint32_t k = 0;
    while (k + 1 < r->book_size && r->book[k] != value) ++k;
    value = k;
  }
  if (r->coded_exponent) {
    const int m = r->coded_width - 1 - r->coded_exponent;
    if (value == 0) return 0;
    negative = (int)(value >> (r->coded_width - 1));
    size = (int)(value >> m & ((1u << r->coded_exponent) - 1));
    first = (int)(value >> (m - 1) & 1);
  } else {
    if (r->coded_signed && r->coded_width < 64 && value >> (r->coded_width - 1)) {
      value |= ~(uint64_t)0 << r->coded_width;
    }
    value -= (uint64_t)r->centre;
    if (value == 0) return 0;
    negative = (int)(value >> 63);
    if (negative) value = ~value + 1;
    for (size = 0, digits = value; digits >>= 1;) ++size;
    first = size > 0 ? (int)(value >> (size - 1) & 1) : 0;
  }
  d = r->top - size;
  return (2 * (15 - (d < 15 ? d : 14)) + first) << 2 | (negative ? 2 : 1);
}

/* What a level stands for, as a number with its sign. */
static int reading(int level) { return ((level & 1) - (level >> 1 & 1)) * ((2 + (level >> 2 & 1)) << (level >> 3)); }

/* The bits of the next element, from the views and what the neighbours in the kernel let expect. */
static uint64_t get_number(esm_reader *r, uint32_t *view, int expected) {
  const int all = !r->coded_exponent && r->coded_width <= 8;
  const uint32_t size_expected = (uint32_t)(expected < 0 ? -expected : expected);
  uint32_t used[4];
  uint64_t digits = 0;
  int node, i, d, left, size, n, negative, magnitude = 0;
  while (size_expected >> magnitude) ++magnitude;
  view[3] = (uint32_t)magnitude;
  for (node = r->has_zeros ? 0 : 1; node < 25; ++node) {
    for (i = 0; i < 4; ++i) used[i] = VIEWS + (32 * (uint32_t)i + view[i]) * 32 + (uint32_t)node;
    i = get_mixed(r, used, FIELDS + node);
    if (node == 0 && i) return r->coded_exponent ? 0 : (uint64_t)r->centre;
    if (node > 0 && !i) break;
  }
  d = node - 1;
  if (d == 24) d += (int)get_plain(r, 11);
  if (d > r->top) r->failed = 1, d = r->top;
  size = r->top - d;
  negative = get_single(r, (uint32_t)(SIGNS + 64 * (d < 15 ? d : 15) + 32 + (expected < 0 ? -magnitude : magnitude)));
  left = n = r->coded_exponent ? r->coded_width - 1 - r->coded_exponent : size;
  for (i = 0; left > 0 && (all || i < 3); ++i, --left) {
    const uint32_t known = (uint32_t)digits | 1u << i;
    const uint32_t place = all ? (negative ? 256u : 0u) + ((known << left | 1u << (left - 1)) & 255)
                               : 512u + (uint32_t)(d < 23 ? d : 23) * 8 + known;
    digits = digits << 1 | (uint64_t)get_single(r, DIGITS + place);
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
  if (r->coded_exponent) return (uint64_t)negative << (r->coded_width - 1) | (uint64_t)size << n | digits;
  digits |= (uint64_t)1 << size;
  if (negative) digits = ~digits + 1;
  digits += (uint64_t)r->centre;
  return r->coded_width == 64 ? digits : digits & (((uint64_t)1 << r->coded_width) - 1);
}

int esm_decode(esm_reader *r, const esm_tensor *t, void *buffer, size_t out_bytes) {
  uint8_t *out = (uint8_t *)buffer;
  uint32_t i;
  int mean = 0, level[5] = {0, 0, 0, 0, 0}, before, k;
  if (r->failed) return ESM_DAMAGED;
  if (t->count == 0) return 1;
  if (out_bytes < t->bytes) return ESM_TOO_SMALL;
  for (i = 0; i < t->count; ++i) {
    const uint32_t place = i % r->reach[KERNEL], inside = place % r->reach[LINE];
    int expected;
    uint64_t value;
    uint32_t view[4];
    before = level[LAST];
    for (k = 0; k < 5; ++k) level[k] = level_at(r, out, i, r->reach[k]);
    mean += ((level[LAST] >> 2) * 128 - mean) >> 4;
    expected = inside ? 2 * reading(level[LAST]) : 0;
    if (place >= r->reach[LINE]) {
      expected += 2 * reading(level[LINE]);
      if (inside) expected -= reading(level[CORNER]);
    }
    view[0] = (uint32_t)(2 * (level[LAST] >> 2) + (before >> 2) + 1) / 3;
    view[1] = (uint32_t)((level[KERNEL] >> 2) + (level[ROW] >> 2) + 1) / 2;
    view[2] = (uint32_t)mean >> 7;
    value = get_number(r, view, expected);
    if (r->mode == 1) {
      if (value >= r->book_size) r->failed = 1, value = 0;
      value = r->book[value];
    }
    if (r->failed) return ESM_DAMAGED;
    if (r->width == 4) {
      out[i / 2] = (uint8_t)((i & 1 ? out[i / 2] : 0) | value << (4 * (i & 1)));
    } else {
      for (k = 0; k < r->width / 8; ++k) out[i * (r->width / 8u) + (uint32_t)k] = (uint8_t)(value >> (8 * k));
    }
  }
  return 1;
}
