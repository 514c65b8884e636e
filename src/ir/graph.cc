// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/ir/graph.h"

#include <queue>

namespace edgesmith::ir {

// Members that could stand in the header, were it not for the many sources that would compile them again.
Value::Value(Node& node, int id, int index) : node_(&node), id_(id), index_(index) {}
Value::~Value() = default;
void Value::set_name(std::string name) { name_ = std::move(name); }
void Value::set_type(Type type) { type_ = std::move(type); }
void Value::set_quant(std::optional<Quant> quant) { quant_ = std::move(quant); }
Node::Node(Graph& graph, int id, OpKind op) : graph_(&graph), id_(id), op_(op) {}
Node::~Node() = default;
void Node::set_name(std::string name) { name_ = std::move(name); }

const Tensor* Value::constant() const { return node_->is(OpKind::constant) ? &node_->tensor() : nullptr; }
bool Value::is_graph_input() const { return node_->is(OpKind::input); }

bool Value::is_graph_output() const {
  for (const Use& use : uses_) {
    if (use.node->is(OpKind::output)) return true;
  }
  return false;
}

std::string Node::label() const {
  std::string text(op_ == OpKind::opaque ? std::string_view(opaque_op) : op_name(op_));
  if (!name_.empty()) return text + " '" + name_ + "'";
  if (!outputs_.empty() && !output().name().empty()) return text + " producing '" + output().name() + "'";
  return text + " #" + std::to_string(id_);
}

Graph::Graph() {
  output_ = &make_node(OpKind::output, {}, 0);
  link_before(*output_, nullptr);
}

Graph::~Graph() = default;
Graph::Graph(Graph&& other) noexcept { *this = std::move(other); }

Graph& Graph::operator=(Graph&& other) noexcept {
  if (this == &other) return *this;
  declared_outputs = std::move(other.declared_outputs);
  name = std::move(other.name);
  doc = std::move(other.doc);
  metadata = std::move(other.metadata);
  foreign = std::move(other.foreign);
  storage_ = std::move(other.storage_);
  first_ = std::exchange(other.first_, nullptr);
  last_ = std::exchange(other.last_, nullptr);
  output_ = std::exchange(other.output_, nullptr);
  num_nodes_ = std::exchange(other.num_nodes_, 0);
  next_node_id_ = other.next_node_id_;
  next_value_id_ = other.next_value_id_;
  output_names_ = std::move(other.output_names_);
  adopt();
  return *this;
}

void Graph::adopt() {
  for (auto& node : storage_) {
    if (node) node->graph_ = this;
  }
}

Graph Graph::clone() const {
  Graph copy;
  copy.storage_.clear();
  copy.first_ = copy.last_ = copy.output_ = nullptr;
  copy.num_nodes_ = 0;
  copy.storage_.resize(storage_.size());
  std::vector<Value*> values(static_cast<size_t>(next_value_id_), nullptr);
  for (const Node& node : nodes()) {
    std::unique_ptr<Node> twin(new Node(copy, node.id_, node.op_));
    twin->name_ = node.name_;
    twin->attributes_ = node.attributes_;
    twin->tensor_ = node.tensor_;
    twin->doc = node.doc;
    twin->foreign = node.foreign;
    twin->opaque_op = node.opaque_op;
    twin->subgraphs = node.subgraphs;
    for (const auto& value : node.outputs_) {
      std::unique_ptr<Value> v(new Value(*twin, value->id_, value->index_));
      v->name_ = value->name_;
      v->type_ = value->type_;
      v->quant_ = value->quant_;
      v->foreign = value->foreign;
      values[static_cast<size_t>(v->id_)] = v.get();
      twin->outputs_.push_back(std::move(v));
    }
    if (node.is(OpKind::output)) copy.output_ = twin.get();
    copy.link_before(*twin, nullptr);
    copy.storage_[static_cast<size_t>(node.id_)] = std::move(twin);
  }
  for (const Node& node : nodes()) {
    Node& twin = *copy.storage_[static_cast<size_t>(node.id_)];
    twin.operands_.resize(node.operands_.size());
    for (int i = 0; i < node.num_inputs(); ++i) {
      if (node.input(i) != nullptr) copy.set_input(twin, i, values[static_cast<size_t>(node.input(i)->id())]);
    }
  }
  copy.next_node_id_ = next_node_id_;
  copy.next_value_id_ = next_value_id_;
  copy.output_names_ = output_names_;
  copy.declared_outputs = declared_outputs;
  copy.name = name;
  copy.doc = doc;
  copy.metadata = metadata;
  copy.foreign = foreign;
  return copy;
}

Node& Graph::make_node(OpKind op, std::span<Value* const> inputs, int num_outputs) {
  storage_.emplace_back(new Node(*this, next_node_id_++, op));
  Node& node = *storage_.back();
  for (int i = 0; i < num_outputs; ++i) {
    node.outputs_.emplace_back(new Value(node, next_value_id_++, i));
  }
  for (size_t i = 0; i < inputs.size(); ++i) set_input(node, static_cast<int>(i), inputs[i]);
  return node;
}

void Graph::link_before(Node& node, Node* position) {
  Node* previous = position != nullptr ? position->previous_ : last_;
  node.previous_ = previous;
  node.next_ = position;
  (previous != nullptr ? previous->next_ : first_) = &node;
  (position != nullptr ? position->previous_ : last_) = &node;
  ++num_nodes_;
}

void Graph::unlink(Node& node) {
  (node.previous_ != nullptr ? node.previous_->next_ : first_) = node.next_;
  (node.next_ != nullptr ? node.next_->previous_ : last_) = node.previous_;
  --num_nodes_;
}

Node& Graph::append(OpKind op, std::span<Value* const> inputs, int num_outputs) {
  return insert_before(*output_, op, inputs, num_outputs);
}
Node& Graph::append(OpKind op, std::initializer_list<Value*> inputs, int num_outputs) {
  return append(op, std::span<Value* const>(inputs.begin(), inputs.size()), num_outputs);
}

Node& Graph::insert_before(Node& position, OpKind op, std::span<Value* const> inputs, int num_outputs) {
  EDGESMITH_CHECK(!position.erased_ && position.graph_ == this);
  Node& node = make_node(op, inputs, num_outputs);
  link_before(node, &position);
  return node;
}
Node& Graph::insert_before(Node& position, OpKind op, std::initializer_list<Value*> inputs, int num_outputs) {
  return insert_before(position, op, std::span<Value* const>(inputs.begin(), inputs.size()), num_outputs);
}

Value& Graph::add_input(std::string name, Type type) {
  Node* position = first_;
  while (position->is(OpKind::input)) position = position->next_;
  Value& value = insert_before(*position, OpKind::input, {}).output();
  value.set_name(std::move(name));
  value.set_type(std::move(type));
  return value;
}

void Graph::add_output(std::string name, Value& value) {
  set_input(*output_, output_->num_inputs(), &value);
  output_names_.push_back(std::move(name));
  declared_outputs.resize(output_names_.size());
}

Value& Graph::add_constant(Tensor tensor, std::string name, Node* position) {
  if (position == nullptr) {
    position = first_;
    while (position->is(OpKind::input) || position->is(OpKind::constant)) position = position->next_;
  }
  Node& node = insert_before(*position, OpKind::constant, {});
  node.output().set_name(std::move(name));
  set_tensor(node, std::move(tensor));
  return node.output();
}

void Graph::set_tensor(Node& constant, Tensor tensor) {
  EDGESMITH_CHECK(constant.is(OpKind::constant) && tensor.valid());
  constant.output().set_type(tensor.type());
  constant.output().set_quant(tensor.encoding() == Encoding::affine ? std::optional<Quant>(tensor.quant())
                                                                    : std::nullopt);
  constant.tensor_ = std::move(tensor);
}

void Graph::drop_use(Node& node, int index) {
  Node::Operand& operand = node.operands_[static_cast<size_t>(index)];
  if (operand.value == nullptr) return;
  std::vector<Use>& uses = operand.value->uses_;
  const Use moved = uses.back();
  uses[operand.use] = moved;
  moved.node->operands_[static_cast<size_t>(moved.index)].use = operand.use;
  uses.pop_back();
  operand.value = nullptr;
}

void Graph::set_input(Node& node, int index, Value* value) {
  if (index >= node.num_inputs()) node.operands_.resize(static_cast<size_t>(index) + 1);
  drop_use(node, index);
  if (value == nullptr) return;
  node.operands_[static_cast<size_t>(index)] = {value, value->uses_.size()};
  value->uses_.push_back({&node, index});
}

void Graph::truncate_inputs(Node& node, int count) {
  while (node.num_inputs() > count) {
    drop_use(node, node.num_inputs() - 1);
    node.operands_.pop_back();
  }
}

void Graph::replace_all_uses(Value& from, Value& to) {
  EDGESMITH_CHECK(&from != &to);
  while (!from.uses_.empty()) {
    const Use use = from.uses_.front();
    set_input(*use.node, use.index, &to);
  }
}

void Graph::set_op(Node& node, OpKind op) {
  EDGESMITH_CHECK(op > OpKind::opaque && node.op_ > OpKind::opaque);
  node.op_ = op;
}

void Graph::erase(Node& node) {
  EDGESMITH_CHECK(&node != output_ && !node.erased_);
  for (const auto& value : node.outputs_) {
    EDGESMITH_CHECK(value->unused()) << node.label() << " is erased while output '" << value->name() << "' is in use";
  }
  truncate_inputs(node, 0);
  unlink(node);  // next_ stays as it was, so that a walk standing here goes on
  node.erased_ = true;
  node.tensor_ = Tensor();
  node.attributes_ = Attributes();
  node.foreign.reset();
  node.subgraphs.reset();
}

void Graph::move_before(Node& node, Node& position) {
  if (&node == &position || node.next_ == &position) return;
  unlink(node);
  link_before(node, &position);
}

bool Graph::sort_topologically() {
  // Kahn's algorithm with the present position as priority: a graph in order stays as it is.
  std::vector<Node*> order;
  std::vector<int> position(static_cast<size_t>(next_node_id_), 0), missing(static_cast<size_t>(next_node_id_), 0);
  for (Node& node : nodes()) {
    position[static_cast<size_t>(node.id_)] = static_cast<int>(order.size());
    order.push_back(&node);
  }
  std::priority_queue<int, std::vector<int>, std::greater<>> ready;
  for (Node* node : order) {
    int count = 0;
    for (const Node::Operand& operand : node->operands_) count += operand.value != nullptr ? 1 : 0;
    missing[static_cast<size_t>(node->id_)] = count;
    if (count == 0 && node != output_) ready.push(position[static_cast<size_t>(node->id_)]);
  }
  std::vector<Node*> sorted;
  while (!ready.empty()) {
    Node* node = order[static_cast<size_t>(ready.top())];
    ready.pop();
    sorted.push_back(node);
    for (const auto& value : node->outputs_) {
      for (const Use& use : value->uses_) {
        if (--missing[static_cast<size_t>(use.node->id_)] == 0 && use.node != output_) {
          ready.push(position[static_cast<size_t>(use.node->id_)]);
        }
      }
    }
  }
  if (sorted.size() + 1 != order.size()) return false;
  sorted.push_back(output_);
  first_ = last_ = nullptr;
  num_nodes_ = 0;
  for (Node* node : sorted) link_before(*node, nullptr);
  return true;
}

std::vector<Value*> Graph::inputs() const {
  std::vector<Value*> values;
  for (Node& node : nodes()) {
    if (node.is(OpKind::input)) values.push_back(&node.output());
  }
  return values;
}

const std::string* Graph::find_metadata(std::string_view key) const {
  for (const auto& [k, v] : metadata) {
    if (k == key) return &v;
  }
  return nullptr;
}

void Graph::set_metadata(std::string_view key, std::string value) {
  for (auto& [k, v] : metadata) {
    if (k == key) {
      v = std::move(value);
      return;
    }
  }
  metadata.emplace_back(key, std::move(value));
}

}  // namespace edgesmith::ir
