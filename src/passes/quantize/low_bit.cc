// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/low_bit.h"

#include <algorithm>
#include <cmath>

#include "edgesmith/base/progress.h"
#include "edgesmith/ops/op_info.h"
#include "passes/quantize/assignment.h"
#include "passes/quantize/low_bit_target.h"
#include "passes/quantize/node_form.h"

namespace edgesmith::passes::quantize {
namespace {

// Scales that are tried: each by so much finer than the one before. For an estimate few do.
constexpr int kScales = 24, kQuickScales = 6;
constexpr double kFiner = 0.95, kQuicklyFiner = 0.8;
// Rounds of descent; most rows settle earlier.
constexpr int kRounds = 8;
// Rows that a thread takes at a time.
constexpr int64_t kRowsPerTask = 8;

using reconstruct::Layer;

// The grids of some rows.
class Grids : public reconstruct::Projection {
 public:
  Grids(const Segments& segments, size_t width) : segments_(segments), width_(width) {}
  // `zeros`: by weight, those that must stay zero; may be empty.
  void add(std::vector<Grid> grids, std::span<const double> zeros) {
    grids_.push_back(std::move(grids));
    zeros_.push_back(zeros);
  }
  // Columns are those of a block that starts here.
  void start_at(int first) { first_ = first; }

  double project(int row, int column, double value) override {
    const auto r = static_cast<size_t>(row), k = static_cast<size_t>(first_ + column);
    if (!zeros_[r].empty() && zeros_[r][k] == 0) return 0;
    return of(r, k).nearest(value);
  }
  std::vector<Grid>& of(size_t row) { return grids_[row]; }
  Grid& of(size_t row, size_t column) { return grids_[row][static_cast<size_t>(segments_.of[column])]; }

 private:
  const Segments& segments_;
  size_t width_;
  int first_ = 0;
  std::vector<std::vector<Grid>> grids_;        // by row: one a segment
  std::vector<std::span<const double>> zeros_;  // by row
};

class Rounder {
 public:
  Rounder(const Layer& layer, const LowBitSettings& settings, const reconstruct::Gram* gram, ThreadPool& pool)
      : layer_(layer),
        settings_(settings),
        gram_(gram),
        pool_(pool),
        segments_(layer, settings.block_size),
        target_(layer, gram, pool),
        values_(layer.weights.size(), 0.0),
        grids_(static_cast<size_t>(layer.outputs)),
        power_(static_cast<size_t>(layer.outputs)) {}

  LowBitCodes run() {
    const int64_t per_group = target_.rows_per_group;
    const int64_t tasks = (per_group + kRowsPerTask - 1) / kRowsPerTask;
    pool_.parallel_for(target_.groups * tasks, [&](int64_t task, int) {
      const int64_t group = task / tasks, first = task % tasks * kRowsPerTask;
      const int64_t row = group * per_group + first, count = std::min(kRowsPerTask, per_group - first);
      interrupted() ? leave_rows(row, count) : round_rows(group, row, count);
    });
    return result();
  }

 private:
  size_t width() const { return target_.width; }

  // The weight of an error of column k of a group, and 1 without data.
  std::vector<double> importance(int64_t group) const {
    std::vector<double> out(width(), 1.0);
    for (const LayerTarget::Block& own : target_.blocks) {
      if (own.inputs->group != group) continue;
      const auto n = static_cast<size_t>(own.inputs->width);
      for (size_t i = 0; i < n; ++i) out[static_cast<size_t>(own.inputs->first) + i] = own.moments[i * (n + 1)];
    }
    return out;
  }

  // The grids that may be best for the weights of a segment of row m.
  std::vector<Grid> candidates(int64_t m, int segment) {
    double least = 0, largest = 0;
    const auto weights = target_.row(target_.wanted, m);
    for (size_t k = 0; k < width(); ++k) {
      if (segments_.of[k] != segment || (target_.masked && layer_.weights[static_cast<size_t>(m) * width() + k] == 0))
        continue;
      least = std::min(least, weights[k]);
      largest = std::max(largest, weights[k]);
    }
    return candidate_grids(least, largest, settings_);
  }

