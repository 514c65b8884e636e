// SPDX-License-Identifier: Apache-2.0
#include "passes/share/shared_rows.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "edgesmith/base/interruptible.h"
#include "edgesmith/ir/short_floats.h"
#include "passes/reconstruct/moments.h"
#include "passes/share/clusters.h"

namespace edgesmith::passes::share {
namespace {

// Times that the sweep starts anew, turns of codebooks and assignments after each, and passes over a row in a turn.
constexpr int kSweeps = 3, kTurns = 3, kPasses = 4;
// With a price codebooks move farther.
constexpr int kRatedSweeps = 6;
// An entry that no weight uses counts as so much of one.
constexpr double kUnused = 0.5;
// How much the entries of before weigh in a solution, as a share of the mean of its diagonal: unused entries stay.
constexpr double kRidge = 1e-6;
// Parts whose sums are added up in order, whatever the number of threads.
constexpr int64_t kParts = 8;

using Row = std::span<const double>;

double dot(Row a, Row b) {
  double sums[4] = {};
  size_t i = 0;
  for (; i + 4 <= a.size(); i += 4) {
    for (size_t l = 0; l < 4; ++l) sums[l] += a[i + l] * b[i + l];
  }
  double sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  for (; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

size_t place(const SharedRows& rows, const Block& block, int64_t row) {
  return static_cast<size_t>(row * rows.width + block.first);
}

// The weights of a row within a block.
std::vector<double> values_of(const SharedRows& rows, const Block& block, int64_t row) {
  std::vector<double> values;
  for (int64_t i = 0; i < block.width; ++i) values.push_back(rows.value(row, block.first + i));
  return values;
}

// H (wanted - values).
std::vector<double> pull_of(const SharedRows& rows, const Block& block, int64_t row) {
  const auto n = static_cast<size_t>(block.width);
  std::vector<double> off = values_of(rows, block, row), pull(n);
  for (size_t i = 0; i < n; ++i) off[i] = rows.wanted[place(rows, block, row) + i] - off[i];
  for (size_t i = 0; i < n; ++i) pull[i] = dot(Row(block.moments).subspan(i * n, n), off);
  return pull;
}

double error_of(const SharedRows& rows, const Block& block, int64_t row) {
  const std::vector<double> pull = pull_of(rows, block, row);
  double error = 0;
  for (size_t i = 0; i < pull.size(); ++i) {
    error +=
        pull[i] * (rows.wanted[place(rows, block, row) + i] - rows.value(row, block.first + static_cast<int64_t>(i)));
  }
  return error;
}

// What the sweep may choose from: the entries of the row's codebook.
class Entries final : public reconstruct::Projection {
 public:
  Entries(SharedRows& rows, const Block& block)
      : rows_(rows), block_(block), weights_(static_cast<size_t>(block.width)) {
    for (size_t p = 0; p < weights_.size(); ++p) {
      const double pivot = block.factor.factor[p * static_cast<size_t>(block.factor.stride) + p];
      weights_[static_cast<size_t>(block.factor.order[p])] = pivot * pivot;
    }
  }

  double project(int row, int column, double value) override {
    const int64_t m = block_.first_row + row;
    const size_t at = place(rows_, block_, m) + static_cast<size_t>(column);
    const double scale = rows_.scale[static_cast<size_t>(m)];
    const std::vector<double>& codebook = rows_.codebook_of(m);
    const bool zero = !rows_.zero.empty() && rows_.zero[at];
    const size_t chosen =
        zero ? nearest(codebook, 0) : choose_entry(rows_, m, value, weights_[static_cast<size_t>(column)]);
    rows_.index[at] = static_cast<uint8_t>(chosen);
    return scale * codebook[chosen];
  }

 private:
  SharedRows& rows_;
  const Block& block_;
  std::vector<double> weights_;  // by column: what the squared error of a weight adds, the others making up for it
};

void sweep_all(SharedRows& rows, const std::vector<Block>& blocks, ThreadPool& pool) {
  std::vector<double> result(rows.wanted.size());
  for (const Block& block : blocks) {
    std::vector<reconstruct::Row> some;
    for (int64_t m = block.first_row; m < block.first_row + block.rows; ++m) {
      const size_t at = place(rows, block, m), n = static_cast<size_t>(block.width);
      some.push_back({Row(rows.wanted).subspan(at, n), std::span(result).subspan(at, n)});
    }
    Entries entries(rows, block);
    reconstruct::sweep(some, block.factor, entries, &pool);
  }
}

// Gives single weights of a row another entry as long as that lowers error and price: coordinate descent.
void improve_row(SharedRows& rows, const Block& block, int64_t row) {
  const auto n = static_cast<size_t>(block.width);
  const size_t at = place(rows, block, row);
  const std::vector<double>& codebook = rows.codebook_of(row);
  const double scale = rows.scale[static_cast<size_t>(row)];
  std::vector<double> pull = pull_of(rows, block, row);
  for (int pass = 0; pass < kPasses; ++pass) {
    bool changed = false;
    for (size_t i = 0; i < n; ++i) {
      if (!rows.zero.empty() && rows.zero[at + i]) continue;
      const double* column = &block.moments[i * n];
      const double before = codebook[rows.index[at + i]];
      const size_t chosen = choose_entry(rows, row, scale * before + pull[i] / column[i], column[i]);
      if (codebook[chosen] == before) continue;
      const double step = scale * (codebook[chosen] - before);
      for (size_t j = 0; j < n; ++j) pull[j] -= step * column[j];
      rows.index[at + i] = static_cast<uint8_t>(chosen);
      changed = true;
    }
    if (!changed) return;
  }
}

void improve_all(SharedRows& rows, const std::vector<Block>& blocks, ThreadPool& pool) {
  for (const Block& block : blocks) {
    interruptible_for(pool, block.rows, [&](int64_t m, int) { improve_row(rows, block, block.first_row + m); });
  }
}

// A e = b for the entries of one codebook.
struct Normal {
  std::vector<double> a, b;

  explicit Normal(size_t entries) : a(entries * entries, 0.0), b(entries, 0.0) {}
  void add(const Normal& other) {
    for (size_t i = 0; i < a.size(); ++i) a[i] += other.a[i];
    for (size_t i = 0; i < b.size(); ++i) b[i] += other.b[i];
  }
};

void add_row(const SharedRows& rows, const Block& block, int64_t row, Normal& normal) {
  const auto n = static_cast<size_t>(block.width);
  const size_t at = place(rows, block, row), k = normal.b.size();
  const double scale = rows.scale[static_cast<size_t>(row)];
  std::vector<double> sums(k);
  for (size_t i = 0; i < n; ++i) {
    const double* column = &block.moments[i * n];
    std::fill(sums.begin(), sums.end(), 0.0);
    for (size_t j = 0; j < n; ++j) sums[rows.index[at + j]] += column[j];
    const size_t own = rows.index[at + i];
    for (size_t q = 0; q < k; ++q) normal.a[own * k + q] += scale * scale * sums[q];
    normal.b[own] += scale * dot({column, n}, Row(rows.wanted).subspan(at, n));
  }
}

// The entries with the least output error for the assignments as they are. Zero stays where weights must be zero.
void solve_codebook(SharedRows& rows, const std::vector<Block>& blocks, int64_t group, ThreadPool& pool) {
  std::vector<double>& codebook = rows.codebooks[static_cast<size_t>(group)];
  const size_t k = codebook.size();
  const int64_t first = group * rows.group, last = std::min(rows.outputs, first + rows.group);
  std::vector<Normal> parts(static_cast<size_t>(std::min(kParts, last - first)), Normal(k));
  interruptible_for(pool, static_cast<int64_t>(parts.size()), [&](int64_t part, int) {
    const auto count = static_cast<int64_t>(parts.size());
    for (const Block& block : blocks) {
      const int64_t from = std::max(block.first_row, first + (last - first) * part / count);
      const int64_t to = std::min(block.first_row + block.rows, first + (last - first) * (part + 1) / count);
      for (int64_t m = from; m < to && !interrupted(); ++m) add_row(rows, block, m, parts[static_cast<size_t>(part)]);
    }
  });
  Normal normal(k);
  for (const Normal& part : parts) normal.add(part);
  double diagonal = 0;
  for (size_t q = 0; q < k; ++q) diagonal += normal.a[q * k + q];
  const double ridge = diagonal > 0 ? kRidge * diagonal / static_cast<double>(k) : 1;
  for (size_t q = 0; q < k; ++q) {
    normal.a[q * k + q] += ridge;
    normal.b[q] += ridge * codebook[q];
  }
  if (!rows.zero.empty()) {
    const size_t q = nearest(codebook, 0);
    for (size_t p = 0; p < k; ++p) normal.a[q * k + p] = normal.a[p * k + q] = p == q ? 1 : 0;
    normal.b[q] = 0;
  }
  reconstruct::factor(normal.a, k);
  reconstruct::solve(normal.a, k, normal.b);
  // In ascending order again.
  std::vector<size_t> order(k), rank(k);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return normal.b[a] < normal.b[b]; });
  for (size_t q = 0; q < k; ++q) {
    codebook[q] = normal.b[order[q]];
    rank[order[q]] = q;
  }
  for (auto i = static_cast<size_t>(first * rows.width); i < static_cast<size_t>(last * rows.width); ++i) {
    rows.index[i] = static_cast<uint8_t>(rank[rows.index[i]]);
  }
}

// The scale of every row with the least output error for its indices. Codes keep their sign.
void solve_scales(SharedRows& rows, const std::vector<Block>& blocks, ThreadPool& pool) {
  std::vector<double> wanted(rows.scale.size(), 0.0), power(rows.scale.size(), 0.0);
  for (const Block& block : blocks) {
    interruptible_for(pool, block.rows, [&](int64_t index, int) {
      const int64_t m = block.first_row + index;
      const auto n = static_cast<size_t>(block.width);
      const std::vector<double> values = values_of(rows, block, m);
      for (size_t i = 0; i < n; ++i) {
        const Row column = Row(block.moments).subspan(i * n, n);
        wanted[static_cast<size_t>(m)] += values[i] * dot(column, Row(rows.wanted).subspan(place(rows, block, m), n));
        power[static_cast<size_t>(m)] += values[i] * dot(column, values);
      }
    });
  }
  for (size_t m = 0; m < power.size(); ++m) {
    if (wanted[m] > 0 && power[m] > 0) rows.scale[m] *= wanted[m] / power[m];
  }
}

// Indices that suit entries which were changed a little.
double follow_entries(SharedRows& rows, const std::vector<Block>& blocks, ThreadPool& pool) {
  if (!blocks.empty()) {
    improve_all(rows, blocks, pool);
    return output_error(rows, blocks, pool);
  }
  for (int64_t m = 0; m < rows.outputs; ++m) {
    const double scale = rows.scale[static_cast<size_t>(m)];
    for (auto i = static_cast<size_t>(m * rows.width); i < static_cast<size_t>((m + 1) * rows.width); ++i) {
      if (rows.zero.empty() || !rows.zero[i]) {
        rows.index[i] = static_cast<uint8_t>(nearest(rows.codebook_of(m), rows.wanted[i] / scale));
      }
    }
  }
  return 0;
}

double sum(const std::vector<double>& numbers) { return std::accumulate(numbers.begin(), numbers.end(), 0.0); }

// Those into one codebook.
template <typename Rows>
auto indices_of(Rows& rows, size_t group) {
  const auto first = static_cast<int64_t>(group) * rows.group, last = std::min(rows.outputs, first + rows.group);
  return std::span(rows.index)
      .subspan(static_cast<size_t>(first * rows.width), static_cast<size_t>((last - first) * rows.width));
}

// Entries that no weight uses go, but for the zero of those that must be zero.
void drop_unused(SharedRows& rows) {
  for (size_t g = 0; g < rows.codebooks.size(); ++g) {
    std::vector<double>& codebook = rows.codebooks[g];
    std::vector<bool> used(codebook.size(), false);
    if (!rows.zero.empty()) used[nearest(codebook, 0)] = true;
    for (const uint8_t index : indices_of(rows, g)) used[index] = true;
    std::vector<uint8_t> place(codebook.size());
    size_t kept = 0;
    for (size_t q = 0; q < codebook.size(); ++q) {
      place[q] = static_cast<uint8_t>(kept);
      if (used[q]) codebook[kept++] = codebook[q];
    }
    codebook.resize(kept);
    for (uint8_t& index : indices_of(rows, g)) index = place[index];
  }
}

}  // namespace

std::vector<double> SharedRows::values() const {
  std::vector<double> all;
  for (int64_t m = 0; m < outputs; ++m) {
    for (int64_t k = 0; k < width; ++k) all.push_back(value(m, k));
  }
  return all;
}

std::vector<double> output_errors(const SharedRows& rows, const std::vector<Block>& blocks, ThreadPool& pool) {
  std::vector<double> errors(static_cast<size_t>(rows.outputs), 0.0);
  for (const Block& block : blocks) {
    interruptible_for(pool, block.rows, [&](int64_t m, int) {
      errors[static_cast<size_t>(block.first_row + m)] += error_of(rows, block, block.first_row + m);
    });
  }
  return errors;
}

double output_error(const SharedRows& rows, const std::vector<Block>& blocks, ThreadPool& pool) {
  return sum(output_errors(rows, blocks, pool));
}

void cluster_rows(SharedRows& rows, int64_t entries, const std::vector<double>& importance, ThreadPool& pool) {
  const int64_t groups = (rows.outputs + rows.group - 1) / rows.group;
  rows.codebooks.assign(static_cast<size_t>(groups), {});
  rows.index.assign(rows.wanted.size(), 0);
  interruptible_for(pool, groups, [&](int64_t g, int) {
    const int64_t first = g * rows.group, last = std::min(rows.outputs, first + rows.group);
    std::vector<Point> points;
    for (int64_t m = first; m < last; ++m) {
      const double scale = rows.scale[static_cast<size_t>(m)];
      for (auto i = static_cast<size_t>(m * rows.width); i < static_cast<size_t>((m + 1) * rows.width); ++i) {
        if (!rows.zero.empty() && rows.zero[i]) continue;
        points.push_back({rows.wanted[i] / scale, (importance.empty() ? 1 : importance[i]) * scale * scale});
      }
    }
    std::vector<double>& codebook = rows.codebooks[static_cast<size_t>(g)];
    const bool masked = !rows.zero.empty();
    codebook = cluster(std::move(points), masked ? std::max<int64_t>(0, entries - 1) : entries);
    if (codebook.empty() || (masked && !std::binary_search(codebook.begin(), codebook.end(), 0.0))) {
      codebook.insert(std::lower_bound(codebook.begin(), codebook.end(), 0.0), 0.0);
    }
    for (int64_t m = first; m < last; ++m) {
      const double scale = rows.scale[static_cast<size_t>(m)];
      for (auto i = static_cast<size_t>(m * rows.width); i < static_cast<size_t>((m + 1) * rows.width); ++i) {
        const bool zero = masked && rows.zero[i];
        rows.index[i] = static_cast<uint8_t>(nearest(codebook, zero ? 0 : rows.wanted[i] / scale));
      }
    }
  });
}

void count_bits(SharedRows& rows) {
  rows.bits.clear();
  for (size_t g = 0; g < rows.codebooks.size(); ++g) {
    std::vector<double>& bits = rows.bits.emplace_back(rows.codebooks[g].size(), kUnused);
    for (const uint8_t index : indices_of(rows, g)) bits[index] += 1;
    const double all = sum(bits);
    for (double& count : bits) count = -std::log2(count / all);
  }
}

double index_bits(const SharedRows& rows) {
  double all = 0;
  for (size_t g = 0; g < rows.bits.size(); ++g) {
    for (const uint8_t index : indices_of(rows, g)) all += rows.bits[g][index];
  }
  return all;
}

size_t choose_entry(const SharedRows& rows, int64_t row, double value, double weight) {
  const std::vector<double>& codebook = rows.codebook_of(row);
  const double scale = rows.scale[static_cast<size_t>(row)];
  size_t best = nearest(codebook, value / scale);
  if (rows.price <= 0) return best;
  const std::vector<double>& bits = rows.bits[static_cast<size_t>(row / rows.group)];
  const auto error = [&](size_t q) {
    const double off = value - scale * codebook[q];
    return weight * off * off;
  };
  double least = error(best) + rows.price * bits[best];
  const auto consider = [&](size_t q) {  // false: neither it nor one farther away is better
    const double own = error(q);
    if (!(own < least)) return false;
    if (own + rows.price * bits[q] < least) {
      least = own + rows.price * bits[q];
      best = q;
    }
    return true;
  };
  const size_t middle = best;
  for (size_t q = middle; q-- > 0 && consider(q);) {
  }
  for (size_t q = middle + 1; q < codebook.size() && consider(q); ++q) {
  }
  return best;
}

double fit_rows(SharedRows& rows, const std::vector<Block>& blocks, bool fit_scales, bool quick, ThreadPool& pool) {
  const bool rated = rows.price > 0;
  if (rated) count_bits(rows);
  const auto cost = [&] { return output_error(rows, blocks, pool) + rows.price * index_bits(rows); };
  SharedRows best = rows;
  double least = cost();
  for (int start = 0; start < (quick ? 1 : rated ? kRatedSweeps : kSweeps); ++start) {
    sweep_all(rows, blocks, pool);
    for (int turn = 0; turn < (quick ? 1 : kTurns); ++turn) {
      if (rated) drop_unused(rows);
      for (size_t g = 0; g < rows.codebooks.size(); ++g) solve_codebook(rows, blocks, static_cast<int64_t>(g), pool);
      if (fit_scales) solve_scales(rows, blocks, pool);
      if (rated) count_bits(rows);
      improve_all(rows, blocks, pool);
    }
    const double now = cost();
    if (!(now < least)) continue;
    least = now;
    best = rows;
  }
  rows = std::move(best);
  return output_error(rows, blocks, pool);
}

double round_entries(SharedRows& rows, const std::vector<Block>& blocks, int limit, std::vector<double>& steps,
                     ThreadPool& pool) {
  steps.clear();
  for (std::vector<double>& codebook : rows.codebooks) {
    double largest = 0;
    for (const double entry : codebook) largest = std::max(largest, std::fabs(entry));
    const double step = largest > 0 ? largest / limit : 1;
    for (double& entry : codebook) entry = step * std::nearbyint(entry / step);
    steps.push_back(step);
  }
  return follow_entries(rows, blocks, pool);
}

double shorten_entries(SharedRows& rows, const std::vector<Block>& blocks, ThreadPool& pool) {
  for (std::vector<double>& codebook : rows.codebooks) {
    for (double& entry : codebook) entry = ir::short_float(static_cast<float>(entry));
  }
  return follow_entries(rows, blocks, pool);
}

}  // namespace edgesmith::passes::share
