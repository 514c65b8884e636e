// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/choice_race.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace edgesmith::passes::quantize {
namespace {

constexpr int64_t kLaps = 4;
// Who has seen fewer batches is not judged.
constexpr size_t kFewestBatches = 12;
// How many standard errors a candidate's mean difference to the best must be above zero, to be out. One that still
// would have won by a hair is no loss, but the one that all others must beat is not given up so lightly.
constexpr double kStandardErrors = 1, kClearly = 3;

// Whether `errors` are above those of the best, batch by batch, by more than chance explains.
bool loses_to(const std::vector<double>& best, const std::vector<double>& errors, double standard_errors) {
  const auto count = static_cast<double>(errors.size());
  double sum = 0, squares = 0;
  for (size_t b = 0; b < errors.size(); ++b) {
    const double difference = errors[b] - best[b];
    sum += difference;
    squares += difference * difference;
  }
  const double mean = sum / count;
  const double variance = std::max(0.0, squares / count - mean * mean) / (count - 1);
  return mean > standard_errors * std::sqrt(variance);
}

}  // namespace

ChoiceRace::ChoiceRace(const ir::Graph& original, const Stream& stream, const ReferenceOutputs& reference) {
  for (int64_t lap = 0; lap < std::min(kLaps, stream.num_batches()); ++lap) {
    laps_.push_back(std::make_unique<Lap>(original, stream.part(kLaps, lap), reference));
  }
}

const ChoiceRace::Entrant& ChoiceRace::leader_after(size_t lap, const std::vector<Entrant>& entrants) const {
  const Entrant* leader = best_.empty() ? nullptr : &best_[0];
  for (const Entrant& own : entrants) {
    if (!own.out && (leader == nullptr || own.error[lap] < leader->error[lap])) leader = &own;
  }
  return *leader;
}

Result<std::vector<double>> ChoiceRace::measure(const std::vector<const ir::Graph*>& graphs, size_t favourites) {
  auto runners = laps_.at(0)->errors.prepare(graphs);
  if (!runners) return runners.error();
  std::vector<Entrant> entrants(graphs.size());
  double samples = 0;  // before the lap
  for (size_t lap = 0; lap < laps_.size(); ++lap) {
    std::vector<Runner*> left;
    std::vector<size_t> index;
    for (size_t g = 0; g < graphs.size(); ++g) {
      if (entrants[g].out) continue;
      left.push_back(&(*runners)[g]);
      index.push_back(g);
    }
    if (left.empty()) break;
    std::vector<std::vector<double>> by_batch;
    const auto errors = laps_[lap]->errors.measure(left, &by_batch);
    if (!errors) return errors.error();
    const auto more = static_cast<double>(laps_[lap]->samples.num_samples());
    for (size_t i = 0; i < left.size(); ++i) {
      Entrant& own = entrants[index[i]];
      const double before = lap == 0 ? 0.0 : own.error.back() * samples;
      own.error.push_back((before + (*errors)[i] * more) / (samples + more));
      own.by_batch.insert(own.by_batch.end(), by_batch[i].begin(), by_batch[i].end());
    }
    samples += more;
    const Entrant& leader = leader_after(lap, entrants);
    for (const size_t g : index) {
      Entrant& own = entrants[g];
      if (&own == &leader || own.by_batch.size() < kFewestBatches || lap + 1 == laps_.size()) continue;
      own.out = loses_to(leader.by_batch, own.by_batch, g < favourites ? kClearly : kStandardErrors);
    }
  }
  const Entrant best = leader_after(laps_.size() - 1, entrants);
  std::vector<double> results;
  for (const Entrant& own : entrants) {
    const size_t last = own.error.size() - 1;
    const bool compares = best.error[last] > 0;  // nothing is so many times worse than no error
    const double estimate = compares ? own.error[last] / best.error[last] * best.error.back() : own.error[last];
    results.push_back(own.out ? std::max(estimate, best.error.back()) : own.error.back());
  }
  best_.assign(1, best);
  return results;
}

}  // namespace edgesmith::passes::quantize
