// SPDX-License-Identifier: Apache-2.0
// How well the cost model predicts a board that it was not calibrated on, running a model that it was not calibrated
// on: MLPerf Tiny, four boards and four models, each pair judged with both left out.
//
// The profiles' shares are fitted to their own board. Here they come from the other boards, by what the cores are known
// to do: an instruction makes the products of `macs_per_cycle`, and h more instructions go with it (loads, widening),
// `issue` of them in a cycle:
//
//   share = 1 / (1 + h / issue)        element = e / issue
//
// with one h for each kind of work and one e for all boards. Those five numbers are fitted to the nine pairs that share
// neither board nor model with the one that is judged.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "edgesmith/passes/node_cost.h"
#include "support/mlperf_tiny.h"

namespace edgesmith::refine {
namespace {

constexpr size_t kSize = 4, kUnknowns = targets::kNumWorks + 1;
/// Logarithms of h by Work, then of e.
using Unknowns = std::array<double, kUnknowns>;

/// Instructions that a core starts in a cycle: Arm's technical reference manuals (the Cortex-M85 issues two as well,
/// but its vector instructions take two cycles each).
constexpr std::array<double, kSize> kIssue = {1, 1, 2, 1};

/// Where the fit starts and is pulled to where the data say little (a left-out auto-encoder takes nearly all dense
/// layers with it): two instructions with every product, ten cycles an element.
constexpr Unknowns kStart = {0.693, 0.693, 0.693, 0.693, 2.303};
/// Weight of the pull: a kind of work that is off the others' h by a factor of e counts as much as one pair that is off
/// by 30 %; the level of all is nearly free.
constexpr double kPull = 0.3, kLevelPull = 0.1;

targets::Target calibrated(size_t board, const Unknowns& unknowns) {
  targets::Target target = *targets::find_target(mlperf_tiny::kBoards[board].target);
  for (size_t w = 0; w < targets::kNumWorks; ++w) {
    target.device.i8.share[w] = 1 / (1 + std::exp(unknowns[w]) / kIssue[board]);
  }
  target.device.cycles_per_element = std::exp(unknowns[kUnknowns - 1]) / kIssue[board];
  return target;
}

class Calibration : public ::testing::Test {
 protected:
  /// Predicted over published latency.
  double ratio(size_t board, size_t model, const Unknowns& unknowns) const {
    const passes::CostEstimate estimate = passes::estimate_costs(models_[model].graph, calibrated(board, unknowns));
    return *estimate.seconds * mlperf_tiny::kBoards[board].rates[model];
  }

  std::vector<double> residuals(size_t board, size_t model, const Unknowns& unknowns) const {
    std::vector<double> residuals;
    for (size_t b = 0; b < kSize; ++b) {
      for (size_t m = 0; m < kSize; ++m) {
        if (b != board && m != model) residuals.push_back(std::log(ratio(b, m, unknowns)));
      }
    }
    for (size_t w = 1; w < targets::kNumWorks; ++w) residuals.push_back(kPull * (unknowns[w] - unknowns[0]));
    for (const size_t k : {size_t{0}, kUnknowns - 1}) residuals.push_back(kLevelPull * (unknowns[k] - kStart[k]));
    return residuals;
  }

  /// Least squares by damped Gauss-Newton steps.
  Unknowns fit(size_t board, size_t model) const {
    Unknowns at = kStart;
    for (int iteration = 0; iteration < 20; ++iteration) {
      const std::vector<double> here = residuals(board, model, at);
      constexpr double kStep = 1e-4;
      std::vector<std::vector<double>> slopes;
      for (size_t k = 0; k < kUnknowns; ++k) {
        Unknowns moved = at;
        moved[k] += kStep;
        slopes.push_back(residuals(board, model, moved));
        for (size_t r = 0; r < here.size(); ++r) slopes[k][r] = (slopes[k][r] - here[r]) / kStep;
      }
      const Unknowns step = solve(slopes, here);
      for (size_t k = 0; k < kUnknowns; ++k) at[k] -= 0.7 * step[k];
    }
    return at;
  }

  /// x with (J^T J) x = J^T r, J given by columns, by Gaussian elimination (J^T J is positive definite).
  static Unknowns solve(const std::vector<std::vector<double>>& columns, const std::vector<double>& r) {
    const auto dot = [&](const std::vector<double>& a, const std::vector<double>& b) {
      double sum = 0;
      for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
      return sum;
    };
    std::array<std::array<double, kUnknowns + 1>, kUnknowns> rows;
    for (size_t i = 0; i < kUnknowns; ++i) {
      for (size_t j = 0; j < kUnknowns; ++j) rows[i][j] = dot(columns[i], columns[j]);
      rows[i][kUnknowns] = dot(columns[i], r);
    }
    for (size_t i = 0; i < kUnknowns; ++i) {
      for (size_t below = 0; below < kUnknowns; ++below) {
        if (below == i) continue;
        const double factor = rows[below][i] / rows[i][i];
        for (size_t j = i; j <= kUnknowns; ++j) rows[below][j] -= factor * rows[i][j];
      }
    }
    Unknowns x;
    for (size_t i = 0; i < kUnknowns; ++i) x[i] = rows[i][kUnknowns] / rows[i][i];
    return x;
  }

  std::vector<mlperf_tiny::Model> models_ = mlperf_tiny::models();
};

TEST_F(Calibration, PredictsBoardsAndModelsThatItHasNotSeen) {
  std::vector<double> errors;
  std::printf("predicted over published latency, board and model left out\n%-16s", "");
  for (const auto& model : models_) std::printf("%18s", model.name);
  for (size_t b = 0; b < kSize; ++b) {
    std::printf("\n%-16s", mlperf_tiny::kBoards[b].target);
    for (size_t m = 0; m < kSize; ++m) {
      const double predicted = ratio(b, m, fit(b, m));
      errors.push_back(std::fabs(predicted - 1));
      std::printf("%18.2f", predicted);
    }
  }
  std::sort(errors.begin(), errors.end());
  const double median = (errors[7] + errors[8]) / 2;
  std::printf("\nmedian error %.0f %%, largest %.0f %%\n", 100 * median, 100 * errors.back());
  EXPECT_LT(median, 0.35);
}

}  // namespace
}  // namespace edgesmith::refine
