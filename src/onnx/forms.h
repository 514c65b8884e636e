// SPDX-License-Identifier: Apache-2.0
// The forms that operators took in the versions of the ONNX operator set.
//
// The IR knows one form of each operator, the newest. A row says from which opset on we read it, which attributes that
// form has in any version, how an older form is raised to the canonical one (`raise`), which opset a node needs
// (`needs`), and how it is written for an older opset (`lower`). An operator without a row is opaque.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "edgesmith/ir/graph.h"

namespace edgesmith::onnx {

/// The newest opset whose forms are in the table. Newer models load on the assumption that these did not change.
inline constexpr int64_t kNewestOpset = 24;
/// The oldest opset that is read without reservation.
inline constexpr int64_t kOldestOpset = 7;

/// A node while it is raised: an ONNX operator on IR values.
struct RaisedNode {
  std::string_view op;
  std::vector<ir::Value*> inputs;
  ir::Attributes attributes;
  int num_outputs = 1;

  ir::Value* input(size_t index) const { return index < inputs.size() ? inputs[index] : nullptr; }
  void set_input(size_t index, ir::Value* value) {
    if (index >= inputs.size()) inputs.resize(index + 1);
    inputs[index] = value;
  }
};

/// What a `raise` function may ask for.
class RaiseContext {
 public:
  virtual ~RaiseContext() = default;
  virtual int64_t opset() const = 0;
  /// A new nameless constant.
  virtual ir::Value* constant(ir::Tensor tensor) = 0;
  /// The element type as far as it is known before inference; undefined otherwise.
  virtual ir::DType dtype(const ir::Value* value) const = 0;
  /// The rank as far as it is known before inference; -1 otherwise.
  virtual int rank(const ir::Value* value) const = 0;
  /// True when somebody reads output `index`, or it is a result.
  virtual bool output_read(int index) const = 0;
};

/// A node while it is lowered: an ONNX node on names.
struct LoweredNode {
  std::string op;
  std::string name, doc;
  std::vector<std::string> inputs, outputs;
  ir::Attributes attributes;
  std::string extra;                  ///< encoded fields to keep
  std::string encoded;                ///< when not empty: the whole NodeProto as it is (opaque nodes), ...
  std::vector<std::string> captured;  ///< ... and what its subgraphs read

  void drop_inputs_from(size_t count) {
    if (inputs.size() > count) inputs.resize(count);
  }
};

/// What a `lower` function may ask for.
class LowerContext {
 public:
  virtual ~LowerContext() = default;
  virtual int64_t opset() const = 0;
  /// The name of a new initializer (an equal one is shared).
  virtual std::string constant(const ir::Tensor& tensor) = 0;
  virtual std::string fresh_name() = 0;
  /// Writes a helper node before the node at hand.
  virtual void before(LoweredNode node) = 0;
  /// Writes a helper node after it.
  virtual void after(LoweredNode node) = 0;
};

struct FormRow {
  std::string_view op;
  int since = 1;
  /// "name:kind ..." with kind i, f, s, t (int, float, string, tensor), I, F, S (lists).
  std::string_view attributes;
  /// Raises an older form. Returns "" or the reason why this form is not known (the node becomes opaque).
  std::string (*raise)(RaisedNode&, RaiseContext&) = nullptr;
  /// The oldest opset in which the node can be written; null: `since`.
  int (*needs)(const ir::Node&) = nullptr;
  /// Rewrites the canonical form for context.opset(), which is at least what the node needs.
  void (*lower)(const ir::Node&, LoweredNode&, LowerContext&) = nullptr;
};

/// The row of an operator of the default domain, or null.
const FormRow* find_form(std::string_view onnx_op);
/// The oldest opset in which `node` can be written (1 for structural kinds).
int needed_opset(const ir::Node& node);

/// True when a node of the default domain that we do not understand means the same in both opsets. Conservative for
/// operators of ONNX; names that ONNX does not have are custom operators, which have no versions.
bool same_meaning(std::string_view onnx_op, int64_t from, int64_t to);

/// The ir_version that came with an opset.
int64_t ir_version_of(int64_t opset);

}  // namespace edgesmith::onnx
