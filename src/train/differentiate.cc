// SPDX-License-Identifier: Apache-2.0
//   forward    x ──▶ node ──▶ y ──▶ ... ──▶ loss        marks what depends on the values asked for
//   backward   dx ◀── node's gradient ◀── dy ◀── ... ◀── 1   nodes from last to first; gradients of several readers add
//   up
#include "edgesmith/train/differentiate.h"

#include <algorithm>
#include <string>

#include "edgesmith/ops/gradient.h"

namespace edgesmith::train {
namespace {

using ir::OpKind;

size_t index_of(const ir::Value& value) { return static_cast<size_t>(value.id()); }

// "conv1.weight", or what makes it.
std::string label_of(const ir::Value& value) {
  return value.name().empty() ? "result of " + value.node().label() : "value '" + value.name() + "'";
}

bool holds_floats(const ir::Value& value) { return ir::is_float(value.type().dtype); }

Status check_floats(const ir::Value& value) {
  if (holds_floats(value)) return {};
  return invalid_error(label_of(value) + " is " + value.type().text() + ", a gradient needs floats");
}

Status check_loss(const ir::Value& loss) {
  EDGESMITH_TRY(check_floats(loss));
  const auto dims = loss.type().static_dims();
  if (dims && ir::num_elements(*dims) == 1) return {};
  return invalid_error("the loss, " + label_of(loss) + ", is " + loss.type().text() + ", must have one element",
                       "reduce it to its mean or its sum");
}

// Why a node that gradients would have to pass has none; empty when it has one.
std::string refusal(const ir::Node& node) {
  if (node.is(OpKind::opaque)) {
    const std::string_view op = node.opaque_op;
    const bool recurrent = op == "LSTM" || op == "GRU" || op == "RNN";
    return "operator " + node.opaque_op + " has no gradient: " +
           (recurrent ? "recurrent operators are not differentiated" : "edgesmith does not know it");
  }
  const ops::OpInfo* op = ops::find_op(node.op());
  if (op == nullptr || op->gradient != nullptr) return {};
  const std::string_view onnx = ir::onnx_name(node.op());
  return "operator " + std::string(onnx.empty() ? ir::op_name(node.op()) : onnx) +
         " has no gradient: " + std::string(op->no_gradient);
}

class Differentiation {
 public:
  Differentiation(ir::Graph& graph, const ir::Value& loss)
      : graph_(graph), build_(graph), loss_(loss), first_new_id_(graph.num_node_ids()) {
    depends_.assign(static_cast<size_t>(graph.num_value_ids()), false);
    gradients_.assign(depends_.size(), nullptr);
  }

  Status run(std::span<ir::Value* const> with_respect_to) {
    std::vector<bool> asked(depends_.size(), false);
    for (const ir::Value* value : with_respect_to) {
      EDGESMITH_TRY(check_floats(*value));
      asked[index_of(*value)] = true;
    }
    mark(asked);
    const std::vector<ir::Node*> nodes = nodes_behind_loss();
    for (const ir::Node* node : nodes) {
      const std::string reason = refusal(*node);
      if (!reason.empty()) {
        return unsupported_error(node->label() + ": " + reason, "leave what is before it out of training");
      }
      EDGESMITH_TRY(check_types(*node));
    }
    if (!depends_[index_of(loss_)]) return {};
    const ir::Dims dims = *loss_.type().static_dims();
    const ir::DType dtype = loss_.type().dtype;
    const ops::Term one = dims.empty() ? build_.number(1, dtype) : build_.constant(dims, {1}, dtype);
    gradients_[index_of(loss_)] = one.value;
    for (ir::Node* node : nodes) EDGESMITH_TRY(pass(*node));
    return {};
  }

  ir::Value* gradient_of(const ir::Value& value) const { return gradients_[index_of(value)]; }

  /// Takes away what was appended.
  void undo() {
    for (ir::Node* node = graph_.output_node().previous(); node != nullptr;) {
      ir::Node* previous = node->previous();
      if (node->id() >= first_new_id_) graph_.erase(*node);
      node = previous;
    }
  }

 private:
  // Marks the values asked for and every float value that is computed from a marked one.
  void mark(const std::vector<bool>& asked) {
    for (const ir::Node& node : graph_.nodes()) {
      bool reads = false;
      for (int i = 0; i < node.num_inputs(); ++i) reads = reads || depends_on(node.input(i));
      for (int i = 0; i < node.num_outputs(); ++i) {
        const ir::Value& value = node.output(i);
        // Of an unknown node the results may be anything.
        const bool passes = holds_floats(value) || value.type().dtype == ir::DType::undefined;
        depends_[index_of(value)] = asked[index_of(value)] || (reads && passes);
      }
    }
  }

  bool depends_on(const ir::Value* value) const { return value != nullptr && depends_[index_of(*value)]; }

