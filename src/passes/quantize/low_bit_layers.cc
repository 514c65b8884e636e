// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/low_bit_layers.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "edgesmith/base/interruptible.h"
#include "edgesmith/ops/op_info.h"
#include "passes/convert/half_weights.h"
#include "passes/quantize/assignment.h"
#include "passes/quantize/findings.h"
#include "passes/quantize/layer_inputs.h"
#include "passes/quantize/low_bit_budget.h"
#include "passes/quantize/node_form.h"
#include "passes/quantize/stream.h"
#include "passes/reconstruct/plan_trial.h"
#include "passes/reconstruct/sequence.h"

namespace edgesmith::passes::quantize {
namespace {

using reconstruct::BitSharing;

// Scales of rate-aware codes are short floats.
constexpr double kShortScaleBits = 16;

Result<std::vector<ir::Node*>> find_layers(ir::Graph& graph, bool reconstruct, const std::vector<bool>& selected,
                                           PassContext& context) {
  std::vector<ir::Node*> layers;
  for (ir::Node& node : graph.nodes()) {
    const ir::Value* weight = weight_of(node);
    if (weight == nullptr || !selected[static_cast<size_t>(node.id())]) continue;
    const ir::Tensor& tensor = *weight->constant();
    if (!reconstruct::holds_numbers(tensor) || tensor.dtype() != ir::DType::f32 || tensor.rank() < 2 ||
        tensor.size() == 0) {
      continue;
    }
    if (weight->uses().size() != 1) {
      context.notes.push_back(node.label() + " stays float: other nodes read its weights too");
      continue;
    }
    if (reconstruct && !has_rows(node)) {
      context.notes.push_back(node.label() + " stays float: what meets its weights cannot be collected");
      continue;
    }
    for (const float number : tensor.to_floats()) {
      if (!std::isfinite(number)) return invalid_error(node.label() + ": its weights hold NaN or infinity");
    }
    layers.push_back(&node);
  }
  return layers;
}

class Coder {
 public:
  Coder(ir::Graph& graph, const LowBitSettings& settings, std::vector<ir::Node*> layers, PassContext& context)
      : graph_(graph), context_(context), layers_(std::move(layers)) {
    for (ir::Node* node : layers_) {
      settings_.push_back(settings);
      if (settings.block_size <= 0) continue;
      const reconstruct::Layer layer = reconstruct::read_layer(*node);
      if (takes_blocks(layer, settings.block_size)) continue;
      settings_.back().block_size = 0;
      context_.notes.push_back(node->label() + " has one scale an output: its " + std::to_string(layer.group_size) +
                               " input channels are no multiple of " + std::to_string(settings.block_size));
    }
  }

  Status run(bool reconstruct, const reconstruct::BitOptions& bits) {
    if (!reconstruct) {
      for (size_t l = 0; l < layers_.size(); ++l) {
        code(l, nullptr);
        EDGESMITH_TRY(check_interrupted());
      }
      return {};
    }
    const Stream stream(*context_.calib, graph_, *context_.pool, *context_.progress);
    if (bits.sharing == BitSharing::rate_aware) return code_within(static_cast<double>(*bits.budget.bytes), stream);
    if (bits.sharing == BitSharing::knapsack) EDGESMITH_TRY(share_bits(bits.budget, stream));
    return code_in_order(stream);
  }

  void summarize() {
    std::vector<int> widths;
    double in_bits = 0;
    for (size_t l = 0; l < layers_.size(); ++l) {
      widths.push_back(settings_[l].bits);
      in_bits += bits_[l];
    }
    const auto [least, most] = std::minmax_element(widths.begin(), widths.end());
    const bool mixed = *least < *most, narrow = *least < 4;
    context_.notes.push_back(std::to_string(weights_) + " weights of " + std::to_string(layers_.size()) +
                             " layers are " + (mixed ? "codes" : "int" + std::to_string(*least) + " codes") + ", " +
                             std::to_string(bytes_) + " bytes with their scales" +
                             (mixed ? ": " + reconstruct::describe_widths(widths, "int") : ""));
    if (mixed) {
      context_.notes.push_back("counted at their bits, codes and scales are " +
                               std::to_string(static_cast<int64_t>(std::ceil(in_bits / 8))) + " bytes");
    }
    if (rates_) {
      context_.notes.push_back("an entropy coder such as pack's is expected to spend " +
                               std::to_string(static_cast<int64_t>(std::ceil(rates_->taken_bytes()))) +
                               " bytes on codes and scales");
    }
    if (narrow) {
      context_.notes.push_back("ONNX stores " + std::string(mixed ? "codes of up to 4 bits" : "them") +
                               " in 4 bits each: opset 21 has no narrower type");
    }
  }

