// SPDX-License-Identifier: Apache-2.0
// Codes of weights: scales, the pair rule, rounding, biases, and the moments of a layer's inputs.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "edgesmith/base/large_buffer.h"
#include "edgesmith/base/random.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/ops/pair_sums.h"
#include "edgesmith/targets/target.h"
#include "passes/quantize/layer_codes.h"
#include "passes/quantize/layer_inputs.h"
#include "passes/quantize/pair_limits.h"
#include "passes/quantize/weight_codes.h"

namespace edgesmith::passes::quantize {
namespace {

using targets::PairRule;

std::vector<double> random_weights(size_t count, Random& random) {
  std::vector<double> weights;
  for (size_t i = 0; i < count; ++i) weights.push_back(random.normal());
  return weights;
}

// Second moments of correlated inputs: x = mixing * independent.
std::vector<double> random_moments(int width, Random& random) {
  const auto n = static_cast<size_t>(width);
  std::vector<double> mixing = random_weights(n * n, random), moments(n * n, 0.0);
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) {
      for (size_t k = 0; k < n; ++k) moments[i * n + j] += mixing[i * n + k] * mixing[j * n + k];
    }
  }
  return moments;
}

double output_error(const std::vector<double>& weights, const ChannelScale& scale, const std::vector<int8_t>& codes,
                    const std::vector<double>& moments) {
  const size_t n = weights.size();
  double sum = 0;
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) {
      sum += (weights[i] - scale.scale * codes[i]) * moments[i * n + j] * (weights[j] - scale.scale * codes[j]);
    }
  }
  return sum;
}

void compensate(const std::vector<double>& weights, const ChannelScale& scale, const MomentFactor& factor,
                std::vector<int8_t>& codes) {
  const ChannelWeights channel{weights, scale, codes};
  round_compensated({&channel, 1}, factor);
}

void add_rows(LayerInputs& inputs, std::vector<float> rows) {
  const size_t count = rows.size();
  rows.resize(count + LayerInputs::kReadAhead, NAN);
  const LayerInputs::Rows samples[] = {std::span(rows).first(count)};
  inputs.add_means(samples);
  for (int64_t piece = 0; piece < inputs.num_pieces(); ++piece) inputs.add_products(samples, piece);
}

void expect_pair_safe(const std::vector<int8_t>& codes) {
  std::vector<int> magnitudes;
  for (const int8_t code : codes) magnitudes.push_back(std::abs(code));
  std::sort(magnitudes.rbegin(), magnitudes.rend());
  EXPECT_LE(magnitudes[0], 127);
  if (magnitudes.size() > 1) {
    EXPECT_LE(255 * (magnitudes[0] + magnitudes[1]), 32767);
  }
}

TEST(ChannelScale, UsesTheFullRangeWithoutAPairRule) {
  const std::vector<double> weights = {0.5, -1.27, 0.1};
  const ChannelScale scale = channel_scale(weights, PairRule::none, 0);
  EXPECT_FLOAT_EQ(scale.scale, 0.01f);
  std::vector<int8_t> codes(3);
  round_nearest(weights, scale, codes);
  EXPECT_EQ(codes, (std::vector<int8_t>{50, -127, 10}));
}

TEST(ChannelScale, KeepsPairsSafeInEveryChannel) {
  Random random(17);
  for (int trial = 0; trial < 500; ++trial) {
    std::vector<double> weights = random_weights(1 + random.below(40), random);
    if (trial % 3 == 0) weights[random.below(weights.size())] *= 20;  // one outlier
    if (trial % 7 == 0 && weights.size() > 1) weights[1] = -weights[0];
    const ChannelScale scale = channel_scale(weights, PairRule::pairs_to_128, 0);
    EXPECT_LE(scale.largest + scale.others, 128);
    std::vector<int8_t> codes(weights.size());
    round_nearest(weights, scale, codes);
    expect_pair_safe(codes);
    const std::vector<double> moments = random_moments(static_cast<int>(weights.size()), random);
    compensate(weights, scale, factor_moments(moments, static_cast<int>(weights.size())), codes);
    expect_pair_safe(codes);
  }
}

TEST(ChannelScale, OneLargeWeightCostsLittleUnderThePairRule) {
  std::vector<double> weights(50, 0.01);
  weights[30] = 1;
  const ChannelScale paired = channel_scale(weights, PairRule::pairs_to_128, 0);
  const ChannelScale free = channel_scale(weights, PairRule::none, 0);
  EXPECT_LT(paired.scale, 1.02f * free.scale);
}

