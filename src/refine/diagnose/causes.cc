// SPDX-License-Identifier: Apache-2.0
#include "refine/diagnose/causes.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "edgesmith/ir/structural.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/ops/pair_sums.h"
#include "passes/quantize/masks.h"
#include "passes/quantize/node_form.h"

namespace edgesmith::refine::diagnose {
namespace {

using ir::OpKind;

// Channels whose ranges are so many times apart lose bits under one scale: four times are two bits of eight.
constexpr double kApart = 4;
// A channel that keeps fewer codes on either side of zero than this is left with less than three bits.
constexpr double kFewCodes = 4;
// Channels that were dead before: so far below the largest one, and the median one.
constexpr double kAlive = 1e-6, kMatters = 1e-3;
// Clipping that is worth a word, in percent, and ranges that are so many times wider than what was seen.
constexpr double kClipped = 0.05, kTooWide = 4;
// One input channel that holds this share of what rounding the weights costs is named.
constexpr double kMostOfTheNoise = 0.5;
// Channels that a sentence names.
constexpr size_t kNamed = 4;
// Zeros that are taken for pruning, as on loading (interface: over 5 % of a tensor).
constexpr double kPruned = 0.05;

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

std::string count(size_t value) { return std::to_string(value); }

std::string named(const std::vector<int64_t>& channels) {
  std::string text = channels.size() == 1 ? "channel " : "channels ";
  for (size_t i = 0; i < std::min(channels.size(), kNamed); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(channels[i]);
  }
  return text + (channels.size() > kNamed ? ", ..." : "");
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

/// Largest magnitudes by channel along `axis`.
std::vector<double> channel_magnitudes(const std::vector<float>& numbers, const ir::Dims& dims, int axis) {
  const auto channels = static_cast<size_t>(dims[at(axis)]);
  size_t inner = 1;
  for (size_t d = at(axis) + 1; d < dims.size(); ++d) inner *= static_cast<size_t>(dims[d]);
  std::vector<double> magnitudes(channels, 0.0);
  for (size_t i = 0; i < numbers.size(); ++i) {
    double& largest = magnitudes[i / inner % channels];
    largest = std::max(largest, static_cast<double>(std::abs(numbers[i])));
  }
  return magnitudes;
}

class CauseFinder {
 public:
  CauseFinder(const Units& units, size_t unit, const Facts& facts, const std::vector<NodeDiagnosis>& all,
              NodeDiagnosis& diagnosis)
      : units_(units), unit_(units.list[unit]), facts_(facts), all_(all), diagnosis_(diagnosis) {}

  void run() {
    if (unit_.other == nullptr || !unit_.differs) return;
    if (unit_.other->op() != unit_.node().op()) {
      const bool opaque = unit_.other->is(ir::OpKind::opaque);
      add("other_operators",
          opaque ? "computed by " + unit_.other->opaque_op
                 : "computed by other operators, up to " + std::string(ir::onnx_name(unit_.other->op())));
    }
    look_at_weights();
    look_at_result();
  }

 private:
  void add(const char* kind, std::string text, std::vector<int64_t> channels = {}) {
    diagnosis_.causes.push_back({kind, std::move(text), std::move(channels)});
  }

  void look_at_weights() {
    const ir::Node& node = unit_.node();
    const ir::Value* weight = passes::quantize::weight_of(node);
    const int operand = ops::quant_facts(node).weight_operand;
    if (weight == nullptr || unit_.other->op() != node.op() || unit_.other->input(operand) == nullptr) return;
    const ir::Tensor* coded = unit_.other->input(operand)->constant();
    if (coded == nullptr || coded->dims() != weight->constant()->dims() || coded->rank() < 2) return;
    const std::vector<float> reals = weight->constant()->to_floats(), rounded = coded->to_floats();
    const int axis = passes::quantize::weight_axis(node);
    const std::vector<double> ranges = channel_magnitudes(reals, coded->dims(), axis);
    if (coded->encoding() == ir::Encoding::affine) look_at_codes(*coded, ranges, axis);
    look_at_pruning(reals, rounded);
    if (const ir::Tensor* palette = coded->as_palette()) {
      const int64_t entries = palette->codebooks().dims()[1];
      diagnosis_.numbers["shared_values"] = static_cast<double>(entries);
      add("shared_weights", "its weights share " + std::to_string(entries) + " values a codebook");
    }
    look_at_lost_channels(rounded, ranges, coded->dims(), axis);
    look_at_inputs(reals, rounded, coded->dims(), axis);
  }

  void look_at_codes(const ir::Tensor& coded, const std::vector<double>& ranges, int axis) {
    const ir::Quant& quant = coded.quant();
    const int bits = ir::dtype_bits(quant.dtype);
    if (bits < 8) {
      diagnosis_.numbers["weight_bits"] = bits;
      add("few_bits", "its weights have " + std::to_string(bits) + " bits");
    }
    if (!quant.per_tensor() || ranges.size() < 2 || axis < 0) return;
    const auto most = static_cast<size_t>(std::max_element(ranges.begin(), ranges.end()) - ranges.begin());
    std::vector<double> alive;
    for (const double range : ranges) {
      if (range > kAlive * ranges[most]) alive.push_back(range);
    }
    if (alive.size() < 2) return;
    const double least = *std::min_element(alive.begin(), alive.end()), middle = median(alive);
    diagnosis_.numbers["channel_ratio"] = ranges[most] / least;
    diagnosis_.numbers["channel_ratio_to_median"] = ranges[most] / middle;
    if (ranges[most] < kApart * middle && ranges[most] < kApart * kApart * least) return;
    const auto poor = static_cast<size_t>(std::count_if(alive.begin(), alive.end(), [&](double range) {
      return range < kFewCodes * static_cast<double>(quant.scale[0]);
    }));
    diagnosis_.numbers["channels_below_3_bits"] = static_cast<double>(poor);
    add("channel_ranges",
        "per-tensor weights with channel ranges " + number(ranges[most] / least) + " times apart: channel " +
            count(most) + " reaches " + number(ranges[most]) + ", the median channel " + number(middle) + "; " +
            count(poor) + " of " + count(alive.size()) + " channels keep less than 3 bits",
        {static_cast<int64_t>(most)});
  }

  void look_at_pruning(const std::vector<float>& reals, const std::vector<float>& rounded) {
    const auto zeros = [](const std::vector<float>& numbers) {
      return static_cast<double>(std::count(numbers.begin(), numbers.end(), 0.0F)) /
             static_cast<double>(std::max<size_t>(1, numbers.size()));
    };
    const double share = zeros(rounded);
    const bool codes = unit_.other->input(ops::quant_facts(unit_.node()).weight_operand)->constant()->encoding() ==
                       ir::Encoding::affine;
    if (codes || share < kPruned || share <= zeros(reals)) return;
    diagnosis_.numbers["zero_percent"] = 100 * share;
    add("pruned", number(100 * share) + " % of its weights are zero");
  }

  // Channels that had weights and have none left.
  void look_at_lost_channels(const std::vector<float>& rounded, const std::vector<double>& ranges, const ir::Dims& dims,
                             int axis) {
    const std::vector<double> left = channel_magnitudes(rounded, dims, axis);
    const double middle = median(ranges);
    std::vector<int64_t> lost;
    for (size_t c = 0; c < ranges.size(); ++c) {
      if (ranges[c] > kMatters * middle && left[c] == 0) lost.push_back(static_cast<int64_t>(c));
    }
    if (lost.empty()) return;
    diagnosis_.numbers["dead_channels"] = static_cast<double>(lost.size());
    add("dead_channels",
        count(lost.size()) + " of " + count(ranges.size()) + " channels have no weight left but zero (" + named(lost) +
            ")",
        lost);
  }

  // Weights of an input channel whose numbers are large matter more than their own size says.
  void look_at_inputs(const std::vector<float>& reals, const std::vector<float>& rounded, const ir::Dims& dims,
                      int axis) {
    const ir::Node& node = unit_.node();
    if (node.attributes().get_int("group", 1) != 1 || dims.size() < 2) return;
    const int inputs_axis = axis == 0 ? 1 : 0;
    const ir::Value& operand = *node.input(0);
    const std::vector<float>& magnitudes = facts_.values[at(operand.id())].channel_max;
    const auto channels = static_cast<size_t>(dims[at(inputs_axis)]);
    if (magnitudes.size() != channels || channels < 4) return;
    size_t inner = 1;
    for (size_t d = at(inputs_axis) + 1; d < dims.size(); ++d) inner *= static_cast<size_t>(dims[d]);
    std::vector<double> noise(channels, 0.0), signal(channels, 0.0);
    for (size_t i = 0; i < reals.size(); ++i) {
      const size_t c = i / inner % channels;
      const double difference = static_cast<double>(reals[i]) - static_cast<double>(rounded[i]);
      noise[c] += difference * difference * std::pow(magnitudes[c], 2);
      signal[c] += std::pow(reals[i], 2) * std::pow(magnitudes[c], 2);
    }
    const double all = std::accumulate(noise.begin(), noise.end(), 0.0);
    const auto worst = static_cast<size_t>(std::max_element(noise.begin(), noise.end()) - noise.begin());
    if (all <= 0 || noise[worst] < kMostOfTheNoise * all) return;
    const double middle = median(std::vector<double>(magnitudes.begin(), magnitudes.end()));
    if (middle <= 0 || magnitudes[worst] < kApart * middle) return;
    diagnosis_.numbers["input_channel_ratio"] = magnitudes[worst] / middle;
    add("input_channel",
        "input channel " + count(worst) + " carries numbers " + number(magnitudes[worst] / middle) +
            " times the median channel's, so that rounding its small weights (" +
            number(100 * std::min(1.0, noise[worst] / std::max(signal[worst], 1e-300))) + " % lost) makes " +
            number(100 * noise[worst] / all) + " % of the error",
        {static_cast<int64_t>(worst)});
  }

  void look_at_result() {
    const ir::Value& value = unit_.result();
    const std::optional<ir::Quant>& quant = units_.quants[at(value.id())];
    const ValueFacts& facts = facts_.values[at(value.id())];
    if (!quant || !quant->per_tensor() || !facts.seen) return;
    const double scale = quant->scale[0];
    const double low = (static_cast<double>(ir::min_code(quant->dtype)) - quant->zero_point[0]) * scale;
    const double high = (static_cast<double>(ir::max_code(quant->dtype)) - quant->zero_point[0]) * scale;
    diagnosis_.numbers["min"] = facts.min;
    diagnosis_.numbers["max"] = facts.max;
    diagnosis_.numbers["codes_min"] = low;
    diagnosis_.numbers["codes_max"] = high;
    const double clipped =
        100 * static_cast<double>(facts.clipped) / static_cast<double>(std::max<int64_t>(1, facts.count));
    diagnosis_.numbers["clipped_percent"] = clipped;
    const std::string seen = number(facts.min) + " to " + number(facts.max);
    if (facts.min <= static_cast<double>(passes::quantize::kMask)) {
      add("mask",
          "its result holds the numbers of a mask (" + number(facts.min) + "), which leave no codes for others");
    }
    if (clipped >= kClipped) {
      add("clipping", number(clipped) + " % of its result is clipped: codes reach " + number(low) + " to " +
                          number(high) + ", numbers " + seen);
    }
    look_at_channels(facts, std::max(-low, high));
    look_at_width(*quant, facts, low, high);
    if (unit_.node().is(OpKind::softmax)) {
      add("softmax", "probabilities of a Softmax in steps of " + number(scale) + ": smaller ones are lost");
    }
    look_at_pairs();
  }

  void look_at_channels(const ValueFacts& facts, double reach) {
    std::vector<double> magnitudes;
    for (const float x : facts.channel_max) {
      if (x > 0) magnitudes.push_back(x);
    }
    if (magnitudes.size() < 4) return;
    const auto most = std::max_element(facts.channel_max.begin(), facts.channel_max.end());
    const double middle = median(magnitudes), ratio = std::min<double>(*most, reach) / middle;
    diagnosis_.numbers["output_channel_ratio"] = *most / middle;
    if (ratio < 2 * kApart) return;
    add("outlier_channel",
        "the range of its result is set by channel " + std::to_string(most - facts.channel_max.begin()) +
            ", which reaches " + number(*most) + ", " + number(*most / middle) + " times the median channel",
        {most - facts.channel_max.begin()});
  }

  void look_at_width(const ir::Quant& quant, const ValueFacts& facts, double low, double high) {
    const double seen = static_cast<double>(facts.max) - static_cast<double>(std::min(facts.min, 0.0F));
    const bool fixed = unit_.node().is(OpKind::softmax) || unit_.node().is(OpKind::sigmoid);
    if (!(seen > 0) || high - low < kTooWide * seen || fixed) return;
    // Another node's result that is put on the same scale, and needs it.
    const NodeDiagnosis* widest = nullptr;
    double most = 0;
    for (size_t u = 0; u < units_.list.size() && u < all_.size(); ++u) {
      const auto& other = units_.quants[at(units_.list[u].result().id())];
      const ValueFacts& its = facts_.values[at(units_.list[u].result().id())];
      if (!other || !other->same_codes(quant) || &units_.list[u] == &unit_ || !its.seen) continue;
      const double width = static_cast<double>(its.max) - static_cast<double>(its.min);
      if (width > most) most = width, widest = &all_[u];
    }
    if (widest != nullptr && most > kTooWide * seen) {
      diagnosis_.numbers["tied_ratio"] = most / seen;
      add("tied_scales",
          "shares its scale with '" + widest->value + "', whose range is " + number(most / seen) + " times its own");
      return;
    }
    add("wide_range", "codes reach " + number(low) + " to " + number(high) + ", numbers only " + number(facts.min) +
                          " to " + number(facts.max));
  }

  // Sums of products that saturate at 16 bits on x86 without VNNI.
  void look_at_pairs() {
    const ir::Node& node = *unit_.other;
    const ir::Value* weight = passes::quantize::weight_of(node);
    const ir::Value* operand = node.input(0);
    if (weight == nullptr || !node.is(OpKind::conv) || !ops::adds_pairs(node) || operand == nullptr) return;
    const ir::Tensor& tensor = *weight->constant();
    if (tensor.encoding() != ir::Encoding::affine || tensor.quant().dtype != ir::DType::i8) return;
    if (!operand->quant() || operand->quant()->dtype != ir::DType::u8 || tensor.as_palette() != nullptr) return;
    const ir::Tensor codes = tensor.codes().dense();
    const auto all = codes.data<int8_t>();
    const auto rows = static_cast<size_t>(tensor.dims()[0]);
    const size_t width = all.size() / std::max<size_t>(1, rows);
    const int64_t taps = static_cast<int64_t>(width) / std::max<int64_t>(1, tensor.dims()[1]);
    const auto pairs = ops::summed_pairs(tensor.dims()[1], taps);
    int64_t unsafe = 0;
    for (size_t row = 0; row < rows; ++row) {
      for (const auto& [a, b] : pairs) {
        unsafe +=
            ops::pair_overflows(all[row * width + static_cast<size_t>(a)], all[row * width + static_cast<size_t>(b)])
                ? 1
                : 0;
      }
    }
    if (unsafe == 0) return;
    const double share = 100 * static_cast<double>(unsafe) / static_cast<double>(pairs.size() * rows);
    diagnosis_.numbers["unsafe_pair_percent"] = share;
    add("pair_sums", number(share) + " % of its pairs of weights can saturate 16-bit sums on x86 without VNNI");
  }

  const Units& units_;
  const Unit& unit_;
  const Facts& facts_;
  const std::vector<NodeDiagnosis>& all_;
  NodeDiagnosis& diagnosis_;
};

}  // namespace

void find_causes(const Units& units, size_t unit, const Facts& facts, const std::vector<NodeDiagnosis>& all,
                 NodeDiagnosis& diagnosis) {
  CauseFinder(units, unit, facts, all, diagnosis).run();
}

}  // namespace edgesmith::refine::diagnose
