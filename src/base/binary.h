// SPDX-License-Identifier: Apache-2.0
// Plain values as bytes and back, for files that only this build of the tool reads (the step cache): little endian,
// lengths in front, nothing said of itself.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace edgesmith {

class BinaryWriter {
 public:
  void u64(uint64_t value) {
    for (int shift = 0; shift < 64; shift += 8) bytes_ += static_cast<char>(value >> shift);
  }
  void i64(int64_t value) { u64(static_cast<uint64_t>(value)); }
  void real(double value) { u64(std::bit_cast<uint64_t>(value)); }
  void flag(bool value) { bytes_ += static_cast<char>(value); }
  void text(std::string_view value) {
    u64(value.size());
    bytes_ += value;
  }
  /// Raw bytes at a multiple of `alignment` from the start; the reader is told the same.
  void raw(std::span<const std::byte> value, size_t alignment) {
    u64(value.size());
    bytes_.append((alignment - bytes_.size() % alignment) % alignment, '\0');
    bytes_.append(reinterpret_cast<const char*>(value.data()), value.size());
  }

  const std::string& bytes() const { return bytes_; }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

/// Reads what a BinaryWriter wrote. Beyond the end everything is zero or empty, and ok() is false.
class BinaryReader {
 public:
  explicit BinaryReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  /// Everything was read, and nothing beyond it.
  bool done() const { return ok_ && at_ == bytes_.size(); }

  uint64_t u64() {
    uint64_t value = 0;
    const auto part = take(8);
    for (size_t i = 0; i < part.size(); ++i) value |= std::to_integer<uint64_t>(part[i]) << (8 * i);
    return value;
  }
  int64_t i64() { return static_cast<int64_t>(u64()); }
  double real() { return std::bit_cast<double>(u64()); }
  bool flag() {
    const auto part = take(1);
    return !part.empty() && part[0] != std::byte{0};
  }
  std::string text() {
    const auto part = take(u64());
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }
  std::span<const std::byte> raw(size_t alignment) {
    const uint64_t size = u64();
    (void)take((alignment - at_ % alignment) % alignment);
    return take(size);
  }
  /// The length of a list whose entries take at least a byte each.
  size_t count() {
    const uint64_t value = u64();
    if (value > bytes_.size() - at_) ok_ = false;
    return ok_ ? static_cast<size_t>(value) : 0;
  }

 private:
  std::span<const std::byte> take(uint64_t size) {
    if (!ok_ || size > bytes_.size() - at_) {
      ok_ = false;
      return {};
    }
    const auto part = bytes_.subspan(at_, static_cast<size_t>(size));
    at_ += static_cast<size_t>(size);
    return part;
  }

  std::span<const std::byte> bytes_;
  size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace edgesmith
