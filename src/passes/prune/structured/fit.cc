// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/structured/fit.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "edgesmith/base/interruptible.h"
#include "passes/channels/layer_weights.h"
#include "passes/reconstruct/moments.h"

namespace edgesmith::passes::prune {
namespace {

using namespace reconstruct;

constexpr double kDamping = 0.0005;  // as in scores.cc
// Products are made of floats: of what is left around the mean, this share of the whole may be rounding.
constexpr double kRounding = 1e-5;
// Multiplications that tracing a group may take: a minute of a core.
constexpr double kMostWork = 1.2e11;

bool transposed(const MixLayer& layer) { return layer.node->is(ir::OpKind::conv_transpose); }

// Place of a weight: (output, input of its group, tap) in the matrix.
size_t place(const MixLayer& layer, const Linear& linear, int64_t m, int64_t c, int64_t tap) {
  const int64_t row = transposed(layer) ? m * layer.taps + tap : m;
  const int64_t first = row * linear.groups / linear.outputs * (linear.width / linear.groups);
  const int64_t column = first + (transposed(layer) ? c : c * layer.taps + tap);
  return static_cast<size_t>(row * linear.width + column);
}

// Sum over rows of w_K M w_K' for the columns K of a unit.
double block_power(const Linear& linear, const std::vector<int64_t>& columns, const std::vector<double>& matrix) {
  const size_t t = columns.size();
  std::vector<double> w(t);
  double total = 0;
  for (int64_t m = 0; m < linear.outputs; ++m) {
    const double* row = &linear.weights[static_cast<size_t>(m * linear.width)];
    for (size_t i = 0; i < t; ++i) w[i] = row[columns[i]];
    for (size_t i = 0; i < t; ++i) {
      double sum = 0;
      for (size_t j = 0; j < t; ++j) sum += matrix[i * t + j] * w[j];
      total += w[i] * sum;
    }
  }
  return total;
}

std::vector<double> block_of(const std::vector<double>& matrix, int64_t n, const std::vector<int64_t>& columns) {
  std::vector<double> block;
  for (const int64_t i : columns) {
    for (const int64_t j : columns) block.push_back(matrix[static_cast<size_t>(i * n + j)]);
  }
  return block;
}

// A reader while units go: its weights and the inverse of its moments change.
struct Surgery {
  Reader reader;
  std::vector<double> inverted;

  double cost(size_t unit) const {
    const std::vector<int64_t>& columns = reader.columns[unit];
    if (columns.empty()) return 0;
    const auto block = inverse(block_of(inverted, reader.linear.width, columns), columns.size());
    return reader.scale * block_power(reader.linear, columns, block);
  }

