// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/data/preprocess.h"

#include <gtest/gtest.h>

#include "data/data_helper.h"

namespace edgesmith::data {
namespace {

TEST(Numbers, MayBeFractionsAndLists) {
  double value = 0;
  ASSERT_GOOD(parse_number("1/255", value));
  EXPECT_DOUBLE_EQ(value, 1.0 / 255);
  ASSERT_GOOD(parse_number(" 1e-3 ", value));
  EXPECT_DOUBLE_EQ(value, 0.001);
  std::vector<double> values;
  ASSERT_GOOD(parse_numbers("0.485, 1/2,-3", values));
  EXPECT_EQ(values, (std::vector<double>{0.485, 0.5, -3}));
  for (const char* bad : {"", "x", "1/0", "1/", "/2", "nan", "inf", "1 2"}) {
    const Status status = parse_number(bad, value);
    ASSERT_FALSE(status.ok()) << bad;
    EXPECT_EQ(status.error().kind, ErrorKind::usage);
  }
  EXPECT_FALSE(parse_numbers("1,,2", values).ok());
}

TEST(Flags, SetWhatTheySay) {
  Preprocess p;
  const std::pair<const char*, const char*> flags[] = {
      {"color", "bgr"},   {"crop-fraction", "7/8"}, {"resize", "224x192"}, {"filter", "bicubic"}, {"crop", "160"},
      {"layout", "nhwc"}, {"scale", "1/255"},       {"mean", "0.5"},       {"std", "0.25,0.5,1"}};
  for (const auto& [flag, text] : flags) ASSERT_GOOD(set_preprocess_flag(p, flag, text));
  EXPECT_EQ(p.json(), R"({"color":"bgr","crop_fraction":0.875,"resize":{"to":[224,192],"filter":"bicubic"},"crop":160,)"
                      R"("layout":"nhwc","scale":0.00392156862745098,"mean":[0.5],"std":[0.25,0.5,1]})");
  Preprocess again;
  for (const std::string& flag : preprocess_flags()) {
    ASSERT_GOOD(set_preprocess_flag(again, flag, preprocess_flag(p, flag)));
    EXPECT_EQ(preprocess_flag(Preprocess(), flag), "") << flag;
  }
  EXPECT_EQ(again.json(), p.json());
  ASSERT_GOOD(set_preprocess_flag(p, "resize", "256"));
  EXPECT_EQ(preprocess_flag(p, "resize"), "256");
  EXPECT_EQ(p.resize_short, 256);
  EXPECT_TRUE(p.resize_to.empty());
}

TEST(Flags, RefuseNonsenseNamingTheFlag) {
  const std::pair<const char*, const char*> flags[] = {
      {"color", "rbg"},    {"crop-fraction", "2"}, {"crop-fraction", "0"}, {"resize", "0"}, {"resize", "224x"},
      {"filter", "cubic"}, {"crop", "-1"},         {"layout", "chw"},      {"scale", "0"},  {"mean", "a"},
      {"std", "1,0,1"},    {"resize", "99999"},    {"gamma", "1"}};
  for (const auto& [flag, text] : flags) {
    Preprocess p;
    const Status status = set_preprocess_flag(p, flag, text);
    ASSERT_FALSE(status.ok()) << flag << " " << text;
    EXPECT_EQ(status.error().kind, ErrorKind::usage);
    EXPECT_EQ(status.error().message.find("--" + std::string(flag)), 0u) << status.error().message;
  }
  Preprocess p;
  EXPECT_EQ(set_preprocess_flag(p, "color", "rbg").error().hint, "did you mean 'rgb'?");
}

TEST(PreprocessJson, IsCanonicalAndReadsBack) {
  Preprocess p;
  EXPECT_TRUE(p.empty());
  EXPECT_EQ(p.json(), "{}");
  p.resize_short = 256;
  p.scale = 1.0 / 255;
  p.mean = {0.485, 0.456, 0.406};
  const std::string text = p.json();
  EXPECT_EQ(text,
            R"({"resize":{"short":256,"filter":"bilinear"},"scale":0.00392156862745098,"mean":[0.485,0.456,0.406]})");
  EXPECT_FALSE(p.empty());
  auto back = preprocess_from_json(text);
  ASSERT_GOOD(back);
  EXPECT_EQ(preprocess_json(*back), text);
}

TEST(PreprocessJson, KeepsTablesByInput) {
  Preprocess a, b;
  a.scale = 2;
  b.color = "gray";
  EXPECT_EQ(preprocess_json({}), "");
  EXPECT_EQ(preprocess_json({{"", a}}), R"({"scale":2})");
  const std::string text = preprocess_json({{"a", a}, {"b \"x\"", b}});
  EXPECT_EQ(text, R"({"inputs":{"a":{"scale":2},"b \"x\"":{"color":"gray"}}})");
  auto back = preprocess_from_json(text);
  ASSERT_GOOD(back);
  EXPECT_EQ(preprocess_json(*back), text);
}

