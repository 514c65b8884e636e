// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/float_layers.h"

#include <algorithm>
#include <cmath>

#include "passes/quantize/findings.h"
#include "passes/quantize/slice_codes.h"
#include "passes/quantize/tables.h"

namespace edgesmith::passes::quantize {
namespace {

using ir::OpKind;

// W and R are [directions, gates * hidden, ...], weights of ConvTranspose [C_in, C_out / group, ...].
constexpr int kAxis = 1;

bool reads_weights(const ir::Use& use) {
  const ir::Node& node = *use.node;
  const bool recurrent = node.is(OpKind::lstm) || node.is(OpKind::gru) || node.is(OpKind::rnn);
  return recurrent ? use.index == 1 || use.index == 2 : node.is(OpKind::conv_transpose) && use.index == 1;
}

// The first reader, when every one is selected and reads weights; else null.
const ir::Node* reader_of_weights(const ir::Value& value, const std::vector<bool>& selected) {
  const ir::Node* first = nullptr;
  for (const ir::Use& use : value.uses()) {
    if (!reads_weights(use) || !selected[static_cast<size_t>(use.node->id())]) return nullptr;
    if (first == nullptr || use.node->id() < first->id()) first = use.node;
  }
  return first;
}

}  // namespace

int quantize_float_layers(ir::Graph& graph, const std::vector<bool>& selected, PassContext& context) {
  int count = 0;
  for (ir::Node& node : graph.nodes()) {
    if (!node.is(OpKind::constant) || node.tensor().rank() < 3 || node.tensor().size() < kSmallestTable) continue;
    const ir::Tensor& weight = node.tensor();
    if (weight.dtype() != ir::DType::f32 || weight.encoding() != ir::Encoding::dense) continue;
    const ir::Node* reader = reader_of_weights(node.output(), selected);
    if (reader == nullptr) continue;
    const std::vector<float> reals = weight.to_floats();
    if (!std::all_of(reals.begin(), reals.end(), [](float x) { return std::isfinite(x); })) continue;
    SliceCodes coded = code_slices(reals, weight.dims(), kAxis);
    report_weight(*reader, coded.tensor, 8, coded.sqnr_db, false, context);
    graph.set_tensor(node, std::move(coded.tensor));
    ++count;
  }
  if (count > 0) {
    context.notes.push_back(std::to_string(count) + (count == 1 ? " weight" : " weights") +
                            " of layers that compute on floats " + (count == 1 ? "is" : "are") + " int8 codes");
  }
  return count;
}

}  // namespace edgesmith::passes::quantize
