// SPDX-License-Identifier: Apache-2.0
#include "onnx/export_graph.h"

#include <algorithm>
#include <map>

#include "edgesmith/ir/subgraphs.h"
#include "onnx/export_body.h"
#include "onnx/export_opset.h"
#include "onnx/foreign.h"
#include "onnx/subgraph.h"

namespace edgesmith::onnx {
namespace {

class Lowering {
 public:
  Lowering(const ir::Graph& graph, ExportNames& names, int64_t opset, bool constants_as_nodes)
      : graph_(graph), names_(names), opset_(opset), constants_as_nodes_(constants_as_nodes) {}

  LoweredGraph run() {
    for (const ir::Node& node : graph_.nodes()) lower(node);
    drop_unread();
    return std::move(out_);
  }

 private:
  friend class NodeLowering;

  void lower(const ir::Node& node) {
    if (node.is(ir::OpKind::output)) return add_results();
    if (node.is(ir::OpKind::constant)) return add_constant(node);
    if (node.is(ir::OpKind::opaque)) {
      add_opaque(node);
    } else if (!node.is(ir::OpKind::input) && !is_bare_annotation(node)) {
      add_known(node);
    }
    for (int i = 0; i < node.num_outputs(); ++i) {
      if (ExportNames::has_two(node.output(i))) add_quantization(node.output(i));
    }
  }

  // --- nodes ---

  /// An identity that is there only to carry an annotation: Q and DQ do without it.
  static bool is_bare_annotation(const ir::Node& node) {
    return node.is(ir::OpKind::identity) && node.output().quant().has_value();
  }

  std::string output_name(const ir::Value& value) {
    const bool nobody = value.unused() && !ExportNames::has_two(value);  // a quantization reads what it is put on
    return nobody && value.name().empty() ? std::string() : names_.written(value);
  }

  void add_known(const ir::Node& node);

  /// If, Loop or Scan with branches or a body that a pass changed.
  void add_rewritten(const ir::Node& node, const wire::Message& message) {
    LoweredNode lowered;
    const ir::Subgraphs& subgraphs = *node.subgraphs;
    for (int i = 0; i < node.num_inputs(); ++i) {
      auto& names = i < subgraphs.num_inputs ? lowered.inputs : lowered.captured;
      names.push_back(node.input(i) != nullptr ? names_.read(*node.input(i)) : std::string());
    }
    for (int i = 0; i < node.num_outputs(); ++i) lowered.outputs.push_back(output_name(node.output(i)));
    while (lowered.outputs.size() > 1 && lowered.outputs.back().empty()) lowered.outputs.pop_back();
    std::map<std::string, std::string> graphs;
    for (size_t g = 0; g < subgraphs.graphs.size(); ++g) {
      const bool branches = subgraphs.kind == ir::Subgraphs::Kind::branches;
      graphs[!branches ? "body"
             : g == 0  ? "then_branch"
                       : "else_branch"] =
          encode_body(subgraphs.graphs[g], lowered.captured, names_, opset_, constants_as_nodes_);
    }
    lowered.encoded = with_graphs(message, lowered.inputs, lowered.outputs, graphs);
    out_.nodes.push_back(std::move(lowered));
  }

  void add_opaque(const ir::Node& node) {
    const auto* foreign = foreign_as<OpaqueForeign>(node.foreign);
    if (foreign != nullptr && node.subgraphs != nullptr && node.subgraphs->rewritten) {
      return add_rewritten(node, foreign->message);
    }
    LoweredNode lowered;
    std::map<std::string, std::string> renamed;
    const int num_inputs = foreign != nullptr ? foreign->num_inputs : node.num_inputs();
    for (int i = 0; i < node.num_inputs(); ++i) {
      const std::string name = node.input(i) != nullptr ? names_.read(*node.input(i)) : std::string();
      if (i < num_inputs) {
        lowered.inputs.push_back(name);
        continue;
      }
      lowered.captured.push_back(name);
      const std::string& before = foreign->captured[static_cast<size_t>(i - num_inputs)];
      if (before != name) renamed[before] = name;
    }
    for (int i = 0; i < node.num_outputs(); ++i) lowered.outputs.push_back(output_name(node.output(i)));
    while (lowered.outputs.size() > 1 && lowered.outputs.back().empty()) lowered.outputs.pop_back();
    if (foreign == nullptr) {
      // Made by a pass, or by hand (text form).
      lowered.name = node.name();
      lowered.attributes = node.attributes();
      const size_t colons = node.opaque_op.rfind("::");
      lowered.op = colons == node.opaque_op.npos ? node.opaque_op : node.opaque_op.substr(colons + 2);
      if (colons != node.opaque_op.npos) lowered.extra = encoded_domain(node.opaque_op.substr(0, colons));
    } else if (renamed.empty() && same_names(*foreign, lowered)) {
      lowered.encoded = wire::as_text(foreign->message.bytes);
    } else {
      lowered.encoded = rename_node(foreign->message, lowered.inputs, lowered.outputs, renamed);
    }
    out_.nodes.push_back(std::move(lowered));
  }

