// SPDX-License-Identifier: Apache-2.0
// Another float type for what a model computes.
//
//   x (f32) ─▶ conv ─▶ relu ─▶ y (f32)
//     =>   x (f32) ─▶ cast ─▶ conv(f16) ─▶ relu(f16) ─▶ cast ─▶ y (f32)
//
// Every node is converted or left as it is; values and constants follow, and a Cast stands where the two kinds meet.
// Where the type of a value is not known, no Cast can be put, so whoever reads it stays.
// Left as they are: what works on codes, operators that ONNX does not define for the type (onnx/half_types.h), opaque
// nodes, nodes that were not selected, and nodes that make or read numbers beyond the type's range (ranges.cc).
#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "edgesmith/ir/structural.h"
#include "edgesmith/onnx/half_types.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/pass.h"
#include "passes/convert/half_weights.h"
#include "passes/convert/ranges.h"
#include "passes/layer_record.h"
#include "passes/rewrite.h"
#include "passes/selectors.h"

namespace edgesmith::passes {
namespace {

using ir::DType;
using ir::OpKind;

const OptionSchema& convert_options() {
  static const OptionSchema kSchema = {
      {.name = "to",
       .kind = OptionKind::word,
       .fallback = "fp16",
       .help = "float type to compute in",
       .words = {"fp16", "bf16", "fp32"}},
      {.name = "keep_io",
       .kind = OptionKind::flag,
       .fallback = "true",
       .help = "let inputs and outputs of the model keep their types"},
      {.name = "only", .kind = OptionKind::text_list, .fallback = "", .help = "names (globs) of the nodes to convert"},
      {.name = "skip", .kind = OptionKind::text_list, .fallback = "", .help = "names (globs) of nodes to leave alone"},
      {.name = "skip_op", .kind = OptionKind::text_list, .fallback = "", .help = "operators to leave alone"},
  };
  return kSchema;
}

DType type_of_word(const std::string& word) {
  return word == "fp16" ? DType::f16 : word == "bf16" ? DType::bf16 : DType::f32;
}

/// Operators with operands that are always float32, or whose element type an attribute says.
bool has_own_type(OpKind op) {
  switch (op) {
    case OpKind::blackman_window:
    case OpKind::cast_like:
    case OpKind::constant_of_shape:
    case OpKind::dequantize_linear:
    case OpKind::dft:
    case OpKind::dynamic_quantize_linear:
    case OpKind::eye_like:
    case OpKind::hamming_window:
    case OpKind::hann_window:
    case OpKind::is_inf:
    case OpKind::mel_weight_matrix:
    case OpKind::non_max_suppression:
    case OpKind::quantize_linear:
    case OpKind::range:
    case OpKind::stft: return true;
    default: return false;
  }
}

/// Operators that read any float type and make a value of another kind.
bool reads_any_type(OpKind op) {
  return op == OpKind::shape || op == OpKind::size || op == OpKind::cast || op == OpKind::is_nan ||
         op == OpKind::non_zero;
}

/// Operands whose type is not that of the node: scales and regions of Resize, places of GridSample, and exponents,
/// which ONNX does not define for bfloat16.
bool has_own_type(const ir::Node& node, int operand) {
  return (node.is(OpKind::resize) && (operand == 1 || operand == 2)) ||
         ((node.is(OpKind::grid_sample) || node.is(OpKind::pow)) && operand == 1);
}

bool touches_codes(const ir::Node& node) {
  for (int i = 0; i < node.num_outputs(); ++i) {
    if (node.output(i).quant()) return true;
  }
  for (int i = 0; i < node.num_inputs(); ++i) {
    const ir::Value* value = node.input(i);
    if (value == nullptr) continue;
    if (value->quant() || (value->constant() != nullptr && value->constant()->encoding() == ir::Encoding::affine)) {
      return true;
    }
  }
  return false;
}

ir::Tensor converted(const ir::Tensor& tensor, DType to) {
  const std::vector<float> numbers = tensor.to_floats();
  if (to == DType::f32) return ir::Tensor::of<float>(tensor.dims(), numbers);
  ir::Tensor out = ir::Tensor::zeros(to, tensor.dims());
  const auto bytes = out.mutable_bytes();
  for (size_t i = 0; i < numbers.size(); ++i) {
    const uint16_t bits = to == DType::f16 ? ir::float_to_half(numbers[i]) : ir::float_to_bfloat16(numbers[i]);
    std::memcpy(bytes.data() + 2 * i, &bits, 2);
  }
  return out;
}

class Converter {
 public:
  Converter(ir::Graph& graph, DType to, bool keep_io, PassContext& context)
      : graph_(graph), to_(to), keep_io_(keep_io), context_(context) {
    for (const ir::Node& node : graph.nodes()) {
      for (int i = 0; i < node.num_outputs(); ++i) types_before_[node.output(i).id()] = node.output(i).type().dtype;
    }
  }

