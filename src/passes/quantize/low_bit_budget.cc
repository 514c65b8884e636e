// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/low_bit_budget.h"

#include <algorithm>
#include <cmath>

#include "passes/quantize/low_bit_target.h"
#include "passes/reconstruct/sensitivity.h"

namespace edgesmith::passes::quantize {
namespace {

// Rows of data for each input of a block: errors are compared here, not fitted.
constexpr int64_t kBudgetRowsPerInput = 32;
// Gains are measured with codes of so many bits: coarse enough for an error that is no rounding of the outputs.
constexpr int kGainBits = 3;
// Errors of more bits are measured up to here; every further bit leaves a quarter.
constexpr int kMeasuredBits = 6;
constexpr int kScaleBits = 32;
// Times that codes are found at most, until they are within their size; twice when the first ones take less than this
// share of it. All aim a little below it: the last layers, which make up for what others took, may take more than is
// foreseen themselves.
constexpr int kAttempts = 4;
constexpr double kAim = 0.985, kEnough = 0.9;
// Exponents of two that the price of a bit may have, and halvings of their interval.
constexpr int kLowestExponent = -80, kHighestExponent = 0, kHalvings = 40;
// How far what layers took may move what is foreseen of the others, and the exponent of the price: the last layers
// must not pay for all that came before.
constexpr double kMostOff = 1.25, kMostMoved = 0.5;
// Bits fall with the price to the power of minus this: at first, and as far as attempts with prices so far apart say.
constexpr double kUsualSlope = 0.25, kLeastSlope = 0.02, kMostSlope = 2, kApart = 0.05;

}  // namespace

Result<std::vector<LayerDamage>> measure_damage(const ir::Graph& graph, const std::vector<ir::Node*>& layers,
                                                const std::vector<LowBitSettings>& settings, bool all_widths,
                                                const Stream& stream, const Look& look, PassContext& context) {
  std::vector<LayerDamage> damage(layers.size());
  std::vector<LowBitCodes> trials(layers.size());
  std::vector<double> power(layers.size(), 0.0);
  EDGESMITH_TRY(reconstruct::visit_inputs(
      graph, layers, stream, kBudgetRowsPerInput, [&](size_t l, const reconstruct::Gram& gram) -> Status {
        const reconstruct::Layer layer = reconstruct::read_layer(*layers[l]);
        auto& error = damage[l].error;
        for (int bits = kFewestBits; bits <= kMostBits; ++bits) {
          if (!all_widths && bits != kGainBits) continue;
          if (bits > kMeasuredBits) {
            error[static_cast<size_t>(bits)] = error[static_cast<size_t>(bits) - 1] / 4;
            continue;
          }
          LowBitSettings own = settings[l];
          own.bits = bits;
          own.quick = true;
          LowBitCodes codes = low_bit_weight(layer, own, &gram, *context.pool);
          error[static_cast<size_t>(bits)] = codes.error;
          if (bits != kGainBits) continue;
          power[l] = codes.error * std::pow(10, codes.sqnr_db / 10);
          trials[l] = std::move(codes);
        }
        // A finer grid that happens to fit worse is as good as the coarser one.
        for (size_t b = kFewestBits + 1; all_widths && b < error.size(); ++b)
          error[b] = std::min(error[b], error[b - 1]);
        if (look) look(layer, settings[l], gram);
        return {};
      }));
  auto alone = reconstruct::errors_alone(
      graph, layers,
      [&](size_t l, ir::Graph& copy, ir::Node& node) { put_codes(copy, reconstruct::read_layer(node), trials[l]); },
      context);
  if (!alone) return alone.error();
  for (size_t l = 0; l < layers.size(); ++l) {
    damage[l].gain = reconstruct::gain_of((*alone)[l], damage[l].error[kGainBits], power[l]);
  }
  return damage;
}

int64_t coded_bits(const reconstruct::Layer& layer, const LowBitSettings& settings, int bits) {
  const int64_t scales = layer.outputs * Segments(layer, settings.block_size).count;
  return layer.size() * bits + scales * (kScaleBits + (settings.symmetric ? 0 : bits));
}

Result<reconstruct::BitPlan> plan_bits(const ir::Graph& graph, const std::vector<ir::Node*>& layers,
                                       const std::vector<LowBitSettings>& settings,
                                       const reconstruct::BitBudget& budget, const Stream& stream,
                                       PassContext& context) {
  auto damage = measure_damage(graph, layers, settings, true, stream, {}, context);
  if (!damage) return damage.error();
  std::vector<std::vector<reconstruct::Choice>> choices(layers.size());
  for (size_t l = 0; l < layers.size(); ++l) {
    const reconstruct::Layer layer = reconstruct::read_layer(*layers[l]);
    for (int bits = kFewestBits; bits <= kMostBits; ++bits) {
      choices[l].push_back({static_cast<double>(coded_bits(layer, settings[l], bits)),
                            (*damage)[l].gain * (*damage)[l].error[static_cast<size_t>(bits)]});
    }
  }
  return reconstruct::plan_bits(choices, kFewestBits, settings[0].bits, budget);
}

Result<RatePlan> RatePlan::make(const ir::Graph& graph, const std::vector<ir::Node*>& layers,
                                const std::vector<LowBitSettings>& settings, Beside beside, double bytes,
                                const Stream& stream, PassContext& context) {
  RatePlan plan;
  plan.beside_ = std::move(beside);
  plan.pool_ = context.pool;
  plan.budget_ = 8 * bytes;
  auto damage = measure_damage(
      graph, layers, settings, false, stream,
      [&](const reconstruct::Layer& layer, const LowBitSettings& own, const reconstruct::Gram& gram) {
        plan.forecasts_.emplace_back(layer, own, gram, *context.pool);
      },
      context);
  if (!damage) return damage.error();
  plan.damage_ = std::move(*damage);
  plan.done_.assign(layers.size(), false);
  plan.known_.resize(layers.size());
  plan.took_.resize(layers.size());
  plan.seen_.resize(layers.size());
  const double fewest = plan.foreseen_left(kHighestExponent);
  if (fewest > plan.budget_) {
    return usage_error("codes of next to no bits and what stands beside them take " +
                           std::to_string(static_cast<int64_t>(std::ceil(fewest / 8))) +
                           " bytes, more than the size of " + std::to_string(static_cast<int64_t>(bytes)),
                       "give a larger --size");
  }
  return plan;
}

// Between whole exponents, which are foreseen once, on a straight line.
double RatePlan::forecast(size_t layer, double exponent) {
  const auto at = [&](int whole) {
    auto& known = known_[layer];
    for (const auto& [e, bits] : known) {
      if (e == whole) return bits;
    }
    const double gain = damage_[layer].gain;
    const double bits = forecasts_[layer].bits(gain > 0 ? std::exp2(whole) / gain : 0, *pool_);
    known.emplace_back(whole, bits);
    return bits;
  };
  const double whole = std::min(std::floor(exponent), static_cast<double>(kHighestExponent - 1));
  const double low = at(static_cast<int>(whole)), high = at(static_cast<int>(whole) + 1);
  return low + (high - low) * (exponent - whole);
}

// The forecast, scaled by what the layer took in the attempt before. Where that was far off (inputs that depend on each
// other so much that sweeps spread the weights), a power of the price through what it took in the attempts so far.
double RatePlan::foreseen(size_t layer, double exponent) {
  const auto& seen = seen_[layer];
  if (seen.empty()) return forecast(layer, exponent);
  const auto& [last, bits] = seen.back();
  const double before = forecast(layer, last);
  if (bits < kMostOff * before && before < kMostOff * bits) return forecast(layer, exponent) * bits / before;
  double slope = kUsualSlope;
  if (seen.size() > 1) {
    const auto& [first, more] = seen[seen.size() - 2];
    if (std::fabs(last - first) > kApart) {
      const double between = std::log2(more / bits) / (last - first);
      if (between > kLeastSlope) slope = std::min(between, kMostSlope);  // else something else changed too
    }
  }
  return bits * std::exp2(slope * (last - exponent));
}

// Bits of the layers to come, with what stands beside their codes.
double RatePlan::foreseen_left(double exponent) {
  const double off = was_foreseen_ > 0 ? std::clamp(codes_taken_ / was_foreseen_, 1 / kMostOff, kMostOff) : 1;
  double bits = 0;
  for (size_t l = 0; l < done_.size(); ++l) {
    if (done_[l]) continue;
    const double codes = off * foreseen(l, exponent);
    bits += codes + beside_(l, codes);
  }
  return bits;
}

double RatePlan::price(size_t layer) {
  double low = kLowestExponent, high = kHighestExponent;
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = (low + high) / 2;
    (foreseen_left(middle) > budget_ - taken_ ? low : high) = middle;
  }
  if (!first_) first_ = high;
  exponent_ = std::clamp(high, *first_ - kMostMoved, *first_ + kMostMoved);
  const double gain = damage_[layer].gain;
  return gain > 0 ? std::exp2(exponent_) / gain : 0;
}

