// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/low_bit.h"

#include <algorithm>
#include <cmath>

#include "passes/quantize/node_form.h"
#include "passes/reconstruct/moments.h"
#include "passes/reconstruct/sweep.h"

namespace edgesmith::passes::quantize {
namespace {

// Share of the mean square of the inputs that is added to each: as in GPTQ.
constexpr double kDamping = 0.01;
// Scales that are tried: each by so much finer than the one before.
constexpr int kScales = 24;
constexpr double kFiner = 0.95;
// Below this a channel counts as zero.
constexpr double kSmallestScale = 1e-20;
// Rounds of descent; most rows settle earlier.
constexpr int kRounds = 8;
// Rows that a thread takes at a time.
constexpr int64_t kRowsPerTask = 8;

using reconstruct::Layer;

// Which scale of its row a weight has.
struct Segments {
  int64_t count = 1;
  std::vector<int> of;  // by column

  Segments(const Layer& layer, int64_t block_size) : of(static_cast<size_t>(layer.width), 0) {
    if (block_size <= 0) return;
    count = layer.group_size / block_size * layer.group_step;
    for (int64_t k = 0; k < layer.width; ++k) {
      const int64_t channel = k / layer.group_step, tap = k % layer.group_step;
      of[static_cast<size_t>(k)] = static_cast<int>(channel / block_size * layer.group_step + tap);
    }
  }
};

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

struct BlockMoments {
  const reconstruct::Gram::Block* block = nullptr;
  std::vector<double> moments;  // damped
  reconstruct::MomentFactor factor;
};

class Rounder {
 public:
  Rounder(const Layer& layer, const LowBitSettings& settings, const reconstruct::Gram* gram, ThreadPool& pool)
      : layer_(layer),
        settings_(settings),
        gram_(gram),
        pool_(pool),
        segments_(layer, settings.block_size),
        wanted_(layer.weights),
        values_(layer.weights.size(), 0.0),
        grids_(static_cast<size_t>(layer.outputs)),
        signal_(static_cast<size_t>(layer.outputs), 0.0),
        noise_(static_cast<size_t>(layer.outputs), 0.0) {
    masked_ = std::find(layer.weights.begin(), layer.weights.end(), 0.0) != layer.weights.end();
    centred_ = gram != nullptr && reconstruct::has_bias_operand(layer);
  }

  LowBitCodes run() {
    prepare();
    const int64_t groups = gram_ == nullptr ? 1 : gram_->inputs().groups(), per_group = layer_.outputs / groups;
    const int64_t tasks = (per_group + kRowsPerTask - 1) / kRowsPerTask;
    pool_.parallel_for(groups * tasks, [&](int64_t task, int) {
      const int64_t group = task / tasks, first = task % tasks * kRowsPerTask;
      round_rows(group, group * per_group + first, std::min(kRowsPerTask, per_group - first));
    });
    return result();
  }

 private:
  size_t width() const { return static_cast<size_t>(layer_.width); }
  std::span<double> row(std::vector<double>& of, int64_t m) const {
    return std::span(of).subspan(static_cast<size_t>(m) * width(), width());
  }

  // Moments by block, and the weights that aim at the float model's output.
  void prepare() {
    if (gram_ == nullptr) return;
    const auto& blocks = gram_->inputs().blocks();
    const int64_t per_group = layer_.outputs / gram_->inputs().groups();
    blocks_.resize(blocks.size());
    pool_.parallel_for(static_cast<int64_t>(blocks.size()), [&](int64_t index, int) {
      const auto b = static_cast<size_t>(index);
      const auto n = static_cast<size_t>(blocks[b].width);
      BlockMoments& own = blocks_[b];
      own.block = &blocks[b];
      own.moments = gram_->moments(blocks[b], centred_);
      own.factor = reconstruct::factor_moments(own.moments, blocks[b].width, kDamping);
      reconstruct::damp(own.moments, n, kDamping);
      if (!gram_->differs()) return;
      const reconstruct::Aim aim(*gram_, b, centred_, own.moments);
      for (int64_t m = 0; m < per_group; ++m) {
        const auto whole = row(wanted_, blocks[b].group * per_group + m);
        aim.shift(m, whole.subspan(static_cast<size_t>(blocks[b].first), n));
      }
    });
  }

  // The weight of an error of column k of a group, and 1 without data.
  std::vector<double> importance(int64_t group) const {
    std::vector<double> out(width(), 1.0);
    for (const BlockMoments& own : blocks_) {
      if (own.block->group != group) continue;
      const auto n = static_cast<size_t>(own.block->width);
      for (size_t i = 0; i < n; ++i) out[static_cast<size_t>(own.block->first) + i] = own.moments[i * (n + 1)];
    }
    return out;
  }

  // The grids that may be best for the weights of a segment of row m.
  std::vector<Grid> candidates(int64_t m, int segment) {
    double least = 0, largest = 0;
    const auto weights = row(wanted_, m);
    for (size_t k = 0; k < width(); ++k) {
      if (segments_.of[k] != segment || (masked_ && layer_.weights[static_cast<size_t>(m) * width() + k] == 0))
        continue;
      least = std::min(least, weights[k]);
      largest = std::max(largest, weights[k]);
    }
    return candidate_grids(least, largest, settings_);
  }

