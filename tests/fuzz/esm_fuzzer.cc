// SPDX-License-Identifier: Apache-2.0
// libFuzzer entry: any bytes as an .esm, through both decoders. Magic, version and checksum are put right first, so
// that what was changed reaches the decoders. What one takes as a model, the other must take, too.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "edgesmith/pack/pack.h"
#include "pack/c/esm_weights.h"
#include "pack/container.h"
#include "pack/tensor_stream.h"

namespace {

using edgesmith::pack::Bytes;

Bytes as_bytes(const std::string& text) { return std::as_bytes(std::span<const char>(text)); }

std::string put_right(const uint8_t* data, size_t size) {
  std::string file(reinterpret_cast<const char*>(data), size);
  file.replace(0, edgesmith::pack::kMagic.size(), edgesmith::pack::kMagic);
  file[edgesmith::pack::kMagic.size()] = static_cast<char>(edgesmith::pack::kVersion);
  file.resize(size - 4);
  const uint32_t crc = edgesmith::pack::crc32(as_bytes(file));
  for (int i = 0; i < 4; ++i) file.push_back(static_cast<char>(crc >> (8 * i) & 255));
  return file;
}

/// Every chunk by itself, whatever the one before it gave.
void decode_tensors(const std::string& file) {
  const auto container = edgesmith::pack::read_container(as_bytes(file));
  if (!container) return;
  for (const edgesmith::pack::Chunk& chunk : container->chunks) {
    edgesmith::pack::Decoder decoder(chunk.coded, chunk.plain);
    const auto tensors = edgesmith::pack::decode_tensors(chunk.tensors, 0, decoder, chunk.coded.size());
    if (!tensors && tensors.error().kind != edgesmith::ErrorKind::invalid) std::abort();
  }
}

/// What the C decoder makes of it: as esm_next() and esm_decode() say.
int decode_weights(const std::string& file) {
  static const auto reader = std::make_unique<esm_reader>();
  static std::vector<uint8_t> buffer(size_t{1} << 20);
  // Of its own size, so that reading beyond the end is seen.
  const std::vector<uint8_t> bytes(file.begin(), file.end());
  esm_tensor tensor;
  int more = esm_open(reader.get(), bytes.data(), bytes.size());
  while (more > 0 && (more = esm_next(reader.get(), &tensor)) > 0) {
    more = esm_decode(reader.get(), &tensor, buffer.data(), buffer.size());
  }
  return more;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 18) return 0;
  static edgesmith::ThreadPool pool(1);
  const std::string file = put_right(data, size);
  decode_tensors(file);
  // The rest takes far longer than the tensors: one input of sixteen goes all the way.
  if (data[size - 1] % 16 != 0) {
    decode_weights(file);
    return 0;
  }
  const auto model = edgesmith::pack::unpack(as_bytes(file), pool);
  const int weights = decode_weights(file);
  if (!model && model.error().kind != edgesmith::ErrorKind::invalid) std::abort();
  if (model && weights == ESM_DAMAGED) std::abort();
  return 0;
}
