// SPDX-License-Identifier: Apache-2.0
// A compiled graph: constants made dense, constant parts folded, a kernel for every other node.
#pragma once

#include <memory>
#include <vector>

#include "edgesmith/runtime/executor.h"
#include "runtime/isa.h"
#include "runtime/kernel_registry.h"

namespace edgesmith::runtime {

/// The forms in which a value may lie in memory.
enum class Rep {
  reals,       ///< elements of the graph's dtype, row-major; fake-quantized where the value is annotated
  codes,       ///< 8-bit codes of its annotation, row-major
  codes_last,  ///< the same with the channels last (only for ranks above 2)
};

/// What moves a value from one form into another.
enum class Conversion { none, quantize, dequantize, change_layout };

struct Program;
struct HalfNode;

/// One thing to do: a node, a node with the activation fused into it, or a conversion.
///
/// Operands and results are slots: a value in one of its forms (Program::slot).
struct Step {
  const ir::Node* node = nullptr;        ///< of a conversion: the producer of the value
  const ir::Node* add = nullptr;         ///< residual Add that the kernel does to its result (residual.h), or null
  const ir::Node* activation = nullptr;  ///< relu or clip that the kernel's epilogue does after that, or null
  const ir::Node* pad = nullptr;         ///< zero padding that the kernel does (fuse_pad.h), or null
  const Kernel* kernel = nullptr;        ///< null: ops::eval, or only a view, or a conversion
  bool view = false;                     ///< output 0 has the bytes of operand 0 (reshape and its kin)
  Conversion conversion = Conversion::none;
  const ir::Value* converted = nullptr;  ///< the value that a conversion moves
  std::vector<int> operands;             ///< by operand of the node; -1: absent
  int residual = -1;                     ///< with `add`: the slot of its other operand
  std::vector<int> results;              ///< by output of last()
  std::shared_ptr<const Prepared> prepared;
  std::shared_ptr<const HalfNode> half;          ///< half floats by the kernels for float32 (half_nodes.h), or null
  std::shared_ptr<const Prepared> add_prepared;  ///< with `add` on codes: Residual::prepared
  Epilogue epilogue;
  std::shared_ptr<const ir::Graph> padded_graph;  ///< with `pad`: holds padded_node
  const ir::Node* padded_node = nullptr;          ///< with `pad`: the node with that padding
  std::vector<const Kernel*> candidates;          ///< rows that may run it, best first (choices.h)
  /// What the kernel is shown.
  const ir::Node& shown() const { return padded_node != nullptr ? *padded_node : *node; }
  /// The node whose outputs this step makes.
  const ir::Node& last() const { return activation != nullptr ? *activation : add != nullptr ? *add : *node; }
  /// With `add`: whether the residual is its operand 0.
  bool residual_first(const Program& program) const;
  /// What Executor::steps() calls the kernel: "native.conv_f32", "reference", "view", "quantize", ...
  std::string choice_name() const;
  /// "native.conv_f32 (avx2)", "reference", "view", "quantize", ...
  std::string kernel_text(Isa isa) const;
};

class Bodies;

struct Program {
  const ir::Graph* graph = nullptr;
  ExecutorOptions options;
  Isa isa = Isa::scalar;
  std::vector<ir::Tensor> constants;  ///< by slot; valid for constants and what was folded from them
  std::vector<bool> by_dims;          ///< by value id: computed from dims and constants alone (shape code)
  std::vector<Step> steps;            ///< activations fused
  std::vector<Step> plain_steps;      ///< nothing fused, reals only, for observers of everything; or none
  std::vector<ir::DType>
      rounding;                    ///< by value id: half floats to which results are rounded (widen_halves.h), or empty
  std::shared_ptr<Bodies> bodies;  ///< graphs inside nodes, compiled as they are met; null: no node has any

  int num_values() const { return graph->num_value_ids(); }
  int num_slots() const { return 3 * num_values(); }
  int slot(const ir::Value& value, Rep rep) const;
  int value_of(int slot) const { return slot % num_values(); }
  Rep rep_of(int slot) const { return static_cast<Rep>(slot / num_values()); }
  /// The dtype of the elements in a slot.
  ir::DType dtype_of(const ir::Value& value, int slot) const;

  /// The annotation that is in force on `value`, or null.
  const ir::Quant* annotation(const ir::Value& value) const;
  /// The half floats to which `value` is rounded when it was made, or undefined.
  ir::DType rounds_to(const ir::Value& value) const {
    return rounding.empty() ? ir::DType::undefined : rounding[static_cast<size_t>(value.id())];
  }
  /// Whether `value` must be made because observers want to see it.
  bool observed(const ir::Value& value) const {
    const auto id = static_cast<size_t>(value.id());
    return id < options.observed.size() && options.observed[id];
  }
  /// Whether all operands of `node` are constants, or computed from dims and constants alone.
  bool depends_on_dims_alone(const ir::Node& node) const;
  bool known(const ir::Value& value) const { return constants[static_cast<size_t>(value.id())].valid(); }
};

/// A step for `node` with operands and results in reals, without a kernel.
Step plain_step(const Program& program, const ir::Node& node);

/// `rounding` is Program::rounding. Errors: unsupported, for a node without a kernel; those of folding.
Result<Program> compile(const ir::Graph& graph, const ExecutorOptions& options, Isa isa,
                        std::vector<ir::DType> rounding = {});

/// ops::eval_node, with a tensor for every output. Errors: also unsupported, for an output that eval does not make.
Result<std::vector<ir::Tensor>> evaluate(const ir::Node& node, std::span<const ir::Tensor* const> inputs);

/// `outputs` of the node, unless one that it has is missing. Errors: unsupported.
Result<std::vector<ir::Tensor>> complete(const ir::Node& node, std::vector<ir::Tensor> outputs);

/// True when output 0 of the node is operand 0 with other dims (reshape, flatten, squeeze, unsqueeze, identity).
bool is_view(const ir::Node& node);

}  // namespace edgesmith::runtime
