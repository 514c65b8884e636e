// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/choice_race.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace edgesmith::passes::quantize {
namespace {

// One batch in so many is in the heat; a heat of fewer batches decides nothing.
constexpr int64_t kHeatShare = 4, kFewestBatches = 12;
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

ChoiceRace::ChoiceRace(const ir::Graph& original, const Stream& stream, const ReferenceOutputs& reference)
    : heat_samples_(stream.every(kHeatShare)),
      rest_samples_(stream.all_but_every(kHeatShare)),
      heat_(original, heat_samples_, &reference),
      rest_(original, rest_samples_, &reference) {}

Result<std::vector<double>> ChoiceRace::measure(const std::vector<const ir::Graph*>& graphs, size_t favourites) {
  auto runners = heat_.prepare(graphs);
  if (!runners) return runners.error();
  std::vector<Runner*> all;
  for (Runner& runner : *runners) all.push_back(&runner);
  std::vector<std::vector<double>> by_batch;
  auto errors = heat_.measure(all, &by_batch);
  if (!errors || rest_samples_.num_batches() == 0) return errors;

  const auto least = static_cast<size_t>(std::min_element(errors->begin(), errors->end()) - errors->begin());
  const bool leads = best_.empty() || (*errors)[least] < best_[0].in_heat;
  const std::vector<double> leader = leads ? by_batch[least] : best_[0].by_batch;
  std::vector<Runner*> left;
  std::vector<size_t> index;
  for (size_t g = 0; g < graphs.size(); ++g) {
    const bool judged = heat_samples_.num_batches() >= kFewestBatches && !(leads && g == least);
    if (judged && loses_to(leader, by_batch[g], g < favourites ? kClearly : kStandardErrors)) continue;
    left.push_back(all[g]);
    index.push_back(g);
  }
  const std::vector<double> in_heat = *errors;
  const auto rest = rest_.measure(left, nullptr);
  if (!rest) return rest.error();
  const auto heat_size = static_cast<double>(heat_samples_.num_samples());
  const auto rest_size = static_cast<double>(rest_samples_.num_samples());
  std::vector<bool> finished(graphs.size(), false);
  for (size_t i = 0; i < left.size(); ++i) {
    const size_t g = index[i];
    finished[g] = true;
    (*errors)[g] = (in_heat[g] * heat_size + (*rest)[i] * rest_size) / (heat_size + rest_size);
  }
  const double leader_in_heat = leads ? in_heat[least] : best_[0].in_heat;
  const double leader_error = leads ? (*errors)[least] : best_[0].error;
  for (size_t g = 0; g < graphs.size(); ++g) {
    if (!finished[g]) (*errors)[g] = std::max(in_heat[g] / leader_in_heat, 1.0) * leader_error;
  }
  for (size_t g = 0; g < graphs.size(); ++g) {
    if (!finished[g] || (!best_.empty() && !((*errors)[g] < best_[0].error))) continue;
    best_.assign(1, {.by_batch = by_batch[g], .in_heat = in_heat[g], .error = (*errors)[g]});
  }
  return errors;
}

}  // namespace edgesmith::passes::quantize
