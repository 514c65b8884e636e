// SPDX-License-Identifier: Apache-2.0
// libFuzzer entry: any bytes as .npy, .npz (zip, deflate) and IDX. The first byte says which.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "data/idx.h"
#include "data/npy.h"
#include "data/zip.h"

namespace {

using edgesmith::data::Bytes;

/// Reads every element, so that a tensor that is larger than its bytes is seen.
void read_all(const edgesmith::Result<edgesmith::ir::Tensor>& tensor) {
  if (!tensor) {
    if (tensor.error().kind == edgesmith::ErrorKind::internal) std::abort();
    return;
  }
  volatile unsigned char sum = 0;
  for (const std::byte byte : tensor->bytes()) sum = sum + std::to_integer<unsigned char>(byte);
}

/// Entries may be anything that is inflated: no more of them than an archive of this size needs.
void read_archive(const Bytes& bytes) {
  constexpr uint64_t kMostBytes = uint64_t{1} << 24;
  const auto entries = edgesmith::data::zip_entries(bytes, "fuzzed");
  if (!entries) return;
  for (const auto& entry : *entries) {
    if (entry.size > kMostBytes) continue;  // asked for is what is there, up to deflate's factor of 1032
    const auto content = edgesmith::data::zip_read(bytes, entry, "fuzzed");
    if (content) read_all(edgesmith::data::parse_npy(*content, entry.name));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  // Of its own size, so that reading beyond the end is seen.
  const auto own = std::make_shared<std::vector<uint8_t>>(data + 1, data + size);
  const Bytes bytes{std::as_bytes(std::span<const uint8_t>(*own)), own};
  switch (data[0] % 3) {
    case 0: read_all(edgesmith::data::parse_npy(bytes, "fuzzed")); break;
    case 1: read_archive(bytes); break;
    default: edgesmith::data::looks_like_idx(bytes.span); read_all(edgesmith::data::parse_idx(bytes, "fuzzed"));
  }
  return 0;
}
