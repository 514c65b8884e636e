// SPDX-License-Identifier: Apache-2.0
#include "data/image.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>

namespace edgesmith::data {
namespace {

bool starts_with(const Bytes& bytes, std::initializer_list<int> magic) {
  if (bytes.size() < magic.size()) return false;
  return std::equal(magic.begin(), magic.end(), bytes.span.begin(),
                    [](int want, std::byte have) { return std::to_integer<int>(have) == want; });
}

std::string lower_suffix(std::string_view name) {
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return {};
  std::string suffix(name.substr(dot));
  for (char& c : suffix) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return suffix;
}

template <size_t N>
bool has_suffix(std::string_view name, const std::array<std::string_view, N>& suffixes) {
  return std::find(suffixes.begin(), suffixes.end(), lower_suffix(name)) != suffixes.end();
}

}  // namespace

Result<Image> decode_image(const Bytes& bytes, const std::string& name) {
  if (starts_with(bytes, {0xff, 0xd8})) return decode_jpeg(bytes, name);
  if (starts_with(bytes, {0x89, 'P', 'N', 'G'})) return decode_png(bytes, name);
  if (bytes.size() == 0) return invalid_error(name + ": empty file", "fetch it again, or leave it out");
  return invalid_error(name + ": neither a JPEG nor a PNG picture", "convert it to one of them, or leave it out");
}

bool has_image_suffix(std::string_view name) {
  return has_suffix(name, std::array<std::string_view, 3>{".jpg", ".jpeg", ".png"});
}

bool has_foreign_image_suffix(std::string_view name) {
  return has_suffix(name, std::array<std::string_view, 9>{".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm", ".pgm",
                                                          ".heic", ".avif"});
}

Image to_gray(const Image& image) {
  if (image.channels == 1) return image;
  Image gray{image.width, image.height, 1, {}};
  gray.pixels.resize(image.pixels.size() / 3);
  for (size_t i = 0; i < gray.pixels.size(); ++i) {
    const uint8_t* p = image.pixels.data() + 3 * i;
    gray.pixels[i] = static_cast<uint8_t>((p[0] * 19595u + p[1] * 38470u + p[2] * 7471u + 0x8000u) >> 16);
  }
  return gray;
}

Image to_rgb(const Image& image) {
  if (image.channels == 3) return image;
  Image rgb{image.width, image.height, 3, {}};
  rgb.pixels.reserve(3 * image.pixels.size());
  for (const uint8_t p : image.pixels) rgb.pixels.insert(rgb.pixels.end(), 3, p);
  return rgb;
}

Image swap_red_blue(const Image& image) {
  Image out = image;
  if (image.channels != 3) return out;
  for (size_t i = 0; i + 2 < out.pixels.size(); i += 3) std::swap(out.pixels[i], out.pixels[i + 2]);
  return out;
}

Image crop_image(const Image& image, int64_t top, int64_t left, int64_t height, int64_t width) {
  EDGESMITH_CHECK(top >= 0 && left >= 0 && top + height <= image.height && left + width <= image.width);
  Image out{width, height, image.channels, {}};
  const auto row = static_cast<size_t>(width * image.channels);
  out.pixels.reserve(row * static_cast<size_t>(height));
  for (int64_t y = top; y < top + height; ++y) {
    const uint8_t* from = image.pixels.data() + (y * image.width + left) * image.channels;
    out.pixels.insert(out.pixels.end(), from, from + row);
  }
  return out;
}

Image crop_centre(const Image& image, int64_t height, int64_t width) {
  const auto margin = [](int64_t have, int64_t want) {
    return static_cast<int64_t>(std::nearbyint(static_cast<double>(have - want) / 2));
  };
  return crop_image(image, margin(image.height, height), margin(image.width, width), height, width);
}

}  // namespace edgesmith::data
