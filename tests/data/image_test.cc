// SPDX-License-Identifier: Apache-2.0
// Pictures against what Pillow gives (tests/data/images/make.py wrote the pictures and expected.npz).
#include "data/image.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "data/data_helper.h"

namespace edgesmith::data {
namespace {

const std::map<std::string, ir::Tensor>& expected() {
  static const auto* arrays = [] {
    auto* map = new std::map<std::string, ir::Tensor>();
    auto read = read_npz(fixture("expected.npz"));
    EDGESMITH_CHECK(read.ok()) << read.error().text();
    for (const NamedArray& array : *read) map->emplace(array.name, array.tensor);
    return map;
  }();
  return *arrays;
}

Result<Image> decode(const std::string& name) {
  auto bytes = map_file(fixture(name));
  if (!bytes) return bytes.error();
  return decode_image(*bytes, name);
}

Result<Image> decode_text(const std::string& content, const std::string& name) {
  return decode_image({std::as_bytes(std::span(content)), nullptr}, name);
}

// The largest difference, or 999 for another shape.
int difference(const Image& image, const ir::Tensor& want) {
  const auto pixels = want.data<uint8_t>();
  if (image.height != want.dims()[0] || image.width != want.dims()[1] || image.pixels.size() != pixels.size())
    return 999;
  int largest = 0;
  for (size_t i = 0; i < pixels.size(); ++i) largest = std::max(largest, std::abs(image.pixels[i] - pixels[i]));
  return largest;
}

class Decode : public testing::TestWithParam<const char*> {};

TEST_P(Decode, GivesTheBytesOfPillow) {
  auto image = decode(GetParam());
  ASSERT_GOOD(image);
  EXPECT_EQ(difference(to_rgb(*image), expected().at(std::string("rgb_") + GetParam())), 0);
}

INSTANTIATE_TEST_SUITE_P(Files, Decode,
                         testing::Values("420.jpg", "444.jpg", "422-progressive.jpg", "gray.jpg", "cmyk.jpg", "rgb.png",
                                         "rgba.png", "gray-alpha.png", "palette.png", "palette-2-bit.png", "1-bit.png",
                                         "gray.png", "rgb-16-bit.png", "resize.png"),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
                           return name;
                         });

TEST(Image, TurnsGrayAsPillowDoes) {
  for (const char* name : {"420.jpg", "rgb.png", "1-bit.png"}) {
    auto image = decode(name);
    ASSERT_GOOD(image);
    EXPECT_EQ(difference(to_gray(*image), expected().at(std::string("gray_") + name)), 0) << name;
  }
}

class Resize : public testing::TestWithParam<const char*> {};

TEST_P(Resize, GivesTheBytesOfPillowDownAndUp) {
  auto image = decode("resize.png");
  ASSERT_GOOD(image);
  for (const auto& [height, width] :
       {std::pair(5, 7), std::pair(16, 20), std::pair(13, 6), std::pair(3, 20), std::pair(3, 14)}) {
    const std::string name =
        "resize_" + std::string(GetParam()) + "_" + std::to_string(height) + "x" + std::to_string(width);
    EXPECT_EQ(difference(resize_image(*image, height, width, GetParam()), expected().at(name)), 0) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Filters, Resize,
                         testing::Values("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Image, CutsTheCentreRoundingHalfToEven) {
  Image image{6, 4, 1, {}};
  for (int i = 0; i < 24; ++i) image.pixels.push_back(static_cast<uint8_t>(i));
  // Margins (4 - 3) / 2 = 0.5 -> 0 and (6 - 3) / 2 = 1.5 -> 2.
  EXPECT_EQ(crop_centre(image, 3, 3).pixels, (std::vector<uint8_t>{2, 3, 4, 8, 9, 10, 14, 15, 16}));
}

TEST(Image, SwapsRedAndBlue) {
  EXPECT_EQ(swap_red_blue({1, 2, 3, {1, 2, 3, 4, 5, 6}}).pixels, (std::vector<uint8_t>{3, 2, 1, 6, 5, 4}));
}

TEST(Image, RefusesTruncatedPicturesNamingTheFile) {
  for (const char* name : {"420.jpg", "422-progressive.jpg", "gray.jpg", "cmyk.jpg", "rgb.png", "palette.png"}) {
    const std::string whole = slurp(fixture(name));
    for (size_t keep = 3; keep + 16 < whole.size(); keep += 37) {
      auto image = decode_text(whole.substr(0, keep), name);
      ASSERT_FALSE(image.ok()) << name << " cut to " << keep;
      EXPECT_EQ(image.error().kind, ErrorKind::invalid);
      EXPECT_NE(image.error().message.find(name), std::string::npos);
    }
  }
}

TEST(Image, SurvivesDamagedBytes) {
  for (const char* name : {"420.jpg", "422-progressive.jpg", "cmyk.jpg", "rgb.png"}) {
    const std::string whole = slurp(fixture(name));
    for (size_t at = 2; at < whole.size(); ++at) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(~damaged[at]);
      auto image = decode_text(damaged, name);
      if (image.ok()) continue;
      EXPECT_NE(image.error().message.find(name), std::string::npos);
    }
  }
}

TEST(Image, RefusesForeignFiles) {
  auto text = decode_text("<html>", "page.jpg");
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().text(),
            "page.jpg: neither a JPEG nor a PNG picture; convert it to one of them, or leave it out");
  EXPECT_EQ(decode_text("", "a.png").error().text(), "a.png: empty file; fetch it again, or leave it out");
}

}  // namespace
}  // namespace edgesmith::data