  Result<Change> run(const std::vector<bool>& selected) {
    if (to_ != DType::f32) {
      auto beyond = convert::find_beyond(graph_, to_, context_);
      if (!beyond) return beyond.error();
      beyond_ = std::move(*beyond);
    }
    beyond_.resize(static_cast<size_t>(graph_.num_value_ids()));
    std::vector<ir::Node*> nodes;
    for (ir::Node& node : graph_.nodes()) nodes.push_back(&node);
    decide(nodes, selected);
    if (num_converted_ == 0) {
      context_.notes.push_back("no operator computes on numbers that could become " + std::string(long_name(to_)));
      context_.layers.clear();
      return Change::none;
    }
    set_types(nodes);
    for (ir::Node* node : nodes) set_operands(*node);
    for (ir::Node* node : nodes) sweep(*node);
    EDGESMITH_TRY(ops::infer_types(graph_));
    add_notes();
    return Change::changed;
  }

 private:
  bool is_source(DType dtype) const {
    if (dtype == to_) return false;
    return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16;
  }
  bool is_converted(const ir::Node& node) const {
    return static_cast<size_t>(node.id()) < converted_.size() && converted_[static_cast<size_t>(node.id())];
  }

  void decide(const std::vector<ir::Node*>& nodes, const std::vector<bool>& selected) {
    converted_.assign(static_cast<size_t>(graph_.num_node_ids()), false);
    for (const ir::Node* node : nodes) {
      const size_t id = static_cast<size_t>(node->id());
      if (node->is(OpKind::input)) {
        converted_[id] = !keep_io_ && is_source(node->output().type().dtype) && !touches_codes(*node);
      }
      if (ir::is_structural(*node)) continue;
      const std::string obstacle = obstacle_of(*node, selected[id]);
      if (obstacle == kNothing) continue;
      if (obstacle.empty()) {
        converted_[id] = true;
        ++num_converted_;
      } else {
        LayerRecord record = layer_record(*node, "as it was");
        record.reason = obstacle;
        context_.layers.push_back(std::move(record));
        ++num_left_;
      }
    }
  }

  /// Why the node stays; "" when it is converted, kNothing when there is nothing to convert.
  std::string obstacle_of(const ir::Node& node, bool selected) const {
    if (node.is(OpKind::cast)) {  // those to float32 read integers, which may be large
      const DType made = node.output().type().dtype;
      return is_source(made) && made != DType::f32 && !touches_codes(node) ? "" : kNothing;
    }
    if (reads_any_type(node.op())) return kNothing;
    bool reads = false, makes = false, unknown = false;
    for (int i = 0; i < node.num_inputs(); ++i) {
      if (node.input(i) == nullptr) continue;
      const DType dtype = node.input(i)->type().dtype;
      unknown = unknown || dtype == DType::undefined;
      reads = reads || (is_source(dtype) && !has_own_type(node, i));
    }
    for (int i = 0; i < node.num_outputs(); ++i) makes = makes || is_source(node.output(i).type().dtype);
    if (!reads && !makes) return kNothing;
    if (node.is(OpKind::opaque)) return "its operator is not known here";
    if (unknown) return "the type of an operand is not known";
    if (!selected) return "it was not selected";
    if (touches_codes(node)) return "it works on codes";
    if (has_own_type(node.op())) return "its type is part of the operator";
    if (!onnx::may_have_type(graph_, node.op(), to_)) return why_not_in(node.op());
    if (node.is(OpKind::layer_normalization) && node.num_outputs() > 1) return "its further results are float32";
    for (int i = 0; i < node.num_outputs(); ++i) {
      const std::string& reason = beyond_[static_cast<size_t>(node.output(i).id())];
      if (!reason.empty()) return reason;
    }
    for (int i = 0; i < node.num_inputs(); ++i) {
      if (node.input(i) == nullptr) continue;
      const std::string& reason = beyond_[static_cast<size_t>(node.input(i)->id())];
      if (!reason.empty()) return "an operand " + reason;
    }
    return "";
  }

  std::string why_not_in(OpKind op) const {
    const int64_t opset = onnx::first_opset_of(op, to_);
    return "ONNX does not define " + std::string(ir::onnx_name(op)) + " for " + std::string(long_name(to_)) +
           (opset == onnx::kNoOpset ? "" : " before opset " + std::to_string(opset));
  }

  void set_types(const std::vector<ir::Node*>& nodes) {
    for (ir::Node* node : nodes) {
      if (!is_converted(*node)) continue;
      if (node->is(OpKind::cast)) node->attributes().set("to", static_cast<int64_t>(to_));
      for (int i = 0; i < node->num_outputs(); ++i) {
        ir::Type type = node->output(i).type();
        if (!is_source(type.dtype)) continue;
        type.dtype = to_;
        node->output(i).set_type(std::move(type));
      }
    }
    if (keep_io_) return;
    for (int i = 0; i < graph_.num_outputs(); ++i) {
      const auto index = static_cast<size_t>(i);
      if (index < graph_.declared_outputs.size() && is_source(graph_.declared_outputs[index].dtype)) {
        graph_.declared_outputs[index].dtype = to_;
      }
    }
  }

