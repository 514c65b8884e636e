// SPDX-License-Identifier: Apache-2.0
// Separable resampling with 8-bit intermediate results, the numbers of Pillow: each output pixel is a weighted sum over
// the input pixels under the filter, whose width grows with the shrink factor. Weights are fixed-point numbers with 22
// fractional bits (32 minus 8 for the pixel minus 2 to be safe from overflow); sums are rounded and clipped to 8 bits.
#include <algorithm>
#include <cmath>
#include <string_view>

#include "data/image.h"

namespace edgesmith::data {
namespace {

constexpr int kPrecision = 32 - 8 - 2;
constexpr double kPi = 3.14159265358979323846;

double box(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }

double bilinear(double x) { return std::max(0.0, 1.0 - std::fabs(x)); }

double sinc(double x) { return x == 0.0 ? 1.0 : std::sin(kPi * x) / (kPi * x); }

double hamming(double x) {
  x = std::fabs(x);
  return x >= 1.0 ? 0.0 : sinc(x) * (0.54 + 0.46 * std::cos(kPi * x));
}

// Keys' cubic convolution with a = -0.5.
double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
  return 0.0;
}

double lanczos(double x) { return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0; }

struct Filter {
  std::string_view name;
  double (*weight)(double x);
  double support;  // half width
};
constexpr Filter kFilters[] = {{"box", box, 0.5},
                               {"bilinear", bilinear, 1.0},
                               {"hamming", hamming, 1.0},
                               {"bicubic", bicubic, 2.0},
                               {"lanczos", lanczos, 3.0}};

// For each output position: the first input position and its fixed-point weights.
struct Taps {
  int64_t first = 0;
  std::vector<int32_t> weights;
};

std::vector<Taps> make_taps(int64_t in, int64_t out, const Filter& filter) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double stretch = std::max(scale, 1.0);
  const double support = filter.support * stretch;
  std::vector<Taps> taps(static_cast<size_t>(out));
  std::vector<double> reals;
  for (int64_t i = 0; i < out; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    const int64_t first = std::max<int64_t>(0, static_cast<int64_t>(centre - support + 0.5));
    const int64_t last = std::min(in, static_cast<int64_t>(centre + support + 0.5));
    reals.clear();
    double sum = 0;
    for (int64_t x = first; x < last; ++x) {
      reals.push_back(filter.weight((static_cast<double>(x) - centre + 0.5) * (1.0 / stretch)));
      sum += reals.back();
    }
    Taps& tap = taps[static_cast<size_t>(i)];
    tap.first = first;
    for (const double real : reals) {
      const double scaled = (sum != 0.0 ? real / sum : real) * (1 << kPrecision);
      tap.weights.push_back(static_cast<int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5));
    }
  }
  return taps;
}

uint8_t to_pixel(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kPrecision, 0, 255)); }

// Applies `taps` along one axis. Pixels of a line are `step` apart; there are `inner` interleaved lines in a block.
Image resample(const Image& image, const std::vector<Taps>& taps, bool horizontal) {
  const auto out_size = static_cast<int64_t>(taps.size());
  Image out =
      horizontal ? Image{out_size, image.height, image.channels, {}} : Image{image.width, out_size, image.channels, {}};
  out.pixels.resize(static_cast<size_t>(out.width * out.height * out.channels));
  const int64_t inner = horizontal ? image.channels : image.width * image.channels;
  const int64_t blocks = horizontal ? image.height : 1;
  const int64_t in_size = horizontal ? image.width : image.height;
  for (int64_t block = 0; block < blocks; ++block) {
    const uint8_t* from = image.pixels.data() + block * in_size * inner;
    uint8_t* to = out.pixels.data() + block * out_size * inner;
    for (int64_t i = 0; i < out_size; ++i) {
      const Taps& tap = taps[static_cast<size_t>(i)];
      for (int64_t line = 0; line < inner; ++line) {
        int32_t sum = 1 << (kPrecision - 1);
        const uint8_t* p = from + tap.first * inner + line;
        for (size_t t = 0; t < tap.weights.size(); ++t) sum += p[static_cast<int64_t>(t) * inner] * tap.weights[t];
        to[i * inner + line] = to_pixel(sum);
      }
    }
  }
  return out;
}

// Pillow's choice (13, found by trying): the order shows where a filter overshoots, because the result of the first
// pass is clipped to 8 bits. The vertical pass goes first where it takes away more than twice as many lines.
bool vertical_first(const Image& image, int64_t height, int64_t width) {
  return height < image.height && image.height - height > 2 * (image.width - width);
}

Image resize_nearest(const Image& image, int64_t height, int64_t width) {
  // Positions are summed up and not multiplied: where one falls on the edge between two pixels, the rounding errors of
  // the sum decide, and they should be Pillow's.
  const auto positions = [](int64_t in, int64_t out) {
    std::vector<int64_t> at;
    const double scale = static_cast<double>(in) / static_cast<double>(out);
    double position = scale * 0.5;
    for (int64_t i = 0; i < out; ++i, position += scale) at.push_back(std::min(in - 1, static_cast<int64_t>(position)));
    return at;
  };
  const auto xs = positions(image.width, width), ys = positions(image.height, height);
  Image out{width, height, image.channels, {}};
  out.pixels.reserve(static_cast<size_t>(width * height * image.channels));
  for (const int64_t y : ys) {
    for (const int64_t x : xs) {
      const uint8_t* p = image.pixels.data() + (y * image.width + x) * image.channels;
      out.pixels.insert(out.pixels.end(), p, p + image.channels);
    }
  }
  return out;
}

}  // namespace

const std::vector<std::string>& resize_filters() {
  static const std::vector<std::string> names = {"nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"};
  return names;
}

Image resize_image(const Image& image, int64_t height, int64_t width, const std::string& filter) {
  EDGESMITH_CHECK(height > 0 && width > 0 && image.height > 0 && image.width > 0);
  if (height == image.height && width == image.width) return image;
  if (filter == "nearest") return resize_nearest(image, height, width);
  const auto* found =
      std::find_if(std::begin(kFilters), std::end(kFilters), [&](const Filter& row) { return row.name == filter; });
  EDGESMITH_CHECK(found != std::end(kFilters)) << filter;
  const auto across = [&](const Image& from) {
    return width == from.width ? from : resample(from, make_taps(from.width, width, *found), true);
  };
  const auto down = [&](const Image& from) {
    return height == from.height ? from : resample(from, make_taps(from.height, height, *found), false);
  };
  return vertical_first(image, height, width) ? across(down(image)) : down(across(image));
}

}  // namespace edgesmith::data
