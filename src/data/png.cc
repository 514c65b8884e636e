// SPDX-License-Identifier: Apache-2.0
// The only file that calls libpng. Its errors leave by longjmp, so the decoding function keeps only plain data alive
// across the calls.
#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "data/image.h"

namespace edgesmith::data {
namespace {

struct Reader {
  const std::byte* data;
  size_t size, at;
  std::jmp_buf jump;
  char message[200];
};

void fail(png_structp png, png_const_charp message) {
  auto* reader = static_cast<Reader*>(png_get_error_ptr(png));
  std::snprintf(reader->message, sizeof reader->message, "%s", message);
  std::longjmp(reader->jump, 1);
}

void ignore(png_structp, png_const_charp) {}

void read_bytes(png_structp png, png_bytep out, size_t count) {
  auto* reader = static_cast<Reader*>(png_get_io_ptr(png));
  if (count > reader->size - reader->at) png_error(png, "unexpected end of the file");
  std::memcpy(out, reader->data + reader->at, count);
  reader->at += count;
}

// Decodes into `image`; false with reader.message filled otherwise.
bool decode(png_structp png, png_infop info, Reader& reader, Image& image, std::vector<png_bytep>& rows) {
  if (setjmp(reader.jump) != 0) return false;
  png_set_read_fn(png, &reader, read_bytes);
  png_read_info(png, info);
  image.width = png_get_image_width(png, info);
  image.height = png_get_image_height(png, info);
  if (image.width * image.height > kMaxPixels) png_error(png, "too many pixels");
  if (png_get_color_type(png, info) == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (png_get_color_type(png, info) == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png);
  png_set_strip_16(png);
  png_set_strip_alpha(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  image.channels = png_get_channels(png, info);
  const size_t row_bytes = png_get_rowbytes(png, info);
  if (row_bytes != static_cast<size_t>(image.width) * static_cast<size_t>(image.channels)) {
    png_error(png, "unexpected pixel layout");
  }
  image.pixels.resize(row_bytes * static_cast<size_t>(image.height));
  rows.resize(static_cast<size_t>(image.height));
  for (size_t y = 0; y < rows.size(); ++y) rows[y] = image.pixels.data() + row_bytes * y;
  png_read_image(png, rows.data());
  png_read_end(png, nullptr);
  return true;
}

}  // namespace

Result<Image> decode_png(const Bytes& bytes, const std::string& name) {
  Image image;
  std::vector<png_bytep> rows;
  Reader reader{bytes.span.data(), bytes.size(), 0, {}, {}};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, fail, ignore);
  png_infop info = png == nullptr ? nullptr : png_create_info_struct(png);
  if (info == nullptr) {
    png_destroy_read_struct(&png, nullptr, nullptr);
    return io_error(name + ": no memory to decode the picture");
  }
  const bool good = decode(png, info, reader, image, rows);
  png_destroy_read_struct(&png, &info, nullptr);
  if (good) return image;
  return invalid_error(name + ": cannot decode the PNG picture: " + reader.message,
                       "it may be truncated or damaged; fetch it again or leave it out");
}

}  // namespace edgesmith::data
