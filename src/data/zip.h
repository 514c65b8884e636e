// SPDX-License-Identifier: Apache-2.0
// Zip archives as NumPy writes them (APPNOTE.TXT 4.3 to 4.5): stored or deflated entries, zip64, no encryption.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/bytes.h"
#include "edgesmith/base/result.h"

namespace edgesmith::data {

/// Stands for a number that is in the zip64 extra field.
inline constexpr uint32_t kIn64 = 0xffffffff;

struct ZipEntry {
  std::string name;
  uint16_t method = 0;
  uint16_t flags = 0;
  uint32_t crc = 0;
  uint64_t compressed = 0, size = 0, header_offset = 0;
};

/// The entries of the archive in `bytes`, in the order of its directory. Errors: invalid, naming `name`.
Result<std::vector<ZipEntry>> zip_entries(const Bytes& bytes, const std::string& name);
/// The content of `entry`: shared with `bytes` when it is stored, else inflated. Errors: invalid (also
/// another CRC-32 than the directory's), unsupported.
Result<Bytes> zip_read(const Bytes& bytes, const ZipEntry& entry, const std::string& name);

}  // namespace edgesmith::data
