// SPDX-License-Identifier: Apache-2.0
// Compound operators: those of com.microsoft, and quantized ones of ONNX, that other operators spell out. Such a node
// is kept as it is, with a graph that says what it computes (ir/subgraphs.h); a quantized one whose scales are constant
// becomes operators on reals between QuantizeLinear and DequantizeLinear, hence annotations.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "edgesmith/ir/graph.h"
#include "onnx/proto.h"

namespace edgesmith::onnx {

/// Appends the operators that a compound one is made of.
class Emitter {
 public:
  using Named = std::pair<std::string_view, ir::Attribute>;

  /// `types`: those of the operands as far as they are known. Absent operands are null.
  Emitter(ir::Graph& graph, std::vector<ir::Value*> operands, std::vector<ir::Type> types, ir::Attributes attributes,
          int num_outputs);

  /// The nodes are to become annotations: scales and zero points must be constant, which constants() checks.
  void for_annotations() { for_annotations_ = true; }
  bool annotates() const { return for_annotations_; }

  // --- the node ---
  int num_inputs() const { return static_cast<int>(operands_.size()); }
  int num_outputs() const { return num_outputs_; }
  ir::Value* input(int index) const;
  /// The rank of operand `index`, or -1.
  int rank(int index) const;
  ir::DType dtype(int index) const;
  const ir::Attributes& attributes() const { return attributes_; }
  int64_t integer(std::string_view name, int64_t fallback) const { return attributes_.get_int(name, fallback); }
  float real(std::string_view name, float fallback) const { return attributes_.get_float(name, fallback); }
  /// True when those of the operands `indices` that are there are constants.
  bool constants(std::initializer_list<int> indices) const;

  // --- what it is made of ---
  ir::Value& op(ir::OpKind kind, const std::vector<ir::Value*>& inputs, std::initializer_list<Named> attributes = {});
  /// A node of more than one output.
  ir::Node& node(ir::OpKind kind, const std::vector<ir::Value*>& inputs, int num_outputs,
                 std::initializer_list<Named> attributes = {});
  /// The attributes of the node that the row of attributes names, for a node that takes them as they are.
  ir::Value& op_like(ir::OpKind kind, const std::vector<ir::Value*>& inputs, std::string_view names);
  ir::Value& constant(ir::Tensor tensor);
  ir::Value& ints(const ir::Ints& values);
  /// A scalar of the element type that `like` has.
  ir::Value& scalar(float value, ir::Value& like);
  ir::Value& as_float(ir::Value& x);
  /// a * b; a constant when both are.
  ir::Value& product(ir::Value& a, ir::Value& b);
  /// Reals of codes, and codes of reals. `axis`: that of a scale that is a list.
  ir::Value& dequantize(ir::Value* codes, ir::Value* scale, ir::Value* zero_point, int64_t axis = 1);
  ir::Value& quantize(ir::Value& reals, ir::Value* scale, ir::Value* zero_point);
  /// The last two axes swapped, whatever the rank.
  ir::Value& transposed(ir::Value& x);
  void result(ir::Value& value) { results_.push_back(&value); }
  /// An output that nobody may read.
  void unknown_result() { results_.push_back(nullptr); }
  /// True when every output that has a name was made.
  bool has_results(const std::vector<std::string_view>& outputs) const;

  const std::vector<ir::Value*>& results() const { return results_; }
  const std::vector<ir::Node*>& nodes() const { return nodes_; }
  /// Takes everything back out of the graph.
  void undo();

 private:
  ir::Graph& graph_;
  std::vector<ir::Value*> operands_;
  std::vector<ir::Type> types_;
  ir::Attributes attributes_;
  int num_outputs_;
  bool for_annotations_ = false;
  std::vector<ir::Value*> results_;
  std::vector<ir::Node*> nodes_;
};

struct CompoundRow {
  std::string_view op;          ///< "com.microsoft::BiasGelu", "QLinearConv"
  std::string_view operands;    ///< "xx.x": those that must be there, and '.' for one that may be absent, as all behind
  std::string_view attributes;  ///< as in FormRow
  /// Emits the operators, when the operands are there: see emit_compound().
  std::string (*emit)(Emitter&);
  bool makes_annotations = false;  ///< becomes Q/DQ when its scales are constant
};

/// Emits the operators of a row. Returns "" or the reason why this form is not known.
std::string emit_compound(const CompoundRow& row, Emitter& e);

/// The row of a node of the file, or null.
const CompoundRow* find_compound(const NodeView& node);
/// The row of that name, or null.
const CompoundRow* find_compound(std::string_view op);

/// The graph that says what a node with these operands ("": absent; `types` beside them) and outputs computes. Errors:
/// unsupported, a form that is not known.
Result<std::shared_ptr<const ir::Subgraphs>> spell_out(const CompoundRow& row, ir::Attributes attributes,
                                                       const std::vector<std::string_view>& operands,
                                                       const std::vector<ir::Type>& types,
                                                       const std::vector<std::string_view>& outputs);

/// All rows in order of their names, for tests and pages.
const std::vector<CompoundRow>& all_compounds();

}  // namespace edgesmith::onnx