  static std::string encoded_domain(const std::string& domain) {
    wire::Writer field;
    field.text(node_field::domain, domain);
    return field.str();
  }

  static bool same_names(const OpaqueForeign& foreign, const LoweredNode& lowered) {
    const auto view = parse_node(foreign.message);
    return view.ok() &&
           std::equal(view->inputs.begin(), view->inputs.end(), lowered.inputs.begin(), lowered.inputs.end()) &&
           std::equal(view->outputs.begin(), view->outputs.end(), lowered.outputs.begin(), lowered.outputs.end());
  }

  void add_results() {
    std::set<std::string> done;
    for (int i = 0; i < graph_.num_outputs(); ++i) {
      if (!names_.needs_identity(i) || !done.insert(names_.result(i)).second) continue;
      LoweredNode identity;
      identity.op = "Identity";
      identity.inputs = {names_.read(*graph_.output_node().input(i))};
      identity.outputs = {names_.result(i)};
      out_.nodes.push_back(std::move(identity));
    }
  }

  // --- constants ---

  void add_constant(const ir::Node& node) {
    const ir::Value& value = node.output();
    const auto* foreign = foreign_as<ConstantForeign>(node.foreign);
    const bool from_source = foreign != nullptr && foreign->origin != ConstantForeign::Origin::constant_node;
    if (value.unused() && !from_source) return;
    const ir::Tensor& tensor = node.tensor();
    if (tensor.encoding() == ir::Encoding::affine) {
      if (!value.unused()) add_affine(value, tensor);
      return;
    }
    if (tensor.encoding() == ir::Encoding::palette && !value.unused()) {
      add_palette(tensor, names_.written(value));
      return;
    }
    Initializer initializer;
    initializer.name = names_.written(value);
    initializer.sparse = tensor.encoding() == ir::Encoding::sparse && foreign != nullptr &&
                         foreign->origin == ConstantForeign::Origin::sparse_initializer;
    initializer.tensor = initializer.sparse ? tensor : tensor.dense();
    if (foreign != nullptr) initializer.extra = foreign->extra;
    initializer.keep = from_source && value.unused();
    initializer.as_node = constants_as_nodes_ && !from_source;
    out_.initializers.push_back(std::move(initializer));
  }

  /// ONNX Runtime (1.32) makes a QGemm only of weights that name their zero point, also when it is 0.
  static bool is_gemm_weight(const ir::Value& value) {
    return std::any_of(value.uses().begin(), value.uses().end(),
                       [](const ir::Use& use) { return use.node->is(ir::OpKind::gemm) && use.index == 1; });
  }

  /// Integer codes behind DequantizeLinear.
  void add_affine(const ir::Value& value, const ir::Tensor& tensor) {
    const ir::Quant& quant = tensor.quant();
    LoweredNode dequantize;
    dequantize.op = "DequantizeLinear";
    const std::string codes = names_.written(value);
    if (const ir::Tensor* palette = tensor.as_palette(); palette != nullptr) {
      add_palette(*palette, codes);
    } else {
      out_.initializers.push_back({codes, tensor.codes(), {}, false, false, constants_as_nodes_});
    }
    dequantize.inputs = {codes, scale_of(quant, tensor.dims())};
    const bool zero = std::all_of(quant.zero_point.begin(), quant.zero_point.end(), [](int32_t z) { return z == 0; });
    if (!zero || is_gemm_weight(value)) dequantize.inputs.push_back(zero_point_of(quant, tensor.dims()));
    dequantize.outputs = {names_.read(value)};
    set_axis(dequantize, quant);
    out_.nodes.push_back(std::move(dequantize));
  }

  void add_node(const char* op, std::vector<std::string> inputs, const std::string& output, const char* attribute = "",
                int64_t number = 0) {
    LoweredNode node;
    node.op = op;
    node.inputs = std::move(inputs);
    node.outputs = {output};
    if (*attribute != 0) node.attributes.set(attribute, number);
    out_.nodes.push_back(std::move(node));
  }

