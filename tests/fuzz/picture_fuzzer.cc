// SPDX-License-Identifier: Apache-2.0
// libFuzzer entry: any bytes as a JPEG or PNG, then through the geometry of preprocessing.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "data/image.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace d = edgesmith::data;
  const auto own = std::make_shared<std::vector<uint8_t>>(data, data + size);
  const auto image = d::decode_image({std::as_bytes(std::span<const uint8_t>(*own)), own}, "fuzzed");
  if (!image) {
    if (image.error().kind == edgesmith::ErrorKind::internal) std::abort();
    return 0;
  }
  const auto expected = static_cast<size_t>(image->width * image->height * image->channels);
  if (image->width < 1 || image->height < 1 || image->pixels.size() != expected) std::abort();
  // Large pictures take the time that changed bytes could have.
  if (expected > size_t{1} << 16) return 0;
  const d::Image rgb = d::to_rgb(*image);
  const auto& filters = d::resize_filters();
  const d::Image resized = d::resize_image(rgb, 1 + size % 40, 1 + size % 33, filters[size % filters.size()]);
  if (resized.pixels.size() != static_cast<size_t>(resized.width * resized.height * 3)) std::abort();
  d::to_gray(d::crop_centre(resized, 1, 1));
  return 0;
}
