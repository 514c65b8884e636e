// SPDX-License-Identifier: Apache-2.0
#include "onnx/import_graph.h"

#include <algorithm>
#include <map>
#include <optional>

#include "edgesmith/base/log.h"
#include "edgesmith/ops/op_info.h"
#include "onnx/compound.h"
#include "onnx/forms.h"
#include "onnx/functions.h"
#include "onnx/import_node.h"
#include "onnx/import_subgraphs.h"
#include "onnx/inline_external.h"
#include "onnx/node_order.h"
#include "onnx/subgraph.h"
#include "onnx/tensor_io.h"

namespace edgesmith::onnx {
namespace {

std::string in_quotes(std::string_view name) { return "'" + std::string(name) + "'"; }

class GraphBuilder {
 public:
  GraphBuilder(const GraphView& view, const ImportSource& source, const Surroundings& around)
      : view_(view), source_(source), around_(around) {}

  Result<BuiltGraph> run() {
    EDGESMITH_TRY(add_inputs_and_initializers());
    add_captured();
    EDGESMITH_TRY(note_reads());
    auto order = topological_order(view_.nodes, reads_);
    if (!order) return order.error();
    if (!std::is_sorted(order->begin(), order->end()))
      log::warning("the nodes are not in topological order; sorted them");
    for (size_t position : *order) EDGESMITH_TRY(add_node(position));
    EDGESMITH_TRY(add_outputs());
    drop_idle_constants();
    collect_value_infos();
    built_.graph.name = view_.name;
    built_.graph.doc = view_.doc;
    built_.file_position.resize(static_cast<size_t>(graph().num_node_ids()), SIZE_MAX);
    return std::move(built_);
  }

 private:
  friend class Raising;
  ir::Graph& graph() { return built_.graph; }

  // --- names ---

  Status define(std::string_view name, ir::Value& value, const std::string& by) {
    const auto [at, fresh] = values_.emplace(name, Definition{&value, by});
    if (fresh) return {};
    return invalid_error("tensor " + in_quotes(name) + " is defined twice: by " + at->second.by + " and by " + by);
  }
  ir::Value* find(std::string_view name) const {
    if (const auto found = values_.find(name); found != values_.end()) return found->second.value;
    const auto outer = outer_.find(name);
    return outer == outer_.end() ? nullptr : outer->second;
  }
  bool is_absent(std::string_view name) const { return around_.absent.count(name) != 0; }

  // --- inputs and constants ---

  Status add_inputs_and_initializers() {
    std::map<std::string_view, const ValueInfoView*> declared;
    for (const ValueInfoView& input : view_.inputs) {
      if (input.name.empty()) return invalid_error("a graph input has no name");
      if (!declared.emplace(input.name, &input).second) {
        return invalid_error("tensor " + in_quotes(input.name) + " is defined twice: both times as a graph input");
      }
    }
    std::set<std::string_view> constant;
    for (const TensorView& tensor : view_.initializers) constant.insert(tensor.name);
    for (const SparseTensorView& tensor : view_.sparse_initializers) constant.insert(tensor.values.name);
    for (const ValueInfoView& input : view_.inputs) {
      if (constant.count(input.name) == 0) EDGESMITH_TRY(add_input(input));
    }
    for (const TensorView& tensor : view_.initializers) EDGESMITH_TRY(add_initializer(tensor, declared));
    for (const SparseTensorView& sparse : view_.sparse_initializers) {
      auto tensor = decode_sparse(sparse, source_.owner, source_.files);
      if (!tensor) return tensor.error();
      auto foreign = std::make_shared<ConstantForeign>();
      foreign->origin = ConstantForeign::Origin::sparse_initializer;
      EDGESMITH_TRY(add_constant(sparse.values.name, *std::move(tensor), std::move(foreign)));
    }
    return {};
  }