Status RatePlan::code_within(double bytes, const std::function<Status()>& code, const std::function<void()>& restore,
                             PassContext& context) {
  const size_t records = context.layers.size(), notes = context.notes.size();
  for (int attempt = 1;; ++attempt) {
    restart(kAim * bytes);
    EDGESMITH_TRY(code());
    const bool enough = taken_bytes() > kEnough * bytes || attempt > 1;
    if (taken_bytes() <= bytes && enough) return {};
    if (attempt == kAttempts) break;
    context.layers.resize(records);
    context.notes.resize(notes);
    restore();
  }
  context.notes.push_back("rate-aware codes did not come down to the size of " +
                          std::to_string(static_cast<int64_t>(bytes)) + " bytes");
  return {};
}

void RatePlan::restart(double bytes) {
  budget_ = 8 * bytes;
  taken_ = was_foreseen_ = codes_taken_ = 0;
  first_.reset();
  for (size_t l = 0; l < seen_.size(); ++l) {
    if (took_[l].second > 0) seen_[l].push_back(took_[l]);
  }
  done_.assign(done_.size(), false);
}

void RatePlan::took(size_t layer, double bits, double beside) {
  was_foreseen_ += foreseen(layer, exponent_);
  took_[layer] = {exponent_, bits};
  codes_taken_ += bits;
  taken_ += bits + beside;
  done_[layer] = true;
}

}  // namespace edgesmith::passes::quantize
