// SPDX-License-Identifier: Apache-2.0
#include "pack/mixing.h"

namespace edgesmith::pack {
namespace {

/// 4096 / (1 + exp(-x / 256)) at x = -2048, -1920, ..., 2048.
constexpr int kSquash[33] = {1,    2,    4,    6,    10,   17,   27,   45,   73,   120,  194,
                             310,  488,  747,  1102, 1546, 2048, 2550, 2994, 3349, 3608, 3786,
                             3902, 3976, 4023, 4051, 4069, 4079, 4086, 4090, 4092, 4094, 4095};

constexpr int squash_of(int x) {
  x = std::clamp(x, -2047, 2047) + 2048;
  const int at = x >> 7, part = x & 127;
  return (kSquash[at] * (128 - part) + kSquash[at + 1] * part + 64) >> 7;
}

constexpr Tables make_tables() {
  Tables tables{};
  for (int y = 0; y < 4096; ++y) tables.squash[static_cast<size_t>(y)] = static_cast<int16_t>(squash_of(y - 2048));
  int x = -2047;
  for (int p = 0; p < 4096; ++p) {
    while (x < 2047 && squash_of(x) < p) ++x;
    tables.stretch[static_cast<size_t>(p)] = static_cast<int16_t>(x);
  }
  for (uint32_t n = 0; n < 1024; ++n) tables.rate[n] = static_cast<uint16_t>(131072 / (2 * n + 3));
  for (uint32_t n = 0; n < 256; ++n) tables.belief[n] = static_cast<uint8_t>(n < 30 ? n + 2 : 32);
  return tables;
}

}  // namespace

constinit const Tables kTables = make_tables();

}  // namespace edgesmith::pack
