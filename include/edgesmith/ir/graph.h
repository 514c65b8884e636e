// SPDX-License-Identifier: Apache-2.0
// The in-memory form of a model (docs/ir.md): a graph of nodes and values with use lists that are always true.
//
// Everything is a node: graph inputs, constants, and the one `output` node whose operands are the results. Every read
// is a use, so "replace all uses" has no special case. Edges change only through Graph's mutators. Pointers are to
// walk, dense ids to order, print and index side tables; no order depends on pointers or hashing.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "edgesmith/ir/attributes.h"
#include "edgesmith/ir/op_kind.h"
#include "edgesmith/ir/quant.h"
#include "edgesmith/ir/tensor.h"
#include "edgesmith/ir/type.h"

namespace edgesmith::ir {

class Graph;
class Node;
struct Subgraphs;  // edgesmith/ir/subgraphs.h

/// What an importer keeps about a node, value or graph so that its exporter can write it back unchanged (unknown
/// protobuf fields, opset imports, the bytes of an opaque node). Nobody else looks inside.
struct Foreign {
  virtual ~Foreign() = default;
};
using ForeignPtr = std::shared_ptr<const Foreign>;

/// One read of a value: operand `index` of `node`.
struct Use {
  Node* node = nullptr;
  int index = 0;
};

/// One result of a node. Owned by it.
class Value {
 public:
  Value(const Value&) = delete;
  Value& operator=(const Value&) = delete;
  ~Value();

  int id() const { return id_; }
  /// The source's name, or "" for a value that a pass made. Not an identity: names need not be unique.
  const std::string& name() const { return name_; }
  void set_name(std::string name);
  const Type& type() const { return type_; }
  void set_type(Type type);
  /// The quantization annotation: readers see dequantize(quantize(x)). Absent: a float (or plain integer) value.
  /// For a constant with an affine tensor this is the tensor's own Quant, kept in step by Graph::set_tensor.
  const std::optional<Quant>& quant() const { return quant_; }
  void set_quant(std::optional<Quant> quant);

  /// The node that makes this value, and which of its outputs it is.
  Node& node() const { return *node_; }
  int index() const { return index_; }
  /// Every read. The order is deterministic, but has no meaning.
  std::span<const Use> uses() const { return uses_; }
  bool unused() const { return uses_.empty(); }
  /// The tensor when the value is a constant's, else null.
  const Tensor* constant() const;
  bool is_graph_input() const;
  /// True when some use is the output node.
  bool is_graph_output() const;

  ForeignPtr foreign;

 private:
  friend class Graph;
  Value(Node& node, int id, int index);

  Node* node_;
  int id_, index_;
  std::string name_;
  Type type_;
  std::optional<Quant> quant_;
  std::vector<Use> uses_;
};

/// One operation. Owned by its graph; owns its output values.
class Node {
 public:
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  ~Node();

  int id() const { return id_; }
  OpKind op() const { return op_; }
  bool is(OpKind op) const { return op_ == op; }
  /// The source's name; may be empty or shared with other nodes.
  const std::string& name() const { return name_; }
  void set_name(std::string name);
  /// For messages: "conv 'stem.conv'", or "conv producing 'x'" when the node has no name.
  std::string label() const;

  int num_inputs() const { return static_cast<int>(operands_.size()); }
  /// Operand `index`; null when it is an optional one that is absent (also when index >= num_inputs()).
  Value* input(int index) const { return index < num_inputs() ? operands_[static_cast<size_t>(index)].value : nullptr; }
  int num_outputs() const { return static_cast<int>(outputs_.size()); }
  Value& output(int index = 0) const { return *outputs_[static_cast<size_t>(index)]; }

  Attributes& attributes() { return attributes_; }
  const Attributes& attributes() const { return attributes_; }

  /// The tensor of a constant node (change it with Graph::set_tensor).
  const Tensor& tensor() const { return tensor_; }

  Graph& graph() const { return *graph_; }
  bool erased() const { return erased_; }
  /// Neighbours in the graph's order, or null.
  Node* next() const { return next_; }
  Node* previous() const { return previous_; }

  std::string doc;
  ForeignPtr foreign;
  /// Opaque nodes: the operator's name for people and selectors, "com.acme.edge::SwishWithGain".
  std::string opaque_op;
  /// Opaque nodes: the graphs that say what the node computes, or null: then it cannot be run.
  std::shared_ptr<const Subgraphs> subgraphs;

 private:
  friend class Graph;
  struct Operand {
    Value* value = nullptr;
    size_t use = 0;  ///< position in value->uses_
  };
  Node(Graph& graph, int id, OpKind op);