  /// What the graph reads of the one around it; its own names hide those of other graphs of the same node.
  void add_captured() {
    for (size_t i = 0; i < around_.captured.size(); ++i) {
      outer_[around_.captured[i]] = &graph().add_input(around_.captured[i], around_.types[i]);
    }
  }

  Status add_input(const ValueInfoView& input) {
    if (is_absent(input.name)) {
      graph().add_input({}, {});
      return {};
    }
    ir::Value& value = graph().add_input(std::string(input.name), input.type);
    auto foreign = std::make_shared<ValueForeign>();
    foreign->declared = {input.type, std::string(wire::as_text(input.message.bytes))};
    value.foreign = std::move(foreign);
    return define(input.name, value, "a graph input");
  }

  Status add_initializer(const TensorView& view, const std::map<std::string_view, const ValueInfoView*>& declared) {
    if (view.name.empty()) return invalid_error("an initializer has no name");
    auto tensor = decode_tensor(view, source_.owner, source_.files);
    if (!tensor) return tensor.error();
    auto foreign = std::make_shared<ConstantForeign>();
    foreign->extra = view.extra;
    if (const auto input = declared.find(view.name); input != declared.end()) {
      foreign->origin = ConstantForeign::Origin::overridable;
      foreign->declared = {input->second->type, std::string(wire::as_text(input->second->message.bytes))};
    }
    return add_constant(view.name, *std::move(tensor), std::move(foreign));
  }

  Status add_constant(std::string_view name, ir::Tensor tensor, std::shared_ptr<ConstantForeign> foreign) {
    ir::Value& value = graph().add_constant(std::move(tensor), std::string(name), &graph().output_node());
    value.node().foreign = std::move(foreign);
    return define(name, value, "an initializer");
  }

  // --- nodes ---

  Status note_reads() {
    reads_.resize(view_.nodes.size());
    captured_.resize(view_.nodes.size());
    for (size_t i = 0; i < view_.nodes.size(); ++i) {
      const NodeView& node = view_.nodes[i];
      for (std::string_view input : node.inputs) {
        if (!input.empty()) reads_[i].names.emplace_back(input);
      }
      auto captured = captured_names(node);
      if (!captured) return captured.error().in(describe(node));
      reads_[i].names.insert(reads_[i].names.end(), captured->begin(), captured->end());
      captured_[i] = *std::move(captured);
      for (const std::string& name : reads_[i].names) read_names_.insert(name);
    }
    for (const ValueInfoView& output : view_.outputs) read_names_.emplace(output.name);
    return {};
  }

  Status add_node(size_t position) {
    const NodeView& view = view_.nodes[position];
    for (const std::string& name : reads_[position].names) {
      if (find(name) == nullptr && !is_absent(name)) {
        return invalid_error(describe(view) + ": reads " + in_quotes(name) + ", which nothing defines");
      }
    }
    if (view.outputs.empty()) return invalid_error(describe(view) + ": has no outputs");
    const Status status = convert(position);
    if (status.ok() || status.error().kind != ErrorKind::unsupported) return status;
    if (source_.opset < kOldestOpset && view.domain.empty() && ir::op_from_onnx_name(view.op_type)) {
      return unsupported_error(describe(view) + ": opset " + std::to_string(source_.opset) + " is older than " +
                                   std::to_string(kOldestOpset) + " (" + status.error().message + ")",
                               "convert the model with onnx.version_converter");
    }
    log::debug(describe(view) + ": kept as it is: " + status.error().message);
    return add_opaque(position);
  }

  /// Adds the node in canonical form. Unsupported (without a change of the graph): it must be opaque.
  Status convert(size_t position);
  /// Adds a quantized operator whose scales and zero points are constant as operators on reals between Q/DQ, which
  /// become annotations. Unsupported (without a change that matters): it must be opaque.
  Status spell_out_quantized(const CompoundRow& row, size_t position);

