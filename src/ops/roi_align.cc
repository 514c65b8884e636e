// SPDX-License-Identifier: Apache-2.0
// roi_align: of every region the x [N, C, H, W] of its image, pooled to [output_height, output_width] bins from
// bilinear samples (He et al. 2017, "Mask R-CNN"). Operands: x, rois [R, 4] (x1, y1, x2, y2), batch_indices i64 [R].
// Attributes: coordinate_transformation_mode = half_pixel (places less half an element) or output_half_pixel, mode =
// avg or max (of the products of the samples' corners with their shares, as ONNX Runtime), output_height =
// output_width = 1, sampling_ratio = 0 (samples of a bin along an axis; 0: as many as it spans elements),
// spatial_scale = 1. f32, f64; f16 and bf16 through f32.
#include <algorithm>
#include <string>
#include <vector>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"
#include "ops/regions.h"

namespace edgesmith::ops::roi_align_op {
namespace {

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  const auto &x = node.input(0)->type().shape, &rois = node.input(1)->type().shape;
  ir::Shape shape(4);
  if (rois && !rois->empty()) shape[0] = rois->front();
  if (x && x->size() == 4) shape[1] = (*x)[1];
  shape[2] = ir::Dim(node.attributes().get_int("output_height", 1));
  shape[3] = ir::Dim(node.attributes().get_int("output_width", 1));
  return std::vector{ir::Type{node.input(0)->type().dtype, shape}};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  const auto regions = read_regions(node, inputs);
  if (!regions) return regions.error();
  const ir::Attributes& a = node.attributes();
  auto y = make_tensor(x.dtype(), {static_cast<int64_t>(regions->size()), x.dims()[1], a.get_int("output_height", 1),
                                   a.get_int("output_width", 1)});
  if (!y) return y.error();
  const bool largest = a.get_string("mode", "avg") == "max";
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    const T* from = x.data<T>().data();
    T* to = y->mutable_data<T>().data();
    for_each_pooled(*regions, x.dims(), [&](size_t, const auto& samples, int64_t plane, int64_t at) {
      double result = 0;
      for (size_t s = 0; s < samples.size(); ++s) {
        double sum = 0, most = 0;
        for (size_t k = 0; k < 4; ++k) {
          const double part = samples[s].share[k] * static_cast<double>(from[plane + samples[s].element[k]]);
          sum += part;
          most = k == 0 ? part : std::max(most, part);
        }
        result = largest ? (s == 0 ? most : std::max(result, most)) : result + sum;
      }
      if (!largest && !samples.empty()) result /= static_cast<double>(samples.size());
      to[at] = static_cast<T>(result);
    });
    return std::vector{std::move(*y)};
  });
}

// The operators of both gradients read the same samples.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  std::vector<ir::Value*> gradients(2);
  for (int i = 0; i < 2; ++i) {
    if (!build.wants(i)) continue;
    ir::Node& back = build.append_node(i == 0 ? ir::OpKind::roi_align_gradient : ir::OpKind::roi_align_region_gradient,
                                       {node.input(0), node.input(1), node.input(2), outputs[0]}, 1);
    for (const auto& [name, value] : node.attributes()) back.attributes().set(name, value);
    gradients[static_cast<size_t>(i)] = &back.output();
  }
  return gradients;
}

}  // namespace

extern const OpInfo roi_align_info = {.kind = ir::OpKind::roi_align,
                                      .min_inputs = 3,
                                      .max_inputs = 3,
                                      .min_outputs = 1,
                                      .max_outputs = 1,
                                      .verify = verify_regions,
                                      .infer = infer,
                                      .eval = half_as_float<eval>,
                                      .cost = nullptr,
                                      .quant = nullptr,
                                      .gradient = gradient};

}  // namespace edgesmith::ops::roi_align_op
