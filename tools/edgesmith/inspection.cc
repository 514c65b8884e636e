// SPDX-License-Identifier: Apache-2.0
#include "inspection.h"

#include <algorithm>

#include "edgesmith/base/text.h"
#include "edgesmith/ir/node_text.h"
#include "edgesmith/ir/subgraphs.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/inner_cost.h"
#include "edgesmith/passes/node_cost.h"
#include "edgesmith/report/terminal.h"

namespace edgesmith::cli {
namespace {

/// Weights of more bytes are looked at only when asked for: sorting them takes minutes.
constexpr int64_t kMostWeightBytes = int64_t{256} << 20;

bool is_structural(const ir::Node& node) {
  return node.is(ir::OpKind::input) || node.is(ir::OpKind::output) || node.is(ir::OpKind::constant);
}

/// Weights count where they are read first, so that shared ones count once.
int64_t own_params(const ir::Node& node, std::vector<bool>& seen) {
  int64_t params = 0;
  for (int i = 0; i < node.num_inputs(); ++i) {
    const ir::Value* value = node.input(i);
    const ir::Tensor* tensor = value != nullptr ? value->constant() : nullptr;
    if (tensor == nullptr || seen[static_cast<size_t>(value->id())]) continue;
    if (!ir::is_float(tensor->dtype()) && !passes::is_parameter(value->node())) continue;
    seen[static_cast<size_t>(value->id())] = true;
    params += tensor->size();
  }
  return params;
}

/// Operators on codes of the run, those inside of If, Loop and Scan included.
int count_dynamic(const ir::Graph& graph) {
  int count = 0;
  for (const ir::Node& node : graph.nodes()) {
    count += passes::is_dynamic(node) ? 1 : 0;
    if (node.subgraphs == nullptr || node.subgraphs->kind == ir::Subgraphs::Kind::function) continue;
    for (const ir::Graph& body : node.subgraphs->graphs) count += count_dynamic(body);
  }
  return count;
}

void count_quant(const ir::Graph& graph, Inspection& inspection) {
  inspection.quant.dynamic = count_dynamic(graph);
  std::vector<std::string> dtypes;
  for (const ir::Node& node : graph.nodes()) {
    for (int o = 0; o < node.num_outputs(); ++o) {
      const auto& quant = node.output(o).quant();
      if (!quant) continue;
      ++inspection.quant.values;
      if (node.is(ir::OpKind::constant)) ++inspection.quant.weights;
      dtypes.emplace_back(ir::dtype_name(quant->dtype));
    }
  }
  std::sort(dtypes.begin(), dtypes.end());
  dtypes.erase(std::unique(dtypes.begin(), dtypes.end()), dtypes.end());
  inspection.quant.dtypes = join(dtypes, ", ");
}

void find_shared(const ir::Graph& graph, Inspection& inspection) {
  for (const ir::Node& node : graph.nodes()) {
    const ir::Tensor* palette = node.is(ir::OpKind::constant) ? node.tensor().as_palette() : nullptr;
    if (palette == nullptr) continue;
    const ir::Tensor& codebooks = palette->codebooks();
    SharedWeight shared{node.output().name(), std::string(ir::dtype_name(codebooks.dtype()))};
    shared.weights = palette->size();
    shared.codebooks = codebooks.dims()[0];
    shared.entries = codebooks.dims()[1];
    std::vector<float> numbers = palette->to_floats();
    std::sort(numbers.begin(), numbers.end());
    shared.distinct = std::unique(numbers.begin(), numbers.end()) - numbers.begin();
    while ((int64_t{1} << shared.bits) < shared.entries) ++shared.bits;
    shared.bytes = node.tensor().stored_bytes();
    inspection.shared.push_back(std::move(shared));
  }
}

void find_problems(const ir::Graph& graph, const targets::Target* target, Inspection& inspection) {
  std::map<std::string, int64_t> opaque;
  for (const ir::Node& node : graph.nodes()) {
    if (const ir::Node* unknown = ops::find_unknown(node)) ++opaque[unknown->opaque_op];
    if (target == nullptr || is_structural(node)) continue;
    if (ops::cost_of(node).macs > 0 && !target->runs_integer(node.op())) {
      inspection.float_on_target.push_back(node.label());
    }
  }
  for (const auto& [op, count] : opaque) {
    inspection.problems.push_back(std::to_string(count) + " node" + (count == 1 ? "" : "s") + " of " + op +
                                  " cannot be run here: kept byte for byte, a barrier for every pass");
  }
  for (const ir::Node& node : graph.nodes()) {
    for (int o = 0; o < node.num_outputs() && !node.is(ir::OpKind::opaque); ++o) {
      if (!node.output(o).type().has_rank()) {
        inspection.problems.push_back(node.label() + ": the rank of its output is not known before running");
      }
    }
  }
}

int64_t weight_bytes(const ir::Graph& graph) {
  int64_t bytes = 0;
  for (const ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::constant)) bytes += node.tensor().stored_bytes();
  }
  return bytes;
}

}  // namespace

Inspection inspect(const ir::Graph& graph, const std::string& path, const targets::Target* target, bool all_weights) {
  Inspection inspection;
  inspection.source = onnx::source_info(graph);
  const int64_t bytes = weight_bytes(graph);
  inspection.looked_at_weights = all_weights || bytes <= kMostWeightBytes;
  inspection.size = refine::measure_size(graph, inspection.looked_at_weights);
  if (const auto plan = runtime::plan_memory(graph)) inspection.memory = *plan;
  inspection.size.bytes = refine::model_file_bytes(graph, path);
  std::vector<bool> seen(static_cast<size_t>(graph.num_value_ids()), false);
  for (const ir::Node& node : graph.nodes()) {
    if (is_structural(node)) continue;
    OpCount& count = inspection.ops[ir::operator_text(node)];
    ++count.count;
    const passes::InnerCost inside = passes::inner_cost(node, inspection.looked_at_weights);
    const bool repeats = node.subgraphs != nullptr && node.subgraphs->kind != ir::Subgraphs::Kind::function;
    inspection.has_inside = inspection.has_inside || repeats;
    count.macs += ops::cost_of(node).macs + inside.macs;
    count.params += own_params(node, seen) + inside.params;
  }
  count_quant(graph, inspection);
  find_shared(graph, inspection);
  find_problems(graph, target, inspection);
  if (!inspection.looked_at_weights) {
    inspection.problems.push_back("weights of " + report::bytes_text(bytes) +
                                  " are not looked at: --weights counts zeros and distinct numbers, and forecasts");
  }
  return inspection;
}

std::vector<NodeRow> node_rows(const ir::Graph& graph) {
  std::vector<NodeRow> rows;
  for (const ir::Node& node : graph.nodes()) {
    if (is_structural(node)) continue;
    NodeRow row{node.name(), ir::operator_text(node), "", "", ops::cost_of(node).macs};
    if (node.num_outputs() > 0) {
      row.output = node.output(0).name();
      row.type = node.output(0).type().text();
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<std::pair<std::string, std::string>> results_of(const ir::Graph& graph) {
  std::vector<std::pair<std::string, std::string>> results;
  for (int i = 0; i < graph.num_outputs(); ++i) {
    results.emplace_back(graph.output_names()[static_cast<size_t>(i)], graph.output_node().input(i)->type().text());
  }
  return results;
}

}  // namespace edgesmith::cli