  // The nodes on a way from a marked value to the loss, last first.
  std::vector<ir::Node*> nodes_behind_loss() const {
    std::vector<bool> needed(depends_.size(), false);
    needed[index_of(loss_)] = true;
    std::vector<ir::Node*> nodes;
    for (ir::Node* node = &graph_.output_node(); node != nullptr; node = node->previous()) {
      if (node->is(OpKind::output) || node->is(OpKind::input) || node->is(OpKind::constant)) continue;
      bool leads = false, reads = false;
      for (int i = 0; i < node->num_outputs(); ++i) leads = leads || needed[index_of(node->output(i))];
      for (int i = 0; i < node->num_inputs(); ++i) reads = reads || depends_on(node->input(i));
      if (!leads || !reads) continue;
      nodes.push_back(node);
      for (int i = 0; i < node->num_inputs(); ++i) {
        if (depends_on(node->input(i))) needed[index_of(*node->input(i))] = true;
      }
    }
    return nodes;
  }

  // Gradients may rely on ranks and element types of everything that holds floats.
  static Status check_types(const ir::Node& node) {
    const auto known = [](const ir::Value& value) {
      return value.type().dtype != ir::DType::undefined && (value.type().has_rank() || !holds_floats(value));
    };
    for (int i = 0; i < node.num_inputs() + node.num_outputs(); ++i) {
      const bool operand = i < node.num_inputs();
      const ir::Value* value = operand ? node.input(i) : &node.output(i - node.num_inputs());
      if (value == nullptr || known(*value)) continue;
      return unsupported_error(
          node.label() + ": its gradient needs the type of its " +
              (operand ? "operand " + std::to_string(i) : "result " + std::to_string(i - node.num_inputs())) +
              ", of which " + value->type().text() + " is known",
          "declare the shapes of the model's inputs");
    }
    return {};
  }

  // From the gradients of a node's results to those of its operands.
  Status pass(ir::Node& node) {
    std::vector<ir::Value*> outputs;
    for (int i = 0; i < node.num_outputs(); ++i) outputs.push_back(gradients_[index_of(node.output(i))]);
    if (std::all_of(outputs.begin(), outputs.end(), [](ir::Value* value) { return value == nullptr; })) return {};
    std::vector<bool> wanted;
    for (int i = 0; i < node.num_inputs(); ++i) wanted.push_back(depends_on(node.input(i)));
    build_.set_wanted(wanted);
    auto gradients = ops::find_op(node.op())->gradient(build_, node, outputs);
    if (!gradients) return gradients.error().in(node.label());
    for (size_t i = 0; i < gradients->size() && i < wanted.size(); ++i) {
      if (wanted[i] && (*gradients)[i] != nullptr) add(*node.input(static_cast<int>(i)), *(*gradients)[i]);
    }
    return {};
  }

  // One more reader's part of a gradient. Added at once, so that no part waits in memory for the others.
  void add(ir::Value& value, ir::Value& part) {
    ir::Value*& gradient = gradients_[index_of(value)];
    gradient = gradient == nullptr ? &part : &build_.append(OpKind::add, {gradient, &part});
  }

  ir::Graph& graph_;
  ops::GradientBuilder build_;
  const ir::Value& loss_;
  int first_new_id_;
  std::vector<bool> depends_;          ///< by value id: on a value asked for, through floats
  std::vector<ir::Value*> gradients_;  ///< by value id
};

// The gradient of a value has its type; anything else is a bug of an operator's rule.
Status check_gradient(const ir::Value& value, const ir::Value& gradient) {
  if (ir::merge(value.type(), gradient.type())) return {};
  return Error(
      ErrorKind::internal,
      "the gradient of " + label_of(value) + " is " + gradient.type().text() + ", the value is " + value.type().text(),
      "");
}

}  // namespace

Result<std::vector<ir::Value*>> differentiate(ir::Graph& graph, ir::Value& loss,
                                              std::span<ir::Value* const> with_respect_to) {
  EDGESMITH_TRY(ops::infer_types(graph));
  EDGESMITH_TRY(check_loss(loss));
  Differentiation differentiation(graph, loss);
  Status status = differentiation.run(with_respect_to);
  if (status.ok()) status = ops::infer_types(graph);
  std::vector<ir::Value*> gradients;
  for (const ir::Value* value : with_respect_to) {
    gradients.push_back(differentiation.gradient_of(*value));
    if (status.ok() && gradients.back() != nullptr) status = check_gradient(*value, *gradients.back());
  }
  if (!status.ok()) {
    differentiation.undo();
    return status.error();
  }
  for (size_t i = 0; i < gradients.size(); ++i) {
    ir::Value* gradient = gradients[i];
    const std::string& name = with_respect_to[i]->name();
    if (gradient != nullptr && gradient->name().empty() && !name.empty()) gradient->set_name(name + ".gradient");
  }
  return gradients;
}

}  // namespace edgesmith::train