  std::span<const double> zeros_of(int64_t m) const {
    if (!masked_) return {};
    return std::span(layer_.weights).subspan(static_cast<size_t>(m) * width(), width());
  }

  // For every segment the grid with the least error of its nearest codes.
  std::vector<Grid> nearest_grids(int64_t m, const std::vector<double>& weight_of_error) {
    std::vector<std::vector<Grid>> choices;
    for (int segment = 0; segment < segments_.count; ++segment) choices.push_back(candidates(m, segment));
    std::vector<std::vector<double>> errors;
    for (const auto& grids : choices) errors.emplace_back(grids.size(), 0.0);
    const auto weights = row(wanted_, m);
    const auto zeros = zeros_of(m);
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

  void round_rows(int64_t group, int64_t first, int64_t count) {
    const std::vector<double> weight_of_error = importance(group);
    Grids grids(segments_, width());
    std::vector<int64_t> row_of;  // by candidate
    for (int64_t m = first; m < first + count; ++m) {
      if (gram_ == nullptr || segments_.count > 1) {
        grids.add(nearest_grids(m, weight_of_error), zeros_of(m));
        row_of.push_back(m);
        continue;
      }
      for (const Grid& grid : candidates(m, 0)) {
        grids.add({grid}, zeros_of(m));
        row_of.push_back(m);
      }
    }
    std::vector<double> values(row_of.size() * width()), errors(row_of.size(), 0.0);
    if (gram_ == nullptr) {
      for (size_t c = 0; c < row_of.size(); ++c) {
        const auto weights = row(wanted_, row_of[c]);
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
      if (gram_ != nullptr) refine(group, row_of[c], best, grids, chosen);
      grids_[static_cast<size_t>(row_of[c])] = grids.of(best);
      std::copy(chosen.begin(), chosen.end(), row(values_, row_of[c]).begin());
      measure(group, row_of[c]);
      c = next;
    }
  }

  void sweep_candidates(int64_t group, const std::vector<int64_t>& row_of, Grids& grids, std::vector<double>& values,
                        std::vector<double>& errors) {
    for (const BlockMoments& own : blocks_) {
      if (own.block->group != group) continue;
      const auto start = static_cast<size_t>(own.block->first), n = static_cast<size_t>(own.block->width);
      std::vector<reconstruct::Row> rows;
      for (size_t c = 0; c < row_of.size(); ++c) {
        rows.push_back({row(wanted_, row_of[c]).subspan(start, n), std::span(values).subspan(c * width() + start, n)});
      }
      grids.start_at(own.block->first);
      const std::vector<double> added = reconstruct::sweep(rows, own.factor, grids);
      for (size_t c = 0; c < row_of.size(); ++c) errors[c] += added[c];
    }
  }

  // Descent on the codes and least squares on the scales, in turns, until neither helps.
  void refine(int64_t group, int64_t m, size_t candidate, Grids& grids, std::span<double> values) {
    const auto wanted = row(wanted_, m);
    for (int round = 0; round < kRounds; ++round) {
      bool changed = false;
      for (const BlockMoments& own : blocks_) {
        if (own.block->group != group) continue;
        const auto start = static_cast<size_t>(own.block->first), n = static_cast<size_t>(own.block->width);
        grids.start_at(own.block->first);
        const reconstruct::Row part = {wanted.subspan(start, n), values.subspan(start, n)};
        changed = reconstruct::descend(part, own.moments, grids, static_cast<int>(candidate)) || changed;
      }
      if (!changed && round > 0) return;
      if (segments_.count == 1) fit_scale(group, wanted, grids.of(candidate)[0], values);
    }
  }

  // The scale that gives the least output error with the codes as they are.
  void fit_scale(int64_t group, std::span<const double> wanted, Grid& grid, std::span<double> values) const {
    double towards = 0, power = 0;  // v' H (w - v), v' H v
    for (const BlockMoments& own : blocks_) {
      if (own.block->group != group) continue;
      const auto start = static_cast<size_t>(own.block->first), n = static_cast<size_t>(own.block->width);
      for (size_t i = 0; i < n; ++i) {
        if (values[start + i] == 0) continue;
        double error = 0, value = 0;
        for (size_t j = 0; j < n; ++j) {
          const double moment = own.moments[i * n + j];
          error += moment * (wanted[start + j] - values[start + j]);
          value += moment * values[start + j];
        }
        towards += values[start + i] * error;
        power += values[start + i] * value;
      }
    }
    if (!(power > 0)) return;
    const auto scale = static_cast<float>(grid.scale * (1 + towards / power));
    if (!(scale > kSmallestScale)) return;
    const double ratio = static_cast<double>(scale) / grid.scale;
    if (towards * (ratio - 1) * 2 <= (ratio - 1) * (ratio - 1) * power) return;  // float rounding ate the gain
    for (double& value : values) value = std::nearbyint(value / grid.scale) * scale;
    grid.scale = scale;
  }

  // Power of the row's output, and of its error.
  void measure(int64_t group, int64_t m) {
    const auto r = static_cast<size_t>(m);
    const auto wanted = row(wanted_, m), values = row(values_, m);
    if (gram_ == nullptr) {
      for (size_t k = 0; k < width(); ++k) {
        signal_[r] += wanted[k] * wanted[k];
        noise_[r] += (wanted[k] - values[k]) * (wanted[k] - values[k]);
      }
      return;
    }
    for (const BlockMoments& own : blocks_) {
      if (own.block->group != group) continue;
      const auto start = static_cast<size_t>(own.block->first), n = static_cast<size_t>(own.block->width);
      for (size_t i = 0; i < n; ++i) {
        double error = 0, whole = 0;
        for (size_t j = 0; j < n; ++j) {
          const double moment = own.moments[i * n + j];
          error += moment * (wanted[start + j] - values[start + j]);
          whole += moment * wanted[start + j];
        }
        noise_[r] += error * (wanted[start + i] - values[start + i]);
        signal_[r] += whole * wanted[start + i];
      }
    }
  }

  LowBitCodes result() const {
    LowBitCodes out;
    out.weight = stored();
    if (centred_) out.bias_change = gram_->bias_change(layer_.weights, values_);
    double signal = 0, noise = 0;
    for (const double part : signal_) signal += part;
    for (const double part : noise_) noise += part;
    out.sqnr_db = noise > 0 && signal > 0 ? 10 * std::log10(signal / noise) : INFINITY;
    return out;
  }

  ir::Tensor stored() const {
    const ir::Tensor& weight = *weight_of(*layer_.node)->constant();
    const int axis = weight_axis(*layer_.node);
    const bool narrow = settings_.bits <= 4;
    ir::Quant quant{.dtype = settings_.symmetric ? (narrow ? ir::DType::i4 : ir::DType::i8)
                                                 : (narrow ? ir::DType::u4 : ir::DType::u8),
                    .axis = axis,
                    .method = "output error"};
    if (settings_.block_size > 0) {
      quant.axis = axis == 0 ? 1 : 0;
      quant.block_size = settings_.block_size;
    }
    const auto outputs = static_cast<size_t>(layer_.outputs), segments = static_cast<size_t>(segments_.count);
    quant.scale.resize(outputs * segments);
    quant.zero_point.resize(outputs * segments);
    for (size_t m = 0; m < outputs; ++m) {
      for (size_t s = 0; s < segments; ++s) {
        const size_t at = axis == 0 ? m * segments + s : s * outputs + m;
        quant.scale[at] = grids_[m][s].scale;
        quant.zero_point[at] = grids_[m][s].zero;
      }
    }
    int64_t inner = 1;
    for (size_t d = static_cast<size_t>(axis) + 1; d < weight.dims().size(); ++d) inner *= weight.dims()[d];
    ir::Tensor codes = ir::Tensor::zeros(quant.dtype, weight.dims());
    const auto bytes = codes.mutable_bytes();
    for (int64_t m = 0; m < layer_.outputs; ++m) {
      for (int64_t k = 0; k < layer_.width; ++k) {
        const Grid& grid = grids_[static_cast<size_t>(m)][static_cast<size_t>(segments_.of[static_cast<size_t>(k)])];
        const auto code =
            static_cast<int>(std::nearbyint(values_[static_cast<size_t>(m * layer_.width + k)] / grid.scale)) +
            grid.zero;
        const auto at = static_cast<size_t>((k / inner * layer_.outputs + m) * inner + k % inner);
        if (narrow) {
          bytes[at / 2] |= static_cast<std::byte>((code & 15) << (at % 2 * 4));
        } else {
          bytes[at] = static_cast<std::byte>(code & 255);
        }
      }
    }
    return ir::Tensor::affine(std::move(codes), std::move(quant));
  }

  const Layer& layer_;
  const LowBitSettings& settings_;
  const reconstruct::Gram* gram_;
  ThreadPool& pool_;
  Segments segments_;
  std::vector<double> wanted_, values_;   // [outputs][width]
  std::vector<std::vector<Grid>> grids_;  // by output: one a segment
  std::vector<double> signal_, noise_;    // by output
  std::vector<BlockMoments> blocks_;
  bool masked_ = false, centred_ = false;
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
  for (int i = 0; i < kScales; ++i, share *= kFiner) {
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
  const int rank = weight_of(*layer.node)->constant()->rank();
  return layer.group_size % block_size == 0 && (layer.node->is(ir::OpKind::conv) || rank == 2);
}

LowBitCodes low_bit_weight(const Layer& layer, const LowBitSettings& settings, const reconstruct::Gram* gram,
                           ThreadPool& pool) {
  return Rounder(layer, settings, gram, pool).run();
}

}  // namespace edgesmith::passes::quantize
