// SPDX-License-Identifier: Apache-2.0
// roi_align: of every region the x [N, C, H, W] of its image, pooled to [output_height, output_width] bins from
// bilinear samples (He et al. 2017, "Mask R-CNN"). Operands: x, rois [R, 4] (x1, y1, x2, y2), batch_indices i64 [R].
// Attributes: coordinate_transformation_mode = half_pixel (places less half an element) or output_half_pixel, mode =
// avg or max (of the products of the samples' corners with their shares, as ONNX Runtime), output_height =
// output_width = 1, sampling_ratio = 0 (samples of a bin along an axis; 0: as many as it spans elements),
// spatial_scale = 1. f32, f64; f16 and bf16 through f32.
#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"
#include "ops/places.h"

namespace edgesmith::ops::roi_align_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"coordinate_transformation_mode", AttributeKind::text},
                                        {"mode", AttributeKind::text},
                                        {"output_height", AttributeKind::integer},
                                        {"output_width", AttributeKind::integer},
                                        {"sampling_ratio", AttributeKind::integer},
                                        {"spatial_scale", AttributeKind::real}}));
  const ir::Attributes& a = node.attributes();
  const std::string mode = a.get_string("mode", "avg");
  if (mode != "avg" && mode != "max") return invalid_error("mode is '" + mode + "', must be avg or max");
  const std::string places = a.get_string("coordinate_transformation_mode", "half_pixel");
  if (places != "half_pixel" && places != "output_half_pixel") {
    return invalid_error("coordinate_transformation_mode is '" + places + "', must be half_pixel or output_half_pixel");
  }
  if (a.get_int("output_height", 1) < 1 || a.get_int("output_width", 1) < 1 || a.get_int("sampling_ratio", 0) < 0) {
    return invalid_error("output_height, output_width or sampling_ratio is too small");
  }
  return {};
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  const auto &x = node.input(0)->type().shape, &rois = node.input(1)->type().shape;
  ir::Shape shape(4);
  if (rois && !rois->empty()) shape[0] = rois->front();
  if (x && x->size() == 4) shape[1] = (*x)[1];
  shape[2] = ir::Dim(node.attributes().get_int("output_height", 1));
  shape[3] = ir::Dim(node.attributes().get_int("output_width", 1));
  return std::vector{ir::Type{node.input(0)->type().dtype, shape}};
}

// The four elements around a place and their shares.
struct Corners {
  std::array<int64_t, 4> element{};
  std::array<double, 4> share{};
};

Corners corners_at(double y, double x, int64_t height, int64_t width) {
  Corners corners;
  if (y < -1 || y > static_cast<double>(height) || x < -1 || x > static_cast<double>(width)) return corners;
  const auto split = [](double place, int64_t size, int64_t& low, int64_t& high) {
    place = std::max(0.0, place);
    low = static_cast<int64_t>(place);
    if (low >= size - 1) {
      low = high = size - 1;
      return 0.0;
    }
    high = low + 1;
    return place - static_cast<double>(low);
  };
  int64_t top = 0, bottom = 0, left = 0, right = 0;
  const double down = split(y, height, top, bottom), along = split(x, width, left, right);
  corners.element = {top * width + left, top * width + right, bottom * width + left, bottom * width + right};
  corners.share = {(1 - down) * (1 - along), (1 - down) * along, down * (1 - along), down * along};
  return corners;
}

