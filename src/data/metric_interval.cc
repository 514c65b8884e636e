// SPDX-License-Identifier: Apache-2.0
// 95 % intervals.
//
// Proportions: Wilson (1927) for one; for the difference of two paired ones method 10 of R. G. Newcombe, "Improved
// confidence intervals for the difference between binomial proportions based on paired data", Statistics in Medicine 17
// (1998). Means: normal. Anything else: percentile bootstrap, whole samples drawn with replacement, seeded.
#include <algorithm>
#include <cmath>
#include <limits>

#include "data/metrics/metrics.h"
#include "edgesmith/base/random.h"

namespace edgesmith::data {
namespace {

constexpr double kZ = 1.959963984540054;  // 97.5 % quantile of the normal distribution
constexpr int kResamples = 1000;
// Boxes and pixels of many pictures are drawn less often: an end of the interval is still the 5th value of the 200.
constexpr size_t kMuch = 1000000;
constexpr int kFewResamples = 200;
constexpr uint64_t kSeed = 0x626f6f74;

struct Interval {
  double low = 0, high = 0;
};

bool is_mean(const MetricInfo& metric) { return metric.combine == mean_of || metric.combine == mean_percent_of; }
double unit_of(const MetricInfo& metric) { return metric.combine == mean_percent_of ? 100 : 1; }

/// Of samples that are right or wrong, by one of our metrics or by a program (which has no `sample`). An error of
/// exactly 0 is no share of anything.
bool is_share(const MetricInfo& metric, std::span<const double> numbers) {
  const bool may_be = metric.combine == mean_percent_of || metric.sample == nullptr;
  return may_be && std::all_of(numbers.begin(), numbers.end(), [](double x) { return x == 0 || x == 1; });
}

Interval wilson(double successes, double n) {
  const double p = successes / n, z2 = kZ * kZ;
  const double centre = (p + z2 / (2 * n)) / (1 + z2 / n);
  const double half = kZ * std::sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n);
  return {std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

// p1 - p2 of n pairs: `both` successes, only the first, only the second, neither.
Interval newcombe(double both, double first, double second, double neither) {
  const double n = both + first + second + neither;
  const double p1 = (both + first) / n, p2 = (both + second) / n;
  const Interval one = wilson(both + first, n), two = wilson(both + second, n);
  const double product = both * neither - first * second;
  const double margins = (both + first) * (second + neither) * (both + second) * (first + neither);
  // The correlation, corrected towards zero for continuity when it is positive.
  const double corrected = product > 0 ? std::max(product - n / 2, 0.0) : product;
  const double phi = margins > 0 ? corrected / std::sqrt(margins) : 0;
  const double low1 = p1 - one.low, high1 = one.high - p1, low2 = p2 - two.low, high2 = two.high - p2;
  const double down = std::sqrt(std::max(0.0, low1 * low1 - 2 * phi * low1 * high2 + high2 * high2));
  const double up = std::sqrt(std::max(0.0, high1 * high1 - 2 * phi * high1 * low2 + low2 * low2));
  return {p1 - p2 - down, p1 - p2 + up};
}

Interval newcombe(std::span<const double> a, std::span<const double> b) {
  double counts[4] = {0, 0, 0, 0};
  for (size_t i = 0; i < a.size(); ++i) counts[(a[i] == 0 ? 2 : 0) + (b[i] == 0 ? 1 : 0)] += 1;
  return newcombe(counts[0], counts[1], counts[2], counts[3]);
}

// Of the mean; one sample says nothing of its spread.
Interval normal(std::span<const double> numbers) {
  const double n = static_cast<double>(numbers.size());
  if (numbers.size() < 2) return {-HUGE_VAL, HUGE_VAL};
  const double mean = mean_of(numbers, 1);
  double squares = 0;
  for (const double x : numbers) squares += (x - mean) * (x - mean);
  const double half = kZ * std::sqrt(squares / (n - 1) / n);
  return {mean - half, mean + half};
}

double quantile(const std::vector<double>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

// Of combine(a) - combine(b), or of combine(a) when `b` is empty; the same samples are drawn from both.
Interval bootstrap(const MetricInfo& metric, std::span<const double> a, std::span<const double> b) {
  const auto width = static_cast<size_t>(metric.width);
  const size_t n = a.size() / width;
  if (n < 2) return {-HUGE_VAL, HUGE_VAL};
  const int resamples = a.size() > kMuch ? kFewResamples : kResamples;
  Random random(kSeed);
  std::vector<double> drawn_a(a.size()), drawn_b(b.size()), values;
  for (int resample = 0; resample < resamples; ++resample) {
    for (size_t i = 0; i < n; ++i) {
      const size_t from = random.below(n) * width, to = i * width;
      std::copy_n(a.begin() + static_cast<ptrdiff_t>(from), width, drawn_a.begin() + static_cast<ptrdiff_t>(to));
      if (b.empty()) continue;
      std::copy_n(b.begin() + static_cast<ptrdiff_t>(from), width, drawn_b.begin() + static_cast<ptrdiff_t>(to));
    }
    const double other = b.empty() ? 0 : metric.combine(drawn_b, metric.width);
    values.push_back(metric.combine(drawn_a, metric.width) - other);
  }
  std::sort(values.begin(), values.end());
  return {quantile(values, 0.025), quantile(values, 0.975)};
}

Interval difference_interval(const MetricInfo& metric, std::span<const double> a, std::span<const double> b) {
  if (!is_mean(metric)) return bootstrap(metric, a, b);
  Interval interval;
  if (is_share(metric, a) && is_share(metric, b)) {
    interval = newcombe(a, b);
  } else {
    std::vector<double> differences(a.size());
    for (size_t i = 0; i < a.size(); ++i) differences[i] = a[i] - b[i];
    interval = normal(differences);
  }
  return {interval.low * unit_of(metric), interval.high * unit_of(metric)};
}

}  // namespace

PairedDifference paired_difference(const MetricInfo& metric, std::span<const double> a, std::span<const double> b) {
  EDGESMITH_CHECK(a.size() == b.size()) << a.size() << " numbers against " << b.size();
  PairedDifference result;
  if (a.empty()) return result;
  const double difference = metric.combine(a, metric.width) - metric.combine(b, metric.width);
  const Interval interval = difference_interval(metric, a, b);
  // Taken from 0: no difference is 0, not -0.
  result.drop = metric.higher_is_better ? difference : 0 - difference;
  result.ci95[0] = metric.higher_is_better ? interval.low : 0 - interval.high;
  result.ci95[1] = metric.higher_is_better ? interval.high : 0 - interval.low;
  return result;
}

void metric_interval(const MetricInfo& metric, std::span<const double> numbers, double interval[2]) {
  interval[0] = interval[1] = 0;
  if (numbers.empty()) return;
  Interval found;
  if (!is_mean(metric)) {
    found = bootstrap(metric, numbers, {});
  } else {
    const double n = static_cast<double>(numbers.size());
    found = is_share(metric, numbers) ? wilson(mean_of(numbers, 1) * n, n) : normal(numbers);
    found = {found.low * unit_of(metric), found.high * unit_of(metric)};
  }
  interval[0] = found.low;
  interval[1] = found.high;
}

}  // namespace edgesmith::data
