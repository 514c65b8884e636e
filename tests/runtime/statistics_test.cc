// SPDX-License-Identifier: Apache-2.0
// The inner loops of calibration against plain loops, and the same bits on every instruction set.
#include "runtime/native/statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/run_graph.h"

namespace edgesmith::runtime::native {
namespace {

std::vector<double> random_doubles(size_t count, uint64_t seed) {
  Random random(seed);
  std::vector<double> out;
  for (size_t i = 0; i < count; ++i) out.push_back(random.normal());
  return out;
}

TEST(Statistics, MultiplyMatricesOfDoubles) {
  for (const int64_t rows : {1, 7, 16}) {
    for (const int64_t k : {0, 1, 33}) {
      for (const int64_t columns : {8, 24, 40}) {
        for (const bool down : {false, true}) {
          SCOPED_TRACE(std::to_string(rows) + " " + std::to_string(k) + " " + std::to_string(columns));
          const auto size = [](int64_t a, int64_t b) { return static_cast<size_t>(a * b); };
          const std::vector<double> a = random_doubles(size(rows, k + 1), 1),
                                    b = random_doubles(size(k + 1, columns), 2);
          const std::vector<double> c = random_doubles(size(rows, columns), 3);
          std::vector<double> expected = c;
          for (int64_t i = 0; i < rows; ++i) {
            for (int64_t j = 0; j < columns; ++j) {
              double& sum = expected[static_cast<size_t>(i * columns + j)];
              for (int64_t step = 0; step < k; ++step) {
                const int64_t at = down ? k - step : step;  // a walk from the last row of B up
                const double product =
                    a[static_cast<size_t>(i * (k + 1) + at)] * b[static_cast<size_t>(at * columns + j)];
                sum = down ? sum + product : sum - product;
              }
            }
          }
          for (const Isa isa : float_isas()) {
            std::vector<double> got = c;
            statistics_table(isa).product64({.a = a.data() + (down ? k : 0),
                                             .a_row = k + 1,
                                             .a_k = down ? -1 : 1,
                                             .b = b.data() + (down ? k * columns : 0),
                                             .ldb = down ? -columns : columns,
                                             .rows = rows,
                                             .k = k,
                                             .columns = columns,
                                             .c = got.data(),
                                             .ldc = columns,
                                             .subtract = !down});
            EXPECT_EQ(got, expected);
          }
        }
      }
    }
  }
}

TEST(Statistics, FindTheEndsOfNumbers) {
  for (const int64_t count : {1, 5, 32, 100}) {
    const ir::Tensor x = random_tensor({count}, 7);
    const auto values = x.data<float>();
    const auto [min, max] = std::minmax_element(values.begin(), values.end());
    for (const Isa isa : float_isas()) {
      const Ends ends = statistics_table(isa).ends(values.data(), count);
      EXPECT_EQ(ends.min, *min);
      EXPECT_EQ(ends.max, *max);
      EXPECT_TRUE(ends.finite);
      for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
        for (const int64_t at : {int64_t{0}, count / 2, count - 1}) {
          std::vector<float> broken(values.begin(), values.end());
          broken[static_cast<size_t>(at)] = bad;
          EXPECT_FALSE(statistics_table(isa).ends(broken.data(), count).finite) << count << " " << at;
        }
      }
    }
  }
}

TEST(Statistics, FindTheBinsOfNumbers) {
  const std::vector<float> values = {0,    -0.0F, -2,    -1,     -0.99F, 0.1F,   0.99F,   1,   3,
                                     0.5F, 0.25F, 0.75F, -0.26F, -0.5F,  1e-30F, -1e-30F, 0.3F};
  const std::vector<int32_t> expected = {99, 99, 0, 4, 4, 8, 11, 12, 20, 10, 9, 11, 6, 6, 8, 7, 9};
  for (const Isa isa : float_isas()) {
    std::vector<int32_t> bins(values.size());
    statistics_table(isa).find_bins(values.data(), static_cast<int64_t>(values.size()), 4, -8, 99, bins.data());
    EXPECT_EQ(bins, expected);
  }
}

TEST(Statistics, SumSquaresInEightLanes) {
  for (const int64_t count : {0, 3, 8, 101}) {
    const ir::Tensor x = random_tensor({count}, 7), y = random_tensor({count}, 8);
    const auto a = x.data<float>(), b = y.data<float>();
    double noise[8] = {}, signal[8] = {};
    for (size_t i = 0; i < a.size(); ++i) {
      const double error = static_cast<double>(a[i]) - b[i];
      noise[i % 8] += error * error;
      signal[i % 8] += static_cast<double>(a[i]) * a[i];
    }
    for (int lane = 1; lane < 8; ++lane) {
      noise[0] += noise[lane];
      signal[0] += signal[lane];
    }
    for (const Isa isa : float_isas()) {
      const Squares squares = statistics_table(isa).squares(a.data(), b.data(), count);
      EXPECT_EQ(squares.noise, noise[0]);
      EXPECT_EQ(squares.signal, signal[0]);
    }
  }
}

}  // namespace
}  // namespace edgesmith::runtime::native
