// SPDX-License-Identifier: Apache-2.0
// Codes bytes of which little is known: the graph, names, whatever a model holds beside its tensors. Every bit is
// predicted from the one to six bytes before it, from the word it is in, and from what followed the longest earlier
// occurrence of the last bytes.
#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "pack/counter_table.h"
#include "pack/mixing.h"

namespace edgesmith::pack {

class ByteModel {
 public:
  /// For `size` bytes: the tables grow with it, from 2^16 to 2^22 counters a context.
  explicit ByteModel(size_t size) {
    int bits = 16;
    while (bits < 22 && (size_t{1} << bits) < size * 16) ++bits;
    shift_ = 32 - bits;
    counters_ = CounterTable(kContexts << bits);
    recent_.resize(size_t{1} << 16);
  }

  template <typename Coder>
  int byte(Coder& coder, int byte) {
    // Most counters are far from the processor; a coder knows all of a byte that it will ask for.
    if constexpr (Coder::kEncodes) {
      for (int i = 8; i > 0; --i) {
        for (size_t context = 0; context < kContexts; ++context) {
          __builtin_prefetch(&counters_[slot(context, (256 | byte) >> i)], 1);
        }
      }
    }
    int node = 1;
    for (int i = 7; i >= 0; --i) node = node << 1 | bit(coder, byte >> i & 1, node);
    take(static_cast<uint8_t>(node));
    return node & 255;
  }

 private:
  static constexpr size_t kContexts = 7;
  static constexpr int kInputs = 8, kMinMatch = 5;
  static constexpr uint32_t kLimit = 127;

  // Where a context's counter of a node lies.
  size_t slot(size_t context, int node) const {
    const uint32_t hash = (hashes_[context] + static_cast<uint32_t>(node) * 0x9E3779B1u) * 0x85EBCA6Bu;
    return (context << (32 - shift_)) + ((hash ^ hash >> 15) * 0xC2B2AE35u >> shift_);
  }

  template <typename Coder>
  int bit(Coder& coder, int bit, int node) {
    Counter* used[kContexts];
    int inputs[kInputs];
    for (size_t i = 0; i < kContexts; ++i) {
      used[i] = &counters_[slot(i, node)];
      inputs[i] = believed(*used[i]);
    }
    int expected = -1;
    if (match_ > 0 && (text_[match_at_] | 256u) >> (8 - width(node)) == static_cast<unsigned>(node))
      expected = text_[match_at_] >> (7 - width(node)) & 1;
    const size_t length = expected < 0 ? 0 : match_ < 31 ? match_ : 31;
    Counter& followed = match_counters_[length];
    inputs[kContexts] = 0;
    if (expected >= 0) inputs[kContexts] = expected != 0 ? believed(followed) : -believed(followed);
    const int set = length == 0 ? 0 : length < 16 ? 1 : 2;
    const uint32_t p = mixer_.mix(inputs, set * 256 + node);
    bit = coder.bit(bit, p);
    mixer_.update(bit, 6);
    for (Counter* counter : used) counter->update(bit, kLimit);
    if (expected >= 0) followed.update(expected == bit ? 1 : 0, 255);
    return bit;
  }

  /// Bits of a byte that `node`, which begins with a one, holds.
  static int width(int node) { return 31 - std::countl_zero(static_cast<uint32_t>(node)); }

  void take(uint8_t byte) {
    if (match_ > 0 && text_[match_at_] == byte) {
      ++match_, ++match_at_;
    } else {
      match_ = 0;
    }
    text_.push_back(byte);
    last_ = last_ << 8 | byte;
    const bool letter = (byte | 32) >= 'a' && (byte | 32) <= 'z';
    word_ = letter ? (word_ + byte) * 0x2F0B4C47u : 0;
    const auto of = [&](int order) {
      const uint64_t bytes = last_ & ((uint64_t{1} << (8 * order)) - 1);
      return static_cast<uint32_t>((bytes * 0x9E3779B97F4A7C15u + static_cast<uint64_t>(order)) >> 29);
    };
    for (int i = 0; i < 4; ++i) hashes_[i] = of(i);
    hashes_[4] = of(4);
    hashes_[5] = of(6);
    hashes_[6] = word_ * 0x9E3779B1u + byte;
    if (text_.size() < kMinMatch) return;
    uint32_t& slot = recent_[static_cast<uint32_t>((last_ & 0xffffffffff) * 0x9E3779B97F4A7C15u >> 48)];
    if (match_ == 0 && slot > 0) {
      match_at_ = slot;
      while (match_ < 32 && match_ < match_at_ && text_[match_at_ - 1 - match_] == text_[text_.size() - 1 - match_]) {
        ++match_;
      }
      if (match_ < kMinMatch) match_ = 0;
    }
    slot = static_cast<uint32_t>(text_.size());
  }

  int shift_ = 0;
  CounterTable counters_;
  uint32_t hashes_[kContexts] = {};
  Counter match_counters_[32];
  Mixer<kInputs, 768> mixer_{14000};
  std::vector<uint8_t> text_;
  std::vector<uint32_t> recent_;
  uint64_t last_ = 0;
  uint32_t word_ = 0;
  size_t match_ = 0, match_at_ = 0;
};

/// A coder that only teaches: the bits are known to both sides.
struct Teacher {
  static constexpr bool kEncodes = true;
  int bit(int bit, uint32_t) { return bit; }
};

}  // namespace edgesmith::pack