  // For every segment the grid with the least error of its nearest codes.
  std::vector<Grid> nearest_grids(int64_t m, const std::vector<double>& weight_of_error) {
    std::vector<std::vector<Grid>> choices;
    for (int segment = 0; segment < segments_.count; ++segment) choices.push_back(candidates(m, segment));
    std::vector<std::vector<double>> errors;
    for (const auto& grids : choices) errors.emplace_back(grids.size(), 0.0);
    const auto weights = target_.row(target_.wanted, m);
    const auto zeros = target_.zeros_of(layer_, m);
    for (size_t k = 0; k < width(); ++k) {
      if (!zeros.empty() && zeros[k] == 0) continue;
      const auto segment = static_cast<size_t>(segments_.of[k]);
      for (size_t c = 0; c < choices[segment].size(); ++c) {
        const double error = weights[k] - choices[segment][c].nearest(weights[k]);
        errors[segment][c] += error * error * weight_of_error[k];
      }
    }
    std::vector<Grid> best;
    for (size_t s = 0; s < choices.size(); ++s) {
      best.push_back(
          choices[s][static_cast<size_t>(std::min_element(errors[s].begin(), errors[s].end()) - errors[s].begin())]);
    }
    return best;
  }

  // Codes that nobody will see, but that are some.
  void leave_rows(int64_t first, int64_t count) {
    for (int64_t m = first; m < first + count; ++m) {
      grids_[static_cast<size_t>(m)].assign(static_cast<size_t>(segments_.count), candidate_grids(0, 0, settings_)[0]);
    }
  }

  void round_rows(int64_t group, int64_t first, int64_t count) {
    const std::vector<double> weight_of_error = importance(group);
    Grids grids(segments_, width());
    std::vector<int64_t> row_of;  // by candidate
    for (int64_t m = first; m < first + count; ++m) {
      if (gram_ == nullptr || segments_.count > 1) {
        grids.add(nearest_grids(m, weight_of_error), target_.zeros_of(layer_, m));
        row_of.push_back(m);
        continue;
      }
      for (const Grid& grid : candidates(m, 0)) {
        grids.add({grid}, target_.zeros_of(layer_, m));
        row_of.push_back(m);
      }
    }
    std::vector<double> values(row_of.size() * width()), errors(row_of.size(), 0.0);
    if (gram_ == nullptr) {
      for (size_t c = 0; c < row_of.size(); ++c) {
        const auto weights = target_.row(target_.wanted, row_of[c]);
        for (size_t k = 0; k < width(); ++k) {
          values[c * width() + k] = grids.project(static_cast<int>(c), static_cast<int>(k), weights[k]);
        }
      }
    } else {
      sweep_candidates(group, row_of, grids, values, errors);
    }
    for (size_t c = 0; c < row_of.size();) {
      size_t best = c, next = c;
      for (; next < row_of.size() && row_of[next] == row_of[c]; ++next) {
        if (errors[next] < errors[best]) best = next;
      }
      const auto chosen = std::span(values).subspan(best * width(), width());
      if (gram_ != nullptr && !settings_.quick) refine(group, row_of[c], best, grids, chosen);
      grids_[static_cast<size_t>(row_of[c])] = grids.of(best);
      std::copy(chosen.begin(), chosen.end(), target_.row(values_, row_of[c]).begin());
      power_[static_cast<size_t>(row_of[c])] =
          output_power(target_, group, target_.row(target_.wanted, row_of[c]), chosen);
      c = next;
    }
  }

  void sweep_candidates(int64_t group, const std::vector<int64_t>& row_of, Grids& grids, std::vector<double>& values,
                        std::vector<double>& errors) {
    for (const LayerTarget::Block& own : target_.blocks) {
      if (own.inputs->group != group) continue;
      const auto start = static_cast<size_t>(own.inputs->first), n = static_cast<size_t>(own.inputs->width);
      std::vector<reconstruct::Row> rows;
      for (size_t c = 0; c < row_of.size(); ++c) {
        rows.push_back({target_.row(target_.wanted, row_of[c]).subspan(start, n),
                        std::span(values).subspan(c * width() + start, n)});
      }
      grids.start_at(own.inputs->first);
      const std::vector<double> added = reconstruct::sweep(rows, own.factor, grids);
      for (size_t c = 0; c < row_of.size(); ++c) errors[c] += added[c];
    }
  }

