// SPDX-License-Identifier: Apache-2.0
// Moments of inputs with a large mean and little variance, over many rows, against sums in doubles.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "edgesmith/base/random.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"
#include "passes/reconstruct/gram.h"

namespace edgesmith::passes::reconstruct {
namespace {

ir::Graph parse(const std::string& text) {
  auto graph = ir::parse(text);
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  return std::move(*graph);
}

const ir::Node& layer_of(const ir::Graph& graph) {
  const ir::Node* layer = nullptr;
  for (const ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::gemm) || node.is(ir::OpKind::conv)) layer = &node;
  }
  return *layer;
}

// Rows [rows, groups, width] of a layer: inputs have means of up to `mean` and variances around 1, and are correlated;
// what the float model gives differs by a tenth of another input and a constant.
struct Planted {
  size_t groups, width;
  double mean;
  Random random{11};
  std::vector<float> x, y;

  Planted(size_t groups_of_layer, size_t width_of_group, double largest_mean)
      : groups(groups_of_layer), width(width_of_group), mean(largest_mean) {}

  size_t length() const { return groups * width; }
  void add_row() {
    const size_t first = x.size();
    double common = random.normal();
    for (size_t i = 0; i < length(); ++i) {
      const double own = random.normal(), of_input = mean * static_cast<double>(i + 1) / static_cast<double>(length());
      x.push_back(static_cast<float>(of_input + common + own));
      common = own / 2;
    }
    for (size_t i = 0; i < length(); ++i) y.push_back(x[first + i] + 0.1F * x[first + (i + 1) % length()] + 3);
  }

  double mean_square_of_difference(size_t group, size_t input) const {
    double sum = 0, count = 0;
    for (size_t at = group * width + input; at < x.size(); at += length(), ++count) {
      sum += std::pow(static_cast<double>(y[at]) - x[at], 2);
    }
    return sum / count;
  }

  // The rows from `first` on as a sample: [groups, rows, width].
  static std::vector<float> sample(const std::vector<float>& rows, size_t first, size_t count, size_t groups,
                                   size_t width) {
    std::vector<float> out;
    for (size_t g = 0; g < groups; ++g) {
      for (size_t r = first; r < first + count; ++r) {
        const auto at = rows.begin() + static_cast<std::ptrdiff_t>((r * groups + g) * width);
        out.insert(out.end(), at, at + static_cast<std::ptrdiff_t>(width));
      }
    }
    out.resize(out.size() + quantize::LayerInputs::kReadAhead, NAN);
    return out;
  }
};

// E[a_i (x_j - m_j)] for one i over some rows of a group, in doubles: a are the inputs x or what the float model's
// differ from them by; m are the means of all rows when `centred`, or nothing.
std::vector<double> brute_force(const Planted& planted, size_t group, size_t i, bool of_differences, bool centred,
                                const std::vector<bool>& counted) {
  const size_t n = planted.width, rows = counted.size();
  const auto at = [&](size_t r, size_t input) { return (r * planted.groups + group) * n + input; };
  std::vector<double> means(n, 0.0), out(n, 0.0);
  for (size_t r = 0; centred && r < rows; ++r) {
    for (size_t j = 0; j < n; ++j) means[j] += static_cast<double>(planted.x[at(r, j)]) / static_cast<double>(rows);
  }
  double count = 0;
  for (size_t r = 0; r < rows; ++r) {
    if (!counted[r]) continue;
    ++count;
    const double x = planted.x[at(r, i)], left = of_differences ? planted.y[at(r, i)] - x : x - means[i];
    for (size_t j = 0; j < n; ++j) out[j] += left * (planted.x[at(r, j)] - means[j]);
  }
  for (double& sum : out) sum /= count;
  return out;
}

