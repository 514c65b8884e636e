// SPDX-License-Identifier: Apache-2.0
// Which weights of a layer x86 kernels without VNNI add in 16 bits, and which of those pairs overflow.
//
// vpmaddubsw multiplies unsigned activations with signed weights and adds neighbours:
//
//   255 * (a + b) <= 32767   needs   a + b <= 128;      255 * (a + b) >= -32768   needs   a + b >= -128
//
// Weights of unlike signs never overflow: the worst case is one activation at 255 and the other at 0.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "edgesmith/ir/graph.h"

namespace edgesmith::ops {

/// What the weights of a pair may sum to, in magnitude.
inline constexpr int32_t kPairLimit = 128;

/// Whether some unsigned codes make the products of two weights overflow 16 bits when they are added.
constexpr bool pair_overflows(int32_t a, int32_t b) {
  const int32_t most = (a > 0 ? a : 0) + (b > 0 ? b : 0), least = (a < 0 ? a : 0) + (b < 0 ? b : 0);
  return most > kPairLimit || least < -kPairLimit;
}

/// The order in which kernels sum a row of weights [channels, taps] (a Conv's; a matrix has one tap): the channels of
/// one tap after another. order[k] is the position in the row of the k-th product.
std::vector<int64_t> summing_order(int64_t channels, int64_t taps);

/// Positions (a < b not promised) of a row that are added in 16 bits by some runtime: products 2i and 2i + 1 of the
/// summing order (ONNX Runtime's MLAS), and, where the channels are odd, channels 2i and 2i + 1 of every tap (oneDNN
/// pads each tap). A weight then has at most two partners.
std::vector<std::pair<int64_t, int64_t>> summed_pairs(int64_t channels, int64_t taps);

/// False for a depthwise Conv (one channel in, one out, a group), whose products runtimes add in 32 bits.
bool adds_pairs(const ir::Node& node);

}  // namespace edgesmith::ops
