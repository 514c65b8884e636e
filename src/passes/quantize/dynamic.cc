// SPDX-License-Identifier: Apache-2.0
// Codes whose scale is found while the model runs:
//
//   x ─▶ mat_mul(W) ─▶ y   =>   x ─▶ dynamic_quantize_linear ─▶ codes, scale, zero point
//                               codes ─▶ mat_mul_integer(W codes) ─▶ cast ─▶ mul(scale * scales of W) ─▶ y
//
// Gemm is the same with its bias added. LSTM, GRU and RNN have no such form in standard ONNX: their weights are stored
// as codes, and arithmetic is float. Convolutions are left alone: static quantization is for them.
#include "passes/quantize/dynamic.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "edgesmith/ops/op_info.h"
#include "passes/quantize/assignment.h"
#include "passes/quantize/findings.h"
#include "passes/quantize/node_form.h"
#include "passes/quantize/tables.h"

namespace edgesmith::passes::quantize {
namespace {

using ir::OpKind;

bool is_recurrent(const ir::Node& node) {
  return node.is(OpKind::lstm) || node.is(OpKind::gru) || node.is(OpKind::rnn);
}

/// Why a MatMul or Gemm stays float; "" when it does not.
std::string dynamic_obstacle(const ir::Node& node) {
  const ir::Value* weight = weight_of(node);
  if (weight == nullptr || node.input(0)->constant() != nullptr) return "it has no constant second operand";
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

class DynamicQuantizer {
 public:
  DynamicQuantizer(ir::Graph& graph, const WeightSettings& settings, PassContext& context)
      : graph_(graph), settings_(settings), context_(context) {}

  Result<Change> run(const std::vector<bool>& selected) {
    std::vector<ir::Node*> nodes;
    for (ir::Node& node : graph_.nodes()) nodes.push_back(&node);
    for (ir::Node* node : nodes) {
      const bool product = node->is(OpKind::mat_mul) || node->is(OpKind::gemm);
      if (!product && !is_recurrent(*node)) continue;
      if (!selected[static_cast<size_t>(node->id())]) {
        add_record(*node, "it was not selected");
        continue;
      }
      if (is_recurrent(*node)) {
        code_recurrent(*node);
        continue;
      }
      const std::string obstacle = dynamic_obstacle(*node);
      if (!obstacle.empty()) {
        add_record(*node, obstacle);
        continue;
      }
      EDGESMITH_TRY(rewrite(*node));
    }
    context_.notes.push_back(std::to_string(products_) + " operators compute on codes of the run" +
                             (recurrent_ == 0 ? ""
                                              : "; weights of " + std::to_string(recurrent_) +
                                                    " recurrent ones are codes, their arithmetic is float: "
                                                    "standard ONNX has no other form"));
    const int tables = quantize_tables(graph_, selected, context_);
    if (products_ + recurrent_ + tables == 0) return Change::none;
    EDGESMITH_TRY(ops::infer_types(graph_));
    return Change::changed;
  }

 private:
  void add_record(const ir::Node& node, std::string reason) {
    LayerRecord record;
    record.node = node.name().empty() ? node.label() : node.name();
    record.op = std::string(ir::onnx_name(node.op()));
    record.value = node.output().name();
    record.status = "float";
    record.reason = std::move(reason);
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
    ++products_;
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

  /// W and R [directions, gates * hidden, inputs] with a scale a row, equal in both directions: DequantizeLinear takes
  /// scales along one axis.
  void code_recurrent(ir::Node& node) {
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
    if (coded == 0) return add_record(node, "its weights are no float32 constants");
    ++recurrent_;
    add_record(node, "standard ONNX has no quantized form of it");
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
  std::map<int, ir::Node*> codes_;  // by value id
  int products_ = 0, recurrent_ = 0;
};

}  // namespace

Result<Change> quantize_dynamic(ir::Graph& graph, WeightSettings settings, const std::vector<bool>& selected,
                                PassContext& context) {
  settings.compensate = settings.correct_bias = false;  // no samples to look at
  return DynamicQuantizer(graph, settings, context).run(selected);
}

}  // namespace edgesmith::passes::quantize
