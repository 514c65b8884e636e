// SPDX-License-Identifier: Apache-2.0
#include "passes/reconstruct/knapsack.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace edgesmith::passes::reconstruct {
namespace {

// Bounds and sums are off by rounding: a state is dropped only where it is worse by more than this share.
constexpr double kRounding = 1e-12;

using Items = std::span<const std::vector<Choice>>;

// From one corner of the lower convex hull of an item's choices to the next dearer one.
struct Step {
  size_t item = 0, to = 0;  // `to`: index of the choice
  double price = 0;         // by how much the loss falls for each of the cost
};

size_t cheapest(const std::vector<Choice>& choices) {
  size_t best = 0;
  for (size_t c = 1; c < choices.size(); ++c) {
    const bool cheaper = choices[c].cost < choices[best].cost;
    if (cheaper || (choices[c].cost == choices[best].cost && choices[c].loss < choices[best].loss)) best = c;
  }
  return best;
}

// Gift wrapping from the cheapest choice; prices fall along an item.
void add_steps(Items items, size_t item, std::vector<Step>& steps) {
  const std::vector<Choice>& choices = items[item];
  for (size_t at = cheapest(choices);;) {
    double best = 0;
    size_t next = choices.size();
    for (size_t c = 0; c < choices.size(); ++c) {
      if (!(choices[c].cost > choices[at].cost) || !(choices[c].loss < choices[at].loss)) continue;
      const double price = (choices[at].loss - choices[c].loss) / (choices[c].cost - choices[at].cost);
      if (price > best || (price == best && next < choices.size() && choices[c].cost > choices[next].cost)) {
        best = price;
        next = c;
      }
    }
    if (next == choices.size()) return;
    steps.push_back({item, next, best});
    at = next;
  }
}

struct Greedy {
  std::vector<size_t> chosen;
  double loss = 0;
  double price = 0;  // of the first step that did not fit: the dual of the relaxed problem
};

Greedy walk_hulls(Items items, double budget) {
  Greedy out;
  double cost = 0;
  std::vector<Step> steps;
  for (size_t i = 0; i < items.size(); ++i) {
    out.chosen.push_back(cheapest(items[i]));
    cost += items[i][out.chosen[i]].cost;
    add_steps(items, i, steps);
  }
  std::stable_sort(steps.begin(), steps.end(), [](const Step& a, const Step& b) { return a.price > b.price; });
  std::vector<bool> stopped(items.size(), false);
  for (const Step& step : steps) {
    if (stopped[step.item]) continue;
    const double more = items[step.item][step.to].cost - items[step.item][out.chosen[step.item]].cost;
    if (cost + more > budget) {
      if (out.price == 0) out.price = step.price;
      stopped[step.item] = true;
      continue;
    }
    out.chosen[step.item] = step.to;
    cost += more;
  }
  for (size_t i = 0; i < items.size(); ++i) out.loss += items[i][out.chosen[i]].loss;
  return out;
}

// Choices for the first items.
struct State {
  double cost = 0, loss = 0;
  double reduced = 0;  // by how much its Lagrangian bound is above the relaxed problem's
  int64_t before = -1;
  size_t choice = 0;
};

}  // namespace

std::optional<std::vector<size_t>> choose_within(Items items, double budget) {
  double least = 0;
  for (const auto& choices : items) least += choices[cheapest(choices)].cost;
  if (least > budget) return std::nullopt;
  const Greedy greedy = walk_hulls(items, budget);

  // With `price` for each of the cost, every item alone would choose what `best` says.
  std::vector<double> best, cost_left(items.size() + 1, 0.0);
  double bound = -greedy.price * budget;
  for (const auto& choices : items) {
    double lowest = std::numeric_limits<double>::infinity();
    for (const Choice& choice : choices) lowest = std::min(lowest, choice.loss + greedy.price * choice.cost);
    best.push_back(lowest);
    bound += lowest;
  }
  for (size_t i = items.size(); i-- > 0;) cost_left[i] = cost_left[i + 1] + items[i][cheapest(items[i])].cost;
  const double slack = kRounding * (std::fabs(greedy.loss) + greedy.price * budget);

  std::vector<State> states = {{}};
  size_t first = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    std::vector<State> next;
    for (size_t s = first; s < states.size(); ++s) {
      for (size_t c = 0; c < items[i].size(); ++c) {
        const Choice& choice = items[i][c];
        State state = {states[s].cost + choice.cost, states[s].loss + choice.loss,
                       states[s].reduced + (choice.loss + greedy.price * choice.cost - best[i]),
                       static_cast<int64_t>(s), c};
        if (state.cost + cost_left[i + 1] > budget || bound + state.reduced > greedy.loss + slack) continue;
        next.push_back(state);
      }
    }
    std::stable_sort(next.begin(), next.end(), [](const State& a, const State& b) {
      return a.cost != b.cost ? a.cost < b.cost : a.loss < b.loss;
    });
    first = states.size();
    for (const State& state : next) {
      if (states.size() > first && state.loss >= states.back().loss) continue;
      states.push_back(state);
    }
  }
  // The last state loses least.
  if (states.size() == first || states.back().loss >= greedy.loss) return greedy.chosen;
  std::vector<size_t> chosen(items.size());
  auto at = static_cast<int64_t>(states.size()) - 1;
  for (size_t i = items.size(); i-- > 0;) {
    chosen[i] = states[static_cast<size_t>(at)].choice;
    at = states[static_cast<size_t>(at)].before;
  }
  return chosen;
}

}  // namespace edgesmith::passes::reconstruct
