// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/low_bit_rate.h"

#include <algorithm>
#include <cmath>

#include "edgesmith/base/interruptible.h"
#include "edgesmith/ir/short_floats.h"
#include "passes/quantize/low_bit_target.h"
#include "passes/reconstruct/rate.h"

namespace edgesmith::passes::quantize {
namespace {

using reconstruct::CodeRates, reconstruct::RatedGrid;

// Scales that are tried at first: powers of 2^(1/3) around the expected one; then of 2^(1/6) around the best of those.
constexpr int kWide = 4, kNarrow = 2;
constexpr double kWideStep = 1.0 / 3, kNarrowStep = 1.0 / 6;
// Codes reach at least over a third of a row's range, as in candidate_grids.
constexpr double kLeastRange = 1.0 / 3;
// Rounds of descent.
constexpr int kRounds = 8;
// Rows that a thread takes at a time: with their scales as many as a sweep takes side by side.
constexpr int64_t kRowsPerTask = 7;
// Rows of a layer that a forecast looks at.
constexpr int64_t kForecastRows = 64;

struct Range {
  double least = 0, largest = 0;
  bool empty() const { return !(largest > least); }
};

Range range_of(std::span<const double> weights, std::span<const double> zeros) {
  Range range;
  for (size_t k = 0; k < weights.size(); ++k) {
    if (!zeros.empty() && zeros[k] == 0) continue;
    range.least = std::min(range.least, weights[k]);
    range.largest = std::max(range.largest, weights[k]);
  }
  return range;
}

// The smallest scale for a row.
double smallest_scale(const Range& range, int bits) {
  const double half = 1 << (bits - 1);
  return std::max(range.largest / (half - 0.5), -range.least / (half + 0.5)) * kLeastRange;
}

// Entropy coded uniform codes of step s have the error s^2 / 12 and, with h nats of differential entropy, take
// (h - log s) / log 2 bits: a bit less costs log(2) s^2 / 6. Weights whose whole error is worth no bit do not count:
// theirs are zeros.
double expected_scale(double price, std::span<const double> weights, std::span<const double> of_error) {
  double sum = 0, largest = 0;
  size_t count = 0;
  for (size_t k = 0; k < weights.size(); ++k) {
    largest = std::max(largest, of_error[k]);
    if (!(2 * std::log(2.0) * weights[k] * weights[k] * of_error[k] > price)) continue;
    sum += of_error[k];
    ++count;
  }
  const double mean = count > 0 ? sum / static_cast<double>(count) : largest;
  return std::sqrt(6 * price / (std::log(2.0) * mean));
}

std::vector<double> scales_around(double middle, double least, int count, double step) {
  std::vector<double> scales;
  middle = std::max(middle, least * std::exp2(count * step));
  for (int i = -count; i <= count; ++i) {
    scales.push_back(ir::short_float(static_cast<float>(middle * std::exp2(i * step))));
  }
  return scales;
}

std::vector<int> codes_of(std::span<const double> values, double scale) {
  std::vector<int> codes;
  for (const double value : values) codes.push_back(static_cast<int>(std::nearbyint(value / scale)));
  return codes;
}

double bits_of(std::span<const int> codes, const RatedGrid& grid) {
  double bits = 0;
  for (const int code : codes) bits += grid.bits[static_cast<size_t>(code - grid.low)];
  return bits;
}

// The same codes with a scale that a packer spends less on.
void shorten(Grid& grid, std::span<double> values) {
  const float scale = ir::short_float(grid.scale);
  for (double& value : values) value = std::nearbyint(value / grid.scale) * scale;
  grid.scale = scale;
}

// The grid of a row at a scale, its codes being about the nearest ones.
RatedGrid rated_grid(double scale, std::span<const double> weights, std::span<const double> zeros, int bits,
                     double price, const CodeRates& rates) {
  const int half = 1 << (bits - 1);
  std::vector<int> codes = codes_of(weights, scale);
  for (int& code : codes) code = std::clamp(code, -half, half - 1);
  return {scale, -half, rates.bits(reconstruct::mean_magnitude(codes)), price, zeros};
}

// What an error of a weight adds to its row's output error when the weights after it make up for it, [groups][width].
std::vector<double> weights_of_errors(const LayerTarget& target) {
  std::vector<double> out(static_cast<size_t>(target.groups) * target.width, 0.0);
  for (const LayerTarget::Block& block : target.blocks) {
    const auto& factor = block.factor;
    const size_t start = static_cast<size_t>(block.inputs->group) * target.width;
    for (size_t p = 0; p < factor.order.size(); ++p) {
      const double pivot = factor.factor[p * static_cast<size_t>(factor.stride) + p];
      out[start + static_cast<size_t>(block.inputs->first + factor.order[p])] = pivot * pivot;
    }
  }
  return out;
}

class RateRounder {
 public:
  RateRounder(const reconstruct::Layer& layer, const LowBitSettings& settings, double price,
              const reconstruct::Gram& gram, ThreadPool& pool)
      : layer_(layer),
        settings_(settings),
        price_(price),
        gram_(gram),
        pool_(pool),
        target_(layer, &gram, pool),
        rates_(-(1 << (settings.bits - 1)), (1 << (settings.bits - 1)) - 1),
        values_(layer.weights.size(), 0.0),
        scales_(static_cast<size_t>(layer.outputs), 1.0) {}

