// SPDX-License-Identifier: Apache-2.0
// What happens between a raw sample and the model: preprocessing, checks, warnings, batches.
#include "edgesmith/data/dataset.h"

#include <gtest/gtest.h>

#include <cmath>

#include "data/data_helper.h"

namespace edgesmith::data {
namespace {

ir::Tensor u8(ir::Dims dims, std::vector<uint8_t> values) { return ir::Tensor::of<uint8_t>(std::move(dims), values); }
ir::Tensor f32(ir::Dims dims, std::vector<float> values) { return ir::Tensor::of<float>(std::move(dims), values); }

std::string npz_with(const TempFolder& folder, ir::Tensor x) {
  EXPECT_TRUE(write_npz(folder / "d.npz", std::vector<NamedArray>{{"x", std::move(x)}}).ok());
  return folder / "d.npz";
}

std::vector<float> first_input(const DataSpec& spec, const ir::Graph& graph) {
  auto dataset = open_dataset(spec, graph);
  EXPECT_TRUE(dataset.ok()) << dataset.error().text();
  if (!dataset) return {};
  auto sample = (*dataset)->sample(0);
  EXPECT_TRUE(sample.ok()) << sample.error().text();
  return sample.ok() ? sample->inputs[0].to_floats() : std::vector<float>();
}

Error open_error(const DataSpec& spec, const ir::Graph& graph) {
  auto dataset = open_dataset(spec, graph);
  EXPECT_FALSE(dataset.ok());
  return dataset.ok() ? Error() : dataset.error();
}

// The first pixel of rgb.png and of its picture with the channels in another order, from expected.npz.
std::vector<float> pixel_of_fixture(size_t channel_a, size_t channel_b, size_t channel_c) {
  auto arrays = read_npz(fixture("expected.npz"));
  for (const NamedArray& array : *arrays) {
    if (array.name != "rgb_rgb.png") continue;
    const auto p = array.tensor.to_floats();
    return {p[channel_a], p[channel_b], p[channel_c]};
  }
  return {};
}

std::vector<float> first_pixel(const Preprocess& preprocess, const std::vector<int64_t>& dims) {
  TempFolder folder;
  folder.write("d/a.png", slurp(fixture("rgb.png")));
  const auto values = first_input(spec_with(folder / "d", preprocess), image_model(dims));
  if (values.size() != 18 * 20 * 3) return values;
  const bool last = dims[3] == 3;
  return {values[0], values[last ? 1 : 360], values[last ? 2 : 720]};
}

TEST(Preprocessing, LaysOutColoursAsDeclared) {
  Preprocess p;
  EXPECT_EQ(first_pixel(p, {-1, 3, 18, 20}), pixel_of_fixture(0, 1, 2));
  EXPECT_EQ(first_pixel(p, {-1, 18, 20, 3}), pixel_of_fixture(0, 1, 2));  // only NHWC can be meant
  p.color = "bgr";
  EXPECT_EQ(first_pixel(p, {-1, 3, 18, 20}), pixel_of_fixture(2, 1, 0));
  p.layout = "nhwc";
  EXPECT_EQ(first_pixel(p, {-1, 18, 20, 3}), pixel_of_fixture(2, 1, 0));
}

TEST(Preprocessing, ScalesThenNormalises) {
  Preprocess p;
  p.scale = 1.0 / 255;
  p.mean = {0.485, 0.456, 0.406};
  p.std = {0.229, 0.224, 0.225};
  const auto raw = pixel_of_fixture(0, 1, 2);
  const auto got = first_pixel(p, {-1, 3, 18, 20});
  ASSERT_EQ(got.size(), 3u);
  for (size_t c = 0; c < 3; ++c) {
    const auto want =
        (raw[c] * static_cast<float>(1.0 / 255) - static_cast<float>(p.mean[c])) / static_cast<float>(p.std[c]);
    EXPECT_EQ(got[c], want);
  }
}

TEST(Preprocessing, TreatsArraysLikePictures) {
  TempFolder folder;
  // Two pixels side by side, channels last, for a model that takes them first.
  const std::string path = npz_with(folder, u8({1, 1, 2, 3}, {10, 20, 30, 40, 50, 60}));
  EXPECT_EQ(first_input(spec_with(path, {}), image_model({-1, 3, 1, 2})), (std::vector<float>{10, 40, 20, 50, 30, 60}));
  Preprocess p;
  p.mean = {10, 20, 30};
  p.std = {10};
  EXPECT_EQ(first_input(spec_with(path, p), image_model({-1, 3, 1, 2})), (std::vector<float>{0, 3, 0, 3, 0, 3}));
  p.color = "gray";
  p.mean = p.std = {};
  // (19595 * 10 + 38470 * 20 + 7471 * 30 + 32768) >> 16 = 18; the second: 48.
  EXPECT_EQ(first_input(spec_with(path, p), image_model({-1, 1, 1, 2})), (std::vector<float>{18, 48}));
}

TEST(Preprocessing, NormalisesFloatArraysByChannel) {
  TempFolder folder;
  const std::string path = npz_with(folder, f32({1, 2, 1, 2}, {1, 2, 3, 4}));
  Preprocess p;
  p.scale = 2;
  p.mean = {2, 4};
  EXPECT_EQ(first_input(spec_with(path, p), image_model({-1, 2, 1, 2})), (std::vector<float>{0, 2, 2, 4}));
  p.mean = {1, 2, 3};
  const Error error = open_error(spec_with(path, p), image_model({-1, 2, 1, 2}));
  EXPECT_EQ(error.kind, ErrorKind::usage);
  EXPECT_NE(error.message.find("mean has 3 values, the data have 2 channels"), std::string::npos);
  p.mean = {};
  p.crop = 1;
  EXPECT_EQ(open_error(spec_with(path, p), image_model({-1, 2, 1, 2})).kind, ErrorKind::usage);
}

TEST(Preprocessing, ResizesAndCropsInTheDocumentedOrder) {
  TempFolder folder;
  folder.write("d/a.png", slurp(fixture("rgb.png")));  // 20 wide, 18 high
  Preprocess p;
  p.crop_fraction = 0.5;
  p.resize_short = 6;
  p.crop = 4;
  auto dataset = open_dataset(spec_with(folder / "d", p), image_model({-1, 3, 4, 4}));
  ASSERT_GOOD(dataset);
  p = {};
  p.resize_short = 9;
  EXPECT_NE(open_error(spec_with(folder / "d", p), image_model({-1, 3, 9, 9}))
                .message.find("a sample is f32[N,3,9,10], the model's input 'image' takes f32[N,3,9,9]"),
            std::string::npos);
  p.crop = 10;
  const Error small = open_error(spec_with(folder / "d", p), image_model({-1, 3, 10, 10}));
  EXPECT_EQ(small.kind, ErrorKind::invalid);
  EXPECT_NE(small.message.find("10 x 9 pixels is smaller than crop = 10"), std::string::npos) << small.message;
}

TEST(Preprocessing, SaysWhereTheTimeOfASampleWent) {
  TempFolder folder;
  folder.write("d/a.png", slurp(fixture("rgb.png")));
  Preprocess p;
  p.resize_short = 9;
  const auto dataset = open_dataset(spec_with(folder / "d", p), image_model({-1, 3, 9, 10}));
  ASSERT_GOOD(dataset);
  SampleTimes times{-1, -1, -1};
  const auto timed = (*dataset)->timed_sample(0, times);
  ASSERT_GOOD(timed);
  EXPECT_TRUE(timed->inputs[0].identical_to((*dataset)->sample(0)->inputs[0]));
  EXPECT_GT(times.decode, 0);
  EXPECT_GT(times.resize, 0);
  EXPECT_GT(times.preprocess, 0);
  const std::string arrays = npz_with(folder, f32({1, 2}, {0, 1}));
  const auto numbers = open_dataset(spec_of(arrays), image_model({-1, 2}));
  ASSERT_GOOD(numbers);
  ASSERT_GOOD((*numbers)->timed_sample(0, times));
  EXPECT_EQ(times.resize, 0) << "no picture";
}

TEST(Preprocessing, ComesFromTheModelUnlessDeclared) {
  TempFolder folder;
  const std::string path = npz_with(folder, u8({1, 2}, {0, 255}));
  ir::Graph graph = image_model({-1, 2});
  graph.set_metadata(kPreprocessKey, R"({"scale":0.00392156862745098})");
  auto dataset = open_dataset(spec_of(path), graph);
  ASSERT_GOOD(dataset);
  EXPECT_EQ((*dataset)->preprocess().json(), R"({"scale":0.00392156862745098})");
  EXPECT_EQ((*dataset)->sample(0)->inputs[0].to_floats(), (std::vector<float>{0, 1}));
  Preprocess p;
  p.scale = 0.5;
  EXPECT_EQ(first_input(spec_with(path, p), graph), (std::vector<float>{0, 127.5}));
  graph.set_metadata(kPreprocessKey, "{broken");
  EXPECT_EQ(open_error(spec_of(path), graph).kind, ErrorKind::invalid);
}

TEST(Preprocessing, OfOneInputLeavesTheOthersAlone) {
  TempFolder folder;
  ASSERT_GOOD(write_npz(folder / "d.npz",
                        std::vector<NamedArray>{{"a", f32({1, 2}, {1, 2})},
                                                {"b", f32({1, 2}, {3, 4})},
                                                {"ids", ir::Tensor::of<int64_t>({1, 2}, std::vector<int64_t>{5, 6})}}));
  const auto graph = model({{"a", type_with(ir::DType::f32, {-1, 2})},
                            {"b", type_with(ir::DType::f32, {-1, 2})},
                            {"ids", type_with(ir::DType::i64, {-1, 2})}});
  DataSpec spec = spec_of(folder / "d.npz");
  Preprocess p;
  p.scale = 10;
  spec.preprocess = {{"b", p}};
  auto dataset = open_dataset(spec, graph);
  ASSERT_GOOD(dataset);
  auto sample = (*dataset)->sample(0);
  ASSERT_GOOD(sample);
  EXPECT_EQ(sample->inputs[0].to_floats(), (std::vector<float>{1, 2}));
  EXPECT_EQ(sample->inputs[1].to_floats(), (std::vector<float>{30, 40}));
  spec.preprocess = {{"", p}};  // every float input
  sample = (*open_dataset(spec, graph))->sample(0);
  ASSERT_GOOD(sample);
  EXPECT_EQ(sample->inputs[0].to_floats(), (std::vector<float>{10, 20}));
  EXPECT_EQ(sample->inputs[2].to_int64s(), (std::vector<int64_t>{5, 6}));
  spec.preprocess = {{"ids", p}};
  EXPECT_EQ(open_error(spec, graph).kind, ErrorKind::usage);
  spec.preprocess = {{"idz", p}};
  EXPECT_EQ(open_error(spec, graph).hint, "did you mean 'ids'?");
}

TEST(Toml, StandsForWhatItDescribesAndFlagsGoFirst) {
  TempFolder folder;
  npz_with(folder, f32({4, 1}, {1, 2, 3, 4}));
  const std::string toml = folder.write("d.toml", "path = 'd.npz'\nlimit = 2\n[preprocess]\nscale = 10\nmean = 7\n");
  auto dataset = open_dataset(spec_of(toml), image_model({-1, 1}));
  ASSERT_GOOD(dataset);
  EXPECT_EQ((*dataset)->size(), 2);
  EXPECT_EQ((*dataset)->preprocess().scale, 10);
  Preprocess p;
  p.scale = 3;
  DataSpec spec = spec_with(toml, p);
  spec.limit = 3;
  dataset = open_dataset(spec, image_model({-1, 1}));
  ASSERT_GOOD(dataset);
  EXPECT_EQ((*dataset)->size(), 3);
  EXPECT_EQ((*dataset)->preprocess().json(), R"({"scale":3,"mean":[7]})");
  EXPECT_EQ(open_error(spec_of(folder / "no.toml"), image_model({-1, 1})).kind, ErrorKind::io);
}

TEST(Dataset, ConvertsToTheModelsDtype) {
  TempFolder folder;
  ASSERT_GOOD(write_npz(folder / "d.npz",
                        std::vector<NamedArray>{{"x", ir::Tensor::of<int64_t>({1, 2}, std::vector<int64_t>{7, 300})}}));
  const auto open = [&](ir::DType dtype) {
    return open_dataset(spec_of(folder / "d.npz"), model({{"x", type_with(dtype, {-1, 2})}}));
  };
  for (const ir::DType dtype : {ir::DType::i32, ir::DType::f16, ir::DType::f64, ir::DType::bf16, ir::DType::u16}) {
    auto dataset = open(dtype);
    ASSERT_GOOD(dataset);
    auto sample = (*dataset)->sample(0);
    ASSERT_GOOD(sample);
    EXPECT_EQ(sample->inputs[0].dtype(), dtype);
    EXPECT_EQ(sample->inputs[0].to_floats(), (std::vector<float>{7, 300}));
  }
  auto small = open(ir::DType::u8);
  ASSERT_FALSE(small.ok());
  EXPECT_NE(small.error().message.find("value 300 does not fit u8"), std::string::npos);
  const Error floats =
      open_error(spec_of(npz_with(folder, f32({1, 2}, {1, 2}))), model({{"x", type_with(ir::DType::i64, {-1, 2})}}));
  EXPECT_EQ(floats.kind, ErrorKind::invalid);
  EXPECT_NE(floats.message.find("the data are f32, the model takes i64"), std::string::npos);
}

TEST(Dataset, ShowsBothShapesWhenTheyDiffer) {
  TempFolder folder;
  const Error error = open_error(spec_of(npz_with(folder, f32({2, 3}, {1, 2, 3, 4, 5, 6}))), image_model({-1, 4}));
  EXPECT_EQ(error.kind, ErrorKind::invalid);
  EXPECT_EQ(error.message, folder / "d.npz" + "[0]: a sample is f32[N,3], the model's input 'image' takes f32[N,4]");
}

TEST(Dataset, RefusesNanAndInfWhereTheyAre) {
  TempFolder folder;
  std::vector<float> values(2000, 1);
  values[1501] = NAN;
  const std::string path = npz_with(folder, f32({1000, 2}, values));
  auto dataset = open_dataset(spec_of(path), image_model({-1, 2}));
  ASSERT_GOOD(dataset);
  ASSERT_TRUE((*dataset)->sample(749).ok());
  auto bad = (*dataset)->sample(750);
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().kind, ErrorKind::invalid);
  EXPECT_EQ(bad.error().message, path + "[750]: NaN or Inf at element 1 for input 'image'");
  EXPECT_EQ(open_error(spec_of(npz_with(folder, f32({1, 2}, {1, HUGE_VALF}))), image_model({-1, 2})).kind,
            ErrorKind::invalid);
}

TEST(Dataset, IsNotEmpty) {
  TempFolder folder;
  const Error error =
      open_error(spec_of(npz_with(folder, ir::Tensor::zeros(ir::DType::f32, {0, 2}))), image_model({-1, 2}));
  EXPECT_EQ(error.kind, ErrorKind::invalid);
  EXPECT_EQ(error.hint, "the data set is empty");
}

TEST(Dataset, NamesTheFileOfABrokenPicture) {
  TempFolder folder;
  const std::string whole = slurp(fixture("444.jpg"));
  folder.write("d/cat/a.jpg", whole);
  folder.write("d/cat/b.jpg", whole.substr(0, whole.size() / 2));
  const Error error = open_error(spec_of(folder / "d"), image_model({-1, 3, 18, 20}));
  EXPECT_EQ(error.kind, ErrorKind::invalid);
  EXPECT_NE(error.message.find("b.jpg: cannot decode the JPEG picture"), std::string::npos) << error.message;
}

TEST(Dataset, LimitsToABalancedSubset) {
  TempFolder folder;
  std::vector<int64_t> labels(100);
  for (size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<int64_t>(i / 50);
  ASSERT_GOOD(write_npz(folder / "d.npz", std::vector<NamedArray>{{"x", f32({100, 1}, std::vector<float>(100, 1))},
                                                                  {"y", ir::Tensor::of<int64_t>({100}, labels)}}));
  DataSpec spec = spec_of(folder / "d.npz");
  spec.limit = 101;
  (void)log::take_warnings();
  ASSERT_GOOD(open_dataset(spec, image_model({-1, 1})));
  const std::vector<std::string> warnings = log::take_warnings();
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0], folder / "d.npz" + ": has 100 samples, fewer than the limit of 101: all of them are used");
  spec.limit = 10;
  auto dataset = open_dataset(spec, image_model({-1, 1}));
  ASSERT_GOOD(dataset);
  ASSERT_EQ((*dataset)->size(), 10);
  int64_t ones = 0;
  for (int64_t i = 0; i < 10; ++i) ones += (*dataset)->sample(i)->label;
  EXPECT_EQ(ones, 5);
}