  void set_operands(ir::Node& node) {
    if (ir::is_structural(node) && !node.is(OpKind::output)) return;
    for (int i = 0; i < node.num_inputs(); ++i) {
      ir::Value* value = node.input(i);
      if (value == nullptr || reads_any_type(node.op())) continue;
      const DType now = value->type().dtype, wanted = wanted_of(node, i, *value);
      if (now != wanted) graph_.set_input(node, i, &as(*value, wanted));
    }
  }

  DType wanted_of(const ir::Node& node, int operand, const ir::Value& value) const {
    const DType now = value.type().dtype;
    if (node.is(OpKind::output)) return keep_io_ ? before(value) : is_source(now) ? to_ : now;
    if (!is_converted(node) || has_own_type(node, operand)) return before(value);
    return is_source(now) ? to_ : now;
  }

  /// The type that the value had.
  DType before(const ir::Value& value) const {
    const auto known = types_before_.find(value.id());
    return known != types_before_.end() ? known->second : value.type().dtype;
  }

  ir::Value& as(ir::Value& value, DType dtype) {
    ir::Value*& made = as_[{value.id(), dtype}];
    if (made != nullptr) return *made;
    if (value.constant() != nullptr) {
      const ir::Tensor tensor = converted(*value.constant(), dtype);
      if (dtype == DType::f16) count_lost(*value.constant(), tensor);
      made = &graph_.add_constant(tensor, value.name(), &value.node());
      return *made;
    }
    ir::Node* position = value.node().next();
    while (position->is(OpKind::input) || position->is(OpKind::constant)) position = position->next();
    ir::Node& cast = graph_.insert_before(*position, OpKind::cast, {&value});
    cast.attributes().set("to", static_cast<int64_t>(dtype));
    ir::Type type = value.type();
    type.dtype = dtype;
    cast.output().set_type(std::move(type));
    ++num_casts_;
    made = &cast.output();
    return *made;
  }

  void count_lost(const ir::Tensor& reals, const ir::Tensor& halves) {
    const std::vector<float> before = reals.to_floats(), after = halves.to_floats();
    for (size_t i = 0; i < before.size(); ++i) num_lost_ += before[i] != 0 && after[i] == 0 ? 1 : 0;
  }

  /// A constant that nobody reads any more, or a Cast to the type that is there already.
  void sweep(ir::Node& node) {
    if (node.is(OpKind::constant) && node.output().unused()) return graph_.erase(node);
    if (!node.is(OpKind::cast) || node.input(0)->type().dtype != node.output().type().dtype) return;
    const ir::Value& operand = *node.input(0);
    const bool is_end = operand.is_graph_input() || operand.constant() != nullptr;
    if (node.output().quant() || (node.output().is_graph_output() && is_end)) return;
    bypass_node(graph_, node, *node.input(0));
  }

  void add_notes() {
    context_.notes.push_back(std::to_string(num_converted_) + " operators compute in " + std::string(long_name(to_)) +
                             ", " + std::to_string(num_left_) + " as they did; " + std::to_string(num_casts_) +
                             " casts between them and at the model's ends");
    size_t named = 0;
    for (const LayerRecord& record : context_.layers) {
      if (record.reason.find(" ends at ") == std::string::npos || ++named > 4) continue;
      context_.notes.push_back(record.node + " stays as it was: " + record.reason);
    }
    if (named > 4)
      context_.notes.push_back(std::to_string(named - 4) + " more would overflow " + std::string(long_name(to_)));
    if (num_lost_ > 0) {
      context_.notes.push_back(std::to_string(num_lost_) + " constants are too small for float16 and become zero");
    }
    const bool looked = context_.calib != nullptr && context_.calib->size() > 0;
    if (to_ == DType::f16 && !looked) {
      context_.notes.push_back("only constants were checked for their range: --calib looks at activations, too");
    }
  }

  static constexpr const char* kNothing = "nothing";

  ir::Graph& graph_;
  DType to_;
  bool keep_io_;
  PassContext& context_;
  std::vector<std::string> beyond_;    // by value id
  std::vector<bool> converted_;        // by node id
  std::map<int, DType> types_before_;  // by value id
  std::map<std::pair<int, DType>, ir::Value*> as_;
  int num_converted_ = 0, num_left_ = 0, num_casts_ = 0;
  int64_t num_lost_ = 0;
};

Result<Change> run_convert(ir::Graph& graph, const Options& options, PassContext& context) {
  auto selected = select_nodes(graph, read_selectors(options));
  if (!selected) return selected.error();
  return Converter(graph, type_of_word(options.word("to")), options.flag("keep_io"), context).run(*selected);
}

}  // namespace

extern const PassInfo convert_pass = {"convert",
                                      "compute in float16, bfloat16 or float32; what would overflow stays float32",
                                      convert_options,
                                      run_convert,
                                      true,
                                      false,
                                      {},
                                      false,
                                      true};

}  // namespace edgesmith::passes