TEST(ChannelScale, IsFiniteForZeroAndDenormalChannels) {
  for (const double weight : {0.0, 1e-42, 1e-30}) {
    for (const PairRule rule : {PairRule::none, PairRule::pairs_to_128}) {
      const std::vector<double> weights = {weight, -weight};
      const ChannelScale scale = channel_scale(weights, rule, 0);
      EXPECT_TRUE(std::isnormal(scale.scale));
      std::vector<int8_t> codes(2);
      round_nearest(weights, scale, codes);
      EXPECT_EQ(codes, (std::vector<int8_t>{0, 0}));
    }
  }
}

TEST(ChannelScale, IsNeverBelowItsLimit) {
  EXPECT_FLOAT_EQ(channel_scale(std::vector<double>{1e-9}, PairRule::none, 0.25).scale, 0.25f);
}

// onnxruntime issue 16105: u8 [210, 198, 234] times s8 [-81, -80, 127] is -3132 exactly and -3050 with 16-bit pairs.
TEST(PairRule, StopsTheSaturationOfPairSums) {
  const std::vector<int> inputs = {210, 198, 234, 0};
  const auto paired_sum = [&](const std::vector<int>& weights) {
    int sum = 0;
    for (size_t i = 0; i < 4; i += 2) {
      sum += std::clamp(inputs[i] * weights[i] + inputs[i + 1] * weights[i + 1], -32768, 32767);
    }
    return sum;
  };
  EXPECT_EQ(paired_sum({-81, -80, 127, 0}), -3050);
  const std::vector<double> reals = {-81, -80, 127, 0};
  const ChannelScale scale = channel_scale(reals, PairRule::pairs_to_128, 0);
  std::vector<int8_t> codes(4);
  round_nearest(reals, scale, codes);
  const std::vector<int> bounded(codes.begin(), codes.end());
  EXPECT_EQ(paired_sum(bounded), std::inner_product(inputs.begin(), inputs.end(), bounded.begin(), 0));
}

// Largest sum of two weights of one sign that meet.
int widest(const std::vector<int8_t>& codes, const WeightPairs& pairs) {
  int widest = 0;
  for (const auto& [first, second] : pairs) {
    const int a = codes[static_cast<size_t>(first)], b = codes[static_cast<size_t>(second)];
    widest = std::max({widest, std::max(a, 0) + std::max(b, 0), std::max(-a, 0) + std::max(-b, 0)});
  }
  return widest;
}

TEST(PairScales, KeepEveryPairSafeHoweverWeightsAreRounded) {
  Random random(29);
  for (int trial = 0; trial < 300; ++trial) {
    const int64_t channels = 1 + static_cast<int64_t>(random.below(6)),
                  taps = 1 + static_cast<int64_t>(random.below(9));
    const auto width = static_cast<size_t>(channels * taps);
    std::vector<double> weights = random_weights(width, random);
    for (double& weight : weights) weight = trial % 2 == 0 ? weight : std::fabs(weight);
    if (trial % 3 == 0) weights[random.below(width)] *= 20;
    const WeightPairs pairs = ops::summed_pairs(channels, taps);
    const std::vector<double> moments = random_moments(static_cast<int>(width), random);
    std::vector<double> importance;
    for (size_t i = 0; i < width; ++i) importance.push_back(moments[i * width + i]);
    const MomentFactor factor = factor_moments(moments, static_cast<int>(width));
    const double full = channel_scale(weights, PairRule::none, 0).scale;
    for (const ChannelScale& scale : pair_scales(weights, pairs, importance, 0)) {
      EXPECT_GE(scale.scale, full * 0.999999);
      EXPECT_LE(scale.scale, full * 2);
      for (size_t i = 0; i < width; ++i) {
        EXPECT_LE(scale.low[i], 0);
        EXPECT_GE(scale.high[i], 0);
      }
      std::vector<int8_t> codes(width);
      round_nearest(weights, scale, codes);
      EXPECT_LE(widest(codes, pairs), 128);
      compensate(weights, scale, factor, codes);
      EXPECT_LE(widest(codes, pairs), 128);
    }
  }
}

TEST(PairScales, KeepTheFullRangeWhereNoPairOverflows) {
  const std::vector<double> weights = {1, -1, 0.9, 0.01, -1, 0.9};
  const auto scales = pair_scales(weights, ops::summed_pairs(6, 1), {}, 0);
  ASSERT_EQ(scales.size(), 1u);
  EXPECT_FLOAT_EQ(scales[0].scale, 1.0f / 127);
  std::vector<int8_t> codes(6);
  round_nearest(weights, scales[0], codes);
  EXPECT_EQ(codes, (std::vector<int8_t>{127, -127, 114, 1, -127, 114}));
}

