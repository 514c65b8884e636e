// SPDX-License-Identifier: Apache-2.0
// A run of bytes and whoever keeps them alive: a mapped file, or memory that something was inflated into.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "edgesmith/base/result.h"

namespace edgesmith::data {

struct Bytes {
  std::span<const std::byte> span;
  std::shared_ptr<const void> owner;

  size_t size() const { return span.size(); }
  /// [begin, begin + count), which must lie inside.
  Bytes part(size_t begin, size_t count) const { return {span.subspan(begin, count), owner}; }
};

/// The whole file, memory-mapped. Errors: io.
Result<Bytes> map_file(const std::string& path);
/// The whole file, memory-mapped or, when it is gzip, inflated into memory. Errors: io; invalid (corrupt gzip).
Result<Bytes> map_or_gunzip(const std::string& path);
/// Inflates raw deflate data into exactly `size` bytes. Errors: invalid, naming `name`.
Result<Bytes> inflate_raw(std::span<const std::byte> deflated, uint64_t size, const std::string& name);
/// CRC-32 as zip and gzip use it, continued from `crc`.
uint32_t crc32_of(std::span<const std::byte> bytes, uint32_t crc = 0);
/// 64-bit hash of raw bytes, chained through `seed`; the same on every machine.
uint64_t hash_bytes(std::span<const std::byte> bytes, uint64_t seed = 0);

/// Little-endian number of `width` bytes at `at`; the caller has checked the bounds.
uint64_t read_le(std::span<const std::byte> bytes, size_t at, int width);

}  // namespace edgesmith::data