  // Descent on the codes and least squares on the scales, in turns, until neither helps.
  void refine(int64_t group, int64_t m, size_t candidate, Grids& grids, std::span<double> values) {
    const auto wanted = target_.row(target_.wanted, m);
    for (int round = 0; round < kRounds && !interrupted(); ++round) {
      bool changed = false;
      for (const LayerTarget::Block& own : target_.blocks) {
        if (own.inputs->group != group) continue;
        const auto start = static_cast<size_t>(own.inputs->first), n = static_cast<size_t>(own.inputs->width);
        grids.start_at(own.inputs->first);
        const reconstruct::Row part = {wanted.subspan(start, n), values.subspan(start, n)};
        changed = reconstruct::descend(part, own.moments, grids, static_cast<int>(candidate)) || changed;
      }
      if (!changed && round > 0) return;
      if (segments_.count == 1) fit_scale(target_, group, wanted, grids.of(candidate)[0], values);
    }
  }

  LowBitCodes result() const {
    LowBitCodes out;
    out.weight = stored_codes(layer_, settings_, segments_, grids_, values_);
    if (target_.centred) out.bias_change = gram_->bias_change(layer_.weights, values_);
    double signal = 0;
    for (const OutputPower& row : power_) {
      signal += row.signal;
      out.error += row.noise;
    }
    out.sqnr_db = out.error > 0 && signal > 0 ? 10 * std::log10(signal / out.error) : INFINITY;
    return out;
  }

  const Layer& layer_;
  const LowBitSettings& settings_;
  const reconstruct::Gram* gram_;
  ThreadPool& pool_;
  Segments segments_;
  LayerTarget target_;
  std::vector<double> values_;            // [outputs][width]
  std::vector<std::vector<Grid>> grids_;  // by output: one a segment
  std::vector<OutputPower> power_;        // by output
};

}  // namespace

double Grid::nearest(double real) const {
  const double code =
      std::clamp(std::nearbyint(real / scale) + zero, static_cast<double>(low), static_cast<double>(high));
  return (code - zero) * scale;
}

std::vector<Grid> candidate_grids(double least, double largest, const LowBitSettings& settings) {
  const int32_t levels = 1 << settings.bits, half = levels / 2;
  std::vector<Grid> grids;
  const auto add = [&](double scale, int32_t zero, int32_t low, int32_t high) {
    grids.push_back({static_cast<float>(std::max(scale, kSmallestScale)), zero, low, high});
  };
  if (!(largest > least))
    return {
        {1, settings.symmetric ? 0 : half, settings.symmetric ? -half : 0, settings.symmetric ? half - 1 : levels - 1}};
  double share = 1;
  const int scales = settings.quick ? kQuickScales : kScales;
  for (int i = 0; i < scales; ++i, share *= settings.quick ? kQuicklyFiner : kFiner) {
    if (!settings.symmetric) {
      const double scale = (largest - least) * share / (levels - 1);
      const auto zero = static_cast<int32_t>(std::clamp(std::nearbyint(-least * share / scale), 0.0, levels - 1.0));
      for (int32_t z = zero; settings.bits < 4 ? z >= std::max(0, zero - 1) : z == zero; --z) {
        add(scale, z, 0, levels - 1);
      }
      continue;
    }
    add(std::max(largest / (half - 0.5), -least / (half + 0.5)) * share, 0, -half, half - 1);
    // A type of just as many bits holds the codes of the first form only.
    if (settings.bits != 4 && settings.bits != 8) {
      add(std::max(largest / (half + 0.5), -least / (half - 0.5)) * share, 0, 1 - half, half);
    }
  }
  return grids;
}

bool takes_blocks(const Layer& layer, int64_t block_size) {
  return layer.group_size % block_size == 0 && has_rows(*layer.node);
}

LowBitCodes low_bit_weight(const Layer& layer, const LowBitSettings& settings, const reconstruct::Gram* gram,
                           ThreadPool& pool) {
  return Rounder(layer, settings, gram, pool).run();
}

void put_codes(ir::Graph& graph, const Layer& layer, const LowBitCodes& codes) {
  if (!codes.bias_change.empty()) reconstruct::change_bias(graph, layer, codes.bias_change);
  set_constant(graph, *layer.node, ops::quant_facts(*layer.node).weight_operand, codes.weight);
}

}  // namespace edgesmith::passes::quantize
