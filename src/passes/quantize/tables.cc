// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/tables.h"

#include <algorithm>
#include <cmath>

#include "passes/quantize/findings.h"

namespace edgesmith::passes::quantize {
namespace {

using ir::OpKind;

/// The first selected Gather, when nobody reads the constant otherwise than said above; else null.
const ir::Node* reader_of_rows(const ir::Value& table, const std::vector<bool>& selected) {
  const ir::Node* gather = nullptr;
  for (const ir::Use& use : table.uses()) {
    const ir::Node& node = *use.node;
    const bool rows = node.is(OpKind::gather) && use.index == 0 && node.attributes().get_int("axis", 0) == 0;
    if (!rows && !node.is(OpKind::transpose)) return nullptr;
    if (!rows) continue;
    if (!selected[static_cast<size_t>(node.id())]) return nullptr;
    if (gather == nullptr || node.id() < gather->id()) gather = &node;
  }
  return gather;
}

struct Coded {
  ir::Tensor table;
  double sqnr_db = 0;
};

Coded code_rows(const std::vector<float>& reals, const ir::Dims& dims) {
  const auto rows = static_cast<size_t>(dims[0]), width = static_cast<size_t>(dims[1]);
  ir::Quant quant{.dtype = ir::DType::i8, .scale = {}, .zero_point = std::vector<int32_t>(rows, 0), .axis = 0};
  std::vector<int8_t> codes(reals.size());
  double signal = 0, noise = 0;
  for (size_t r = 0; r < rows; ++r) {
    float largest = 0;
    for (size_t i = r * width; i < (r + 1) * width; ++i) largest = std::max(largest, std::abs(reals[i]));
    // A row of zeros, or of numbers too small for a normal scale, is coded as zeros.
    const float scale = largest / 127 >= std::numeric_limits<float>::min() ? largest / 127 : 1;
    quant.scale.push_back(scale);
    for (size_t i = r * width; i < (r + 1) * width; ++i) {
      codes[i] = static_cast<int8_t>(ir::quantize_value(reals[i], scale, 0, ir::DType::i8));
      const double error = static_cast<double>(reals[i]) - static_cast<double>(codes[i]) * static_cast<double>(scale);
      signal += static_cast<double>(reals[i]) * static_cast<double>(reals[i]);
      noise += error * error;
    }
  }
  return {ir::Tensor::affine(ir::Tensor::of<int8_t>(dims, codes), std::move(quant)),
          noise > 0 ? 10 * std::log10(signal / noise) : INFINITY};
}

}  // namespace

int quantize_tables(ir::Graph& graph, const std::vector<bool>& selected, PassContext& context) {
  int tables = 0;
  for (ir::Node& node : graph.nodes()) {
    if (!node.is(OpKind::constant) || node.tensor().rank() != 2 || node.tensor().size() < kSmallestTable) continue;
    const ir::Tensor& table = node.tensor();
    if (table.dtype() != ir::DType::f32 || table.encoding() != ir::Encoding::dense) continue;
    const ir::Node* reader = reader_of_rows(node.output(), selected);
    if (reader == nullptr) continue;
    const std::vector<float> reals = table.to_floats();
    if (!std::all_of(reals.begin(), reals.end(), [](float x) { return std::isfinite(x); })) continue;
    Coded coded = code_rows(reals, table.dims());
    report_weight(*reader, coded.table, 8, coded.sqnr_db, false, context);
    graph.set_tensor(node, std::move(coded.table));
    ++tables;
  }
  if (tables > 0) {
    context.notes.push_back(std::to_string(tables) + (tables == 1 ? " embedding table is" : " embedding tables are") +
                            " int8 codes");
  }
  return tables;
}

}  // namespace edgesmith::passes::quantize
