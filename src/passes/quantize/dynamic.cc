// SPDX-License-Identifier: Apache-2.0
// Codes whose scale is found while the model runs:
//
//   x ─▶ mat_mul(W) ─▶ y   =>   x ─▶ dynamic_quantize_linear ─▶ codes, scale, zero point
//                               codes ─▶ mat_mul_integer(W codes) ─▶ cast ─▶ mul(scale * scales of W) ─▶ y
//
// Gemm is the same with its bias added. LSTM becomes com.microsoft's DynamicQuantizeLSTM where the target has it
// (dynamic_lstm.h). Other recurrent operators have no such form: their weights are stored as codes, and arithmetic is
// float. Convolutions are left alone: static quantization is for them.
#include "passes/quantize/dynamic.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/inner_cost.h"
#include "passes/convert/half_weights.h"
#include "passes/layer_record.h"
#include "passes/quantize/assignment.h"
#include "passes/quantize/dynamic_lstm.h"
#include "passes/quantize/findings.h"
#include "passes/quantize/fold_weights.h"
#include "passes/quantize/node_form.h"
#include "passes/quantize/tables.h"
#include "passes/simplify/bodies.h"

namespace edgesmith::passes::quantize {
namespace {

using ir::OpKind;

bool is_recurrent(const ir::Node& node) {
  return node.is(OpKind::lstm) || node.is(OpKind::gru) || node.is(OpKind::rnn);
}

/// Why a MatMul or Gemm stays float; "" when it does not.
std::string dynamic_obstacle(const ir::Node& node) {
  const ir::Value* weight = weight_of(node);
  if (weight == nullptr || node.input(0)->constant() != nullptr)
    return "its second operand is no constant (simplify the model first where it is computed from constants)";
  const ir::Tensor& tensor = *weight->constant();
  if (tensor.encoding() == ir::Encoding::affine) return "its weights are codes already";
  if (tensor.dtype() != ir::DType::f32 || node.input(0)->type().dtype != ir::DType::f32) return "it is not float32";
  if (tensor.rank() != 2) return "its weights are no matrix";
  if (node.input(0)->quant() || node.output().quant()) return "it works on codes already";
  if (!node.is(OpKind::gemm)) return "";
  if (node.attributes().get_int("transA", 0) != 0) return "its first operand is transposed";
  if (node.attributes().get_float("beta", 1) != 1 && node.input(2) != nullptr) return "beta is not 1";
  return "";
}

/// What became of the operators, those inside of others included.
struct DynamicCounts {
  int products = 0, lstms = 0, weights_only = 0, before = 0;
  std::string why;       ///< the first of weights_only computes on floats
  std::string obstacle;  ///< of the first that stayed float, with its name
};

class DynamicQuantizer {
 public:
  /// `inside`: the graph is a branch or body of a node.
  DynamicQuantizer(ir::Graph& graph, const WeightSettings& settings, PassContext& context, DynamicCounts& counts,
                   bool inside)
      : graph_(graph), settings_(settings), context_(context), counts_(counts), inside_(inside) {}

  Result<Change> run(const Selectors& selectors) {
    std::vector<ir::Node*> nodes;
    for (ir::Node& node : graph_.nodes()) nodes.push_back(&node);
    for (ir::Node* node : nodes) {
      counts_.before += is_dynamic(*node) ? 1 : 0;
      const bool product = node->is(OpKind::mat_mul) || node->is(OpKind::gemm);
      if (!product && !is_recurrent(*node)) continue;
      if (!selectors.selects(*node)) {
        add_record(*node, "it was not selected");
        continue;
      }
      if (is_recurrent(*node)) {
        EDGESMITH_TRY(code_recurrent(*node));
        continue;
      }
      const std::string obstacle = dynamic_obstacle(*node);
      if (!obstacle.empty()) {
        add_record(*node, obstacle);
        continue;
      }
      EDGESMITH_TRY(rewrite(*node));
    }
    return changed_ ? Change::changed : Change::none;
  }

 private:
  void add_record(const ir::Node& node, std::string reason) {
    LayerRecord record = layer_record(node, "float");
    record.reason = std::move(reason);
    if (counts_.obstacle.empty()) counts_.obstacle = record.op + " '" + record.node + "': " + record.reason;
    context_.layers.push_back(std::move(record));
  }

  /// Codes of `value`, made once for all its readers.
  ir::Node& codes_of(ir::Value& value) {
    ir::Node*& node = codes_[value.id()];
    if (node != nullptr) return *node;
    ir::Node* position = value.node().next();
    while (position->is(OpKind::input) || position->is(OpKind::constant)) position = position->next();
    node = &graph_.insert_before(*position, OpKind::dynamic_quantize_linear, {&value}, 3);
    return *node;
  }