  // w -= w_K (P_KK)^-1 P_K, P -= P_.K (P_KK)^-1 P_K.
  void remove(size_t unit) {
    const std::vector<int64_t>& columns = reader.columns[unit];
    const size_t t = columns.size();
    const auto n = static_cast<size_t>(reader.linear.width);
    if (t == 0) return;
    const auto block = inverse(block_of(inverted, reader.linear.width, columns), t);
    std::vector<double> solved(t * n, 0.0), rows(t * n);  // (P_KK)^-1 P_K, and P_K
    for (size_t i = 0; i < t; ++i) {
      std::copy_n(&inverted[static_cast<size_t>(columns[i]) * n], n, &rows[i * n]);
    }
    for (size_t i = 0; i < t; ++i) {
      for (size_t j = 0; j < t; ++j) {
        for (size_t k = 0; k < n; ++k) solved[i * n + k] += block[i * t + j] * rows[j * n + k];
      }
    }
    const auto subtract = [&](double* row, const double* factors) {
      for (size_t i = 0; i < t; ++i) {
        const double factor = factors[i];
        if (factor == 0) continue;
        const double* from = &solved[i * n];
        for (size_t k = 0; k < n; ++k) row[k] -= factor * from[k];
      }
    };
    std::vector<double> factors(t);
    for (int64_t m = 0; m < reader.linear.outputs; ++m) {
      double* row = &reader.linear.weights[static_cast<size_t>(m) * n];
      for (size_t i = 0; i < t; ++i) factors[i] = row[columns[i]];
      subtract(row, factors.data());
      for (const int64_t column : columns) row[column] = 0;
    }
    for (size_t r = 0; r < n; ++r) {
      for (size_t i = 0; i < t; ++i) factors[i] = rows[i * n + r];
      subtract(&inverted[r * n], factors.data());
    }
    for (const int64_t column : columns) {  // gone for good, whatever rounding left
      for (size_t r = 0; r < n; ++r) inverted[r * n + static_cast<size_t>(column)] = 0;
      std::fill_n(&inverted[static_cast<size_t>(column) * n], n, 0.0);
    }
  }
};

UnitTrace by_power(const std::vector<Reader>& readers, size_t num_units) {
  std::vector<double> power(num_units, 0.0);
  for (const Reader& reader : readers) {
    for (size_t u = 0; u < num_units; ++u) {
      const auto block = block_of(reader.moments, reader.linear.width, reader.columns[u]);
      power[u] += reader.scale * block_power(reader.linear, reader.columns[u], block);
    }
  }
  UnitTrace trace;
  trace.order.resize(num_units);
  std::iota(trace.order.begin(), trace.order.end(), size_t{0});
  std::stable_sort(trace.order.begin(), trace.order.end(), [&](size_t a, size_t b) { return power[a] < power[b]; });
  trace.errors = {0.0};
  for (const size_t unit : trace.order) trace.errors.push_back(trace.errors.back() + power[unit]);
  return trace;
}

double work_of(const std::vector<Reader>& readers, size_t num_units) {
  double work = 0;
  for (const Reader& reader : readers) {
    const auto n = static_cast<double>(reader.linear.width), t = static_cast<double>(reader.columns[0].size());
    const auto m = static_cast<double>(reader.linear.outputs), units = static_cast<double>(num_units);
    work += n * n * n * 4 / 3 + units * ((n + m) * n * t + units * (t * t * t * 4 / 3 + m * t * t));
  }
  return work;
}

}  // namespace

Linear read_linear(const MixLayer& layer) {
  const LayerWeights weights = layer_weights(*layer.node, layer.mixing);
  Linear linear;
  linear.step = transposed(layer) ? 1 : weights.taps;
  linear.outputs = transposed(layer) ? weights.outputs * weights.taps : weights.outputs;
  linear.groups = layer.groups;
  linear.width = weights.inputs * linear.groups * linear.step;
  linear.has_bias = layer.mixing.bias >= 0;
  linear.weights.assign(static_cast<size_t>(linear.outputs * linear.width), 0.0);
  for (int64_t m = 0; m < weights.outputs; ++m) {
    for (int64_t c = 0; c < weights.inputs; ++c) {
      for (int64_t tap = 0; tap < weights.taps; ++tap)
        linear.weights[place(layer, linear, m, c, tap)] = weights.of(m, c)[tap];
    }
  }
  return linear;
}

void write_linear(ir::Graph& graph, const MixLayer& layer, const Linear& linear,
                  const std::vector<double>& bias_change) {
  ir::Node& node = *layer.node;
  LayerWeights weights = layer_weights(node, layer.mixing);
  for (int64_t m = 0; m < weights.outputs; ++m) {
    for (int64_t c = 0; c < weights.inputs; ++c) {
      for (int64_t tap = 0; tap < weights.taps; ++tap)
        weights.of(m, c)[tap] = static_cast<float>(linear.weights[place(layer, linear, m, c, tap)]);
    }
  }
  const ir::Value& operand = *node.input(layer.mixing.weight);
  ir::Tensor tensor = weight_tensor(*operand.constant(), layer.mixing, weights);
  graph.set_tensor(operand.node(), std::move(tensor));
  if (bias_change.empty()) return;
  std::vector<float> bias = layer_bias(node, layer.mixing, weights.outputs);
  for (size_t m = 0; m < bias.size(); ++m) bias[m] = static_cast<float>(bias[m] + bias_change[m]);
  ir::Value* old = node.input(layer.mixing.bias);
  ir::Dims dims = {weights.outputs};
  if (old != nullptr && old->constant()->size() == weights.outputs) dims = old->constant()->dims();
  ir::Tensor changed = ir::Tensor::of<float>(dims, bias);
  if (old != nullptr && old->uses().size() == 1) return graph.set_tensor(old->node(), std::move(changed));
  graph.set_input(node, layer.mixing.bias, &graph.add_constant(std::move(changed), {}, &node));
}

std::vector<double> input_moments(const RowSums& sums, const Linear& linear, bool centred, std::vector<double>& means) {
  const auto n = static_cast<size_t>(linear.width), of_group = n / static_cast<size_t>(linear.groups);
  std::vector<double> moments(n * n);
  means.assign(n, 0.0);
  for (int64_t i = 0; centred && i < linear.width; ++i) means[static_cast<size_t>(i)] = sums.mean(i, linear.width);
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = i; j < (i / of_group + 1) * of_group; ++j) {
      moments[i * n + j] = moments[j * n + i] =
          sums.mean(static_cast<int64_t>(i), static_cast<int64_t>(j)) - means[i] * means[j];
    }
  }
  return moments;
}

