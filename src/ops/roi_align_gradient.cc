// SPDX-License-Identifier: Apache-2.0
// roi_align_gradient: the gradient of x [N, C, H, W] of a roi_align. Of mode avg, every element of dy [R, C, rows,
// columns] is added to the elements around the samples of its bin, times their shares and divided by the number of
// samples; of mode max, to the element whose product with its share won: the first largest one. A part of training
// graphs; not in ONNX.
//
// Operands: x, rois, batch_indices, dy. Attributes: those of roi_align. f32, f64; f16 and bf16 through f32.
#include <vector>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"
#include "ops/regions.h"

namespace edgesmith::ops::roi_align_gradient_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(verify_regions(node));
  return check_same_dtype(node, {0, 1, 3});
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) { return std::vector{node.input(0)->type()}; }

// Adds `dy` to the elements of a plane that a bin took its mean of.
template <typename T>
void add_to_all(const std::vector<RegionSample>& samples, double dy, T* plane) {
  for (const RegionSample& sample : samples) {
    for (size_t k = 0; k < 4; ++k) {
      plane[sample.element[k]] += static_cast<T>(sample.share[k] * dy / static_cast<double>(samples.size()));
    }
  }
}

// Adds `dy` to the element of a plane whose product with its share a bin took.
template <typename T>
void add_to_largest(const std::vector<RegionSample>& samples, double dy, const T* x, T* plane) {
  if (samples.empty()) return;
  const Winner winner = largest_product(samples, x);
  plane[winner.sample->element[winner.corner]] += static_cast<T>(winner.sample->share[winner.corner] * dy);
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor &x = *inputs[0], &dy = *inputs[3];
  const auto regions = read_regions(node, inputs);
  if (!regions) return regions.error();
  EDGESMITH_TRY(check_pooled_regions(node, x, *regions, dy));
  auto dx = make_tensor(x.dtype(), x.dims());
  if (!dx) return dx.error();
  const bool largest = node.attributes().get_string("mode", "avg") == "max";
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    T* to = dx->mutable_data<T>().data();
    for_each_pooled(*regions, x.dims(), [&](size_t, const auto& samples, int64_t plane, int64_t at) {
      const auto own = static_cast<double>(dy.data<T>()[static_cast<size_t>(at)]);
      if (largest) {
        add_to_largest(samples, own, x.data<T>().data() + plane, to + plane);
      } else {
        add_to_all(samples, own, to + plane);
      }
    });
    return std::vector{std::move(*dx)};
  });
}

}  // namespace

extern const OpInfo roi_align_gradient_info = {.kind = ir::OpKind::roi_align_gradient,
                                               .min_inputs = 4,
                                               .max_inputs = 4,
                                               .min_outputs = 1,
                                               .max_outputs = 1,
                                               .verify = verify,
                                               .infer = infer,
                                               .eval = half_as_float<eval>,
                                               .cost = nullptr,
                                               .quant = nullptr,
                                               .no_gradient = kSecondDerivative};

}  // namespace edgesmith::ops::roi_align_gradient_op
