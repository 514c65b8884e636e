// SPDX-License-Identifier: Apache-2.0
#include "onnx/compound.h"

namespace edgesmith::onnx {
namespace {

/// The one element of a tensor of bytes or words, at every place of `dims`.
ir::Tensor repeated(const ir::Tensor& one, const ir::Dims& dims) {
  ir::Tensor out = ir::Tensor::zeros(one.dtype(), dims);
  const auto from = one.bytes();
  const auto to = out.mutable_bytes();
  for (size_t i = 0; i < to.size(); ++i) to[i] = from[i % from.size()];
  return out;
}

}  // namespace

Emitter::Emitter(ir::Graph& graph, std::vector<ir::Value*> operands, std::vector<ir::Type> types,
                 ir::Attributes attributes, int num_outputs)
    : graph_(graph),
      operands_(std::move(operands)),
      types_(std::move(types)),
      attributes_(std::move(attributes)),
      num_outputs_(num_outputs) {}

ir::Value* Emitter::input(int index) const {
  return index < num_inputs() ? operands_[static_cast<size_t>(index)] : nullptr;
}

int Emitter::rank(int index) const { return index < num_inputs() ? types_[static_cast<size_t>(index)].rank() : -1; }

ir::DType Emitter::dtype(int index) const {
  return index < num_inputs() ? types_[static_cast<size_t>(index)].dtype : ir::DType::undefined;
}

bool Emitter::constants(std::initializer_list<int> indices) const {
  for (const int index : indices) {
    if (input(index) != nullptr && input(index)->constant() == nullptr) return false;
  }
  return true;
}

ir::Node& Emitter::node(ir::OpKind kind, const std::vector<ir::Value*>& inputs, int num_outputs,
                        std::initializer_list<Named> attributes) {
  ir::Node& made = graph_.append(kind, inputs, num_outputs);
  for (const auto& [name, value] : attributes) made.attributes().set(name, value);
  nodes_.push_back(&made);
  return made;
}

ir::Value& Emitter::op(ir::OpKind kind, const std::vector<ir::Value*>& inputs,
                       std::initializer_list<Named> attributes) {
  std::vector<ir::Value*> present = inputs;
  while (!present.empty() && present.back() == nullptr) present.pop_back();
  return node(kind, present, 1, attributes).output();
}

ir::Value& Emitter::op_like(ir::OpKind kind, const std::vector<ir::Value*>& inputs, std::string_view names) {
  ir::Value& value = op(kind, inputs);
  while (!names.empty()) {
    const size_t end = std::min(names.find(' '), names.size());
    const std::string_view name = names.substr(0, end);
    if (const ir::Attribute* attribute = attributes_.find(name)) value.node().attributes().set(name, *attribute);
    names = names.substr(std::min(end + 1, names.size()));
  }
  return value;
}

ir::Value& Emitter::constant(ir::Tensor tensor) {
  ir::Value& value = graph_.add_constant(std::move(tensor), {}, &graph_.output_node());
  nodes_.push_back(&value.node());
  return value;
}

ir::Value& Emitter::ints(const ir::Ints& values) {
  return constant(ir::Tensor::of<int64_t>({static_cast<int64_t>(values.size())}, values));
}

ir::Value& Emitter::scalar(float value, ir::Value& like) {
  return op(ir::OpKind::cast_like, {&constant(ir::Tensor::scalar<float>(value)), &like});
}

ir::Value& Emitter::as_float(ir::Value& x) {
  return op(ir::OpKind::cast, {&x}, {{"to", static_cast<int64_t>(ir::DType::f32)}});
}

ir::Value& Emitter::product(ir::Value& a, ir::Value& b) {
  const ir::Tensor *left = a.constant(), *right = b.constant();
  const auto numbers = [](const ir::Tensor* tensor) { return tensor != nullptr && tensor->dtype() == ir::DType::f32; };
  if (!numbers(left) || !numbers(right) || (left->size() != 1 && right->size() != 1)) {
    return op(ir::OpKind::mul, {&a, &b});
  }
  const std::vector<float> x = left->to_floats(), y = right->to_floats();
  std::vector<float> products(std::max(x.size(), y.size()));
  for (size_t i = 0; i < products.size(); ++i) products[i] = x[x.size() == 1 ? 0 : i] * y[y.size() == 1 ? 0 : i];
  return constant(ir::Tensor::of<float>((x.size() == 1 ? right : left)->dims(), products));
}

ir::Value& Emitter::dequantize(ir::Value* codes, ir::Value* scale, ir::Value* zero_point, int64_t axis) {
  // Quantized operators may have one zero point for a list of scales.
  const ir::Tensor* zero = zero_point != nullptr ? zero_point->constant() : nullptr;
  const ir::Tensor* list = scale->constant();
  if (zero != nullptr && list != nullptr && zero->size() == 1 && list->size() > 1) {
    zero_point = &constant(repeated(*zero, list->dims()));
  }
  if (axis == 1) return op(ir::OpKind::dequantize_linear, {codes, scale, zero_point});
  return op(ir::OpKind::dequantize_linear, {codes, scale, zero_point}, {{"axis", axis}});
}

ir::Value& Emitter::quantize(ir::Value& reals, ir::Value* scale, ir::Value* zero_point) {
  return op(ir::OpKind::quantize_linear, {&reals, scale, zero_point});
}

ir::Value& Emitter::transposed(ir::Value& x) {
  return op(ir::OpKind::einsum, {&x}, {{"equation", std::string("...ij->...ji")}});
}

bool Emitter::has_results(const std::vector<std::string_view>& outputs) const {
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i].empty() && (i >= results_.size() || results_[i] == nullptr)) return false;
  }
  return true;
}

void Emitter::undo() {
  for (auto node = nodes_.rbegin(); node != nodes_.rend(); ++node) graph_.erase(**node);
  nodes_.clear();
  results_.clear();
}

}  // namespace edgesmith::onnx
