// SPDX-License-Identifier: Apache-2.0
// How layers share the bits of a budget, by the error that each would cause at the network's outputs.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "edgesmith/passes/pass.h"
#include "passes/quantize/low_bit.h"
#include "passes/quantize/low_bit_rate.h"
#include "passes/quantize/stream.h"
#include "passes/reconstruct/bit_plan.h"

namespace edgesmith::passes::quantize {

inline constexpr int kFewestBits = 2, kMostBits = 8;

/// What codes of a layer alone do. Errors of layers are taken to add up.
struct LayerDamage {
  std::array<double, kMostBits + 1> error{};  ///< by bits: squared error of the layer's outputs
  double gain = 0;                            ///< of the network's relative squared output error, for each of that
};

/// Looks at a layer while the moments of its inputs are there.
using Look =
    std::function<void(const reconstruct::Layer& layer, const LowBitSettings& settings, const reconstruct::Gram& gram)>;

/// The damage of every layer from one run of the calibration data through the float model, and the runs with single
/// layers coded. `settings` by layer. `all_widths`: of every width; else of the one that gains are measured with.
/// Errors: those of the runs.
Result<std::vector<LayerDamage>> measure_damage(const ir::Graph& graph, const std::vector<ir::Node*>& layers,
                                                const std::vector<LowBitSettings>& settings, bool all_widths,
                                                const Stream& stream, const Look& look, PassContext& context);

/// Bits that codes of so many bits take, with their scales and zero points.
int64_t coded_bits(const reconstruct::Layer& layer, const LowBitSettings& settings, int bits);

/// Widths by the damage that they do (reconstruct/bit_plan.h); without a budget they take what the width of the
/// settings takes everywhere. Errors: usage (out of reach), those of the runs.
Result<reconstruct::BitPlan> plan_bits(const ir::Graph& graph, const std::vector<ir::Node*>& layers,
                                       const std::vector<LowBitSettings>& settings,
                                       const reconstruct::BitBudget& budget, const Stream& stream,
                                       PassContext& context);

/// Prices of a bit for layers that are coded in order, such that all together take what is foreseen: the same part of
/// the network's output error for every layer. What layers took more or less than that, later ones make up for. Codes
/// on uniform grids are foreseen; codebooks that are as large take about the same.
class RatePlan {
 public:
  /// Bits that scales or codebooks of a layer are expected to take beside codes of so many bits.
  using Beside = std::function<double(size_t layer, double bits)>;
  /// Errors: usage (bytes out of reach), those of the runs.
  static Result<RatePlan> make(const ir::Graph& graph, const std::vector<ir::Node*>& layers,
                               const std::vector<LowBitSettings>& settings, Beside beside, double bytes,
                               const Stream& stream, PassContext& context);

  /// The price of a bit in the output error of this layer, which comes next.
  double price(size_t layer);
  /// What its codes took, and what stands beside them.
  void took(size_t layer, double bits, double beside);
  double taken_bytes() const { return taken_ / 8; }
  /// Codes the layers by `code`, which asks for their prices and says what they took; and, until they are within the
  /// bytes and fill them, some times anew after `restore`, with forecasts that are corrected by what they took before.
  /// Notes say when they did not come down to the bytes. Errors: those of `code`.
  Status code_within(double bytes, const std::function<Status()>& code, const std::function<void()>& restore,
                     PassContext& context);

 private:
  void restart(double bytes);
  double forecast(size_t layer, double exponent);
  double foreseen(size_t layer, double exponent);
  double foreseen_left(double exponent);

  ThreadPool* pool_ = nullptr;
  Beside beside_;
  double budget_ = 0;                      // bits
  double taken_ = 0, was_foreseen_ = 0;    // bits of all, and of codes alone
  double codes_taken_ = 0, exponent_ = 0;  // the price of a bit is 2^exponent of the network's error
  std::optional<double> first_;            // the exponent of the first layer
  std::vector<LayerDamage> damage_;
  std::vector<RateForecast> forecasts_;
  std::vector<std::pair<double, double>> took_;               // by layer: exponent, bits
  std::vector<std::vector<std::pair<double, double>>> seen_;  // by layer: the same of the attempts before
  std::vector<bool> done_;
  std::vector<std::vector<std::pair<int, double>>> known_;  // by layer: exponent, bits
};

}  // namespace edgesmith::passes::quantize
