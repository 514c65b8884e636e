// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/choice.h"

#include <algorithm>
#include <cmath>

#include "passes/quantize/choice_race.h"
#include "passes/quantize/consumer_error.h"
#include "passes/quantize/network_error.h"

namespace edgesmith::passes::quantize {
namespace {

// A cautious choice takes no candidate whose squared error over all calibration samples is further than this from the
// least: the few probe samples may miss the tail that it would cut off. A bold one trusts the probes.
constexpr double kNearLeast = 1.25;
// What a calibrator must gain over min-max in the results of a set's readers: less is noise of the probe samples. The
// second, cautious choice takes clear cases only.
constexpr double kGainDb = 0.1, kClearGainDb = 1.0;

// Which candidates are near the least squared error, and no worse than the first (min-max).
std::vector<bool> near_least(const std::vector<ir::Quant>& quants, const Histogram& histogram, int steps) {
  std::vector<double> errors;
  for (const ir::Quant& quant : quants) errors.push_back(histogram.squared_error(code_range(quant), steps));
  const double limit = std::min(errors[0], kNearLeast * *std::min_element(errors.begin(), errors.end()));
  std::vector<bool> near;
  for (const double error : errors) near.push_back(error <= limit);
  return near;
}

// Whether the range of a set may be the calibrator's.
bool is_candidate(const CalibratorInfo& calibrator, const ScaleSet& set, const ChoiceSettings& settings) {
  if (set.given || set.fixed) return false;
  if (set.holds_input) return calibrator.name == "minmax";
  return settings.calibrator == "auto" || calibrator.name == settings.calibrator;
}

// The candidates of one set in the order of the calibrator table; equal codes are kept once, under the first name.
std::vector<ir::Quant> candidates_of(const ScaleSet& set, const Observations& observed,
                                     const ChoiceSettings& settings) {
  if (set.given) return {*set.given};
  if (set.fixed)
    return {activation_quant(*set.fixed, set.bounds, settings.dtype, "fixed", settings.calibration.symmetric)};
  std::vector<ir::Quant> quants;
  for (const CalibratorInfo& calibrator : all_calibrators()) {
    if (!is_candidate(calibrator, set, settings)) continue;
    ir::Quant quant = activation_quant(calibrator.pick(observed, settings.calibration), set.bounds, settings.dtype,
                                       std::string(calibrator.name), settings.calibration.symmetric);
    bool known = false;
    for (const ir::Quant& other : quants) known = known || other.same_codes(quant);
    if (!known) quants.push_back(std::move(quant));
  }
  return quants;
}

// One way to quantize the whole graph, to be measured.
struct Trial {
  Assignment assignment;
  bool corrected = false;
  std::vector<Win> wins;
  ir::Graph graph;
  double error = 0;
};

class Chooser {
 public:
  Chooser(const ir::Graph& graph, const Plan& plan, const std::vector<std::vector<ir::Quant>>& candidates,
          const std::vector<Observations>& observed, const std::vector<LayerGroup>& layers,
          const ChoiceSettings& settings)
      : graph_(graph), plan_(plan), candidates_(candidates), layers_(layers), settings_(settings) {
    for (size_t s = 0; s < candidates.size(); ++s) {
      near_.push_back(candidates[s].size() < 2
                          ? std::vector<bool>(candidates[s].size(), true)
                          : near_least(candidates[s], observed[s].histogram, settings.calibration.steps));
    }
  }

  Result<Choice> run(const Stream& probes, const Stream& comparison, const ReferenceOutputs& reference) {
    std::vector<std::vector<Win>> selections = {{}};  // the first: min-max (or the calibrator asked for) everywhere
    const auto select = [&](std::vector<Win> wins) {
      const auto same = [&](const std::vector<Win>& other) { return same_choice(wins, other); };
      if (std::none_of(selections.begin(), selections.end(), same)) selections.push_back(std::move(wins));
    };
    if (settings_.calibrator == "auto") {
      auto errors = measure_consumers(graph_, plan_, candidates_, probes);
      if (!errors) return errors.error();
      for (const bool cautious : {false, true}) {
        for (const double gain : {kGainDb, kClearGainDb}) select(winners(*errors, gain, cautious));
      }
      select(least_errors(*errors));
    }
    for (const std::vector<Win>& wins : selections) add_trial(wins, settings_.correct_bias);
    if (trials_.size() == 1 && !settings_.correct_bias) {
      trials_[0].error = NAN;
      return best();
    }
    ChoiceRace race(graph_, comparison, reference);
    EDGESMITH_TRY(measure(race, 0, 1));
    if (settings_.correct_bias) {
      const size_t first = trials_.size();
      for (Trial& trial : trials_) trial.graph = ir::Graph();  // measured; only the numbers are needed
      const std::vector<Win> wins = best_trial().wins;
      add_trial(wins, false);
      if (!wins.empty()) add_trial({}, false);
      EDGESMITH_TRY(measure(race, first, 0));
    }
    return best();
  }

 private:
  std::vector<Win> winners(const std::vector<std::vector<double>>& errors, double least_gain, bool cautious) const {
    std::vector<Win> wins;
    for (size_t s = 0; s < candidates_.size(); ++s) {
      size_t best = 0;
      for (size_t c = 1; c < candidates_[s].size(); ++c) {
        if (cautious && !near_[s][c]) continue;
        if (errors[s][c] < errors[s][best]) best = c;
      }
      if (best == 0) continue;
      const double gain = 10 * std::log10(errors[s][0] / errors[s][best]);
      if (gain >= least_gain) wins.push_back({s, candidates_[s][best].method, gain});
    }
    return wins;
  }