TEST(PairScales, TakeFromTheWeightThatMattersLess) {
  const std::vector<double> weights = {1, 1};
  ChannelScale scale;
  scale.scale = 1.0f / 100;
  set_pair_limits(weights, {{0, 1}}, std::vector<double>{3, 1}, scale);
  EXPECT_EQ(scale.high, (std::vector<int8_t>{82, 46})) << "72 too many, shared 1 to 3";
}

TEST(MomentFactor, MultipliesBackToTheMoments) {
  Random random(23);
  constexpr int kWidth = 53;  // several blocks, the last of which is not whole
  const std::vector<double> moments = random_moments(kWidth, random);
  const MomentFactor factor = factor_moments(moments, kWidth, 0);
  for (size_t i = 0; i < kWidth; ++i) {
    for (size_t j = 0; j < kWidth; ++j) {
      double sum = 0;
      const auto stride = static_cast<size_t>(factor.stride);
      for (size_t k = 0; k <= std::min(i, j); ++k) sum += factor.factor[k * stride + i] * factor.factor[k * stride + j];
      const auto a = static_cast<size_t>(factor.order[i]), b = static_cast<size_t>(factor.order[j]);
      EXPECT_NEAR(sum, moments[a * kWidth + b], 1e-9 * moments[a * kWidth + a] + 1e-9);
    }
    if (i > 0) {
      const auto before = static_cast<size_t>(factor.order[i - 1]), here = static_cast<size_t>(factor.order[i]);
      EXPECT_LE(moments[before * kWidth + before], moments[here * kWidth + here]);
    }
  }
}

TEST(RoundCompensated, IsRoundingToNearestForUncorrelatedInputs) {
  Random random(29);
  const std::vector<double> weights = random_weights(30, random);
  std::vector<double> moments(900, 0.0);
  for (size_t i = 0; i < 30; ++i) moments[i * 31] = 1 + random.uniform();
  const ChannelScale scale = channel_scale(weights, PairRule::none, 0);
  std::vector<int8_t> nearest(30), compensated(30);
  round_nearest(weights, scale, nearest);
  compensate(weights, scale, factor_moments(moments, 30), compensated);
  EXPECT_EQ(nearest, compensated);
}

// Channels side by side, in several blocks of places, against the definition: every code is the nearest one to the
// weight and what the errors before it ask for.
TEST(RoundCompensated, GivesEachOfManyChannelsItsOwnCodes) {
  Random random(41);
  constexpr int kWidth = 37;
  const MomentFactor factor = factor_moments(random_moments(kWidth, random), kWidth);
  std::vector<std::vector<double>> weights;
  std::vector<std::vector<int8_t>> codes(70, std::vector<int8_t>(kWidth));
  std::vector<ChannelWeights> channels;
  for (int c = 0; c < 70; ++c) weights.push_back(random_weights(kWidth, random));
  for (size_t c = 0; c < 70; ++c) {
    channels.push_back({weights[c], channel_scale(weights[c], PairRule::pairs_to_128, 0), codes[c]});
  }
  round_compensated(channels, factor);
  for (size_t c = 0; c < 70; ++c) {
    const ChannelScale& scale = channels[c].scale;
    std::vector<double> errors(kWidth, 0.0);
    for (size_t p = kWidth; p-- > 0;) {
      const auto index = static_cast<size_t>(factor.order[p]);
      const double* row = &factor.factor[p * static_cast<size_t>(factor.stride)];
      double pending = 0;
      for (size_t q = kWidth - 1; q > p; --q) pending += row[q] * errors[q];
      const int limit = static_cast<int64_t>(index) == scale.peak ? scale.largest : scale.others;
      const double code =
          std::clamp<double>(std::nearbyint((weights[c][index] + pending / row[p]) / scale.scale), -limit, limit);
      EXPECT_EQ(codes[c][index], code) << c << " " << p;
      errors[p] = weights[c][index] - scale.scale * code;
    }
  }
}

TEST(RoundCompensated, LowersTheOutputErrorOfCorrelatedInputs) {
  Random random(31);
  double nearest_sum = 0, compensated_sum = 0;
  for (int trial = 0; trial < 20; ++trial) {
    const std::vector<double> weights = random_weights(40, random), moments = random_moments(40, random);
    const ChannelScale scale = channel_scale(weights, PairRule::pairs_to_128, 0);
    std::vector<int8_t> codes(40);
    round_nearest(weights, scale, codes);
    nearest_sum += output_error(weights, scale, codes, moments);
    compensate(weights, scale, factor_moments(moments, 40, 0.001), codes);
    compensated_sum += output_error(weights, scale, codes, moments);
  }
  EXPECT_LT(compensated_sum, 0.6 * nearest_sum);
}

