// SPDX-License-Identifier: Apache-2.0
// What measured times come to: quantiles, and the ratio of two medians with its interval.
#include <algorithm>
#include <cmath>

#include "edgesmith/base/random.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/refine/bench.h"

namespace edgesmith::refine {
namespace {

double median_of(std::vector<int64_t>& values) {
  const size_t half = values.size() / 2;
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(half), values.end());
  const auto upper = static_cast<double>(values[half]);
  if (values.size() % 2 == 1) return upper;
  const auto lower = *std::max_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(half));
  return (static_cast<double>(lower) + upper) / 2;
}

}  // namespace

Latency summarize(std::span<const int64_t> nanoseconds) {
  EDGESMITH_CHECK(!nanoseconds.empty());
  std::vector<int64_t> sorted(nanoseconds.begin(), nanoseconds.end());
  std::sort(sorted.begin(), sorted.end());
  double sum = 0;
  for (const int64_t time : sorted) sum += static_cast<double>(time);
  const size_t count = sorted.size(), p90 = (count * 9 + 9) / 10 - 1;
  Latency latency;
  latency.min = static_cast<double>(sorted.front()) / 1e3;
  latency.p90 = static_cast<double>(sorted[p90]) / 1e3;
  latency.mean = sum / static_cast<double>(count) / 1e3;
  latency.median = median_of(sorted) / 1e3;
  return latency;
}

TimeRatio ratio_of_medians(std::span<const int64_t> a, std::span<const int64_t> b, uint64_t seed) {
  EDGESMITH_CHECK(!a.empty() && a.size() == b.size());
  constexpr size_t kResamples = 1000;
  const size_t rounds = a.size();
  const auto block = static_cast<size_t>(std::ceil(std::sqrt(static_cast<double>(rounds))));
  std::vector<int64_t> some_a(a.begin(), a.end()), some_b(b.begin(), b.end());
  TimeRatio result;
  const auto ratio = [&] { return median_of(some_b) / std::max(median_of(some_a), 1.0); };
  result.ratio = ratio();
  Random random(seed);
  std::vector<double> ratios;
  for (size_t resample = 0; resample < kResamples; ++resample) {
    some_a.clear(), some_b.clear();
    while (some_a.size() < rounds) {
      const size_t first = random.below(rounds);
      for (size_t i = 0; i < block && some_a.size() < rounds; ++i) {
        some_a.push_back(a[(first + i) % rounds]);
        some_b.push_back(b[(first + i) % rounds]);
      }
    }
    ratios.push_back(ratio());
  }
  std::sort(ratios.begin(), ratios.end());
  result.ci95[0] = ratios[kResamples * 25 / 1000];
  result.ci95[1] = ratios[kResamples * 975 / 1000 - 1];
  return result;
}

int64_t default_runs(const ir::Graph& graph, int64_t batch) {
  constexpr double kOperations = 2e10;  // about a second of convolutions on one core
  constexpr double kOtherCost = 16;     // of an element-wise operation: it waits for memory, or is an exponential
  double operations = 1;
  for (const ir::Node& node : graph.nodes()) {
    const ops::Cost cost = ops::cost_of(node);
    operations += static_cast<double>(cost.macs) + kOtherCost * static_cast<double>(cost.flops);
  }
  return std::clamp(static_cast<int64_t>(kOperations / (operations * static_cast<double>(std::max<int64_t>(batch, 1)))),
                    int64_t{50}, int64_t{5000});
}

}  // namespace edgesmith::refine