  Graph* graph_;
  int id_;
  OpKind op_;
  bool erased_ = false;
  std::string name_;
  std::vector<Operand> operands_;
  std::vector<std::unique_ptr<Value>> outputs_;
  Attributes attributes_;
  Tensor tensor_;
  Node* previous_ = nullptr;
  Node* next_ = nullptr;
};

/// A model's graph with its signature. Movable, not copyable: use clone().
class Graph {
 public:
  Graph();
  ~Graph();
  Graph(Graph&&) noexcept;
  Graph& operator=(Graph&&) noexcept;

  /// A deep copy (tensor storage is shared). Node and value ids are the same as here.
  Graph clone() const;

  // --- building and editing: nothing else changes edges ---

  /// Appends a node (before the output node) with `num_outputs` fresh values of unknown type.
  Node& append(OpKind op, std::span<Value* const> inputs, int num_outputs = 1);
  Node& append(OpKind op, std::initializer_list<Value*> inputs, int num_outputs = 1);
  /// Inserts a node right before `position`.
  Node& insert_before(Node& position, OpKind op, std::span<Value* const> inputs, int num_outputs = 1);
  Node& insert_before(Node& position, OpKind op, std::initializer_list<Value*> inputs, int num_outputs = 1);
  /// Adds a graph input after the existing ones.
  Value& add_input(std::string name, Type type);
  /// Adds a result.
  void add_output(std::string name, Value& value);
  /// A constant right before `position` (null: after the inputs and constants at the head of the graph).
  Value& add_constant(Tensor tensor, std::string name = {}, Node* position = nullptr);
  /// Replaces the tensor of a constant node; type and quant of its value follow.
  void set_tensor(Node& constant, Tensor tensor);
  /// Makes operand `index` read `value` (null: absent). Extends the operand list with absent ones if needed.
  void set_input(Node& node, int index, Value* value);
  /// Drops operands from the end until `count` are left.
  void truncate_inputs(Node& node, int count);
  /// Every reader of `from` reads `to` instead.
  void replace_all_uses(Value& from, Value& to);
  /// Changes what a node computes, keeping its operands, outputs and attributes.
  void set_op(Node& node, OpKind op);
  /// Removes a node. Its outputs must be unused. Pointers to it stay valid (erased() is true) until the graph dies.
  void erase(Node& node);
  /// Moves `node` right before `position`.
  void move_before(Node& node, Node& position);
  /// Reorders the nodes so that producers come first, keeping the present order where possible. False on a cycle.
  bool sort_topologically();

  // --- looking ---

  /// Walks nodes in order. Erasing any node and inserting before the current one is fine while walking.
  class NodeIterator {
   public:
    using value_type = Node*;
    using difference_type = std::ptrdiff_t;
    explicit NodeIterator(Node* node) : node_(node) {}
    Node& operator*() const { return *node_; }
    Node* operator->() const { return node_; }
    NodeIterator& operator++() {
      do node_ = node_->next();
      while (node_ != nullptr && node_->erased());
      return *this;
    }
    bool operator==(const NodeIterator& other) const = default;

   private:
    Node* node_;
  };
  struct NodeRange {
    NodeIterator first, last;
    NodeIterator begin() const { return first; }
    NodeIterator end() const { return last; }
  };
  /// All nodes in order, structural ones included; the output node is last. `for (Node& node : graph.nodes())`.
  NodeRange nodes() const { return {NodeIterator(first_), NodeIterator(nullptr)}; }
  int num_nodes() const { return num_nodes_; }
  /// One past the largest node / value id, for side tables.
  int num_node_ids() const { return next_node_id_; }
  int num_value_ids() const { return next_value_id_; }

  /// Graph inputs in order.
  std::vector<Value*> inputs() const;
  Node& output_node() const { return *output_; }
  int num_outputs() const { return output_->num_inputs(); }
  /// Names of the results: they belong to the signature, not to the values, so rewiring never needs a rename.
  const std::vector<std::string>& output_names() const { return output_names_; }
  /// The declared types of the results as the source gave them (symbols kept); may be more or less precise than the
  /// values' types.
  std::vector<Type> declared_outputs;

  std::string name;
  std::string doc;
  /// Model metadata in order (ONNX metadata_props).
  std::vector<std::pair<std::string, std::string>> metadata;
  ForeignPtr foreign;

  /// The metadata value of `key`, or null.
  const std::string* find_metadata(std::string_view key) const;
  void set_metadata(std::string_view key, std::string value);

 private:
  Node& make_node(OpKind op, std::span<Value* const> inputs, int num_outputs);
  void link_before(Node& node, Node* position);
  void unlink(Node& node);
  void drop_use(Node& node, int index);
  void adopt();

  std::vector<std::unique_ptr<Node>> storage_;  ///< indexed by node id; erased nodes stay
  Node* first_ = nullptr;
  Node* last_ = nullptr;
  Node* output_ = nullptr;
  int num_nodes_ = 0, next_node_id_ = 0, next_value_id_ = 0;
  std::vector<std::string> output_names_;
};

}  // namespace edgesmith::ir
