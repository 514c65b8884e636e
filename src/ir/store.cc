// SPDX-License-Identifier: Apache-2.0
#include "ir/store.h"

#include <algorithm>

namespace edgesmith::ir {
namespace {

/// So that mapped numbers can be used where they lie.
constexpr size_t kAlignment = 64;
/// Ids of parts count from 1.
constexpr uint64_t kNone = 0;

/// Where the numbers of a tensor are: equal for tensors that share them.
const void* storage_of(const Tensor& tensor) {
  if (!tensor.valid()) return nullptr;
  if (tensor.encoding() != Encoding::dense) return &tensor.codes();
  if (tensor.dtype() == DType::string) return tensor.string_data().data();
  return tensor.bytes().empty() ? nullptr : static_cast<const void*>(tensor.bytes().data());
}

void store_ints(std::span<const int64_t> values, BinaryWriter& out) {
  out.u64(values.size());
  for (const int64_t value : values) out.i64(value);
}
Ints restore_ints(BinaryReader& in) {
  Ints values(in.count());
  for (int64_t& value : values) value = in.i64();
  return values;
}

void store_floats(std::span<const float> values, BinaryWriter& out) { out.raw(std::as_bytes(values), sizeof(float)); }
Floats restore_floats(BinaryReader& in) {
  const auto bytes = in.raw(sizeof(float));
  Floats values(bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

void store_texts(const Strings& values, BinaryWriter& out) {
  out.u64(values.size());
  for (const std::string& value : values) out.text(value);
}
Strings restore_texts(BinaryReader& in) {
  Strings values(in.count());
  for (std::string& value : values) value = in.text();
  return values;
}

void store_quant(const Quant& quant, BinaryWriter& out) {
  out.i64(static_cast<int64_t>(quant.dtype));
  store_floats(quant.scale, out);
  out.u64(quant.zero_point.size());
  for (const int32_t zero_point : quant.zero_point) out.i64(zero_point);
  out.i64(quant.axis);
  out.i64(quant.block_size);
  out.text(quant.method);
}
Quant restore_quant(BinaryReader& in) {
  Quant quant;
  quant.dtype = static_cast<DType>(in.i64());
  quant.scale = restore_floats(in);
  quant.zero_point.resize(in.count());
  for (int32_t& zero_point : quant.zero_point) zero_point = static_cast<int32_t>(in.i64());
  quant.axis = static_cast<int>(in.i64());
  quant.block_size = in.i64();
  quant.method = in.text();
  return quant;
}

void store_type(const Type& type, BinaryWriter& out) {
  out.i64(static_cast<int64_t>(type.dtype));
  out.flag(type.has_rank());
  if (!type.has_rank()) return;
  out.u64(type.shape->size());
  for (const Dim& dim : *type.shape) {
    out.i64(dim.value());
    out.text(dim.symbol());
  }
}
Type restore_type(BinaryReader& in) {
  Type type;
  type.dtype = static_cast<DType>(in.i64());
  if (!in.flag()) return type;
  type.shape.emplace(in.count());
  for (Dim& dim : *type.shape) {
    const int64_t value = in.i64();
    std::string symbol = in.text();
    dim = !symbol.empty() ? Dim(std::move(symbol)) : value >= 0 ? Dim(value) : Dim();
  }
  return type;
}

enum class AttributeKind : int64_t { integer, real, text, integers, reals, texts, tensor };

}  // namespace

StoredParts::StoredParts(const Graph& source) { add(source); }

void StoredParts::add(const Tensor& tensor) {
  const void* storage = storage_of(tensor);
  if (storage == nullptr) return;
  tensors_.push_back(tensor);
  tensor_ids_.emplace(storage, tensors_.size());
}

void StoredParts::add(const ForeignPtr& foreign) {
  if (foreign == nullptr) return;
  foreign_.push_back(foreign);
  foreign_ids_.emplace(foreign.get(), foreign_.size());
}

void StoredParts::add(const Graph& graph) {
  add(graph.foreign);
  for (const Node& node : graph.nodes()) {
    add(node.tensor());
    add(node.foreign);
    for (const auto& [name, value] : node.attributes()) {
      if (const auto* tensor = std::get_if<Tensor>(&value)) add(*tensor);
    }
    for (int i = 0; i < node.num_outputs(); ++i) add(node.output(i).foreign);
    if (node.subgraphs == nullptr) continue;
    subgraphs_.push_back(node.subgraphs);
    // Calls of one function share its graphs.
    const bool fresh = subgraph_ids_.emplace(node.subgraphs.get(), subgraphs_.size()).second;
    for (size_t i = 0; fresh && i < node.subgraphs->graphs.size(); ++i) add(node.subgraphs->graphs[i]);
  }
}

void store_tensor(const Tensor& tensor, BinaryWriter& out) {
  out.i64(static_cast<int64_t>(tensor.encoding()));
  out.i64(static_cast<int64_t>(tensor.dtype()));
  store_ints(tensor.dims(), out);
  switch (tensor.encoding()) {
    case Encoding::dense:
      if (!tensor.valid()) return;
      if (tensor.dtype() == DType::string)
        store_texts(tensor.string_data(), out);
      else
        out.raw(tensor.bytes(), kAlignment);
      return;
    case Encoding::affine:
      store_tensor(tensor.as_palette() != nullptr ? *tensor.as_palette() : tensor.codes(), out);
      store_quant(tensor.quant(), out);
      return;
    case Encoding::palette:
      store_tensor(tensor.codes(), out);
      store_tensor(tensor.codebooks(), out);
      out.i64(tensor.palette_axis());
      return;
    case Encoding::sparse:
      store_tensor(tensor.codes(), out);
      store_tensor(tensor.positions(), out);
      return;
  }
}

Tensor restore_tensor(BinaryReader& in, const std::shared_ptr<const void>& owner) {
  const auto encoding = static_cast<Encoding>(in.i64());
  const auto dtype = static_cast<DType>(in.i64());
  Dims dims = restore_ints(in);
  if (!in.ok()) return {};
  switch (encoding) {
    case Encoding::dense: {
      if (dtype == DType::undefined) return {};
      if (dtype == DType::string) return Tensor::strings(std::move(dims), restore_texts(in));
      const auto bytes = in.raw(kAlignment);
      const int64_t size = packed_bytes(num_elements(dims), dtype_bits(dtype));
      return in.ok() && size == static_cast<int64_t>(bytes.size()) ? Tensor(dtype, std::move(dims), bytes, owner)
                                                                   : Tensor();
    }
    case Encoding::affine: {
      Tensor codes = restore_tensor(in, owner);
      Quant quant = restore_quant(in);
      return in.ok() && codes.valid() ? Tensor::affine(std::move(codes), std::move(quant)) : Tensor();
    }
    case Encoding::palette: {
      Tensor indices = restore_tensor(in, owner), codebooks = restore_tensor(in, owner);
      const auto axis = static_cast<int>(in.i64());
      const bool good = in.ok() && indices.valid() && codebooks.valid();
      return good ? Tensor::palette(std::move(indices), std::move(codebooks), axis) : Tensor();
    }
    case Encoding::sparse: {
      Tensor values = restore_tensor(in, owner), positions = restore_tensor(in, owner);
      const bool good = in.ok() && values.valid() && positions.valid();
      return good ? Tensor::sparse(std::move(dims), std::move(values), std::move(positions)) : Tensor();
    }
  }
  return {};
}

class GraphStore {
 public:
  static bool store(const Graph& graph, const StoredParts& parts, BinaryWriter& out) {
    GraphStore work{parts};
    work.store_graph(graph, out);
    return work.known_;
  }
  static std::optional<Graph> restore(BinaryReader& in, const StoredParts& parts,
                                      const std::shared_ptr<const void>& owner) {
    GraphStore work{parts, owner};
    Graph graph;
    if (!work.restore_graph(in, graph) || !in.ok()) return std::nullopt;
    return graph.clone();  // without the erased nodes
  }

 private:
  explicit GraphStore(const StoredParts& parts, std::shared_ptr<const void> owner = {})
      : parts_(parts), owner_(std::move(owner)) {}

  void store_id(const std::map<const void*, size_t>& ids, const void* part, BinaryWriter& out) {
    const auto found = part == nullptr ? ids.end() : ids.find(part);
    known_ = known_ && (part == nullptr || found != ids.end());
    out.u64(found == ids.end() ? kNone : found->second);
  }
  template <typename Part>
  bool restore_id(BinaryReader& in, const std::vector<Part>& known, Part& part) {
    const uint64_t id = in.u64();
    if (id == kNone) return true;
    if (id > known.size()) return false;
    part = known[static_cast<size_t>(id) - 1];
    return true;
  }

  void store_shared_tensor(const Tensor& tensor, BinaryWriter& out) {
    const void* storage = storage_of(tensor);
    const auto found = storage == nullptr ? parts_.tensor_ids_.end() : parts_.tensor_ids_.find(storage);
    uint64_t id = kNone;
    if (found != parts_.tensor_ids_.end()) {
      const Tensor& source = parts_.tensors_[found->second - 1];
      const bool same =
          source.dtype() == tensor.dtype() && source.encoding() == tensor.encoding() && source.size() == tensor.size();
      if (same && (source.dims() == tensor.dims() || tensor.encoding() == Encoding::dense)) id = found->second;
    }
    out.u64(id);
    if (id == kNone)
      store_tensor(tensor, out);
    else
      store_ints(tensor.dims(), out);
  }
  bool restore_shared_tensor(BinaryReader& in, Tensor& tensor) {
    const uint64_t id = in.u64();
    if (id > parts_.tensors_.size()) return false;
    if (id == kNone) {
      tensor = restore_tensor(in, owner_);
      return in.ok();
    }
    tensor = parts_.tensors_[static_cast<size_t>(id) - 1];
    Dims dims = restore_ints(in);
    if (dims == tensor.dims()) return true;
    if (tensor.encoding() != Encoding::dense || num_elements(dims) != tensor.size()) return false;
    tensor = tensor.reshaped(std::move(dims));
    return true;
  }

  void store_attribute(const Attribute& value, BinaryWriter& out) {
    out.u64(value.index());
    switch (static_cast<AttributeKind>(value.index())) {
      case AttributeKind::integer: return out.i64(std::get<int64_t>(value));
      case AttributeKind::real: return store_floats(std::span(&std::get<float>(value), 1), out);
      case AttributeKind::text: return out.text(std::get<std::string>(value));
      case AttributeKind::integers: return store_ints(std::get<Ints>(value), out);
      case AttributeKind::reals: return store_floats(std::get<Floats>(value), out);
      case AttributeKind::texts: return store_texts(std::get<Strings>(value), out);
      case AttributeKind::tensor: return store_shared_tensor(std::get<Tensor>(value), out);
    }
  }
  bool restore_attribute(BinaryReader& in, Attribute& value) {
    switch (static_cast<AttributeKind>(in.u64())) {
      case AttributeKind::integer: value = in.i64(); return in.ok();
      case AttributeKind::real: {
        const Floats floats = restore_floats(in);
        if (floats.size() != 1) return false;
        value = floats[0];
        return true;
      }
      case AttributeKind::text: value = in.text(); return in.ok();
      case AttributeKind::integers: value = restore_ints(in); return in.ok();
      case AttributeKind::reals: value = restore_floats(in); return in.ok();
      case AttributeKind::texts: value = restore_texts(in); return in.ok();
      case AttributeKind::tensor: {
        Tensor tensor;
        if (!restore_shared_tensor(in, tensor)) return false;
        value = std::move(tensor);
        return true;
      }
    }
    return false;
  }

  void store_value(const Value& value, BinaryWriter& out) {
    out.i64(value.id());
    out.text(value.name());
    store_type(value.type(), out);
    out.flag(value.quant().has_value());
    if (value.quant()) store_quant(*value.quant(), out);
    store_id(parts_.foreign_ids_, value.foreign.get(), out);
  }
  bool restore_value(BinaryReader& in, Value& value) {
    if (in.i64() != value.id()) return false;
    value.set_name(in.text());
    value.set_type(restore_type(in));
    value.set_quant(in.flag() ? std::optional(restore_quant(in)) : std::nullopt);
    return restore_id(in, parts_.foreign_, value.foreign);
  }

  /// Those of the source as their number, those that a pass made or changed whole.
  void store_subgraphs(const Subgraphs* subgraphs, BinaryWriter& out) {
    const bool own = subgraphs != nullptr && parts_.subgraph_ids_.count(subgraphs) == 0;
    out.flag(own);
    if (!own) return store_id(parts_.subgraph_ids_, subgraphs, out);
    out.i64(static_cast<int64_t>(subgraphs->kind));
    out.i64(subgraphs->num_inputs);
    for (const bool flag : {subgraphs->rewritten, subgraphs->local, subgraphs->movable, subgraphs->batched}) {
      out.flag(flag);
    }
    out.i64(subgraphs->num_scanned);
    store_ints(subgraphs->input_axes, out);
    store_ints(subgraphs->input_backward, out);
    store_ints(subgraphs->output_axes, out);
    store_ints(subgraphs->output_backward, out);
    out.u64(subgraphs->graphs.size());
    for (const Graph& graph : subgraphs->graphs) known_ = store(graph, parts_, out) && known_;
  }
  bool restore_subgraphs(BinaryReader& in, std::shared_ptr<const Subgraphs>& subgraphs) {
    if (!in.flag()) return restore_id(in, parts_.subgraphs_, subgraphs);
    auto own = std::make_shared<Subgraphs>();
    const int64_t kind = in.i64();
    if (kind < 0 || kind > static_cast<int64_t>(Subgraphs::Kind::scan)) return false;
    own->kind = static_cast<Subgraphs::Kind>(kind);
    own->num_inputs = static_cast<int>(in.i64());
    for (bool* flag : {&own->rewritten, &own->local, &own->movable, &own->batched}) *flag = in.flag();
    own->num_scanned = static_cast<int>(in.i64());
    own->input_axes = restore_ints(in);
    own->input_backward = restore_ints(in);
    own->output_axes = restore_ints(in);
    own->output_backward = restore_ints(in);
    for (size_t left = in.count(); left > 0; --left) {
      auto graph = restore(in, parts_, owner_);
      if (!graph) return false;
      own->graphs.push_back(std::move(*graph));
    }
    subgraphs = std::move(own);
    return in.ok();
  }

  void store_node(const Node& node, BinaryWriter& out) {
    out.i64(node.id());
    out.text(node.name());
    out.text(node.doc);
    out.text(node.opaque_op);
    store_id(parts_.foreign_ids_, node.foreign.get(), out);
    store_subgraphs(node.subgraphs.get(), out);
    out.flag(node.is(OpKind::constant));
    if (node.is(OpKind::constant)) store_shared_tensor(node.tensor(), out);
    out.u64(static_cast<uint64_t>(std::distance(node.attributes().begin(), node.attributes().end())));
    for (const auto& [name, value] : node.attributes()) {
      out.text(name);
      store_attribute(value, out);
    }
    for (int i = 0; i < node.num_outputs(); ++i) store_value(node.output(i), out);
    out.u64(static_cast<uint64_t>(node.num_inputs()));
    for (int i = 0; i < node.num_inputs(); ++i) out.i64(node.input(i) != nullptr ? node.input(i)->id() : -1);
  }
  /// The next node of the order, its operands left for later.
  bool restore_node(BinaryReader& in, Graph& graph) {
    const int64_t id = in.i64();
    if (id < 0 || id >= static_cast<int64_t>(nodes_.size()) || nodes_[static_cast<size_t>(id)] == nullptr) return false;
    Node& node = *nodes_[static_cast<size_t>(id)];
    if (!node.is(OpKind::output)) graph.move_before(node, graph.output_node());
    node.set_name(in.text());
    node.doc = in.text();
    node.opaque_op = in.text();
    if (!restore_id(in, parts_.foreign_, node.foreign)) return false;
    if (!restore_subgraphs(in, node.subgraphs)) return false;
    if (in.flag() != node.is(OpKind::constant)) return false;
    if (node.is(OpKind::constant)) {
      Tensor tensor;
      if (!restore_shared_tensor(in, tensor) || !tensor.valid()) return false;
      graph.set_tensor(node, std::move(tensor));
    }
    for (size_t left = in.count(); left > 0; --left) {
      const std::string name = in.text();
      Attribute value;
      if (!restore_attribute(in, value)) return false;
      node.attributes().set(name, std::move(value));
    }
    for (int i = 0; i < node.num_outputs(); ++i) {
      if (!restore_value(in, node.output(i))) return false;
    }
    operands_.emplace_back(&node, restore_ints(in));
    return in.ok();
  }

  /// What every node is, by id: so that ids can be given out again before anything refers to them.
  void store_skeleton(const Graph& graph, BinaryWriter& out) {
    std::vector<const Node*> nodes(static_cast<size_t>(graph.num_node_ids()), nullptr);
    for (const Node& node : graph.nodes()) nodes[static_cast<size_t>(node.id())] = &node;
    int next_value = 0;
    out.u64(nodes.size());
    for (const Node* node : nodes) {
      out.flag(node != nullptr);
      if (node == nullptr) continue;
      out.text(node->is(OpKind::opaque) ? std::string_view() : op_name(node->op()));
      const int first = node->num_outputs() > 0 ? node->output().id() : next_value;
      known_ = known_ && first >= next_value;
      out.u64(static_cast<uint64_t>(std::max(0, first - next_value)));  // values of erased nodes before it
      out.u64(static_cast<uint64_t>(node->num_outputs()));
      next_value = first + node->num_outputs();
    }
    known_ = known_ && graph.num_value_ids() >= next_value;
    out.u64(static_cast<uint64_t>(std::max(0, graph.num_value_ids() - next_value)));
  }
  /// Nodes without anything, those of erased ids among them, to be erased again.
  bool restore_skeleton(BinaryReader& in, Graph& graph) {
    nodes_.resize(in.count());
    uint64_t erased_values = 0;
    std::vector<size_t> gaps;
    std::vector<uint64_t> gap_values(nodes_.size(), 0);
    std::vector<std::pair<std::string, uint64_t>> kinds(nodes_.size());
    for (size_t id = 0; id < nodes_.size(); ++id) {
      if (!in.flag()) {
        gaps.push_back(id);
        continue;
      }
      kinds[id].first = in.text();
      if (kinds[id].first.empty()) kinds[id].first = op_name(OpKind::opaque);
      erased_values = in.u64();
      kinds[id].second = in.u64();
      if (erased_values > kMostIds || kinds[id].second > kMostIds) return false;
      if (!gaps.empty()) gap_values[gaps.front()] = erased_values;
      if (gaps.empty() && erased_values > 0) return false;
      gaps.clear();
    }
    erased_values = in.u64();
    if (!in.ok() || erased_values > kMostIds || (gaps.empty() && erased_values > 0)) return false;
    if (!gaps.empty()) gap_values[gaps.front()] = erased_values;
    for (size_t id = 0; id < nodes_.size(); ++id) {
      if (kinds[id].first.empty()) {
        erased_.push_back(&graph.append(OpKind::opaque, {}, static_cast<int>(gap_values[id])));
        continue;
      }
      const auto op = op_from_name(kinds[id].first);
      if (!op || (*op == OpKind::output) != (id == 0)) return false;
      nodes_[id] = id == 0 ? &graph.output_node() : &graph.append(*op, {}, static_cast<int>(kinds[id].second));
      for (int i = 0; i < nodes_[id]->num_outputs(); ++i) values_.emplace(nodes_[id]->output(i).id(), nodes_[id]);
    }
    return true;
  }

  void store_graph(const Graph& graph, BinaryWriter& out) {
    store_skeleton(graph, out);
    out.text(graph.name);
    out.text(graph.doc);
    store_id(parts_.foreign_ids_, graph.foreign.get(), out);
    out.u64(graph.metadata.size());
    for (const auto& [key, value] : graph.metadata) {
      out.text(key);
      out.text(value);
    }
    out.u64(static_cast<uint64_t>(graph.num_nodes()));
    for (const Node& node : graph.nodes()) store_node(node, out);
    store_texts(graph.output_names(), out);
    out.u64(graph.declared_outputs.size());
    for (const Type& type : graph.declared_outputs) store_type(type, out);
  }
  bool restore_graph(BinaryReader& in, Graph& graph) {
    if (!restore_skeleton(in, graph)) return false;
    graph.name = in.text();
    graph.doc = in.text();
    if (!restore_id(in, parts_.foreign_, graph.foreign)) return false;
    for (size_t left = in.count(); left > 0; --left) {
      std::string key = in.text();
      graph.metadata.emplace_back(std::move(key), in.text());
    }
    for (size_t left = in.count(); left > 0; --left) {
      if (!restore_node(in, graph)) return false;
    }
    const Strings output_names = restore_texts(in);
    for (const auto& [node, inputs] : operands_) {
      if (node->is(OpKind::output) && inputs.size() != output_names.size()) return false;
      for (size_t i = 0; i < inputs.size(); ++i) {
        Value* value = value_of(inputs[i]);
        if (node->is(OpKind::output)) {
          if (value == nullptr) return false;
          graph.add_output(output_names[i], *value);
        } else if (value != nullptr || inputs[i] < 0) {
          graph.set_input(*node, static_cast<int>(i), value);
        } else {
          return false;
        }
      }
    }
    graph.declared_outputs.resize(in.count());
    for (Type& type : graph.declared_outputs) type = restore_type(in);
    for (Node* node : erased_) graph.erase(*node);
    return true;
  }
  Value* value_of(int64_t id) const {
    const auto found = values_.find(static_cast<int>(id));
    if (found == values_.end()) return nullptr;
    return &found->second->output(static_cast<int>(id) - found->second->output().id());
  }

  static constexpr uint64_t kMostIds = uint64_t{1} << 30;

  const StoredParts& parts_;
  std::shared_ptr<const void> owner_;
  bool known_ = true;
  std::vector<Node*> nodes_;                      ///< by id; null: erased
  std::vector<Node*> erased_;                     ///< in the places of erased ones
  std::map<int, Node*> values_;                   ///< by id: who makes it
  std::vector<std::pair<Node*, Ints>> operands_;  ///< ids of values, -1: absent
};

bool store_graph(const Graph& graph, const StoredParts& parts, BinaryWriter& out) {
  return GraphStore::store(graph, parts, out);
}

std::optional<Graph> restore_graph(BinaryReader& in, const StoredParts& parts,
                                   const std::shared_ptr<const void>& owner) {
  return GraphStore::restore(in, parts, owner);
}

}  // namespace edgesmith::ir