  /// The indices as the opset can say them.
  ir::Tensor indices_of(const ir::Tensor& palette) const {
    if (palette.codes().dtype() != ir::DType::u4 || opset_ >= kOpsetOfPackedIndices) return palette.codes();
    ir::Tensor wide = ir::Tensor::zeros(ir::DType::u8, palette.dims());
    const auto bytes = wide.mutable_bytes();
    const std::vector<int64_t> indices = palette.codes().to_int64s();
    for (size_t i = 0; i < indices.size(); ++i) bytes[i] = static_cast<std::byte>(indices[i]);
    return wide;
  }

  /// Gather(codebooks, Cast(indices) + offsets): import_palette.cc reads it. ONNX Runtime folds it when it loads.
  void add_palette(const ir::Tensor& palette, const std::string& output) {
    const ir::Tensor& codebooks = palette.codebooks();
    const std::string indices = names_.fresh();
    out_.initializers.push_back({indices, indices_of(palette), {}, false, false, constants_as_nodes_});
    std::string places = names_.fresh();
    add_node("Cast", {indices}, places, "to", static_cast<int64_t>(ir::DType::i32));
    if (codebooks.dims()[0] > 1) {
      ir::Dims dims(palette.dims().size(), 1);
      const auto axis = static_cast<size_t>(palette.palette_axis());
      dims[axis] = palette.dims()[axis];
      std::vector<int32_t> offsets;
      for (int64_t c = 0; c < dims[axis]; ++c) {
        offsets.push_back(static_cast<int32_t>(c / palette.palette_group() * codebooks.dims()[1]));
      }
      const std::string shifted = names_.fresh();
      add_node("Add", {places, shared_constant(ir::Tensor::of<int32_t>(dims, offsets))}, shifted);
      places = shifted;
    }
    add_node("Gather", {shared_constant(codebooks.reshaped({codebooks.size()})), places}, output, "axis", 0);
  }

  // --- annotations ---

  /// QuantizeLinear and one DequantizeLinear that every reader reads. Both name the zero point, also when it is 0:
  /// ONNX Runtime fuses only pairs that do.
  void add_quantization(const ir::Value& value) {
    const ir::Quant& quant = *value.quant();
    const ir::Dims dims = value.type().static_dims().value_or(ir::Dims{});
    const bool bare = is_bare_annotation(value.node());
    LoweredNode quantize, dequantize;
    const std::string codes = names_.fresh(), scale = scale_of(quant, dims), zero_point = zero_point_of(quant, dims);
    quantize.op = "QuantizeLinear";
    quantize.inputs = {bare ? names_.read(*value.node().input(0)) : names_.written(value), scale, zero_point};
    quantize.outputs = {codes};
    set_axis(quantize, quant);
    dequantize.op = "DequantizeLinear";
    dequantize.inputs = {codes, scale, zero_point};
    dequantize.outputs = {names_.read(value)};
    set_axis(dequantize, quant);
    out_.nodes.push_back(std::move(quantize));
    out_.nodes.push_back(std::move(dequantize));
  }

  static void set_axis(LoweredNode& node, const ir::Quant& quant) {
    constexpr int kDefaultAxis = 1;
    if (!quant.per_tensor() && quant.axis != kDefaultAxis) node.attributes.set("axis", int64_t{quant.axis});
    if (quant.block_size > 0) node.attributes.set("block_size", quant.block_size);
  }

  /// The dims of scales and zero points.
  static ir::Dims scale_dims(const ir::Quant& quant, const ir::Dims& dims) {
    if (quant.per_tensor()) return {};
    if (quant.block_size == 0) return {static_cast<int64_t>(quant.scale.size())};
    ir::Dims blocked = dims;
    int64_t& dim = blocked[static_cast<size_t>(quant.axis)];
    dim = (dim + quant.block_size - 1) / quant.block_size;
    return blocked;
  }

  std::string scale_of(const ir::Quant& quant, const ir::Dims& dims) {
    return shared_constant(ir::Tensor::of<float>(scale_dims(quant, dims), quant.scale));
  }

  std::string zero_point_of(const ir::Quant& quant, const ir::Dims& dims) {
    ir::Tensor tensor = ir::Tensor::zeros(quant.dtype, scale_dims(quant, dims));
    const auto bytes = tensor.mutable_bytes();
    const auto bits = static_cast<size_t>(ir::dtype_bits(quant.dtype));
    for (size_t i = 0; i < quant.zero_point.size(); ++i) {
      // Least significant bits first, also for codes that share a byte.
      const auto code = static_cast<uint32_t>(quant.zero_point[i]);
      for (size_t b = 0; b < bits; ++b) {
        const size_t at = i * bits + b;
        bytes[at / 8] |= static_cast<std::byte>((code >> b & 1) << (at % 8));
      }
    }
    return shared_constant(tensor);
  }

