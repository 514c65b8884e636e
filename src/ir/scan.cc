// SPDX-License-Identifier: Apache-2.0
#include "ir/scan.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "edgesmith/base/file.h"

namespace edgesmith::ir {
namespace {

using Bytes = std::span<const std::byte>;

constexpr uint32_t kExponent = 0x7f800000, kMagnitude = 0x7fffffff;

uint32_t bits_at(const std::byte* data, size_t index) {
  uint32_t bits = 0;  // mapped files need not be aligned
  std::memcpy(&bits, data + index * sizeof bits, sizeof bits);
  return bits;
}

bool any_not_finite(Bytes piece) {
  uint32_t found = 0;
  for (size_t i = 0; i < piece.size() / 4; ++i) {
    found |= (bits_at(piece.data(), i) & kExponent) == kExponent ? 1u : 0u;
  }
  return found != 0;
}

uint32_t count_in(Bytes piece) {
  uint32_t count = 0;
  for (size_t i = 0; i < piece.size() / 4; ++i) count += (bits_at(piece.data(), i) & kMagnitude) != 0 ? 1u : 0u;
  return count;
}

/// Calls `look(piece)` until it says true.
template <typename Look>
void for_each_piece(Bytes bytes, Look look) {
  for (Bytes rest = bytes; !rest.empty();) {
    const Bytes piece = rest.first(std::min(rest.size(), kPieceBytes));
    if (look(piece)) return;
    if (bytes.size() > kPieceBytes) forget_pages(piece);
    rest = rest.subspan(piece.size());
  }
}

}  // namespace

float first_not_finite(Bytes floats) {
  float found = 0;
  for_each_piece(floats, [&](Bytes piece) {
    if (!any_not_finite(piece)) return false;
    for (size_t i = 0; found == 0; ++i) {
      const uint32_t bits = bits_at(piece.data(), i);
      if ((bits & kExponent) == kExponent) found = std::bit_cast<float>(bits);
    }
    return true;
  });
  return found;
}

int64_t count_nonzero(Bytes floats) {
  int64_t count = 0;
  for_each_piece(floats, [&](Bytes piece) {
    count += count_in(piece);
    return false;
  });
  return count;
}

bool same_bytes(Bytes a, Bytes b) {
  if (a.size() != b.size()) return false;
  while (!a.empty()) {
    const size_t size = std::min(a.size(), kPieceBytes);
    if (std::memcmp(a.data(), b.data(), size) != 0) return false;
    if (size == kPieceBytes) {
      forget_pages(a.first(size));
      forget_pages(b.first(size));
    }
    a = a.subspan(size);
    b = b.subspan(size);
  }
  return true;
}

}  // namespace edgesmith::ir
