// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <span>
#include <string>
#include <vector>

#include "edgesmith/ir/graph.h"

namespace edgesmith::onnx {

/// The names of tensors in the file. Values keep the source's names; what has none gets a short one ("0", "1", ... in
/// base 36), because names are a good part of a small file.
///
/// An annotated value has two names: what its node writes, and what its readers read (behind DequantizeLinear).
class ExportNames {
 public:
  explicit ExportNames(const ir::Graph& graph);
  /// The names inside of a branch or body, whose last inputs stand for values outside that are named `captured` there.
  /// No name hides one of `outer`, which must outlive this.
  ExportNames(const ir::Graph& body, std::span<const std::string> captured, ExportNames& outer);

  /// What the node of `value` writes.
  const std::string& written(const ir::Value& value);
  /// What readers of `value` read: the same, unless the value is annotated or an affine constant.
  const std::string& read(const ir::Value& value);
  /// True when written() and read() differ.
  static bool has_two(const ir::Value& value) { return value.quant().has_value(); }
  /// A name that nothing has.
  std::string fresh();
  /// Result `index` needs an Identity: its value goes by another name.
  bool needs_identity(int index) const { return needs_identity_[static_cast<size_t>(index)]; }
  const std::string& result(int index) const { return results_[static_cast<size_t>(index)]; }

 private:
  void name_all(const ir::Graph& graph);
  void name_inputs(const ir::Graph& graph);
  void name_results(const ir::Graph& graph);
  void claim_source_names(const ir::Graph& graph);
  bool is_visible_outside(const std::string& name) const;
  /// Takes `name` for `value` (null: for none); false when something here or around it has that name, or something
  /// inside of a node that reads the value from there.
  bool claim(const std::string& name, const ir::Value* value);
  std::string& slot(std::vector<std::string>& names, const ir::Value& value) {
    return names[static_cast<size_t>(value.id())];
  }

  std::vector<std::string> written_, read_;  ///< by value id; "" as long as there is none
  std::vector<std::string> results_;
  std::vector<bool> needs_identity_;
  std::set<std::string> used_;     ///< not to be taken here
  std::set<std::string> inner_;    ///< values inside of nodes have them
  std::set<std::string> defined_;  ///< values of this graph have them
  ExportNames* outer_ = nullptr;   ///< of the graph around it
  uint64_t next_ = 0;
};

}  // namespace edgesmith::onnx