// Sends `samples` of `rows` rows each through a Gram and compares some rows of what it has; errors are relative to what
// elements may be, `tolerance` is that of the moments.
void expect_exact(const ir::Node& layer, Planted planted, size_t samples, size_t rows, int64_t rows_per_input,
                  double tolerance) {
  ThreadPool pool(2);
  Gram gram(layer, static_cast<int64_t>(samples), 1280, rows_per_input);
  for (size_t s = 0; s < samples; ++s) {
    for (size_t r = 0; r < rows; ++r) planted.add_row();
    const size_t count = rows * planted.length();
    const auto x = Planted::sample(planted.x, s * rows, rows, planted.groups, planted.width);
    const auto y = Planted::sample(planted.y, s * rows, rows, planted.groups, planted.width);
    const Gram::Sample current[] = {{std::span(x).first(count), {}}}, wanted[] = {{std::span(y).first(count), {}}};
    gram.add(current, wanted, pool);
  }
  const size_t n = planted.width;
  const std::vector<bool> all(samples * rows, true);
  for (size_t g = 0; g < planted.groups; ++g) {
    for (const bool centred : {false, true}) {
      const auto moments = gram.moments(gram.inputs().blocks()[g], centred);
      const auto size_of = [&](size_t j) { return std::sqrt(moments[j * n + j]); };
      for (const size_t i : {size_t{0}, n / 2, n - 1}) {
        const auto expected = brute_force(planted, g, i, false, centred, all);
        for (size_t j = 0; j < n; ++j) {
          ASSERT_NEAR(moments[i * n + j], expected[j], tolerance * size_of(i) * size_of(j)) << g << i << j << centred;
        }
        const double difference = std::sqrt(planted.mean_square_of_difference(g, i));
        for (size_t half = 0; half < Gram::kHalves; ++half) {
          std::vector<bool> counted(samples * rows);
          for (size_t r = 0; r < counted.size(); ++r) counted[r] = r / rows % Gram::kHalves == half;
          const auto of_half = brute_force(planted, g, i, true, centred, counted);
          const auto got = gram.differences(g, half, centred);
          for (size_t j = 0; j < n; ++j) {
            ASSERT_NEAR(got[i * n + j], of_half[j], 1e-5 * difference * size_of(j)) << g << i << j << centred;
          }
        }
      }
    }
  }
}

constexpr const char* kWide = R"(graph @g(%x: f32[N,70]) -> (y) {
  %w = constant random(seed=1) : f32[4,70]
  %y = gemm %x, %w {transB=1} : f32[N,4]
  return %y
}
)";
constexpr const char* kDepthwise = R"(graph @g(%x: f32[1,6,9,9]) -> (y) {
  %w = constant random(seed=1) : f32[6,1,3,3]
  %y = conv %x, %w {group=6} : f32[1,6,7,7]
  return %y
}
)";

TEST(Moments, OfALargeMeanKeepALittleVariance) {
  const ir::Graph wide = parse(kWide), depthwise = parse(kDepthwise);
  for (const double mean : {0.0, 3000.0}) {
    expect_exact(layer_of(wide), {1, 70, mean}, 8, 300, 4, 5e-6);
    expect_exact(layer_of(depthwise), {6, 9, mean}, 8, 300, 4, 5e-6);
  }
}

TEST(Moments, OfManyRowsAreSummedInDoubles) {
  const ir::Graph wide = parse(kWide);
  expect_exact(layer_of(wide), {1, 70, 10.0}, 20, 1200, 400, 2e-6);
  const ir::Graph depthwise = parse(kDepthwise);
  expect_exact(layer_of(depthwise), {6, 9, 10.0}, 20, 1200, 3000, 2e-6);
}

// The rest of the moments of a constant and of rounding around a constant would be chance.
TEST(Moments, OfWhatVariesByItsRoundingAloneAreNone) {
  const ir::Graph wide = parse(kWide);
  quantize::LayerInputs inputs(layer_of(wide), 1, 1280);
  Random random(5);
  std::vector<float> rows;
  for (int r = 0; r < 500; ++r) {
    for (int i = 0; i < 70; ++i) {
      const auto value = static_cast<float>(random.normal());
      if (i == 1) {
        rows.push_back(7.1F);
      } else {
        rows.push_back(i == 2 ? 7.1F * (1 + (value > 0 ? 1.2e-7F : 0)) : value);
      }
    }
  }
  const size_t count = rows.size();
  rows.resize(count + quantize::LayerInputs::kReadAhead);
  const quantize::LayerInputs::Rows samples[] = {std::span(std::as_const(rows)).first(count)};
  inputs.add_means(samples);
  for (int64_t piece = 0; piece < inputs.num_pieces(); ++piece) inputs.add_products(samples, piece);
  const auto moments = inputs.moments(inputs.blocks()[0], true);
  for (size_t i = 0; i < 70; ++i) {
    for (const size_t constant : {1, 2}) EXPECT_EQ(moments[i * 70 + constant], 0) << i;
  }
  EXPECT_NEAR(moments[0], 1, 0.2);
}

}  // namespace
}  // namespace edgesmith::passes::reconstruct
