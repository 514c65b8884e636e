// SPDX-License-Identifier: Apache-2.0
// A graph of two branches of which one hardly matters: bits that layers share should go to the other.
#pragma once

#include <string>

namespace edgesmith::passes {

/// Pictures of `channels` x `size` x `size`, `filters` of 3 x 3 in each branch, the nodes "loud" and "low".
inline std::string branches(int channels, int size, int filters) {
  const std::string side = std::to_string(size), weight = std::to_string(filters) + "," + std::to_string(channels);
  return "graph @branches(%x: f32[N," + std::to_string(channels) + "," + side + "," + side + "]) -> (y) {\n" +
         "  %w1 = constant random(seed=1) : f32[" + weight + ",3,3]\n" + "  %w2 = constant random(seed=2) : f32[" +
         weight + ",3,3]\n" + R"(  %little = constant splat(0.02) : f32[1]
  %a = conv %x, %w1 @"loud"
  %b = conv %x, %w2 @"low"
  %c = mul %b, %little
  %y = add %a, %c
  return %y
}
)";
}

}  // namespace edgesmith::passes