  // The candidate with the least squared error of the values themselves, where it also helps their readers.
  std::vector<Win> least_errors(const std::vector<std::vector<double>>& errors) const {
    std::vector<Win> wins;
    for (size_t s = 0; s < candidates_.size(); ++s) {
      for (size_t c = 1; c < candidates_[s].size(); ++c) {
        if (candidates_[s][c].method == "mse" && errors[s][c] < errors[s][0])
          wins.push_back({s, "mse", 10 * std::log10(errors[s][0] / errors[s][c])});
      }
    }
    return wins;
  }

  static bool same_choice(const std::vector<Win>& a, const std::vector<Win>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Win& one, const Win& other) {
      return one.set == other.set && one.calibrator == other.calibrator;
    });
  }

  // Measures the trials from `first` on, of which so many are favourites.
  Status measure(ChoiceRace& race, size_t first, size_t favourites) {
    std::vector<const ir::Graph*> graphs;
    for (size_t t = first; t < trials_.size(); ++t) graphs.push_back(&trials_[t].graph);
    const auto measured = race.measure(graphs, favourites);
    if (!measured) return measured.error();
    for (size_t t = first; t < trials_.size(); ++t) trials_[t].error = (*measured)[t - first];
    return {};
  }

  void add_trial(const std::vector<Win>& wins, bool corrected) {
    Trial trial{.corrected = corrected, .wins = wins, .graph = graph_.clone()};
    trial.assignment.float_bias = settings_.float_bias;
    for (const auto& quants : candidates_) trial.assignment.scales.push_back(quants[0]);
    for (const Win& win : wins) {
      for (const ir::Quant& quant : candidates_[win.set]) {
        if (quant.method == win.calibrator) trial.assignment.scales[win.set] = quant;
      }
    }
    for (const LayerGroup& layer : layers_) {
      for (const ir::Node* node : layer.nodes) {
        trial.assignment.layers[node->id()] = corrected ? &layer.corrected : &layer.plain;
      }
    }
    apply(trial.assignment, plan_, trial.graph);
    trials_.push_back(std::move(trial));
  }

  // The trial with the least error; on a tie the earlier, simpler one.
  const Trial& best_trial() const {
    const Trial* best = &trials_[0];
    for (const Trial& trial : trials_) {
      if (trial.error < best->error) best = &trial;
    }
    return *best;
  }

  Choice best() const {
    const Trial& best = best_trial();
    Choice choice{.assignment = best.assignment,
                  .corrected = best.corrected,
                  .error_db = decibels(best.error),
                  .minmax_db = -INFINITY,
                  .uncorrected_db = NAN,
                  .wins = best.wins};
    for (const Trial& trial : trials_) {
      if (trial.wins.empty()) choice.minmax_db = std::max(choice.minmax_db, decibels(trial.error));
      if (trial.corrected || !settings_.correct_bias) continue;
      if (trial.wins.size() == best.wins.size()) choice.uncorrected_db = decibels(trial.error);
    }
    return choice;
  }

  const ir::Graph& graph_;
  const Plan& plan_;
  const std::vector<std::vector<ir::Quant>>& candidates_;
  std::vector<std::vector<bool>> near_;
  const std::vector<LayerGroup>& layers_;
  const ChoiceSettings& settings_;
  std::vector<Trial> trials_;
};

}  // namespace

bool uses_histograms(const ChoiceSettings& settings) {
  return std::any_of(all_calibrators().begin(), all_calibrators().end(), [&](const CalibratorInfo& info) {
    return info.needs_histogram && (settings.calibrator == "auto" || settings.calibrator == info.name);
  });
}

std::vector<bool> need_histograms(const Plan& plan, const ChoiceSettings& settings) {
  std::vector<bool> needed;
  for (const ScaleSet& set : plan.sets) {
    needed.push_back(std::any_of(all_calibrators().begin(), all_calibrators().end(), [&](const CalibratorInfo& info) {
      return info.needs_histogram && is_candidate(info, set, settings);
    }));
  }
  return needed;
}

std::vector<std::vector<ir::Quant>> find_candidates(const Plan& plan, const std::vector<Observations>& observed,
                                                    const ChoiceSettings& settings, ThreadPool& pool) {
  std::vector<std::vector<ir::Quant>> candidates(plan.sets.size());
  pool.parallel_for(static_cast<int64_t>(plan.sets.size()), [&](int64_t s, int) {
    const auto index = static_cast<size_t>(s);
    candidates[index] = candidates_of(plan.sets[index], observed[index], settings);
  });
  return candidates;
}

Result<Choice> choose(const ir::Graph& graph, const Plan& plan, const std::vector<std::vector<ir::Quant>>& candidates,
                      const std::vector<Observations>& observed, const std::vector<LayerGroup>& layers,
                      const ChoiceSettings& settings, const Stream& probes, const Stream& comparison,
                      const ReferenceOutputs& reference) {
  return Chooser(graph, plan, candidates, observed, layers, settings).run(probes, comparison, reference);
}

}  // namespace edgesmith::passes::quantize
