// SPDX-License-Identifier: Apache-2.0
// The range whose quantized distribution loses the least information.
//
// For every candidate range P is the histogram inside it, with what lies outside added to its end bins; Q is P cut into
// as many runs of bins as there are codes, the count of a run spread evenly over those of its bins that are not empty.
// The candidate with the smallest divergence sum P log(P / Q) wins. The original takes one-sided histograms of |x|;
// here the upper end is moved first and then the lower one, and an end at zero stays there.
#include <algorithm>
#include <cmath>
#include <vector>

#include "passes/quantize/calibrators.h"

namespace edgesmith::passes::quantize {
namespace {

// Candidates are this many bins apart; the ends of the range move by less than a code between two.
constexpr int kStride = 8;
// An end bin may hold clipped values only, which Q lacks: that share of all keeps its term finite (MXNet's quantizer
// smooths by as much).
constexpr double kSmoothing = 1e-4;

// Bins [first, last) of the histogram with the counts of the others added at the ends, exact zeros in their bin.
std::vector<double> clipped_counts(const std::vector<double>& counts, int first, int last) {
  std::vector<double> clipped(counts.begin() + first, counts.begin() + last);
  for (int bin = 0; bin < first; ++bin) clipped.front() += counts[static_cast<size_t>(bin)];
  for (int bin = last; bin < Histogram::kBins; ++bin) clipped.back() += counts[static_cast<size_t>(bin)];
  return clipped;
}

// Divergence of the quantized form of bins [first, last) from the clipped distribution `p`.
double divergence(const std::vector<double>& counts, int first, int last, const std::vector<double>& p, int codes) {
  const int bins = last - first;
  double p_sum = 0, q_sum = 0, sum = 0;
  for (const double count : p) p_sum += count;
  for (int bin = first; bin < last; ++bin) q_sum += counts[static_cast<size_t>(bin)];
  if (p_sum <= 0 || q_sum <= 0) return INFINITY;
  for (int code = 0; code < codes; ++code) {
    const int from = static_cast<int>(static_cast<int64_t>(bins) * code / codes);
    const int to = static_cast<int>(static_cast<int64_t>(bins) * (code + 1) / codes);
    double mass = 0;
    int filled = 0;
    for (int bin = from; bin < to; ++bin) {
      mass += counts[static_cast<size_t>(first + bin)];
      filled += p[static_cast<size_t>(bin)] > 0 ? 1 : 0;
    }
    for (int bin = from; bin < to; ++bin) {
      const double have = p[static_cast<size_t>(bin)] / p_sum;
      if (have <= 0) continue;
      const double quantized = mass > 0 ? mass / filled / q_sum : kSmoothing;
      sum += have * std::log(have / quantized);
    }
  }
  return sum;
}

}  // namespace

Range pick_entropy(const Observations& observed, const CalibratorSettings& settings) {
  const Range extremes = observed.extremes.joined({0, 0});
  const Histogram& histogram = observed.histogram;
  const int most_codes = settings.steps + 1;
  if (!(extremes.width() > 0) || histogram.range() != extremes) return extremes;
  const std::vector<double> counts(histogram.counts().begin(), histogram.counts().end());
  // Bins that hold zero stay in.
  const double zero = -static_cast<double>(extremes.min) / extremes.width() * Histogram::kBins;
  const int latest_first = std::min(static_cast<int>(zero), Histogram::kBins - 1);
  const int earliest_last = std::max(static_cast<int>(std::ceil(zero)), 1);
  int first = 0, last = Histogram::kBins;
  // Of symmetric codes, a range with a short end gets only as many as lie in it.
  const auto codes_of = [&](int from, int to) {
    if (!settings.symmetric) return most_codes;
    const double half = std::max(to - zero, zero - from);
    return std::max(1, static_cast<int>(std::lround(most_codes * (to - from) / (2 * half))));
  };
  double best = divergence(counts, first, last, clipped_counts(counts, first, last), codes_of(first, last));
  const auto try_range = [&](int from, int to) {
    const int codes = codes_of(from, to);
    const double loss = divergence(counts, from, to, clipped_counts(counts, from, to), codes);
    if (!(loss < best)) return;
    best = loss;
    first = from;
    last = to;
  };
  for (int to = Histogram::kBins - kStride; to >= std::max(earliest_last, most_codes); to -= kStride) try_range(0, to);
  const int to = last;
  for (int from = kStride; from <= std::min(latest_first, to - most_codes); from += kStride) try_range(from, to);
  return {first == 0 ? extremes.min : static_cast<float>(std::min(0.0, histogram.lower(first))),
          last == Histogram::kBins ? extremes.max : static_cast<float>(std::max(0.0, histogram.lower(last)))};
}

}  // namespace edgesmith::passes::quantize