TEST(RoundCompensated, IsNearTheBestOfAllRoundingsOfThreeWeights) {
  Random random(37);
  double best_sum = 0, compensated_sum = 0, nearest_sum = 0;
  for (int trial = 0; trial < 200; ++trial) {
    const std::vector<double> weights = random_weights(3, random), moments = random_moments(3, random);
    const ChannelScale scale = channel_scale(weights, PairRule::none, 0.3);  // coarse: rounding matters
    std::vector<int8_t> codes(3);
    compensate(weights, scale, factor_moments(moments, 3, 0), codes);
    compensated_sum += output_error(weights, scale, codes, moments);
    round_nearest(weights, scale, codes);
    nearest_sum += output_error(weights, scale, codes, moments);
    double best = 1e30;
    const std::vector<int8_t> centre = codes;
    for (int t = 0; t < 343; ++t) {
      const std::vector<int8_t> other = {static_cast<int8_t>(centre[0] + t % 7 - 3),
                                         static_cast<int8_t>(centre[1] + t / 7 % 7 - 3),
                                         static_cast<int8_t>(centre[2] + t / 49 - 3)};
      best = std::min(best, output_error(weights, scale, other, moments));
    }
    best_sum += best;
  }
  EXPECT_LT(compensated_sum, 0.5 * (best_sum + nearest_sum));
}

ir::Graph parse(const std::string& text) {
  auto graph = ir::parse(text);
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  return std::move(*graph);
}

ir::Node& find(ir::Graph& graph, ir::OpKind op) {
  for (ir::Node& node : graph.nodes()) {
    if (node.is(op)) return node;
  }
  ADD_FAILURE() << "no such node";
  return *graph.nodes().begin();
}

ir::Tensor random_tensor(ir::Dims dims, uint64_t seed) {
  Random random(seed);
  ir::Tensor tensor = ir::Tensor::zeros(ir::DType::f32, std::move(dims));
  for (float& value : tensor.mutable_data<float>()) value = static_cast<float>(random.normal());
  return tensor;
}

// Panels of whole and of broken vectors, of one block and of several; samples that give fewer rows than there is room.
TEST(LayerInputs, HaveTheSameMomentsFromPanelsAsFromRows) {
  struct Case {
    const char* node;
    ir::OpKind op;
    ir::Dims input;
    int widest;
  };
  const Case cases[] = {
      {"%w = constant random(seed=1) : f32[6,11,3,3]\n  %y = conv %x, %w {pads=[1,1,1,1]}",
       ir::OpKind::conv,
       {1, 11, 5, 6},
       1000},
      {"%w = constant random(seed=1) : f32[6,147,1,1]\n  %y = conv %x, %w", ir::OpKind::conv, {1, 147, 3, 3}, 80},
      {"%w = constant random(seed=1) : f32[6,8,3,3]\n  %y = conv %x, %w", ir::OpKind::conv, {2, 8, 9, 7}, 40},
      {"%w = constant random(seed=1) : f32[83,4]\n  %y = gemm %x, %w", ir::OpKind::gemm, {3, 83}, 1000},
      {"%w = constant random(seed=1) : f32[6,1,1,1]\n  %y = conv %x, %w", ir::OpKind::conv, {1, 1, 9, 9}, 1000},
      {"%w = constant random(seed=1) : f32[11,2,3,3]\n  %y = conv_transpose %x, %w {strides=[2,1]}",
       ir::OpKind::conv_transpose,
       {1, 11, 5, 6},
       40},
  };
  constexpr int64_t kSamples = 5;
  for (const Case& one : cases) {
    std::string dims;
    for (const int64_t dim : one.input) dims += (dims.empty() ? "" : ",") + std::to_string(dim);
    ir::Graph graph = parse("graph @g(%x: f32[" + dims + "]) -> (y) {\n  " + one.node + "\n  return %y\n}\n");
    const ir::Node& node = find(graph, one.op);
    LayerInputs by_rows(node, kSamples, one.widest), by_panels(node, kSamples, one.widest);
    const int64_t room = kSamples * by_panels.rows_per_sample();
    LargeBuffer panels(static_cast<size_t>(room * by_panels.panels().floats_per_row()) * sizeof(float));
    std::vector<float> rows;
    int64_t count = 0;
    for (int64_t sample = 0; sample < kSamples; ++sample) {
      const ir::Tensor x = random_tensor(one.input, static_cast<uint64_t>(sample) + 1);
      std::vector<float> own(by_rows.most_taken());
      const auto numbers = by_rows.take_rows(node, x, sample, own);
      ASSERT_TRUE(numbers.ok());
      rows.insert(rows.end(), own.begin(), own.begin() + static_cast<int64_t>(*numbers));
      const int64_t from = sample * by_panels.rows_per_sample();
      const auto taken = by_panels.take_rows(node, x, sample, panels.floats(), room, from);
      ASSERT_TRUE(taken.ok());
      by_panels.panels().move_rows(panels.floats(), room, from, count, *taken);
      count += *taken;
    }
    add_rows(by_rows, rows);
    by_panels.add_means(panels.floats(), room, count);
    for (size_t panel = 0; panel < by_panels.panels().panels().size(); ++panel) {
      by_panels.add_products(panels.floats(), room, count, panel);
    }
    ASSERT_EQ(by_panels.num_rows(), by_rows.num_rows());
    EXPECT_EQ(by_panels.means(), by_rows.means());
    for (size_t b = 0; b < by_rows.blocks().size(); ++b) {
      EXPECT_EQ(by_panels.moments(by_panels.blocks()[b], true), by_rows.moments(by_rows.blocks()[b], true)) << one.node;
    }
  }
}

