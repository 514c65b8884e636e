// SPDX-License-Identifier: Apache-2.0
#include "pack/container.h"

#include <algorithm>

#include "edgesmith/pack/pack.h"

namespace edgesmith::pack {
namespace {

constexpr size_t kDigestBytes = 8, kCrcBytes = 4;

void put(std::string& out, uint64_t value) {
  for (; value > 127; value >>= 7) out.push_back(static_cast<char>((value & 127) | 128));
  out.push_back(static_cast<char>(value));
}

std::string_view text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

bool take(Bytes& rest, uint64_t& value) {
  value = 0;
  for (size_t i = 0; i < 9 && i < rest.size(); ++i) {
    const auto byte = std::to_integer<uint64_t>(rest[i]);
    value |= (byte & 127) << (7 * i);
    if ((byte & 128) != 0) continue;
    rest = rest.subspan(i + 1);
    return true;
  }
  return false;
}

bool take(Bytes& rest, uint64_t size, Bytes& part) {
  if (size > rest.size()) return false;
  part = rest.first(static_cast<size_t>(size));
  rest = rest.subspan(static_cast<size_t>(size));
  return true;
}

Error cut_off() { return invalid_error("is cut off or damaged", "copy or pack it again"); }

}  // namespace

bool is_packed(std::span<const std::byte> bytes) { return text_of(bytes).substr(0, kMagic.size()) == kMagic; }

uint32_t crc32(Bytes bytes) {
  constexpr auto table = [] {
    std::array<uint32_t, 256> t{};
    for (uint32_t i = 0; i < 256; ++i) {
      t[i] = i;
      for (int k = 0; k < 8; ++k) t[i] = t[i] >> 1 ^ ((t[i] & 1) != 0 ? 0xEDB88320u : 0);
    }
    return t;
  }();
  uint32_t crc = 0xffffffff;
  for (const std::byte byte : bytes) crc = crc >> 8 ^ table[(crc ^ std::to_integer<uint32_t>(byte)) & 255];
  return ~crc;
}

std::string write_container(const Container& container) {
  std::string out(kMagic);
  out.push_back(static_cast<char>(kVersion));
  out += container.digest;
  put(out, container.chunks.size());
  for (const Chunk& chunk : container.chunks) {
    put(out, chunk.tensors);
    put(out, chunk.coded.size());
    put(out, chunk.plain.size());
  }
  put(out, container.rest_bytes);
  for (const Chunk& chunk : container.chunks) {
    out += text_of(chunk.coded);
    out += text_of(chunk.plain);
  }
  out += text_of(container.rest);
  const uint32_t crc = crc32(std::as_bytes(std::span<const char>(out)));
  for (int i = 0; i < 4; ++i) out.push_back(static_cast<char>(crc >> (8 * i) & 255));
  return out;
}

Result<Container> read_container(Bytes bytes) {
  if (!is_packed(bytes)) return invalid_error("is no packed model", "unpack takes what pack wrote");
  if (bytes.size() < kMagic.size() + 1 + kDigestBytes + 2 + kCrcBytes) return cut_off();
  const auto version = std::to_integer<int>(bytes[kMagic.size()]);
  if (version != kVersion) {
    return invalid_error("has version " + std::to_string(version) + " of the format, this program knows version " +
                             std::to_string(kVersion),
                         "unpack it with the edgesmith that packed it");
  }
  const Bytes body = bytes.first(bytes.size() - kCrcBytes);
  uint32_t crc = 0;
  for (size_t i = 0; i < kCrcBytes; ++i) crc |= std::to_integer<uint32_t>(bytes[body.size() + i]) << (8 * i);
  if (crc != crc32(body)) return invalid_error("is damaged: the checksum is wrong", "copy or pack it again");
  Container container;
  Bytes rest = body.subspan(kMagic.size() + 1), digest;
  if (!take(rest, kDigestBytes, digest)) return cut_off();
  container.digest = text_of(digest);
  uint64_t count = 0;
  if (!take(rest, count) || count > rest.size() / 3) return cut_off();
  std::vector<std::array<uint64_t, 2>> sizes(static_cast<size_t>(count));
  container.chunks.resize(static_cast<size_t>(count));
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (!take(rest, container.chunks[i].tensors) || !take(rest, sizes[i][0]) || !take(rest, sizes[i][1]))
      return cut_off();
  }
  if (!take(rest, container.rest_bytes)) return cut_off();
  for (size_t i = 0; i < sizes.size(); ++i) {
    Chunk& chunk = container.chunks[i];
    if (!take(rest, sizes[i][0], chunk.coded) || !take(rest, sizes[i][1], chunk.plain)) return cut_off();
  }
  container.rest = rest;
  return container;
}

}  // namespace edgesmith::pack