  /// The name of an initializer with this tensor; equal ones are one.
  std::string shared_constant(const ir::Tensor& tensor) {
    std::string key = tensor.type().text() + ":" + std::string(wire::as_text(tensor.bytes()));
    const auto [at, fresh] = shared_.emplace(std::move(key), std::string());
    if (fresh) {
      at->second = names_.fresh();
      out_.initializers.push_back({at->second, tensor, {}, false, false, constants_as_nodes_});
    }
    return at->second;
  }

  // --- what nothing reads ---

  void drop_unread() {
    std::set<std::string> read(names_set());
    std::erase_if(out_.initializers, [&](const Initializer& i) { return !i.keep && read.count(i.name) == 0; });
  }

  std::set<std::string> names_set() {
    std::set<std::string> read;
    for (const LoweredNode& node : out_.nodes) {
      read.insert(node.inputs.begin(), node.inputs.end());
      read.insert(node.captured.begin(), node.captured.end());
    }
    for (int i = 0; i < graph_.num_outputs(); ++i) read.insert(names_.result(i));
    return read;
  }

  const ir::Graph& graph_;
  ExportNames& names_;
  const int64_t opset_;
  const bool constants_as_nodes_;
  LoweredGraph out_;
  std::map<std::string, std::string> shared_;
};

class NodeLowering final : public LowerContext {
 public:
  explicit NodeLowering(Lowering& lowering) : lowering_(lowering) {}

  int64_t opset() const override { return lowering_.opset_; }
  std::string constant(const ir::Tensor& tensor) override { return lowering_.shared_constant(tensor); }
  std::string fresh_name() override { return lowering_.names_.fresh(); }
  void before(LoweredNode node) override { lowering_.out_.nodes.push_back(std::move(node)); }
  void after(LoweredNode node) override { after_.push_back(std::move(node)); }

  void finish(LoweredNode node) {
    lowering_.out_.nodes.push_back(std::move(node));
    for (LoweredNode& later : after_) lowering_.out_.nodes.push_back(std::move(later));
  }

 private:
  Lowering& lowering_;
  std::vector<LoweredNode> after_;
};

/// Before opset 11, axes were counted from the front only.
void count_axes_from_front(const ir::Node& node, LoweredNode& out) {
  const int rank = node.input(0) != nullptr ? node.input(0)->type().rank() : -1;
  if (rank < 0) return;
  const int64_t axis = out.attributes.get_int("axis", 0);
  if (axis < 0) out.attributes.set("axis", axis + rank);
  if (!out.attributes.has("axes")) return;
  ir::Ints axes = out.attributes.get_ints("axes");
  const int64_t range = node.is(ir::OpKind::unsqueeze) ? rank + static_cast<int64_t>(axes.size()) : rank;
  for (int64_t& a : axes) a += a < 0 ? range : 0;
  out.attributes.set("axes", axes);
}

void Lowering::add_known(const ir::Node& node) {
  LoweredNode out;
  out.op = ir::onnx_name(node.op());
  out.name = node.name();
  out.doc = node.doc;
  out.attributes = node.attributes();
  if (const auto* foreign = foreign_as<NodeForeign>(node.foreign)) out.extra = foreign->extra;
  for (int i = 0; i < node.num_inputs(); ++i) {
    out.inputs.push_back(node.input(i) != nullptr ? names_.read(*node.input(i)) : std::string());
  }
  while (!out.inputs.empty() && out.inputs.back().empty()) out.inputs.pop_back();
  for (int i = 0; i < node.num_outputs(); ++i) out.outputs.push_back(output_name(node.output(i)));
  while (out.outputs.size() > 1 && out.outputs.back().empty()) out.outputs.pop_back();
  NodeLowering context(*this);
  if (const FormRow* row = find_form(out.op); row != nullptr && row->lower != nullptr) row->lower(node, out, context);
  if (opset_ < 11) count_axes_from_front(node, out);
  context.finish(std::move(out));
}

}  // namespace

LoweredGraph lower_graph(const ir::Graph& graph, ExportNames& names, int64_t opset, bool constants_as_nodes) {
  return Lowering(graph, names, opset, constants_as_nodes).run();
}

}  // namespace edgesmith::onnx