TEST(Overlap, CountsSamplesWithTheSameBytes) {
  TempFolder a, b;
  auto first = open_dataset(spec_of(npz_with(a, f32({3, 1}, {1, 2, 3}))), image_model({-1, 1}));
  ASSERT_GOOD(first);
  ASSERT_GOOD(write_npz(b / "e.npz", std::vector<NamedArray>{{"x", f32({4, 1}, {3, 9, 1, 1})}}));
  auto second = open_dataset(spec_of(b / "e.npz"), image_model({-1, 1}));
  ASSERT_GOOD(second);
  EXPECT_EQ(*count_shared_samples(**first, **second), 2);
  EXPECT_EQ(*count_shared_samples(**second, **first), 3);
}

std::string warnings_for(const std::string& path, const DataSpec& spec, const std::vector<int64_t>& dims) {
  (void)path;
  log::take_warnings();
  auto dataset = open_dataset(spec, image_model(dims));
  EXPECT_TRUE(dataset.ok()) << dataset.error().text();
  return joined_warnings();
}

TEST(RangeCheck, WarnsWhenValuesLookUnlikeTheDeclaration) {
  TempFolder folder;
  const std::string pixels = npz_with(folder, u8({1, 4}, {0, 100, 200, 255}));
  Preprocess imagenet;
  imagenet.mean = {0.485};
  imagenet.std = {0.229};
  EXPECT_NE(warnings_for(pixels, spec_with(pixels, imagenet), {-1, 4}).find("is scale = 1/255 missing?"),
            std::string::npos);
  EXPECT_NE(warnings_for(pixels, spec_of(pixels), {-1, 4}).find("no preprocessing is declared"), std::string::npos);
  Preprocess twice;
  twice.scale = 1.0 / 255 / 255;
  EXPECT_NE(warnings_for(pixels, spec_with(pixels, twice), {-1, 4}).find("nearly without contrast"), std::string::npos);
  const std::string unit = npz_with(folder, f32({1, 2}, {0, 1}));
  Preprocess scaled;
  scaled.scale = 1.0 / 255;
  EXPECT_NE(warnings_for(unit, spec_with(unit, scaled), {-1, 2}).find("scaled already"), std::string::npos);
  const std::string ready = npz_with(folder, f32({1, 2}, {-2, 2}));
  imagenet.scale = 1.0 / 255;
  EXPECT_NE(warnings_for(ready, spec_with(ready, imagenet), {-1, 2}).find("scaled already, they are -2 to 2"),
            std::string::npos);
  const std::string zeros = npz_with(folder, f32({1, 2}, {0, 0}));
  EXPECT_NE(warnings_for(zeros, spec_of(zeros), {-1, 2}).find("every value of the first samples is 0"),
            std::string::npos);
}

