// SPDX-License-Identifier: Apache-2.0
// Real data: MNIST as the zoo has it. Expected numbers by NumPy: numpy.load("mnist-test.npz"), numpy.bincount(y),
// x.sum().
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "data/data_helper.h"

namespace edgesmith::data {
namespace {

std::string zoo() {
  const char* set = std::getenv("EDGESMITH_ZOO");
  return set != nullptr ? set : std::string(EDGESMITH_SOURCE_DIR) + "/../shared/zoo";
}

TEST(Zoo, MnistReadsAsNumpyReadsIt) {
  const std::string path = zoo() + "/mnist-test.npz";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path << "; set EDGESMITH_ZOO";
  Preprocess p;
  p.scale = 1.0 / 255;
  auto dataset = open_dataset(spec_with(path, p), image_model({-1, 1, 28, 28}));
  ASSERT_GOOD(dataset);
  ASSERT_EQ((*dataset)->size(), 10000);
  std::vector<int64_t> counts(10);
  double sum = 0;
  for (int64_t i = 0; i < 10000; ++i) {
    auto sample = (*dataset)->sample(i);
    ASSERT_GOOD(sample);
    ++counts[static_cast<size_t>(sample->label)];
    for (const float value : sample->inputs[0].data<float>()) sum += value;
  }
  EXPECT_EQ(counts, (std::vector<int64_t>{980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009}));
  EXPECT_NEAR(sum * 255, 264923200, 100);
}

TEST(Zoo, MnistTrainAndTestShareNoSample) {
  const std::string train = zoo() + "/mnist-train.npz", test = zoo() + "/mnist-test.npz";
  if (!std::filesystem::exists(train)) GTEST_SKIP() << "no " << train << "; set EDGESMITH_ZOO";
  auto a = open_dataset(spec_with(train, {}), image_model({-1, 1, 28, 28}));
  auto b = open_dataset(spec_with(test, {}), image_model({-1, 1, 28, 28}));
  ASSERT_GOOD(a);
  ASSERT_GOOD(b);
  EXPECT_EQ(*count_shared_samples(**a, **b), 0);
}

}  // namespace
}  // namespace edgesmith::data
