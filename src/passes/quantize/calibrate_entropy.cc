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

// Counts of all bins, and how many values and filled bins lie before each: what a candidate needs without walking over
// bins that are empty, as most are where there are many small tensors.
struct Counts {
  explicit Counts(const Histogram& histogram) : of(histogram.counts()), before(of.size() + 1), filled(of.size() + 1) {
    for (size_t bin = 0; bin < of.size(); ++bin) {
      before[bin + 1] = before[bin] + of[bin];
      filled[bin + 1] = filled[bin] + (of[bin] > 0 ? 1 : 0);
      if (of[bin] > 0) places.push_back(bin);
    }
  }
  std::vector<double> of, before;
  std::vector<int> filled;
  std::vector<size_t> places;  ///< of the filled bins
};

// Divergence of the quantized form of bins [first, last) from the distribution of all values, clipped to these bins.
double divergence(const Counts& counts, int first, int last, int codes) {
  const auto begin = static_cast<size_t>(first), end = static_cast<size_t>(last);
  const double p_sum = counts.before.back(), q_sum = counts.before[end] - counts.before[begin];
  if (p_sum <= 0 || q_sum <= 0) return INFINITY;
  const double below = counts.before[begin], above = p_sum - counts.before[end];
  const auto clipped = [&](size_t bin) {
    return counts.of[bin] + (bin == begin ? below : 0) + (bin == end - 1 ? above : 0);
  };
  const auto newly_filled = [&](size_t bin) { return counts.of[bin] <= 0 && clipped(bin) > 0 ? 1 : 0; };
  // The first bin from `bin` on that is not empty, or `end`.
  const auto next_filled = [&](size_t bin) {
    if (bin == begin && clipped(begin) > 0) return begin;
    const auto place = static_cast<size_t>(counts.filled[bin]);
    if (place < counts.places.size() && counts.places[place] < end) return counts.places[place];
    return bin < end && clipped(end - 1) > 0 ? end - 1 : end;
  };
  const int64_t width = last - first;
  const auto begin_of = [&](int64_t code) { return begin + static_cast<size_t>(width * code / codes); };
  double sum = 0;
  for (size_t next = next_filled(begin); next < end;) {
    const auto code = (static_cast<int64_t>(next - begin + 1) * codes - 1) / width;  // the last that begins by then
    const size_t from = begin_of(code), to = begin_of(code + 1);
    int filled = counts.filled[to] - counts.filled[from];
    if (from == begin) filled += newly_filled(begin);
    if (to == end && end - 1 != begin) filled += newly_filled(end - 1);
    const double mass = counts.before[to] - counts.before[from];
    for (size_t bin = from; bin < to; ++bin) {
      const double have = clipped(bin) / p_sum;
      if (have <= 0) continue;
      const double quantized = mass > 0 ? mass / filled / q_sum : kSmoothing;
      sum += have * std::log(have / quantized);
    }
    next = next_filled(to);
  }
  return sum;
}

}  // namespace

Range pick_entropy(const Observations& observed, const CalibratorSettings& settings) {
  const Range extremes = observed.extremes.joined({0, 0});
  const Histogram& histogram = observed.histogram;
  const int most_codes = settings.steps + 1;
  if (!(extremes.width() > 0) || histogram.range() != extremes) return extremes;
  const Counts counts(histogram);
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
  double best = divergence(counts, first, last, codes_of(first, last));
  const auto try_range = [&](int from, int to) {
    const double loss = divergence(counts, from, to, codes_of(from, to));
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