 private:
  Status share_bits(const reconstruct::BitBudget& budget, const Stream& stream) {
    auto plan = plan_bits(graph_, layers_, settings_, budget, stream, context_);
    if (!plan) return plan.error();
    context_.notes.push_back(reconstruct::describe_plan(*plan, budget, "int" + std::to_string(settings_[0].bits)));
    const auto try_codes = [&](size_t l, int bits, ir::Graph& copy, ir::Node& node, const reconstruct::Gram& gram) {
      LowBitSettings settings = settings_[l];
      settings.bits = bits;
      settings.quick = true;
      const reconstruct::Layer layer = reconstruct::read_layer(node);
      put_codes(copy, layer, low_bit_weight(layer, settings, &gram, *context_.pool));
    };
    EDGESMITH_TRY(reconstruct::keep_better(*plan, graph_, layers_, stream, try_codes, context_));
    for (size_t l = 0; l < layers_.size(); ++l) settings_[l].bits = plan->bits[l];
    return {};
  }

  Status code_in_order(const Stream& stream) {
    weights_ = bytes_ = 0;
    return reconstruct::compress_in_order(graph_, layers_, stream, reconstruct::kRowsPerInput, context_.notes,
                                          [&](ir::Node& node, const reconstruct::Gram& gram) {
                                            const auto at = std::find(layers_.begin(), layers_.end(), &node);
                                            code(static_cast<size_t>(at - layers_.begin()), &gram);
                                            return Status();
                                          });
  }

  Status code_within(double bytes, const Stream& stream) {
    std::vector<double> scales;
    for (ir::Node* layer : layers_) {
      scales.push_back(kShortScaleBits * static_cast<double>(reconstruct::read_layer(*layer).outputs));
    }
    const auto beside = [scales](size_t l, double) { return scales[l]; };
    auto plan = RatePlan::make(graph_, layers_, settings_, beside, bytes, stream, context_);
    if (!plan) return plan.error();
    rates_ = std::move(*plan);
    const ir::Graph original = graph_.clone();
    return rates_->code_within(
        bytes, [&] { return code_in_order(stream); },
        [&] {
          for (ir::Node* layer : layers_) restore(original, *layer);
        },
        context_);
  }

  // Weights and biases as they were.
  void restore(const ir::Graph& original, ir::Node& layer) {
    const auto facts = ops::quant_facts(layer);
    for (const int operand : {facts.weight_operand, facts.bias_operand}) {
      reconstruct::restore_constant(graph_, original, layer, operand);
    }
  }

  void code(size_t l, const reconstruct::Gram* gram) {
    ir::Node& node = *layers_[l];
    const reconstruct::Layer layer = reconstruct::read_layer(node);
    LowBitCodes codes;
    double expected = 0;
    std::vector<double> errors;
    if (rates_) {
      RatedCodes rated = rate_aware_weight(layer, settings_[l], rates_->price(l), *gram, *context_.pool);
      rates_->took(l, rated.bits, kShortScaleBits * static_cast<double>(layer.outputs));
      expected = rated.bits / static_cast<double>(layer.size());
      codes = std::move(rated.codes);
      errors = std::move(rated.errors);
    } else {
      codes = low_bit_weight(layer, settings_[l], gram, *context_.pool);
    }
    report_weight(node, codes.weight, settings_[l].bits, codes.sqnr_db, gram != nullptr, context_);
    context_.layers.back().numbers["bits"] = settings_[l].bits;
    if (rates_) context_.layers.back().numbers["packed_bits"] = expected;
    weights_ += layer.size();
    bytes_ += codes.weight.stored_bytes();
    bits_[l] = static_cast<double>(coded_bits(layer, settings_[l], settings_[l].bits));
    put_codes(graph_, layer, codes);
    reconstruct::shorten_bias(graph_, node, errors);  // the layers behind make up for it
  }

  ir::Graph& graph_;
  PassContext& context_;
  std::vector<ir::Node*> layers_;
  std::vector<LowBitSettings> settings_;  // by layer
  std::optional<RatePlan> rates_;
  std::vector<double> bits_ = std::vector<double>(layers_.size(), 0);  // by layer, with scales
  int64_t weights_ = 0, bytes_ = 0;
};

}  // namespace

Result<Change> set_low_bit_weights(ir::Graph& graph, const LowBitSettings& settings, bool reconstruct,
                                   const reconstruct::BitOptions& bits, const std::vector<bool>& selected,
                                   PassContext& context) {
  auto layers = find_layers(graph, reconstruct, selected, context);
  if (!layers) return layers.error();
  if (layers->empty()) {
    context.notes.push_back("there are no float32 weights to quantize" + half_weights_hint(graph));
    return Change::none;
  }
  const bool blocks = settings.block_size <= 0 || std::any_of(layers->begin(), layers->end(), [&](ir::Node* node) {
                        return takes_blocks(reconstruct::read_layer(*node), settings.block_size);
                      });
  if (!blocks) {
    return usage_error("blocks of " + std::to_string(settings.block_size) + " divide the input channels of no layer",
                       "give a --block that does, or none");
  }
  Coder coder(graph, settings, *layers, context);
  EDGESMITH_TRY(coder.run(reconstruct, bits));
  coder.summarize();
  return Change::changed;
}

}  // namespace edgesmith::passes::quantize
