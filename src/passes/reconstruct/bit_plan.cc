// SPDX-License-Identifier: Apache-2.0
#include "passes/reconstruct/bit_plan.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace edgesmith::passes::reconstruct {
std::string decibels_text(double noise_to_signal) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1f dB", -10 * std::log10(noise_to_signal));
  return buffer;
}

namespace {

// Of widths that take the same (where nothing is saved), the fewest bits.
void find_equal_width(const std::vector<std::vector<Choice>>& layers, int fewest, double budget, BitPlan& plan) {
  for (size_t i = 0; !layers.empty() && i < layers[0].size(); ++i) {
    double total = 0, error = 0;
    for (const auto& choices : layers) {
      total += choices[i].cost;
      error += choices[i].loss;
    }
    if (total > budget || (plan.equal_width && total <= plan.equal_total)) continue;
    plan.equal_width = fewest + static_cast<int>(i);
    plan.equal_total = total;
    plan.equal_error = error;
  }
}

}  // namespace

Result<BitPlan> plan_bits(const std::vector<std::vector<Choice>>& layers, int fewest, int uniform,
                          const BitBudget& budget) {
  BitPlan plan;
  double fewest_bits = 0, uniform_bits = 0, least_error = 0;
  for (const auto& choices : layers) {
    fewest_bits += std::min_element(choices.begin(), choices.end(), [](const Choice& a, const Choice& b) {
                     return a.cost < b.cost;
                   })->cost;
    least_error += std::min_element(choices.begin(), choices.end(), [](const Choice& a, const Choice& b) {
                     return a.loss < b.loss;
                   })->loss;
    const Choice& same = choices[static_cast<size_t>(uniform - fewest)];
    uniform_bits += same.cost;
    plan.uniform_error += same.loss;
  }
  std::optional<std::vector<size_t>> chosen;
  if (budget.sqnr_db) {
    const double error = std::pow(10, -*budget.sqnr_db / 10);
    auto swapped = layers;
    for (auto& choices : swapped) {
      for (Choice& choice : choices) std::swap(choice.cost, choice.loss);
    }
    chosen = choose_within(swapped, error);
    if (!chosen) {
      return usage_error("an sqnr of " + decibels_text(error) +
                             " is out of reach: the most bits are expected to give " + decibels_text(least_error),
                         "ask for less");
    }
  } else {
    const double bits = budget.bytes ? 8.0 * static_cast<double>(*budget.bytes) : uniform_bits;
    find_equal_width(layers, fewest, bits, plan);
    chosen = choose_within(layers, bits);
    if (!chosen) {
      return usage_error("a size of " + std::to_string(*budget.bytes) +
                             " bytes is out of reach: the fewest bits take " +
                             std::to_string(static_cast<int64_t>(std::ceil(fewest_bits / 8))),
                         "give a larger one");
    }
  }
  for (size_t l = 0; l < layers.size(); ++l) {
    const Choice& choice = layers[l][(*chosen)[l]];
    plan.bits.push_back(fewest + static_cast<int>((*chosen)[l]));
    plan.total += choice.cost;
    plan.error += choice.loss;
  }
  return plan;
}

void use_equal_width(BitPlan& plan) {
  plan.bits.assign(plan.bits.size(), *plan.equal_width);
  plan.total = plan.equal_total;
  plan.error = plan.equal_error;
}

std::string describe_widths(const std::vector<int>& bits, const std::string& unit) {
  std::string text;
  if (bits.empty()) return text;
  for (int width = 0; width <= *std::max_element(bits.begin(), bits.end()); ++width) {
    const auto count = std::count(bits.begin(), bits.end(), width);
    if (count == 0) continue;
    if (!text.empty()) text += ", ";
    text += std::to_string(count) + (count == 1 ? " layer " : " layers ") + unit + std::to_string(width);
  }
  return text;
}

std::string describe_plan(const BitPlan& plan, const BitBudget& budget, const std::string& uniform) {
  std::string text = "bits are shared out for an expected output error of " + decibels_text(plan.error);
  if (budget.bytes || budget.sqnr_db) return text;
  return text + "; " + uniform + " everywhere: " + decibels_text(plan.uniform_error);
}

}  // namespace edgesmith::passes::reconstruct