  Status rewrite(ir::Node& node) {
    auto codes = quantize_weight(node, settings_, nullptr, {});
    if (!codes) return codes.error();
    report_weight(node, codes->weight, 8, codes->sqnr_db, false, context_);
    context_.layers.back().status = "int8, dynamic";
    const bool gemm = node.is(OpKind::gemm), turned = gemm && node.attributes().get_int("transB", 0) != 0;
    const double alpha = gemm ? static_cast<double>(node.attributes().get_float("alpha", 1)) : 1;
    std::vector<float> scales = codes->weight.quant().scale;
    for (float& scale : scales) scale = static_cast<float>(scale * alpha);
    const auto width = static_cast<int64_t>(scales.size());
    const ir::Tensor scale = width == 1 ? ir::Tensor::scalar(scales[0]) : ir::Tensor::of<float>({width}, scales);

    ir::Node& from = codes_of(*node.input(0));
    const std::string name = weight_of(node)->name();
    ir::Value& matrix = graph_.add_constant(turned ? transposed(codes->weight.codes()) : codes->weight.codes(),
                                            name.empty() ? "" : name + "_codes", &node);
    ir::Node& product =
        graph_.insert_before(node, OpKind::mat_mul_integer, {&from.output(0), &matrix, &from.output(2)});
    ir::Node& reals = graph_.insert_before(node, OpKind::cast, {&product.output()});
    reals.attributes().set("to", static_cast<int64_t>(ir::DType::f32));
    ir::Value& weight_scale = graph_.add_constant(scale, "", &node);
    ir::Node& factor = graph_.insert_before(node, OpKind::mul, {&from.output(1), &weight_scale});
    ir::Node* last = &graph_.insert_before(node, OpKind::mul, {&reals.output(), &factor.output()});
    if (gemm && node.input(2) != nullptr) {
      last = &graph_.insert_before(node, OpKind::add, {&last->output(), node.input(2)});
    }
    last->set_name(node.name());
    last->output().set_type(node.output().type());  // the next ones look at it
    const std::string result = node.output().name();
    graph_.replace_all_uses(node.output(), last->output());
    last->output().set_name(result);
    ir::Value* weight = weight_of(node);
    graph_.erase(node);
    if (weight->unused()) graph_.erase(weight->node());
    ++counts_.products;
    changed_ = true;
    return {};
  }

  static ir::Tensor transposed(const ir::Tensor& codes) {
    const int64_t rows = codes.dims()[0], columns = codes.dims()[1];
    const auto from = codes.data<int8_t>();
    std::vector<int8_t> to(from.size());
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c) {
        to[static_cast<size_t>(c * rows + r)] = from[static_cast<size_t>(r * columns + c)];
      }
    }
    return ir::Tensor::of<int8_t>({columns, rows}, to);
  }

  Status code_recurrent(ir::Node& node) {
    std::string why = "no runtime has a " + std::string(ir::onnx_name(node.op())) + " that computes on codes";
    if (node.is(OpKind::lstm)) {
      why = dynamic_lstm_obstacle(node, *context_.target);
      if (why.empty()) {
        EDGESMITH_TRY(make_dynamic_lstm(graph_, node, settings_, context_));
        ++counts_.lstms;
        changed_ = true;
        return {};
      }
    }
    code_weights(node, std::move(why));
    return {};
  }

  /// W and R [directions, gates * hidden, inputs] with a scale a row, equal in both directions: DequantizeLinear takes
  /// scales along one axis.
  void code_weights(ir::Node& node, std::string why) {
    if (inside_) return add_record(node, std::move(why));  // codes have no place in what simplify may look into
    int coded = 0;
    for (const int operand : {1, 2}) {
      const ir::Value* value = node.input(operand);
      const ir::Tensor* tensor = value != nullptr ? value->constant() : nullptr;
      if (tensor == nullptr || tensor->dtype() != ir::DType::f32 || tensor->encoding() != ir::Encoding::dense) continue;
      auto affine = coded_rows(*tensor);
      if (!affine) continue;
      set_constant(graph_, node, operand, std::move(*affine));
      ++coded;
    }
    if (coded == 0) return add_record(node, std::move(why));
    changed_ = true;
    if (counts_.weights_only++ == 0) counts_.why = why;
    add_record(node, std::move(why));
    context_.layers.back().status = "int8 weights";
  }

