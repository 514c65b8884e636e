// SPDX-License-Identifier: Apache-2.0
// A graph as bytes and back, exactly: ids, names, types, annotations, encodings of tensors. What the graph shares with
// the model that it came from (tensors, what the importer kept, subgraphs) is stored as a number in the order of that
// model, so a graph can be restored only beside the same model, read again.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/binary.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/ir/subgraphs.h"

namespace edgesmith::ir {

/// What stored graphs refer to: the parts of `source`, which must outlive this.
class StoredParts {
 public:
  explicit StoredParts(const Graph& source);

  /// The bytes of every tensor in order, for the hash of a model whose tensors lie in other files.
  const std::vector<Tensor>& tensors() const { return tensors_; }

 private:
  friend class GraphStore;
  void add(const Graph& graph);
  void add(const Tensor& tensor);
  void add(const ForeignPtr& foreign);

  std::vector<Tensor> tensors_;
  std::vector<ForeignPtr> foreign_;
  std::vector<std::shared_ptr<const Subgraphs>> subgraphs_;
  std::map<const void*, size_t> tensor_ids_, foreign_ids_, subgraph_ids_;
};

/// Appends `tensor`. It refers to nothing.
void store_tensor(const Tensor& tensor, BinaryWriter& out);
/// Reads it back as a view of the reader's bytes, which `owner` keeps. Invalid (Tensor::valid) where the bytes are
/// none.
Tensor restore_tensor(BinaryReader& in, const std::shared_ptr<const void>& owner);

/// Appends `graph`. False where it has a part that `parts` does not know and that cannot be stored; then what was
/// appended means nothing.
bool store_graph(const Graph& graph, const StoredParts& parts, BinaryWriter& out);
/// Reads it back, as store_graph's clone() would be; nullopt where the bytes are no graph of these parts. Tensors are
/// views of the reader's bytes, which `owner` keeps.
std::optional<Graph> restore_graph(BinaryReader& in, const StoredParts& parts,
                                   const std::shared_ptr<const void>& owner);

}  // namespace edgesmith::ir
