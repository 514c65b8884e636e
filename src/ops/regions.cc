// SPDX-License-Identifier: Apache-2.0
#include "ops/regions.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/places.h"

namespace edgesmith::ops {
namespace {

// Samples of a bin along an axis.
constexpr int64_t kMostSamples = 1 << 12;

// The two elements around a place on an axis.
struct Neighbours {
  int64_t low = 0, high = 0;
  double rest = 0;   // the share of `high`
  double slope = 0;  // of `rest` by the place
};

Neighbours around(double place, int64_t size) {
  if (std::max(0.0, place) >= static_cast<double>(size - 1)) return {size - 1, size - 1, 0, 0};
  if (place <= 0) return {0, 1, 0, 0};
  const auto low = static_cast<int64_t>(place);
  return {low, low + 1, place - static_cast<double>(low), 1};
}

RegionSample sample_at(double y, double x, int64_t height, int64_t width) {
  RegionSample sample;
  if (y < -1 || y > static_cast<double>(height) || x < -1 || x > static_cast<double>(width)) return sample;
  const Neighbours down = around(y, height), along = around(x, width);
  sample.element = {down.low * width + along.low, down.low * width + along.high, down.high * width + along.low,
                    down.high * width + along.high};
  sample.share = {(1 - down.rest) * (1 - along.rest), (1 - down.rest) * along.rest, down.rest * (1 - along.rest),
                  down.rest * along.rest};
  sample.by_down = {-down.slope * (1 - along.rest), -down.slope * along.rest, down.slope * (1 - along.rest),
                    down.slope * along.rest};
  sample.by_along = {-along.slope * (1 - down.rest), along.slope * (1 - down.rest), -along.slope * down.rest,
                     along.slope * down.rest};
  return sample;
}

template <typename T>
Result<Region> read_region(const ir::Node& node, const T* box) {
  const ir::Attributes& a = node.attributes();
  const bool half = a.get_string("coordinate_transformation_mode", "half_pixel") == "half_pixel";
  const double offset = half ? 0.5 : 0;
  const int64_t ratio = a.get_int("sampling_ratio", 0);
  Region region;
  region.rows = a.get_int("output_height", 1);
  region.columns = a.get_int("output_width", 1);
  region.scale = static_cast<double>(a.get_float("spatial_scale", 1.0F));
  region.left = static_cast<double>(box[0]) * region.scale - offset;
  region.top = static_cast<double>(box[1]) * region.scale - offset;
  region.width = static_cast<double>(box[2]) * region.scale - offset - region.left;
  region.height = static_cast<double>(box[3]) * region.scale - offset - region.top;
  if (!half) {
    region.stretched_along = region.width < 1;
    region.stretched_down = region.height < 1;
    region.width = std::max(region.width, 1.0);
    region.height = std::max(region.height, 1.0);
  }
  const double bin_width = region.width / static_cast<double>(region.columns);
  const double bin_height = region.height / static_cast<double>(region.rows);
  if (!(std::fabs(bin_width) < kMostSamples && std::fabs(bin_height) < kMostSamples)) {
    return invalid_error("it is too large");
  }
  region.by_row = ratio > 0 ? ratio : static_cast<int64_t>(std::ceil(bin_height));
  region.by_column = ratio > 0 ? ratio : static_cast<int64_t>(std::ceil(bin_width));
  if (region.by_row > kMostSamples || region.by_column > kMostSamples) {
    return invalid_error("sampling_ratio is too large");
  }
  return region;
}

}  // namespace

std::vector<RegionSample> Region::samples(int64_t bin, int64_t plane_height, int64_t plane_width) const {
  const double bin_height = height / static_cast<double>(rows), bin_width = width / static_cast<double>(columns);
  std::vector<RegionSample> found;
  for (int64_t i = 0; i < by_row * by_column; ++i) {
    const double v = (static_cast<double>(i / by_column) + 0.5) / static_cast<double>(by_row);
    const double u = (static_cast<double>(i % by_column) + 0.5) / static_cast<double>(by_column);
    const double down = static_cast<double>(bin / columns) + v, along = static_cast<double>(bin % columns) + u;
    found.push_back(sample_at(top + down * bin_height, left + along * bin_width, plane_height, plane_width));
    found.back().fraction_down = down / static_cast<double>(rows);
    found.back().fraction_along = along / static_cast<double>(columns);
  }
  return found;
}

Status verify_regions(const ir::Node& node) {
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

Result<std::vector<Region>> read_regions(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor &x = *inputs[0], &rois = *inputs[1];
  const auto images = read_indices(*inputs[2], "batch_indices");
  if (!images) return images.error();
  const bool fits = x.rank() == 4 && rois.rank() == 2 && rois.dims()[1] == 4 && rois.dtype() == x.dtype() &&
                    inputs[2]->dims() == ir::Dims{rois.dims()[0]};
  if (!fits) return invalid_error("x is " + x.type().text() + ", rois " + rois.type().text());
  if (x.dims()[2] == 0 || x.dims()[3] == 0) return invalid_error("x is " + x.type().text() + ": nothing to read");
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<Region>> {
    std::vector<Region> regions;
    for (int64_t r = 0; r < rois.dims()[0]; ++r) {
      const auto image = wrap_index((*images)[static_cast<size_t>(r)], x.dims()[0]);
      if (!image) return image.error();
      auto region = read_region(node, rois.data<T>().data() + 4 * r);
      if (!region) return region.error().in("region " + std::to_string(r));
      region->image = *image;
      regions.push_back(*region);
    }
    return regions;
  });
}

Status check_pooled_regions(const ir::Node& node, const ir::Tensor& x, const std::vector<Region>& regions,
                            const ir::Tensor& dy) {
  const ir::Attributes& a = node.attributes();
  const ir::Type pooled{x.dtype(),
                        ir::Shape{ir::Dim(static_cast<int64_t>(regions.size())), ir::Dim(x.dims()[1]),
                                  ir::Dim(a.get_int("output_height", 1)), ir::Dim(a.get_int("output_width", 1))}};
  if (dy.type().text() == pooled.text()) return {};
  return invalid_error("the gradient is " + dy.type().text() + ", the result is " + pooled.text());
}

}  // namespace edgesmith::ops