TEST(LayerInputs, HaveTheMomentsOfThePatchesUnderTheKernel) {
  ir::Graph graph = parse(R"(graph @g(%x: f32[2,4,5,6]) -> (y) {
  %w = constant random(seed=1) : f32[6,2,3,2]
  %y = conv %x, %w {group=2, pads=[1,0,1,1], strides=[2,1]} : f32[2,6,3,6]
  return %y
}
)");
  const ir::Node& conv = find(graph, ir::OpKind::conv);
  LayerInputs inputs(conv, 1, 1000);
  ASSERT_EQ(inputs.groups(), 2);
  ASSERT_EQ(inputs.width(), 12);
  const ir::Tensor x = random_tensor({2, 4, 5, 6}, 5);
  std::vector<float> rows(inputs.most_taken());
  const auto taken = inputs.take_rows(conv, x, 0, rows);
  ASSERT_TRUE(taken.ok());
  rows.resize(*taken);
  add_rows(inputs, rows);
  ASSERT_EQ(inputs.num_rows(), 2 * 3 * 6);  // every position, once

  // By brute force: the response of the reference convolution to a filter that is one at element k is that element.
  const auto column = [&](int group, int k) {
    ir::Tensor one = ir::Tensor::zeros(ir::DType::f32, {6, 2, 3, 2});
    one.mutable_data<float>()[static_cast<size_t>(group * 3 * 12 + k)] = 1;
    const ir::Tensor* operands[] = {&x, &one, nullptr};
    auto y = ops::eval_node(conv, operands);
    EXPECT_TRUE(y.ok());
    std::vector<float> values;
    for (int64_t n = 0; n < 2; ++n) {
      const auto all = (*y)[0].data<float>().subspan(static_cast<size_t>((n * 6 + group * 3) * 18), 18);
      values.insert(values.end(), all.begin(), all.end());
    }
    return values;
  };
  for (int group = 0; group < 2; ++group) {
    const auto moments = inputs.moments(inputs.blocks()[static_cast<size_t>(group)], false);
    for (int i = 0; i < 12; ++i) {
      const std::vector<float> a = column(group, i);
      EXPECT_NEAR(inputs.means()[static_cast<size_t>(group * 12 + i)], std::accumulate(a.begin(), a.end(), 0.0) / 36,
                  1e-5);
      for (int j = i; j < 12; ++j) {
        const std::vector<float> b = column(group, j);
        EXPECT_NEAR(moments[static_cast<size_t>(i * 12 + j)],
                    std::inner_product(a.begin(), a.end(), b.begin(), 0.0) / 36, 1e-5);
      }
    }
  }
}

// Rows of the inputs that a stride moves apart, as of a convolution of those with zeros between them.
TEST(LayerInputs, HaveTheMomentsOfWhatATransposedKernelMeets) {
  ir::Graph graph = parse(R"(graph @g(%x: f32[2,3,4,5]) -> (y) {
  %w = constant random(seed=1) : f32[3,2,3,2]
  %y = conv_transpose %x, %w {dilations=[1,2], output_padding=[1,0], pads=[1,0,0,1], strides=[2,3]} : f32[2,2,9,14]
  return %y
}
)");
  const ir::Node& node = find(graph, ir::OpKind::conv_transpose);
  LayerInputs inputs(node, 1, 1000);
  ASSERT_EQ(inputs.width(), 18);
  const ir::Tensor x = random_tensor({2, 3, 4, 5}, 5);
  std::vector<float> rows(inputs.most_taken()), outputs(inputs.most_outputs_taken());
  const auto taken = inputs.take_rows(node, x, 0, rows);
  ASSERT_TRUE(taken.ok());
  const ir::Tensor* operands[] = {&x, node.input(1)->constant(), nullptr};
  const auto y = ops::eval_node(node, operands);
  ASSERT_TRUE(y.ok());
  ASSERT_EQ(inputs.take_outputs(node, (*y)[0], 0, outputs), 2 * 2 * 9 * 14);  // every position, once
  ASSERT_EQ(*taken, 2 * 9 * 14 * 18);
  const auto weights = operands[1]->data<float>();
  for (size_t r = 0; r < *taken / 18; ++r) {
    for (size_t m = 0; m < 2; ++m) {
      double sum = 0;
      for (size_t k = 0; k < 18; ++k)
        sum += static_cast<double>(rows[r * 18 + k]) * weights[(k / 6 * 2 + m) * 6 + k % 6];
      EXPECT_NEAR(sum, outputs[r * 2 + m], 1e-5) << r;
    }
  }
}

