// SPDX-License-Identifier: Apache-2.0
// Predicting a bit: adaptive counters give probabilities, a mixer weighs them in the logistic domain (Mahoney's
// "Adaptive weighing of context models for lossless data compression", 2005) and learns from every bit.
// Integers only, so that every CPU makes the same bytes; docs/format.md writes the arithmetic down.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace edgesmith::pack {

/// squash(x) = 4096 / (1 + exp(-x / 256)), kept within 1 to 4095; x is cut to -2047..2047.
/// `stretch` is the inverse: the least x in -2047..2047 with squash(x) >= p, for p in 0..4095.
struct Tables {
  std::array<int16_t, 4096> stretch;
  std::array<int16_t, 4096> squash;  ///< squash(x - 2048)
  std::array<uint16_t, 1024> rate;   ///< 65536 / (n + 1.5)
  std::array<uint8_t, 256> belief;   ///< of 32, how far a counter is believed that has seen n bits
};
extern const Tables kTables;
inline int squash(int x) { return kTables.squash[static_cast<size_t>(std::clamp(x, -2047, 2047) + 2048)]; }

/// A probability that has seen `count` bits: 22 bits of probability, 10 of count. It moves by 1/(count + 1.5) of its
/// error, so it is the share of ones at first and forgets slowly once the count has reached its limit.
struct Counter {
  uint32_t state = 0x80000000;
  int p12() const { return static_cast<int>(state >> 20); }
  /// `bit` is 0 or 1.
  void update(int bit, uint32_t limit) {
    const uint32_t count = state & 1023, p = state >> 10;
    const int64_t error = static_cast<int64_t>(-static_cast<uint32_t>(bit) & 4194303) - static_cast<int64_t>(p);
    state += (static_cast<uint32_t>((error * kTables.rate[count]) >> 16) << 10) + (count < limit ? 1 : 0);
  }
};

/// How far an input is believed: counters that have seen little say little. For limits below 256.
inline int believed(const Counter& counter) {
  return (kTables.stretch[static_cast<size_t>(counter.p12())] * kTables.belief[counter.state & 255]) >> 5;
}

/// Weights stay within +-8, so that their products with inputs fit 32 bits.
constexpr int32_t kMostWeight = 524288;
inline int32_t kept_weight(int32_t weight) { return std::clamp(weight, -kMostWeight, kMostWeight); }

/// `kInputs` probabilities and a constant in, one out. One set of weights for each of `kSets` situations.
template <int kInputs, int kSets>
class Mixer {
 public:
  explicit Mixer(int start) {
    for (auto& set : weights_) set.fill(start);
  }
  /// The probability of 65536 that the next bit is 1. `inputs` are stretched.
  uint32_t mix(const int* inputs, int set) {
    set_ = set;
    const auto& w = weights_[static_cast<size_t>(set)];
    int sum = w[kInputs] >> 1;
    for (int i = 0; i < kInputs; ++i) {
      inputs_[static_cast<size_t>(i)] = inputs[i];
      sum += (w[static_cast<size_t>(i)] * inputs[i]) >> 9;
    }
    p_ = squash(sum >> 7);
    return static_cast<uint32_t>(p_) * 16;
  }
  void update(int bit, int rate) {
    auto& w = weights_[static_cast<size_t>(set_)];
    const int error = ((bit << 12) - p_) * rate;
    for (int i = 0; i < kInputs; ++i) {
      w[static_cast<size_t>(i)] =
          kept_weight(w[static_cast<size_t>(i)] + ((inputs_[static_cast<size_t>(i)] * error + 0x2000) >> 14));
    }
    w[kInputs] = kept_weight(w[kInputs] + ((256 * error + 0x2000) >> 14));
  }

 private:
  std::array<std::array<int32_t, kInputs + 1>, kSets> weights_;
  std::array<int, kInputs> inputs_{};
  int set_ = 0, p_ = 2048;
};

}  // namespace edgesmith::pack