  Status add_opaque(size_t position) {
    const NodeView& view = view_.nodes[position];
    auto foreign = std::make_shared<OpaqueForeign>();
    foreign->message = view.message;
    foreign->owner = source_.owner;
    auto whole = inline_external_data(view.message, source_.files);
    if (!whole) return whole.error().in(describe(view));
    if (*whole) {
      auto storage = std::make_shared<const std::string>(**std::move(whole));
      foreign->message = {wire::as_bytes(*storage), wire::as_bytes(*storage).data()};
      foreign->owner = storage;
    }
    foreign->num_inputs = static_cast<int>(view.inputs.size());
    foreign->captured = captured_[position];
    std::vector<ir::Value*> operands;
    for (std::string_view input : view.inputs) operands.push_back(input.empty() ? nullptr : find(input));
    for (const std::string& name : foreign->captured) operands.push_back(find(name));
    ir::Node& node = graph().append(ir::OpKind::opaque, operands, static_cast<int>(view.outputs.size()));
    node.opaque_op = (view.domain.empty() ? "" : std::string(view.domain) + "::") + std::string(view.op_type);
    node.foreign = std::move(foreign);
    auto subgraphs = read_subgraphs(view, types_of(node), captured_[position], source_);
    if (subgraphs) {
      node.subgraphs = std::move(*subgraphs);
    } else {
      log::debug(describe(view) + ": cannot be run: " + subgraphs.error().message);
    }
    return finish(node, position);
  }

  /// The types of the operands as far as they are known before inference.
  std::vector<ir::Type> types_of(const ir::Node& node) const {
    std::vector<ir::Type> types;
    for (int i = 0; i < node.num_inputs(); ++i) {
      const ir::Value* value = node.input(i);
      types.push_back(value != nullptr ? known_type_of(*value) : ir::Type());
      if (value != nullptr) types.back().dtype = early_dtype_of(*value);
    }
    return types;
  }

  ir::Type known_type_of(const ir::Value& value) const {
    const auto learnt = source_.learnt.find(value.name());
    return learnt == source_.learnt.end() ? value.type() : learnt->second;
  }

  ir::DType early_dtype_of(const ir::Value& value) const {
    if (const ir::DType dtype = known_type_of(value).dtype; dtype != ir::DType::undefined) return dtype;
    const auto id = static_cast<size_t>(value.id());
    return id < early_dtypes_.size() ? early_dtypes_[id] : ir::DType::undefined;
  }

  /// Names, types and symbols of a node that has been appended.
  Status finish(ir::Node& node, size_t position) {
    const NodeView& view = view_.nodes[position];
    node.set_name(std::string(view.name));
    node.doc = view.doc;
    built_.file_position.resize(static_cast<size_t>(graph().num_node_ids()), SIZE_MAX);
    built_.file_position[static_cast<size_t>(node.id())] = position;
    for (int i = 0; i < node.num_outputs(); ++i) {
      const std::string_view name = view.outputs[static_cast<size_t>(i)];
      if (name.empty()) continue;
      node.output(i).set_name(std::string(name));
      EDGESMITH_TRY(define(name, node.output(i), node.label()));
    }
    return {};
  }

  // --- results and declared types ---

  Status add_outputs() {
    if (view_.outputs.empty()) return invalid_error("the graph has no outputs");
    for (const ValueInfoView& output : view_.outputs) {
      if (output.name.empty()) return invalid_error("a graph output has no name");
      ir::Value* value = find(output.name);
      if (value == nullptr)
        return invalid_error("graph output " + in_quotes(output.name) + " is not defined by any node");
      graph().add_output(std::string(output.name), *value);
      graph().declared_outputs.back() = output.type;
    }
    return {};
  }

  /// A form that turned out to be unknown may have left constants behind.
  void drop_idle_constants() {
    for (ir::Node& node : graph().nodes()) {
      if (node.is(ir::OpKind::constant) && node.output().unused() && node.output().name().empty()) graph().erase(node);
    }
  }