void damp_moments(std::vector<double>& moments, const std::vector<double>& means, double share) {
  const size_t n = means.size();
  damp(moments, n, share);
  for (size_t i = 0; i < n; ++i) {
    moments[i * n + i] += kRounding * (std::fabs(moments[i * n + i]) + means[i] * means[i]);
  }
}

std::vector<double> damped_moments(const RowSums& sums, const Linear& linear, bool centred) {
  std::vector<double> means;
  std::vector<double> moments = input_moments(sums, linear, centred, means);
  damp_moments(moments, means, kDamping);
  return moments;
}

double output_power(const Linear& linear, const std::vector<double>& moments, ThreadPool& pool) {
  std::vector<double> powers(static_cast<size_t>(linear.outputs), 0.0);
  const auto n = static_cast<size_t>(linear.width);
  interruptible_for(pool, linear.outputs, [&](int64_t m, int) {
    const double* w = &linear.weights[static_cast<size_t>(m) * n];
    for (size_t i = 0; i < n; ++i) {
      if (w[i] == 0) continue;
      double sum = 0;
      for (size_t j = 0; j < n; ++j) sum += moments[i * n + j] * w[j];
      powers[static_cast<size_t>(m)] += w[i] * sum;
    }
  });
  return std::accumulate(powers.begin(), powers.end(), 0.0);
}

void refit_kept(Linear& linear, const std::vector<bool>& kept, const std::vector<double>& moments, ThreadPool& pool) {
  const auto n = static_cast<size_t>(linear.width);
  std::vector<size_t> at;
  for (size_t i = 0; i < n; ++i) {
    if (kept[i]) at.push_back(i);
  }
  const size_t m = at.size();
  std::vector<double> matrix(m * m);
  for (size_t a = 0; a < m; ++a) {
    for (size_t b = 0; b < m; ++b) matrix[a * m + b] = moments[at[a] * n + at[b]];
  }
  factor(matrix, m);
  interruptible_for(pool, linear.outputs, [&](int64_t row, int) {
    double* w = &linear.weights[static_cast<size_t>(row) * n];
    std::vector<double> target(m, 0.0);
    for (size_t a = 0; a < m; ++a) {
      const double* from = &moments[at[a] * n];
      for (size_t i = 0; i < n; ++i) target[a] += from[i] * w[i];
    }
    solve(matrix, m, target);
    std::fill_n(w, n, 0.0);
    for (size_t a = 0; a < m; ++a) w[at[a]] = target[a];
  });
}

std::vector<double> mean_change(const MixLayer& layer, const Linear& before, const Linear& after, const RowSums& sums) {
  std::vector<double> change(static_cast<size_t>(layer.outputs), 0.0);
  if (!before.has_bias || transposed(layer)) return {};
  for (int64_t m = 0; m < layer.outputs; ++m) {
    for (int64_t k = 0; k < before.width; ++k) {
      const auto at = static_cast<size_t>(m * before.width + k);
      change[static_cast<size_t>(m)] += (before.weights[at] - after.weights[at]) * sums.mean(k, before.width);
    }
  }
  return change;
}

UnitTrace trace_units(std::vector<Reader> readers, size_t num_units, const std::string& criterion, ThreadPool& pool) {
  if (criterion != "obs" || readers.empty() || work_of(readers, num_units) > kMostWork) {
    return by_power(readers, num_units);
  }
  std::vector<Surgery> surgeries(readers.size());
  interruptible_for(pool, static_cast<int64_t>(readers.size()), [&](int64_t r, int) {
    const auto at = static_cast<size_t>(r);
    surgeries[at].inverted = inverse(std::move(readers[at].moments), static_cast<size_t>(readers[at].linear.width));
    surgeries[at].reader = std::move(readers[at]);
  });
  std::vector<bool> gone(num_units, false);
  UnitTrace trace;
  trace.errors = {0.0};
  for (size_t step = 0; step < num_units && !interrupted(); ++step) {
    std::vector<double> costs(num_units, 0.0);
    interruptible_for(pool, static_cast<int64_t>(num_units), [&](int64_t unit, int) {
      for (const Surgery& surgery : surgeries) {
        if (!gone[static_cast<size_t>(unit)])
          costs[static_cast<size_t>(unit)] += surgery.cost(static_cast<size_t>(unit));
      }
    });
    size_t best = num_units;
    for (size_t u = 0; u < num_units; ++u) {
      if (!gone[u] && (best == num_units || costs[u] < costs[best])) best = u;
    }
    gone[best] = true;
    trace.order.push_back(best);
    trace.errors.push_back(trace.errors.back() + std::max(0.0, costs[best]));
    interruptible_for(pool, static_cast<int64_t>(surgeries.size()),
                      [&](int64_t r, int) { surgeries[static_cast<size_t>(r)].remove(best); });
  }
  return trace;
}

}  // namespace edgesmith::passes::prune
