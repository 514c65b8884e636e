// SPDX-License-Identifier: Apache-2.0
// Q/DQ pairs become annotations, so that passes see one graph of reals:
//
//   DequantizeLinear(integer constant)           => a constant with encoding affine; a palette of codes stays one
//   DequantizeLinear(QuantizeLinear(constant))   => the same, with the codes computed here
//   DequantizeLinear(QuantizeLinear(x))          => x annotated, when nobody else reads x;
//                                                   else an identity of x whose output is annotated
//
// Only what means exactly the same is taken: scales and zero points constant, float32 reals, every reader of the codes
// a DequantizeLinear with the parameters of the QuantizeLinear. Everything else stays a node.
#include <algorithm>
#include <cmath>
#include <optional>

#include "onnx/import_graph.h"

namespace edgesmith::onnx {
namespace {

constexpr const char* kMethod = "imported";

bool is_code(ir::DType dtype) {
  return ir::is_integer(dtype) && ir::dtype_bits(dtype) <= 32 && dtype != ir::DType::u32;
}

/// The channel axis of a node whose scale is a list, counted from the front; -1 when that is not known.
int channel_axis(const ir::Node& node) {
  const int rank = node.input(0)->type().rank();
  const int64_t axis = node.attributes().get_int("axis", 1);
  const int64_t at = axis < 0 ? axis + rank : axis;
  return rank > 0 && at >= 0 && at < rank ? static_cast<int>(at) : -1;
}

/// The number of scales that go with dims known to be `shape`, or -1.
int64_t wanted_scales(const ir::Node& node, int axis, int64_t block_size) {
  const auto dims = node.input(0)->type().static_dims();
  if (block_size == 0) {
    const ir::Dim& dim = (*node.input(0)->type().shape)[static_cast<size_t>(axis)];
    return dim.known() ? dim.value() : -1;
  }
  if (!dims) return -1;
  ir::Dims blocked = *dims;
  int64_t& dim = blocked[static_cast<size_t>(axis)];
  dim = (dim + block_size - 1) / block_size;
  return ir::num_elements(blocked);
}

/// What a QuantizeLinear or DequantizeLinear with codes of `dtype` says, when an annotation can say it.
std::optional<ir::Quant> quant_of(const ir::Node& node, ir::DType dtype) {
  const ir::Tensor* scale = dense_constant(node.input(1));
  const ir::Tensor* zero_point = dense_constant(node.input(2));
  if (!is_code(dtype) || scale == nullptr || scale->dtype() != ir::DType::f32 || scale->size() == 0)
    return std::nullopt;
  if (node.input(2) != nullptr && (zero_point == nullptr || zero_point->size() != scale->size())) return std::nullopt;
  if (zero_point != nullptr && !is_code(zero_point->dtype())) return std::nullopt;
  if (node.attributes().get_int("precision", 0) > static_cast<int64_t>(ir::DType::f32)) return std::nullopt;
  ir::Quant quant;
  quant.dtype = dtype;
  quant.method = kMethod;
  quant.scale = scale->to_floats();
  quant.zero_point.assign(quant.scale.size(), 0);
  if (zero_point != nullptr) {
    const std::vector<int64_t> codes = zero_point->to_int64s();
    std::copy(codes.begin(), codes.end(), quant.zero_point.begin());
  }
  if (!std::all_of(quant.scale.begin(), quant.scale.end(), [](float s) { return std::isfinite(s) && s > 0; })) {
    return std::nullopt;
  }
  const int64_t block_size = node.attributes().get_int("block_size", 0);
  if (scale->size() == 1 && block_size == 0) return quant;
  quant.axis = channel_axis(node);
  quant.block_size = block_size;
  if (quant.axis < 0 || wanted_scales(node, quant.axis, block_size) != scale->size()) return std::nullopt;
  return quant;
}

/// Removes a constant or node that nobody reads any more.
void erase_if_unused(ir::Graph& graph, ir::Value* value) {
  if (value != nullptr && value->constant() != nullptr && value->unused()) graph.erase(value->node());
}

void erase_with_parameters(ir::Graph& graph, ir::Node& node) {
  const std::vector<ir::Value*> operands = {node.input(0), node.input(1), node.input(2)};
  graph.erase(node);
  for (size_t i = 0; i < operands.size(); ++i) {
    if (std::find(operands.begin(), operands.begin() + static_cast<std::ptrdiff_t>(i), operands[i]) ==
        operands.begin() + static_cast<std::ptrdiff_t>(i)) {
      erase_if_unused(graph, operands[i]);
    }
  }
}

void annotate_constant(ir::Graph& graph, ir::Node& dequantize) {
  const ir::Tensor* codes = dequantize.input(0)->constant();
  const bool known =
      codes != nullptr && (codes->encoding() == ir::Encoding::dense || codes->encoding() == ir::Encoding::palette);
  if (!known || dequantize.output().type().dtype != ir::DType::f32) return;
  auto quant = quant_of(dequantize, codes->dtype());
  if (!quant) return;
  ir::Value& real =
      graph.add_constant(ir::Tensor::affine(*codes, *std::move(quant)), dequantize.output().name(), &dequantize);
  graph.replace_all_uses(dequantize.output(), real);
  erase_with_parameters(graph, dequantize);
}

/// Codes of a float constant.
ir::Tensor quantize_constant(const ir::Tensor& reals, const ir::Quant& quant) {
  const std::vector<float> values = reals.to_floats();
  ir::Tensor codes = ir::Tensor::zeros(quant.dtype, reals.dims());
  const auto bytes = codes.mutable_bytes();
  const auto bits = static_cast<size_t>(ir::dtype_bits(quant.dtype));
  size_t inner = 1;
  for (int axis = quant.axis + 1; !quant.per_tensor() && axis < reals.rank(); ++axis) {
    inner *= static_cast<size_t>(reals.dims()[static_cast<size_t>(axis)]);
  }
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t channel = quant.per_tensor() ? 0 : i / inner % quant.scale.size();
    const auto code = static_cast<uint32_t>(
        ir::quantize_value(values[i], quant.scale[channel], quant.zero_point[channel], quant.dtype));
    for (size_t b = 0; b < bits; ++b)
      bytes[(i * bits + b) / 8] |= static_cast<std::byte>((code >> b & 1) << ((i * bits + b) % 8));
  }
  return codes;
}

/// The DequantizeLinear nodes that read the codes, when nothing else does and all say what the QuantizeLinear says.
std::vector<ir::Node*> matching_readers(const ir::Value& codes, const ir::Quant& quant) {
  std::vector<ir::Node*> readers;
  for (const ir::Use& use : codes.uses()) {
    ir::Node& reader = *use.node;
    if (!reader.is(ir::OpKind::dequantize_linear) || use.index != 0) return {};
    if (reader.output().type().dtype != ir::DType::f32) return {};
    const auto said = quant_of(reader, quant.dtype);
    if (!said || !said->same_codes(quant)) return {};
    readers.push_back(&reader);
  }
  std::sort(readers.begin(), readers.end(), [](const ir::Node* a, const ir::Node* b) { return a->id() < b->id(); });
  return readers;
}

/// The value that stands for the pair: x itself, a constant, or an identity of x.
ir::Value& annotated_value(ir::Graph& graph, ir::Node& quantize, const ir::Quant& quant, const ir::Node& dequantize) {
  ir::Value& x = *quantize.input(0);
  const std::string& name = dequantize.output().name();
  if (const ir::Tensor* constant = dense_constant(&x); constant != nullptr && quant.block_size == 0) {
    return graph.add_constant(ir::Tensor::affine(quantize_constant(*constant, quant), quant), name, &quantize);
  }
  if (x.quant() && x.quant()->same_codes(quant)) return x;
  if (!x.quant() && x.constant() == nullptr && x.uses().size() == 1) {
    x.set_quant(quant);
    return x;
  }
  ir::Value& copy = graph.insert_before(quantize, ir::OpKind::identity, {&x}).output();
  copy.set_name(name);
  copy.set_type(x.type());
  copy.set_quant(quant);
  return copy;
}

void annotate_pair(ir::Graph& graph, ir::Node& quantize) {
  if (quantize.input(0)->type().dtype != ir::DType::f32) return;
  const auto quant = quant_of(quantize, quantize.output().type().dtype);
  if (!quant) return;
  const std::vector<ir::Node*> readers = matching_readers(quantize.output(), *quant);
  if (readers.empty()) return;
  ir::Value& value = annotated_value(graph, quantize, *quant, *readers.front());
  for (ir::Node* reader : readers) {
    graph.replace_all_uses(reader->output(), value);
    erase_with_parameters(graph, *reader);
  }
  erase_with_parameters(graph, quantize);
}

}  // namespace

const ir::Tensor* dense_constant(const ir::Value* value) {
  const ir::Tensor* tensor = value != nullptr ? value->constant() : nullptr;
  return tensor != nullptr && tensor->encoding() == ir::Encoding::dense ? tensor : nullptr;
}

void annotate_quantization(ir::Graph& graph) {
  for (ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::dequantize_linear)) annotate_constant(graph, node);
  }
  for (ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::quantize_linear)) annotate_pair(graph, node);
  }
}

}  // namespace edgesmith::onnx