  RatedCodes run() {
    const std::vector<double> of_error = weights_of_errors(target_);
    round_all([&](int64_t m, double least) {
      const auto own =
          std::span(of_error).subspan(static_cast<size_t>(m / target_.rows_per_group) * target_.width, target_.width);
      return scales_around(expected_scale(price_, wanted(m), own), least, kWide, kWideStep);
    });
    learn();
    round_all([&](int64_t m, double least) {
      return scales_around(scales_[static_cast<size_t>(m)], least, kNarrow, kNarrowStep);
    });
    learn();
    interruptible_for(pool_, layer_.outputs, [&](int64_t m, int) { refine(m); });
    learn();
    return result();
  }

 private:
  std::span<double> values(int64_t m) { return target_.row(values_, m); }
  std::span<const double> wanted(int64_t m) const { return target_.row(target_.wanted, m); }

  // Counts all codes anew.
  void learn() {
    rates_ = CodeRates(-(1 << (settings_.bits - 1)), (1 << (settings_.bits - 1)) - 1);
    for (int64_t m = 0; m < layer_.outputs; ++m) rates_.learn(codes_of(values(m), scales_[static_cast<size_t>(m)]));
  }

  template <typename Scales>
  void round_all(const Scales& scales) {
    const int64_t per_group = target_.rows_per_group, tasks = (per_group + kRowsPerTask - 1) / kRowsPerTask;
    interruptible_for(pool_, target_.groups * tasks, [&](int64_t task, int) {
      const int64_t group = task / tasks, first = task % tasks * kRowsPerTask;
      const int64_t count = std::min(kRowsPerTask, per_group - first);
      round_rows(group, group * per_group + first, count, scales);
    });
  }

  template <typename Scales>
  void round_rows(int64_t group, int64_t first, int64_t count, const Scales& scales) {
    reconstruct::RatedGrids grids;
    std::vector<int64_t> row_of;  // by candidate
    for (int64_t m = first; m < first + count; ++m) {
      const auto zeros = target_.zeros_of(layer_, m);
      const Range range = range_of(wanted(m), zeros);
      if (range.empty()) continue;
      for (const double scale : scales(m, smallest_scale(range, settings_.bits))) {
        grids.rows.push_back(rated_grid(scale, wanted(m), zeros, settings_.bits, price_, rates_));
        row_of.push_back(m);
      }
    }
    const size_t width = target_.width;
    std::vector<double> tried(row_of.size() * width), costs(row_of.size(), 0.0);
    for (const LayerTarget::Block& block : target_.blocks) {
      if (block.inputs->group != group) continue;
      const auto start = static_cast<size_t>(block.inputs->first), n = static_cast<size_t>(block.inputs->width);
      std::vector<reconstruct::Row> rows;
      for (size_t c = 0; c < row_of.size(); ++c) {
        rows.push_back({wanted(row_of[c]).subspan(start, n), std::span(tried).subspan(c * width + start, n)});
      }
      grids.start_block(block.factor, block.inputs->first);
      const std::vector<double> added = reconstruct::sweep(rows, block.factor, grids);
      for (size_t c = 0; c < row_of.size(); ++c) costs[c] += added[c];
    }
    for (size_t c = 0; c < row_of.size(); ++c) {
      const auto own = std::span(tried).subspan(c * width, width);
      costs[c] += price_ * bits_of(codes_of(own, grids.rows[c].scale), grids.rows[c]);
    }
    for (size_t c = 0; c < row_of.size();) {
      size_t best = c, next = c;
      for (; next < row_of.size() && row_of[next] == row_of[c]; ++next) {
        if (costs[next] < costs[best]) best = next;
      }
      const auto chosen = std::span(tried).subspan(best * width, width);
      std::copy(chosen.begin(), chosen.end(), values(row_of[c]).begin());
      scales_[static_cast<size_t>(row_of[c])] = grids.rows[best].scale;
      c = next;
    }
  }

  // Descent on the codes and least squares on the scale, in turns.
  void refine(int64_t m) {
    const int64_t group = m / target_.rows_per_group;
    const auto zeros = target_.zeros_of(layer_, m);
    Grid grid{.scale = static_cast<float>(scales_[static_cast<size_t>(m)])};
    for (int round = 0; round < kRounds; ++round) {
      const RatedGrid rated = {grid.scale, -(1 << (settings_.bits - 1)),
                               rates_.bits(reconstruct::mean_magnitude(codes_of(values(m), grid.scale))), price_,
                               zeros};
      bool changed = false;
      for (const LayerTarget::Block& block : target_.blocks) {
        if (block.inputs->group != group) continue;
        const auto start = static_cast<size_t>(block.inputs->first), n = static_cast<size_t>(block.inputs->width);
        const reconstruct::Row part = {wanted(m).subspan(start, n), values(m).subspan(start, n)};
        changed = reconstruct::descend_rated(part, block.moments, rated, block.inputs->first) || changed;
      }
      if (!changed && round > 0) break;
      fit_scale(target_, group, wanted(m), grid, values(m));
      shorten(grid, values(m));
    }
    scales_[static_cast<size_t>(m)] = grid.scale;
  }

