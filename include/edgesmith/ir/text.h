// SPDX-License-Identifier: Apache-2.0
// The text form of a graph (grammar: docs/ir.md). parse(print(g)) == g.
//
//   graph @digits(%image: f32[N,1,28,28]) -> (scores: f32[N,8,28,28]) {
//     %w = constant random(seed=7) : f32[8,1,3,3]
//     %conv = conv %image, %w, _ {pads=[1,1,1,1]} : f32[N,8,28,28] q(u8, scale=0.02, zp=3)
//     %y = relu %conv : f32[N,8,28,28]
//     return %y
//   }
#pragma once

#include <string>
#include <string_view>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith::ir {

struct PrintOptions {
  /// Constants with more elements print as `{...}`, which does not parse; 0: all in full.
  int64_t max_elements = 16;
};

std::string print(const Graph& graph, const PrintOptions& options = {});

/// Errors: invalid, with the line number.
Result<Graph> parse(std::string_view text);

}  // namespace edgesmith::ir
