// SPDX-License-Identifier: Apache-2.0
// Pictures as 8-bit pixels: decoding, and the geometry of preprocessing. All of it gives what Pillow gives, because
// models are trained and judged with pictures that went through Pillow.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/bytes.h"
#include "edgesmith/base/result.h"

namespace edgesmith::data {

/// Pixels row-major, channels interleaved; 1 channel (gray) or 3 (red, green, blue).
struct Image {
  int64_t width = 0, height = 0;
  int channels = 0;
  std::vector<uint8_t> pixels;
};

/// Larger pictures are refused: a few damaged bytes in a header must not ask for all memory.
constexpr int64_t kMaxPixels = int64_t{1} << 28;

/// Decodes a JPEG or PNG file's bytes by what they start with. Errors: invalid (neither of them, truncated, corrupt),
/// naming `name`.
Result<Image> decode_image(const Bytes& bytes, const std::string& name);
/// libjpeg-turbo with its defaults (accurate integer DCT, smooth chroma upsampling): Pillow's bytes. CMYK becomes RGB.
Result<Image> decode_jpeg(const Bytes& bytes, const std::string& name);
/// libpng: palettes expanded, 16 bits cut to the upper 8, alpha dropped.
Result<Image> decode_png(const Bytes& bytes, const std::string& name);

/// True for names that end like pictures we decode (.jpg .jpeg .png, any case).
bool has_image_suffix(std::string_view name);
/// True for pictures of formats we do not decode (.bmp .webp .gif .tif ...), which deserve a word.
bool has_foreign_image_suffix(std::string_view name);

/// Gray as Pillow's mode L: (19595 R + 38470 G + 7471 B + 2^15) >> 16.
Image to_gray(const Image& image);
/// Three channels; gray is repeated.
Image to_rgb(const Image& image);
/// First and third channel exchanged.
Image swap_red_blue(const Image& image);

/// The part of `height` x `width` at (top, left), which must lie inside.
Image crop_image(const Image& image, int64_t top, int64_t left, int64_t height, int64_t width);
/// The centre part; where the margins differ, rounded half to even as torchvision's CenterCrop.
Image crop_centre(const Image& image, int64_t height, int64_t width);

/// Resizes as Pillow's Image.resize: `filter` is one of nearest, box, bilinear, hamming, bicubic, lanczos; all but
/// nearest widen with the shrink factor (antialiasing). Two passes, horizontal first, each rounded to 8 bits, with the
/// fixed-point coefficients of 22 fractional bits.
Image resize_image(const Image& image, int64_t height, int64_t width, const std::string& filter);
/// The names `resize_image` knows.
const std::vector<std::string>& resize_filters();

}  // namespace edgesmith::data