  void collect_value_infos() {
    const auto take = [&](const std::vector<ValueInfoView>& infos) {
      for (const ValueInfoView& info : infos) {
        ir::Value* value = find(info.name);
        if (value == nullptr || value->constant() != nullptr || value->is_graph_input()) continue;
        built_.value_infos.emplace_back(value, info.type);
        if (!value->node().is(ir::OpKind::opaque) || info.message.bytes.empty()) continue;
        auto foreign = std::make_shared<ValueForeign>();
        foreign->declared = {info.type, std::string(wire::as_text(info.message.bytes))};
        value->foreign = std::move(foreign);
        value->set_type(info.type);
      }
    };
    take(view_.value_infos);
    take(view_.outputs);
  }

  struct Definition {
    ir::Value* value;
    std::string by;
  };
  const GraphView& view_;
  const ImportSource& source_;
  const Surroundings& around_;
  BuiltGraph built_;
  std::map<std::string, ir::Value*, std::less<>> outer_;
  std::map<std::string, Definition, std::less<>> values_;
  std::vector<NodeReads> reads_;
  std::vector<std::vector<std::string>> captured_;
  std::set<std::string, std::less<>> read_names_;
  std::vector<ir::DType> early_dtypes_;  ///< by value id
};

/// Lends a raise function what it may ask for. Constants are made only once the node turned out to be known.
class Raising final : public RaiseContext {
 public:
  Raising(GraphBuilder& builder, const NodeView& view) : builder_(builder), view_(view) {}

  int64_t opset() const override { return builder_.source_.opset; }
  ir::Value* constant(ir::Tensor tensor) override {
    return &builder_.graph().add_constant(std::move(tensor), {}, &builder_.graph().output_node());
  }
  ir::DType dtype(const ir::Value* value) const override {
    return value != nullptr ? builder_.early_dtype_of(*value) : ir::DType::undefined;
  }
  int rank(const ir::Value* value) const override { return value != nullptr ? value->type().rank() : -1; }
  bool output_read(int index) const override {
    if (index >= static_cast<int>(view_.outputs.size())) return false;
    const std::string_view name = view_.outputs[static_cast<size_t>(index)];
    return !name.empty() && builder_.read_names_.find(name) != builder_.read_names_.end();
  }
  /// Notes the element types that the operator alone tells.
  void note_dtypes(const ir::Node& node) {
    std::vector<ir::DType> inputs;
    for (int i = 0; i < node.num_inputs(); ++i) inputs.push_back(dtype(node.input(i)));
    builder_.early_dtypes_.resize(static_cast<size_t>(builder_.graph().num_value_ids()), ir::DType::undefined);
    for (int i = 0; i < node.num_outputs(); ++i) {
      builder_.early_dtypes_[static_cast<size_t>(node.output(i).id())] = early_dtype(node, i, inputs);
    }
  }

