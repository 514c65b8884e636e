// SPDX-License-Identifier: Apache-2.0
#include "passes/share/clusters.h"

#include <algorithm>
#include <cmath>

#include "edgesmith/base/progress.h"

namespace edgesmith::passes::share {
namespace {

// Places of the table of all rows (4 bytes each), and the most values of one row.
constexpr size_t kMostPlaces = size_t{1} << 22, kMostValues = size_t{1} << 16;

// Sums over the first i points; values are taken relative to their mean, so that differences of squares stay exact.
struct Sums {
  std::vector<double> weight, first, second;

  explicit Sums(const std::vector<Point>& points) : weight(1), first(1), second(1) {
    for (const Point& point : points) {
      weight.push_back(weight.back() + point.weight);
      first.push_back(first.back() + point.weight * point.value);
      second.push_back(second.back() + point.weight * point.value * point.value);
    }
  }
  // Of points [from, to) around their mean.
  double error(size_t from, size_t to) const {
    const double w = weight[to] - weight[from], s = first[to] - first[from];
    return w > 0 ? std::max(0.0, second[to] - second[from] - s * s / w) : 0.0;
  }
};

// One row of the table: where the last cluster of every prefix begins.
class Row {
 public:
  Row(const Sums& sums, const std::vector<double>& before, std::vector<double>& after, uint32_t* begin)
      : sums_(sums), before_(before), after_(after), begin_(begin) {}

  // Prefixes [low, high], whose last cluster begins in [from, to].
  void solve(size_t low, size_t high, size_t from, size_t to) {
    const size_t middle = low + (high - low) / 2;
    size_t best = from;
    double least = INFINITY;
    for (size_t begin = from; begin <= std::min(to, middle); ++begin) {
      const double error = before_[begin] + sums_.error(begin, middle);
      if (!(error < least)) continue;
      least = error;
      best = begin;
    }
    after_[middle] = least;
    begin_[middle] = static_cast<uint32_t>(best);
    if (middle > low) solve(low, middle - 1, from, best);
    if (middle < high) solve(middle + 1, high, best, to);
  }

 private:
  const Sums& sums_;
  const std::vector<double>& before_;
  std::vector<double>& after_;
  uint32_t* begin_;
};

// The centre of mass of points [from, to); of weightless ones the mean.
Point join(const std::vector<Point>& points, size_t from, size_t to) {
  Point sum, plain;
  for (size_t i = from; i < to; ++i) {
    sum.value += points[i].weight * points[i].value;
    sum.weight += points[i].weight;
    plain.value += points[i].value;
  }
  if (sum.weight > 0) return {sum.value / sum.weight, sum.weight};
  return {plain.value / static_cast<double>(to - from), 0};
}

void join_equal(std::vector<Point>& points) {
  size_t kept = 0;
  for (size_t i = 0; i < points.size(); ++i) {
    if (kept > 0 && points[kept - 1].value == points[i].value) {
      points[kept - 1].weight += points[i].weight;
    } else {
      points[kept++] = points[i];
    }
  }
  points.resize(kept);
}

// Joins neighbours into at most `most` points: half of the cuts lie evenly along the line, half evenly among the
// points, so that neither outliers nor dense regions are coarse.
void join_neighbours(std::vector<Point>& points, size_t most) {
  const double low = points.front().value, range = points.back().value - low;
  const auto size = static_cast<double>(points.size()), bins = static_cast<double>(most);
  const auto bin = [&](size_t i) {
    return std::floor(bins * (static_cast<double>(i) / size + (points[i].value - low) / range) / 2);
  };
  std::vector<Point> joined;
  for (size_t from = 0, to = 0; from < points.size(); from = to) {
    while (to < points.size() && bin(to) == bin(from)) ++to;
    joined.push_back(join(points, from, to));
  }
  points = std::move(joined);
}

}  // namespace

size_t affordable(int64_t k) {
  return std::min(kMostValues, kMostPlaces / static_cast<size_t>(std::max<int64_t>(1, k)));
}

std::vector<double> cluster(std::vector<Point> points, int64_t k) {
  if (points.empty() || k < 1) return {};
  const bool weightless = std::all_of(points.begin(), points.end(), [](const Point& p) { return !(p.weight > 0); });
  if (weightless) {
    for (Point& point : points) point.weight = 1;
  }
  std::sort(points.begin(), points.end(), [](const Point& a, const Point& b) {
    return a.value < b.value || (a.value == b.value && a.weight < b.weight);
  });
  join_equal(points);
  if (points.size() > affordable(k)) join_neighbours(points, affordable(k));
  const double mean = join(points, 0, points.size()).value;
  for (Point& point : points) point.value -= mean;

  const size_t n = points.size(), rows = std::min(static_cast<size_t>(k), n);
  const Sums sums(points);
  std::vector<double> before(n + 1), after(n + 1);
  for (size_t i = 0; i <= n; ++i) before[i] = sums.error(0, i);
  std::vector<uint32_t> begins(rows * (n + 1), 0);
  for (size_t q = 1; q < rows && !interrupted(); ++q) {
    // q + 1 clusters need as many points; fewer get the error 0 that they have anyway.
    after[0] = 0;
    Row(sums, before, after, &begins[q * (n + 1)]).solve(1, n, 0, n);
    std::swap(before, after);
  }
  std::vector<double> centres;
  for (size_t q = rows, to = n; q-- > 0 && to > 0;) {
    const size_t from = begins[q * (n + 1) + to];
    if (from < to) centres.push_back(join(points, from, to).value + mean);
    to = from;
  }
  std::reverse(centres.begin(), centres.end());
  centres.erase(std::unique(centres.begin(), centres.end()), centres.end());
  return centres;
}

size_t nearest(std::span<const double> centres, double value) {
  const auto above = static_cast<size_t>(std::lower_bound(centres.begin(), centres.end(), value) - centres.begin());
  if (above == 0) return 0;
  if (above == centres.size() || value - centres[above - 1] <= centres[above] - value) return above - 1;
  return above;
}

}  // namespace edgesmith::passes::share
