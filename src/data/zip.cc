// SPDX-License-Identifier: Apache-2.0
#include "data/zip.h"

#include <algorithm>
#include <optional>

namespace edgesmith::data {
namespace {

constexpr uint32_t kLocalHeader = 0x04034b50, kDirectoryHeader = 0x02014b50, kEnd = 0x06054b50, kEnd64 = 0x06064b50,
                   kEnd64Locator = 0x07064b50;
constexpr size_t kLocalSize = 30, kDirectorySize = 46, kEndSize = 22, kEnd64Size = 56, kLocatorSize = 20;

struct Directory {
  uint64_t offset = 0, count = 0;
};

bool has(const Bytes& bytes, uint64_t at, uint64_t count) { return at <= bytes.size() && count <= bytes.size() - at; }

// The end record is the last thing in the file but for a comment of at most 65535 bytes.
std::optional<Directory> find_directory(const Bytes& bytes) {
  if (bytes.size() < kEndSize) return std::nullopt;
  const size_t last = bytes.size() - kEndSize;
  const size_t first = last > 65535 ? last - 65535 : 0;
  for (size_t at = last + 1; at-- > first;) {
    if (read_le(bytes.span, at, 4) != kEnd || read_le(bytes.span, at + 20, 2) > last - at) continue;
    Directory found{read_le(bytes.span, at + 16, 4), read_le(bytes.span, at + 10, 2)};
    if (at >= kLocatorSize && read_le(bytes.span, at - kLocatorSize, 4) == kEnd64Locator) {
      const uint64_t end64 = read_le(bytes.span, at - kLocatorSize + 8, 8);
      if (!has(bytes, end64, kEnd64Size) || read_le(bytes.span, end64, 4) != kEnd64) return std::nullopt;
      found = {read_le(bytes.span, end64 + 48, 8), read_le(bytes.span, end64 + 32, 8)};
    }
    return found;
  }
  return std::nullopt;
}

// Fills the 64-bit numbers that the 32-bit fields only announce.
bool apply_zip64(const Bytes& bytes, size_t at, size_t end, ZipEntry& entry) {
  while (at + 4 <= end) {
    const uint64_t id = read_le(bytes.span, at, 2), length = read_le(bytes.span, at + 2, 2);
    at += 4;
    if (at + length > end) return false;
    if (id != 1) {
      at += length;
      continue;
    }
    const size_t stop = at + length;
    for (uint64_t* field : {&entry.size, &entry.compressed, &entry.header_offset}) {
      if (*field != kIn64) continue;
      if (at + 8 > stop) return false;
      *field = read_le(bytes.span, at, 8);
      at += 8;
    }
    return true;
  }
  return true;
}

}  // namespace

Result<std::vector<ZipEntry>> zip_entries(const Bytes& bytes, const std::string& name) {
  const auto directory = find_directory(bytes);
  if (!directory) {
    return invalid_error(name + ": not a zip archive, or a truncated one (no end of its directory)",
                         "write it with numpy.savez, or fetch it again");
  }
  const Error corrupt = invalid_error(name + ": corrupt zip directory", "fetch the file again");
  std::vector<ZipEntry> entries;
  uint64_t at = directory->offset;
  for (uint64_t i = 0; i < directory->count; ++i) {
    if (!has(bytes, at, kDirectorySize) || read_le(bytes.span, at, 4) != kDirectoryHeader) return corrupt;
    const size_t name_length = read_le(bytes.span, at + 28, 2), extra_length = read_le(bytes.span, at + 30, 2),
                 comment_length = read_le(bytes.span, at + 32, 2);
    const size_t variable = name_length + extra_length + comment_length;
    if (!has(bytes, at + kDirectorySize, variable)) return corrupt;
    ZipEntry entry;
    entry.flags = static_cast<uint16_t>(read_le(bytes.span, at + 8, 2));
    entry.method = static_cast<uint16_t>(read_le(bytes.span, at + 10, 2));
    entry.crc = static_cast<uint32_t>(read_le(bytes.span, at + 16, 4));
    entry.compressed = read_le(bytes.span, at + 20, 4);
    entry.size = read_le(bytes.span, at + 24, 4);
    entry.header_offset = read_le(bytes.span, at + 42, 4);
    const size_t text = at + kDirectorySize;
    entry.name.assign(reinterpret_cast<const char*>(bytes.span.data()) + text, name_length);
    if (!apply_zip64(bytes, text + name_length, text + name_length + extra_length, entry)) return corrupt;
    entries.push_back(std::move(entry));
    at = text + variable;
  }
  return entries;
}

Result<Bytes> zip_read(const Bytes& bytes, const ZipEntry& entry, const std::string& name) {
  const std::string where = name + ": " + entry.name;
  const Error corrupt = invalid_error(where + ": corrupt zip entry", "fetch the file again");
  if ((entry.flags & 1) != 0) return unsupported_error(where + ": the entry is encrypted");
  const uint64_t at = entry.header_offset;
  if (!has(bytes, at, kLocalSize) || read_le(bytes.span, at, 4) != kLocalHeader) return corrupt;
  const uint64_t begin = at + kLocalSize + read_le(bytes.span, at + 26, 2) + read_le(bytes.span, at + 28, 2);
  if (!has(bytes, begin, entry.compressed)) return corrupt;
  const Bytes data = bytes.part(begin, entry.compressed);
  if (entry.method == 0) {
    if (entry.compressed != entry.size || crc32_of(data.span) != entry.crc) return corrupt;
    return data;
  }
  if (entry.method != 8) {
    return unsupported_error(where + ": compression method " + std::to_string(entry.method),
                             "write it with numpy.savez or numpy.savez_compressed");
  }
  auto inflated = inflate_raw(data.span, entry.size, where);
  if (!inflated) return inflated;
  if (crc32_of(inflated->span) != entry.crc) return corrupt;
  return inflated;
}

}  // namespace edgesmith::data