TEST(PreprocessJson, RefusesWhatItDidNotWrite) {
  for (const char* bad : {"", "[]", "{", R"({"gamma":1})", R"({"scale":"x"})", R"({"resize":3})", R"({"mean":[1,"a"]})",
                          R"({"inputs":3})", R"({"std":[0]})", R"({"resize":{"to":[1e99,2]}})", R"({"crop":1.5})"}) {
    auto table = preprocess_from_json(bad);
    ASSERT_FALSE(table.ok()) << bad;
    EXPECT_EQ(table.error().kind, ErrorKind::invalid);
  }
}

TEST(DataToml, ReadsTheDocumentedForm) {
  auto spec = data_spec_from_toml(R"(
path   = "cifar10-test-jpeg"
labels = "folders"
[preprocess]
color  = "rgb"
crop_fraction = 0.875
resize = { short = 256, filter = "bilinear" }
crop   = 224
layout = "nchw"
scale  = 0.00392156862745098
mean   = [0.485, 0.456, 0.406]
std    = [0.229, 0.224, 0.225]
)",
                                  "/data", {"d.toml"});
  ASSERT_GOOD(spec);
  EXPECT_EQ(spec->path, "/data/cifar10-test-jpeg");
  EXPECT_EQ(spec->labels, "folders");
  EXPECT_EQ(preprocess_json(spec->preprocess),
            R"({"color":"rgb","crop_fraction":0.875,"resize":{"short":256,"filter":"bilinear"},"crop":224,)"
            R"("scale":0.00392156862745098,"mean":[0.485,0.456,0.406],"std":[0.229,0.224,0.225]})");
}

TEST(DataToml, ReadsTablesByInputFractionsAndAbsolutePaths) {
  auto spec = data_spec_from_toml(
      "path = '/x/a.npz'\nlimit = 5\n[preprocess.left]\nscale = '1/255'\nmean = 0.5\n[preprocess.right]\nresize = { to "
      "= [2, 3] }\n",
      "/data", {"d.toml"});
  ASSERT_GOOD(spec);
  EXPECT_EQ(spec->path, "/x/a.npz");
  EXPECT_EQ(spec->limit, 5);
  EXPECT_EQ(
      preprocess_json(spec->preprocess),
      R"({"inputs":{"left":{"scale":0.00392156862745098,"mean":[0.5]},"right":{"resize":{"to":[2,3],"filter":"bilinear"}}}})");
}

TEST(DataToml, AnEmptyTableDeclaresThatNothingIsDone) {
  auto spec = data_spec_from_toml("path = 'a.npz'\n[preprocess]\n", "", {"d.toml"});
  ASSERT_GOOD(spec);
  ASSERT_EQ(spec->preprocess.size(), 1u);
  EXPECT_TRUE(spec->preprocess[0].second.empty());
}

TEST(DataToml, NamesTheNearestKeyForAnUnknownOne) {
  const std::pair<const char*, const char*> cases[] = {
      {"pathh = 'a'", "d.toml: line 1: unknown key 'pathh'; did you mean 'path'?"},
      {"path = 'a'\n[preprocess]\n\nscales = 2",
       "d.toml: line 4: preprocess: unknown key 'scales'; did you mean 'scale'?"},
      {"path = 'a'\n[preprocess]\nresize = { shorter = 2 }",
       "d.toml: line 3: preprocess.resize: unknown key 'shorter'; did you mean 'short'?"},
      {"path = 'a'\n[preprocess.left]\nscale = 1\nmeans = 2",
       "d.toml: line 4: preprocess.left: unknown key 'means'; did you mean 'mean'?"},
      {"path = 3", "d.toml: line 1: 'path' is not a string"},
      {"labels = 'none'", "d.toml: line 1: no 'path'; say where the data are: path = \"...\""},
      {"path = 'a'\n[preprocess]\ncrop = 2.5", "d.toml: line 3: preprocess: 'crop' is not a positive integer"},
      {"path = 'a'\n[preprocess]\ncrop_fraction = 0",
       "d.toml: line 3: preprocess: 'crop_fraction' is not a share in (0, 1]"},
      {"path = 'a'\n[preprocess]\nscale = 'x'",
       "d.toml: line 3: preprocess: 'scale': cannot read 'x' as a number; write 0.5 or 1/255"},
      {"path = 'a'\n[preprocess]\nstd = [0]",
       "d.toml: line 2: preprocess: std: 0 is not a finite number other than zero"},
  };
  for (const auto& [text, message] : cases) {
    auto spec = data_spec_from_toml(text, "", {"d.toml"});
    ASSERT_FALSE(spec.ok()) << text;
    EXPECT_EQ(spec.error().kind, ErrorKind::usage);
    EXPECT_EQ(spec.error().text(), message);
  }
  auto broken = data_spec_from_toml("path = \n", "", {"d.toml"});
  ASSERT_FALSE(broken.ok());
  EXPECT_EQ(broken.error().message.find("d.toml: line 1: not TOML: "), 0u) << broken.error().message;
}

}  // namespace
}  // namespace edgesmith::data
