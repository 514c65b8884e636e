// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/base/text.h"

#include <gtest/gtest.h>

namespace edgesmith {
namespace {

TEST(Text, GlobsMatchWholeNames) {
  EXPECT_TRUE(glob_match("*", ""));
  EXPECT_TRUE(glob_match("layer*.conv?", "layer1.0.conv2"));
  EXPECT_TRUE(glob_match("*a*b*", "xxaxxbxx"));
  EXPECT_FALSE(glob_match("conv", "conv1"));
  EXPECT_FALSE(glob_match("?", ""));
  EXPECT_FALSE(glob_match("a*c", "abcd"));
}

TEST(Text, SplitsAtEverySeparator) {
  using Parts = std::vector<std::string>;
  EXPECT_EQ(split("a,bc", ','), (Parts{"a", "bc"}));
  EXPECT_EQ(split("", ','), Parts{""});
  EXPECT_EQ(split("a,,b,", ','), (Parts{"a", "", "b", ""}));
}

TEST(Text, NearestSuggestsOnlyNearWords) {
  const std::vector<std::string> words = {"simplify", "quantize", "prune"};
  EXPECT_EQ(nearest("quantise", words), "quantize");
  EXPECT_EQ(nearest("simplfy", words), "simplify");
  EXPECT_EQ(nearest("banana", words), "");
  EXPECT_EQ(nearest("bce", std::vector<std::string>{"mse", "kl"}), "");  // another word, not a slip
  EXPECT_EQ(nearest("msw", std::vector<std::string>{"mse", "kl"}), "mse");
  EXPECT_EQ(nearest("rbg", std::vector<std::string>{"gray", "rgb"}), "rgb");  // neighbours that changed places
  EXPECT_EQ(nearest("qauntiez", words), "quantize");
}

TEST(Text, QuotesAreAskedForWhereATextHasNone) {
  EXPECT_EQ(quotes_hint("seed = 1\nmodel = fashion-cnn.onnx\n", 2), "texts want quotes: model = \"fashion-cnn.onnx\"");
  EXPECT_EQ(quotes_hint("path=/data/a b.npz", 1), "texts want quotes: path = \"/data/a b.npz\"");
  for (const char* line : {"", "model", "model =", "model = \"open", "model = 1x", "[[step"}) {
    EXPECT_EQ(quotes_hint(line, 1), "") << line;
  }
  EXPECT_EQ(quotes_hint("a = b", 0) + quotes_hint("a = b", 2), "");
}

TEST(Text, SizesHaveUnits) {
  EXPECT_EQ(parse_bytes("4096"), 4096);
  EXPECT_EQ(parse_bytes("2GiB"), int64_t{2} << 30);
  EXPECT_EQ(parse_bytes("1.5 MB"), 1500000);
  EXPECT_EQ(parse_bytes("512k"), 512 * 1024);
  EXPECT_EQ(parse_bytes("1B"), 1);
  EXPECT_EQ(parse_bytes("1 tib"), int64_t{1} << 40);
  for (const char* text : {"", "GiB", "two", "-1", "0", "0.1", "1 GiBs", "1 parsec", "1ib", "nan", "inf", "1e30"}) {
    EXPECT_EQ(parse_bytes(text), std::nullopt) << text;
  }
}

TEST(Text, WhatActsOnATerminalIsWrittenOut) {
  struct Row {
    std::string name, shown;
  };
  const Row rows[] = {
      {"layer1.0/conv", "layer1.0/conv"},
      {"größe 层 😀", "größe 层 😀"},
      {"a\nb\tc\rd", "a\\x0ab\\x09c\\x0dd"},
      {std::string("a\0b", 3), "a\\x00b"},
      {"\033[2J\033]0;title\a", "\\x1b[2J\\x1b]0;title\\x07"},
      {"\x7f", "\\u007f"},
      {"\xc2\x9b"
       "31m",
       "\\u009b31m"},  // the one-character form of ESC [
      {"\xe2\x80\xae"
       "xnno",
       "\\u202exnno"},  // from right to left from here on
      {"\xe2\x81\xa6"
       "a\xe2\x81\xa9",
       "\\u2066a\\u2069"},
      {"a\xe2\x80\xa8"
       "b",
       "a\\u2028b"},
      {"\xff\xfe", "\\xff\\xfe"},
      {"\xc0\xaf", "\\xc0\\xaf"},           // an overlong slash
      {"\xed\xa0\x80", "\\xed\\xa0\\x80"},  // half of a pair
      {"a\xe2\x80", "a\\xe2\\x80"},         // cut off
      {"<script>", "<script>"},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(printable(row.name), row.shown);
    EXPECT_EQ(printable(row.shown), row.shown);
  }
  EXPECT_EQ(printable("a\n\tb\r", true), "a\n\tb\\x0d");
}

TEST(Text, ShortestFloatsReadBack) {
  EXPECT_EQ(shortest(0.1f), "0.1");
  EXPECT_EQ(shortest(-3.0f), "-3");
  EXPECT_EQ(shortest(0.1), "0.1");
}

}  // namespace
}  // namespace edgesmith