TEST(RangeCheck, IsSilentWhenAllIsWell) {
  TempFolder folder;
  const std::string pixels = npz_with(folder, u8({1, 4}, {0, 100, 200, 255}));
  Preprocess imagenet;
  imagenet.scale = 1.0 / 255;
  imagenet.mean = {0.485};
  imagenet.std = {0.229};
  EXPECT_EQ(warnings_for(pixels, spec_with(pixels, imagenet), {-1, 4}), "");
  Preprocess plus_minus_one;
  plus_minus_one.mean = {127.5};
  plus_minus_one.std = {127.5};
  EXPECT_EQ(warnings_for(pixels, spec_with(pixels, plus_minus_one), {-1, 4}), "");
  EXPECT_EQ(warnings_for(pixels, spec_with(pixels, {}), {-1, 4}), "");  // declared: as they are
  const std::string floats = npz_with(folder, f32({1, 2}, {-300, 5000}));
  EXPECT_EQ(warnings_for(floats, spec_of(floats), {-1, 2}), "");
}

TEST(Stack, PadsAFixedBatchWithTheLastSample) {
  std::vector<Sample> samples(3);
  for (int i = 0; i < 3; ++i) samples[static_cast<size_t>(i)].inputs = {f32({1, 2}, {static_cast<float>(i), 5})};
  auto fixed = stack_inputs(samples, image_model({4, 2}));
  ASSERT_GOOD(fixed);
  EXPECT_EQ((*fixed)[0].type().text(), "f32[4,2]");
  EXPECT_EQ((*fixed)[0].to_floats(), (std::vector<float>{0, 5, 1, 5, 2, 5, 2, 5}));
  auto free = stack_inputs(samples, image_model({-1, 2}));
  ASSERT_GOOD(free);
  EXPECT_EQ((*free)[0].type().text(), "f32[3,2]");
  auto many = stack_inputs(samples, image_model({2, 2}));
  ASSERT_FALSE(many.ok());
}

}  // namespace
}  // namespace edgesmith::data
