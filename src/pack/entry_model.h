// SPDX-License-Identifier: Apache-2.0
// Codes what is said about a tensor before its elements (docs/format.md, "Entries"): bytes, predicted from the field
// they are in and up to three bytes before. Small, because the C decoder has it too.
#pragma once

#include <memory>

#include "pack/mixing.h"

namespace edgesmith::pack {

class EntryModel {
 public:
  EntryModel() : state_(std::make_unique<State>()) {}

  template <typename Coder>
  int byte(Coder& coder, int field, int byte) {
    uint32_t node = 1;
    for (int i = 7; i >= 0; --i) {
      Counter* used[kInputs];
      int inputs[kInputs];
      for (int k = 0; k < kInputs; ++k) {
        const uint32_t bytes = k == 0 ? 0 : last_ & (0xffffffffu >> (32 - 8 * k));
        const uint32_t hash = (bytes * 0x9E3779B1u + static_cast<uint32_t>(field) * 0x85EBCA6Bu + node) * 0xC2B2AE35u;
        used[k] = &state_->counters[k][(hash ^ hash >> 15) * 0x2C1B3C6Du >> 20];
        inputs[k] = believed(*used[k]);
      }
      const int bit = coder.bit(byte >> i & 1, state_->mixer.mix(inputs, field));
      state_->mixer.update(bit, 4);
      for (Counter* counter : used) counter->update(bit, 255);
      node = node << 1 | static_cast<uint32_t>(bit);
    }
    last_ = last_ << 8 | (node & 255);
    return static_cast<int>(node & 255);
  }
  /// Seven bits a byte, the lowest first; the top bit says that more follow.
  template <typename Coder>
  uint64_t number(Coder& coder, int field, uint64_t value) {
    uint64_t out = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const int coded = byte(coder, field, static_cast<int>((value & 127) | (value > 127 ? 128 : 0)));
      out |= static_cast<uint64_t>(coded & 127) << shift;
      if ((coded & 128) == 0) break;
      value >>= 7;
    }
    return out;
  }

 private:
  static constexpr int kInputs = 4;
  struct State {
    Counter counters[kInputs][4096];
    Mixer<kInputs, 16> mixer{25000};
  };
  std::unique_ptr<State> state_;
  uint32_t last_ = 0;
};

}  // namespace edgesmith::pack
