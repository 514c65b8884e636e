// SPDX-License-Identifier: Apache-2.0
// `edgesmith inspect`: what is in a model file.
#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "cli.h"
#include "edgesmith/base/file.h"
#include "edgesmith/base/sha256.h"
#include "edgesmith/base/text.h"
#include "edgesmith/data/preprocess.h"
#include "edgesmith/ir/subgraphs.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/inner_cost.h"
#include "edgesmith/passes/node_cost.h"
#include "edgesmith/refine/measure.h"
#include "edgesmith/refine/runner.h"
#include "edgesmith/refine/target_check.h"
#include "edgesmith/report/terminal.h"
#include "edgesmith/targets/target.h"
#include "inspect_pair.h"
#include "inspect_weights.h"

namespace edgesmith::cli {
namespace {

using Json = nlohmann::ordered_json;
using passes::CostEstimate;
using passes::NodeCost;
using report::Table;

/// Lines of the list of expensive nodes.
constexpr size_t kMostNodes = 10;

/// Weights of more bytes are looked at only when asked for: sorting them takes minutes.
constexpr int64_t kMostWeightBytes = int64_t{256} << 20;

/// Larger files are hashed only when asked for: it takes a second for each gigabyte or two.
constexpr int64_t kMostHashedBytes = int64_t{16} << 20;

/// All nodes of one operator together.
struct OpCount {
  int64_t count = 0, macs = 0, params = 0;
};

struct QuantCount {
  int64_t values = 0;   ///< annotated values
  int64_t weights = 0;  ///< of them constants
  int dynamic = 0;      ///< operators on codes of the run
  std::string dtypes;   ///< "i8, u8"
};

/// A constant whose numbers come from codebooks.
struct SharedWeight {
  std::string name, dtype;  ///< dtype of the entries
  int64_t weights = 0, codebooks = 0, entries = 0, distinct = 0, bits = 0, bytes = 0;
};

struct Inspection {
  onnx::SourceInfo source;
  refine::ModelSize size;
  std::optional<runtime::MemoryPlan> memory;  ///< for one sample; absent when it is not known before running
  std::map<std::string, OpCount> ops;
  QuantCount quant;
  std::vector<SharedWeight> shared;
  bool has_inside = false;        ///< some nodes hold branches or bodies
  std::string sha256;             ///< of the file; "": not asked for
  bool looked_at_weights = true;  ///< false: `weights` and `forecasts` are empty, `size.nonzero` is not known
  passes::ModelFacts weights;
  std::vector<Forecast> forecasts;  ///< empty: not wanted
  std::vector<std::string> problems;
  std::vector<std::string> float_on_target;  ///< nodes that stay float on --target
};

std::string op_label(const ir::Node& node) {
  return node.is(ir::OpKind::opaque) ? node.opaque_op : std::string(ir::onnx_name(node.op()));
}

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

std::string quantized_text(const QuantCount& quant) {
  std::string text;
  if (quant.values > 0) {
    text = std::to_string(quant.values) + " values (" + quant.dtypes + "), " + std::to_string(quant.weights) +
           " of them weights";
  }
  if (quant.dynamic > 0) {
    text += (text.empty() ? "" : "; ") + std::to_string(quant.dynamic) +
            (quant.dynamic == 1 ? " operator" : " operators") + " on codes of the run";
  }
  return text.empty() ? "no" : text;
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

/// "21 tensors of 3 to 4-bit indices, 154 kB in place of 1.07 MB".
std::string shared_text(const std::vector<SharedWeight>& shared) {
  int64_t low = shared[0].bits, high = 0, bytes = 0, dense = 0;
  for (const SharedWeight& weight : shared) {
    low = std::min(low, weight.bits);
    high = std::max(high, weight.bits);
    bytes += weight.bytes;
    dense += 4 * weight.weights;
  }
  const std::string bits = low == high ? std::to_string(low) : std::to_string(low) + " to " + std::to_string(high);
  return std::to_string(shared.size()) + " tensors of " + bits + "-bit indices, " + report::bytes_text(bytes) +
         " in place of " + report::bytes_text(dense);
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
    OpCount& count = inspection.ops[op_label(node)];
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

/// A row for every node, in order: what --only and --skip may name.
struct NodeRow {
  std::string name, op, output, type;
  int64_t macs = 0;
};

std::vector<NodeRow> node_rows(const ir::Graph& graph) {
  std::vector<NodeRow> rows;
  for (const ir::Node& node : graph.nodes()) {
    if (is_structural(node)) continue;
    NodeRow row{node.name(), op_label(node), "", "", ops::cost_of(node).macs};
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

template <typename Number>
Json optional(const std::optional<Number>& value) {
  return value ? Json(*value) : Json();
}

std::string work_name(const NodeCost& cost) {
  static constexpr std::array<const char*, targets::kNumWorks> kNames = {"conv", "depthwise", "first", "dense"};
  return cost.work ? kNames[static_cast<size_t>(*cost.work)] : "element";
}

/// Three digits: "12.3", "0.00456".
std::string digits(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3g", value);
  return text;
}

std::string of_limit(int64_t bytes, const std::optional<int64_t>& limit) {
  return report::bytes_text(bytes) + (limit ? " of " + report::bytes_text(*limit) : "");
}

/// "206 ms and 8.86 mJ a sample", as far as the profile knows.
std::string totals_text(const CostEstimate& estimate) {
  if (!estimate.seconds) return "no times, because the profile has no clock";
  std::string text = (estimate.lower_bound ? "at least " : "about ") + digits(*estimate.seconds * 1e3) + " ms";
  if (estimate.joules) text += " and " + digits(*estimate.joules * 1e3) + " mJ";
  return text + " a sample";
}

std::string memory_text(const refine::MemoryNeed& memory, const targets::Target& target) {
  std::string text = "RAM " + (memory.ram_bytes ? of_limit(*memory.ram_bytes, target.device.ram_bytes) : "not known");
  if (memory.flash_bytes) text += ", flash " + of_limit(*memory.flash_bytes, target.device.flash_bytes);
  return text;
}

/// What --target adds: where time and energy go there, and whether the model fits.
Json target_costs_json(const ir::Graph& graph, const targets::Target& target) {
  const CostEstimate estimate = passes::estimate_costs(graph, target);
  const refine::TargetCheck check = refine::check_target(graph, target);
  Json nodes = Json::array();
  for (const NodeCost& cost : estimate.nodes) {
    nodes.push_back({{"node", cost.node->label()},
                     {"work", work_name(cost)},
                     {"integer", cost.integer},
                     {"macs", cost.macs},
                     {"bytes", cost.bytes},
                     {"seconds", optional(cost.seconds)},
                     {"joules", optional(cost.joules)},
                     {"share", cost.share},
                     {"memory_bound", cost.memory_bound},
                     {"cheaper", cost.cheaper.empty() ? Json() : Json(cost.cheaper)}});
  }
  return {{"name", target.name},
          {"takes", check.takes()},
          {"seconds", optional(estimate.seconds)},
          {"joules", optional(estimate.joules)},
          {"lower_bound", estimate.lower_bound},
          {"ram_bytes", optional(check.memory.ram_bytes)},
          {"ram_limit", optional(target.device.ram_bytes)},
          {"flash_bytes", optional(check.memory.flash_bytes)},
          {"flash_limit", optional(target.device.flash_bytes)},
          {"nodes", std::move(nodes)}};
}

std::string target_costs_text(const ir::Graph& graph, const targets::Target& target, bool color) {
  const CostEstimate estimate = passes::estimate_costs(graph, target);
  const refine::TargetCheck check = refine::check_target(graph, target);
  std::string text = "  estimated from its profile: " + totals_text(estimate) + "\n";
  text += "  " + memory_text(check.memory, target) + "\n";
  if (!check.takes()) {
    text += "  it does not take this model: 'edgesmith check' names " + std::to_string(check.violations.size()) +
            (check.violations.size() == 1 ? " broken rule\n" : " broken rules\n");
  }
  Table table({Table::Align::left, Table::Align::left, Table::Align::left, Table::Align::right, Table::Align::right,
               Table::Align::right, Table::Align::right, Table::Align::left});
  table.head({"most expensive", "work", "type", "multiply-adds", "ms", "mJ", "share", ""});
  const size_t shown = std::min(kMostNodes, estimate.nodes.size());
  for (size_t i = 0; i < shown; ++i) {
    const NodeCost& cost = estimate.nodes[i];
    std::string note = cost.memory_bound ? "waits for memory" : "";
    if (!cost.cheaper.empty()) note = cost.cheaper + " runs on integers there";
    table.row({cost.node->label(), work_name(cost), cost.integer ? "int8" : "float",
               cost.macs > 0 ? report::count_text(cost.macs) : "", cost.seconds ? digits(*cost.seconds * 1e3) : "",
               cost.joules ? digits(*cost.joules * 1e3) : "", digits(cost.share * 100) + " %", note});
  }
  text += table.text(color);
  if (shown < estimate.nodes.size()) {
    text += "  " + std::to_string(estimate.nodes.size() - shown) + " more nodes; --json has them all\n";
  }
  return text;
}

std::string as_json(const ir::Graph& graph, const std::string& path, const Inspection& in,
                    const targets::Target* target) {
  Json inputs = Json::array(), outputs = Json::array(), op_list = Json::array();
  for (const ir::Value* input : graph.inputs()) {
    inputs.push_back({{"name", input->name()}, {"type", input->type().text()}});
  }
  for (const auto& [name, type] : results_of(graph)) outputs.push_back({{"name", name}, {"type", type}});
  for (const auto& [op, count] : in.ops) {
    op_list.push_back({{"op", op}, {"count", count.count}, {"macs", count.macs}, {"params", count.params}});
  }
  Json nodes = Json::array();
  for (const NodeRow& row : node_rows(graph)) {
    nodes.push_back(
        {{"name", row.name}, {"op", row.op}, {"output", row.output}, {"type", row.type}, {"macs", row.macs}});
  }
  Json shared = Json::array();
  for (const SharedWeight& weight : in.shared) {
    shared.push_back({{"name", weight.name},
                      {"weights", weight.weights},
                      {"codebooks", weight.codebooks},
                      {"entries", weight.entries},
                      {"entry_dtype", weight.dtype},
                      {"distinct", weight.distinct},
                      {"bits", weight.bits},
                      {"bytes", weight.bytes}});
  }
  Json metadata = Json::object();
  for (const auto& [key, value] : graph.metadata) metadata[key] = value;
  Json costs = target != nullptr ? target_costs_json(graph, *target) : Json();
  return Json({{"schema", "edgesmith.inspect/1"},
               {"model",
                {{"path", path},
                 {"name", graph.name},
                 {"producer", in.source.producer},
                 {"ir_version", in.source.ir_version},
                 {"opset", in.source.opset},
                 {"external_data", in.source.external_data},
                 {"sha256", in.sha256.empty() ? Json() : Json(in.sha256)},
                 {"bytes", in.size.bytes},
                 {"params", in.size.params},
                 {"nonzero", in.looked_at_weights ? Json(in.size.nonzero) : Json()},
                 {"macs", in.size.macs},
                 {"nodes", in.size.nodes},
                 {"peak_activation_bytes", in.memory ? Json(in.memory->arena_bytes) : Json()},
                 {"activation_lower_bound_bytes", in.memory ? Json(in.memory->lower_bound_bytes) : Json()}}},
               {"inputs", std::move(inputs)},
               {"outputs", std::move(outputs)},
               {"ops", std::move(op_list)},
               {"nodes", std::move(nodes)},
               {"quantized",
                {{"values", in.quant.values},
                 {"weights", in.quant.weights},
                 {"dtypes", in.quant.dtypes},
                 {"dynamic", in.quant.dynamic}}},
               {"shared", std::move(shared)},
               {"weights", Json::parse(weights_json(in.weights))},
               {"weight_totals", Json::parse(totals_json(in.weights))},
               {"forecast", Json::parse(forecasts_json(in.forecasts, in.size.bytes))},
               {"metadata", std::move(metadata)},
               {"problems", in.problems},
               {"float_on_target", in.float_on_target},
               {"target", std::move(costs)}})
      .dump(2, ' ', false, Json::error_handler_t::replace);
}

std::string as_text(const ir::Graph& graph, const std::string& path, const Inspection& in,
                    const targets::Target* target, const Common& common) {
  const bool color = use_color(common);
  std::string text = report::paint(path, report::Style::bold, color) + "\n";
  Table facts({Table::Align::left, Table::Align::left});
  facts.row({"made by", (in.source.producer.empty() ? "unknown" : in.source.producer) + ", opset " +
                            std::to_string(in.source.opset) + ", IR " + std::to_string(in.source.ir_version)});
  for (const ir::Value* input : graph.inputs()) facts.row({"input", input->name() + " " + input->type().text()});
  for (const auto& [name, type] : results_of(graph)) facts.row({"output", name + " " + type});
  facts.row({"file", report::bytes_text(in.size.bytes) + (in.source.external_data ? " with external data" : "")});
  if (!in.sha256.empty()) facts.row({"sha256", in.sha256});
  std::string params = refine::grouped(in.size.params);
  if (in.size.nonzero != in.size.params) params += ", " + refine::grouped(in.size.nonzero) + " not zero";
  facts.row({"parameters", params});
  facts.row({"multiply-adds", report::count_text(in.size.macs) + " a sample" +
                                  (in.has_inside ? ", the inside of If, Loop and Scan counted once" : "")});
  if (in.memory) {
    const bool tight = in.memory->arena_bytes == in.memory->lower_bound_bytes;
    facts.row({"activations", report::bytes_text(in.memory->arena_bytes) + " at the peak, for one sample" +
                                  (tight ? ", the least for this order"
                                         : "; at least " + report::bytes_text(in.memory->lower_bound_bytes))});
  }
  facts.row({"quantized", quantized_text(in.quant)});
  if (!in.shared.empty()) facts.row({"shared weights", shared_text(in.shared)});
  if (const std::string* preprocess = graph.find_metadata(data::kPreprocessKey)) {
    facts.row({"preprocessing", *preprocess});
  }
  if (const std::string* account = graph.find_metadata("edgesmith.provenance")) {
    facts.row({"made with", provenance_text(*account)});
  }
  text += facts.text(color) + "\n";
  Table table({Table::Align::left, Table::Align::right, Table::Align::right, Table::Align::right});
  table.head({"op", "nodes", "parameters", "multiply-adds"});
  for (const auto& [op, count] : in.ops) {
    table.row({op, std::to_string(count.count), count.params > 0 ? report::count_text(count.params) : "",
               count.macs > 0 ? report::count_text(count.macs) : ""});
  }
  text += table.text(color);
  if (!in.weights.weights.empty()) text += "\n" + weights_text(in.weights, common.verbose, color);
  if (!in.forecasts.empty()) text += "\n" + forecasts_text(in.forecasts, in.size.bytes, color);
  if (common.verbose) {
    Table nodes({Table::Align::left, Table::Align::left, Table::Align::left, Table::Align::left, Table::Align::right});
    nodes.head({"node", "op", "output", "type", "multiply-adds"});
    for (const NodeRow& row : node_rows(graph)) {
      nodes.row({row.name, row.op, row.output, row.type, row.macs > 0 ? report::count_text(row.macs) : ""});
    }
    text += "\n" + nodes.text(color);
  }
  if (common.verbose && !in.shared.empty()) {
    Table shared({Table::Align::left, Table::Align::right, Table::Align::right, Table::Align::right,
                  Table::Align::right, Table::Align::right, Table::Align::left});
    shared.head({"shared weight", "weights", "codebooks", "entries", "distinct", "bytes", "type"});
    for (const SharedWeight& weight : in.shared) {
      shared.row({weight.name, std::to_string(weight.weights), std::to_string(weight.codebooks),
                  std::to_string(weight.entries), std::to_string(weight.distinct), std::to_string(weight.bytes),
                  weight.dtype});
    }
    text += "\n" + shared.text(color);
  }
  if (!in.problems.empty()) text += "\n" + report::paint("problems", report::Style::yellow, color) + "\n";
  for (const std::string& problem : in.problems) text += "  " + problem + "\n";
  if (target != nullptr) {
    text += "\n" + report::paint(target->name, report::Style::bold, color) + ": " +
            (in.float_on_target.empty() ? "every layer with weights can compute on integers"
                                        : std::to_string(in.float_on_target.size()) + " layers stay float") +
            "\n";
    for (const std::string& node : in.float_on_target) text += "  " + node + "\n";
    text += target_costs_text(graph, *target, color);
  }
  return text;
}

struct Flags {
  std::string model, other, target;
  bool no_forecast = false, weights = false, hash = false;
};

/// The hash of the file, or "" for a large one that nobody asked to read whole.
Result<std::string> hash_of(const std::string& path, bool asked) {
  auto file = MappedFile::open(path);
  if (!file) return file.error();
  const bool wanted = asked || static_cast<int64_t>((*file)->bytes().size()) <= kMostHashedBytes;
  return wanted ? sha256_hex((*file)->bytes()) : std::string();
}

/// The document of one of two models, without what takes long to find.
Result<std::string> short_document(const std::string& path, const Flags& flags) {
  auto graph = onnx::import_file(path);
  if (!graph) return graph.error();
  Inspection inspection = inspect(*graph, path, nullptr, flags.weights);
  if (inspection.source.external_data) inspection.size.bytes = bytes_with_external_data(path, inspection.size.bytes);
  auto sha256 = hash_of(path, flags.hash);
  if (!sha256) return sha256.error();
  inspection.sha256 = std::move(*sha256);
  return as_json(*graph, path, inspection, nullptr);
}

Result<int> run_pair(const Flags& flags, const Common& common) {
  if (!flags.target.empty()) return usage_error("--target is for one model", "leave out " + flags.other);
  const auto a = short_document(flags.model, flags), b = short_document(flags.other, flags);
  if (!a) return a.error();
  if (!b) return b.error();
  EDGESMITH_TRY(show_document(common, "inspect " + flags.model + " " + flags.other, pair_json(*a, *b),
                              [&] { return pair_text(*a, *b, use_color(common)); }));
  return 0;
}

Result<int> run(const Flags& flags, const Common& common) {
  if (!flags.other.empty()) return run_pair(flags, common);
  const std::string& model = flags.model;
  auto target = targets::load_target(flags.target.empty() ? std::string(targets::kDefaultTarget) : flags.target);
  if (!target) return target.error();
  auto graph = onnx::import_file(model);
  if (!graph) return graph.error();
  const targets::Target* wanted = flags.target.empty() ? nullptr : &*target;
  Inspection inspection = inspect(*graph, model, wanted, flags.weights);
  if (inspection.source.external_data) inspection.size.bytes = bytes_with_external_data(model, inspection.size.bytes);
  auto sha256 = hash_of(model, flags.hash);
  if (!sha256) return sha256.error();
  inspection.sha256 = std::move(*sha256);
  ThreadPool pool(common.threads);
  if (inspection.looked_at_weights) {
    auto facts = passes::find_weight_facts(*graph, pool);
    if (!facts) return facts.error().in(model);
    inspection.weights = std::move(*facts);
  }
  if (inspection.looked_at_weights && !flags.no_forecast) {
    inspection.forecasts = make_forecasts(*graph, model, inspection.size.bytes, *target, pool);
  }
  EDGESMITH_TRY(show_document(common, "inspect " + model, as_json(*graph, model, inspection, wanted),
                              [&] { return as_text(*graph, model, inspection, wanted, common); }));
  return 0;
}

}  // namespace

void add_inspect(Program& program) {
  auto flags = std::make_shared<Flags>();
  Command* command = program.add_command("inspect", "Show what is in a model: operators, sizes, costs, problems",
                                         [flags](const Common& common) { return run(*flags, common); });
  command->add_option("model", flags->model, "the .onnx file")->required()->type_name("MODEL");
  command->add_option("other", flags->other, "another one, to see both side by side")->type_name("OTHER");
  command
      ->add_option("--target", flags->target, "also say what stays float there, and where time, energy and memory go")
      ->type_name("NAME");
  command->add_flag("--no-forecast", flags->no_forecast,
                    "leave out what each technique would save, which takes longest");
  command->add_flag("--weights", flags->weights, "look at every weight of models over 256 MiB, too");
  command->add_flag("--hash", flags->hash, "also give the SHA-256 of the file; done anyway up to 16 MiB");
  add_report_option(command, program.common);
  add_work_options(command, program.common);
}

}  // namespace edgesmith::cli
