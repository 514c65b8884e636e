// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/obs.h"

#include <algorithm>
#include <cmath>

#include "edgesmith/base/progress.h"
#include "passes/reconstruct/moments.h"

namespace edgesmith::passes::prune {

namespace {

// Rows that lose the same weights, and the inverse of their moments, from which these are eliminated.
class Elimination {
 public:
  Elimination(std::span<const double> weights, std::span<const double> inverse, size_t n)
      : n_(n), left_(n), w_(weights.begin(), weights.end()), h_(inverse.begin(), inverse.end()), index_(n), place_(n) {
    for (size_t i = 0; i < n; ++i) index_[i] = place_[i] = static_cast<int>(i);
  }

  // Places below this hold the weights that are left.
  size_t left() const { return left_; }
  int at(size_t place) const { return index_[place]; }
  size_t place_of(int weight) const { return static_cast<size_t>(place_[static_cast<size_t>(weight)]); }
  double weight(size_t row, size_t place) const { return w_[row * n_ + place]; }
  double inverse(size_t a, size_t b) const { return h_[a * n_ + b]; }

  void remove(size_t place) {
    // The last place takes the removed one's, so that what is left stays together.
    const size_t last = left_ - 1, rows = w_.size() / n_;
    std::swap(index_[place], index_[last]);
    for (const size_t moved : {place, last}) place_[static_cast<size_t>(index_[moved])] = static_cast<int>(moved);
    for (size_t r = 0; r < rows; ++r) std::swap(w_[r * n_ + place], w_[r * n_ + last]);
    for (size_t i = 0; i < left_; ++i) std::swap(h_[place * n_ + i], h_[last * n_ + i]);
    for (size_t i = 0; i < left_; ++i) std::swap(h_[i * n_ + place], h_[i * n_ + last]);
    const double pivot = h_[last * n_ + last];
    const double* removed = &h_[last * n_];
    for (size_t r = 0; r < rows; ++r) {
      double* w = &w_[r * n_];
      const double move = w[last] / pivot;
      for (size_t i = 0; i < last; ++i) w[i] -= removed[i] * move;
    }
    for (size_t i = 0; i < last; ++i) {
      const double factor = removed[i] / pivot;
      double* row = &h_[i * n_];
      for (size_t j = 0; j < last; ++j) row[j] -= factor * removed[j];
    }
    --left_;
  }

