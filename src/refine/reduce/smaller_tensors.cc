// SPDX-License-Identifier: Apache-2.0
#include "refine/reduce/smaller_tensors.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "edgesmith/ops/op_info.h"

namespace edgesmith::refine {
namespace {

using ir::DType;
using ir::OpKind;

/// The leading `to` of the elements along `axis`; the tensor is dense and its elements are whole bytes.
ir::Tensor leading(const ir::Tensor& tensor, size_t axis, int64_t to) {
  ir::Dims dims = tensor.dims();
  int64_t outer = 1, inner = ir::dtype_bits(tensor.dtype()) / 8;
  for (size_t i = 0; i < axis; ++i) outer *= dims[i];
  for (size_t i = axis + 1; i < dims.size(); ++i) inner *= dims[i];
  const int64_t from = dims[axis];
  dims[axis] = to;
  ir::Tensor part = ir::Tensor::zeros(tensor.dtype(), dims);
  const auto source = tensor.bytes();
  const auto target = part.mutable_bytes();
  for (int64_t o = 0; o < outer; ++o) {
    std::memcpy(target.data() + o * to * inner, source.data() + o * from * inner, static_cast<size_t>(to * inner));
  }
  return part;
}

bool has_whole_bytes(const ir::Tensor& tensor) {
  return tensor.dtype() != DType::string && ir::dtype_bits(tensor.dtype()) % 8 == 0;
}

/// A dim, or a product with it as a factor.
int64_t scaled(int64_t number, int64_t from, int64_t to) {
  return number >= from && number % from == 0 ? number / from * to : number;
}

std::optional<ir::Tensor> smaller(const ir::Tensor& whole, int64_t from, int64_t to) {
  std::optional<ir::Quant> quant;
  if (whole.encoding() == ir::Encoding::affine) quant = whole.quant();
  ir::Tensor tensor = quant ? whole.codes().dense() : whole.dense();
  if (!has_whole_bytes(tensor)) return std::nullopt;
  for (size_t axis = 0; axis < tensor.dims().size(); ++axis) {
    if (tensor.dims()[axis] != from) continue;
    tensor = leading(tensor, axis, to);
    if (!quant || quant->per_tensor() || static_cast<size_t>(quant->axis) != axis) continue;
    if (static_cast<int64_t>(quant->scale.size()) != from) return std::nullopt;  // scales of blocks
    quant->scale.resize(static_cast<size_t>(to));
    quant->zero_point.resize(static_cast<size_t>(to));
  }
  if (quant) return ir::Tensor::affine(std::move(tensor), *std::move(quant));
  if (tensor.dtype() != DType::i64 || tensor.rank() > 1) return tensor;
  std::vector<int64_t> numbers = tensor.to_int64s();
  for (int64_t& number : numbers) number = scaled(number, from, to);
  return ir::Tensor::of<int64_t>(tensor.dims(), numbers);
}

ir::Type smaller(ir::Type type, int64_t from, int64_t to) {
  if (!type.shape) return type;
  for (ir::Dim& dim : *type.shape) {
    if (dim.known() && dim.value() == from) dim = ir::Dim(to);
  }
  return type;
}

}  // namespace

std::vector<int64_t> dims_of(const ir::Graph& graph) {
  std::set<int64_t, std::greater<>> sizes;
  for (const ir::Node& node : graph.nodes()) {
    if (!node.is(OpKind::input) && !node.is(OpKind::constant)) continue;
    const ir::Type& type = node.output().type();
    if (!type.shape) continue;
    for (const ir::Dim& dim : *type.shape) {
      if (dim.known() && dim.value() > 1) sizes.insert(dim.value());
    }
  }
  return {sizes.begin(), sizes.end()};
}

std::optional<ir::Graph> with_dim(const ir::Graph& graph, int64_t from, int64_t to) {
  ir::Graph copy = graph.clone();
  for (ir::Node& node : copy.nodes()) {
    if (node.is(OpKind::constant)) {
      auto tensor = smaller(node.tensor(), from, to);
      if (!tensor) return std::nullopt;
      copy.set_tensor(node, *std::move(tensor));
      continue;
    }
    for (const char* name : {"group", "hidden_size"}) {
      const int64_t number = node.attributes().get_int(name, 1);
      if (node.attributes().has(name)) node.attributes().set(name, scaled(number, from, to));
    }
    for (int i = 0; i < node.num_outputs(); ++i) {
      ir::Value& value = node.output(i);
      const bool inferred = !node.is(OpKind::input) && !node.is(OpKind::opaque);
      value.set_type(inferred ? ir::Type{value.type().dtype, std::nullopt} : smaller(value.type(), from, to));
      value.foreign.reset();
    }
  }
  for (ir::Type& declared : copy.declared_outputs) declared = ir::Type();
  if (!ops::infer_types(copy).ok()) return std::nullopt;
  for (const ir::Node& node : copy.nodes()) {
    if (!ops::verify_node(node).ok()) return std::nullopt;
  }
  return copy;
}

std::optional<ir::Tensor> refilled(const ir::Tensor& tensor, const std::function<double()>& make) {
  if (tensor.encoding() == ir::Encoding::affine) {
    const auto codes = refilled(tensor.codes(), make);
    return codes ? std::optional(ir::Tensor::affine(*codes, tensor.quant())) : std::nullopt;
  }
  ir::Tensor other = ir::Tensor::zeros(tensor.dtype(), tensor.dims());
  const auto fill = [&](auto example, auto number) {
    for (auto& x : other.mutable_data<decltype(example)>()) x = static_cast<decltype(example)>(number());
  };
  const auto code = [&] { return std::clamp(std::nearbyint(32 * make()), 0.0, 127.0); };
  switch (tensor.dtype()) {
    case DType::f32: fill(float{}, make); return other;
    case DType::f64: fill(double{}, make); return other;
    case DType::i8: fill(int8_t{}, code); return other;
    case DType::u8: fill(uint8_t{}, code); return other;
    case DType::f16:
    case DType::bf16: {
      const auto bytes = other.mutable_bytes();
      for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
        const auto number = static_cast<float>(make());
        const uint16_t bits = tensor.dtype() == DType::f16 ? ir::float_to_half(number) : ir::float_to_bfloat16(number);
        std::memcpy(bytes.data() + i, &bits, sizeof bits);
      }
      return other;
    }
    default: return std::nullopt;
  }
}

ir::Graph with_tensor(const ir::Graph& graph, int id, const ir::Tensor& tensor) {
  ir::Graph copy = graph.clone();
  for (ir::Node& node : copy.nodes()) {
    if (node.id() == id) copy.set_tensor(node, tensor);
  }
  return copy;
}

}  // namespace edgesmith::refine
