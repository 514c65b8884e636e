// SPDX-License-Identifier: Apache-2.0
// Rounding to a grid with a step that is learned (LSQ: Esser et al. 2020, arXiv 1902.08153), as ordinary nodes.
//
//   x ──▶ / step ──▶ clamp to [low, high] ──▶ round ──▶ * step ──▶ y
//
// Rounding is an annotation of scale 1, which gradients pass unchanged (straight through). So, by the rules of these
// operators, dy/dx = 1 within the bounds and 0 outside, and dy/dstep = round(x / step) - x / step within and the bound
// outside: the paper's gradients.
#pragma once

#include <cstdint>
#include <vector>

#include "train/weight_form.h"

namespace edgesmith::train {

/// Steps may not fall below this share of where they begin: a grid that shrinks to nothing does not come back.
inline constexpr float kSmallestStep = 1.0F / 64;

/// The codes of a grid, by step; codes are those without zero point: real = code * step.
struct GridBounds {
  std::vector<float> low, high;

  bool all_equal() const;
};

/// The grid behind the codes of one weight.
struct CodeGrid {
  std::vector<size_t> places;  ///< by weight: its step
  GridBounds bounds;
  std::vector<float> start;  ///< the steps that it came with
};

/// The step that is used when `learned` is where learning left it, having begun at `start`.
float used_step(float learned, float start);
/// The code of `real`, in the arithmetic of the training graph.
float grid_code(float real, float step, float low, float high);

/// max(learned, kSmallestStep * start), of the dims of `start`.
ir::Value& build_step(NodeMaker& maker, ir::Value& learned, const ir::Tensor& start);
/// `x` on the grid; `step` and the bounds, of dims `dims`, broadcast to x.
ir::Value& build_grid(NodeMaker& maker, ir::Value& x, ir::Value& step, const GridBounds& bounds, const ir::Dims& dims);

/// The paper's gradient scale for a step that `count` numbers share: 1 / sqrt(count * high).
float step_rate(int64_t count, float high);

}  // namespace edgesmith::train