 private:
  size_t n_, left_;
  std::vector<double> w_, h_;
  std::vector<int> index_, place_;  // which weight stands at a place, and the place of a weight
};

// What all rows lose with some columns: the sum of w_B' (H^-1_BB)^-1 w_B.
double block_loss(const Elimination& state, std::span<const int> columns, size_t rows, std::vector<double>& scratch) {
  const size_t n = columns.size();
  scratch.resize(n * n + n);
  const std::span<double> matrix = std::span(scratch).first(n * n), part = std::span(scratch).subspan(n * n);
  for (size_t a = 0; a < n; ++a) {
    for (size_t b = 0; b < n; ++b) {
      matrix[a * n + b] = state.inverse(state.place_of(columns[a]), state.place_of(columns[b]));
    }
  }
  reconstruct::factor(matrix, n);
  double loss = 0;
  for (size_t r = 0; r < rows; ++r) {
    for (size_t a = 0; a < n; ++a) {
      double value = state.weight(r, state.place_of(columns[a]));
      for (size_t b = 0; b < a; ++b) value -= matrix[a * n + b] * part[b];
      part[a] = value / matrix[a * n + a];
      loss += part[a] * part[a];
    }
  }
  return loss;
}

}  // namespace

RemovalTrace trace_removals(std::span<const double> weights, std::span<const double> inverse, int steps,
                            std::span<const int> groups, int most_of_group, std::span<const int> first) {
  Elimination state(weights, inverse, weights.size());
  std::vector<int> gone(groups.empty() ? 0 : static_cast<size_t>(*std::max_element(groups.begin(), groups.end())) + 1);
  const auto group_of = [&](size_t place) { return static_cast<size_t>(groups[static_cast<size_t>(state.at(place))]); };
  const auto loss_of = [&](size_t place) {
    return state.weight(0, place) * state.weight(0, place) / state.inverse(place, place);
  };
  RemovalTrace trace;
  const auto remove = [&](size_t place) {
    if (!groups.empty()) ++gone[group_of(place)];
    trace.order.push_back(state.at(place));
    trace.added.push_back(std::max(0.0, loss_of(place)));
    state.remove(place);
  };
  for (const int weight : first) remove(state.place_of(weight));
  while (static_cast<int>(trace.order.size()) < steps && state.left() > 0 && !interrupted()) {
    size_t best = state.left();
    double least = INFINITY;
    for (size_t i = 0; i < state.left(); ++i) {
      if (!groups.empty() && gone[group_of(i)] >= most_of_group) continue;
      const double loss = loss_of(i);
      if (loss < least) {
        least = loss;
        best = i;
      }
    }
    if (best == state.left()) break;
    remove(best);
  }
  return trace;
}

RemovalTrace trace_blocks(std::span<const double> weights, std::span<const double> inverse,
                          std::span<const int> columns, size_t block_columns) {
  size_t n = 0;
  while (n * n < inverse.size()) ++n;
  Elimination state(weights, inverse, n);
  const size_t rows = weights.size() / n;
  std::vector<int> blocks(columns.size() / block_columns);
  for (size_t b = 0; b < blocks.size(); ++b) blocks[b] = static_cast<int>(b);
  const auto columns_of = [&](int block) {
    return columns.subspan(static_cast<size_t>(block) * block_columns, block_columns);
  };
  RemovalTrace trace;
  std::vector<double> scratch;
  while (!blocks.empty() && !interrupted()) {
    size_t best = 0;
    double least = INFINITY;
    for (size_t b = 0; b < blocks.size(); ++b) {
      const double loss = block_loss(state, columns_of(blocks[b]), rows, scratch);
      if (loss < least) {
        least = loss;
        best = b;
      }
    }
    trace.order.push_back(blocks[best]);
    trace.added.push_back(std::max(0.0, least));
    for (const int column : columns_of(blocks[best])) state.remove(state.place_of(column));
    blocks.erase(blocks.begin() + static_cast<int64_t>(best));
  }
  return trace;
}

namespace {

// An exchange must lower the error by this share of what the row gives, or it may go on for ever.
constexpr double kSmallestGain = 1e-9;

// The refitted weights v of those kept, K, and G = H_KK^-1. Slots hold the kept in any order; the last is for one more.
class Exchange {
 public:
  Exchange(std::span<const double> weights, std::span<const double> moments, const std::vector<bool>& kept)
      : h_(moments), n_(weights.size()), wanted_(n_, 0.0) {
    for (size_t i = 0; i < n_; ++i) {
      for (size_t j = 0; j < n_; ++j) wanted_[i] += h_[i * n_ + j] * weights[j];
      power_ += weights[i] * wanted_[i];
      if (kept[i]) at_.push_back(i);
    }
    m_ = at_.size();
    std::vector<double> matrix(m_ * m_);
    for (size_t a = 0; a < m_; ++a) {
      for (size_t b = 0; b < m_; ++b) matrix[a * m_ + b] = h_[at_[a] * n_ + at_[b]];
    }
    const std::vector<double> inverse = reconstruct::inverse(std::move(matrix), m_);
    stride_ = m_ + 1;
    g_.assign(stride_ * stride_, 0.0);
    v_.assign(stride_, 0.0);
    u_.assign(stride_, 0.0);
    at_.push_back(0);
    for (size_t a = 0; a < m_; ++a) {
      for (size_t b = 0; b < m_; ++b) {
        g_[a * stride_ + b] = inverse[a * m_ + b];
        v_[a] += inverse[a * m_ + b] * wanted_[at_[b]];
      }
    }
  }

