// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/low_bit_layers.h"

#include <algorithm>
#include <cmath>

#include "edgesmith/ops/op_info.h"
#include "passes/quantize/assignment.h"
#include "passes/quantize/findings.h"
#include "passes/quantize/node_form.h"
#include "passes/quantize/stream.h"
#include "passes/reconstruct/sequence.h"

namespace edgesmith::passes::quantize {
namespace {

// Rows for each input of a block: the differences to the float model need better moments than rounding alone.
constexpr int64_t kRowsPerInput = 32;

Result<std::vector<ir::Node*>> find_layers(ir::Graph& graph, const std::vector<bool>& selected, PassContext& context) {
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
    for (const float number : tensor.to_floats()) {
      if (!std::isfinite(number)) return invalid_error(node.label() + ": its weights hold NaN or infinity");
    }
    layers.push_back(&node);
  }
  return layers;
}

class Coder {
 public:
  Coder(ir::Graph& graph, const LowBitSettings& settings, PassContext& context)
      : graph_(graph), settings_(settings), context_(context) {}

  Status code(ir::Node& node, const reconstruct::Gram* gram) {
    const reconstruct::Layer layer = reconstruct::read_layer(node);
    LowBitSettings settings = settings_;
    if (settings.block_size > 0 && !has_blocks(layer, settings.block_size)) settings.block_size = 0;
    const LowBitCodes codes = low_bit_weight(layer, settings, gram, *context_.pool);
    if (!codes.bias_change.empty()) reconstruct::change_bias(graph_, layer, codes.bias_change);
    report_weight(node, codes.weight, settings.bits, codes.sqnr_db, gram != nullptr, context_);
    weights_ += layer.size();
    bytes_ += codes.weight.stored_bytes();
    ++layers_;
    set_constant(graph_, node, ops::quant_facts(node).weight_operand, codes.weight);
    return {};
  }

  void summarize() {
    context_.notes.push_back(std::to_string(weights_) + " weights of " + std::to_string(layers_) + " layers are int" +
                             std::to_string(settings_.bits) + " codes, " + std::to_string(bytes_) +
                             " bytes with their scales");
    if (settings_.bits < 4) {
      context_.notes.push_back("ONNX stores them in 4 bits each: opset 21 has no narrower type");
    }
  }

 private:
  bool has_blocks(const reconstruct::Layer& layer, int64_t block_size) {
    if (takes_blocks(layer, block_size)) return true;
    context_.notes.push_back(layer.node->label() + " has one scale an output: its " + std::to_string(layer.group_size) +
                             " input channels are no multiple of " + std::to_string(block_size));
    return false;
  }

  ir::Graph& graph_;
  const LowBitSettings& settings_;
  PassContext& context_;
  int64_t weights_ = 0, layers_ = 0, bytes_ = 0;
};

}  // namespace

Result<Change> set_low_bit_weights(ir::Graph& graph, const LowBitSettings& settings, bool reconstruct,
                                   const std::vector<bool>& selected, PassContext& context) {
  auto layers = find_layers(graph, selected, context);
  if (!layers) return layers.error();
  if (layers->empty()) {
    context.notes.push_back("there are no float32 weights to quantize");
    return Change::none;
  }
  const bool blocks = settings.block_size <= 0 || std::any_of(layers->begin(), layers->end(), [&](ir::Node* node) {
                        return takes_blocks(reconstruct::read_layer(*node), settings.block_size);
                      });
  if (!blocks) {
    return usage_error("blocks of " + std::to_string(settings.block_size) + " divide the input channels of no layer",
                       "give a --block that does, or none");
  }
  Coder coder(graph, settings, context);
  if (reconstruct) {
    const Stream stream(*context.calib, graph, *context.pool, *context.progress);
    EDGESMITH_TRY(reconstruct::compress_in_order(
        graph, *layers, stream, kRowsPerInput,
        [&](ir::Node& node, const reconstruct::Gram& gram) { return coder.code(node, &gram); }));
  } else {
    for (ir::Node* node : *layers) EDGESMITH_TRY(coder.code(*node, nullptr));
  }
  coder.summarize();
  return Change::changed;
}

}  // namespace edgesmith::passes::quantize
