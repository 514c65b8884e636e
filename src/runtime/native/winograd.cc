// SPDX-License-Identifier: Apache-2.0
#include "runtime/native/winograd.h"

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "runtime/native/packing.h"

namespace edgesmith::runtime::native {

namespace {

// Below this many channels the transforms cost more than the products they save (measured: docs/kernels.md).
constexpr int64_t kMinChannels = 8;

bool all_equal(const ir::Ints& values, int64_t value) {
  return std::ranges::all_of(values, [&](int64_t v) { return v == value; });
}

// A finite point: the value there of the polynomial whose coefficients are the taps goes into the products times a
// fraction, which makes the transform of the inputs one by whole numbers and quarters.
struct Point {
  double at, times, over;
};
constexpr std::array<Point, 5> kPoints3 = {{{0, 1, 4}, {1, -1, 6}, {-1, -1, 6}, {2, 1, 24}, {-2, 1, 24}}};
constexpr std::array<Point, 7> kPoints5 = {
    {{0, 1, 1}, {1, -2, 9}, {-1, -2, 9}, {2, 1, 90}, {-2, 1, 90}, {0.5, 32, 45}, {-0.5, 32, 45}}};

// G of taps `step` apart: their values at the finite points, then at infinity. Sums are exact.
template <typename Tap>
void evaluate(WinogradKernel kernel, const Tap* taps, int64_t step, double* out, int64_t out_step) {
  const auto points = kernel.size == 3 ? std::span<const Point>(kPoints3) : std::span<const Point>(kPoints5);
  for (const Point& point : points) {
    double value = 0;
    for (int64_t tap = kernel.size - 1; tap >= 0; --tap) value = value * point.at + taps[tap * step];
    *out = value * point.times / point.over;
    out += out_step;
  }
  *out = taps[kernel.halo() * step];
}

}  // namespace

bool is_winograd(const ir::Node& node, const ir::Dims& weight) {
  const ir::Attributes& attributes = node.attributes();
  if (attributes.get_int("group", 1) != 1 || weight.size() != 4) return false;
  if (weight[2] != weight[3] || (weight[2] != 3 && weight[2] != 5)) return false;
  if (weight[0] < kMinChannels || weight[1] < kMinChannels) return false;
  return all_equal(attributes.get_ints("strides"), 1) && all_equal(attributes.get_ints("dilations"), 1);
}

bool winograd_pays(const ir::Value& tiled, const ir::Dims& weight) {
  if (weight[2] == 3 || !tiled.type().shape || tiled.type().rank() != 4) return true;
  const ir::Dim &height = (*tiled.type().shape)[2], &width = (*tiled.type().shape)[3];
  if (!height.known() || !width.known()) return true;
  const auto tiles = [](int64_t size) { return (size + kWinogradTile - 1) / kWinogradTile; };
  const WinogradKernel kernel = {weight[2]};
  // The transforms take about as long as the products.
  return 2 * tiles(height.value()) * tiles(width.value()) * kernel.points() <=
         height.value() * width.value() * kernel.taps();
}

WinogradBlock winograd_block(int64_t samples, int64_t tiles_y, int64_t row_bytes) {
  WinogradBlock out;
  row_bytes = std::max<int64_t>(1, row_bytes);
  out.rows = std::clamp<int64_t>(kWinogradBlockBytes / row_bytes, 1, std::max<int64_t>(1, tiles_y));
  if (out.rows == tiles_y) {
    out.samples = std::clamp<int64_t>(kWinogradBlockBytes / (row_bytes * tiles_y), 1, std::max<int64_t>(1, samples));
  }
  return out;
}

WinogradShape::WinogradShape(int64_t kernel_size, const ir::Dims& in, const ir::Dims& out,
                             std::span<const int64_t> pads)
    : kernel{kernel_size},
      samples(in[0]),
      channels(in[1]),
      height(in[2]),
      width(in[3]),
      features(out[1]),
      out_height(out[2]),
      out_width(out[3]),
      pad_top(pads[0]),
      pad_left(pads[1]) {}

void WinogradShape::tile(int64_t lanes, int64_t tiled_height, int64_t tiled_width) {
  padded_channels = round_up(channels, lanes);
  padded_features = round_up(features, lanes);
  tiles_x = (tiled_width + kWinogradTile - 1) / kWinogradTile;
  tiles_y = (tiled_height + kWinogradTile - 1) / kWinogradTile;
  const int64_t row_bytes = tiles_x * kernel.points() * (padded_channels + padded_features) * 4;
  at_once = winograd_block(samples, tiles_y, row_bytes);
}

std::vector<float> winograd_points(const float* weight, int64_t features, int64_t channels, WinogradKernel kernel) {
  const int64_t size = kernel.size, edge = kernel.edge();
  std::vector<float> out(static_cast<size_t>(kernel.points() * channels * features));
  std::array<double, 40> half = {};  // [edge][size]: columns are done
  std::array<double, 8> row = {};
  for (int64_t m = 0; m < features; ++m) {
    for (int64_t c = 0; c < channels; ++c) {
      const float* taps = weight + (m * channels + c) * kernel.taps();
      for (int64_t x = 0; x < size; ++x) evaluate(kernel, taps + x, size, half.data() + x, size);
      for (int64_t y = 0; y < edge; ++y) {
        evaluate(kernel, half.data() + y * size, 1, row.data(), 1);
        for (int64_t x = 0; x < edge; ++x) {
          out[static_cast<size_t>(((y * edge + x) * channels + c) * features + m)] =
              static_cast<float>(row[static_cast<size_t>(x)]);
        }
      }
    }
  }
  return out;
}

}  // namespace edgesmith::runtime::native
