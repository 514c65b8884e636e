// SPDX-License-Identifier: Apache-2.0
#include "passes/rewrite.h"

namespace edgesmith::passes {
namespace {

using ir::OpKind;
using ir::Tensor;

// Output channel of flat weight element `i`.
int64_t output_channel(const ir::Node& node, const ir::Dims& dims, int64_t i, int64_t channels) {
  int64_t inner = 1;
  for (size_t d = 1; d < dims.size(); ++d) inner *= dims[d];
  if (node.is(OpKind::conv)) return i / inner;
  if (node.is(OpKind::gemm)) return node.attributes().get_int("transB", 0) != 0 ? i / dims[1] : i % dims[1];
  // ConvTranspose weights are [C_in, C_out / group, ...]; the inputs of group g make the outputs of group g.
  const int64_t group = node.attributes().get_int("group", 1);
  const int64_t per_group = channels / group;
  const int64_t input = i / inner;
  const int64_t spatial = inner / per_group;
  return input / (dims[0] / group) * per_group + (i % inner) / spatial;
}

int64_t output_channels(const ir::Node& node, const ir::Dims& dims) {
  if (node.is(OpKind::conv)) return dims[0];
  if (node.is(OpKind::gemm)) return node.attributes().get_int("transB", 0) != 0 ? dims[0] : dims[1];
  return dims[1] * node.attributes().get_int("group", 1);
}

// A constant of this operand's own: the present one when nobody else reads it.
void set_constant(ir::Graph& graph, ir::Node& node, int index, Tensor tensor) {
  ir::Value* old = node.input(index);
  if (old != nullptr && old->uses().size() == 1) {
    graph.set_tensor(old->node(), std::move(tensor));
    return;
  }
  const std::string name = old != nullptr ? old->name() : "";
  graph.set_input(node, index, &graph.add_constant(std::move(tensor), name, &node));
}

}  // namespace

const OptionSchema& no_options() {
  static const OptionSchema schema;
  return schema;
}

const Tensor* plain_constant(const ir::Node& node, int index) {
  const ir::Value* value = node.input(index);
  return value != nullptr && is_plain(*value) ? value->constant() : nullptr;
}

ir::Node* sole_producer(const ir::Node& node, int index, OpKind op) {
  const ir::Value* value = node.input(index);
  if (value == nullptr || !value->node().is(op) || !is_plain(*value) || value->uses().size() != 1) return nullptr;
  return &value->node();
}

void bypass_node(ir::Graph& graph, ir::Node& node, ir::Value& replacement) {
  graph.replace_all_uses(node.output(), replacement);
  graph.erase(node);
}

void replace_node(ir::Graph& graph, ir::Node& node, ir::Value& replacement) {
  if (!replacement.is_graph_input() && replacement.constant() == nullptr && !node.output().name().empty()) {
    replacement.set_name(node.output().name());
    replacement.foreign = node.output().foreign;
  }
  bypass_node(graph, node, replacement);
}

Change rewrite_nodes(ir::Graph& graph, const std::function<bool(ir::Graph& graph, ir::Node& node)>& rewrite) {
  Change change = Change::none;
  for (ir::Node& node : graph.nodes()) {
    if (rewrite(graph, node)) change = Change::changed;
  }
  return change;
}

std::optional<std::vector<double>> per_channel(const Tensor& tensor, int rank, int axis, int64_t channels) {
  if (tensor.dtype() != ir::DType::f32 || tensor.rank() > rank) return std::nullopt;
  for (int d = 0; d < tensor.rank(); ++d) {
    const int aligned = d + rank - tensor.rank();
    const int64_t dim = tensor.dims()[static_cast<size_t>(d)];
    if (dim != 1 && (aligned != axis || dim != channels)) return std::nullopt;
  }
  const std::vector<float> numbers = tensor.to_floats();
  if (numbers.size() == 1) return std::vector<double>(static_cast<size_t>(channels), numbers[0]);
  return std::vector<double>(numbers.begin(), numbers.end());
}

std::optional<Layer> match_layer(ir::Node& node) {
  const bool is_gemm = node.is(OpKind::gemm);
  if (!node.is(OpKind::conv) && !node.is(OpKind::conv_transpose) && !is_gemm) return std::nullopt;
  if (!is_plain(node.output())) return std::nullopt;
  const Tensor* weight = plain_constant(node, 1);
  if (weight == nullptr || weight->dtype() != ir::DType::f32 || weight->encoding() != ir::Encoding::dense) {
    return std::nullopt;
  }
  if (is_gemm && (node.attributes().get_float("alpha", 1) != 1 || node.attributes().get_float("beta", 1) != 1)) {
    return std::nullopt;
  }
  if (weight->rank() < 2 || weight->size() == 0) return std::nullopt;
  Layer layer{.node = &node, .channels = output_channels(node, weight->dims())};
  layer.weight_shared = node.input(1)->uses().size() > 1;
  layer.bias.assign(static_cast<size_t>(layer.channels), 0.0);
  if (node.input(2) != nullptr) {
    const Tensor* bias = plain_constant(node, 2);
    if (bias == nullptr) return std::nullopt;
    auto numbers = is_gemm ? per_channel(*bias, 2, 1, layer.channels) : per_channel(*bias, 1, 0, layer.channels);
    if (!numbers) return std::nullopt;
    layer.bias = std::move(*numbers);
  }
  return layer;
}

void scale_and_shift(ir::Graph& graph, const Layer& layer, const std::vector<double>& factor,
                     const std::vector<double>& shift) {
  ir::Node& node = *layer.node;
  if (!factor.empty()) {
    const Tensor& weight = *node.input(1)->constant();
    const auto old = weight.data<float>();
    Tensor scaled = Tensor::zeros(ir::DType::f32, weight.dims());
    auto out = scaled.mutable_data<float>();
    for (int64_t i = 0; i < weight.size(); ++i) {
      const auto c = static_cast<size_t>(output_channel(node, weight.dims(), i, layer.channels));
      out[static_cast<size_t>(i)] = static_cast<float>(old[static_cast<size_t>(i)] * factor[c]);
    }
    set_constant(graph, node, 1, std::move(scaled));
  }
  std::vector<float> bias(static_cast<size_t>(layer.channels));
  for (size_t c = 0; c < bias.size(); ++c) {
    bias[c] = static_cast<float>(layer.bias[c] * (factor.empty() ? 1.0 : factor[c]) + shift[c]);
  }
  set_constant(graph, node, 2, Tensor::of<float>({layer.channels}, bias));
}

}  // namespace edgesmith::passes
