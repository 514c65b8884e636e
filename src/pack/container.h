// SPDX-License-Identifier: Apache-2.0
// The outside of an .esm: header, chunks, rest, checksum (docs/format.md).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "edgesmith/base/result.h"

namespace edgesmith::pack {

using Bytes = std::span<const std::byte>;

constexpr std::string_view kMagic =
    "\xE5"
    "ESM";
constexpr uint8_t kVersion = 4;

struct Chunk {
  uint64_t tensors = 0;
  Bytes coded, plain;
};

struct Container {
  std::string digest;  ///< the first 8 bytes of the SHA-256 of the content
  std::vector<Chunk> chunks;
  uint64_t rest_bytes = 0;  ///< of the rest, decoded
  Bytes rest;
};

std::string write_container(const Container& container);
/// Errors: invalid (no .esm, unknown version, cut off, checksum).
Result<Container> read_container(Bytes bytes);

/// CRC-32 (the one of zlib and PNG).
uint32_t crc32(Bytes bytes);

}  // namespace edgesmith::pack
