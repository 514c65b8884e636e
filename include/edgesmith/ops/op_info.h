// SPDX-License-Identifier: Apache-2.0
// Everything the rest of the program may ask about an operator. One row each in ir/ops.def, one file each in src/ops.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/ops/channels.h"

namespace edgesmith::ops {

/// What an op's `infer` may look at beside its node, and where it says what it found.
///
/// Beside types, small integer values (shapes, axes, sizes) are followed through the graph as lists of dims, so that
/// Shape -> Gather -> Mul -> Concat -> Reshape keeps its symbols.
class InferContext {
 public:
  virtual ~InferContext() = default;
  /// The tensor of operand `index` when it is known without running (a constant, or folded), else null.
  virtual const ir::Tensor* constant(const ir::Node& node, int index) const = 0;
  /// The contents of an integer operand of rank 0 or 1 as dims (numbers or symbols, unknown where not known), when
  /// its length is known.
  virtual std::optional<ir::Shape> contents(const ir::Node& node, int index) const = 0;
  /// States the contents of output `index`.
  virtual void set_contents(const ir::Node& node, int index, ir::Shape contents) = 0;
};

/// What running a node once costs.
struct Cost {
  int64_t macs = 0;   ///< multiply-accumulates of Conv, Gemm, MatMul and their kin
  int64_t flops = 0;  ///< other arithmetic operations
};

/// How an operator behaves under integer quantization.
struct QuantFacts {
  enum class Kind {
    float_only,   ///< has no integer form worth having (also: shape code)
    compute,      ///< integer arithmetic with its own output scale (Conv, Gemm, MatMul, Add, Mul, pools that average)
    transparent,  ///< moves codes about: output and data operands must carry the same scale (MaxPool, Reshape, Concat)
    activation,   ///< a monotone clamp that disappears into the output range of its producer (Relu, Clip)
    fixed_range,  ///< its output range is known: [fixed_min, fixed_max] (Sigmoid, Softmax)
  };
  Kind kind = Kind::float_only;
  std::vector<int> data_operands;  ///< operands that may carry quantized activations
  int weight_operand = -1;         ///< operand that, when constant, is a weight with per-channel scales
  int weight_axis = 0;             ///< its output-channel axis
  int bias_operand = -1;           ///< int32 bias with scale = input scale * weight scale
  double fixed_min = 0, fixed_max = 0;
};

class GradientBuilder;  // edgesmith/ops/gradient.h

/// Gradients of a node's operands, in their order; null where none flows. The list may end early.
using Gradients = Result<std::vector<ir::Value*>>;

/// One operator. `eval` is the meaning: clear before fast.
struct OpInfo {
  ir::OpKind kind;
  int min_inputs, max_inputs;    ///< max_inputs < 0: any number
  int min_outputs, max_outputs;  ///< max_outputs < 0: any number
  /// Checks attributes and what is known of the operands' types. Errors: invalid or unsupported; the message says what
  /// is wrong with which numbers, the caller adds the node's label. May be null (nothing beyond the counts).
  Status (*verify)(const ir::Node& node);
  /// Types of the outputs from the operands' types, attributes and constants. What cannot be known stays unknown.
  Result<std::vector<ir::Type>> (*infer)(const ir::Node& node, InferContext& context);
  /// Runs the node: `inputs[i]` is null for an absent operand; all are dense. Returns one tensor an output.
  /// Errors: unsupported (a dtype or a form), invalid (shapes that do not fit).
  Result<std::vector<ir::Tensor>> (*eval)(const ir::Node& node, std::span<const ir::Tensor* const> inputs);
  /// Cost for the types that the values now have (unknown dims count as 1). Null: an element-wise or free op, costed
  /// from the output size.
  Cost (*cost)(const ir::Node& node);
  /// Null: float_only.
  QuantFacts (*quant)(const ir::Node& node);
  /// What the slices of the outputs along `axis` are made of, by the operands' types and constants; nothing where
  /// slices cannot be told apart, or do not map onto slices. Null: nothing along any axis.
  std::optional<ChannelRelation> (*channels)(const ir::Node& node, int axis) = nullptr;
  /// Appends nodes that compute the gradients of the operands from those of the outputs, `outputs` (null: none flows
  /// into that output). The ranks and element types of the operands and outputs are known. Errors: unsupported (a form
  /// without a gradient; the caller adds the node's label). Null: the operator has none, for the reason `no_gradient`.
  Gradients (*gradient)(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) = nullptr;
  /// Why the operator has no gradient, to follow "operator Floor has no gradient: ". Empty when it has one.
  std::string_view no_gradient = {};
};

/// The row of an operator; null for input, output, constant and opaque.
const OpInfo* find_op(ir::OpKind kind);

/// Operand counts, then the op's verify; structural kinds pass.
Status verify_node(const ir::Node& node);

/// Cost of a node, also for ops without a cost function; zero for structural kinds.
Cost cost_of(const ir::Node& node);

/// Quantization facts; float_only for ops without any.
QuantFacts quant_facts(const ir::Node& node);

/// The channel relation along `axis`; nothing for ops without any.
std::optional<ChannelRelation> channel_relation(const ir::Node& node, int axis);

/// The node itself, or a node at any depth of its subgraphs, that cannot be run because nobody here knows its operator;
/// null when there is none.
const ir::Node* find_unknown(const ir::Node& node);

/// Runs one node by its reference evaluation.
Result<std::vector<ir::Tensor>> eval_node(const ir::Node& node, std::span<const ir::Tensor* const> inputs);

/// (Re)infers the type of every value from the inputs' types on. Declared types that say more are kept where nothing
/// contradicts them. Errors: invalid, naming the node.
Status infer_types(ir::Graph& graph);

/// What is known without running about values that are not constants, by value id.
struct Known {
  std::vector<std::optional<ir::Tensor>>
      tensors;  ///< small ones: sizes of dims that are known, and what follows from them
  std::vector<std::optional<ir::Shape>> contents;  ///< of small integer vectors: numbers, symbols, unknown dims
};

/// infer_types, which also tells what it came to know.
Result<Known> infer_known(ir::Graph& graph);

/// What is known when every dim that inference leaves open bears a symbol of its own.
struct Traced {
  Known known;
  std::vector<std::optional<ir::Shape>> shapes;  ///< by value id; no unknown dims
};

/// Inference that can tell that two open dims are the same, whatever they are: in one run a value has one size.
/// Declared shapes of values whose shape can be inferred are not asked: they may be stale. Does not change the graph.
Result<Traced> infer_traced(const ir::Graph& graph);

/// The same with concrete dims for the graph inputs (in order): what the types are when the model is fed these.
/// Returns dims per value id (empty optional where unknown). Does not change the graph.
Result<std::vector<std::optional<ir::Dims>>> infer_dims(const ir::Graph& graph, std::span<const ir::Dims> input_dims);

}  // namespace edgesmith::ops