  // Takes `weight` in for the kept one of its group that costs least, where that gains. Returns which went, or itself.
  size_t try_one(size_t weight, std::span<const int> groups) {
    const double* row = &h_[weight * n_];
    double residual = wanted_[weight], pivot = row[weight];
    for (size_t b = 0; b < m_; ++b) column_[b] = row[at_[b]];
    std::fill_n(u_.begin(), m_, 0.0);
    for (size_t b = 0; b < m_; ++b) {  // by rows of the symmetric G: that vectorizes in a fixed order
      const double* g = &g_[b * stride_];
      const double factor = column_[b];
      for (size_t a = 0; a < m_; ++a) u_[a] += factor * g[a];
    }
    for (size_t a = 0; a < m_; ++a) {
      residual -= column_[a] * v_[a];
      pivot -= column_[a] * u_[a];
    }
    if (!(pivot > 0)) return weight;
    const double gain = residual * residual / pivot;
    size_t worst = m_;
    double least = gain - kSmallestGain * power_;
    for (size_t a = 0; a < m_; ++a) {
      if (groups[at_[a]] != groups[weight]) continue;
      const double left = v_[a] - u_[a] * residual / pivot;
      const double cost = left * left / (g_[a * stride_ + a] + u_[a] * u_[a] / pivot);
      if (cost < least) {
        least = cost;
        worst = a;
      }
    }
    if (worst == m_) return weight;
    const size_t gone = at_[worst];
    put_in(weight, residual, pivot);
    take_out(worst);
    return gone;
  }

 private:
  void put_in(size_t weight, double residual, double pivot) {
    for (size_t a = 0; a < m_; ++a) {
      double* g = &g_[a * stride_];
      const double factor = u_[a] / pivot;
      for (size_t b = 0; b < m_; ++b) g[b] += factor * u_[b];
      g[m_] = g_[m_ * stride_ + a] = -factor;
      v_[a] -= factor * residual;
    }
    g_[m_ * stride_ + m_] = 1 / pivot;
    v_[m_] = residual / pivot;
    at_[m_] = weight;
  }

  // The last slot's takes the place.
  void take_out(size_t slot) {
    std::copy_n(&g_[slot * stride_], stride_, u_.begin());
    const double pivot = u_[slot], value = v_[slot];
    for (size_t a = 0; a <= m_; ++a) {
      double* g = &g_[a * stride_];
      const double factor = u_[a] / pivot;
      for (size_t b = 0; b <= m_; ++b) g[b] -= factor * u_[b];
      v_[a] -= factor * value;
    }
    std::copy_n(&g_[m_ * stride_], stride_, &g_[slot * stride_]);
    for (size_t a = 0; a <= m_; ++a) g_[a * stride_ + slot] = g_[a * stride_ + m_];
    v_[slot] = v_[m_];
    at_[slot] = at_[m_];
  }

  std::span<const double> h_;
  size_t n_, m_ = 0, stride_ = 1;
  double power_ = 0;
  std::vector<double> wanted_;  // H w
  std::vector<size_t> at_;      // which weight stands in a slot
  std::vector<double> g_, v_, u_, column_ = std::vector<double>(n_);
};

}  // namespace

void exchange_removals(std::span<const double> weights, std::span<const double> moments, std::span<const int> groups,
                       int rounds, std::vector<bool>& kept) {
  Exchange state(weights, moments, kept);
  size_t unchanged = 0;  // turns since the last exchange
  const size_t n = weights.size();
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < n && unchanged < n && !interrupted(); ++i, ++unchanged) {
      if (kept[i] || groups[i] < 0) continue;
      const size_t gone = state.try_one(i, groups);
      if (gone == i) continue;
      kept[i] = true;
      kept[gone] = false;
      unchanged = 0;
    }
  }
}

void refit(std::span<double> weights, const std::vector<bool>& kept, size_t first, std::span<const double> moments) {
  const size_t n = weights.size();
  std::vector<size_t> at;
  for (size_t i = 0; i < n; ++i) {
    if (kept[first + i]) at.push_back(i);
  }
  const size_t m = at.size();
  std::vector<double> matrix(m * m), target(m, 0.0);
  for (size_t a = 0; a < m; ++a) {
    const double* row = &moments[at[a] * n];
    for (size_t i = 0; i < n; ++i) target[a] += row[i] * weights[i];
    for (size_t b = 0; b < m; ++b) matrix[a * m + b] = row[at[b]];
  }
  reconstruct::factor(matrix, m);
  reconstruct::solve(matrix, m, target);
  std::fill(weights.begin(), weights.end(), 0.0);
  for (size_t a = 0; a < m; ++a) weights[at[a]] = target[a];
}

}  // namespace edgesmith::passes::prune