 private:
  GraphBuilder& builder_;
  const NodeView& view_;
};

Status GraphBuilder::spell_out_quantized(const CompoundRow& row, size_t position) {
  const NodeView& view = view_.nodes[position];
  std::vector<ir::Value*> operands;
  for (std::string_view input : view.inputs) operands.push_back(input.empty() ? nullptr : find(input));
  std::vector<ir::Type> types;
  for (const ir::Value* value : operands) types.push_back(value != nullptr ? known_type_of(*value) : ir::Type());
  auto attributes = decode_attributes(view, FormRow{row.op, 1, row.attributes}, source_);
  if (!attributes) return attributes.error();
  const int first_id = graph().num_node_ids();
  Emitter emit(graph(), operands, types, *std::move(attributes), static_cast<int>(view.outputs.size()));
  emit.for_annotations();
  std::string reason = emit_compound(row, emit);
  if (reason.empty() && !emit.has_results(view.outputs)) reason = "one of its outputs is not known";
  if (!reason.empty()) {
    emit.undo();
    return unsupported_error(std::move(reason));
  }
  built_.file_position.resize(static_cast<size_t>(graph().num_node_ids()), SIZE_MAX);
  for (int id = first_id; id < graph().num_node_ids(); ++id) built_.file_position[static_cast<size_t>(id)] = position;
  Raising context(*this, view);
  for (ir::Node* node : emit.nodes()) context.note_dtypes(*node);
  for (size_t i = 0; i < view.outputs.size(); ++i) {
    if (view.outputs[i].empty()) continue;
    ir::Value& value = *emit.results()[i];
    value.set_name(std::string(view.outputs[i]));
    value.node().set_name(std::string(view.name));
    EDGESMITH_TRY(define(view.outputs[i], value, value.node().label()));
  }
  return {};
}

/// Outputs without those at the end that have no name: the node need not make them.
int named_outputs(const NodeView& view) {
  auto count = static_cast<int>(view.outputs.size());
  while (count > 0 && view.outputs[static_cast<size_t>(count) - 1].empty()) --count;
  return count;
}

Status GraphBuilder::convert(size_t position) {
  const NodeView& view = view_.nodes[position];
  if (source_.forced_opaque.count(position) != 0) return unsupported_error("a form that is not known");
  if (find_function(source_.model, view) != nullptr) return unsupported_error("a function");
  if (const CompoundRow* row = find_compound(view); row != nullptr && row->makes_annotations) {
    return spell_out_quantized(*row, position);
  }
  if (!view.domain.empty()) return unsupported_error("its domain is not known");
  if (view.op_type == "Constant" && named_outputs(view) == 1 && view.inputs.empty()) {
    auto tensor = decode_constant(view, source_);
    if (!tensor)
      return tensor.error().kind == ErrorKind::unsupported ? tensor.error() : tensor.error().in(describe(view));
    auto foreign = std::make_shared<ConstantForeign>();
    foreign->origin = ConstantForeign::Origin::constant_node;
    ir::Node& node = graph().add_constant(*std::move(tensor), {}, &graph().output_node()).node();
    node.foreign = std::move(foreign);
    return finish(node, position);
  }
  const FormRow* row = find_form(view.op_type);
  if (row == nullptr) return unsupported_error("its operator is not known");
  if (source_.opset < row->since) {
    return unsupported_error("its form in opset " + std::to_string(source_.opset) + " is not known");
  }
  auto attributes = decode_attributes(view, *row, source_);
  if (!attributes) {
    return attributes.error().kind == ErrorKind::unsupported ? attributes.error()
                                                             : attributes.error().in(describe(view));
  }
  RaisedNode raised{row->op, {}, *std::move(attributes), static_cast<int>(view.outputs.size())};
  for (std::string_view input : view.inputs) raised.inputs.push_back(input.empty() ? nullptr : find(input));
  Raising context(*this, view);
  if (row->raise != nullptr) {
    if (std::string reason = row->raise(raised, context); !reason.empty()) return unsupported_error(std::move(reason));
  }
  while (!raised.inputs.empty() && raised.inputs.back() == nullptr) raised.inputs.pop_back();
  const auto op = ir::op_from_onnx_name(raised.op);
  if (!op || ops::find_op(*op) == nullptr) return unsupported_error("its operator is not known");
  // How many there are says how large the parts of a Split are.
  if (*op != ir::OpKind::split) raised.num_outputs = std::min(raised.num_outputs, std::max(1, named_outputs(view)));
  ir::Node& node = graph().append(*op, raised.inputs, raised.num_outputs);
  node.attributes() = std::move(raised.attributes);
  if (!view.extra.empty()) {
    auto foreign = std::make_shared<NodeForeign>();
    foreign->extra = view.extra;
    node.foreign = std::move(foreign);
  }
  context.note_dtypes(node);
  EDGESMITH_TRY(finish(node, position));
  return {};
}

}  // namespace

Result<BuiltGraph> build_graph(const GraphView& view, const ImportSource& source, const Surroundings& surroundings) {
  return GraphBuilder(view, source, surroundings).run();
}

}  // namespace edgesmith::onnx
