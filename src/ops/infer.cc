// SPDX-License-Identifier: Apache-2.0
// Type inference over a whole graph: one walk in order, each node by its operator's `infer`.
//
// Three things are known about a value, from weak to strong: its type; the contents of a small integer vector as dims
// (so Shape -> Gather -> Concat -> Reshape keeps the symbol N); the tensor itself, when every operand of a small node
// is known and its reference evaluation can run right here (so chains that compute pads or scales become numbers).
#include <algorithm>
#include <map>

#include "edgesmith/ops/op_info.h"
#include "ops/subgraphs.h"

namespace edgesmith::ops {
namespace {

// Tensors with more elements are not folded while inferring: shapes, pads and scales are far smaller.
constexpr int64_t kMaxFoldedElements = 1024;
// No tensor of elements that take room is longer along an axis: sums of dims stay far from the end of int64.
constexpr int64_t kMaxDim = int64_t{1} << 40;

bool holds_integers(ir::DType dtype) { return dtype == ir::DType::i64 || dtype == ir::DType::i32; }

// The numbers of a small integer tensor as dims; negative numbers are no dims and become unknown ones.
std::optional<ir::Shape> contents_of(const ir::Tensor& tensor) {
  if (!holds_integers(tensor.dtype()) || tensor.rank() > 1 || tensor.size() > kMaxFoldedElements) return std::nullopt;
  ir::Shape contents;
  for (int64_t number : tensor.to_int64s()) contents.push_back(number >= 0 ? ir::Dim(number) : ir::Dim());
  return contents;
}

Status check_dims(const ir::Value& value) {
  if (!value.type().shape) return {};
  for (const ir::Dim& dim : *value.type().shape) {
    if (!dim.known() || dim.value() <= kMaxDim) continue;
    return invalid_error("'" + value.name() + "' is " + value.type().text() + ": no tensor is that large");
  }
  return {};
}

// The tensor that `contents` spells out, when every number is known and the type says how to store it.
std::optional<ir::Tensor> tensor_of(const ir::Shape& contents, const ir::Type& type) {
  const auto dims = type.static_dims();
  const bool is_truth = type.dtype == ir::DType::boolean;
  if (!dims || (!holds_integers(type.dtype) && !is_truth) ||
      ir::num_elements(*dims) != static_cast<int64_t>(contents.size())) {
    return std::nullopt;
  }
  std::vector<int64_t> numbers;
  for (const ir::Dim& dim : contents) {
    if (!dim.known()) return std::nullopt;
    numbers.push_back(dim.value());
  }
  if (type.dtype == ir::DType::i64) return ir::Tensor::of<int64_t>(*dims, numbers);
  if (is_truth) {
    ir::Tensor truths = ir::Tensor::zeros(type.dtype, *dims);
    std::transform(numbers.begin(), numbers.end(), truths.mutable_data<bool>().begin(),
                   [](int64_t number) { return number != 0; });
    return truths;
  }
  return ir::Tensor::of<int32_t>(*dims, std::vector<int32_t>(numbers.begin(), numbers.end()));
}

// What inference says, completed by what was declared. Inference wins where they differ (value_info goes stale when a
// model is edited), except for the element type: two different ones cannot both be meant.
Result<ir::Type> combine(const ir::Type& declared, ir::Type inferred) {
  if (inferred.dtype == ir::DType::undefined) inferred.dtype = declared.dtype;
  if (declared.dtype != ir::DType::undefined && declared.dtype != inferred.dtype) {
    return invalid_error("element type is " + std::string(ir::dtype_name(inferred.dtype)) + ", but was declared as " +
                         std::string(ir::dtype_name(declared.dtype)));
  }
  if (!declared.shape) return inferred;
  if (!inferred.shape) {
    inferred.shape = declared.shape;
    return inferred;
  }
  if (inferred.shape->size() != declared.shape->size()) return inferred;
  for (size_t i = 0; i < inferred.shape->size(); ++i) {
    ir::Dim& dim = (*inferred.shape)[i];
    if (const auto merged = ir::merge(dim, (*declared.shape)[i])) dim = *merged;
  }
  return inferred;
}

// Gives the open dims of a value symbols of their own. Names in files hold no control characters, so no other symbol is
// the same.
void name_open_dims(ir::Value& value) {
  ir::Type type = value.type();
  if (!type.shape) return;
  bool named = false;
  for (size_t d = 0; d < type.shape->size(); ++d) {
    ir::Dim& dim = (*type.shape)[d];
    if (!dim.unknown()) continue;
    dim = ir::Dim("\x01" + std::to_string(value.id()) + "." + std::to_string(d));
    named = true;
  }
  if (named) value.set_type(std::move(type));
}

// Whether dims that stay open get symbols (infer_traced).
enum class OpenDims { stay, named };

class Inference final : public InferContext {
 public:
  explicit Inference(const ir::Graph& graph, OpenDims open_dims = OpenDims::stay)
      : contents_(static_cast<size_t>(graph.num_value_ids())),
        folded_(static_cast<size_t>(graph.num_value_ids())),
        open_dims_(open_dims) {}

