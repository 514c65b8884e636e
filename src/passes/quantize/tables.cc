// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/tables.h"

#include <algorithm>
#include <cmath>

#include "passes/quantize/findings.h"
#include "passes/quantize/slice_codes.h"

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
    SliceCodes coded = code_slices(reals, table.dims(), 0);
    report_weight(*reader, coded.tensor, 8, coded.sqnr_db, false, context);
    graph.set_tensor(node, std::move(coded.tensor));
    ++tables;
  }
  if (tables > 0) {
    context.notes.push_back(std::to_string(tables) + (tables == 1 ? " embedding table is" : " embedding tables are") +
                            " int8 codes");
  }
  return tables;
}

}  // namespace edgesmith::passes::quantize