TEST(LayerInputs, HaveNoMomentsAroundTheMeanWhereTheyDoNotVary) {
  ir::Graph graph = parse(R"(graph @g(%x: f32[999,20]) -> (y) {
  %w = constant random(seed=1) : f32[4,20]
  %y = gemm %x, %w {transB=1} : f32[999,4]
  return %y
}
)");
  LayerInputs inputs(find(graph, ir::OpKind::gemm), 1, 1000);
  std::vector<float> rows;
  for (int r = 0; r < 999; ++r) {
    for (int i = 0; i < 20; ++i) rows.push_back(i == 3 ? static_cast<float>(r % 7) : 0.1F * static_cast<float>(i + 1));
  }
  add_rows(inputs, rows);
  const std::vector<double> moments = inputs.moments(inputs.blocks()[0], true);
  for (size_t i = 0; i < 20; ++i) {
    for (size_t j = 0; j < 20; ++j) {
      if (i == 3 && j == 3) {
        EXPECT_NEAR(moments[i * 20 + j], 4, 0.1);
      } else {
        EXPECT_EQ(moments[i * 20 + j], 0) << i << " " << j;
      }
    }
  }
}

TEST(LayerInputs, OfAWideLayerAreKeptInBlocks) {
  ir::Graph graph = parse(R"(graph @g(%x: f32[3,10]) -> (y) {
  %w = constant random(seed=1) : f32[4,10]
  %y = gemm %x, %w {transB=1} : f32[3,4]
  return %y
}
)");
  const ir::Node& gemm = find(graph, ir::OpKind::gemm);
  LayerInputs inputs(gemm, 1, 4);
  ASSERT_EQ(inputs.blocks().size(), 3u);
  int covered = 0;
  for (const auto& block : inputs.blocks()) {
    EXPECT_EQ(block.first, covered);
    EXPECT_LE(block.width, 4);
    covered += block.width;
  }
  EXPECT_EQ(covered, 10);
}

// More inputs than one piece of the products holds, in rows that come in two parts.
TEST(LayerInputs, OfAWideLayerHaveTheMomentsOfAllPairs) {
  ir::Graph graph = parse(R"(graph @g(%x: f32[7,250]) -> (y) {
  %w = constant random(seed=1) : f32[4,250]
  %y = gemm %x, %w {transB=1} : f32[7,4]
  return %y
}
)");
  const ir::Node& gemm = find(graph, ir::OpKind::gemm);
  LayerInputs inputs(gemm, 1, 1000);
  ASSERT_GT(inputs.num_pieces(), 1);
  const ir::Tensor x = random_tensor({7, 250}, 5);
  const auto data = x.data<float>();
  add_rows(inputs, {data.begin(), data.begin() + 3 * 250});
  add_rows(inputs, {data.begin() + 3 * 250, data.end()});
  ASSERT_EQ(inputs.num_rows(), 7);
  const auto moments = inputs.moments(inputs.blocks()[0], false);
  for (size_t i = 0; i < 250; ++i) {
    for (size_t j = 0; j < 250; ++j) {
      double sum = 0;
      for (size_t r = 0; r < 7; ++r) sum += static_cast<double>(data[r * 250 + i]) * data[r * 250 + j];
      EXPECT_NEAR(moments[i * 250 + j], sum / 7, 1e-5);
    }
  }
}

