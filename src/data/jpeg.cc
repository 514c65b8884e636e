// SPDX-License-Identifier: Apache-2.0
// The only file that calls libjpeg. Its errors leave by longjmp, so the decoding function keeps only plain data alive
// across the calls.
#include <csetjmp>
#include <cstdio>
#include <cstring>
// jpeglib.h needs FILE and size_t declared before it.
#include <jerror.h>
#include <jpeglib.h>

#include "data/image.h"

namespace edgesmith::data {
namespace {

struct Failure {
  jpeg_error_mgr base;  // first: libjpeg hands back a pointer to it
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
};

void fail(j_common_ptr common) {
  auto* failure = reinterpret_cast<Failure*>(common->err);
  common->err->format_message(common, failure->message);
  std::longjmp(failure->jump, 1);
}

// Warnings mean lost picture data (truncated, bad codes), except for these, which other readers pass over as well.
bool harmless(int code) { return code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR; }

void on_message(j_common_ptr common, int level) {
  if (level < 0 && !harmless(common->err->msg_code)) fail(common);
}

// Inks as Adobe's programs store them, 255 for none, as red, green and blue: what is left of white paper, in the first
// three bytes of four. Rounded as Pillow does.
void to_rgb_in_place(uint8_t* row, int64_t width) {
  for (int64_t x = 0; x < width; ++x) {
    const uint32_t paper = row[4 * x + 3];
    for (int c = 0; c < 3; ++c) {
      const uint32_t ink = (255u - row[4 * x + c]) * paper + 128;  // of 255 * 255
      row[3 * x + c] = static_cast<uint8_t>(paper - ((ink + (ink >> 8)) >> 8));
    }
  }
}

// Decodes into `image`; false with failure.message filled otherwise.
bool decode(jpeg_decompress_struct& jpeg, Failure& failure, const Bytes& bytes, Image& image) {
  if (setjmp(failure.jump) != 0) return false;
  jpeg_create_decompress(&jpeg);
  jpeg_mem_src(&jpeg, reinterpret_cast<const unsigned char*>(bytes.span.data()), bytes.size());
  jpeg_read_header(&jpeg, TRUE);
  const bool inks = jpeg.jpeg_color_space == JCS_CMYK || jpeg.jpeg_color_space == JCS_YCCK;
  if (static_cast<int64_t>(jpeg.image_width) * static_cast<int64_t>(jpeg.image_height) > kMaxPixels) {
    std::snprintf(failure.message, sizeof failure.message, "%u x %u pixels are too many", jpeg.image_width,
                  jpeg.image_height);
    return false;
  }
  jpeg.out_color_space = inks ? JCS_CMYK : jpeg.jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_start_decompress(&jpeg);
  image.width = jpeg.output_width;
  image.height = jpeg.output_height;
  image.channels = inks ? 3 : jpeg.output_components;
  const size_t row_bytes = static_cast<size_t>(image.width) * static_cast<size_t>(image.channels);
  // Room for the fourth ink of the last row.
  image.pixels.resize(row_bytes * static_cast<size_t>(image.height) + static_cast<size_t>(inks ? image.width : 0));
  while (jpeg.output_scanline < jpeg.output_height) {
    JSAMPROW row = image.pixels.data() + row_bytes * jpeg.output_scanline;
    jpeg_read_scanlines(&jpeg, &row, 1);
    if (inks) to_rgb_in_place(row, image.width);
  }
  image.pixels.resize(row_bytes * static_cast<size_t>(image.height));
  jpeg_finish_decompress(&jpeg);
  return true;
}

}  // namespace

Result<Image> decode_jpeg(const Bytes& bytes, const std::string& name) {
  Image image;
  Failure failure{};
  jpeg_decompress_struct jpeg{};
  jpeg.err = jpeg_std_error(&failure.base);
  failure.base.error_exit = fail;
  failure.base.emit_message = on_message;
  const bool good = decode(jpeg, failure, bytes, image);
  jpeg_destroy_decompress(&jpeg);
  if (good) return image;
  return invalid_error(name + ": cannot decode the JPEG picture: " + failure.message,
                       "it may be truncated or damaged; fetch it again or leave it out");
}

}  // namespace edgesmith::data