  RatedCodes result() {
    RatedCodes out;
    std::vector<std::vector<Grid>> grids;
    double signal = 0;
    const int half = 1 << (settings_.bits - 1);
    for (int64_t m = 0; m < layer_.outputs; ++m) {
      const double scale = scales_[static_cast<size_t>(m)];
      grids.push_back({{static_cast<float>(scale), 0, -half, half - 1}});
      const std::vector<int> codes = codes_of(values(m), scale);
      out.bits += bits_of(codes, {scale, -half, rates_.bits(reconstruct::mean_magnitude(codes)), price_, {}});
      const OutputPower power = output_power(target_, m / target_.rows_per_group, wanted(m), values(m));
      signal += power.signal;
      out.codes.error += power.noise;
      out.errors.push_back(power.noise);
    }
    out.codes.weight = stored_codes(layer_, settings_, Segments(layer_, 0), grids, values_);
    if (target_.centred) out.codes.bias_change = gram_.bias_change(layer_.weights, values_);
    out.codes.sqnr_db = out.codes.error > 0 && signal > 0 ? 10 * std::log10(signal / out.codes.error) : INFINITY;
    return out;
  }

  const reconstruct::Layer& layer_;
  const LowBitSettings& settings_;
  const double price_;
  const reconstruct::Gram& gram_;
  ThreadPool& pool_;
  LayerTarget target_;
  CodeRates rates_;
  std::vector<double> values_;  // [outputs][width]
  std::vector<double> scales_;  // by output
};

}  // namespace

RatedCodes rate_aware_weight(const reconstruct::Layer& layer, const LowBitSettings& settings, double price,
                             const reconstruct::Gram& gram, ThreadPool& pool) {
  return RateRounder(layer, settings, price, gram, pool).run();
}

RateForecast::RateForecast(const reconstruct::Layer& layer, const LowBitSettings& settings,
                           const reconstruct::Gram& gram, ThreadPool& pool)
    : bits_(settings.bits), outputs_(layer.outputs) {
  const LayerTarget target(layer, &gram, pool);
  rows_per_group_ = target.rows_per_group;
  width_ = target.width;
  of_error_ = weights_of_errors(target);
  const int64_t count = std::min(outputs_, kForecastRows);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t m = i * outputs_ / count;
    rows_.push_back(m);
    const auto own = target.row(target.wanted, m);
    weights_.insert(weights_.end(), own.begin(), own.end());
    const auto zeros = target.zeros_of(layer, m);
    zeros_.insert(zeros_.end(), zeros.begin(), zeros.end());
  }
}

double RateForecast::bits(double price, ThreadPool& pool) const {
  CodeRates rates(-(1 << (bits_ - 1)), (1 << (bits_ - 1)) - 1);
  std::vector<std::vector<int>> codes(rows_.size(), std::vector<int>(width_, 0));
  pool.parallel_for(static_cast<int64_t>(rows_.size()), [&](int64_t index, int) {
    const auto r = static_cast<size_t>(index);
    const auto weights = std::span(weights_).subspan(r * width_, width_);
    const auto zeros = zeros_.empty() ? std::span<const double>() : std::span(zeros_).subspan(r * width_, width_);
    const auto of_error =
        std::span(of_error_).subspan(static_cast<size_t>(rows_[r] / rows_per_group_) * width_, width_);
    const Range range = range_of(weights, zeros);
    if (range.empty()) return;
    double least = INFINITY;
    std::vector<int> tried(width_);
    for (const double scale :
         scales_around(expected_scale(price, weights, of_error), smallest_scale(range, bits_), kWide, kWideStep)) {
      const RatedGrid grid = rated_grid(scale, weights, zeros, bits_, price, rates);
      double cost = 0;
      for (size_t k = 0; k < width_; ++k) {
        tried[k] = !zeros.empty() && zeros[k] == 0 ? 0 : grid.choose(weights[k], of_error[k]);
        const double off = weights[k] - scale * tried[k];
        cost += off * off * of_error[k];
      }
      cost += price * bits_of(tried, grid);
      if (!(cost < least)) continue;
      least = cost;
      codes[r] = tried;
    }
  });
  for (const auto& row : codes) rates.learn(row);
  double bits = 0;
  for (const auto& row : codes) {
    const std::vector<double> table = rates.bits(reconstruct::mean_magnitude(row));
    for (const int code : row) bits += table[static_cast<size_t>(code + (1 << (bits_ - 1)))];
  }
  return bits * static_cast<double>(outputs_) / static_cast<double>(std::max<size_t>(1, rows_.size()));
}

}  // namespace edgesmith::passes::quantize
