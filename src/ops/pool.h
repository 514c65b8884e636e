// SPDX-License-Identifier: Apache-2.0
// What the pools share: x [N, C, spatial...] -> [N, C, output...], one number a window; and the global pools, whose
// window is everything.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <initializer_list>
#include <type_traits>
#include <vector>

#include "edgesmith/ops/window.h"
#include "ops/check.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"

namespace edgesmith::ops {

/// verify for a pool with a kernel_shape; `extra` are the attributes beyond the window's.
Status verify_pool(const ir::Node& node, std::initializer_list<AttributeRule> extra);
/// infer for a pool: the first output has the input's element type, all have the pooled shape.
Result<std::vector<ir::Type>> infer_pool(const ir::Node& node, InferContext& context);
/// The window of a running pool. Errors: invalid.
Result<Window> pool_window(const ir::Node& node, const ir::Tensor& x);

/// infer for a global pool: every spatial dim becomes 1.
Result<std::vector<ir::Type>> infer_global_pool(const ir::Node& node, InferContext& context);
/// Checks the rank of a global pool's operand, known or running.
Status check_global_pool(const ir::Dims& dims);
/// verify for a global pool.
Status verify_global_pool(const ir::Node& node, std::initializer_list<AttributeRule> attributes);
/// The window of a global pool: the whole input.
Window global_window(const ir::Tensor& x);

/// Dims of the pooled output.
ir::Dims pooled_dims(const ir::Tensor& x, const Window& window);

/// Checks the gradient of a pool's result against the dims and type that the result has. Errors: invalid.
Status check_pooled(const ir::Tensor& dy, const ir::Dims& dims, ir::DType dtype);

/// The taps of one output position: flat positions within a plane of those that lie on the input, and how many lie
/// on the input or its declared padding (a window that ceil_mode lets overhang counts only that far).
struct Taps {
  std::vector<int64_t> positions;
  int64_t padded_count = 0;
};

/// Fills `taps` for output position `output` (flat).
void find_taps(const Window& window, int64_t output, Taps& taps);

/// out[plane, o] = reduce(x's plane, taps of o) for every plane [N * C] and output position.
template <typename T, typename Out, typename Reduce>
void pool_planes(const ir::Tensor& x, const Window& window, Out* out, Reduce&& reduce) {
  const int64_t planes = x.dims()[0] * x.dims()[1];
  const int64_t outputs = ir::num_elements(window.output), size = ir::num_elements(window.input);
  const T* data = x.data<T>().data();
  Taps taps;
  if (planes == 0) return;
  for (int64_t o = 0; o < outputs; ++o) {
    find_taps(window, o, taps);
    for (int64_t plane = 0; plane < planes; ++plane) {
      out[plane * outputs + o] = reduce(data + plane * size, plane * size, taps);
    }
  }
}

/// Sum of the taps over their number; over every position of the padded window when `count_pads`.
template <typename T>
T average_of(const T* plane, const Taps& taps, bool count_pads) {
  T sum{0};
  for (int64_t position : taps.positions) sum += plane[position];
  const auto count = static_cast<T>(count_pads ? taps.padded_count : static_cast<int64_t>(taps.positions.size()));
  return count == T{0} ? T{0} : sum / count;
}

/// (sum of |x|^p)^(1/p).
template <typename T>
T lp_norm_of(const T* plane, const Taps& taps, int64_t p) {
  T sum{0};
  for (int64_t position : taps.positions) {
    const T magnitude = std::abs(plane[position]);
    sum += p == 1 ? magnitude : p == 2 ? magnitude * magnitude : std::pow(magnitude, static_cast<T>(p));
  }
  return p == 1 ? sum : p == 2 ? std::sqrt(sum) : std::pow(sum, T{1} / static_cast<T>(p));
}

/// The spatial axes of x, for gradients.
ir::Ints spatial_axes(const ir::Value& x);

/// The gradient of an Lp norm y of x, in two factors: sign(x) * |x|^(p - 1), and dy * y^(1 - p) (0 where y is 0).
Term lp_norm_share(const Term& x, int64_t p);
Term lp_norm_slope(const Term& dy, const Term& y, int64_t p);

/// The position of the first largest tap, -1 when there is none. NaN loses against every number.
template <typename T>
int64_t largest_of(const T* plane, const Taps& taps) {
  int64_t best = -1;
  for (int64_t position : taps.positions) {
    if (best < 0 || plane[position] > plane[best] ||
        (plane[best] != plane[best] && plane[position] == plane[position])) {
      best = position;
    }
  }
  return best;
}

}  // namespace edgesmith::ops
