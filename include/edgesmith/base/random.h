// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace edgesmith {

/// Seeded generator with the same sequence on every machine and standard library (SplitMix64, Steele et al. 2014).
class Random {
 public:
  explicit Random(uint64_t seed = 0) : state_(seed) {}
  /// Uniform over all 64-bit values.
  uint64_t next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }
  /// Uniform in [0, 1), 53 bits.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  /// Uniform in [0, n); n > 0.
  uint64_t below(uint64_t n) { return static_cast<uint64_t>(uniform() * static_cast<double>(n)); }
  /// Standard normal (Box and Muller).
  double normal();

 private:
  uint64_t state_;
};

}  // namespace edgesmith