  const ir::Tensor* constant(const ir::Node& node, int index) const override {
    const ir::Value* value = node.input(index);
    if (value == nullptr) return nullptr;
    if (const ir::Tensor* tensor = value->constant()) return tensor;
    const auto& folded = folded_[static_cast<size_t>(value->id())];
    return folded ? &*folded : nullptr;
  }

  std::optional<ir::Shape> contents(const ir::Node& node, int index) const override {
    const ir::Value* value = node.input(index);
    if (value == nullptr) return std::nullopt;
    if (const ir::Tensor* tensor = constant(node, index)) return contents_of(*tensor);
    return contents_[static_cast<size_t>(value->id())];
  }

  void set_contents(const ir::Node& node, int index, ir::Shape contents) override {
    contents_[static_cast<size_t>(node.output(index).id())] = std::move(contents);
  }

  Known known() && { return {std::move(folded_), std::move(contents_)}; }

  /// Sets the types of the node's outputs.
  Status infer(ir::Node& node) {
    EDGESMITH_TRY(infer_outputs(node));
    for (int i = 0; i < node.num_outputs(); ++i) {
      const Status dims = check_dims(node.output(i));
      if (!dims) return dims.error().in(node.label());
    }
    if (open_dims_ == OpenDims::stay) return {};
    for (int i = 0; i < node.num_outputs(); ++i) name_open_dims(node.output(i));
    return {};
  }

 private:
  Status infer_outputs(ir::Node& node) {
    if (node.subgraphs != nullptr) return set_types(node, infer_subgraphs(node, *this));
    const OpInfo* op = find_op(node.op());
    if (op == nullptr || op->infer == nullptr) return {};
    Status status = infer_types_of(node, *op);
    // What we cannot run may still be carried through: its declared types stand, as for an opaque node.
    if (!status.ok() && status.error().kind == ErrorKind::unsupported) return {};
    return status;
  }

  Status infer_types_of(ir::Node& node, const OpInfo& op) {
    EDGESMITH_TRY(verify_node(node));
    auto types = op.infer(node, *this);
    if (!types) return types.error().in(node.label());
    EDGESMITH_TRY(set_types(node, *types));
    fold(node);
    return {};
  }

  Status set_types(ir::Node& node, const std::vector<ir::Type>& types) {
    for (int i = 0; i < node.num_outputs() && i < static_cast<int>(types.size()); ++i) {
      const ir::Type& inferred = types[static_cast<size_t>(i)];
      ir::Type declared = node.output(i).type();
      if (open_dims_ == OpenDims::named && inferred.shape) declared.shape.reset();
      auto type = combine(declared, inferred);
      if (!type) return type.error().in(node.label());
      node.output(i).set_type(std::move(*type));
    }
    return {};
  }

  bool small(const ir::Type& type) const {
    const auto dims = type.static_dims();
    if (!dims || type.dtype == ir::DType::undefined) return false;
    const int64_t size = ir::num_elements(*dims);
    return size >= 0 && size <= kMaxFoldedElements;
  }

  // Computes a small node of known operands; an error stays for whoever really runs the node.
  void fold(const ir::Node& node) {
    for (int i = 0; i < node.num_outputs(); ++i) {
      const auto id = static_cast<size_t>(node.output(i).id());
      if (contents_[id]) folded_[id] = tensor_of(*contents_[id], node.output(i).type());
      if (!small(node.output(i).type())) return;
    }
    std::vector<ir::Tensor> tensors(static_cast<size_t>(node.num_inputs()));
    std::vector<const ir::Tensor*> operands(tensors.size(), nullptr);
    for (int i = 0; i < node.num_inputs(); ++i) {
      if (node.input(i) == nullptr) continue;
      const ir::Tensor* tensor = constant(node, i);
      if (tensor == nullptr || tensor->size() > kMaxFoldedElements) return;
      tensors[static_cast<size_t>(i)] = tensor->dense();
      operands[static_cast<size_t>(i)] = &tensors[static_cast<size_t>(i)];
    }
    auto outputs = eval_node(node, operands);
    if (!outputs) return;
    for (int i = 0; i < node.num_outputs() && i < static_cast<int>(outputs->size()); ++i) {
      folded_[static_cast<size_t>(node.output(i).id())] = std::move((*outputs)[static_cast<size_t>(i)]);
    }
  }

