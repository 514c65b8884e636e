// SPDX-License-Identifier: Apache-2.0
// An LSTM whose weights are codes, and whose x and h become codes at run time:
//
//   lstm x, W, R, bias, ...  =>  DynamicQuantizeLSTM x, codes of W', codes of R', bias, ..., scales and zero points
//
// W [directions, 4 * hidden, inputs] and R [directions, 4 * hidden, hidden] turn into the right operands of products,
// W' [directions, inputs, 4 * hidden]. Each column has a scale, or each direction one (per tensor). What sums on the
// target may hold bounds them as it does the weights of a MatMul: MLAS multiplies both alike.
#include "passes/quantize/dynamic_lstm.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "edgesmith/onnx/compound_node.h"
#include "passes/layer_record.h"

namespace edgesmith::passes::quantize {
namespace {

using ir::OpKind;

constexpr std::string_view kLstmDomain = "com.microsoft", kLstmOp = "com.microsoft::DynamicQuantizeLSTM";
// Operands of lstm; those behind R keep their places.
constexpr int kW = 1, kR = 2, kLast = 7;

/// Codes of W or R in the operator's order, a list of scales and one of zero points, one of each a direction.
struct TurnedCodes {
  ir::Tensor codes, scales, zero_points;
  std::vector<float> scale_values;
  double sqnr_db = 0;  ///< the least of the directions
};

/// Matrix `direction` of [directions, rows, width], transposed.
ir::Tensor transposed_matrix(const std::vector<float>& reals, const ir::Dims& dims, int64_t direction) {
  const int64_t rows = dims[1], width = dims[2];
  std::vector<float> turned(static_cast<size_t>(rows * width));
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t k = 0; k < width; ++k) {
      turned[static_cast<size_t>(k * rows + r)] = reals[static_cast<size_t>((direction * rows + r) * width + k)];
    }
  }
  return ir::Tensor::of<float>({width, rows}, turned);
}

/// As the weights of a MatMul that stood alone.
Result<WeightCodes> codes_of_matrix(ir::Tensor matrix, const WeightSettings& settings) {
  ir::Graph graph;
  ir::Value& x = graph.add_input("x", ir::type_of(ir::DType::f32, {1, matrix.dims()[0]}));
  ir::Value& weight = graph.add_constant(std::move(matrix));
  return quantize_weight(graph.append(OpKind::mat_mul, {&x, &weight}), settings, nullptr, {});
}

Result<TurnedCodes> turned_codes(const ir::Tensor& weight, const WeightSettings& settings) {
  const ir::Dims& dims = weight.dims();
  const std::vector<float> reals = weight.to_floats();
  std::vector<int8_t> codes;
  TurnedCodes turned;
  turned.sqnr_db = INFINITY;
  for (int64_t d = 0; d < dims[0]; ++d) {
    auto own = codes_of_matrix(transposed_matrix(reals, dims, d), settings);
    if (!own) return own.error();
    const auto data = own->weight.codes().data<int8_t>();
    codes.insert(codes.end(), data.begin(), data.end());
    const std::vector<float>& scales = own->weight.quant().scale;
    turned.scale_values.insert(turned.scale_values.end(), scales.begin(), scales.end());
    turned.sqnr_db = std::min(turned.sqnr_db, own->sqnr_db);
  }
  const auto count = static_cast<int64_t>(turned.scale_values.size());
  const ir::Dims of_scales = count == dims[0] ? ir::Dims{count} : ir::Dims{dims[0], count / dims[0]};
  turned.codes = ir::Tensor::of<int8_t>({dims[0], dims[2], dims[1]}, codes);
  turned.scales = ir::Tensor::of<float>(of_scales, turned.scale_values);
  turned.zero_points = ir::Tensor::zeros(ir::DType::i8, of_scales);
  return turned;
}

bool is_plain_weight(const ir::Value* value) {
  const ir::Tensor* tensor = value != nullptr ? value->constant() : nullptr;
  return tensor != nullptr && tensor->dtype() == ir::DType::f32 && tensor->encoding() != ir::Encoding::affine &&
         tensor->rank() == 3 && tensor->size() > 0;
}

}  // namespace

std::string dynamic_lstm_obstacle(const ir::Node& node, const targets::Target& target) {
  if (target.limits.domain != kLstmDomain) return "the runtime of " + target.name + " lacks DynamicQuantizeLSTM";
  if (node.attributes().get_int("layout", 0) != 0) return "DynamicQuantizeLSTM has no layout with the batch first";
  if (node.input(0)->type().dtype != ir::DType::f32) return "it is not float32";
  for (const int operand : {kW, kR}) {
    if (is_plain_weight(node.input(operand))) continue;
    const bool coded = node.input(operand) != nullptr && node.input(operand)->constant() != nullptr &&
                       node.input(operand)->constant()->encoding() == ir::Encoding::affine;
    return coded ? "its weights are codes already"
                 : "its weights are no float32 constants (simplify the model first where they are computed)";
  }
  return "";
}

Status make_dynamic_lstm(ir::Graph& graph, ir::Node& node, const WeightSettings& settings, PassContext& context) {
  std::vector<ir::Value*> operands = {node.input(0)}, parameters, old;
  double sqnr_db = INFINITY;
  std::vector<float> scales;
  for (const int operand : {kW, kR}) {
    ir::Value& weight = *node.input(operand);
    auto turned = turned_codes(*weight.constant(), settings);
    if (!turned) return turned.error().in(node.label());
    operands.push_back(
        &graph.add_constant(std::move(turned->codes), weight.name().empty() ? "" : weight.name() + "_codes", &node));
    parameters.push_back(&graph.add_constant(std::move(turned->scales), "", &node));
    parameters.push_back(&graph.add_constant(std::move(turned->zero_points), "", &node));
    scales.insert(scales.end(), turned->scale_values.begin(), turned->scale_values.end());
    sqnr_db = std::min(sqnr_db, turned->sqnr_db);
    old.push_back(&weight);
  }
  for (int i = kR + 1; i <= kLast; ++i) operands.push_back(node.input(i));
  operands.insert(operands.end(), parameters.begin(), parameters.end());
  ir::Attributes attributes = node.attributes();
  attributes.erase("layout");  // 0 here
  attributes.set("hidden_size", old[1]->constant()->dims()[2]);
  auto made = onnx::insert_compound(graph, node, kLstmOp, operands, node.num_outputs(), std::move(attributes));
  if (!made) return made.error().in(node.label());

  LayerRecord record = layer_record(node, "int8, dynamic");
  record.numbers["weight_scale_min"] = *std::min_element(scales.begin(), scales.end());
  record.numbers["weight_scale_max"] = *std::max_element(scales.begin(), scales.end());
  if (std::isfinite(sqnr_db)) record.numbers["weight_sqnr_db"] = sqnr_db;
  context.layers.push_back(std::move(record));

  (*made)->set_name(node.name());
  (*made)->doc = node.doc;
  for (int i = 0; i < node.num_outputs(); ++i) {
    ir::Value& output = (*made)->output(i);
    output.set_type(node.output(i).type());
    const std::string name = node.output(i).name();
    graph.replace_all_uses(node.output(i), output);
    output.set_name(name);
  }
  graph.erase(node);
  for (ir::Value* weight : old) {
    if (weight->unused() && !weight->node().erased()) graph.erase(weight->node());
  }
  return {};
}

}  // namespace edgesmith::passes::quantize
