// SPDX-License-Identifier: Apache-2.0
// roi_align_region_gradient: the gradient of rois [R, 4] of a roi_align: how its results move with the sides of the
// regions, which move the samples. The number of samples and the elements around them count as given. A part of
// training graphs; not in ONNX.
//
// Operands: x, rois, batch_indices, dy. Attributes: those of roi_align. f32, f64; f16 and bf16 through f32.
#include <array>
#include <vector>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"
#include "ops/regions.h"

namespace edgesmith::ops::roi_align_region_gradient_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(verify_regions(node));
  return check_same_dtype(node, {0, 1, 3});
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) { return std::vector{node.input(1)->type()}; }

// A sample that gets `down` and `along` for a step of one element passes them on to the sides of its region: those of
// its fraction to the far ones, the rest to the near ones, unless the size of the region does not follow its sides.
void pass_on(const Region& region, const RegionSample& sample, double down, double along, std::array<double, 4>& box) {
  const double far_down = region.stretched_down ? 0 : sample.fraction_down;
  const double far_along = region.stretched_along ? 0 : sample.fraction_along;
  box[0] += along * (1 - far_along) * region.scale;
  box[1] += down * (1 - far_down) * region.scale;
  box[2] += along * far_along * region.scale;
  box[3] += down * far_down * region.scale;
}

// What one result of one channel's `plane` passes on.
template <typename T>
void pass_on(const Region& region, const std::vector<RegionSample>& samples, bool largest, double dy, const T* plane,
             std::array<double, 4>& box) {
  if (largest && !samples.empty()) {
    const Winner winner = largest_product(samples, plane);
    const RegionSample& sample = *winner.sample;
    const double own = dy * static_cast<double>(plane[sample.element[winner.corner]]);
    pass_on(region, sample, own * sample.by_down[winner.corner], own * sample.by_along[winner.corner], box);
    return;
  }
  for (const RegionSample& sample : samples) {
    double down = 0, along = 0;
    for (size_t k = 0; k < 4; ++k) {
      const double own = dy * static_cast<double>(plane[sample.element[k]]) / static_cast<double>(samples.size());
      down += own * sample.by_down[k];
      along += own * sample.by_along[k];
    }
    pass_on(region, sample, down, along, box);
  }
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor &x = *inputs[0], &dy = *inputs[3];
  const auto regions = read_regions(node, inputs);
  if (!regions) return regions.error();
  EDGESMITH_TRY(check_pooled_regions(node, x, *regions, dy));
  auto drois = make_tensor(x.dtype(), inputs[1]->dims());
  if (!drois) return drois.error();
  const bool largest = node.attributes().get_string("mode", "avg") == "max";
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    std::vector<std::array<double, 4>> boxes(regions->size());
    for_each_pooled(*regions, x.dims(), [&](size_t r, const auto& samples, int64_t plane, int64_t at) {
      const auto own = static_cast<double>(dy.data<T>()[static_cast<size_t>(at)]);
      pass_on((*regions)[r], samples, largest, own, x.data<T>().data() + plane, boxes[r]);
    });
    T* to = drois->mutable_data<T>().data();
    for (const std::array<double, 4>& box : boxes) {
      for (const double number : box) *to++ = static_cast<T>(number);
    }
    return std::vector{std::move(*drois)};
  });
}

}  // namespace

extern const OpInfo roi_align_region_gradient_info = {.kind = ir::OpKind::roi_align_region_gradient,
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

}  // namespace edgesmith::ops::roi_align_region_gradient_op