TEST(QuantizeWeight, PutsTheMeanErrorOfRoundingIntoTheBias) {
  ir::Graph graph = parse(R"(graph @g(%x: f32[64,10]) -> (y) {
  %w = constant random(seed=1) : f32[4,10]
  %b = constant {1, 2, 3, 4} : f32[4]
  %y = gemm %x, %w, %b {transB=1} : f32[64,4]
  return %y
}
)");
  const ir::Node& gemm = find(graph, ir::OpKind::gemm);
  ir::Tensor x = random_tensor({64, 10}, 9);
  for (float& value : x.mutable_data<float>()) value = std::fabs(value) + 1;
  LayerInputs inputs(gemm, 1, 1000);
  std::vector<float> rows(inputs.most_taken());
  const auto taken = inputs.take_rows(gemm, x, 0, rows);
  ASSERT_TRUE(taken.ok());
  rows.resize(*taken);
  add_rows(inputs, rows);
  for (const bool compensate : {false, true}) {
    const WeightSettings settings{.rule = PairRule::pairs_to_128, .compensate = compensate, .correct_bias = true};
    auto codes = quantize_weight(gemm, settings, &inputs, {});
    ASSERT_TRUE(codes.ok());
    const ir::Tensor bias = quantize_bias(gemm, *codes, 0.001);
    const ir::Tensor weight = codes->weight.dense(), bias_reals = bias.dense();
    const ir::Tensor* exact[] = {&x, gemm.input(1)->constant(), gemm.input(2)->constant()};
    const ir::Tensor* coded[] = {&x, &weight, &bias_reals};
    const auto wanted = ops::eval_node(gemm, exact), got = ops::eval_node(gemm, coded);
    for (size_t c = 0; c < 4; ++c) {
      double difference = 0;
      for (size_t n = 0; n < 64; ++n) {
        difference += (*wanted)[0].data<float>()[n * 4 + c] - (*got)[0].data<float>()[n * 4 + c];
      }
      EXPECT_NEAR(difference / 64, 0, 2e-5);
    }
  }
}

TEST(PairRule, OfNeighboursLosesLessThanThatOfAnyTwoAndThanHalving) {
  ir::Graph graph = parse(R"(graph @g(%x: f32[1,16,6,6]) -> (y) {
  %w = constant random(seed=5) : f32[12,16,3,3]
  %y = conv %x, %w : f32[1,12,4,4]
  return %y
}
)");
  const ir::Node& conv = find(graph, ir::OpKind::conv);
  ir::Tensor x = random_tensor({1, 16, 6, 6}, 9);
  LayerInputs inputs(conv, 1, 1000);
  std::vector<float> rows(inputs.most_taken());
  const auto taken = inputs.take_rows(conv, x, 0, rows);
  ASSERT_TRUE(taken.ok());
  rows.resize(*taken);
  add_rows(inputs, rows);
  std::vector<double> sqnr;
  for (const PairRule rule :
       {PairRule::none, PairRule::neighbours_to_128, PairRule::pairs_to_128, PairRule::half_range}) {
    const auto codes = quantize_weight(conv, {.rule = rule, .compensate = false, .correct_bias = false}, &inputs, {});
    ASSERT_TRUE(codes.ok());
    sqnr.push_back(codes->sqnr_db);
  }
  EXPECT_TRUE(std::is_sorted(sqnr.rbegin(), sqnr.rend())) << ::testing::PrintToString(sqnr);
  EXPECT_GT(sqnr[1], sqnr[2] + 0.5) << "dB; uniform weights are the worst for it";
}

// Rounding that makes up for errors would move them.
TEST(QuantizeWeight, PrunedWeightsStayZero) {
  for (const PairRule rule : {PairRule::none, PairRule::pairs_to_128, PairRule::neighbours_to_128}) {
    ir::Graph graph = parse(R"(graph @g(%x: f32[1,16,6,6]) -> (y) {
  %w = constant random(seed=5) : f32[12,16,3,3]
  %y = conv %x, %w : f32[1,12,4,4]
  return %y
}
)");
    ir::Node& conv = find(graph, ir::OpKind::conv);
    std::vector<float> pruned = conv.input(1)->constant()->to_floats();
    for (size_t i = 0; i < pruned.size(); i += 3) pruned[i] = 0;
    graph.set_tensor(conv.input(1)->node(), ir::Tensor::of<float>({12, 16, 3, 3}, pruned));
    LayerInputs inputs(conv, 1, 1000);
    std::vector<float> rows(inputs.most_taken());
    const auto taken = inputs.take_rows(conv, random_tensor({1, 16, 6, 6}, 9), 0, rows);
    ASSERT_TRUE(taken.ok());
    rows.resize(*taken);
    add_rows(inputs, rows);
    const auto codes = quantize_weight(conv, {.rule = rule}, &inputs, {});
    ASSERT_TRUE(codes.ok());
    const auto stored = codes->weight.codes().data<int8_t>();
    int moved = 0;
    for (size_t i = 0; i < pruned.size(); i += 3) moved += stored[i] != 0 ? 1 : 0;
    EXPECT_EQ(moved, 0);
  }
}

