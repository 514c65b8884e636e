// SPDX-License-Identifier: Apache-2.0
// Codebooks become constants with encoding palette, as `share` and the exporter write them:
//
//   Gather(codebooks, Cast(indices))                =>  a palette with one codebook
//   Gather(codebooks, Add(Cast(indices), offsets))  =>  a palette with one codebook a group of channels
//
// `codebooks` is a list of all entries, float or int8; `indices` (uint8 or uint4) have the dims of the result;
// `offsets` (int32) say along one axis where the codebook of every channel begins. Everything else stays nodes.
#include <optional>

#include "onnx/import_graph.h"

namespace edgesmith::onnx {
namespace {

using ir::OpKind;

ir::Node* maker(const ir::Value* value, OpKind op) {
  return value != nullptr && value->node().is(op) ? &value->node() : nullptr;
}

/// How channels along `axis` are cut into groups with a codebook each.
struct Groups {
  int axis = 0;
  int64_t count = 1;
};

/// What the offsets say about codebooks of `total` entries in all; nullopt when they are no groups of equal codebooks.
std::optional<Groups> read_offsets(const ir::Tensor& offsets, const ir::Dims& dims, int64_t total) {
  if (offsets.dtype() != ir::DType::i32 || offsets.dims().size() != dims.size()) return std::nullopt;
  Groups groups;
  for (size_t d = 0; d < dims.size(); ++d) {
    if (offsets.dims()[d] == 1) continue;
    if (offsets.dims()[d] != dims[d] || offsets.size() != dims[d]) return std::nullopt;
    groups.axis = static_cast<int>(d);
  }
  const auto at = offsets.data<int32_t>();
  for (size_t c = 1; c < at.size(); ++c) groups.count += at[c] != at[c - 1] ? 1 : 0;
  if (total % groups.count != 0) return std::nullopt;
  const auto channels = static_cast<int64_t>(at.size());
  const int64_t run = (channels + groups.count - 1) / groups.count, entries = total / groups.count;
  for (int64_t c = 0; c < channels; ++c) {
    if (at[static_cast<size_t>(c)] != c / run * entries) return std::nullopt;
  }
  return groups;
}

std::optional<ir::Tensor> read_palette(const ir::Node& gather) {
  const ir::Tensor* entries = dense_constant(gather.input(0));
  if (entries == nullptr || (entries->dtype() != ir::DType::f32 && entries->dtype() != ir::DType::i8)) return {};
  if (entries->rank() != 1 || entries->size() == 0) return {};
  const ir::Node* cast = maker(gather.input(1), OpKind::cast);
  const ir::Tensor* offsets = nullptr;
  if (const ir::Node* add = maker(gather.input(1), OpKind::add); add != nullptr) {
    for (const int side : {0, 1}) {
      cast = maker(add->input(side), OpKind::cast);
      offsets = dense_constant(add->input(1 - side));
      if (cast != nullptr && offsets != nullptr) break;
    }
    if (offsets == nullptr) return {};
  }
  const ir::Tensor* indices = cast != nullptr ? dense_constant(cast->input(0)) : nullptr;
  if (indices == nullptr || indices->rank() == 0) return {};
  if (indices->dtype() != ir::DType::u8 && indices->dtype() != ir::DType::u4) return {};
  if (cast->attributes().get_int("to", 0) != static_cast<int64_t>(ir::DType::i32)) return {};
  const auto groups =
      offsets != nullptr ? read_offsets(*offsets, indices->dims(), entries->size()) : std::optional(Groups{});
  if (!groups) return {};
  const int64_t in_each = entries->size() / groups->count;
  if (in_each <= ir::max_code(indices->dtype())) {
    for (const int64_t index : indices->to_int64s()) {
      if (index >= in_each) return {};
    }
  }
  return ir::Tensor::palette(*indices, entries->reshaped({groups->count, in_each}), groups->axis);
}

/// Erases what made the operands of an erased node, as far as nobody else reads it.
void erase_idle(ir::Graph& graph, ir::Value* value) {
  if (value == nullptr || !value->unused() || value->is_graph_input()) return;
  std::vector<ir::Value*> operands;
  for (int i = 0; i < value->node().num_inputs(); ++i) operands.push_back(value->node().input(i));
  graph.erase(value->node());
  for (ir::Value* operand : operands) erase_idle(graph, operand);
}

}  // namespace

void find_palettes(ir::Graph& graph) {
  for (ir::Node& node : graph.nodes()) {
    if (!node.is(OpKind::gather)) continue;
    auto palette = read_palette(node);
    if (!palette) continue;
    ir::Value& constant = graph.add_constant(*std::move(palette), node.output().name(), &node);
    graph.replace_all_uses(node.output(), constant);
    const std::vector<ir::Value*> operands = {node.input(0), node.input(1)};
    graph.erase(node);
    for (ir::Value* operand : operands) erase_idle(graph, operand);
  }
}

}  // namespace edgesmith::onnx
