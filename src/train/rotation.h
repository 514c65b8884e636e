// SPDX-License-Identifier: Apache-2.0
// The axes along which a weight's gradients vary: eigenvectors of their second moments, over its rows and over its
// columns. Moments that an optimizer keeps along these see curvature that lies across the weights' own axes (SOAP: Vyas
// et al., "SOAP: Improving and Stabilizing Shampoo using Adam", 2024, arXiv 2409.11321, algorithm 3).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/native/packing.h"

namespace edgesmith::train {

/// Of one weight as a matrix, rows (output channels) by columns, row by row. One thread, fixed order of sums.
class Rotation {
 public:
  Rotation(int64_t rows, int64_t columns);

  /// Takes in the gradient of step `number`, from 1. At some steps it finds the axes anew and carries `mean`, a running
  /// mean of gradients that lies along them, over to the new ones.
  void learn(int64_t number, std::span<const float> gradient, std::span<float> mean);
  /// Numbers along the weight's axes to those along the eigenvectors, and back.
  void enter(std::span<float> numbers) const;
  void leave(std::span<float> numbers) const;

  /// What goes on from step to step.
  std::vector<std::vector<float>*> arrays();

 private:
  /// One side of the matrix; empty where it is too long, which keeps its own axes.
  struct Side {
    int64_t size = 0;
    std::vector<float> moments, axes;  ///< size x size; eigenvectors are columns of `axes`
  };
  static void add_moments(Side& side, const runtime::native::MatrixView& a, const runtime::native::MatrixView& b);
  static void find_axes(Side& side, bool first);

  int64_t rows_, columns_;
  Side left_, right_;
};

}  // namespace edgesmith::train
