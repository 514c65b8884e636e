// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/base/characters.h"

#include <gtest/gtest.h>

namespace edgesmith {
namespace {

TEST(Characters, KnowsUtf8) {
  for (const char* text : {"", "a/b.onnx", "\xc3\xa4.onnx", "\xf0\x9f\x99\x82"}) EXPECT_TRUE(is_utf8(text)) << text;
  for (const char* text : {"\xff.onnx", "a\xc3", "\xed\xa0\x80", "\xc0\x80"}) EXPECT_FALSE(is_utf8(text)) << text;
}

TEST(Characters, BlankIsWhatNobodySees) {
  for (const char* text : {"", " ", "\t\r\n "}) EXPECT_TRUE(is_blank(text));
  EXPECT_FALSE(is_blank(" a "));
}

}  // namespace
}  // namespace edgesmith