TEST(QuantizeWeight, PerTensorKeepsThePairRule) {
  ir::Graph graph = parse(R"(graph @g(%x: f32[1,10]) -> (y) {
  %w = constant random(seed=3) : f32[10,6]
  %y = gemm %x, %w : f32[1,6]
  return %y
}
)");
  const ir::Node& gemm = find(graph, ir::OpKind::gemm);
  for (const PairRule rule : {PairRule::pairs_to_128, PairRule::half_range, PairRule::neighbours_to_128}) {
    auto codes = quantize_weight(gemm, {.rule = rule, .per_tensor = true}, nullptr, {});
    ASSERT_TRUE(codes.ok());
    EXPECT_TRUE(codes->weight.quant().per_tensor());
    const auto stored = codes->weight.codes().data<int8_t>();
    for (size_t c = 0; c < 6; ++c) {
      std::vector<int8_t> channel;
      for (size_t k = 0; k < 10; ++k) channel.push_back(stored[k * 6 + c]);
      EXPECT_LE(widest(channel, ops::summed_pairs(10, 1)), 128);
      if (rule != PairRule::neighbours_to_128) expect_pair_safe(channel);
    }
  }
}

// onnxruntime pull request 22020: a weight scale of 7.8e-10 made a bias code of 1.3e11.
TEST(QuantizeBias, NeverOverflowsThirtyBits) {
  ir::Graph graph = parse(R"(graph @g(%x: f32[1,2]) -> (y) {
  %w = constant {1e-7, -1e-7, 0, 0, 1, 2} : f32[3,2]
  %b = constant {-1.2, 5, 0.5} : f32[3]
  %y = gemm %x, %w, %b {transB=1} : f32[1,3]
  return %y
}
)");
  const ir::Node& gemm = find(graph, ir::OpKind::gemm);
  for (const double input_scale : {1e-6, 0.02, 3.0}) {
    auto codes = quantize_weight(gemm, {.rule = PairRule::none}, nullptr, smallest_weight_scales(gemm, input_scale));
    ASSERT_TRUE(codes.ok());
    const ir::Tensor bias = quantize_bias(gemm, *codes, input_scale);
    const std::vector<float> reals = bias.to_floats();
    EXPECT_NEAR(reals[0], -1.2, 1e-6);
    EXPECT_NEAR(reals[1], 5, 1e-6);
    EXPECT_NEAR(reals[2], 0.5, 1e-2 * input_scale + 1e-7);
    for (const int32_t code : bias.codes().data<int32_t>()) EXPECT_LT(std::abs(code), 1 << 30);
    for (const float scale : bias.quant().scale) EXPECT_TRUE(std::isnormal(scale));
  }
}

TEST(QuantizeWeight, RefusesNaNByName) {
  ir::Graph graph = parse(R"(graph @g(%x: f32[1,2]) -> (y) {
  %w = constant {1, nan} : f32[1,2]
  %y = gemm %x, %w {transB=1} : f32[1,1] @"fc"
  return %y
}
)");
  const auto codes = quantize_weight(find(graph, ir::OpKind::gemm), {}, nullptr, {});
  ASSERT_FALSE(codes.ok());
  EXPECT_EQ(codes.error().kind, ErrorKind::invalid);
  EXPECT_NE(codes.error().message.find("fc"), std::string::npos);
}

TEST(CorrectedBias, IsTheBiasAndItsShiftAsFloats) {
  ir::Graph graph = parse(R"(graph @g(%x: f32[1,2]) -> (y, z) {
  %w = constant {1, 2, 3, 4} : f32[2,2]
  %b = constant {0.5, -0.25} : f32[2]
  %y = gemm %x, %w, %b {transB=1} : f32[1,2]
  %v = constant random(seed=1) : f32[2,2,1,1]
  %i = constant random(seed=2) : f32[1,2,3,3]
  %z = conv %i, %v : f32[1,2,3,3]
  return %y, %z
}
)");
  WeightCodes codes;
  codes.shift = {0.125, 1};
  EXPECT_EQ(corrected_bias(find(graph, ir::OpKind::gemm), codes).to_floats(), (std::vector<float>{0.625f, 0.75f}));
  EXPECT_EQ(corrected_bias(find(graph, ir::OpKind::conv), codes).to_floats(), (std::vector<float>{0.125f, 1.0f}));
  codes.shift.clear();
  EXPECT_FALSE(corrected_bias(find(graph, ir::OpKind::gemm), codes).valid()) << "the old bias stays";
}

}  // namespace
}  // namespace edgesmith::passes::quantize