  std::optional<ir::Tensor> coded_rows(const ir::Tensor& tensor) const {
    const std::vector<float> reals = tensor.to_floats();
    const auto rows = static_cast<size_t>(tensor.dims()[1]), width = static_cast<size_t>(tensor.dims()[2]);
    std::vector<float> scales(rows, 0.0F);
    for (size_t i = 0; i < reals.size(); ++i) {
      if (!std::isfinite(reals[i])) return std::nullopt;
      scales[i / width % rows] = std::max(scales[i / width % rows], std::abs(reals[i]));
    }
    if (settings_.per_tensor) scales.assign(rows, *std::max_element(scales.begin(), scales.end()));
    for (float& scale : scales) {
      scale /= 127;
      if (!(scale >= std::numeric_limits<float>::min())) scale = 1;
    }
    std::vector<int8_t> codes(reals.size());
    for (size_t i = 0; i < reals.size(); ++i) {
      codes[i] = static_cast<int8_t>(ir::quantize_value(reals[i], scales[i / width % rows], 0, ir::DType::i8));
    }
    ir::Quant quant{.dtype = ir::DType::i8,
                    .scale = scales,
                    .zero_point = std::vector<int32_t>(rows, 0),
                    .axis = 1,
                    .method = "max"};
    return ir::Tensor::affine(ir::Tensor::of<int8_t>(tensor.dims(), codes), std::move(quant));
  }

  ir::Graph& graph_;
  const WeightSettings& settings_;
  PassContext& context_;
  DynamicCounts& counts_;
  const bool inside_;
  bool changed_ = false;
  std::map<int, ir::Node*> codes_;  // by value id
};

// DynamicQuantizeLinear came with opset 11; the exporter raises the opset for what stands outside only.
constexpr int64_t kOpsetInside = 11;

class DynamicBodies {
 public:
  DynamicBodies(const WeightSettings& settings, const Selectors& selectors, PassContext& context, DynamicCounts& counts)
      : settings_(settings), selectors_(selectors), context_(context), counts_(counts) {}

  Change run(ir::Graph& graph) {
    return simplify_bodies(graph, [this](ir::Graph& body) { return quantize(body); });
  }

 private:
  Result<Change> quantize(ir::Graph& body) {
    EDGESMITH_TRY(ops::infer_types(body));
    EDGESMITH_TRY(fold_weights(body));
    const Change deeper = run(body);
    auto change = DynamicQuantizer(body, settings_, context_, counts_, true).run(selectors_);
    if (!change) return change;
    return deeper == Change::changed ? deeper : *change;
  }

  const WeightSettings& settings_;
  const Selectors& selectors_;
  PassContext& context_;
  DynamicCounts& counts_;
};

std::string counted(int count, const std::string& one, const std::string& several) {
  return std::to_string(count) + " " + (count == 1 ? one : several);
}

void add_notes(const DynamicCounts& counts, const ir::Graph& graph, PassContext& context) {
  const int coded = counts.products + counts.lstms;
  if (coded + counts.weights_only == 0 && counts.before > 0) {
    context.notes.push_back(counted(counts.before, "operator computes", "operators compute") +
                            " on codes of the run already, and no other can");
    return;
  }
  if (coded + counts.weights_only == 0 && !counts.obstacle.empty()) {
    context.notes.push_back("no operator can compute on codes of the run; " + counts.obstacle +
                            half_weights_hint(graph));
    return;
  }
  if (coded + counts.weights_only == 0) {
    context.notes.push_back(
        "no operator computes on codes of the run: those that can are MatMul, Gemm and LSTM with constant weights; "
        "others take ranges from data, with --calib in place of --dynamic");
    return;
  }
  std::string note = counted(coded, "operator computes", "operators compute") + " on codes of the run";
  if (counts.lstms > 0) {
    note += ", " + counted(counts.lstms, "LSTM", "LSTMs") + " of them (com.microsoft's DynamicQuantizeLSTM)";
  }
  context.notes.push_back(note);
  if (counts.weights_only == 0) return;
  context.notes.push_back("weights of " + counted(counts.weights_only, "recurrent operator", "recurrent operators") +
                          " are codes, arithmetic there is float: " + counts.why);
}

}  // namespace

Result<Change> quantize_dynamic(ir::Graph& graph, WeightSettings settings, const Selectors& selectors,
                                PassContext& context) {
  settings.compensate = settings.correct_bias = false;  // no samples to look at
  EDGESMITH_TRY(check_selectors(graph, selectors));
  EDGESMITH_TRY(fold_weights(graph));
  std::vector<bool> selected(static_cast<size_t>(graph.num_node_ids()), true);
  for (const ir::Node& node : graph.nodes()) selected[static_cast<size_t>(node.id())] = selectors.selects(node);
  DynamicCounts counts;
  auto change = DynamicQuantizer(graph, settings, context, counts, false).run(selectors);
  if (!change) return change;
  if (context.opset == 0 || context.opset >= kOpsetInside) {
    if (DynamicBodies(settings, selectors, context, counts).run(graph) == Change::changed) change = Change::changed;
  }
  add_notes(counts, graph, context);
  selected.resize(static_cast<size_t>(graph.num_node_ids()), true);
  if (quantize_tables(graph, selected, context) > 0) change = Change::changed;
  if (*change == Change::none) return change;
  EDGESMITH_TRY(ops::infer_types(graph));
  return Change::changed;
}

}  // namespace edgesmith::passes::quantize