// Samples of a bin along an axis.
constexpr int64_t kMostSamples = 1 << 12;

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor &x = *inputs[0], &rois = *inputs[1];
  const auto images = read_indices(*inputs[2], "batch_indices");
  if (!images) return images.error();
  const bool fits = x.rank() == 4 && rois.rank() == 2 && rois.dims()[1] == 4 && rois.dtype() == x.dtype() &&
                    inputs[2]->dims() == ir::Dims{rois.dims()[0]};
  if (!fits) return invalid_error("x is " + x.type().text() + ", rois " + rois.type().text());
  const ir::Attributes& a = node.attributes();
  const int64_t rows = a.get_int("output_height", 1), columns = a.get_int("output_width", 1);
  const int64_t channels = x.dims()[1], height = x.dims()[2], width = x.dims()[3];
  if (height == 0 || width == 0) return invalid_error("x is " + x.type().text() + ": nothing to read");
  auto y = make_tensor(x.dtype(), {rois.dims()[0], channels, rows, columns});
  if (!y) return y.error();
  const bool half = a.get_string("coordinate_transformation_mode", "half_pixel") == "half_pixel";
  const bool largest = a.get_string("mode", "avg") == "max";
  const auto scale = static_cast<double>(a.get_float("spatial_scale", 1.0F));
  const int64_t ratio = a.get_int("sampling_ratio", 0);
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    const T* boxes = rois.data<T>().data();
    T* to = y->mutable_data<T>().data();
    for (int64_t r = 0; r < rois.dims()[0]; ++r, boxes += 4) {
      const auto image = wrap_index((*images)[static_cast<size_t>(r)], x.dims()[0]);
      if (!image) return image.error();
      const double offset = half ? 0.5 : 0;
      const double left = static_cast<double>(boxes[0]) * scale - offset,
                   top = static_cast<double>(boxes[1]) * scale - offset;
      double across = static_cast<double>(boxes[2]) * scale - offset - left;
      double down = static_cast<double>(boxes[3]) * scale - offset - top;
      if (!half) {
        across = std::max(across, 1.0);
        down = std::max(down, 1.0);
      }
      const double bin_width = across / static_cast<double>(columns), bin_height = down / static_cast<double>(rows);
      if (!(std::fabs(bin_width) < kMostSamples && std::fabs(bin_height) < kMostSamples)) {
        return invalid_error("region " + std::to_string(r) + " is too large");
      }
      const int64_t by_row = ratio > 0 ? ratio : static_cast<int64_t>(std::ceil(bin_height));
      const int64_t by_column = ratio > 0 ? ratio : static_cast<int64_t>(std::ceil(bin_width));
      if (by_row > kMostSamples || by_column > kMostSamples) return invalid_error("sampling_ratio is too large");
      for (int64_t bin = 0; bin < rows * columns; ++bin) {
        std::vector<Corners> samples;
        for (int64_t i = 0; i < by_row * by_column; ++i) {
          const double v = (static_cast<double>(i / by_column) + 0.5) / static_cast<double>(by_row);
          const double u = (static_cast<double>(i % by_column) + 0.5) / static_cast<double>(by_column);
          samples.push_back(corners_at(top + (static_cast<double>(bin / columns) + v) * bin_height,
                                       left + (static_cast<double>(bin % columns) + u) * bin_width, height, width));
        }
        for (int64_t c = 0; c < channels; ++c) {
          const T* plane = x.data<T>().data() + (*image * channels + c) * height * width;
          double result = 0;
          for (size_t s = 0; s < samples.size(); ++s) {
            double sum = 0, most = 0;
            for (size_t k = 0; k < 4; ++k) {
              const double part = samples[s].share[k] * static_cast<double>(plane[samples[s].element[k]]);
              sum += part;
              most = k == 0 ? part : std::max(most, part);
            }
            result = largest ? (s == 0 ? most : std::max(result, most)) : result + sum;
          }
          if (!largest && !samples.empty()) result /= static_cast<double>(samples.size());
          to[(r * channels + c) * rows * columns + bin] = static_cast<T>(result);
        }
      }
    }
    return std::vector{std::move(*y)};
  });
}

}  // namespace

extern const OpInfo roi_align_info = {.kind = ir::OpKind::roi_align,
                                      .min_inputs = 3,
                                      .max_inputs = 3,
                                      .min_outputs = 1,
                                      .max_outputs = 1,
                                      .verify = verify,
                                      .infer = infer,
                                      .eval = half_as_float<eval>,
                                      .cost = nullptr,
                                      .quant = nullptr,
                                      .no_gradient = kNotWritten};

}  // namespace edgesmith::ops::roi_align_op
