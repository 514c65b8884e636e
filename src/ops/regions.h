// SPDX-License-Identifier: Apache-2.0
// Where roi_align and its gradients read: bins of regions, samples of bins, the four elements around a sample.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/ir/tensor.h"

namespace edgesmith::ops {

/// A sample of a bin: the elements around it in a plane, their shares, and how the shares grow when the sample moves
/// down and along by one element. The sample lies at these fractions of its region's height and width.
struct RegionSample {
  std::array<int64_t, 4> element{};
  std::array<double, 4> share{}, by_down{}, by_along{};
  double fraction_down = 0, fraction_along = 0;
};

/// One of the regions [R, 4] of a running roi_align.
struct Region {
  int64_t image = 0;                                     ///< the sample of x that it lies in
  int64_t rows = 0, columns = 0;                         ///< bins
  int64_t by_row = 0, by_column = 0;                     ///< samples of a bin along the axes
  double top = 0, left = 0;                              ///< in elements of x
  double height = 0, width = 0;                          ///< likewise
  double scale = 1;                                      ///< elements a unit of the numbers in rois
  bool stretched_down = false, stretched_along = false;  ///< made as large as one element

  /// The samples of bin `bin` in a plane of x.
  std::vector<RegionSample> samples(int64_t bin, int64_t plane_height, int64_t plane_width) const;
};

/// The attributes of roi_align and its gradients. Errors: invalid.
Status verify_regions(const ir::Node& node);

/// The regions of a node whose first operands are x, rois and batch_indices. Errors: invalid (types, dims, an index out
/// of range, a region that is absurdly large).
Result<std::vector<Region>> read_regions(const ir::Node& node, std::span<const ir::Tensor* const> inputs);

/// Checks that dy has the dims of the node's pooled regions and the type of x. Errors: invalid, with both.
Status check_pooled_regions(const ir::Node& node, const ir::Tensor& x, const std::vector<Region>& regions,
                            const ir::Tensor& dy);

/// Calls body(r, samples, plane, at) for every result of x, of dims [N, C, H, W]: region r, the samples of its bin,
/// where the plane of the channel begins in x, and where the result lies in y. Regions are the outermost, channels run
/// fastest.
template <typename Body>
void for_each_pooled(const std::vector<Region>& regions, const ir::Dims& x, Body body) {
  const int64_t channels = x[1], height = x[2], width = x[3];
  for (size_t r = 0; r < regions.size(); ++r) {
    const Region& region = regions[r];
    const int64_t bins = region.rows * region.columns, first = static_cast<int64_t>(r) * channels;
    for (int64_t bin = 0; bin < bins; ++bin) {
      const std::vector<RegionSample> samples = region.samples(bin, height, width);
      for (int64_t c = 0; c < channels; ++c) {
        body(r, samples, (region.image * channels + c) * height * width, (first + c) * bins + bin);
      }
    }
  }
}

/// The first largest product of an element around a sample with its share.
struct Winner {
  const RegionSample* sample;
  size_t corner;
};
template <typename T>
Winner largest_product(const std::vector<RegionSample>& samples, const T* plane) {
  Winner winner{&samples.front(), 0};
  double most = 0;
  for (const RegionSample& sample : samples) {
    for (size_t k = 0; k < 4; ++k) {
      const double product = sample.share[k] * static_cast<double>(plane[sample.element[k]]);
      if (product <= most && (&sample != &samples.front() || k > 0)) continue;
      winner = {&sample, k};
      most = product;
    }
  }
  return winner;
}

}  // namespace edgesmith::ops
