// SPDX-License-Identifier: Apache-2.0
#include "data/bytes.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "edgesmith/base/file.h"

namespace edgesmith::data {
namespace {

// zlib counts in 32 bits: longer inputs and outputs are handed over in pieces of this size.
constexpr size_t kPiece = size_t{1} << 30;
// Deflate cannot shrink data more than this (RFC 1951: 258 bytes for at least two bits).
constexpr uint64_t kMaxRatio = 1032;

Bytef* input_of(std::span<const std::byte> bytes) {
  return reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data()));
}

// Runs `stream` until the end of its data. `grow` gives room for more output, or an empty span when there is none left.
template <typename Grow>
int inflate_all(z_stream& stream, std::span<const std::byte> input, Grow grow) {
  size_t taken = 0;
  int code = Z_OK;
  while (code == Z_OK) {
    if (stream.avail_in == 0 && taken < input.size()) {
      const size_t piece = std::min(kPiece, input.size() - taken);
      stream.next_in = input_of(input.subspan(taken));
      stream.avail_in = static_cast<uInt>(piece);
      taken += piece;
    }
    if (stream.avail_out == 0) {
      const std::span<std::byte> room = grow();
      stream.next_out = reinterpret_cast<Bytef*>(room.data());
      stream.avail_out = static_cast<uInt>(room.size());
    }
    code = inflate(&stream, Z_NO_FLUSH);
  }
  return code;
}

}  // namespace

Result<Bytes> map_file(const std::string& path) {
  auto file = MappedFile::open(path);
  if (!file) return file.error();
  return Bytes{(*file)->bytes(), *file};
}

Result<Bytes> map_or_gunzip(const std::string& path) {
  auto file = map_file(path);
  if (!file) return file.error();
  const auto span = file->span;
  if (span.size() < 2 || span[0] != std::byte{0x1f} || span[1] != std::byte{0x8b}) return file;
  auto out = std::make_shared<std::vector<std::byte>>();
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) return io_error(path + ": no memory to inflate it");
  size_t used = 0;
  const int code = inflate_all(stream, span, [&] {
    used = out->size();
    const size_t more = std::min(kPiece, std::max<size_t>(size_t{1} << 16, used));
    out->resize(used + more);
    return std::span(*out).subspan(used, more);
  });
  out->resize(out->size() - stream.avail_out);
  inflateEnd(&stream);
  if (code != Z_STREAM_END) return invalid_error(path + ": corrupt or truncated gzip data", "fetch the file again");
  return Bytes{*out, out};
}

Result<Bytes> inflate_raw(std::span<const std::byte> deflated, uint64_t size, const std::string& name) {
  const Error corrupt = invalid_error(name + ": corrupt or truncated compressed data", "fetch the file again");
  if (size > kMaxRatio * deflated.size() + 64) return corrupt;
  // One byte more than promised, so that too long data show.
  const size_t room = static_cast<size_t>(size) + 1;
  std::shared_ptr<std::byte[]> out(new std::byte[room]);
  z_stream stream{};
  if (inflateInit2(&stream, -15) != Z_OK) return io_error(name + ": no memory to inflate it");
  size_t used = 0;
  const int code = inflate_all(stream, deflated, [&] {
    const size_t piece = std::min(kPiece, room - used);
    const std::span<std::byte> part{out.get() + used, piece};
    used += piece;
    return part;
  });
  used -= stream.avail_out;
  inflateEnd(&stream);
  if (code != Z_STREAM_END || used != size) return corrupt;
  return Bytes{{out.get(), static_cast<size_t>(size)}, out};
}

uint32_t crc32_of(std::span<const std::byte> bytes, uint32_t start) {
  uLong crc = start;
  for (size_t at = 0; at < bytes.size(); at += kPiece) {
    crc = crc32(crc, input_of(bytes.subspan(at)), static_cast<uInt>(std::min(kPiece, bytes.size() - at)));
  }
  return static_cast<uint32_t>(crc);
}

uint64_t hash_bytes(std::span<const std::byte> bytes, uint64_t seed) {
  // Words are mixed in one by one with SplitMix64's finalizer; the length goes in first.
  const auto mix = [](uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  };
  uint64_t hash = mix(seed + 0x9E3779B97F4A7C15ull * (bytes.size() + 1));
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) hash = mix(hash ^ read_le(bytes, at, 8)) + 0x9E3779B97F4A7C15ull;
  if (at < bytes.size()) hash = mix(hash ^ read_le(bytes, at, static_cast<int>(bytes.size() - at)));
  return hash;
}

uint64_t read_le(std::span<const std::byte> bytes, size_t at, int width) {
  uint64_t value = 0;
  for (int i = 0; i < width; ++i) value |= std::to_integer<uint64_t>(bytes[at + static_cast<size_t>(i)]) << (8 * i);
  return value;
}

}  // namespace edgesmith::data