  std::vector<std::optional<ir::Shape>> contents_;
  std::vector<std::optional<ir::Tensor>> folded_;
  OpenDims open_dims_;
};

// What the symbols of the inputs' declared dims stand for when the inputs have `dims`.
std::map<std::string, int64_t> bind_symbols(const std::vector<ir::Value*>& inputs, std::span<const ir::Dims> dims) {
  std::map<std::string, int64_t> bindings;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto& shape = inputs[i]->type().shape;
    if (!shape || shape->size() != dims[i].size()) continue;
    for (size_t d = 0; d < shape->size(); ++d) {
      if ((*shape)[d].symbolic()) bindings.emplace((*shape)[d].symbol(), dims[i][d]);
    }
  }
  return bindings;
}

// True when the dims that the inputs declare as numbers are the ones they are fed.
bool as_declared(const std::vector<ir::Value*>& inputs, std::span<const ir::Dims> dims) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto fed = ir::type_of(inputs[i]->type().dtype, dims[i]);
    if (!ir::merge(inputs[i]->type(), fed)) return false;
  }
  return true;
}

// Declared dims of computed values: symbols become their numbers; all are forgotten when the inputs are not as
// declared.
void specialize(ir::Graph& graph, const std::map<std::string, int64_t>& bindings, bool keep_declared) {
  for (ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::input) || node.is(ir::OpKind::constant)) continue;
    for (int i = 0; i < node.num_outputs(); ++i) {
      ir::Type type = node.output(i).type();
      if (!keep_declared) type.shape.reset();
      if (!type.shape) {
        node.output(i).set_type(std::move(type));
        continue;
      }
      for (ir::Dim& dim : *type.shape) {
        if (!dim.symbolic()) continue;
        const auto bound = bindings.find(dim.symbol());
        if (bound != bindings.end()) dim = ir::Dim(bound->second);
      }
      node.output(i).set_type(std::move(type));
    }
  }
}

}  // namespace

Status infer_types(ir::Graph& graph) {
  auto known = infer_known(graph);
  return known ? Status() : Status(known.error());
}

Result<Known> infer_known(ir::Graph& graph) {
  Inference inference(graph);
  for (ir::Node& node : graph.nodes()) EDGESMITH_TRY(inference.infer(node));
  return std::move(inference).known();
}

Result<Traced> infer_traced(const ir::Graph& graph) {
  ir::Graph named = graph.clone();
  Inference inference(named, OpenDims::named);
  for (ir::Node& node : named.nodes()) EDGESMITH_TRY(inference.infer(node));
  Traced traced{std::move(inference).known(),
                std::vector<std::optional<ir::Shape>>(static_cast<size_t>(graph.num_value_ids()))};
  for (const ir::Node& node : named.nodes()) {
    for (int i = 0; i < node.num_outputs(); ++i) {
      traced.shapes[static_cast<size_t>(node.output(i).id())] = node.output(i).type().shape;
    }
  }
  return traced;
}

Result<std::vector<std::optional<ir::Dims>>> infer_dims(const ir::Graph& graph, std::span<const ir::Dims> input_dims) {
  ir::Graph fed = graph.clone();
  const std::vector<ir::Value*> inputs = fed.inputs();
  if (inputs.size() != input_dims.size()) {
    return invalid_error("the model has " + std::to_string(inputs.size()) + " inputs, dims of " +
                         std::to_string(input_dims.size()) + " were given");
  }
  specialize(fed, bind_symbols(inputs, input_dims), as_declared(inputs, input_dims));
  for (size_t i = 0; i < inputs.size(); ++i) {
    inputs[i]->set_type(ir::type_of(inputs[i]->type().dtype, input_dims[i]));
  }
  EDGESMITH_TRY(infer_types(fed));
  std::vector<std::optional<ir::Dims>> dims(static_cast<size_t>(graph.num_value_ids()));
  for (const ir::Node& node : fed.nodes()) {
    for (int i = 0; i < node.num_outputs(); ++i) {
      dims[static_cast<size_t>(node.output(i).id())] = node.output(i).type().static_dims();
    }
  }
  return dims;
}

}  // namespace edgesmith::ops
