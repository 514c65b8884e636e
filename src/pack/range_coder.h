// SPDX-License-Identifier: Apache-2.0
// The binary range coder: bits with a probability go through a 32-bit interval, bits without one into a second stream
// of plain bits beside it (they would cost as much time and gain nothing).
//
// Encoder and Decoder have the same functions, so that a model is one template that serves both directions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace edgesmith::pack {

class Encoder {
 public:
  static constexpr bool kEncodes = true;
  /// Codes `bit`, whose probability to be 1 is `p` of 65536, 0 < p < 65536. Returns the bit. Without a branch on it:
  /// bits that are worth coding are often guessed wrong.
  int bit(int bit, uint32_t p) {
    const uint32_t middle = low_ + static_cast<uint32_t>((uint64_t{high_ - low_} * p) >> 16);
    const uint32_t one = -static_cast<uint32_t>(bit);
    high_ ^= (high_ ^ middle) & one;
    low_ += (middle + 1 - low_) & ~one;
    while (((low_ ^ high_) >> 24) == 0) {
      if (coded_bytes_ == coded_.size()) coded_.resize(2 * coded_bytes_ + kFirstRoom);
      coded_[coded_bytes_++] = static_cast<char>(high_ >> 24);
      low_ <<= 8;
      high_ = high_ << 8 | 255;
    }
    return bit;
  }
  int surprise(int one, uint32_t p) { return bit(one, p); }
  /// The low `count` bits of `value`, 0 to 32.
  uint32_t plain(uint32_t value, int count) {
    value &= static_cast<uint32_t>((uint64_t{1} << count) - 1);
    held_ |= static_cast<uint64_t>(value) << held_bits_;
    held_bits_ += count;
    for (; held_bits_ >= 8; held_bits_ -= 8, held_ >>= 8) plain_.push_back(static_cast<char>(held_ & 255));
    return value;
  }
  /// Ends both streams. One byte is enough: what follows it reads as zeros, and (low | 0xffffff) + 1 <= high.
  void finish() {
    coded_.resize(coded_bytes_);
    if (low_ != 0) coded_.push_back(static_cast<char>((low_ >> 24) + 1));
    coded_bytes_ = coded_.size();
    if (held_bits_ > 0) plain_.push_back(static_cast<char>(held_ & 255));
    held_ = 0, held_bits_ = 0;
  }
  /// Both streams, once they have ended.
  const std::string& coded() const { return coded_; }
  const std::string& plain() const { return plain_; }
  bool failed() const { return false; }

 private:
  static constexpr size_t kFirstRoom = 256;
  std::string coded_, plain_;  // coded_: with room for more
  size_t coded_bytes_ = 0;
  uint64_t held_ = 0;
  int held_bits_ = 0;
  uint32_t low_ = 0, high_ = 0xffffffff;
};

class Decoder {
 public:
  static constexpr bool kEncodes = false;
  using Bytes = std::span<const std::byte>;
  Decoder(Bytes coded, Bytes plain) : coded_(coded), plain_(plain) {
    for (int i = 0; i < 4; ++i) value_ = value_ << 8 | next();
  }
  int bit(int, uint32_t p) {
    const uint32_t middle = low_ + static_cast<uint32_t>((uint64_t{high_ - low_} * p) >> 16);
    const int bit = value_ <= middle ? 1 : 0;
    if (bit != 0)
      high_ = middle;
    else
      low_ = middle + 1;
    shift();
    return bit;
  }
  /// The same for a bit that decides nothing by itself: without a branch, which would be guessed wrong half of the
  /// time.
  int surprise(int, uint32_t p) {
    const uint32_t middle = low_ + static_cast<uint32_t>((uint64_t{high_ - low_} * p) >> 16);
    const uint32_t one = value_ <= middle ? 0xffffffffu : 0;
    high_ ^= (high_ ^ middle) & one;
    low_ += (middle + 1 - low_) & ~one;
    shift();
    return static_cast<int>(one & 1);
  }
  uint32_t plain(uint32_t, int count) {
    while (held_bits_ < count) {
      if (plain_at_ < plain_.size()) {
        held_ |= std::to_integer<uint64_t>(plain_[plain_at_++]) << held_bits_;
      } else {
        failed_ = true;
      }
      held_bits_ += 8;
    }
    const auto value = static_cast<uint32_t>(held_ & ((uint64_t{1} << count) - 1));
    held_ >>= count;
    held_bits_ -= count;
    return value;
  }
  /// True when more was read than is there: the decoder looks four bytes ahead, and no further.
  bool failed() const { return failed_ || at_ > coded_.size() + 4; }
  /// True when all of both streams was used.
  bool used_up() const { return at_ >= coded_.size() && plain_at_ == plain_.size(); }
  void fail() { failed_ = true; }

 private:
  void shift() {
    while (((low_ ^ high_) >> 24) == 0) {
      low_ <<= 8;
      high_ = high_ << 8 | 255;
      value_ = value_ << 8 | next();
    }
  }
  uint32_t next() {
    const size_t at = at_++;
    return at < coded_.size() ? std::to_integer<uint32_t>(coded_[at]) : 0;
  }
  Bytes coded_, plain_;
  size_t at_ = 0, plain_at_ = 0;
  uint64_t held_ = 0;
  int held_bits_ = 0;
  bool failed_ = false;
  uint32_t low_ = 0, high_ = 0xffffffff, value_ = 0;
};

}  // namespace edgesmith::pack
